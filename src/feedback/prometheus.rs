//! A summary as a text file for Prometheus: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//! All are gauges: they describe the last run, and begin anew with the next.

use std::fmt::Write;

use crate::feedback::summary::{Outcome, Summary};
use crate::sink::StreamTally;

type OfStream = (&'static str, &'static str, fn(&StreamTally) -> u64);

const OF_STREAMS: [OfStream; 4] = [
    ("records", "Records that were read.", |stream| {
        stream.records
    }),
    ("record_bytes", "Bytes of their JSON text.", |stream| {
        stream.bytes_in
    }),
    ("objects", "Objects that were written.", |stream| {
        stream.objects
    }),
    ("object_bytes", "Bytes of these objects.", |stream| {
        stream.bytes_out
    }),
];

pub(super) fn text(summary: &Summary) -> String {
    let mut text = String::new();
    #[allow(clippy::cast_precision_loss)] // Prometheus has no other numbers
    let whole = |number: u64| number as f64;
    let is_done = summary.outcome == Outcome::Done;
    let of_run = [
        (
            "success",
            "Whether the last run did its work.",
            f64::from(u8::from(is_done)),
        ),
        (
            "duration_seconds",
            "How long it took.",
            summary.elapsed.as_secs_f64(),
        ),
        (
            "end_timestamp_seconds",
            "When it ended.",
            whole(summary.ended.0.unsigned_abs()) / 1000.0,
        ),
        (
            "input_bytes",
            "Bytes that were read.",
            whole(summary.bytes_in),
        ),
        (
            "checkpoints",
            "Checkpoints.",
            whole(summary.tally.checkpoints),
        ),
        (
            "states",
            "States that were acknowledged.",
            whole(summary.tally.states),
        ),
        (
            "retries",
            "Calls that were sent again.",
            whole(summary.retries),
        ),
        (
            "peak_memory_bytes",
            "The most memory that was held.",
            whole(summary.peak_memory.unwrap_or(0)),
        ),
    ];
    for (name, help, value) in of_run {
        head(&mut text, name, help);
        line(&mut text, &format!("datalake_{name} {value}"));
    }
    for (name, help, of) in OF_STREAMS {
        head(&mut text, name, help);
        for stream in &summary.tally.streams {
            line(
                &mut text,
                &format!("datalake_{name}{{{}}} {}", labels(stream), of(stream)),
            );
        }
    }
    head(
        &mut text,
        "rescued_values",
        "Values that did not fit their columns.",
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
