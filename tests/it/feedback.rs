//! What a run reports: a line on a terminal, nothing to a pipe, a summary at the end, and files for machines.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::fake::{Fake, Fault};
use crate::support::file;
use crate::support::messages::{catalog, people, person, record as line_of, state, stream};
use crate::support::program::Program;

/// Loads on a terminal of so many columns; what it showed.
fn on_terminal(columns: usize, term: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(file("target/python/bin/python"))
        .arg(file("tests/support/terminal.py"))
        .arg(columns.to_string())
        .arg(env!("CARGO_BIN_EXE_destination-aws-datalake"))
        .args(["load", "--table", "events", "--schema"])
        .arg(file("fixtures/load/ids.json"))
        .arg("--local")
        .arg(folder.path())
        .env("TERM", term)
        .output()
        .unwrap();
    let output: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output["code"], 0, "{output}");
    output["seen"].as_str().unwrap().to_owned()
}

/// The frames of the progress line: what was written over the line before, up to a line end.
fn frames(seen: &str) -> Vec<&str> {
    let written = seen.split("\r\u{1b}[K").skip(1);
    written
        .map(|text| text.split(['\r', '\n']).next().unwrap())
        .filter(|text| text.contains(" rows"))
        .collect()
}

#[test]
fn a_terminal_shows_one_line_that_fits_it() {
    for columns in [80, 40] {
        let seen = on_terminal(columns, "xterm");
        let frames = frames(&seen);
        assert!(frames.len() >= 2, "{seen:?}");
        for frame in &frames {
            assert!(frame.len() < columns, "{frame:?}");
            assert!(
                frame.contains(" rows  ") && frame.contains("B/s"),
                "{frame:?}"
            );
            assert_eq!(frame.contains(" object"), columns == 80, "{frame:?}");
        }
        // The line is gone at the end, and the summary stands on lines of its own.
        let last = seen.rsplit("\r\u{1b}[K").next().unwrap();
        assert!(!last.contains(" rows"), "{last:?}");
        assert!(last.contains("info:\u{1b}[0m done after"), "{last:?}");
    }
}

#[test]
fn a_terminal_without_carriage_return_shows_no_line() {
    let seen = on_terminal(80, "dumb");
    assert!(
        frames(&seen).is_empty() && !seen.contains('\u{1b}'),
        "{seen:?}"
    );
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Runs it and returns its summary and metrics, and its exit code.
fn files(program: Program) -> (Value, String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let output = program
        .argument("--summary")
        .argument(folder.path().join("summary.json"))
        .argument("--metrics")
        .argument(folder.path().join("datalake.prom"))
        .run();
    let summary = serde_json::from_str(&read(folder.path(), "summary.json")).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    (
        summary,
        read(folder.path(), "datalake.prom"),
        output.status.code(),
    )
}

#[test]
fn a_pipe_gets_no_progress_and_files_hold_the_summary() {
    let fake = Fake::start();
    fake.fault("PutObject", 1, Fault::Reject(503, "SlowDown"));
    let input =
        person("people", 1) + &person("people", 2).replace("2,", "\"x\",") + &state("people", 1);
    let write = fake.write(&people("people", "append")).stdin(input);
    let (summary, metrics, code) = files(write);
    assert_eq!(code, Some(0), "{summary:#}");
    assert_eq!(summary["outcome"], "done");
    for (key, value) in [
        ("records", 2),
        ("rescued_values", 1),
        ("objects", 1),
        ("states", 1),
        ("retries", 1),
    ] {
        assert_eq!(summary[key], value, "{key}: {summary:#}");
    }
    let stream = &summary["streams"][0];
    assert_eq!(stream["rescued_values"], json!({"id": 1}));
    assert_eq!(stream["changes"], json!(["the table is new"]));
    assert!(stream["bytes_out"].as_u64().unwrap() > 0);
    assert!(summary["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    for line in [
        "datalake_success 1",
        "datalake_records{database=\"test\",table=\"people\"} 2",
        "datalake_rescued_values{database=\"test\",table=\"people\",column=\"id\"} 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
}

#[test]
fn an_overwrite_reports_what_changed_in_the_columns() {
    let fake = Fake::start();
    let of = |properties: &Value, record: &Value| {
        let catalog = catalog(&[stream("people", "overwrite", properties)]);
        let input = line_of("people", record);
        let (summary, _, code) = files(fake.write(&catalog).stdin(input));
        assert_eq!(code, Some(0), "{summary:#}");
        let changes = summary["streams"][0]["changes"].as_array().unwrap().clone();
        let mut changes = changes.into_iter();
        let first = changes.next().unwrap();
        let shows = "the table shows a new generation at s3://test-lake/lake/test/people/";
        assert!(first.as_str().unwrap().starts_with(shows), "{first}");
        changes.collect::<Vec<_>>()
    };
    let before = json!({
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "place": {"type": "object", "properties": {"x": {"type": "integer"}}},
    });
    let record = json!({"id": 1, "name": "Ada"});
    assert_eq!(of(&before, &record), ["the table is new"]);
    assert!(of(&before, &record).is_empty());
    let now = json!({
        "id": {"type": "string"},
        "place": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}},
        "age": {"type": "integer"},
    });
    assert_eq!(
        of(&now, &json!({"id": "a"})),
        [
            "$.id is string now, and was bigint",
            "$.name is no longer in the stream; the column stays",
            "$.place is struct<x:bigint,y:bigint> now, and was struct<x:bigint>",
            "$.age is new: bigint",
        ]
    );
}

#[test]
fn every_checkpoint_is_logged_for_the_platform_also_while_the_source_is_silent() {
    let fake = Fake::start();
    let mut config = fake.config();
    config["checkpoint_interval_minutes"] = 0.005.into();
    let mut running = Program::write(&config, &people("people", "append"))
        .journal(fake.journal())
        .start();
    for (count, rows) in [(1, 0..2), (2, 2..5)] {
        running.feed(rows.map(|id| person("people", id)).collect::<String>());
        running.feed(state("people", count));
        // Nothing comes any more until this checkpoint is over.
        running.wait_for_states(usize::try_from(count).unwrap());
    }
    let output = running.finish();
    output.succeeded();
    let logged: Vec<&str> = output
        .of_type("LOG")
        .filter(|message| message["log"]["level"] == "INFO")
        .map(|message| message["log"]["message"].as_str().unwrap())
        .filter(|text| text.starts_with("checkpoint ") || text.starts_with("progress"))
        .collect();
    assert_eq!(
        logged,
        ["checkpoint states=1 objects=1"; 2],
        "{}",
        output.report()
    );
}

#[test]
fn a_failed_run_is_reported_in_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let load = |arguments: &[&str]| Program::new(arguments).local(folder.path());
    let (summary, metrics, code) = files(load(&["load", "--table", "t"]).stdin("{\"id\":1}\n{"));
    assert_eq!((code, &summary["outcome"]), (Some(1), &json!("failed")));
    assert_eq!(
        (&summary["records"], &summary["objects"]),
        (&json!(0), &json!(0))
    );
    assert!(
        summary["error"]
            .as_str()
            .unwrap()
            .contains("line 2 of stdin"),
        "{summary:#}"
    );
    assert!(metrics.contains("datalake_success 0\n"), "{metrics}");
    // Also one that fails before it begins.
    let (summary, _, code) = files(load(&["load", "--table", "t", "none.jsonl"]));
    assert_eq!((code, &summary["outcome"]), (Some(1), &json!("failed")));
    assert!(summary["error"].as_str().unwrap().contains("none.jsonl"));
}

#[test]
fn files_that_cannot_be_written_are_an_error_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let output = Program::new(&["load", "--table", "t", "--summary", "none/summary.json"])
        .local(folder.path())
        .stdin("{\"id\":1}\n")
        .run();
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    assert!(output.stderr.contains("cannot write none/summary.json"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Loads a row with a summary in this file of the folder.
fn summary_in(folder: &Path, name: &str) -> Program {
    report_in("--summary", folder, name)
}

/// Loads a row with a report in this file of the folder.
fn report_in(option: &str, folder: &Path, name: &str) -> Program {
    let program = Program::new(&["load", "--table", "t"]).local(&folder.join("lake"));
    let program = program.argument(option).argument(folder.join(name));
    program.stdin("{\"id\":1}\n")
}

fn is_summary(text: &str) -> bool {
    let summary: Value = serde_json::from_str(text).unwrap_or_default();
    summary["outcome"] == "done"
}

#[test]
fn links_stay_and_what_they_lead_to_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("far")).unwrap();
    std::fs::write(at("far/old"), "old").unwrap();
    let before = std::fs::metadata(at("far/old")).unwrap().ino();
    symlink("far/old", at("link")).unwrap();
    symlink("link", at("link-to-link")).unwrap();
    symlink("far/new", at("link-to-none")).unwrap();
    for (link, file) in [("link-to-link", "far/old"), ("link-to-none", "far/new")] {
        let output = summary_in(folder.path(), link).run();
        assert_eq!(output.status.code(), Some(0), "{}", output.report());
        assert!(at(link).is_symlink() && at("link").is_symlink());
        assert!(is_summary(&read(folder.path(), file)), "{link}");
    }
    assert_ne!(std::fs::metadata(at("far/old")).unwrap().ino(), before);
    assert_eq!(std::fs::read_dir(at("far")).unwrap().count(), 2);
}

#[test]
fn a_device_is_written_to_and_its_errors_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    symlink("/dev/full", folder.path().join("full")).unwrap();
    for option in ["--summary", "--metrics"] {
        let output = report_in(option, folder.path(), "full").run();
        assert_eq!(output.status.code(), Some(0), "{}", output.report());
        let words = ["warn: cannot write ", "full: No space left on device"];
        for word in words {
            assert!(output.stderr.contains(word), "{}", output.report());
        }
    }
    assert!(folder.path().join("full").is_symlink());
    let device = std::fs::metadata("/dev/full").unwrap().file_type();
    assert!(device.is_char_device());
}

#[test]
fn what_cannot_hold_a_report_is_an_error_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    symlink("ring", folder.path().join("ring")).unwrap();
    let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    for (option, name, word) in [
        ("--summary", ".", "found a directory"),
        ("--metrics", ".", "found a directory"),
        ("--summary", "socket", "found a socket"),
        ("--metrics", "ring", "symbolic links"),
    ] {
        let output = report_in(option, folder.path(), name).run();
        assert_eq!(output.status.code(), Some(1), "{}", output.report());
        assert!(
            output.stderr.contains("cannot write "),
            "{}",
            output.report()
        );
        assert!(output.stderr.contains(word), "{}", output.report());
    }
    assert!(!folder.path().join("lake").exists());
}

#[test]
fn a_fifo_gets_the_report_from_its_reader_s_first_byte_on() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::read_to_string(fifo).unwrap()
    });
    let output = summary_in(folder.path(), "fifo").run();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    assert!(is_summary(&reader.join().unwrap()));
    let kind = std::fs::metadata(&fifo).unwrap().file_type();
    assert!(kind.is_fifo());
}

#[test]
fn a_fifo_without_a_reader_does_not_hold_the_run_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    let output = summary_in(folder.path(), "fifo").run();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    let words = "fifo: expected a reader within 10 seconds, found none";
    assert!(output.stderr.contains(words), "{}", output.report());
    assert!(output.took < Duration::from_secs(30));
    // A signal ends the wait sooner. The rows are loaded, so it is a success.
    let mut running = summary_in(folder.path(), "fifo").start();
    running.feed("{\"id\":2}\n");
    running.close();
    std::thread::sleep(Duration::from_millis(500));
    running.signal(Signal::TERM);
    let output = running.finish_after_signal();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    assert!(
        output.stderr.contains("fifo: stopped by SIGTERM"),
        "{}",
        output.report()
    );
    assert!(output.took < Duration::from_secs(5));
}

#[test]
fn the_file_that_stdout_is_keeps_its_other_lines() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let input = folder.path().join("input");
    std::fs::write(&input, "{\"type\":\"STATE\",\"value\":{\"a\":1}}\n").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_destination-aws-datalake"))
        .args([
            "load",
            "--input",
            "singer",
            "--summary",
            "/dev/stdout",
            "--local",
        ])
        .arg(folder.path().join("lake"))
        .stdin(File::open(&input).unwrap())
        .stdout(File::create(&out).unwrap())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let text = read(folder.path(), "out");
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(first, "{\"a\":1}");
    assert!(is_summary(rest), "{text}");
}
