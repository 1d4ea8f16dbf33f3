//! Bare records, one JSON object a line, into one table.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{self, Mode};
use crate::command::ending::Stop;
use crate::command::load::sample::Sample;
use crate::command::read_file;
use crate::command::reading::{self, Taker};
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::input::Lines;
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, Ends, Refresh};
use crate::protocol::message::Record;
use crate::schema::evolve::Claim;
use crate::sink::Sink;
use crate::time::Clock;

/// Rows between two looks at the clock, for a source that is never silent.
const ROWS_BETWEEN_LOOKS: u32 = 256;

/// Reads to the end of input. Without an interval nothing is shown until `Sink::finish`.
pub(super) fn load(
    table: &str,
    asked: &cli::Load,
    lines: &mut Lines,
    sink: &mut Sink<'_>,
    feedback: &mut Feedback,
    clock: &Clock,
) -> Result<(), Stop> {
    let interval = asked.checkpoint_interval;
    let (schema, claim, sample) = if let Some(path) = &asked.schema {
        (read_schema(path)?, Claim::Declared, Sample::default())
    } else {
        let sample = Sample::read(lines, interval, clock)?;
        (sample.schema(), Claim::Guessed, sample)
    };
    sink.add(ConfiguredStream {
        key: StreamKey::new(None, table),
        json_schema: schema,
        claim,
        refresh: refresh(asked.mode),
        generation_id: None,
        sync_id: None,
    })?;
    let mut rows = Rows {
        table,
        sink,
        clock,
        interval,
        due: None,
        until_look: ROWS_BETWEEN_LOOKS,
    };
    for (input, number, text) in sample.lines() {
        rows.take(text)
            .map_err(|error| error.while_doing(format_args!("line {number} of {input}")))?;
        feedback.line(rows.sink, lines.bytes());
    }
    drop(sample);
    reading::read(lines, &mut rows, feedback)
}

/// What becomes of the rows that are there, where nothing but the end of input ends a load.
pub(in crate::command) fn refresh(mode: Mode) -> Refresh {
    match mode {
        Mode::Append => Refresh::Append {
            ends: Ends::WithInput,
        },
        Mode::Overwrite => Refresh::Overwrite,
    }
}

pub(in crate::command) fn read_schema(path: &Path) -> Result<Value> {
    let schema = serde_json::from_slice(&read_file(path, "schema")?).map_err(|error| {
        Error::config(format!("the schema {} is not valid JSON", path.display())).because(error)
    })?;
    match schema {
        Value::Object(_) => Ok(schema),
        _ => Err(Error::config(format!(
            "the schema {} must be a JSON object, as {{\"properties\": {{\"id\": {{\"type\": \"integer\"}}}}}}",
            path.display()
        ))),
    }
}

/// Rows on their way into the sink, with the checkpoints that the user asked for.
struct Rows<'a, 'lake> {
    table: &'a str,
    sink: &'a mut Sink<'lake>,
    clock: &'a Clock,
    interval: Option<Duration>,
    /// When the rows since the last checkpoint are to be shown.
    due: Option<Instant>,
    until_look: u32,
}

impl<'lake> Taker<'lake> for Rows<'_, 'lake> {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        self.sink
            .record(&Record::bare(self.table.into(), line, None))?;
        let Some(interval) = self.interval else {
            return Ok(());
        };
        if self.due.is_none() {
            self.due = Some(self.clock.instant() + interval);
        }
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = ROWS_BETWEEN_LOOKS;
            self.tick()?;
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }

    fn tick(&mut self) -> Result<()> {
        if self.due.is_none_or(|due| self.clock.instant() < due) {
            return Ok(());
        }
        self.due = None;
        self.sink.publish_all()
    }

    fn sink(&self) -> &Sink<'lake> {
        self.sink
    }
}
