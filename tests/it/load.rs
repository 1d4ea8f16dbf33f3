//! `load`: bare records, from pipes and files, by people and scripts.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::cloud::Account;
use crate::support::fake::{Fake, Fault};
use crate::support::local::{columns, ended, ids, lines, load, table};
use crate::support::program::Program;

#[test]
fn a_pipe_becomes_a_table_in_an_empty_environment() {
    let folder = tempfile::tempdir().unwrap();
    let input = "{\"id\":1,\"at\":\"2026-11-22T09:15:51+02:00\",\"day\":\"2026-11-22\",\"Über Größe\":1.5}\n\n\
                 {\"id\":2,\"at\":null,\"inner\":{\"tags\":[\"x\"]}}";
    let output = load(folder.path(), &["--table", "My Events"])
        .stdin(input)
        .run();
    ended(&output, 0, &["records=2"]);
    assert_eq!(output.stdout, "");
    let (entry, rows) = table(folder.path(), "my_events");
    assert_eq!(
        columns(&entry),
        [
            "id bigint",
            "at timestamp",
            "day date",
            "uber_gro_e double",
            "inner struct<tags:array<string>>"
        ]
    );
    assert_eq!(rows[0]["at"], "2026-11-22 07:15:51");
    assert_eq!(
        Value::from(rows[1].clone()),
        json!({"id": 2, "inner": {"tags": ["x"]}})
    );
}

#[test]
fn files_are_loaded_together_packed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines(3..5).as_bytes()).unwrap();
    let gz = folder.path().join("b.jsonl.gz");
    std::fs::write(&gz, packed.finish().unwrap()).unwrap();
    let output = load(folder.path(), &["a.jsonl", gz.to_str().unwrap(), "-"])
        .argument("--table=t")
        .file("a.jsonl", &lines(0..3))
        .stdin(lines(5..7))
        .run();
    ended(&output, 0, &[]);
    assert_eq!(ids(&table(folder.path(), "t").1), [0, 1, 2, 3, 4, 5, 6]);
}

/// The text packed as two files one after the other, as `cat a.gz b.gz` makes them.
fn packed(name: &str, text: &str) -> Vec<u8> {
    let middle = text.len() / 2;
    let pack = |text: &str| {
        if name == PACKED[1] {
            // With a checksum, as the command makes it.
            let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
            packer.include_checksum(true).unwrap();
            packer.write_all(text.as_bytes()).unwrap();
            return packer.finish().unwrap();
        }
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    [pack(&text[..middle]), pack(&text[middle..])].concat()
}

const PACKED: [&str; 2] = ["events.jsonl.gz", "events.jsonl.zst"];

#[test]
fn packed_files_and_the_same_bytes_on_stdin_are_the_same_rows() {
    let account = Account::new();
    let folder = tempfile::tempdir().unwrap();
    let run = |table: &str, file: &str, stdin: &[u8]| {
        let output = Program::new(&["load", "--config", "config.json", "--table", table, file])
            .file("config.json", &account.config().to_string())
            .stdin(stdin)
            .run();
        ended(&output, 0, &["records=30000"]);
        // Counted by DuckDB.
        let ids = account.read(table).column("id");
        assert!(ids.into_iter().eq(0..30_000), "{table}");
    };
    for (number, name) in PACKED.into_iter().enumerate() {
        let bytes = packed(name, &lines(0..30_000));
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        run(&format!("named_{number}"), path.to_str().unwrap(), b"");
        run(&format!("piped_{number}"), "-", &bytes);
    }
}

#[test]
fn a_truncated_compressed_file_is_reported_by_name_and_nothing_is_published() {
    let folder = tempfile::tempdir().unwrap();
    for name in PACKED {
        let bytes = packed(name, &lines(0..200_000));
        let whole = bytes.len();
        let mut broken = bytes.clone();
        broken[whole / 2 + 5..whole / 2 + 50].fill(0x55);
        for (bytes, what) in [
            (&bytes[..whole - 3], "is truncated"),
            (&bytes[..whole / 4], "is truncated"),
            (&broken[..], "is corrupt"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let of_file = load(folder.path(), &["--table", "t", path.to_str().unwrap()]);
            let of_stdin = load(folder.path(), &["--table", "t"]).stdin(bytes);
            for (program, name) in [(of_file, name), (of_stdin, "stdin")] {
                let words = format!("{name}: the compressed data {what}");
                ended(&program.run(), 1, &[&words, "load it again"]);
                assert!(!folder.path().join("catalog/default/t.json").exists());
                assert!(!folder.path().join("objects/default/t").exists());
            }
        }
    }
}

#[test]
fn a_broken_line_is_reported_by_file_and_number_and_nothing_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let output = load(folder.path(), &["--table", "t", "a.jsonl", "b.jsonl"])
        .file("a.jsonl", &lines(0..3))
        .file("b.jsonl", "{\"id\":4}\n\n{\"MARKER\"}\n")
        .run();
    ended(&output, 1, &["line 3 of b.jsonl", "malformed at byte 9"]);
    assert!(!output.stderr.contains("MARKER"), "{}", output.report());
    assert!(!folder.path().join("catalog/default/t.json").exists());
    let output = load(folder.path(), &["--table", "t", "none.jsonl"]).run();
    ended(&output, 1, &["cannot read none.jsonl"]);
}

#[test]
fn an_overwrite_publishes_the_new_rows_alone_and_an_empty_one_keeps_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let overwrite = ["--table", "t", "--mode", "overwrite"];
    ended(
        &load(folder.path(), &["--table", "t"])
            .stdin(lines(0..3))
            .run(),
        0,
        &[],
    );
    let output = load(folder.path(), &overwrite)
        .stdin("{\"id\":1}\n{\"id\"")
        .run();
    ended(&output, 1, &[]);
    assert_eq!(ids(&table(folder.path(), "t").1), [0, 1, 2]);
    ended(
        &load(folder.path(), &overwrite).stdin(lines(7..9)).run(),
        0,
        &[],
    );
    assert_eq!(ids(&table(folder.path(), "t").1), [7, 8]);
    ended(
        &load(folder.path(), &overwrite).stdin("").run(),
        0,
        &["keeps its rows"],
    );
    assert_eq!(ids(&table(folder.path(), "t").1), [7, 8]);
}

#[test]
fn a_given_schema_decides_and_strict_reports_misfits() {
    let folder = tempfile::tempdir().unwrap();
    let schema = json!({"properties": {"id": {"type": "integer"}, "note": {"type": "string"}}});
    let run = |strict: &[&str]| {
        let arguments = [&["--table", "t", "--schema", "s.json"], strict].concat();
        load(folder.path(), &arguments)
            .file("s.json", &schema.to_string())
            .stdin("{\"id\":1,\"note\":5}\n{\"id\":\"x\"}\n")
            .run()
    };
    ended(&run(&[]), 0, &["id=1"]);
    ended(
        &run(&["--strict"]),
        3,
        &["did not fit their columns", "rescued: 1"],
    );
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(columns(&entry), ["id bigint", "note string"]);
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[1]["_rescued_data"], "{\"id\":\"x\"}");
}

#[test]
fn a_guess_keeps_the_columns_of_the_table_and_adds_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let first = "{\"id\":1,\"at\":\"2026-11-22T09:15:51Z\",\"n\":1}\n";
    let second = "{\"n\":1.5,\"at\":\"soon\",\"id\":2,\"new\":true}\n";
    for input in [first, second] {
        ended(
            &load(folder.path(), &["--table", "t"]).stdin(input).run(),
            0,
            &[],
        );
    }
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(
        columns(&entry),
        ["id bigint", "at timestamp", "n double", "new boolean"]
    );
    assert_eq!(rows[1]["_rescued_data"], "{\"at\":\"soon\"}");
}

#[test]
fn the_sample_is_bounded_and_values_of_other_types_are_rescued_later() {
    let folder = tempfile::tempdir().unwrap();
    let pad = "x".repeat(1000);
    let mut input: String = (0..6000)
        .map(|id| format!("{{\"id\":{id},\"pad\":\"{pad}\"}}\n"))
        .collect();
    input.push_str("{\"id\":\"A-6000\",\"late\":1}\n");
    ended(
        &load(folder.path(), &["--table", "t"]).stdin(input).run(),
        0,
        &["id=1"],
    );
    let (entry, rows) = table(folder.path(), "t");
    // In a sample of all records `id` would be text.
    assert_eq!(columns(&entry), ["id bigint", "pad string", "late bigint"]);
    assert_eq!(rows.len(), 6001);
    assert_eq!(rows[6000]["late"], 1);
    assert_eq!(rows[6000]["_rescued_data"], "{\"id\":\"A-6000\"}");
}

/// Waits until the table shows this many rows.
#[track_caller]
fn wait_for_rows(lake: &Path, name: &str, count: usize) {
    let started = Instant::now();
    let entry = lake.join(format!("catalog/default/{name}.json"));
    while !entry.exists() || table(lake, name).1.len() < count {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no {count} rows"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_endless_pipe_is_published_at_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = load(
        folder.path(),
        &["--table", "t", "--checkpoint-interval", "1s"],
    )
    .start();
    running.feed(lines(0..2));
    wait_for_rows(folder.path(), "t", 2);
    running.feed(lines(2..3));
    wait_for_rows(folder.path(), "t", 3);
    running.feed(lines(3..5));
    std::thread::sleep(Duration::from_millis(100));
    // What was not shown yet is shown before the end: the pipe cannot be read again.
    running.signal(Signal::TERM);
    let output = running.finish_after_signal();
    ended(&output, 143, &["stopped after"]);
    let last = output.stderr.lines().last().unwrap();
    assert!(last.contains("stopped by SIGTERM"), "{last}");
    assert_eq!(ids(&table(folder.path(), "t").1), [0, 1, 2, 3, 4]);
}

#[test]
fn nothing_is_published_where_one_object_of_several_fails() {
    let fake = Fake::start();
    fake.fault_from(
        "CompleteMultipartUpload",
        3,
        Fault::Reject(403, "AccessDenied"),
    );
    let mut random = fastrand::Rng::with_seed(7);
    let mut text = || -> String { (0..1 << 16).map(|_| random.alphanumeric()).collect() };
    let input: String = (0..32)
        .map(|id| format!("{{\"id\":{id},\"text\":\"{}\"}}\n", text()))
        .collect();
    let mut config = fake.config();
    config["target_file_size_mb"] = 0.2.into();
    config["format"] = json!({"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"});
    let output = Program::new(&["load", "--config", "config.json", "--table", "people"])
        .file("config.json", &config.to_string())
        .journal(fake.journal())
        .stdin(input)
        .run();
    ended(&output, 1, &["AccessDenied"]);
    let lines = fake.journal().lines();
    let completed = lines.iter().filter(|line| line.starts_with("COMPLETE"));
    assert_eq!(completed.count(), 2, "{lines:?}");
    assert!(fake.store().bucket.objects.is_empty(), "{lines:?}");
    assert!(fake.store().bucket.uploads.is_empty(), "{lines:?}");
}

#[test]
fn a_place_in_s3_and_the_keys_of_the_environment_are_enough() {
    let account = Account::new();
    let (key, secret) = account.keys();
    let place = format!("s3://{}/raw", account.bucket);
    let output = Program::new(&["load", &place, "--table", "t", "--database"])
        .argument(&account.database)
        .env("AWS_ACCESS_KEY_ID", key)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", Account::endpoint())
        .stdin(lines(0..3))
        .run();
    ended(&output, 0, &["records=3"]);
    let table = account.read("t");
    assert_eq!(table.column("id"), [0, 1, 2]);
    let folder = format!("s3://{}/raw/{}/t/", account.bucket, account.database);
    assert!(table.location.starts_with(&folder), "{}", table.location);
}

#[test]
fn wrong_usage_and_wrong_settings_have_exit_codes_of_their_own() {
    let output = Program::new(&["load", "--table"]).run();
    ended(&output, 2, &["--table", "--help"]);
    let output = Program::new(&["load", "--table", "t", "--set", "colour=red"]).run();
    ended(&output, 1, &["unknown setting \"colour\""]);
    let output = Program::new(&["load", "--table", "t", "s3://b"]).run();
    ended(
        &output,
        1,
        &["--region, or AWS_REGION: ", "--database, or DATALAKE_"],
    );
    let output = Program::new(&["load", "--help"]).run();
    assert!(output.stdout.contains("--checkpoint-interval"));
}
