//! Checkpoints: when they come, what they cover, and what stays invisible.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, people, person, record, state, stream};
use crate::support::program::Program;

fn rows(ids: std::ops::Range<u64>) -> String {
    ids.map(|id| person("people", id)).collect()
}

/// `write` with settings added to the configuration.
fn write(fake: &Fake, settings: &Value) -> Program {
    let mut config = fake.config();
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    fake.write(&people("people", "append"))
        .file("config.json", &config.to_string())
}

/// Records of about a MiB each that do not compress.
fn large(ids: std::ops::Range<u64>) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    let mut text = || -> String { (0..1 << 20).map(|_| random.alphanumeric()).collect() };
    ids.map(|id| record("people", &json!({"id": id, "name": text()})))
        .collect()
}

#[test]
fn a_silent_source_is_acknowledged_in_time() {
    let fake = Fake::start();
    let mut running = write(&fake, &json!({"checkpoint_interval_minutes": 0.005})).start();
    running.feed(rows(0..3) + &state("people", 1));
    running.wait_for_states(1);
    running.feed(rows(3..4));
    running.feed(state("people", 2));
    running.wait_for_states(2);
    running.finish().succeeded();
    fake.assert_journal(&[
        "CREATE DATABASE test",
        "CREATE people at G1",
        "PUT record",
        "PUT people/G1/o1 3 rows",
        "PUT record",
        "STATE 1 3 rows",
        "PUT record",
        "PUT people/G1/o2 1 rows",
        "PUT record",
        "STATE 2 1 rows",
        "DELETE record",
    ]);
}

#[test]
fn states_that_cover_nothing_new_are_printed_at_once() {
    let fake = Fake::start();
    let mut running = write(&fake, &json!({})).start();
    running.feed(state("people", 1) + &state("people", 2));
    running.wait_for_states(2);
    running.feed(rows(0..1) + &state("people", 3));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(fake.journal().states(), 2);
    running.finish().succeeded();
    assert_eq!(fake.journal().states(), 3);
}

#[test]
fn a_checkpoint_covers_what_its_states_cover_and_no_more() {
    let fake = Fake::start();
    let mut running = write(&fake, &json!({"checkpoint_interval_minutes": 0.01})).start();
    running.feed(rows(0..3) + &state("people", 1) + &rows(3..5));
    running.wait_for_states(1);
    assert_eq!(fake.rows("people").len(), 3);
    running.finish().succeeded();
    assert_eq!(fake.rows("people").len(), 5);
}

#[test]
fn large_objects_are_uploads_that_complete_at_their_checkpoint() {
    let fake = Fake::start();
    let settings = json!({"format": {"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"}});
    write(&fake, &settings)
        .stdin(large(0..20) + &state("people", 1))
        .run()
        .succeeded();
    fake.assert_journal(&[
        "CREATE DATABASE test",
        "CREATE people at G1",
        "BEGIN people/G1/o1",
        "PART 1 people/G1/o1",
        "PART 2 people/G1/o1",
        "PART 3 people/G1/o1",
        "PUT record",
        "COMPLETE people/G1/o1 20 rows",
        "PUT record",
        "STATE 1 20 rows",
        "DELETE record",
    ]);
}

#[test]
fn a_full_object_waits_for_its_state() {
    let fake = Fake::start();
    let settings = json!({
        "format": {"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"}, "target_file_size_mb": 10,
    });
    write(&fake, &settings)
        .stdin(large(0..25) + &state("people", 1))
        .run()
        .succeeded();
    let lines = fake.journal().lines();
    let shown = lines
        .iter()
        .position(|line| line.starts_with("COMPLETE") || line.starts_with("PUT"))
        .unwrap();
    let last_part = lines
        .iter()
        .rposition(|line| line.starts_with("PART"))
        .unwrap();
    assert!(last_part < shown, "{lines:?}");
    assert!(
        lines
            .iter()
            .filter(|line| line.starts_with("BEGIN"))
            .count()
            >= 2,
        "{lines:?}"
    );
    assert_eq!(fake.rows("people").len(), 25);
}

#[test]
fn lost_answers_to_parts_and_completions_are_resolved() {
    for operation in [
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
    ] {
        for fault in [
            Fault::Lose,
            Fault::Drop,
            Fault::Reject(503, "SlowDown"),
            Fault::Reject(500, "InternalError"),
        ] {
            let fake = Fake::start();
            fake.fault(operation, 1, fault);
            let settings =
                json!({"format": {"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"}});
            let output = write(&fake, &settings)
                .stdin(large(0..10) + &state("people", 1))
                .run();
            output.succeeded();
            assert_eq!(
                fake.rows("people").len(),
                10,
                "{operation}: {}",
                output.report()
            );
        }
    }
}

#[test]
fn an_error_discards_what_no_state_covers_and_keeps_the_rest() {
    let fake = Fake::start();
    let settings = json!({"format": {"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"}});
    let input = rows(0..3) + &state("people", 1) + &large(3..14) + "{broken\n";
    let output = write(&fake, &settings).stdin(input).run();
    output.failed();
    assert_eq!(output.states().len(), 1, "{}", output.report());
    assert_eq!(fake.rows("people").len(), 3);
    assert!(
        fake.store().bucket.uploads.is_empty(),
        "{:?}",
        fake.journal().lines()
    );
}

#[test]
fn an_error_in_one_stream_still_acknowledges_the_others() {
    let fake = Fake::start();
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let both = catalog(&[
        stream("good", "append", &properties),
        stream("bad", "append", &properties),
    ]);
    fake.fault_on("PutObject", "/bad/", 1, Fault::Reject(403, "AccessDenied"));
    let input = person("good", 1) + &person("bad", 1) + &state("good", 1) + &state("bad", 2);
    let output = fake.write(&both).stdin(input).run();
    assert!(
        output.failed()["message"].as_str().unwrap().contains("bad"),
        "{}",
        output.report()
    );
    let ids: Vec<_> = output
        .states()
        .iter()
        .map(|state| state["id"].clone())
        .collect();
    assert_eq!(ids, [1], "{}", output.report());
    assert_eq!(fake.rows("good").len(), 1);
}

#[test]
fn signals_end_the_program_with_their_code_and_leave_nothing_open() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let fake = Fake::start();
        let settings =
            json!({"format": {"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"}});
        let mut running = write(&fake, &settings).start();
        running.feed(rows(0..3) + &state("people", 1) + &large(3..20));
        let begun = std::time::Instant::now();
        while !fake
            .calls()
            .iter()
            .any(|operation| operation == "UploadPart")
        {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no part was sent"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        running.signal(signal);
        let output = running.finish_after_signal();
        assert_eq!(output.status.code(), Some(code), "{}", output.report());
        let store = fake.store();
        assert!(store.bucket.uploads.is_empty(), "{}", output.report());
        drop(store);
        // Whatever is shown was acknowledged, and the other way round.
        assert_eq!(
            fake.rows("people").len(),
            output.states().len() * 3,
            "{}",
            output.report()
        );
        assert!(output.took < Duration::from_secs(10));
    }
}

#[test]
fn states_of_two_types_do_not_mix() {
    let fake = Fake::start();
    let input = rows(0..1)
        + &state("people", 1)
        + &rows(1..2)
        + "{\"type\":\"STATE\",\"state\":{\"data\":{}}}\n";
    let output = write(&fake, &json!({})).stdin(input).run();
    output.failed();
}
