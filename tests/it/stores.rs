//! Stores that are not S3: those without conditional writes, which say so, and those that ignore the conditions. One run
//! at a time may write to a table there; what one run does after another is as on S3.

use std::time::Duration;

use crate::generations::{assert_rows, refresh, rows};
use crate::proof::{hold_object, settling, sync};
use crate::support::fake::{Conditions, Fake, Fault};
use crate::support::messages::{complete, people, state};
use crate::support::program::{Output, Program};

/// How the warning begins.
const WARNING: &str = "the store has no conditional writes";

const STORES: [Conditions; 2] = [Conditions::Refused, Conditions::Ignored];

fn store(conditions: Conditions) -> Fake {
    let fake = Fake::start();
    fake.store().bucket.conditions = conditions;
    fake
}

fn warnings(output: &Output) -> usize {
    let logs = output.of_type("LOG");
    let text = logs.filter_map(|message| message["log"]["message"].as_str());
    text.filter(|text| text.starts_with(WARNING)).count()
}

/// Nothing is left of what finds out about the store.
#[track_caller]
fn assert_no_control_objects(fake: &Fake) {
    let store = fake.store();
    let keys: Vec<_> = store.bucket.objects.keys().collect();
    assert!(
        !keys
            .iter()
            .any(|key| key.contains("/_datalake/") || key.contains("probe")),
        "{keys:?}"
    );
}

#[test]
fn a_store_without_conditional_writes_is_warned_of_once_and_takes_whole_syncs() {
    for conditions in STORES {
        let fake = store(conditions);
        let input: String = (0..4)
            .map(|batch| rows(batch * 2..batch * 2 + 2) + &state("people", batch))
            .collect();
        let output = sync(&fake, &people("people", "append"), input).run();
        output.succeeded();
        assert_eq!(output.states().len(), 4);
        assert_eq!(warnings(&output), 1, "{conditions:?} {}", output.report());
        assert_rows(&fake, 0..8);
        assert_no_control_objects(&fake);
        let input = rows(10..12) + &state("people", 1) + &rows(12..14) + &complete("people");
        let output = sync(&fake, &refresh(2, 2), input).run();
        output.succeeded();
        assert_eq!(warnings(&output), 1, "{conditions:?} {}", output.report());
        assert_rows(&fake, 10..14);
        assert_no_control_objects(&fake);
        let output = Program::check(&fake.config()).run();
        let (is_good, message) = output.connection();
        assert!(is_good, "{message}");
        assert_eq!(warnings(&output), 1, "{conditions:?} {}", output.report());
        assert_no_control_objects(&fake);
    }
}

#[test]
fn a_store_with_conditional_writes_is_asked_once_and_not_warned_of() {
    let fake = store(Conditions::Kept);
    let input: String = (0..4)
        .map(|batch| rows(batch * 2..batch * 2 + 2) + &state("people", batch))
        .collect();
    let output = sync(&fake, &people("people", "append"), input).run();
    output.succeeded();
    assert_eq!(warnings(&output), 0, "{}", output.report());
    let traced = fake.journal().traced();
    let asked = traced.iter().filter(|call| call.contains(".probe/"));
    assert_eq!(asked.count(), 1, "{traced:?}");
    assert_no_control_objects(&fake);
}

#[test]
fn what_a_dead_run_left_is_taken_back_once() {
    for conditions in STORES {
        let fake = store(conditions);
        let append = people("people", "append");
        fake.fault_on("PutObject", "/lake/test/people/", 1, Fault::KillAfter);
        let input = rows(0..3) + &state("people", 1);
        let output = sync(&fake, &append, input.clone()).run();
        assert_eq!(output.status.code(), None, "{}", output.report());
        assert_rows(&fake, 0..3);
        let output = sync(&fake, &append, input).run();
        output.succeeded();
        assert_eq!(warnings(&output), 1, "{}", output.report());
        assert_rows(&fake, 0..3);
    }
}

/// The other took it for dead long before it goes on: it looks before it writes.
#[test]
fn a_run_whose_checkpoint_was_taken_back_before_prints_nothing() {
    for conditions in STORES {
        let fake = store(conditions);
        let append = people("people", "append");
        let gate = fake.hold("CompleteMultipartUpload", 1);
        let large = "x".repeat(9 << 20);
        let mut config = fake.config();
        config["format"] =
            serde_json::json!({"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"});
        config["checkpoint_interval_minutes"] = 0.into();
        let row = serde_json::json!({"id": 3, "name": large});
        let mut slow = fake
            .write(&append)
            .file("config.json", &config.to_string())
            .start();
        slow.feed(crate::support::messages::record("people", &row) + &state("people", 1));
        gate.wait_until_reached();
        fake.bury_runs();
        fake.clock().forward(Duration::from_secs(121));
        let quick = Program::write(&fake.config(), &append).stdin(rows(5..7) + &state("people", 2));
        quick.run().succeeded();
        gate.release();
        let output = slow.finish();
        let error = output.failed()["message"].as_str().unwrap().to_owned();
        assert!(
            error.contains("another run took this one for dead"),
            "{conditions:?}: {error}"
        );
        assert_eq!(output.states().len(), 0, "{}", output.report());
        assert_rows(&fake, 5..7);
    }
}

/// The other has read the record of its checkpoint, and looks again before it writes.
#[test]
fn a_run_that_settled_before_keeps_its_rows() {
    for conditions in STORES {
        let fake = store(conditions);
        let append = people("people", "append");
        let gate = hold_object(&fake);
        let mut slow = sync(&fake, &append, String::new()).start();
        slow.feed(rows(0..3) + &state("people", 1));
        gate.wait_until_reached();
        fake.bury_runs();
        fake.clock().forward(Duration::from_secs(121));
        let settle = settling(&fake, &gate);
        fake.fault("GetObject", 1, Fault::After(settle));
        let quick = Program::write(&fake.config(), &append).stdin(rows(3..5) + &state("people", 2));
        quick.run().succeeded();
        let output = slow.finish();
        output.succeeded();
        assert_eq!(output.states().len(), 1, "{}", output.report());
        assert_rows(&fake, 0..5);
    }
}
