//! The summary of a finished run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::feedback::figures::{bytes, grouped, speed};
use crate::sink::{ColumnTally, StreamTally, Tally};
use crate::time::Millis;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Failed(String),
    /// By a signal, or because the reader of stdout was gone.
    Stopped,
}

/// So many columns of a stream are logged.
const MOST_COLUMNS: usize = 100;

/// So many characters of a type are logged.
const LONGEST_TYPE: usize = 60;

/// The figures of a run, for the log and the report files.
pub(super) struct Summary {
    pub(super) outcome: Outcome,
    pub(super) began: Millis,
    pub(super) ended: Millis,
    pub(super) elapsed: Duration,
    /// Bytes of the whole input, envelopes included.
    pub(super) bytes_in: u64,
    pub(super) bad_records: u64,
    pub(super) retries: u64,
    pub(super) peak_memory: Option<u64>,
    pub(super) tally: Tally,
}

impl Summary {
    pub(super) fn log(&self) {
        for stream in &self.tally.streams {
            let groups = match stream.groups {
                0 => String::new(),
                count => format!(" row_groups={count}"),
            };
            log::info!(
                "stream {}: table={}.{} records={} bytes_in={} bytes_out={} objects={}{groups}",
                stream.stream,
                stream.database,
                stream.table,
                stream.records,
                stream.bytes_in,
                stream.bytes_out,
                stream.objects,
            );
        }
        let sum = |count: fn(&StreamTally) -> u64| self.tally.sum(count);
        let memory = self.peak_memory.map_or_else(String::new, |peak| {
            format!(" peak_memory={:?}", bytes(peak))
        });
        let bad = match self.bad_records {
            0 => String::new(),
            count => format!(", {} bad", grouped(count)),
        };
        log::info!(
            "{} after {:.1} s: {} records{bad}, {} in, {} out, {}; objects={} checkpoints={} retries={}{memory}",
            self.word(),
            self.elapsed.as_secs_f64(),
            grouped(sum(|stream| stream.records)),
            bytes(self.bytes_in),
            bytes(sum(|stream| stream.bytes_out)),
            speed(self.bytes_in, self.elapsed),
            sum(|stream| stream.objects),
            self.tally.checkpoints,
            self.retries,
        );
    }

    /// Logs the columns of each stream: what a person wants to know of data that has just been loaded.
    pub(super) fn log_columns(&self) {
        for stream in self
            .tally
            .streams
            .iter()
            .filter(|stream| stream.records > 0)
        {
            for column in stream.columns.iter().take(MOST_COLUMNS) {
                log::info!(
                    "stream {}: {}",
                    stream.stream,
                    column_text(column, stream.records)
                );
            }
            if let Some(others @ 1..) = stream.columns.len().checked_sub(MOST_COLUMNS) {
                log::info!(
                    "stream {}: {others} more columns, in the file of --summary",
                    stream.stream
                );
            }
        }
    }

    fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Done => "done",
            Outcome::Failed(_) => "failed",
            Outcome::Stopped => "stopped",
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let sum = |count: fn(&StreamTally) -> u64| self.tally.sum(count);
        let mut value = json!({
            "outcome": self.word(),
            "began_at": self.began.iso(),
            "ended_at": self.ended.iso(),
            "seconds": (self.elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            "records": sum(|stream| stream.records),
            "bad_records": self.bad_records,
            "rescued_values": sum(StreamTally::rescued),
            "bytes_in": self.bytes_in,
            "bytes_out": sum(|stream| stream.bytes_out),
            "objects": sum(|stream| stream.objects),
            "checkpoints": self.tally.checkpoints,
            "states": self.tally.states,
            "retries": self.retries,
            "peak_memory_bytes": self.peak_memory,
            "streams": null,
        });
        // Moved there: `json!` would copy all of them.
        value["streams"] = self.tally.streams.iter().map(stream_to_json).collect();
        if let Outcome::Failed(error) = &self.outcome {
            value["error"] = error.as_str().into();
        }
        value
    }
}

fn stream_to_json(stream: &StreamTally) -> Value {
    let mut value = json!({
        "stream": stream.stream.name,
        "namespace": stream.stream.namespace,
        "database": stream.database,
        "table": stream.table,
        "records": stream.records,
        "rescued_values": stream.rescued,
        "bytes_in": stream.bytes_in,
        "bytes_out": stream.bytes_out,
        "objects": stream.objects,
        "columns": null,
        "changes": stream.changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    value["columns"] = stream.columns.iter().map(column_to_json).collect();
    if stream.groups > 0 {
        value["row_groups"] = stream.groups.into();
    }
    value
}

fn column_to_json(column: &ColumnTally) -> Value {
    json!({
        "name": column.name,
        "type": column.data_type,
        "nulls": column.nulls,
        "rescued": column.rescued,
    })
}

/// `column price: double, 12.5 % null, 3 rescued`.
pub(super) fn column_text(column: &ColumnTally, records: u64) -> String {
    let ColumnTally {
        name,
        data_type,
        nulls,
        rescued,
    } = column;
    let data_type = match data_type.char_indices().nth(LONGEST_TYPE) {
        Some((end, _)) => format!("{}…", &data_type[..end]),
        None => data_type.clone(),
    };
    // Neither 0.0 % nor 100.0 % where it is not so.
    let tenths = u128::from(*nulls) * 1000 / u128::from(records.max(1));
    let share = match tenths {
        _ if *nulls == 0 => "no nulls".to_owned(),
        _ if nulls >= &records => "always null".to_owned(),
        0 => "less than 0.1 % null".to_owned(),
        tenths => format!("{}.{} % null", tenths / 10, tenths % 10),
    };
    match rescued {
        0 => format!("column {name}: {data_type}, {share}"),
        rescued => format!(
            "column {name}: {data_type}, {share}, {} rescued",
            grouped(*rescued)
        ),
    }
}
