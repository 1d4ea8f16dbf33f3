//! One line of stdin to one message.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;

/// A message that concerns us, borrowed from its line.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Record(Record<'a>),
    /// A state, still as text: `state::State::read` looks inside.
    State,
    /// What the platform says of a stream at its end.
    Status {
        stream: StreamKey,
        status: Status,
    },
    /// LOG, CONTROL, other traces, and types that are not invented yet.
    Other,
}

/// A record, with its object still as JSON text.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) stream: Cow<'a, str>,
    /// An empty namespace is none.
    pub(crate) namespace: Option<Cow<'a, str>>,
    /// The JSON text of `data`; whether it is an object is for the row to say.
    pub(crate) data: &'a [u8],
    /// Milliseconds since 1970.
    pub(crate) emitted_at: Option<i64>,
    /// The JSON text of `meta.changes`.
    pub(crate) changes: Option<&'a [u8]>,
}

/// The statuses that matter to a destination; the running ones do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Complete,
    Incomplete,
    /// STARTED, RUNNING and whatever comes.
    Underway,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    record: Option<RecordForm<'a>>,
    #[serde(borrow)]
    trace: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RecordForm<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
    emitted_at: Option<f64>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    changes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Trace {
    stream_status: Option<StreamStatus>,
}

#[derive(Deserialize)]
struct StreamStatus {
    stream_descriptor: Descriptor,
    status: String,
}

/// A stream's key as messages write it.
#[derive(Deserialize)]
pub(crate) struct Descriptor {
    name: String,
    namespace: Option<String>,
}

impl Descriptor {
    pub(crate) fn key(&self) -> StreamKey {
        StreamKey::new(self.namespace.as_deref(), &self.name)
    }
}

/// Reads one line, which is neither blank nor holds a line end. Errors name the column and what was expected, never data.
pub(crate) fn read(line: &[u8]) -> Result<Message<'_>> {
    let envelope: Envelope<'_> = serde_json::from_slice(line).map_err(|error| malformed(&error))?;
    match envelope.kind.as_ref() {
        "RECORD" => {
            let record = envelope
                .record
                .ok_or_else(|| Error::system("a RECORD message without the key \"record\""))?;
            #[allow(clippy::cast_possible_truncation)] // saturates; such a time is nonsense anyway
            Ok(Message::Record(Record {
                stream: record.stream,
                namespace: record.namespace.filter(|namespace| !namespace.is_empty()),
                data: record.data.get().as_bytes(),
                emitted_at: record.emitted_at.map(|millis| millis as i64),
                changes: record
                    .meta
                    .and_then(|meta| meta.changes)
                    .map(|changes| changes.get().as_bytes()),
            }))
        }
        "STATE" => Ok(Message::State),
        "TRACE" => envelope
            .trace
            .map_or(Ok(Message::Other), |trace| status(trace.get())),
        _ => Ok(Message::Other),
    }
}

fn status(trace: &str) -> Result<Message<'static>> {
    let trace: Trace = serde_json::from_str(trace).map_err(|error| malformed(&error))?;
    Ok(trace
        .stream_status
        .map_or(Message::Other, |status| Message::Status {
            stream: status.stream_descriptor.key(),
            status: match status.status.as_str() {
                "COMPLETE" => Status::Complete,
                "INCOMPLETE" => Status::Incomplete,
                _ => Status::Underway,
            },
        }))
}

/// serde_json's own text may quote values ("invalid type: string \"…\""), so only its class and place are told.
pub(crate) fn malformed(error: &serde_json::Error) -> Error {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "the line ends in the middle of a message",
        Category::Syntax => "the line is not valid JSON",
        Category::Data => {
            "the line is JSON, but not an Airbyte message: a key is missing, twice, or of another type"
        }
        Category::Io => "the line can not be read",
    };
    Error::system(format!("{what} (column {})", error.column()))
        .hint("expected one JSON object per line, as {\"type\": \"RECORD\", \"record\": {\"stream\": …, \"data\": {…}, \"emitted_at\": …}}")
}
