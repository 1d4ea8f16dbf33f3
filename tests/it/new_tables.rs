//! `load` into a table that does not exist: its first checkpoint creates it, and a load that fails before leaves none.

use std::sync::Arc;

use serde_json::Value;

use crate::support::fake::wire::Request;
use crate::support::fake::{Fake, Fault};
use crate::support::local::{columns, ended, left, lines, load, table};
use crate::support::program::{Output, Program, Running};

/// `load` of these lines into the table `people` of the server; its stdout is no part of the journal.
fn people(fake: &Fake, input: impl Into<Vec<u8>>) -> Program {
    Program::new(&["load", "--config", "config.json", "--table", "people"])
        .file("config.json", &fake.config().to_string())
        .stdin(input)
}

#[test]
fn the_first_checkpoint_creates_the_table_after_its_objects() {
    let fake = Fake::start();
    ended(&people(&fake, lines(0..3)).run(), 0, &[]);
    ended(&people(&fake, lines(3..5)).run(), 0, &[]);
    fake.assert_journal(&[
        "CREATE DATABASE test",
        "PUT record",
        "PUT people/G1/o1 3 rows",
        "CREATE people at G1",
        "PUT record",
        "DELETE record",
        "PUT record",
        "PUT people/G1/o2 2 rows",
        "PUT record",
    ]);
}

#[test]
fn a_load_that_fails_leaves_no_table() {
    let lake = tempfile::tempdir().unwrap();
    let broken = lines(0..3) + "{\"id\":";
    let pad = "x".repeat(1000);
    let behind_the_sample: String = (0..5000)
        .map(|id| format!("{{\"id\":{id},\"pad\":\"{pad}\"}}\n"))
        .chain(["{\"id\":".to_owned()])
        .collect();
    let of_a_schema = ["--schema", "s.json"];
    for (input, more, line) in [
        (&broken, &[][..], "line 4 of stdin"),
        (&behind_the_sample, &[], "line 5001 of stdin"),
        (&broken, &of_a_schema, "line 4 of stdin"),
    ] {
        let output = load(lake.path(), &["--table", "t"])
            .file("s.json", "{\"properties\":{\"id\":{\"type\":\"integer\"}}}")
            .arguments(more)
            .stdin(input.as_str())
            .run();
        ended(&output, 1, &[line]);
        assert_eq!(left(lake.path()), (vec![], 0), "{line}");
    }
}

#[test]
fn a_store_that_refuses_leaves_no_table() {
    for (operation, resource, code) in [
        ("PutObject", "/_datalake/runs/", "AccessDenied"),
        ("PutObject", "/people/", "AccessDenied"),
        ("CreateTable", "", "AccessDeniedException"),
    ] {
        let fake = Fake::start();
        fake.fault_on(operation, resource, 1, Fault::Reject(403, code));
        ended(&people(&fake, lines(0..3)).run(), 1, &[operation]);
        let store = fake.store();
        assert!(store.catalog.0["test"].is_empty(), "{operation}");
        assert!(store.bucket.objects.is_empty(), "{operation}");
    }
}

#[test]
fn an_input_without_rows_calls_nobody_and_may_be_a_failure() {
    let schema = "{\"properties\":{\"id\":{\"type\":\"integer\"}}}";
    let fake = Fake::start();
    for (input, arguments) in [
        ("", &["--table", "t"][..]),
        ("\n \r\n", &["--table", "t", "--schema", "s.json"]),
        ("", &["--table", "t", "--mode", "overwrite"]),
        ("", &["--table", "t", "--checkpoint-interval", "1s"]),
        ("", &["--table", "t", "empty", "empty"]),
        ("", &["--input", "singer"]),
    ] {
        let run = |more: &[&str]| {
            let program = Program::new(&["load", "--config", "config.json"])
                .file("config.json", &fake.config().to_string())
                .file("s.json", schema)
                .file("empty", "");
            program
                .arguments(arguments)
                .arguments(more)
                .stdin(input)
                .run()
        };
        ended(&run(&[]), 0, &["warn: no rows came", "--require-rows"]);
        let output = run(&["--require-rows"]);
        ended(
            &output,
            4,
            &["no rows came, and --require-rows asks for some"],
        );
        assert!(!output.stderr.contains("warn:"), "{}", output.report());
    }
    assert!(fake.calls().is_empty(), "{:?}", fake.calls());
}

#[test]
fn an_input_with_rows_is_what_require_rows_asks_for() {
    let lake = tempfile::tempdir().unwrap();
    let arguments = ["--table", "t", "--require-rows"];
    let output = load(lake.path(), &arguments).stdin(lines(0..1)).run();
    ended(&output, 0, &[]);
    let output = load(lake.path(), &arguments).stdin("").run();
    ended(&output, 4, &[]);
    assert_eq!(table(lake.path(), "t").1.len(), 1);
}

/// Starts a load of these lines, and lets `other` run whole before the answer to its first look for the table comes.
/// (Once it has begun its checkpoint, the other would wait for it.)
fn overtaken(fake: &Fake, input: &str, other: impl FnOnce()) -> Output {
    let gate = fake.hold("GetTable", 1);
    let mut running: Running = people(fake, "").start();
    running.feed(input);
    running.close();
    gate.wait_until_reached();
    other();
    gate.release();
    running.finish()
}

fn shown(fake: &Fake) -> Vec<Value> {
    let mut ids: Vec<_> = fake
        .rows("people")
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    ids.sort_by_key(Value::to_string);
    ids
}

/// Of two loads, the objects of one are left.
#[track_caller]
fn assert_one_object(fake: &Fake) {
    let objects = fake.data_objects().len();
    assert_eq!(objects, 1, "{:?}", fake.journal().lines());
}

#[test]
fn a_table_that_another_made_meanwhile_gets_the_rows() {
    let fake = Fake::start();
    let input = "{\"id\":7,\"name\":\"Ada\"}\n";
    let output = overtaken(&fake, input, || {
        ended(&people(&fake, lines(0..2)).run(), 0, &[]);
    });
    ended(&output, 0, &["another writer created the table first"]);
    assert_eq!(shown(&fake), [0, 1, 7]);
    fake.assert_journal(&[
        "CREATE DATABASE test",
        "PUT record",
        "PUT people/G1/o1 2 rows",
        "CREATE people at G1",
        "PUT record",
        "PUT record",
        "PUT people/G2/o2 1 rows",
        "UPDATE people columns +name",
        "PUT record",
        "COPY people/G2/o2 to people/G1/o3 1 rows",
        "DELETE people/G2/o2",
        "PUT record",
    ]);
}

/// As one that does not look at the records of others does: after the last look of this load for the table.
#[test]
fn a_table_that_another_made_at_the_last_moment_gets_the_rows() {
    let fake = Arc::new(Fake::start());
    let other = Arc::downgrade(&fake);
    let make_table = move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let mut input = body["TableInput"].clone();
        input["StorageDescriptor"]["Location"] = "s3://test-lake/lake/test/people/theirs/".into();
        let fake = other.upgrade().unwrap();
        fake.store().catalog.make_table("test", "people", input);
        true
    };
    fake.fault("CreateTable", 1, Fault::Before(Arc::new(make_table)));
    let output = people(&fake, lines(0..2)).run();
    ended(&output, 0, &["another writer created the table first"]);
    assert_eq!(shown(&fake), [0, 1]);
    fake.assert_journal(&[
        "CREATE DATABASE test",
        "PUT record",
        "PUT people/G1/o1 2 rows",
        "PUT record",
        "COPY people/G1/o1 to people/G2/o2 2 rows",
        "DELETE people/G1/o1",
        "PUT record",
    ]);
}

#[test]
fn a_table_that_another_made_meanwhile_with_other_types_is_left_alone() {
    for input in ["{\"id\":\"x\"}\n", "{\"id\":1.5}\n"] {
        let fake = Fake::start();
        let schema = "{\"properties\":{\"id\":{\"type\":\"boolean\"}}}";
        let output = overtaken(&fake, input, || {
            let other = people(&fake, "{\"id\":true}\n").arguments(&["--schema", "s.json"]);
            ended(&other.file("s.json", schema).run(), 0, &[]);
        });
        ended(
            &output,
            1,
            &["another writer created the table", "load them again"],
        );
        assert_eq!(shown(&fake), [true]);
        assert_one_object(&fake);
    }
}

#[test]
fn rows_that_cannot_go_to_the_other_writer_s_folder_are_all_deleted() {
    let fake = Fake::start();
    fake.fault_from("CopyObject", 1, Fault::Reject(403, "AccessDenied"));
    let output = overtaken(&fake, &lines(7..9), || {
        ended(&people(&fake, lines(0..2)).run(), 0, &[]);
    });
    ended(&output, 1, &["CopyObject", "AccessDenied"]);
    assert_eq!(shown(&fake), [0, 1]);
    assert_one_object(&fake);
}

#[test]
fn rows_that_were_copied_and_cannot_be_settled_are_all_deleted() {
    let fake = Fake::start();
    // The other writes its record twice; this one once for its objects, once for their copies, and then to settle them.
    let refused = Fault::Reject(403, "AccessDenied");
    fake.fault_on("PutObject", "/_datalake/runs/", 5, refused);
    let output = overtaken(&fake, &lines(7..9), || {
        ended(&people(&fake, lines(0..2)).run(), 0, &[]);
    });
    ended(&output, 1, &["PutObject", "AccessDenied"]);
    assert_eq!(shown(&fake), [0, 1]);
    assert_one_object(&fake);
}

#[test]
fn a_later_checkpoint_of_an_endless_pipe_finds_the_way_too() {
    let fake = Fake::start();
    let gate = fake.hold("GetTable", 1);
    let mut running = people(&fake, "")
        .arguments(&["--checkpoint-interval", "1s"])
        .start();
    running.feed(lines(7..9));
    gate.wait_until_reached();
    ended(&people(&fake, lines(0..2)).run(), 0, &[]);
    gate.release();
    let wait = |count: usize| {
        let started = std::time::Instant::now();
        while shown(&fake).len() < count {
            assert!(started.elapsed().as_secs() < 60, "no {count} rows");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    wait(4);
    running.feed(lines(9..10));
    wait(5);
    running.feed(lines(10..11));
    ended(&running.finish(), 0, &[]);
    assert_eq!(shown(&fake).len(), 6);
    let places: std::collections::BTreeSet<_> = fake
        .store()
        .bucket
        .objects
        .keys()
        .filter(|key| !key.contains("/_datalake/"))
        .map(|key| key.rsplit_once('/').unwrap().0.to_owned())
        .collect();
    assert_eq!(places.len(), 1, "{places:?}");
}

#[test]
fn eight_loads_at_once_make_one_table() {
    let fake = Fake::start();
    let start = |number: u64| {
        let input: String = (0..20)
            .map(|id| format!("{{\"id\":{},\"column_{number}\":1}}\n", number * 100 + id))
            .collect();
        let mut running = people(&fake, "").start();
        running.feed(input);
        running.close();
        running
    };
    let running: Vec<_> = (0..8).map(start).collect();
    for running in running {
        ended(&running.finish(), 0, &[]);
    }
    assert_eq!(shown(&fake).len(), 160);
    let store = fake.store();
    let entry = store.catalog.table("test", "people").unwrap();
    assert_eq!(columns(entry).len(), 9, "{entry:#}");
}
