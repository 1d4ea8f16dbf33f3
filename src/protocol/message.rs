//! One line of stdin to one message.

use std::borrow::Cow;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::protocol::alike::Heads;
use crate::protocol::envelope::{self, Ends, Envelope};

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
    /// Records with one number are of one stream; not all have one.
    pub(crate) number_of_stream: Option<usize>,
    /// The line, where the end of `data` was guessed.
    line: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// A record that came without Airbyte's envelope.
    pub(crate) fn bare(stream: Cow<'a, str>, data: &'a [u8], emitted_at: Option<i64>) -> Self {
        Self {
            stream,
            namespace: None,
            data,
            emitted_at,
            changes: None,
            number_of_stream: None,
            line: None,
        }
    }

    /// For whoever finds that `data` is no JSON object: the record read once more with care, unless this one was. If
    /// the line is no message at all, the error says where.
    pub(crate) fn again(&self) -> Result<Option<Record<'a>>> {
        let Some(line) = self.line else {
            return Ok(None);
        };
        match of_envelope(
            envelope::read(line, Ends::Walked).map_err(|error| error.hint(EXPECTED))?,
            None,
        )? {
            Message::Record(record) => Ok(Some(record)),
            _ => Ok(None),
        }
    }
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

/// Reads lines, of which most begin as earlier ones did.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    heads: Heads,
}

impl Reader {
    /// Reads one line, which is neither blank nor holds a line end. Errors say where and what was expected, never data.
    ///
    /// A record's object is not read, and its end may be a guess that only reading it confirms: see [`Record::again`].
    #[inline]
    pub(crate) fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<Message<'a>> {
        if let Some(news) = self.heads.news(line) {
            let stream = &self.heads.head(&news).stream;
            return Ok(Message::Record(Record {
                stream: Cow::from(&stream.name),
                namespace: stream.namespace.as_ref().map(Cow::from),
                data: news.data,
                emitted_at: Some(news.emitted_at),
                changes: None,
                number_of_stream: Some(news.head),
                line: Some(line),
            }));
        }
        self.read_all(line)
    }

    fn read_all<'a>(&mut self, line: &'a [u8]) -> Result<Message<'a>> {
        match envelope::read(line, Ends::Guessed) {
            Ok(envelope) if envelope.kind == "RECORD" || envelope.record.is_none() => {
                if let Some(head) = envelope.record.as_ref().and_then(|record| record.head) {
                    self.heads.learn(&line[..head]);
                }
                of_envelope(envelope, Some(line))
            }
            _ => of_envelope(
                envelope::read(line, Ends::Walked).map_err(|error| error.hint(EXPECTED))?,
                None,
            ),
        }
    }
}

fn of_envelope<'a>(envelope: Envelope<'a>, line: Option<&'a [u8]>) -> Result<Message<'a>> {
    match envelope.kind.as_ref() {
        "RECORD" => {
            let record = envelope
                .record
                .ok_or_else(|| Error::system("a RECORD message without the key \"record\""))?;
            Ok(Message::Record(Record {
                stream: record.stream,
                namespace: record.namespace.filter(|namespace| !namespace.is_empty()),
                data: record.data,
                emitted_at: record.emitted_at,
                changes: record.changes,
                number_of_stream: None,
                line,
            }))
        }
        "STATE" => Ok(Message::State),
        "TRACE" => envelope.trace.map_or(Ok(Message::Other), status),
        _ => Ok(Message::Other),
    }
}

fn status(trace: &[u8]) -> Result<Message<'static>> {
    let trace: Trace = serde_json::from_slice(trace).map_err(|error| malformed(&error))?;
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
    Error::system(format!("{what} (column {})", error.column())).hint(EXPECTED)
}

const EXPECTED: &str = "expected one JSON object per line, as {\"type\": \"RECORD\", \"record\": {\"stream\": …, \"data\": {…}, \"emitted_at\": …}}";

#[cfg(test)]
mod tests;
