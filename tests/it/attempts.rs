//! Attempts at one job that die, fail, or have another catalog: what a later one goes on with, and what it sends again.

use serde_json::{Value, json};

use crate::endings::status_of;
use crate::generations::{assert_rows, refresh, rows};
use crate::leftovers::append;
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, complete, people, person, state, stream};
use crate::support::program::Output;

/// The run died between its swap and its end, and its source sent no state: its next attempt sends everything again.
#[test]
fn a_generation_without_a_state_comes_again_once() {
    for kill in [Fault::KillBefore, Fault::KillAfter] {
        let fake = Fake::start();
        append(&fake, 0..3);
        fake.fault("UpdateTable", 1, kill);
        let input = rows(10..12) + &complete("people");
        let output = attempt(&fake, "0", &fake.config(), input.clone());
        assert_eq!(output.status.code(), None, "{}", output.report());
        let output = attempt(&fake, "1", &fake.config(), input);
        output.succeeded();
        assert_rows(&fake, 10..12);
    }
}

/// The source resumes after the state of the first attempt, and sends no other one. The second attempt is cut short when its
/// rows are acknowledged, so the third one may add what it sends to them, and does not begin anew.
#[test]
fn rows_of_an_earlier_attempt_outlive_a_later_one_that_sends_no_state() {
    let fake = Fake::start();
    append(&fake, 0..3);
    let first = rows(10..12) + &state("people", 1);
    attempt(&fake, "0", &fake.config(), first).failed();
    let rest = rows(12..14) + &complete("people");
    fake.fault_on("DeleteObjects", "", 1, Fault::KillBefore);
    let output = attempt(&fake, "1", &fake.config(), rest.clone());
    assert_eq!(output.status.code(), None, "{}", output.report());
    assert_rows(&fake, 10..14);
    let output = attempt(&fake, "2", &fake.config(), complete("people"));
    output.succeeded();
    assert_rows(&fake, 10..14);
}

/// An attempt at the job of a refresh.
fn attempt(fake: &Fake, number: &str, config: &Value, input: String) -> Output {
    let program = fake.write(&refresh(2, 2));
    program
        .file("config.json", &config.to_string())
        .env("WORKER_JOB_ID", "70")
        .env("WORKER_JOB_ATTEMPT", number)
        .stdin(input)
        .run()
}

fn elsewhere(fake: &Fake) -> Value {
    let mut config = fake.config();
    config["region"] = "eu-west-1".into();
    config["bucket_region"] = "us-east-1".into();
    config
}

/// A refresh dies at its swap, and the next attempt at its job has another catalog: it leaves what the first one may show.
#[test]
fn a_generation_is_never_published_in_a_second_catalog() {
    for (kill, call) in [
        (Fault::KillBefore, "UpdateTable"),
        (Fault::KillAfter, "UpdateTable"),
        (Fault::KillBefore, "DeleteObjects"),
    ] {
        let fake = Fake::start();
        append(&fake, 0..3);
        fake.fault(call, 1, kill);
        let states = rows(10..12) + &state("people", 1) + &complete("people");
        let output = attempt(&fake, "0", &fake.config(), states);
        assert_eq!(output.status.code(), None, "{}", output.report());
        let shown = fake.rows("people");
        let before = fake.data_objects();
        let there = elsewhere(&fake);
        let input = rows(20..22) + &complete("people");
        attempt(&fake, "1", &there, input).succeeded();
        let overwrite = people("people", "overwrite");
        let program = fake.write(&overwrite);
        let program = program.file("config.json", &there.to_string());
        program.stdin(rows(30..33)).run().succeeded();
        assert_eq!(fake.rows("people"), shown);
        let after = fake.data_objects();
        assert!(before.iter().all(|key| after.contains(key)), "{after:?}");
        // The first catalog's own attempt goes on with it.
        let input = rows(12..13) + &state("people", 2) + &complete("people");
        attempt(&fake, "2", &fake.config(), input).succeeded();
        assert_rows(&fake, 10..13);
    }
}

/// What a run in another region left unacknowledged is its own to take back.
#[test]
fn the_record_of_a_run_with_another_catalog_is_left() {
    let fake = Fake::start();
    let there = elsewhere(&fake);
    let append_there = |input: String| {
        let program = fake.write(&people("people", "append"));
        let program = program.file("config.json", &there.to_string());
        let program = program.env("WORKER_JOB_ID", "7");
        program.stdin(input)
    };
    fake.fault_on("PutObject", "/lake/test/people/", 1, Fault::KillAfter);
    let output = append_there(rows(0..2)).run();
    assert_eq!(output.status.code(), None, "{}", output.report());
    append(&fake, 5..7);
    assert_rows(&fake, 5..7);
    assert_eq!(fake.data_objects().len(), 2);
    append_there(rows(0..2)).run().succeeded();
    assert_eq!(fake.data_objects().len(), 2);
    assert_rows(&fake, 5..7);
}

/// Rows that no state covers count once the run succeeds: where one stream fails, they are sent again.
#[test]
fn rows_without_a_state_beside_a_stream_that_fails_come_again_once() {
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let names = ["added", "stateless", "refreshed", "failing"];
    let of = |name: &&str| {
        let mut stream = stream(name, "append", &properties);
        let minimum = if *name == "refreshed" { 2 } else { 0 };
        stream["generation_id"] = 2.into();
        stream["minimum_generation_id"] = minimum.into();
        stream["sync_id"] = 70.into();
        stream
    };
    let streams = catalog(&names.iter().map(of).collect::<Vec<_>>());
    let each = |names: &[&str], id: u64| {
        names
            .iter()
            .map(|name| person(name, id))
            .collect::<String>()
    };
    let first = each(&names, 1) + &state("added", 1) + &state("refreshed", 1) + &each(&names, 2);
    let whole = names[..3]
        .iter()
        .map(|name| complete(name))
        .collect::<String>();
    let seen = |fake: &Fake| {
        names.map(|name| {
            let ids = fake.rows(name).into_iter();
            let mut ids: Vec<_> = ids.map(|row| row["id"].as_u64().unwrap()).collect();
            ids.sort_unstable();
            ids
        })
    };
    let run = |fake: &Fake, attempt: &str, input: String| {
        let program = fake.write(&streams);
        program
            .env("WORKER_JOB_ID", "70")
            .env("WORKER_JOB_ATTEMPT", attempt)
            .stdin(input)
            .run()
    };
    // The source says that it failed, or one table's object is refused in the last checkpoint, or its swap is.
    for refused in [
        None,
        Some(("CompleteMultipartUpload", "failing")),
        Some(("UpdateTable", "refreshed")),
    ] {
        let fake = Fake::start();
        let old = person("refreshed", 0);
        let mut before = streams.clone();
        for stream in before["streams"].as_array_mut().unwrap() {
            stream["generation_id"] = 1.into();
            stream["minimum_generation_id"] = 0.into();
        }
        let ended = names.map(complete).concat();
        fake.write(&before).stdin(old + &ended).run().succeeded();
        let said = match refused {
            None => status_of("failing", "INCOMPLETE"),
            Some((call, resource)) => {
                // An object of one part is written by PutObject.
                let call = if call == "UpdateTable" {
                    call
                } else {
                    "PutObject"
                };
                let resource = if call == "UpdateTable" {
                    resource.to_owned()
                } else {
                    format!("/test/{resource}/")
                };
                fake.fault_on(call, &resource, 1, Fault::Reject(403, "AccessDenied"));
                complete("failing")
            }
        };
        let output = run(&fake, "0", first.clone() + &said + &whole);
        output.failed();
        // As far as the states that were printed say.
        let printed = |name: &str| {
            output
                .states()
                .iter()
                .any(|state| state["stream"]["stream_descriptor"]["name"] == name)
        };
        let added: &[u64] = if printed("added") { &[1] } else { &[] };
        let visible = seen(&fake);
        assert_eq!(
            visible[..3],
            [added.to_vec(), vec![], vec![0]],
            "{}",
            output.report()
        );
        let rest = |name: &str| {
            if printed(name) {
                each(&[name], 2)
            } else {
                each(&[name], 1) + &each(&[name], 2)
            }
        };
        let again = rest("added")
            + &rest("refreshed")
            + &each(&["stateless"], 1)
            + &each(&["stateless", "failing"], 2);
        run(&fake, "1", again + &ended).succeeded();
        let visible = seen(&fake);
        assert_eq!(visible[..3], [vec![1, 2], vec![1, 2], vec![1, 2]]);
    }
}
