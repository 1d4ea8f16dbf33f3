//! A Singer tap's messages. States are printed once the rows before them are durable.
//!
//! A version of a stream is a generation: if the table does not show the version of the records, they go to a new
//! generation, which replaces the old one at the end of input, provided that the tap has activated the version.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, Refresh};
use crate::protocol::message::{Record, Status};
use crate::protocol::singer::{self, SingerMessage};
use crate::schema::evolve::SchemaOrigin;
use crate::sink::Sink;
use crate::source::Source;

/// The messages of a tap.
pub(crate) struct Tap {
    /// How streams whose records have no version are written.
    refresh: Refresh,
    streams: HashMap<String, TapStream>,
}

/// A stream, as the tap's messages describe it.
struct TapStream {
    schema: Value,
    /// Whether the sink has the stream: its first record or version decides how it is opened.
    is_open: bool,
    /// The version of its records.
    version: Option<i64>,
    is_active: bool,
}

impl Source for Tap {
    fn take(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        match singer::read(line)? {
            SingerMessage::Record(record) => {
                self.open(&record.stream, record.version, sink)?;
                sink.record(&Record::bare(
                    record.stream,
                    record.data,
                    record.extracted_at,
                ))
            }
            SingerMessage::Schema { stream, schema } => self.schema(stream, schema, sink),
            SingerMessage::State(value) => {
                let mut line = value.to_vec();
                line.push(b'\n');
                sink.line(line)
            }
            SingerMessage::ActivateVersion { stream, version } => {
                self.activate(&stream, version, sink)
            }
        }
    }

    fn deadline(&self, sink: &Sink<'_>) -> Option<Instant> {
        sink.deadline()
    }

    fn tick(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        sink.tick()
    }

    /// Streams without a record get their tables too.
    fn end(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        for (name, stream) in &self.streams {
            if !stream.is_open {
                sink.add(configured(name, stream, self.refresh))?;
                continue;
            }
            let key = StreamKey::new(None, name);
            // A version that is published already needs no activation.
            if stream.version.is_some() && (stream.is_active || sink.is_published(&key)) {
                sink.status(&key, Status::Complete)?;
            }
        }
        Ok(())
    }
}

impl Tap {
    pub(crate) fn new(refresh: Refresh) -> Self {
        Self {
            refresh,
            streams: HashMap::new(),
        }
    }

    fn schema(&mut self, name: Cow<'_, str>, schema: Value, sink: &mut Sink<'_>) -> Result<()> {
        let Some(stream) = self.streams.get_mut(name.as_ref()) else {
            self.streams.insert(
                name.into_owned(),
                TapStream {
                    schema,
                    is_open: false,
                    version: None,
                    is_active: false,
                },
            );
            return Ok(());
        };
        // Taps repeat the schema before every batch of records.
        if stream.schema == schema {
            return Ok(());
        }
        stream.schema = schema;
        if stream.is_open {
            let configured = configured(&name, stream, self.refresh);
            sink.reshape(configured)?;
        }
        Ok(())
    }

    /// Adds the stream to the sink if it is new, and checks that all its records have one version.
    fn open(&mut self, name: &str, version: Option<i64>, sink: &mut Sink<'_>) -> Result<()> {
        let Some(stream) = self.streams.get_mut(name) else {
            return Err(Error::system(format!(
                "stream {name:?}: expected a SCHEMA message before its first record or version"
            )));
        };
        if stream.is_open {
            if stream.version == version {
                return Ok(());
            }
            return Err(Error::system(format!(
                "stream {name:?}: expected records of one version, found a second version"
            ))
            .hint("let the tap finish one version before it begins the next"));
        }
        stream.version = version;
        stream.is_open = true;
        sink.add(configured(name, stream, self.refresh))
    }

    fn activate(&mut self, name: &str, version: i64, sink: &mut Sink<'_>) -> Result<()> {
        if let Some(stream) = self.streams.get(name)
            && stream.is_open
            && stream.version.is_none()
        {
            log::warn!(
                "stream {name:?}: activated a version, but its records have none; keeping older rows"
            );
            return Ok(());
        }
        self.open(name, Some(version), sink)?;
        if let Some(stream) = self.streams.get_mut(name) {
            stream.is_active = true;
        }
        Ok(())
    }
}

fn configured(name: &str, stream: &TapStream, unversioned: Refresh) -> ConfiguredStream {
    ConfiguredStream {
        key: StreamKey::new(None, name),
        json_schema: stream.schema.clone(),
        origin: SchemaOrigin::Declared,
        refresh: match stream.version {
            Some(generation) => Refresh::Truncate { generation },
            None => unversioned,
        },
        generation_id: stream.version,
        sync_id: None,
    }
}
