//! Versions of a Singer tap's streams: examples, and generated runs over one table against a model of what readers see.

use std::path::Path;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::singer::{lines, row, schema, value};
use crate::support::local::{ended, ids, load, table};
use crate::support::program::Output;

/// What a tap says of its one stream, after the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// A record of this version.
    Record(Option<u64>),
    Activate(u64),
    State,
    /// A line that is no message: the tap broke.
    Broken,
}

use Message::{Activate, Broken, Record, State};

/// What readers see, as far as the model knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    ids: Vec<u64>,
    version: Option<u64>,
}

/// What a run is to do.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    shown: Shown,
    /// How many of its states are printed.
    states: usize,
    succeeds: bool,
}

/// Appended: nothing is removed, and versions mean nothing.
fn append(before: &Shown, messages: &[(u64, Message)]) -> Outcome {
    let mut shown = before.clone();
    let broken = messages.iter().position(|(_, message)| *message == Broken);
    let read = &messages[..broken.unwrap_or(messages.len())];
    let is_state = |(_, message): &(u64, Message)| *message == State;
    let kept = match broken {
        None => read.len(),
        Some(_) => read.iter().rposition(is_state).map_or(0, |last| last + 1),
    };
    shown.ids.extend(records(&read[..kept]));
    Outcome {
        shown,
        states: read.iter().filter(|message| is_state(message)).count(),
        succeeds: broken.is_none(),
    }
}

fn records(messages: &[(u64, Message)]) -> impl Iterator<Item = u64> {
    let records = messages
        .iter()
        .filter(|(_, message)| matches!(message, Record(_)));
    records.map(|(id, _)| *id)
}

/// Overwritten: by the rows of one version, or of none, once they are whole.
fn overwrite(before: &Shown, messages: &[(u64, Message)]) -> Outcome {
    let mut shown = before.clone();
    // The version that records come of, once there was a record or an activation; where its messages begin.
    let mut current: Option<(Option<u64>, usize)> = None;
    let (mut printed, mut pending) = (0, 0);
    let is_shown = |version: Option<u64>| version.is_some() && version == before.version;
    let mut covered = Vec::new();
    let mut read = messages.len();
    for (index, (id, message)) in messages.iter().enumerate() {
        let version = match *message {
            Record(version) => Some(version),
            Activate(version) => Some(Some(version)),
            State | Broken => None,
        };
        let is_activation = matches!(message, Activate(_));
        match (version, current) {
            (Some(version), None) => current = Some((version, index)),
            (Some(version), Some((now, _))) if version == now => {}
            // Of no version, or superseded already.
            (Some(version), Some((now, _)))
                if is_activation && (now.is_none() || version < now) => {}
            (Some(version), Some((now, _))) if now.is_some() && version > now => {
                // What no state covers goes with the version.
                covered.clear();
                current = Some((version, index));
                if is_shown(version) {
                    printed += std::mem::take(&mut pending);
                }
            }
            (Some(_), Some(_)) => {
                read = index;
                break;
            }
            (None, _) => {}
        }
        let visible = current.is_none_or(|(version, _)| is_shown(version));
        match message {
            Record(_) if visible => covered.push(*id),
            State if visible => {
                shown.ids.append(&mut covered);
                printed += 1;
            }
            State => pending += 1,
            Broken => {
                read = index;
                break;
            }
            _ => {}
        }
    }
    let mut outcome = Outcome {
        shown,
        states: printed,
        succeeds: read == messages.len(),
    };
    let Some((version, from)) = current.filter(|_| outcome.succeeds) else {
        return outcome;
    };
    if is_shown(version) {
        outcome.shown.ids.append(&mut covered);
    } else if is_whole(version, from, messages) {
        outcome.states += pending;
        outcome.shown = Shown {
            ids: records(&messages[from..]).collect(),
            version,
        };
    } else {
        outcome.succeeds = false;
    }
    outcome
}

/// Whether the tap has sent all of a version, whose first message is at `from`.
fn is_whole(version: Option<u64>, from: usize, messages: &[(u64, Message)]) -> bool {
    let all_messages: Vec<Message> = messages.iter().map(|(_, message)| *message).collect();
    let all = &all_messages[from..];
    let last = |wanted: &dyn Fn(&Message) -> bool| all.iter().rposition(wanted);
    let record = last(&|message| matches!(message, Record(_)));
    let state = last(&|message| *message == State);
    let activation = last(&|message| match version {
        Some(version) => *message == Activate(version),
        None => matches!(message, Activate(_)),
    });
    let activated_after_records = record.is_some() && activation > record;
    let ends_with_a_state = state > record;
    let activated_before_the_state = activation.is_some() && activation < state;
    match version {
        Some(_) => activated_after_records || (ends_with_a_state && activated_before_the_state),
        // A tap that has states ends with one.
        None => activated_after_records || ends_with_a_state || !all_messages.contains(&State),
    }
}

fn line((id, message): &(u64, Message)) -> String {
    let message = match message {
        Record(None) => json!({"type": "RECORD", "stream": "users", "record": {"id": id}}),
        Record(Some(version)) => {
            json!({"type": "RECORD", "stream": "users", "record": {"id": id}, "version": version})
        }
        Activate(version) => {
            json!({"type": "ACTIVATE_VERSION", "stream": "users", "version": version})
        }
        State => json!({"type": "STATE", "value": {"id": id}}),
        Broken => json!({"type": "NEW"}),
    };
    format!("{message}\n")
}

const SCHEMA: &str = "{\"type\":\"SCHEMA\",\"stream\":\"users\",\"schema\":{\"properties\":{\"id\":{\"type\":\"integer\"}}},\"key_properties\":[]}\n";

fn sorted(mut ids: Vec<u64>) -> Vec<u64> {
    ids.sort_unstable();
    ids
}

/// Runs the program over a lake and holds it to the model.
fn check(lake: &Path, shown: &mut Shown, mode: &str, messages: &[(u64, Message)], seed: u64) {
    let input: String = messages.iter().map(line).collect();
    let output = load(lake, &["--input", "singer", "--mode", mode])
        .stdin(SCHEMA.to_owned() + &input)
        .run();
    let expected = match mode {
        "append" => append(shown, messages),
        _ => overwrite(shown, messages),
    };
    let is_there = lake.join("catalog/default/users.json").exists();
    let found = if is_there {
        ids(&table(lake, "users").1)
    } else {
        Vec::new()
    };
    let report = || format!("seed {seed}, {mode}, before {shown:?}\n{}", output.report());
    assert_eq!(
        sorted(found),
        sorted(expected.shown.ids.clone()),
        "{}",
        report()
    );
    assert_eq!(output.status.success(), expected.succeeds, "{}", report());
    // The first states, each once and in their order.
    let states = messages.iter().filter(|(_, message)| *message == State);
    let states: Vec<Value> = states.map(|(id, _)| json!({"id": id})).collect();
    assert_eq!(output.messages, states[..expected.states], "{}", report());
    *shown = expected.shown;
}

/// A tap's messages: mostly of one version, in any order.
fn generate(rng: &mut Rng, next: &mut u64) -> Vec<(u64, Message)> {
    let versions: &[Option<u64>] = match rng.u8(..6) {
        0 => &[None],
        1 => &[Some(10), Some(20)],
        2 => &[None, Some(20)],
        3 => &[Some(20)],
        4 => &[Some(10)],
        _ => &[Some(30)],
    };
    let mut messages: Vec<Message> = (0..rng.usize(..7))
        .map(|_| match rng.u8(..10) {
            0..5 => Record(versions[rng.usize(..versions.len())]),
            5..7 => Activate(versions[rng.usize(..versions.len())].unwrap_or(20)),
            _ => State,
        })
        .collect();
    match rng.u8(..6) {
        0 => messages.push(Broken),
        1..3 => messages.push(State),
        _ => {}
    }
    let numbered = messages.into_iter().map(|message| {
        *next += 1;
        (*next, message)
    });
    numbered.collect()
}

#[test]
fn readers_see_whole_versions_and_states_only_what_readers_see() {
    let seeds = std::env::var("SEEDS").map_or(100, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let rng = &mut Rng::with_seed(seed);
        let lake = tempfile::tempdir().unwrap();
        let mut shown = Shown::default();
        let mut next = 0;
        for _ in 0..5 {
            let mode = if rng.u8(..3) == 0 {
                "append"
            } else {
                "overwrite"
            };
            let messages = generate(rng, &mut next);
            check(lake.path(), &mut shown, mode, &messages, seed);
        }
    }
}

fn activate(stream: &str, version: u64) -> Value {
    json!({"type": "ACTIVATE_VERSION", "stream": stream, "version": version})
}

fn version_row(stream: &str, id: u64, version: u64) -> Value {
    json!({"type": "RECORD", "stream": stream, "record": {"id": id}, "version": version})
}

/// Runs the messages after a schema of `users`.
fn users(lake: &Path, mode: &str, messages: &[Value]) -> Output {
    let head = schema("users", &json!({"id": {"type": "integer"}}));
    load(lake, &["--input", "singer", "--mode", mode])
        .stdin(lines(&[std::slice::from_ref(&head), messages].concat()))
        .run()
}

#[test]
fn a_version_replaces_older_rows_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let run = |messages: &[Value]| users(folder.path(), "overwrite", messages);
    let shown = || ids(&table(folder.path(), "users").1);
    ended(&run(&[row("users", 1)]), 0, &[]);
    // Activated at its beginning, as taps do so that rows are seen early: nothing is removed before its rows are there.
    let begun = [activate("users", 100), version_row("users", 2, 100)];
    let output = run(&begun);
    ended(&output, 1, &["before it completed", "\"users\""]);
    assert_eq!((shown(), output.stdout.as_str()), (vec![1], ""));
    let output = run(&[&begun[..], &[value(1)]].concat());
    ended(&output, 0, &[]);
    assert_eq!((shown(), output.stdout.lines().count()), (vec![2], 1));
    // The same version again adds to it, with or without being activated again.
    ended(&run(&[version_row("users", 3, 100), value(2)]), 0, &[]);
    assert_eq!(shown(), [2, 3]);
    // A new version that is never activated stays hidden, and so do its states; it is sent again.
    let output = run(&[version_row("users", 4, 200), value(3)]);
    ended(&output, 1, &["before it completed"]);
    assert_eq!((shown(), output.stdout.as_str()), (vec![2, 3], ""));
    let again = [
        version_row("users", 4, 200),
        value(3),
        version_row("users", 5, 200),
        activate("users", 200),
    ];
    let output = run(&again);
    ended(&output, 0, &[]);
    assert_eq!((shown(), output.stdout.lines().count()), (vec![4, 5], 1));
    // A newer one supersedes it, an older one is refused.
    let output = run(&[
        version_row("users", 6, 300),
        version_row("users", 7, 400),
        activate("users", 400),
    ]);
    ended(&output, 0, &[]);
    assert_eq!(shown(), [7]);
    let output = run(&[version_row("users", 8, 600), version_row("users", 9, 500)]);
    ended(&output, 1, &["line 3 of stdin", "records of an older one"]);
    assert_eq!(shown(), [7]);
    // A table that other rows replaced shows no version any more.
    ended(&run(&[row("users", 10)]), 0, &[]);
    ended(
        &run(&[version_row("users", 11, 400), activate("users", 400)]),
        0,
        &[],
    );
    assert_eq!(shown(), [11]);
}

#[test]
fn to_append_is_to_remove_nothing_whatever_is_activated() {
    let folder = tempfile::tempdir().unwrap();
    let run = |messages: &[Value]| users(folder.path(), "append", messages);
    ended(&run(&[row("users", 1)]), 0, &[]);
    let output = run(&[
        activate("users", 100),
        version_row("users", 2, 100),
        value(1),
        activate("users", 100),
        version_row("users", 3, 200),
        activate("users", 200),
        row("users", 4),
    ]);
    ended(&output, 0, &["ACTIVATE_VERSION removes no rows"]);
    assert_eq!(output.stderr.matches("ACTIVATE_VERSION").count(), 1);
    assert_eq!(output.stdout.lines().count(), 1);
    let rows = table(folder.path(), "users").1;
    assert_eq!(ids(&rows), [1, 2, 3, 4]);
    // What is activated only, and never had a row.
    ended(
        &users(folder.path(), "append", &[activate("users", 300), value(2)]),
        0,
        &[],
    );
    assert_eq!(ids(&table(folder.path(), "users").1).len(), 4);
}

#[test]
fn where_a_tap_dies_no_stream_is_replaced_because_its_states_cover_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let id = json!({"id": {"type": "integer"}});
    let names = ["whole", "begun", "plain"];
    let run = |messages: &[Value]| {
        let head = names.map(|name| schema(name, &id));
        load(folder.path(), &["--input", "singer", "--mode", "overwrite"])
            .stdin(lines(&[&head[..], messages].concat()))
            .run()
    };
    let shown = || names.map(|name| ids(&table(folder.path(), name).1));
    ended(&run(&names.map(|name| row(name, 1))), 0, &[]);
    let messages = [
        version_row("whole", 2, 7),
        activate("whole", 7),
        row("plain", 2),
        value(1),
        activate("begun", 7),
        version_row("begun", 2, 7),
    ];
    let output = run(&messages);
    ended(&output, 1, &["2 of 3 streams", "\"begun\"", "\"plain\""]);
    assert_eq!(shown(), [[1], [1], [1]]);
    assert_eq!(output.stdout, "");
    let output = run(&[&messages[..], &[value(2)]].concat());
    ended(&output, 0, &[]);
    assert_eq!(shown(), [[2], [2], [2]]);
    assert_eq!(output.stdout.lines().count(), 2);
}
