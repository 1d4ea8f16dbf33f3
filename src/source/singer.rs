//! A Singer tap's messages. States are printed once readers see the rows before them.
//!
//! Where rows are added, versions mean nothing. Where they replace older ones, those of one version of a stream do so
//! together at the end of input, provided that the version is whole: it was activated after its records, or it was
//! activated before them and the input ended with a state. Rows of a version that the table shows already are added to it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::interrupt;
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, JsonSchema, Refresh};
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
    /// How many states came.
    states: u64,
    /// Whether neither a record nor a schema came after the last state.
    is_at_state: bool,
    /// Whether it was reported that versions mean nothing.
    has_reported: bool,
}

/// A stream, as the tap's messages describe it.
struct TapStream {
    schema: Value,
    /// Whether the sink has the stream: its first record or version decides how it is opened.
    is_open: bool,
    /// The version of its records.
    version: Option<i64>,
    has_records: bool,
    /// Whether it was activated after all its records.
    is_whole: bool,
    /// How many states had come when it was activated last.
    activated: Option<u64>,
}

impl Source for Tap {
    fn take(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        match singer::read(line)? {
            SingerMessage::Record(record) => {
                self.is_at_state = false;
                let stream = self.open(&record.stream, record.version, sink)?;
                stream.has_records = true;
                stream.is_whole = false;
                sink.record(&Record::bare(
                    record.stream,
                    record.data,
                    record.extracted_at,
                ))
            }
            SingerMessage::Schema { stream, schema } => {
                self.is_at_state = false;
                self.schema(stream, schema, sink)
            }
            SingerMessage::State(value) => {
                self.is_at_state = true;
                self.states += 1;
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
            interrupt::check()?;
            if !stream.is_open {
                sink.add(configured(name, stream, self.refresh))?;
                continue;
            }
            let key = StreamKey::new(None, name);
            if self.replaces() && !sink.is_published(&key) {
                let status = if self.is_finished(stream) {
                    Status::Complete
                } else {
                    Status::Incomplete
                };
                sink.status(&key, status)?;
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
            states: 0,
            is_at_state: false,
            has_reported: false,
        }
    }

    /// At the end of input: whether the tap has sent all of the stream, or of its version.
    fn is_finished(&self, stream: &TapStream) -> bool {
        stream.is_whole
            || match stream.version {
                Some(_) => {
                    let activated = stream.activated.is_some_and(|states| states < self.states);
                    self.is_at_state && activated
                }
                // A tap that has states ends with one.
                None => self.is_at_state || self.states == 0,
            }
    }

    /// Whether older rows are replaced.
    fn replaces(&self) -> bool {
        self.refresh == Refresh::Overwrite
    }

    fn schema(&mut self, name: Cow<'_, str>, schema: Value, sink: &mut Sink<'_>) -> Result<()> {
        let count = self.streams.len();
        let Some(stream) = self.streams.get_mut(name.as_ref()) else {
            sink.refuse_too_many(count + 1, &StreamKey::new(None, &name))?;
            let stream = TapStream {
                schema,
                is_open: false,
                version: None,
                has_records: false,
                is_whole: false,
                activated: None,
            };
            self.streams.insert(name.into_owned(), stream);
            return Ok(());
        };
        // Taps repeat the schema before every batch of records.
        if stream.schema == schema {
            return Ok(());
        }
        stream.schema = schema;
        if stream.is_open {
            sink.reshape(configured(&name, stream, self.refresh))?;
        }
        Ok(())
    }

    /// The stream, in the sink, for records of this version.
    fn open(
        &mut self,
        name: &str,
        version: Option<i64>,
        sink: &mut Sink<'_>,
    ) -> Result<&mut TapStream> {
        let version = version.filter(|_| self.replaces());
        let refresh = self.refresh;
        let Some(stream) = self.streams.get_mut(name) else {
            return Err(Error::system(format!(
                "stream {name:?}: expected a SCHEMA message before its first record or version"
            )));
        };
        if !stream.is_open || stream.version != version {
            if stream.is_open && (stream.version.is_none() || version < stream.version) {
                return Err(Error::system(format!(
                    "stream {name:?}: expected records of one version, found records of an older one or of none after them"
                ))
                .hint("let the tap finish one version before it begins the next"));
            }
            stream.begin(version);
            sink.restart(configured(name, stream, refresh))?;
        }
        Ok(stream)
    }

    fn activate(&mut self, name: &str, version: i64, sink: &mut Sink<'_>) -> Result<()> {
        if !self.replaces() {
            if !self.has_reported {
                self.has_reported = true;
                log::info!(
                    "ACTIVATE_VERSION removes no rows: they are appended; to replace older ones, load with --mode overwrite"
                );
            }
            return Ok(());
        }
        let states = self.states;
        let stream = match self.streams.get_mut(name) {
            // Without a version its records are replaced all the same; those of a newer one are not complete by this.
            Some(stream) if stream.is_open && stream.version.is_none() => stream,
            Some(stream) if stream.is_open && stream.version > Some(version) => return Ok(()),
            _ => self.open(name, Some(version), sink)?,
        };
        stream.is_whole = stream.has_records;
        stream.activated = Some(states);
        Ok(())
    }
}

impl TapStream {
    /// Records of this version are to come, and none of another one.
    fn begin(&mut self, version: Option<i64>) {
        self.is_open = true;
        self.version = version;
        self.has_records = false;
        self.is_whole = false;
        self.activated = None;
    }
}

fn configured(name: &str, stream: &TapStream, refresh: Refresh) -> ConfiguredStream {
    ConfiguredStream {
        key: StreamKey::new(None, name),
        json_schema: JsonSchema::from(&stream.schema),
        origin: SchemaOrigin::Declared,
        refresh: stream.version.map_or(refresh, Refresh::Version),
        generation_id: stream.version,
        sync_id: None,
    }
}
