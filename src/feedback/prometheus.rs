//! The summary in Prometheus's text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//! All metrics are gauges: they describe the last run.

use std::fmt::Write;

use crate::feedback::summary::{Outcome, Summary};
use crate::sink::StreamTally;

type StreamMetric = (&'static str, &'static str, fn(&StreamTally) -> u64);

const STREAM_METRICS: [StreamMetric; 4] = [
    ("records", "Records read.", |stream| stream.records),
    (
        "record_bytes",
        "Bytes of the records' JSON text.",
        |stream| stream.bytes_in,
    ),
    ("objects", "Objects written.", |stream| stream.objects),
    ("object_bytes", "Bytes of objects written.", |stream| {
        stream.bytes_out
    }),
];

pub(super) fn text(summary: &Summary) -> String {
    let mut text = String::new();
    for (name, help, value) in of_the_run(summary) {
        head(&mut text, name, help);
        line(&mut text, &format!("datalake_{name} {value}"));
    }
    for (name, help, value) in STREAM_METRICS {
        head(&mut text, name, help);
        for stream in &summary.tally.streams {
            let (labels, value) = (labels(stream), value(stream));
            line(&mut text, &format!("datalake_{name}{{{labels}}} {value}"));
        }
    }
    head(
        &mut text,
        "rescued_values",
        "Values rescued because they do not fit their columns.",
    );
    for stream in &summary.tally.streams {
        for (column, count) in &stream.rescued {
            let labels = format!("{},column=\"{}\"", labels(stream), escaped(column));
            line(
                &mut text,
                &format!("datalake_rescued_values{{{labels}}} {count}"),
            );
        }
    }
    text
}

/// The metrics of the run as a whole: name, help and value of each.
fn of_the_run(summary: &Summary) -> [(&'static str, &'static str, f64); 9] {
    #[allow(clippy::cast_precision_loss)] // Prometheus has no other numbers
    let whole = |number: u64| number as f64;
    let is_done = summary.outcome == Outcome::Done;
    let ended = whole(summary.ended.0.unsigned_abs()) / 1000.0;
    [
        (
            "success",
            "Whether the last run succeeded.",
            f64::from(u8::from(is_done)),
        ),
        (
            "duration_seconds",
            "Duration of the run.",
            summary.elapsed.as_secs_f64(),
        ),
        ("end_timestamp_seconds", "End time of the run.", ended),
        (
            "input_bytes",
            "Bytes of input read.",
            whole(summary.bytes_in),
        ),
        (
            "checkpoints",
            "Checkpoints completed.",
            whole(summary.tally.checkpoints),
        ),
        (
            "states",
            "States acknowledged.",
            whole(summary.tally.states),
        ),
        (
            "bad_records",
            "Bad records of the input that were set aside.",
            whole(summary.bad_records),
        ),
        ("retries", "Requests retried.", whole(summary.retries)),
        (
            "peak_memory_bytes",
            "Peak resident memory.",
            whole(summary.peak_memory.unwrap_or(0)),
        ),
    ]
}

fn head(text: &mut String, name: &str, help: &str) {
    line(text, &format!("# HELP datalake_{name} {help}"));
    line(text, &format!("# TYPE datalake_{name} gauge"));
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes everything");
}

fn labels(stream: &StreamTally) -> String {
    let label = |name: &str, value: &str| format!("{name}=\"{}\"", escaped(value));
    [
        label("database", &stream.database),
        label("table", &stream.table),
    ]
    .join(",")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
