//! Bare records, JSON objects of one stream.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::input::Lines;
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, JsonSchema, Refresh};
use crate::protocol::message::Record;
use crate::schema::evolve::SchemaOrigin;
use crate::sink::Sink;
use crate::source::bad::BadRecords;
use crate::source::sample::{self, Sample};
use crate::source::{self, Interruption, Source};
use crate::time::Clock;

/// Records between two looks at the clock, for a source that is never silent.
const RECORDS_BETWEEN_LOOKS: u32 = 256;

/// Where bare records go, and how.
pub(crate) struct RecordTarget<'a> {
    /// The name of the stream, and so of its table.
    pub(crate) name: &'a str,
    /// The declared JSON schema; without one it is inferred from the first records.
    pub(crate) schema: Option<Value>,
    pub(crate) refresh: Refresh,
    /// How often rows are published; without it they are published by `Sink::finish`.
    pub(crate) checkpoint_interval: Option<Duration>,
    pub(crate) bad: &'a mut BadRecords,
}

/// Reads to the end of input. The sink gets the stream with its first record.
pub(crate) fn read(
    target: RecordTarget<'_>,
    lines: &mut Lines,
    sink: &mut Sink<'_>,
    feedback: &mut Feedback,
    clock: &Clock,
) -> Result<(), Interruption> {
    let interval = target.checkpoint_interval;
    let size = match target.schema {
        Some(_) => sample::ONE,
        None => sample::SIZE,
    };
    let sample = Sample::read(lines, size, interval, clock, target.bad)?;
    if sample.is_empty() {
        // A producer that failed: nothing is made or changed for it.
        return Ok(());
    }
    let first = sample.lines().next();
    if let Some(what) = first.and_then(|(_, _, text)| messages(text)) {
        log::warn!("{what}");
    }
    // The sample has a copy of all lines.
    lines.compact();
    let (schema, origin) = match target.schema {
        Some(schema) => (schema, SchemaOrigin::Declared),
        None => (sample.schema(), SchemaOrigin::Inferred),
    };
    sink.add(ConfiguredStream {
        key: StreamKey::new(None, target.name),
        json_schema: JsonSchema::from(&schema),
        origin,
        refresh: target.refresh,
        generation_id: None,
        sync_id: None,
        cursor: Vec::new(),
    })?;
    let mut records = Records {
        stream: target.name,
        bad: target.bad,
        clock,
        interval,
        due: None,
        until_look: RECORDS_BETWEEN_LOOKS,
    };
    for (input, number, text) in sample.lines() {
        records
            .take(text, sink)
            .map_err(|error| source::at_line(error, number, input))?;
        feedback.line(sink, lines.bytes());
    }
    drop(sample);
    source::read(lines, &mut records, sink, feedback)
}

/// What to do where a record looks like the message of a protocol, in which the records are.
fn messages(record: &[u8]) -> Option<&'static str> {
    let record: Value = serde_json::from_slice(record).ok()?;
    let kind = record["type"].as_str()?;
    let is_airbyte = record["record"]["stream"].is_string() && record["record"]["data"].is_object()
        || record["state"].is_object() && kind == "STATE"
        || record["log"]["message"].is_string() && kind == "LOG"
        || record["trace"].is_object() && kind == "TRACE";
    let is_singer = record["stream"].is_string()
        && (kind == "SCHEMA" && record["schema"].is_object()
            || kind == "RECORD" && record["record"].is_object());
    if is_airbyte {
        Some(
            "the input looks like Airbyte's messages, and each is loaded as one row; write loads the records in them",
        )
    } else if is_singer {
        Some(
            "the input looks like a Singer tap's messages, and each is loaded as one row; --input singer loads the records in them",
        )
    } else {
        None
    }
}

/// Bare records of one stream, published at an interval if there is one.
struct Records<'a> {
    stream: &'a str,
    bad: &'a mut BadRecords,
    clock: &'a Clock,
    interval: Option<Duration>,
    /// When the rows accepted since the last checkpoint are to be published; `None` if there are none.
    due: Option<Instant>,
    until_look: u32,
}

impl Source for Records<'_> {
    fn take(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        sink.record(&Record::bare(self.stream.into(), line, None))?;
        let Some(interval) = self.interval else {
            return Ok(());
        };
        if self.due.is_none() {
            self.due = Some(self.clock.instant() + interval);
        }
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = RECORDS_BETWEEN_LOOKS;
            self.tick(sink)?;
        }
        Ok(())
    }

    fn refused(&mut self, error: Error, lines: &mut Lines) -> Result<()> {
        if lines.is_object() {
            return Err(error);
        }
        self.bad.reject(lines)
    }

    fn deadline(&self, _: &Sink<'_>) -> Option<Instant> {
        self.due
    }

    fn tick(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        if self.due.is_none_or(|due| self.clock.instant() < due) {
            return Ok(());
        }
        self.due = None;
        sink.publish_all()
    }
}
