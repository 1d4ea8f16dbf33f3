//! The program is killed before and after every remote call of a sync; after a run from the last acknowledged state every
//! row is there once, and readers in between saw only whole checkpoints.
//!
//! One window is documented: between the write that settles a checkpoint and the printing of its states. A run that was
//! killed there, as the killed call itself says, may leave rows that come twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::fake::{Conditions, Fake, Fault};
use crate::support::local::ended;
use crate::support::messages::{catalog, complete, line, record, state, stream};
use crate::support::program::Program;

/// The streams of a sync, whose records are interleaved.
const STREAMS: [&str; 2] = ["people", "orders"];

/// State n covers the rows below n × `BATCH`.
const BATCHES: u64 = 3;
const BATCH: u64 = 2;

/// The rows that tables have before a sync that replaces them.
const OLD: std::ops::Range<u64> = 1000..1003;

/// The versions of the rows that a tap sends.
const OLD_VERSION: u64 = 1;
const NEW_VERSION: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Append,
    Overwrite,
    /// A generation of a platform that numbers them, which resumes.
    Refresh,
    /// The same, and an append, whose last rows no state covers.
    Rest,
    /// The same, of tables that are new.
    New,
    /// Without states: five objects, or none.
    Load,
    /// Each state covers all streams.
    Together,
    /// A version of a Singer tap, which replaces an older one. Its states cover all streams.
    Version,
}

#[derive(Clone, Copy)]
struct Case {
    mode: Mode,
    /// A row is larger than a part, so its object is uploaded in parts.
    is_large: bool,
    /// Of the store.
    conditions: Conditions,
    format: &'static str,
}

/// What became of a run that was to be killed.
struct Killed {
    /// How many rows of each stream printed states cover.
    acknowledged: [u64; 2],
    /// It was killed between the write that settles a checkpoint and the printing of its states.
    is_in_the_window: bool,
}

/// How often each id is visible.
type Ids = BTreeMap<u64, usize>;

impl Case {
    /// How many rows each stream has.
    fn rows(self) -> u64 {
        match self.mode {
            Mode::Load => 5,
            _ => BATCHES * BATCH,
        }
    }

    fn streams(self) -> &'static [&'static str] {
        match self.mode {
            Mode::Load => &STREAMS[..1],
            _ => &STREAMS,
        }
    }

    fn row(self, stream: &str, id: u64, version: u64) -> String {
        let is_large = self.is_large && stream == STREAMS[0] && id == BATCH;
        // One that is not large is an object by itself.
        let length = if is_large { 9 << 20 } else { 9000 };
        let row = json!({"id": id, "text": "x".repeat(length)});
        match self.mode {
            Mode::Load => format!("{row}\n"),
            Mode::Version => line(
                &json!({"type": "RECORD", "stream": stream, "record": row, "version": version}),
            ),
            _ => record(stream, &row),
        }
    }

    fn input(self, begin: [u64; 2]) -> String {
        if self.mode == Mode::Load {
            return (0..self.rows())
                .map(|id| self.row(STREAMS[0], id, NEW_VERSION))
                .collect();
        }
        let mut text = String::new();
        if self.mode == Mode::Version {
            text.extend(STREAMS.map(tap_schema));
        }
        for batch in 0..BATCHES {
            let streams = || {
                STREAMS
                    .into_iter()
                    .zip(begin)
                    .filter(|(_, begin)| *begin <= batch * BATCH)
            };
            for id in batch * BATCH..(batch + 1) * BATCH {
                text.extend(streams().map(|(stream, _)| self.row(stream, id, NEW_VERSION)));
            }
            let position = (batch + 1) * BATCH;
            match self.mode {
                Mode::Together | Mode::Version if begin[0] > batch * BATCH => {}
                Mode::Together => text += &state_of_all(position),
                Mode::Version => text += &tap_state(position),
                Mode::Rest | Mode::New if batch == BATCHES - 1 => {}
                _ => text.extend(streams().map(|(stream, _)| state(stream, position))),
            }
        }
        if self.mode == Mode::Version {
            text.extend(STREAMS.map(|stream| activation(stream, NEW_VERSION)));
        } else {
            text.extend(STREAMS.map(complete));
        }
        text
    }

    fn config(self, fake: &Fake) -> Value {
        let mut config = fake.config();
        config["format"] = json!({"format_type": self.format, "compression_codec": "UNCOMPRESSED"});
        // A checkpoint at every state.
        config["checkpoint_interval_minutes"] = 0.into();
        if self.format == "Parquet" {
            // Row groups of 8 MiB: a large row ends one, and marks are in the middle of the next.
            config["memory_budget_mb"] = 16.into();
        }
        if !self.is_large {
            config["target_file_size_mb"] = 0.001.into();
        }
        config
    }

    fn catalog(mode: Mode) -> Value {
        let properties = json!({"id": {"type": "integer"}, "text": {"type": "string"}});
        catalog(&STREAMS.map(|name| {
            let destination_mode = if mode == Mode::Overwrite {
                "overwrite"
            } else {
                "append"
            };
            let mut stream = stream(name, destination_mode, &properties);
            let is_one_of_two = matches!(mode, Mode::Rest | Mode::New) && name == STREAMS[0];
            if mode == Mode::Refresh || is_one_of_two {
                stream["generation_id"] = 7.into();
                stream["minimum_generation_id"] = 7.into();
                stream["sync_id"] = 70.into();
            }
            stream
        }))
    }

    /// The program as the platform, or a schedule, runs it.
    fn program(self, fake: &Fake, attempt: u64, begin: [u64; 2]) -> Program {
        let config = self.config(fake);
        let program = if self.mode == Mode::Load {
            Program::new(&["load", "--config", "config.json", "--table", STREAMS[0]])
                .file("config.json", &config.to_string())
        } else if self.mode == Mode::Version {
            tap(&config)
        } else {
            Program::write(&config, &Self::catalog(self.mode))
                .env("WORKER_JOB_ID", "70")
                .env("WORKER_JOB_ATTEMPT", &attempt.to_string())
        };
        program.stdin(self.input(begin)).journal(fake.journal())
    }

    fn visible(self, fake: &Fake) -> Vec<Ids> {
        let of = |stream: &&str| {
            let mut counts = Ids::new();
            for row in fake.rows(stream) {
                *counts.entry(row["id"].as_u64().unwrap()).or_default() += 1;
            }
            counts
        };
        self.streams().iter().map(of).collect()
    }

    /// Whether all rows of the sync are visible.
    fn shows_all(self, fake: &Fake) -> bool {
        let mut visible = self.visible(fake).into_iter();
        visible.all(|ids| ids.into_keys().eq(0..self.rows()))
    }

    /// A lake with the tables that the sync finds.
    fn lake(self) -> Fake {
        let fake = Fake::start();
        fake.store().bucket.conditions = self.conditions;
        let old = OLD.flat_map(|id| STREAMS.map(|stream| self.row(stream, id, OLD_VERSION)));
        if self.mode == Mode::Version {
            let schemas = STREAMS.map(tap_schema).concat();
            let end = STREAMS.map(|stream| activation(stream, OLD_VERSION));
            let output = tap(&self.config(&fake))
                .stdin(schemas + &old.collect::<String>() + &end.concat())
                .run();
            ended(&output, 0, &[]);
        } else if matches!(self.mode, Mode::Overwrite | Mode::Refresh | Mode::Rest) {
            let replaced = |row: &String| self.mode != Mode::Rest || row.contains(STREAMS[0]);
            Program::write(&self.config(&fake), &Self::catalog(Mode::Append))
                .stdin(old.filter(replaced).collect::<String>())
                .run()
                .succeeded();
        }
        fake
    }

    /// Runs the sync, killed at this call; nothing where it ended before that.
    fn killed(self, fake: &Fake, nth: usize, is_after: bool) -> Option<Killed> {
        let kill = if is_after {
            Fault::KillAfter
        } else {
            Fault::KillBefore
        };
        fake.fault_at(nth, kill);
        let output = self.program(fake, 0, [0, 0]).run();
        if fake.forgive() {
            assert_eq!(output.status.code(), Some(0), "{}", output.report());
            return None;
        }
        assert_eq!(output.status.code(), None, "{}", output.report());
        let mut acknowledged = [0, 0];
        for text in output.stdout.lines() {
            let message: Value = serde_json::from_str(text).unwrap_or_default();
            let state = &message["state"];
            let of_one = &state["stream"]["stream_descriptor"]["name"];
            for (stream, acknowledged) in STREAMS.iter().zip(&mut acknowledged) {
                let position = if *of_one == **stream {
                    &state["id"]
                } else if self.mode == Mode::Version {
                    &message[stream]
                } else {
                    &state["global"]["shared_state"]["cursor"]
                };
                *acknowledged = position.as_u64().unwrap_or(*acknowledged);
            }
        }
        let call = fake.journal().killed_at().unwrap_or_default();
        let wrote_a_record = call.starts_with("PutObject ") && call.contains("/_datalake/runs/");
        let is_settled = is_after && wrote_a_record && !fake.has_open_record();
        // Only the exit code acknowledges the rest, and the clean-up comes before that.
        let has_printed_all = acknowledged == [(BATCHES - 1) * BATCH; 2];
        let is_in_the_clean_up =
            matches!(self.mode, Mode::Rest | Mode::New) && has_printed_all && self.shows_all(fake);
        Some(Killed {
            acknowledged,
            is_in_the_window: is_settled || is_in_the_clean_up && !fake.has_open_record(),
        })
    }
}

/// The program as a schedule runs it for a tap.
fn tap(config: &Value) -> Program {
    let arguments = ["load", "--config", "config.json", "--input", "singer"];
    Program::new(&arguments)
        .arguments(&["--mode", "overwrite"])
        .file("config.json", &config.to_string())
}

fn tap_schema(stream: &str) -> String {
    let schema = json!({"properties": {"id": {"type": "integer"}, "text": {"type": "string"}}});
    line(&json!({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []}))
}

fn activation(stream: &str, version: u64) -> String {
    line(&json!({"type": "ACTIVATE_VERSION", "stream": stream, "version": version}))
}

fn tap_state(position: u64) -> String {
    let value: Value = STREAMS
        .iter()
        .map(|stream| ((*stream).to_owned(), Value::from(position)))
        .collect();
    line(&json!({"type": "STATE", "value": value}))
}

fn state_of_all(position: u64) -> String {
    let states = STREAMS.map(|stream| {
        json!({"stream_descriptor": {"name": stream}, "stream_state": {"cursor": position}})
    });
    let global = json!({"shared_state": {"cursor": position}, "stream_states": states});
    line(&json!({"type": "STATE", "state": {"type": "GLOBAL", "global": global}}))
}

/// Whether the stream of this place adds to its table.
fn is_append(mode: Mode, stream: usize) -> bool {
    match mode {
        Mode::Append | Mode::Together => true,
        Mode::Rest | Mode::New => stream == 1,
        _ => false,
    }
}

/// What readers may see after the run was killed.
fn check_between(case: Case, seen: &[Ids], killed: &Killed) {
    for (stream, seen) in seen.iter().enumerate() {
        assert!(seen.values().all(|count| *count == 1), "{seen:?}");
        let ids = || seen.keys().copied();
        let acknowledged = killed.acknowledged[stream];
        let is_whole = match case.mode {
            Mode::Append | Mode::Together | Mode::Rest | Mode::New
                if is_append(case.mode, stream) =>
            {
                ids().eq(0..seen.len() as u64) && seen.len() as u64 >= acknowledged
            }
            Mode::Load => true,
            Mode::New => seen.is_empty() || ids().eq(0..case.rows()),
            _ => ids().eq(OLD) || ids().eq(0..case.rows()),
        };
        assert!(
            is_whole,
            "{acknowledged} rows were acknowledged, readers see {seen:?}"
        );
    }
}

/// Kills the sync before and after every call, and runs it again; how many points there were.
fn survives(case: Case) -> usize {
    for nth in 1.. {
        for is_after in [false, true] {
            let fake = case.lake();
            let Some(killed) = case.killed(&fake, nth, is_after) else {
                return 2 * (nth - 1);
            };
            check_between(case, &case.visible(&fake), &killed);
            let begin = match case.mode {
                Mode::Overwrite | Mode::Load => [0, 0],
                _ => killed.acknowledged,
            };
            let output = case.program(&fake, 1, begin).run();
            assert_eq!(output.status.code(), Some(0), "{}", output.report());
            for (stream, seen) in case.visible(&fake).iter().enumerate() {
                let is_right = |id: u64| match seen.get(&id) {
                    Some(1) => true,
                    Some(2) => killed.is_in_the_window && id >= killed.acknowledged[stream],
                    _ => false,
                };
                assert!(
                    seen.keys().copied().eq(0..case.rows()) && (0..case.rows()).all(is_right),
                    "{:?} killed at call {nth}, after it: {is_after}: {} has {seen:?}\n{}",
                    case.mode,
                    STREAMS[stream],
                    fake.journal().lines().join("\n")
                );
            }
        }
    }
    unreachable!("a sync has an end")
}

/// Prints the number of points.
#[allow(clippy::print_stdout)] // libtest shows it with --nocapture
fn survives_kills(case: Case) {
    let points = survives(case);
    let parts = if case.is_large {
        ", an object of several parts"
    } else {
        ""
    };
    let (mode, conditions) = (case.mode, case.conditions);
    println!("{mode:?}{parts}, conditions of writes {conditions:?}: killed at {points} points");
    assert!(points >= 16, "{points} points");
}

/// Each object is an upload of one part.
fn of_small_rows(mode: Mode) -> Case {
    Case {
        mode,
        is_large: false,
        conditions: Conditions::Kept,
        format: "JSONL",
    }
}

#[test]
fn an_append_survives_a_kill_at_every_call() {
    survives_kills(of_small_rows(Mode::Append));
}

#[test]
fn an_overwrite_survives_a_kill_at_every_call() {
    survives_kills(of_small_rows(Mode::Overwrite));
}

#[test]
fn a_refresh_survives_a_kill_at_every_call() {
    survives_kills(of_small_rows(Mode::Refresh));
}

#[test]
fn rows_that_no_state_covers_survive_a_kill_at_every_call() {
    survives_kills(of_small_rows(Mode::Rest));
    survives_kills(of_small_rows(Mode::New));
}

#[test]
fn a_load_of_five_objects_survives_a_kill_at_every_call() {
    survives_kills(of_small_rows(Mode::Load));
}

#[test]
fn states_of_all_streams_together_survive_a_kill_at_every_call() {
    survives_kills(of_small_rows(Mode::Together));
}

#[test]
fn a_version_of_a_tap_survives_a_kill_at_every_call() {
    survives_kills(of_small_rows(Mode::Version));
}

#[test]
fn a_sync_of_an_object_of_several_parts_survives_a_kill_at_every_call() {
    for mode in [Mode::Append, Mode::Overwrite] {
        survives_kills(Case {
            mode,
            is_large: true,
            conditions: Conditions::Kept,
            format: "JSONL",
        });
    }
}

#[test]
fn a_store_without_conditional_writes_loses_no_row_in_a_kill_at_any_call() {
    for conditions in [Conditions::Refused, Conditions::Ignored] {
        for mode in [Mode::Append, Mode::Load] {
            survives_kills(Case {
                conditions,
                ..of_small_rows(mode)
            });
        }
    }
}

#[test]
fn parquet_survives_a_kill_at_every_call() {
    for (mode, is_large) in [
        (Mode::Append, false),
        (Mode::Refresh, false),
        (Mode::Append, true),
    ] {
        survives_kills(Case {
            is_large,
            format: "Parquet",
            ..of_small_rows(mode)
        });
    }
}
