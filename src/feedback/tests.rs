//! The texts of progress, summaries and metrics.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::protocol::StreamKey;
use crate::sink::{ColumnTally, StreamTally};

fn tally() -> Tally {
    Tally {
        streams: vec![StreamTally {
            stream: StreamKey::new(None, "My \"Events\""),
            database: "raw".into(),
            table: "my_events".into(),
            records: 12_345_678,
            bytes_in: 1_500_000_000,
            groups: 0,
            objects: 12,
            bytes_out: 345_000_000,
            rescued: BTreeMap::from([("at".to_owned(), 2)]),
            changes: vec![crate::table::TableChange::Created],
            columns: vec![column("at", "timestamp", 5, 2)],
        }],
        uncommitted: 4_000_000,
        checkpoints: 3,
        states: 4,
        last_checkpoint: None,
    }
}

fn column(name: &str, data_type: &str, nulls: u64, rescued: u64) -> ColumnTally {
    ColumnTally {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        nulls,
        rescued,
    }
}

#[test]
fn a_column_s_share_of_nulls_is_never_rounded_to_none_or_all() {
    for (nulls, rescued, text) in [
        (0, 0, "column c: date, no nulls"),
        (1, 0, "column c: date, less than 0.1 % null"),
        (250, 7, "column c: date, 12.5 % null, 7 rescued"),
        (1999, 0, "column c: date, 99.9 % null"),
        (2000, 2000, "column c: date, always null, 2,000 rescued"),
    ] {
        let found = summary::column_text(&column("c", "date", nulls, rescued), 2000);
        assert_eq!(found, text);
    }
    let long = summary::column_text(&column("c", &"é".repeat(70), 0, 0), 1);
    assert_eq!(long, format!("column c: {}…, no nulls", "é".repeat(60)));
}

fn progress(tally: &Tally) -> progress::Progress<'_> {
    progress::Progress {
        tally,
        bytes_in: 1_600_000_000,
        elapsed: Duration::from_secs(10),
        since_checkpoint: Some(Duration::from_secs(4)),
    }
}

#[test]
fn a_line_leaves_out_what_has_no_room() {
    let tally = tally();
    for (width, expected) in [
        (
            120,
            "12,345,678 rows  1.6 GB in  349 MB out  160 MB/s  12 objects  checkpoint 4s ago",
        ),
        (
            80,
            "12,345,678 rows  1.6 GB in  349 MB out  160 MB/s  12 objects  checkpoint 4s ago",
        ),
        (
            79,
            "12,345,678 rows  1.6 GB in  349 MB out  160 MB/s  12 objects",
        ),
        (40, "12,345,678 rows  1.6 GB in  160 MB/s"),
        (20, "12,345,678 rows"),
        (10, "12,345,67"),
    ] {
        assert_eq!(progress(&tally).line(width), expected);
    }
    let mut tally = tally;
    (tally.streams[0].records, tally.streams[0].objects) = (1, 1);
    let line = progress(&tally).line(80);
    assert!(
        line.starts_with("1 row  ") && line.contains("  1 object  "),
        "{line}"
    );
}

#[test]
fn a_message_is_prose_and_pairs() {
    assert_eq!(
        progress(&tally()).message(),
        "progress: records=12345678 bytes_in=1600000000 bytes_out=345000000 speed=\"160 MB/s\" objects=12 last_checkpoint=\"4s ago\""
    );
}

#[test]
fn figures_are_short() {
    use figures::{bytes, grouped, span, speed};
    assert_eq!(
        [0, 999, 1000, 9_999, 10_000, 1_234_567, u64::MAX].map(bytes),
        [
            "0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "1.2 MB", "18 EB"
        ]
    );
    assert_eq!(
        [0, 999, 1000, 1_000_000].map(grouped),
        ["0", "999", "1,000", "1,000,000"]
    );
    assert_eq!(speed(5, Duration::ZERO), "5.0 kB/s");
    assert_eq!(
        [0, 119, 120, 7199, 7200].map(|seconds| span(Duration::from_secs(seconds))),
        ["0s", "119s", "2m", "119m", "2h"]
    );
}

fn summary(outcome: Outcome) -> Summary {
    Summary {
        outcome,
        began: Millis(1_795_338_951_000),
        ended: Millis(1_795_338_961_500),
        elapsed: Duration::from_millis(10_500),
        bytes_in: 1_600_000_000,
        bad_records: 2,
        retries: 1,
        peak_memory: Some(20_000_000),
        tally: tally(),
    }
}

#[test]
fn a_summary_says_everything() {
    assert_eq!(
        summary(Outcome::Failed("line 3 of stdin: …".into())).to_json(),
        json!({
            "outcome": "failed",
            "began_at": "2026-11-22T09:15:51.000Z",
            "ended_at": "2026-11-22T09:16:01.500Z",
            "seconds": 10.5,
            "records": 12_345_678,
            "bad_records": 2,
            "rescued_values": 2,
            "bytes_in": 1_600_000_000,
            "bytes_out": 345_000_000,
            "objects": 12,
            "checkpoints": 3,
            "states": 4,
            "retries": 1,
            "peak_memory_bytes": 20_000_000,
            "streams": [{
                "stream": "My \"Events\"",
                "namespace": null,
                "database": "raw",
                "table": "my_events",
                "records": 12_345_678,
                "rescued_values": {"at": 2},
                "bytes_in": 1_500_000_000,
                "bytes_out": 345_000_000,
                "objects": 12,
                "columns": [{"name": "at", "type": "timestamp", "nulls": 5, "rescued": 2}],
                "changes": ["the table is new"],
            }],
            "error": "line 3 of stdin: …",
        })
    );
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let text = prometheus::text(&summary(Outcome::Done));
    for line in [
        "# TYPE datalake_success gauge",
        "datalake_success 1",
        "datalake_bad_records 2",
        "datalake_duration_seconds 10.5",
        "datalake_end_timestamp_seconds 1795338961.5",
        "datalake_records{database=\"raw\",table=\"my_events\"} 12345678",
        "datalake_rescued_values{database=\"raw\",table=\"my_events\",column=\"at\"} 2",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(prometheus::text(&summary(Outcome::Stopped)).contains("datalake_success 0\n"));
}
