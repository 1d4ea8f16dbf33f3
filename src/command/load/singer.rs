//! A Singer tap's messages into the tables of its streams; its states to stdout once their rows are durable.
//!
//! Versions are generations: rows of a version that the table does not show go to a new one, which takes the old one's
//! place at the end, if the tap has said by then that it is to be active.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value;

use crate::cli::Mode;
use crate::command::ending::Stop;
use crate::command::load::records::refresh;
use crate::command::reading::{self, Taker};
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::input::Lines;
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, Refresh};
use crate::protocol::message::{Record, Status};
use crate::protocol::singer::{self, Message};
use crate::schema::evolve::Claim;
use crate::sink::Sink;

/// Reads to the end of input.
pub(super) fn load(
    mode: Mode,
    lines: &mut Lines,
    sink: &mut Sink<'_>,
    feedback: &mut Feedback,
) -> Result<(), Stop> {
    let mut tap = Tap {
        mode,
        sink,
        streams: HashMap::new(),
    };
    reading::read(lines, &mut tap, feedback)?;
    Ok(tap.end()?)
}

struct Tap<'a, 'lake> {
    mode: Mode,
    sink: &'a mut Sink<'lake>,
    streams: HashMap<String, Stream>,
}

/// What the tap said of a stream.
struct Stream {
    schema: Value,
    /// Whether the sink knows it; its first record or version tells how to open it.
    is_open: bool,
    /// The version of its records.
    version: Option<i64>,
    is_active: bool,
}

impl<'lake> Taker<'lake> for Tap<'_, 'lake> {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        match singer::read(line)? {
            Message::Record(record) => {
                self.open(&record.stream, record.version)?;
                self.sink.record(&Record::bare(
                    record.stream,
                    record.data,
                    record.extracted_at,
                ))
            }
            Message::Schema { stream, schema } => self.schema(stream, schema),
            Message::State(value) => {
                let mut line = value.to_vec();
                line.push(b'\n');
                self.sink.line(line)
            }
            Message::ActivateVersion { stream, version } => self.activate(&stream, version),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.sink.deadline()
    }

    fn tick(&mut self) -> Result<()> {
        self.sink.tick()
    }

    fn sink(&self) -> &Sink<'lake> {
        self.sink
    }
}

impl Tap<'_, '_> {
    fn schema(&mut self, name: Cow<'_, str>, schema: Value) -> Result<()> {
        let Some(stream) = self.streams.get_mut(name.as_ref()) else {
            self.streams.insert(
                name.into_owned(),
                Stream {
                    schema,
                    is_open: false,
                    version: None,
                    is_active: false,
                },
            );
            return Ok(());
        };
        // Taps repeat themselves before every batch of records.
        if stream.schema == schema {
            return Ok(());
        }
        stream.schema = schema;
        if stream.is_open {
            let configured = configured(&name, stream, self.mode);
            self.sink.reshape(configured)?;
        }
        Ok(())
    }

    /// Makes sure that the sink knows the stream, and that its records are of one version.
    fn open(&mut self, name: &str, version: Option<i64>) -> Result<()> {
        let Some(stream) = self.streams.get_mut(name) else {
            return Err(Error::system(format!(
                "the stream {name:?} comes before its SCHEMA message"
            )));
        };
        if stream.is_open {
            if stream.version == version {
                return Ok(());
            }
            return Err(Error::system(format!(
                "stream {name:?}: a second version came; expected the records of one version"
            ))
            .hint("let the tap finish one version before it begins the next"));
        }
        stream.version = version;
        stream.is_open = true;
        self.sink.add(configured(name, stream, self.mode))
    }

    fn activate(&mut self, name: &str, version: i64) -> Result<()> {
        if let Some(stream) = self.streams.get(name)
            && stream.is_open
            && stream.version.is_none()
        {
            log::warn!(
                "stream {name:?}: its records have no version, so activating one removes no older rows"
            );
            return Ok(());
        }
        self.open(name, Some(version))?;
        if let Some(stream) = self.streams.get_mut(name) {
            stream.is_active = true;
        }
        Ok(())
    }

    /// The input has ended: streams without a record have their tables too.
    fn end(self) -> Result<()> {
        for (name, stream) in &self.streams {
            if !stream.is_open {
                self.sink.add(configured(name, stream, self.mode))?;
                continue;
            }
            let key = StreamKey::new(None, name);
            // A version that is on show already needs no word of the tap.
            if stream.version.is_some() && (stream.is_active || self.sink.is_published(&key)) {
                self.sink.status(&key, Status::Complete)?;
            }
        }
        Ok(())
    }
}

fn configured(name: &str, stream: &Stream, mode: Mode) -> ConfiguredStream {
    ConfiguredStream {
        key: StreamKey::new(None, name),
        json_schema: stream.schema.clone(),
        claim: Claim::Declared,
        refresh: match stream.version {
            Some(generation) => Refresh::Truncate { generation },
            None => refresh(mode),
        },
        generation_id: stream.version,
        sync_id: None,
    }
}
