//! Bare records, one JSON object a line, into one table.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{self, Mode};
use crate::command::ending::Stop;
use crate::command::load::sample::Sample;
use crate::command::read_file;
use crate::error::{Error, Result};
use crate::input::{Event, Lines};
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
        rows.take(input, number, text)?;
    }
    drop(sample);
    loop {
        match lines.next(rows.due)? {
            Event::Line {
                input,
                number,
                text,
            } => rows.take(input, number, text)?,
            Event::Due => rows.checkpoint()?,
            Event::End => return Ok(()),
            Event::Closed => return Err(Stop::Closed),
            Event::Stop(signal) => return Err(Stop::Signal(signal)),
        }
    }
}

/// What becomes of the rows that are there, where nothing but the end of input ends a load.
pub(super) fn refresh(mode: Mode) -> Refresh {
    match mode {
        Mode::Append => Refresh::Append {
            ends: Ends::WithInput,
        },
        Mode::Overwrite => Refresh::Overwrite,
    }
}

fn read_schema(path: &Path) -> Result<Value> {
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

impl Rows<'_, '_> {
    fn take(&mut self, input: &str, number: u64, text: &[u8]) -> Result<()> {
        let record = Record::bare(self.table.into(), text, None);
        self.sink
            .record(&record)
            .map_err(|error| error.while_doing(format_args!("line {number} of {input}")))?;
        let Some(interval) = self.interval else {
            return Ok(());
        };
        let Some(due) = self.due else {
            self.due = Some(self.clock.instant() + interval);
            return Ok(());
        };
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = ROWS_BETWEEN_LOOKS;
            if self.clock.instant() >= due {
                self.checkpoint()?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.due = None;
        self.sink.show_all()
    }
}
