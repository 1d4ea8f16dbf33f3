//! A Singer tap's messages. States are printed once readers see the rows before them.
//!
//! Where rows are added, versions mean nothing. Where they replace older ones, those of one version of a stream do so
//! together at the end of input, provided that the version is whole: it was activated after its records, or it was
//! activated before them and the input ended with a state. Rows of a version that the table shows already are added to it.
//!
//! A schema that declares no properties, or that permits others than those, is completed by those that are inferred from
//! the first records. These are held until there are enough of them, or until another message than a record comes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::interrupt;
use crate::json::scan;
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, JsonSchema, Refresh};
use crate::protocol::message::{Record, Status};
use crate::protocol::singer::{self, SingerMessage, SingerRecord};
use crate::schema::evolve::SchemaOrigin;
use crate::schema::infer::Inference;
use crate::schema::{self, Numbers};
use crate::sink::Sink;
use crate::source::Source;
use crate::source::sample::SIZE;

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
    held: HeldRecords,
}

/// Records that are held until the columns of their streams are inferred.
#[derive(Default)]
struct HeldRecords {
    text: Vec<u8>,
    records: Vec<HeldRecord>,
}

struct HeldRecord {
    stream: String,
    data: Range<usize>,
    version: Option<i64>,
    extracted_at: Option<i64>,
}

/// A stream, as the tap's messages describe it.
struct TapStream {
    schema: Value,
    /// What is inferred of its records, where the schema is open.
    inferred: Option<Inference>,
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
                if self.holds(&record)? {
                    if self.held.text.len() >= SIZE {
                        self.write_held(sink)?;
                    }
                    return Ok(());
                }
                self.record(record, sink)
            }
            SingerMessage::Schema { stream, schema } => {
                self.is_at_state = false;
                self.write_held(sink)?;
                self.schema(stream, schema, sink)
            }
            SingerMessage::State(value) => {
                self.write_held(sink)?;
                self.is_at_state = true;
                self.states += 1;
                let mut line = value.to_vec();
                line.push(b'\n');
                sink.line(line)
            }
            SingerMessage::ActivateVersion { stream, version } => {
                self.write_held(sink)?;
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
        self.write_held(sink)?;
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
            held: HeldRecords::default(),
        }
    }

    /// Holds a record of a stream whose columns are not known yet; whether it did.
    fn holds(&mut self, record: &SingerRecord<'_>) -> Result<bool> {
        let Some(stream) = self.streams.get_mut(record.stream.as_ref()) else {
            return Ok(false);
        };
        let Some(inferred) = stream.inferred.as_mut().filter(|_| !stream.is_open) else {
            return Ok(false);
        };
        // While its line is known.
        scan::check_object(record.data).map_err(|(scan, fault)| scan.error(fault))?;
        inferred.record(record.data);
        let from = self.held.text.len();
        self.held.text.extend_from_slice(record.data);
        self.held.records.push(HeldRecord {
            stream: record.stream.to_string(),
            data: from..self.held.text.len(),
            version: record.version,
            extracted_at: record.extracted_at,
        });
        Ok(true)
    }

    fn write_held(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        for record in held.records {
            let record = SingerRecord {
                stream: record.stream.into(),
                data: &held.text[record.data],
                version: record.version,
                extracted_at: record.extracted_at,
            };
            self.record(record, sink)?;
        }
        Ok(())
    }

    fn record(&mut self, record: SingerRecord<'_>, sink: &mut Sink<'_>) -> Result<()> {
        let stream = self.open(&record.stream, record.version, sink)?;
        stream.has_records = true;
        stream.is_whole = false;
        sink.record(&Record::bare(
            record.stream,
            record.data,
            record.extracted_at,
        ))
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
                inferred: is_open(&schema).then(Inference::default),
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
        if !stream.is_open && stream.inferred.is_none() {
            stream.inferred = is_open(&schema).then(Inference::default);
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

/// Whether a schema does not say which properties records have: it declares none, or permits others expressly.
fn is_open(schema: &Value) -> bool {
    let permits_others = match &schema["additionalProperties"] {
        Value::Bool(permits) => *permits,
        others => others.is_object(),
    };
    permits_others || schema::read(schema, Numbers::Double, &[]).fields.is_empty()
}

/// The schema, with the properties that it does not declare.
fn completed(schema: &Value, inferred: &Inference) -> Value {
    let mut completed = match schema {
        Value::Object(_) => schema.clone(),
        _ => json!({}),
    };
    let mut properties = match completed["properties"].take() {
        Value::Object(declared) => declared,
        _ => Map::new(),
    };
    if let Value::Object(others) = inferred.schema()["properties"].take() {
        for (key, others) in others {
            properties.entry(key).or_insert(others);
        }
    }
    completed["properties"] = properties.into();
    completed
}

fn configured(name: &str, stream: &TapStream, refresh: Refresh) -> ConfiguredStream {
    let (json_schema, origin) = match &stream.inferred {
        None => (JsonSchema::from(&stream.schema), SchemaOrigin::Declared),
        Some(inferred) => {
            let completed = completed(&stream.schema, inferred);
            (JsonSchema::from(&completed), SchemaOrigin::Inferred)
        }
    };
    ConfiguredStream {
        key: StreamKey::new(None, name),
        json_schema,
        origin,
        refresh: stream.version.map_or(refresh, Refresh::Version),
        generation_id: stream.version,
        sync_id: None,
        cursor: Vec::new(),
    }
}
