//! States come back once, in order, untouched but for their counts.

use serde_json::{Value, json};

use crate::support::cloud::Account;
use crate::support::messages::{catalog, people, person, stream};

/// The states that a sync of these lines prints, as text.
fn states(catalog: &Value, input: &str) -> Vec<String> {
    let account = Account::new();
    let output = account.write(catalog).stdin(input).run();
    output.succeeded();
    let lines = output
        .stdout
        .lines()
        .filter(|line| line.contains("\"STATE\""));
    lines.map(str::to_owned).collect()
}

fn counts(states: &[String]) -> Vec<f64> {
    let count = |text: &String| {
        let state: Value = serde_json::from_str(text).unwrap();
        state["state"]["destinationStats"]["recordCount"]
            .as_f64()
            .expect(text)
    };
    states.iter().map(count).collect()
}

#[test]
fn unknown_keys_ids_and_number_forms_stay_as_they_came() {
    let blob = r#"{"big":12345678901234567890123,"exponent":1.50e+3,"small":0.10,"text":"\u00e9\/é","nested":{"b":[1.0,null],"a":{}}}"#;
    let state = format!(
        r#"{{"type":"STATE","state":{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"people"}},"stream_state":{blob},"later":7}},"id":7,"extra":{blob},"sourceStats":{{"recordCount":1.0}}}}}}"#
    );
    let found = states(
        &people("people", "append"),
        &(person("people", 1) + &state + "\n"),
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].matches(blob).count(), 2, "{}", found[0]);
    assert!(
        found[0].contains(r#""id":7"#) && found[0].contains(r#""later":7"#),
        "{}",
        found[0]
    );
    assert!(
        found[0].contains(r#""sourceStats":{"recordCount":1.0}"#),
        "{}",
        found[0]
    );
    assert!(found[0].contains(r#""recordCount":1.0"#), "{}", found[0]);
    assert_eq!(counts(&found), [1.0]);
}

#[test]
fn a_stream_state_counts_the_records_of_its_stream_since_its_last_state() {
    let properties = json!({"id": {"type": "integer"}});
    let catalog = catalog(&[
        stream("a", "append", &properties),
        stream("b", "append", &properties),
    ]);
    let state = |name: &str, id: u32| {
        let stream = json!({"stream_descriptor": {"name": name}, "stream_state": {}});
        format!(
            "{}\n",
            json!({"type": "STATE", "state": {"type": "STREAM", "stream": stream, "id": id}})
        )
    };
    let input = [
        person("a", 1),
        person("b", 1),
        person("a", 2),
        state("a", 1),
        person("b", 2),
        state("a", 2),
        state("b", 3),
        person("a", 3),
        person("b", 3),
        state("b", 4),
        state("a", 5),
    ];
    let found = states(&catalog, &input.concat());
    assert_eq!(counts(&found), [2.0, 0.0, 2.0, 1.0, 1.0]);
    for (at, state) in found.iter().enumerate() {
        assert!(state.contains(&format!(r#""id":{}"#, at + 1)), "{found:?}");
    }
}

#[test]
fn a_global_state_counts_the_records_of_all_streams() {
    let properties = json!({"id": {"type": "integer"}});
    let catalog = catalog(&[
        stream("a", "append", &properties),
        stream("b", "append", &properties),
    ]);
    // The streams inside carry the source's names, which need not be the catalog's.
    let state = |id: u32| {
        format!(
            r#"{{"type":"STATE","state":{{"type":"GLOBAL","global":{{"shared_state":{{"lsn":{id}.0}},"stream_states":[{{"stream_descriptor":{{"name":"elsewhere"}},"stream_state":{{}}}}]}},"id":{id}}}}}{}"#,
            "\n"
        )
    };
    let input = [
        person("a", 1),
        person("b", 1),
        state(1),
        state(2),
        person("b", 2),
        state(3),
    ];
    let found = states(&catalog, &input.concat());
    assert_eq!(counts(&found), [2.0, 0.0, 1.0]);
    assert!(
        found[0].contains(r#""shared_state":{"lsn":1.0}"#),
        "{found:?}"
    );
}

#[test]
fn legacy_states_come_back_with_and_without_a_type() {
    let input = person("people", 1)
        + "{\"type\":\"STATE\",\"state\":{\"data\":{\"cursor\":\"a\"}}}\n"
        + &person("people", 2)
        + "{\"type\":\"STATE\",\"state\":{\"type\":\"LEGACY\",\"data\":{\"cursor\":\"b\"}}}\n";
    let found = states(&people("people", "append"), &input);
    assert_eq!(counts(&found), [1.0, 1.0]);
    assert!(
        found[0].contains(r#"{"cursor":"a"}"#) && found[1].contains(r#"{"cursor":"b"}"#),
        "{found:?}"
    );
}

#[test]
fn empty_and_null_states_come_back_and_drop_nothing() {
    let account = Account::new();
    let catalog = people("people", "append");
    account
        .write(&catalog)
        .stdin(person("people", 1))
        .run()
        .succeeded();
    let forms = [
        r#"{"type":"STREAM","stream":{"stream_descriptor":{"name":"people"},"stream_state":null},"id":1}"#,
        r#"{"type":"STREAM","stream":{"stream_descriptor":{"name":"people"}},"id":2}"#,
        r#"{"type":"STREAM","stream":{"stream_descriptor":{"name":"people"},"stream_state":{}},"id":3}"#,
    ];
    let input: String = forms
        .iter()
        .map(|state| format!("{{\"type\":\"STATE\",\"state\":{state}}}\n"))
        .collect();
    let output = account.write(&catalog).stdin(input).run();
    output.succeeded();
    assert_eq!(output.states().len(), 3, "{}", output.report());
    assert_eq!(account.read("people").column("id"), [1]);
}

#[test]
fn identical_states_come_back_as_often_as_they_came() {
    let state = r#"{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"people"},"stream_state":{"a":1}}}}"#;
    let input: String = (0..400)
        .map(|id| person("people", id) + state + "\n")
        .collect();
    let found = states(&people("people", "append"), &input);
    assert_eq!(counts(&found), vec![1.0; 400]);
}
