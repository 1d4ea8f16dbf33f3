//! A local lake: the program is killed before every change that it makes to the file system. After it is run again every
//! row is there once, but for the documented window between the write that settles a checkpoint and the end of the run or
//! the printing of its states.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::local::ended;
use crate::support::messages::line;
use crate::support::program::{Output, Program};
use crate::support::skip::skip;

/// The system calls that change what a lake holds. Not every kind of machine has all of them.
const STEPS: [&str; 8] = [
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
];

const TABLE: &str = "people";

/// The rows of a sync, and those that its table had before.
const ROWS: std::ops::Range<u64> = 0..3;
const OLD: std::ops::Range<u64> = 100..102;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Append,
    Overwrite,
    /// A tap's rows are added.
    Tap,
    /// A tap's version replaces an older one.
    Version,
}

/// How often each row is visible.
type Ids = BTreeMap<u64, usize>;

impl Mode {
    fn is_of_a_tap(self) -> bool {
        matches!(self, Self::Tap | Self::Version)
    }

    fn replaces(self) -> bool {
        matches!(self, Self::Overwrite | Self::Version)
    }

    fn input(self, rows: std::ops::Range<u64>, version: u64) -> String {
        let mut text = String::new();
        let activation =
            || line(&json!({"type": "ACTIVATE_VERSION", "stream": TABLE, "version": version}));
        if self.is_of_a_tap() {
            let schema =
                json!({"properties": {"id": {"type": "integer"}, "text": {"type": "string"}}});
            text += &line(
                &json!({"type": "SCHEMA", "stream": TABLE, "schema": schema, "key_properties": []}),
            );
        }
        let end = rows.end;
        for id in rows {
            // Each is an object by itself.
            let row = json!({"id": id, "text": "x".repeat(9000)});
            text += &match self {
                Self::Append | Self::Overwrite => line(&row),
                Self::Tap => line(&json!({"type": "RECORD", "stream": TABLE, "record": row})),
                Self::Version => line(
                    &json!({"type": "RECORD", "stream": TABLE, "record": row, "version": version}),
                ),
            };
        }
        if self.is_of_a_tap() {
            text += &line(&json!({"type": "STATE", "value": {"at": end}}));
        }
        if self == Self::Version {
            text += &activation();
        }
        text
    }

    fn program(self, lake: &Path) -> Program {
        let mode = if self.replaces() {
            "overwrite"
        } else {
            "append"
        };
        let config = json!({
            "format": {"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"},
            "target_file_size_mb": 0.001,
        });
        let program = Program::new(&["load", "--config", "config.json", "--mode", mode])
            .file("config.json", &config.to_string())
            .local(lake);
        if self.is_of_a_tap() {
            program.arguments(&["--input", "singer"])
        } else {
            program.arguments(&["--table", TABLE])
        }
    }
}

/// The rows that readers see.
fn visible(lake: &Path) -> Ids {
    let mut counts = Ids::new();
    let entry = std::fs::read(lake.join(format!("catalog/default/{TABLE}.json")));
    let Ok(entry) = entry else {
        return counts;
    };
    let entry: Value = serde_json::from_slice(&entry).unwrap();
    let location = entry["StorageDescriptor"]["Location"].as_str().unwrap();
    let folder = Path::new(location.strip_prefix("file://").unwrap());
    for object in files(folder) {
        for row in std::fs::read_to_string(object).unwrap().lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            *counts.entry(row["id"].as_u64().unwrap()).or_default() += 1;
        }
    }
    counts
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Whether a run has settled its checkpoint.
fn is_settled(lake: &Path) -> bool {
    files(&lake.join("objects/_datalake/runs"))
        .iter()
        .any(|record| {
            let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
            record["unacknowledged"] == json!({})
        })
}

fn is_state(output: &Output) -> bool {
    output.stdout.contains("\"at\"")
}

/// Kills the program before the n-th call of this name, and runs it again; whether it came to such a call, and whether it
/// was killed in the window.
fn survives(mode: Mode, step: &str, nth: usize) -> Option<bool> {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path();
    if mode.replaces() {
        ended(&mode.program(lake).stdin(mode.input(OLD, 1)).run(), 0, &[]);
    }
    let killed = mode
        .program(lake)
        .killed_by_strace(step, nth)
        .stdin(mode.input(ROWS, 2))
        .run();
    if killed.status.code().is_some() {
        assert_eq!(killed.status.code(), Some(0), "{}", killed.report());
        return None;
    }
    let case = format!("{mode:?} killed before {step} {nth}");
    let is_acknowledged = is_state(&killed);
    let is_in_the_window = is_settled(lake) && !is_acknowledged;
    let seen = visible(lake);
    assert!(seen.values().all(|count| *count == 1), "{case}: {seen:?}");
    let ids = || seen.keys().copied();
    assert!(
        !mode.replaces() || ids().eq(OLD) || ids().eq(ROWS),
        "{case}: {seen:?}"
    );
    let rest = if is_acknowledged {
        ROWS.end..ROWS.end
    } else {
        ROWS
    };
    ended(&mode.program(lake).stdin(mode.input(rest, 2)).run(), 0, &[]);
    let seen = visible(lake);
    let most = if is_in_the_window { 2 } else { 1 };
    assert!(
        seen.keys().copied().eq(ROWS) && seen.values().all(|count| *count <= most),
        "{case}: {seen:?}, in the window: {is_in_the_window}"
    );
    Some(is_in_the_window)
}

#[test]
#[allow(clippy::print_stdout)] // libtest shows it with --nocapture
fn a_local_lake_survives_a_kill_before_every_change_of_the_file_system() {
    let has_strace = std::process::Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_strace {
        skip!("strace is not installed");
    }
    for mode in [Mode::Append, Mode::Overwrite, Mode::Tap, Mode::Version] {
        let mut points = Vec::new();
        for step in STEPS {
            points.extend((1..).map_while(|nth| survives(mode, step, nth)));
        }
        let windows = points.iter().filter(|is_in_the_window| **is_in_the_window);
        let (points, windows) = (points.len(), windows.count());
        println!("{mode:?}: killed at {points} points, {windows} in the window");
        assert!(points >= 20, "{points} points");
        assert!(windows * 4 <= points, "{windows} of {points} points");
    }
}
