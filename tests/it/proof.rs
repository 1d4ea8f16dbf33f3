//! Other hands in the middle of a checkpoint or of a swap: nothing is acknowledged that readers do not see, nothing is
//! deleted that somebody may miss, and the error says who did what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::generations::{assert_rows, refresh, rows};
use crate::support::fake::{Fake, Fault, Gate, Hook, Store};
use crate::support::messages::{catalog, complete, people, person, state, stream};
use crate::support::program::{Output, Program};

/// What others do to the lake.
type Hand = fn(&mut Store);

/// The hand at work in the middle of a call.
fn hand(fake: &Arc<Fake>, hand: impl Fn(&mut Store) + Send + Sync + 'static) -> Fault {
    let fake = Arc::downgrade(fake);
    Fault::After(Arc::new(move |_| {
        hand(&mut fake.upgrade().unwrap().store());
        true
    }))
}

/// A sync with a checkpoint at each state.
pub(crate) fn sync(fake: &Fake, catalog: &Value, input: String) -> Program {
    let mut config = fake.config();
    config["checkpoint_interval_minutes"] = 0.into();
    fake.write(catalog)
        .file("config.json", &config.to_string())
        .stdin(input)
}

/// A lake whose table `people` has the acknowledged rows 0 to 2.
fn lake() -> Arc<Fake> {
    let fake = Arc::new(Fake::start());
    sync(&fake, &people("people", "append"), rows(0..3))
        .run()
        .succeeded();
    fake
}

/// The length of the name of a run.
const RUN: usize = "20261122T091551123Z-0123456789ab".len();

/// The message of the error without the line of input that caused the checkpoint, and without names of runs.
#[track_caller]
fn message(output: &Output) -> String {
    let error = output.failed();
    assert_eq!(
        error["failure_type"],
        "transient_error",
        "{}",
        output.report()
    );
    let text = error["message"].as_str().unwrap();
    let words = text.trim_start_matches("line 3 of stdin: ").split(' ');
    let words = words.map(|word| match word.find("20") {
        Some(at) if word[at..].contains("Z-") => format!("{}…{}", &word[..at], &word[at + RUN..]),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn location(store: &mut Store, table: &str, location: &str) {
    let location: Value = location.into();
    store.catalog.edit_table("test", table, |input| {
        input["StorageDescriptor"]["Location"] = location;
    });
}

const DROP: Hand = |store| assert!(store.catalog.drop_table("test", "people"));

const RENAME: Hand = |store| {
    let input = store.catalog.table("test", "people").cloned().unwrap();
    store.catalog.drop_table("test", "people");
    store.catalog.make_table("test", "people_old", input);
};

const MOVE: Hand = |store| location(store, "people", "s3://test-lake/elsewhere/people/");

/// As an overwrite of another program, or Terraform, leaves it.
const RECREATE: Hand = |store| {
    let input = store.catalog.table("test", "people").cloned().unwrap();
    store.catalog.drop_table("test", "people");
    store.catalog.make_table("test", "people", input);
    location(store, "people", "s3://test-lake/lake/test/people/");
};

const GONE: &str = "stream \"people\": the table test.people was dropped or renamed by somebody else during this run; its unacknowledged rows are taken back; run it again: it creates the table anew, without the rows of the one that is gone";

#[test]
fn rows_of_a_table_that_others_take_away_in_a_checkpoint_are_taken_back() {
    let moved = |to: &str| {
        format!(
            "stream \"people\": the table test.people was moved during this run, from s3://test-lake/lake/test/people/…/ to {to}: by an overwrite that ran beside it, or by another program; its unacknowledged rows are taken back; run it again, and let one run at a time write the table"
        )
    };
    for (done, expected) in [
        (DROP, GONE.to_owned()),
        (RENAME, GONE.to_owned()),
        (MOVE, moved("s3://test-lake/elsewhere/people/")),
    ] {
        let fake = lake();
        let before = fake.data_objects();
        // After the object is complete, and before the table is looked at.
        fake.fault_on("PutObject", "/people/", 1, hand(&fake, done));
        let input = rows(3..5) + &state("people", 1);
        let output = sync(&fake, &people("people", "append"), input).run();
        assert_eq!(message(&output), expected);
        assert_eq!(output.states().len(), 0, "{}", output.report());
        // Those of the run, and none else, are deleted.
        assert_eq!(fake.data_objects(), before);
        assert!(!fake.has_open_record());
    }
}

/// A location above the folder shows its rows too, and more; what else it shows is not known.
#[test]
fn a_table_that_is_moved_above_its_folder_is_moved() {
    let fake = lake();
    let before = fake.data_objects();
    fake.fault_on("PutObject", "/people/", 1, hand(&fake, RECREATE));
    let input = rows(3..5) + &state("people", 1);
    let output = sync(&fake, &people("people", "append"), input).run();
    assert!(
        message(&output).contains("to s3://test-lake/lake/test/people/: by"),
        "{}",
        output.report()
    );
    assert_eq!(output.states().len(), 0);
    assert_eq!(fake.data_objects(), before);
    assert_rows(&fake, 0..3);
}

#[test]
fn a_checkpoint_of_several_streams_acknowledges_those_whose_tables_are_in_place() {
    let fake = Arc::new(Fake::start());
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let streams = ["orders", "people", "users"];
    let all = catalog(&streams.map(|name| stream(name, "append", &properties)));
    fake.fault_on("PutObject", "/users/", 1, hand(&fake, DROP));
    let input =
        streams.map(|name| person(name, 1)).concat() + &streams.map(|name| state(name, 1)).concat();
    // One checkpoint for all of them.
    let output = fake.write(&all).stdin(input).run();
    assert_eq!(message(&output), GONE);
    let printed: Vec<_> = output
        .states()
        .iter()
        .map(|state| state["stream"]["stream_descriptor"]["name"].clone())
        .collect();
    assert_eq!(printed, ["orders", "users"], "{}", output.report());
    assert_eq!(fake.rows("orders").len(), 1);
    assert_eq!(fake.rows("users").len(), 1);
    assert_eq!(fake.data_objects().len(), 2);
}

#[test]
fn a_stale_answer_takes_back_what_no_state_covers_and_nothing_else() {
    for code in ["EntityNotFoundException", "AccessDeniedException"] {
        let fake = lake();
        let before = fake.data_objects();
        // The first look is at the opening.
        fake.fault_on("GetTable", "people", 2, Fault::Reject(400, code));
        let input = rows(3..5) + &state("people", 1);
        let output = sync(&fake, &people("people", "append"), input.clone()).run();
        if code.starts_with("Entity") {
            assert_eq!(message(&output), GONE);
        } else {
            let error = output.failed().to_string();
            assert!(error.contains("AccessDeniedException"), "{error}");
        }
        assert_eq!(output.states().len(), 0, "{}", output.report());
        assert_eq!(fake.data_objects(), before);
        sync(&fake, &people("people", "append"), input)
            .run()
            .succeeded();
        assert_rows(&fake, 0..5);
    }
}

#[test]
fn a_stale_answer_at_the_opening_deletes_nothing() {
    let overwrite = people("people", "overwrite");
    let append = people("people", "append");
    for (operation, next, expected) in [
        ("GetTable", &append, 0..5),
        ("GetDatabase", &append, 0..5),
        ("GetTable", &overwrite, 3..5),
        ("GetDatabase", &overwrite, 3..5),
    ] {
        let fake = lake();
        fake.fault(operation, 1, Fault::Reject(400, "EntityNotFoundException"));
        let input = rows(3..5) + &state("people", 1);
        sync(&fake, next, input).run().succeeded();
        assert_rows(&fake, expected.clone());
        // And a run that fails on its first line.
        let before = fake.data_objects();
        fake.fault(operation, 1, Fault::Reject(400, "EntityNotFoundException"));
        sync(&fake, next, "no message\n".to_owned()).run().failed();
        assert_rows(&fake, expected);
        assert_eq!(fake.data_objects(), before);
    }
}

/// Holds the answer to the next object of the table, which is complete by then.
pub(crate) fn hold_object(fake: &Fake) -> Gate {
    let gate = Gate::default();
    let held = Fault::Hold(gate.clone());
    fake.fault_on("PutObject", "/lake/test/people/", 1, held);
    gate
}

/// Two runs, of which the second takes the first for dead in the middle of its checkpoint.
#[test]
fn a_run_whose_checkpoint_another_took_back_prints_nothing() {
    let fake = lake();
    let append = people("people", "append");
    let gate = hold_object(&fake);
    let mut slow = sync(&fake, &append, String::new()).start();
    slow.feed(rows(3..5) + &state("people", 1));
    gate.wait_until_reached();
    fake.bury_runs();
    fake.clock().forward(Duration::from_secs(121));
    let quick = Program::write(&fake.config(), &append)
        .stdin(rows(5..7) + &state("people", 2))
        .run();
    quick.succeeded();
    gate.release();
    let output = slow.finish();
    assert_eq!(
        message(&output),
        "another run took this one for dead and takes its unacknowledged rows back (see s3://test-lake/lake/_datalake/runs/….json); run it again; nothing is lost"
    );
    assert_eq!(output.states().len(), 0, "{}", output.report());
    let ids: Vec<_> = fake
        .rows("people")
        .iter()
        .map(|row| row["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [0, 1, 2, 5, 6]);
    // What came late is gone too.
    assert_eq!(fake.data_objects().len(), 2);
}

/// Lets the held run go on until it has printed a state.
pub(crate) fn settling(fake: &Fake, gate: &Gate) -> Hook {
    let (journal, gate) = (fake.journal().clone(), gate.clone());
    Arc::new(move |_| {
        gate.release();
        let started = Instant::now();
        while journal.states() < 1 && started.elapsed().as_secs() < 60 {
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    })
}

/// Two runs, of which the first settles its checkpoint while the second is about to take it back.
#[test]
fn a_run_that_settled_first_keeps_its_rows() {
    let fake = lake();
    let append = people("people", "append");
    let gate = hold_object(&fake);
    let mut slow = sync(&fake, &append, String::new()).start();
    slow.feed(rows(3..5) + &state("people", 1));
    gate.wait_until_reached();
    fake.bury_runs();
    fake.clock().forward(Duration::from_secs(121));
    // The next write of the record is that of the other, which has read it.
    let settle = Fault::Before(settling(&fake, &gate));
    fake.fault_on("PutObject", "/_datalake/runs/", 1, settle);
    let quick = Program::write(&fake.config(), &append)
        .stdin(rows(5..7) + &state("people", 2))
        .run();
    quick.succeeded();
    let output = slow.finish();
    output.succeeded();
    assert_eq!(output.states().len(), 1, "{}", output.report());
    assert_rows(&fake, 0..7);
}

#[test]
fn a_swap_replaces_what_the_table_shows_at_that_moment_and_deletes_nothing_else() {
    for (done, left) in [(DROP, 1), (RENAME, 1), (MOVE, 1), (RECREATE, 1)] {
        let fake = lake();
        let before = fake.data_objects();
        // After the last look at the table, and before the update.
        fake.fault_on("PutObject", "/_datalake/generations/", 2, hand(&fake, done));
        sync(&fake, &people("people", "overwrite"), rows(10..12))
            .run()
            .succeeded();
        assert_rows(&fake, 10..12);
        // The rows of the table that is gone, or shows another folder, are somebody else's affair.
        let objects = fake.data_objects();
        assert!(objects.contains(&before[0]), "{objects:?}");
        assert_eq!(objects.len(), 1 + left);
        if done as usize == RENAME as usize {
            assert_eq!(fake.rows("people_old").len(), 3);
        }
    }
}

#[test]
fn a_generation_whose_mark_others_changed_is_not_acknowledged() {
    type Edit = fn(&mut Store);
    let removed: Edit = |store| {
        let objects = &mut store.bucket.objects;
        objects.retain(|key, _| !key.contains("/_datalake/generations/"));
    };
    let taken: Edit = |store| {
        let objects = store.bucket.objects.iter_mut();
        for (_, body) in objects.filter(|(key, _)| key.contains("/_datalake/generations/")) {
            let mut mark: Value = serde_json::from_slice(body).unwrap();
            mark["run"] = "20261130T000000000Z-0123456789ab".into();
            *body = mark.to_string().into_bytes();
        }
    };
    for (edit, expected) in [
        (
            removed,
            "stream \"people\": the mark of the unpublished generation was deleted: s3://test-lake/lake/_datalake/generations/test/people/g2-….json; run it again; delete nothing below _datalake by hand",
        ),
        (
            taken,
            "stream \"people\": another run took over the unpublished generation of this one run=…; let one run at a time write a stream",
        ),
    ] {
        let fake = lake();
        let before = fake.data_objects();
        fake.fault_on("PutObject", "/lake/test/people/g2", 1, hand(&fake, edit));
        let input = rows(10..12) + &state("people", 1) + &complete("people");
        let output = sync(&fake, &refresh(2, 2), input).run();
        assert_eq!(message(&output), expected);
        assert_eq!(output.states().len(), 0, "{}", output.report());
        assert_rows(&fake, 0..3);
        assert_eq!(fake.data_objects(), before);
    }
}

/// Another table is located where the old rows are, just before they would be deleted.
#[test]
fn a_replaced_folder_that_another_table_shows_by_now_is_left() {
    let fake = lake();
    let before = fake.data_objects();
    let adopt: Hand = |store| {
        let mut input = store.catalog.table("test", "people").cloned().unwrap();
        let old = store.bucket.made[1].rsplit_once('/').unwrap().0.to_owned();
        input["StorageDescriptor"]["Location"] = format!("s3://test-lake/{old}").into();
        store.catalog.make_table("test", "history", input);
    };
    fake.fault("UpdateTable", 1, hand(&fake, adopt));
    let output = sync(&fake, &people("people", "overwrite"), rows(10..12)).run();
    output.succeeded();
    assert!(
        output
            .stdout
            .contains("because the table test.history is located at"),
        "{}",
        output.report()
    );
    assert_rows(&fake, 10..12);
    assert_eq!(fake.rows("history").len(), 3);
    assert!(fake.data_objects().contains(&before[0]));
}

/// The attempt said what it would replace, and died before its swap; then the table was dropped, in favour of nothing.
#[test]
fn what_a_dead_attempt_was_about_to_replace_is_left() {
    for (done, readers) in [(DROP, 0), (RENAME, 3)] {
        let fake = lake();
        let before = fake.data_objects();
        fake.fault("UpdateTable", 1, Fault::KillBefore);
        let of_a_job = |attempt: &str, catalog: &Value, input: String| {
            sync(&fake, catalog, input)
                .env("WORKER_JOB_ID", "70")
                .env("WORKER_JOB_ATTEMPT", attempt)
                .run()
        };
        let input = rows(10..12) + &state("people", 1) + &complete("people");
        let output = of_a_job("0", &refresh(2, 2), input);
        assert_eq!(output.status.code(), None, "{}", output.report());
        done(&mut fake.store());
        // The platform begins the same job anew.
        let input = rows(20..22) + &state("people", 2) + &complete("people");
        of_a_job("1", &refresh(3, 3), input).succeeded();
        assert_rows(&fake, 20..22);
        let left = fake.data_objects();
        assert!(left.contains(&before[0]), "{left:?}");
        assert_eq!(left.len(), 2);
        assert_eq!(fake.rows("people_old").len(), readers);
    }
}
