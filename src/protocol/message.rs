//! One line of stdin to one message.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json::scan::ReadToEnd;
use crate::protocol::StreamKey;
use crate::protocol::envelope::{self, EndOfData, Envelope};
use crate::protocol::prefix::Prefixes;

/// A message that matters to a destination, borrowed from its line.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Record(Record<'a>),
    /// A state, still as text: `state::State::read` reads it.
    State,
    /// The status of a stream, as the platform reports it.
    Status {
        stream: StreamKey,
        status: Status,
    },
    /// An error that the source reports: of the stream that it names, or of the whole source.
    SourceError(Option<StreamKey>),
    /// LOG, CONTROL and other traces.
    Other,
    /// A type that does not exist yet, by its name where that has the form of one.
    Unknown(Option<Cow<'a, str>>),
}

/// A record whose object has not been read yet.
///
/// Where the object's end was guessed, nothing about the record is certain: what was taken for its stream or its time
/// may stand inside of the object or after the record. Only reading the object to its end tells. So there is no access
/// to a record but [`Record::read_with`], which verifies a guess.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    view: RecordView<'a>,
    /// The line, if the object's end was guessed.
    line: Option<&'a [u8]>,
}

/// One reading of a record, with its object as JSON text: a guess, or verified.
#[derive(Debug)]
pub(crate) struct RecordView<'a> {
    pub(crate) stream: Cow<'a, str>,
    /// An empty namespace is none.
    pub(crate) namespace: Option<Cow<'a, str>>,
    /// The JSON text of `data`. It may be no object; if this is a guess, it may be no JSON.
    pub(crate) data: &'a [u8],
    /// Milliseconds since 1970.
    pub(crate) emitted_at: Option<i64>,
    /// The JSON text of `meta.changes`.
    pub(crate) changes: Option<&'a [u8]>,
    /// Records with the same id belong to the same stream; `None` when the line was not matched by a known prefix.
    pub(crate) prefix_id: Option<usize>,
}

impl<'a> Record<'a> {
    /// A record without Airbyte's envelope.
    pub(crate) fn bare(stream: Cow<'a, str>, data: &'a [u8], emitted_at: Option<i64>) -> Self {
        let view = RecordView {
            stream,
            namespace: None,
            data,
            emitted_at,
            changes: None,
            prefix_id: None,
        };
        Self { view, line: None }
    }

    /// Calls `read` with the record, and returns its result.
    ///
    /// `read` must read `data` to its end as one JSON object, and fail on any other text; when it fails it must have
    /// written nothing. If it fails on a guess, it is called once more, with the record that a walk over the whole line
    /// finds. If the line turns out to be no message, the error says where.
    #[inline]
    pub(crate) fn read_with<T>(
        &self,
        mut read: impl FnMut(&RecordView<'_>) -> Result<(T, ReadToEnd)>,
    ) -> Result<T> {
        let (done, _) = match read(&self.view) {
            Ok(done) => done,
            Err(error) => match self.verified()? {
                Some(verified) => read(&verified)?,
                None => return Err(error),
            },
        };
        Ok(done)
    }

    /// The record that a walk over the whole line finds, unless this one was found so.
    #[cold]
    fn verified(&self) -> Result<Option<RecordView<'a>>> {
        let Some(line) = self.line else {
            return Ok(None);
        };
        match read_exactly(line)? {
            Message::Record(record) => Ok(Some(record.view)),
            _ => Ok(None),
        }
    }
}

/// The statuses that matter to a destination; the running ones do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Complete,
    Incomplete,
    /// STARTED, RUNNING and any other.
    Underway,
}

#[derive(Deserialize)]
struct Trace<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    stream_status: Option<StreamStatus>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SourceError {
    stream_descriptor: Option<Descriptor>,
}

#[derive(Deserialize)]
struct StreamStatus {
    stream_descriptor: Descriptor,
    status: String,
}

/// A stream's key, as messages write it.
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

/// Reads lines, most of which begin as earlier ones did.
#[derive(Debug, Default)]
pub(crate) struct MessageReader {
    prefixes: Prefixes,
}

impl MessageReader {
    /// Reads one line, which is neither blank nor holds a line end. Errors say where and what was expected, never data.
    #[inline]
    pub(crate) fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<Message<'a>> {
        if let Some(found) = self.prefixes.find(line) {
            let stream = &self.prefixes.prefix_of(&found).stream;
            let view = RecordView {
                stream: Cow::from(&stream.name),
                namespace: stream.namespace.as_ref().map(Cow::from),
                data: found.data,
                emitted_at: Some(found.emitted_at),
                changes: None,
                prefix_id: Some(found.prefix_id),
            };
            let line = Some(line);
            return Ok(Message::Record(Record { view, line }));
        }
        self.read_by_guess(line)
    }

    fn read_by_guess<'a>(&mut self, line: &'a [u8]) -> Result<Message<'a>> {
        match envelope::read(line, EndOfData::Guessed) {
            Ok(envelope) if envelope.kind == "RECORD" || envelope.record.is_none() => {
                if let Some(prefix) = envelope.record.as_ref().and_then(|record| record.prefix) {
                    self.prefixes.learn(&line[..prefix]);
                }
                message(envelope, Some(line))
            }
            _ => read_exactly(line),
        }
    }
}

/// Walks over the whole line.
fn read_exactly(line: &[u8]) -> Result<Message<'_>> {
    let envelope = envelope::read(line, EndOfData::Walked);
    message(envelope.map_err(|error| error.hint(EXPECTED))?, None)
}

/// The message in an envelope; with its line, if the end of the record's object was guessed.
fn message<'a>(envelope: Envelope<'a>, line: Option<&'a [u8]>) -> Result<Message<'a>> {
    match envelope.kind.as_ref() {
        "RECORD" => {
            let record = envelope
                .record
                .ok_or_else(|| Error::system("a RECORD message without the key \"record\""))?;
            let view = RecordView {
                stream: record.stream,
                namespace: record.namespace.filter(|namespace| !namespace.is_empty()),
                data: record.data,
                emitted_at: record.emitted_at,
                changes: record.changes,
                prefix_id: None,
            };
            Ok(Message::Record(Record { view, line }))
        }
        "STATE" => Ok(Message::State),
        "TRACE" => envelope.trace.map_or(Ok(Message::Other), trace),
        kind if TYPES.contains(&kind) => Ok(Message::Other),
        kind => match TYPES.iter().find(|known| is_almost(kind, known)) {
            Some(known) => Err(Error::system(format!(
                "expected the type {known:?} in these letters, found it in others or with spaces"
            ))),
            None => Ok(Message::Unknown(
                Some(envelope.kind).filter(|kind| is_name_of_type(kind)),
            )),
        },
    }
}

/// The types of messages: <https://docs.airbyte.com/platform/understanding-airbyte/airbyte-protocol>.
const TYPES: [&str; 9] = [
    "RECORD",
    "STATE",
    "TRACE",
    "LOG",
    "CONTROL",
    "SPEC",
    "CONNECTION_STATUS",
    "CATALOG",
    "DESTINATION_CATALOG",
];

/// Whether a source that writes this type surely means that one.
fn is_almost(kind: &str, known: &str) -> bool {
    kind.trim().eq_ignore_ascii_case(known)
}

/// Whether a type may be shown: one that has the form of the known ones is no value of a bare record.
fn is_name_of_type(kind: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    (1..=40).contains(&kind.len()) && kind.bytes().all(is_fine)
}

fn trace(trace: &[u8]) -> Result<Message<'static>> {
    let trace: Trace<'_> = serde_json::from_slice(trace).map_err(|error| malformed(&error))?;
    let kind = trace
        .kind
        .map(|kind| serde_json::from_str::<String>(kind.get()));
    let is_error = match kind {
        Some(kind) => kind.is_ok_and(|kind| is_almost(&kind, "ERROR")),
        None => trace.error.is_some() && trace.stream_status.is_none(),
    };
    if is_error {
        // In whatever form it comes, it is an error.
        let error = trace.error.map(|error| serde_json::from_str(error.get()));
        let stream = error.and_then(|error: serde_json::Result<SourceError>| {
            error.ok()?.stream_descriptor.map(|stream| stream.key())
        });
        return Ok(Message::SourceError(stream));
    }
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

/// serde_json's own text may quote values ("invalid type: string \"…\""), so only its class and place are reported.
pub(crate) fn malformed(error: &serde_json::Error) -> Error {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "the line ends in the middle of a message",
        Category::Syntax => "the line is not valid JSON",
        Category::Data => {
            "the line is JSON, but not an Airbyte message: a key is missing, twice, or of another type"
        }
        Category::Io => "cannot read the line",
    };
    Error::system(format!("{what} (column {})", error.column())).hint(EXPECTED)
}

const EXPECTED: &str = "expected one JSON object per line, as {\"type\": \"RECORD\", \"record\": {\"stream\": …, \"data\": {…}, \"emitted_at\": …}}";

#[cfg(test)]
mod tests;
