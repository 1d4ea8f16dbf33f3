//! What ends a stream without the platform's COMPLETE: the source's own word, and states that clear a table.

use serde_json::{Value, json};

use crate::generations::{assert_rows, refresh, rows, run, since};
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, complete, line, people, person, state, stream};

/// A trace of the source itself, with its line end.
fn trace(kind: &str, content: &Value) -> String {
    let mut trace = json!({"type": kind, "emitted_at": 1.5});
    trace[kind.to_lowercase()] = content.clone();
    line(&json!({"type": "TRACE", "trace": trace}))
}

pub(crate) fn status_of(stream: &str, status: &str) -> String {
    trace(
        "STREAM_STATUS",
        &json!({"stream_descriptor": {"name": stream}, "status": status}),
    )
}

fn error_of(stream: &Value) -> String {
    trace(
        "ERROR",
        &json!({"message": "hunter2", "failure_type": "system_error", "stream_descriptor": stream}),
    )
}

/// All ways in which a source says that it failed.
fn failures() -> Vec<String> {
    vec![
        status_of("people", "INCOMPLETE"),
        status_of("someone else", "INCOMPLETE"),
        error_of(&Value::Null),
        error_of(&json!({"name": "people"})),
        error_of(&json!({"name": "people", "namespace": "its own"})),
        line(&json!({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1}})),
        line(
            &json!({"type": "TRACE", "trace": {"type": "ERROR", "error": "text", "emitted_at": 1}}),
        ),
        line(&json!({"type": "TRACE", "trace": {"error": {"message": "x"}, "emitted_at": 1}})),
    ]
}

#[test]
fn a_failure_that_the_source_reports_keeps_the_old_rows_without_generation_ids() {
    // Before, between and after records, and followed by what a source would only say of a success.
    let inputs = |failure: &str| {
        [
            failure.to_owned() + &rows(10..12) + &state("people", 2) + &rows(12..14),
            rows(10..12) + failure + &state("people", 2) + &rows(12..14),
            rows(10..12) + &state("people", 2) + &rows(12..14) + failure,
            rows(10..12) + &state("people", 2) + failure + &complete("people") + &rows(12..14),
            rows(10..12)
                + &state("people", 2)
                + &complete("people")
                + failure
                + &complete("people"),
        ]
    };
    for failure in failures() {
        for input in inputs(&failure) {
            for mode in ["append", "overwrite"] {
                let fake = Fake::start();
                run(&fake, &people("people", "append"), rows(0..3)).succeeded();
                let output = run(&fake, &people("people", mode), input.clone());
                let error = output.failed();
                assert_eq!(error["failure_type"], "transient_error", "{error}");
                let text = error.to_string();
                assert!(
                    text.contains("people") && text.contains("the source's own error"),
                    "{text}"
                );
                assert!(!output.stdout.contains("hunter2"), "{}", output.report());
                if mode == "append" {
                    // What a state covers, and nothing else, for it is sent again.
                    let mut ids: Vec<u64> = (0..3).chain(10..12).collect();
                    ids.retain(|id| fake.rows("people").iter().any(|row| row["id"] == *id));
                    assert_eq!(ids, [0, 1, 2, 10, 11], "{failure}{input}");
                    assert_eq!(fake.rows("people").len(), 5, "{failure}{input}");
                    assert_eq!(output.states().len(), 1);
                } else {
                    assert_rows(&fake, 0..3);
                    assert_eq!(output.states().len(), 0);
                    assert_eq!(fake.store().bucket.objects.len(), 1);
                }
            }
        }
    }
}

#[test]
fn what_is_no_failure_changes_nothing_without_generation_ids() {
    for said in [
        complete("people"),
        complete("people") + &complete("people"),
        status_of("people", "STARTED") + &status_of("people", "RUNNING"),
        complete("someone else"),
        trace("ANALYTICS", &json!({"type": "ERROR", "value": "5"})),
        trace("ESTIMATE", &json!({"name": "people", "type": "STREAM"})),
        line(
            &json!({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "error": null, "emitted_at": 1}}),
        ),
        line(&json!({"type": "LOG", "log": {"level": "ERROR", "message": "no harm"}})),
    ] {
        let fake = Fake::start();
        run(&fake, &people("people", "append"), rows(0..3)).succeeded();
        let input = rows(10..12) + &state("people", 2) + &said + &rows(12..14);
        run(&fake, &people("people", "overwrite"), input).succeeded();
        assert_rows(&fake, 10..14);
    }
}

#[test]
fn where_one_stream_failed_only_those_that_the_source_completed_are_replaced() {
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let names = ["failed", "completed", "silent"];
    let of_all = |mode: &str| catalog(&names.map(|name| stream(name, mode, &properties)));
    let each = |id: u64| names.map(|name| person(name, id)).concat();
    let fake = Fake::start();
    run(&fake, &of_all("append"), each(1)).succeeded();
    let input = each(2) + &error_of(&json!({"name": "failed"})) + &complete("completed");
    let output = run(&fake, &of_all("overwrite"), input);
    let text = output.failed().to_string();
    assert!(
        text.contains("2 of 3 streams: \\\"failed\\\", \\\"silent\\\""),
        "{text}"
    );
    let ids = names.map(|name| fake.rows(name)[0]["id"].as_u64().unwrap());
    assert_eq!(ids, [1, 2, 1]);
    // With generation ids the platform's COMPLETE alone counts.
    let input = rows(10..12) + &error_of(&Value::Null) + &complete("people");
    run(&fake, &refresh(2, 2), input).succeeded();
    assert_rows(&fake, 10..12);
}

/// The states with which a platform clears the stream `people`, each with its line end.
fn clearing_states() -> [String; 4] {
    let of = |inner: &Value| {
        let mut stream = json!({"stream_descriptor": {"name": "people"}});
        if !inner.is_string() {
            stream["stream_state"] = inner.clone();
        }
        stream
    };
    [
        json!({"type": "STREAM", "stream": of(&Value::Null), "id": 9}),
        json!({"type": "STREAM", "stream": of(&"absent".into()), "id": 9}),
        json!({"type": "GLOBAL", "global": {"shared_state": null, "stream_states": [of(&Value::Null)]}}),
        json!({"data": {}}),
    ]
    .map(|state| line(&json!({"type": "STATE", "state": state})))
}

#[test]
fn a_state_that_clears_a_table_is_printed_once_the_table_is_empty() {
    for clearing in clearing_states() {
        for (next, end) in [
            (people("people", "overwrite"), String::new()),
            (refresh(2, 2), complete("people")),
        ] {
            let fake = Fake::start();
            run(&fake, &people("people", "append"), rows(0..3)).succeeded();
            for fault in [
                Fault::Reject(400, "AccessDeniedException"),
                Fault::Reject(400, "ResourceNumberLimitExceededException"),
                Fault::KillBefore,
            ] {
                fake.fault_from("UpdateTable", 1, fault);
                let output = run(&fake, &next, clearing.clone() + &end);
                assert!(!output.status.success(), "{}", output.report());
                assert_eq!(output.states().len(), 0, "{}", output.report());
                assert_rows(&fake, 0..3);
                fake.forgive();
            }
            let before = fake.journal().lines().len();
            run(&fake, &next, clearing.clone() + &end).succeeded();
            assert_rows(&fake, 0..0);
            let mut journal = since(&fake, before);
            journal.retain(|line| line != "PUT record");
            assert!(journal[0].starts_with("UPDATE people"), "{journal:?}");
            assert!(journal[1].starts_with("STATE"), "{journal:?}");
        }
        // Without COMPLETE nothing is cleared.
        let fake = Fake::start();
        run(&fake, &people("people", "append"), rows(0..3)).succeeded();
        let output = run(&fake, &refresh(2, 2), clearing.clone());
        output.failed();
        assert_eq!(output.states().len(), 0, "{}", output.report());
        assert_rows(&fake, 0..3);
        // Where records come after it, it is a state as any other.
        if clearing.contains("\"STREAM\"") {
            let input = clearing + &rows(10..12) + &state("people", 2) + &rows(12..13);
            let output = run(&fake, &refresh(2, 2), input);
            output.failed();
            assert_eq!(output.states().len(), 2, "{}", output.report());
        }
    }
}
