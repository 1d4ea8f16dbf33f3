//! Order is the promise, so order is the assertion: effects on the scripted server and printed states, whole.

use crate::support::fake::{Fake, Fault};
use crate::support::messages::{people, person, state};

fn rows(ids: std::ops::Range<u64>) -> String {
    ids.map(|id| person("people", id)).collect()
}

#[test]
fn rows_are_durable_and_published_before_the_state_is_printed() {
    let fake = Fake::start();
    let input = rows(0..3) + &state("people", 1);
    fake.write(&people("people", "append"))
        .stdin(input)
        .run()
        .succeeded();
    fake.assert_journal(&[
        "CREATE DATABASE test",
        "CREATE people at G1",
        "PUT record",
        "PUT people/G1/o1 3 rows",
        "PUT record",
        "STATE 1 3 rows",
        "DELETE record",
    ]);
}

#[test]
fn throttling_and_broken_connections_are_tried_again() {
    for fault in [
        Fault::Reject(503, "SlowDown"),
        Fault::Reject(500, "InternalError"),
        Fault::Drop,
        Fault::Lose,
    ] {
        // The record of the checkpoint with its keys, an object, and the record without them.
        for (operation, resource, nth) in [
            ("PutObject", "/_datalake/runs/", 1),
            ("PutObject", "/people/", 1),
            ("PutObject", "/_datalake/runs/", 2),
            ("GetTable", "", 1),
            ("CreateTable", "", 1),
            ("CreateDatabase", "", 1),
        ] {
            let fake = Fake::start();
            fake.fault_on(operation, resource, nth, fault.clone());
            let input = rows(0..3) + &state("people", 1);
            let output = fake.write(&people("people", "append")).stdin(input).run();
            output.succeeded();
            assert_eq!(output.states().len(), 1, "{}", output.report());
            assert_eq!(fake.rows("people").len(), 3, "{}", output.report());
        }
    }
}

#[test]
fn a_refused_object_ends_the_sync_before_its_state() {
    // The record of the checkpoint with its keys, an object, and the record without them.
    for (resource, nth) in [
        ("/_datalake/runs/", 1),
        ("/people/", 1),
        ("/_datalake/runs/", 2),
    ] {
        let fake = Fake::start();
        fake.fault_on(
            "PutObject",
            resource,
            nth,
            Fault::Reject(403, "AccessDenied"),
        );
        let output = fake
            .write(&people("people", "append"))
            .stdin(rows(0..3) + &state("people", 1))
            .run();
        let error = output.failed();
        assert_eq!(error["failure_type"], "config_error", "{}", output.report());
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("s3:PutObject") && message.contains("AccessDenied"),
            "{message}"
        );
        assert!(output.states().is_empty());
        // What no state covers is shown to nobody.
        let lines = fake.journal().lines();
        assert!(fake.rows("people").is_empty(), "{lines:?}");
        assert!(fake.data_objects().is_empty(), "{lines:?}");
        // A record that is left does not stand in the way of the next run.
        let again = fake
            .write(&people("people", "append"))
            .stdin(rows(0..3) + &state("people", 1))
            .run();
        again.succeeded();
        assert_eq!(fake.rows("people").len(), 3, "{}", again.report());
    }
}

#[test]
fn an_overwrite_publishes_its_generation_by_one_update_and_then_deletes_the_old_one() {
    let fake = Fake::start();
    let catalog = people("people", "append");
    fake.write(&catalog)
        .stdin(rows(0..3) + &state("people", 1))
        .run()
        .succeeded();
    let before = fake.journal().lines().len();
    let input = rows(10..12) + &state("people", 2) + &rows(12..14) + &state("people", 3);
    fake.write(&people("people", "overwrite"))
        .stdin(input)
        .run()
        .succeeded();
    assert_eq!(
        fake.journal().lines().split_off(before),
        [
            "PUT mark of people",
            "PUT record",
            "PUT people/G2/o2 4 rows",
            "PUT mark of people",
            "UPDATE people at G2",
            "PUT record",
            "STATE 2 2 rows",
            "STATE 3 2 rows",
            "DELETE people/G1/o1",
            "DELETE mark of people",
            "DELETE record",
        ]
    );
    assert_eq!(fake.rows("people").len(), 4);
}

#[test]
fn a_lost_response_to_the_swap_is_resolved_by_reading_the_table() {
    let fake = Fake::start();
    fake.write(&people("people", "append"))
        .stdin(rows(0..3))
        .run()
        .succeeded();
    fake.fault("UpdateTable", 1, Fault::Lose);
    fake.write(&people("people", "overwrite"))
        .stdin(rows(10..14))
        .run()
        .succeeded();
    assert_eq!(fake.rows("people").len(), 4);
    assert_eq!(fake.store().bucket.objects.len(), 1);
}

#[test]
fn what_others_create_at_the_same_moment_is_read_again() {
    const CONCURRENT: Fault = Fault::Reject(400, "ConcurrentModificationException");
    for operation in ["CreateDatabase", "CreateTable"] {
        let fake = Fake::start();
        for nth in 1..4 {
            fake.fault(operation, nth, CONCURRENT);
        }
        let output = fake
            .write(&people("people", "append"))
            .stdin(rows(0..3))
            .run();
        output.succeeded();
        assert_eq!(fake.rows("people").len(), 3, "{}", output.report());
        let calls = fake.calls();
        let tries = calls.iter().filter(|call| *call == operation).count();
        assert_eq!(tries, 4, "{calls:?}");
    }
}

#[test]
fn a_change_of_the_table_by_others_is_merged() {
    let fake = Fake::start();
    fake.write(&people("people", "append"))
        .stdin(rows(0..3))
        .run()
        .succeeded();
    fake.fault(
        "UpdateTable",
        1,
        Fault::Reject(400, "ConcurrentModificationException"),
    );
    fake.write(&people("people", "overwrite"))
        .stdin(rows(10..14))
        .run()
        .succeeded();
    assert_eq!(fake.rows("people").len(), 4);
}

#[test]
fn listings_and_deletions_go_on_past_one_page() {
    let fake = Fake::start();
    fake.write(&people("people", "append"))
        .stdin(rows(0..3))
        .run()
        .succeeded();
    {
        let mut store = fake.store();
        let key = store.bucket.objects.keys().next().unwrap().clone();
        let body = store.bucket.objects[&key].clone();
        let name = key.trim_end_matches("000001.jsonl.gz").to_owned();
        for number in 2..2500 {
            let key = format!("{name}{number:06}.jsonl.gz");
            store.bucket.objects.insert(key, body.clone());
        }
        store
            .bucket
            .objects
            .insert("lake/test/people_of_others/x".to_owned(), body.clone());
    }
    fake.write(&people("people", "overwrite"))
        .stdin(rows(10..14))
        .run()
        .succeeded();
    assert_eq!(fake.rows("people").len(), 4);
    let left = fake.store().bucket.objects.len();
    assert_eq!(left, 2, "the new object and the stranger's");
}
