//! Policies for changes of a table: what becomes of new columns, and of values whose type has changed.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::local::{columns, ended, load, table};
use crate::support::program::Output;

/// Loads the records into the table `t`, with these settings.
fn load_with(lake: &Path, settings: &[(&str, &str)], more: &[&str], records: &str) -> Output {
    let mut program = load(lake, &["--table=t"]).arguments(more).stdin(records);
    for (key, value) in settings {
        program = program.env(key, value);
    }
    program.run()
}

const FREEZE: (&str, &str) = ("DATALAKE_SCHEMA_CHANGES", "freeze");
const FAIL: (&str, &str) = ("DATALAKE_SCHEMA_CHANGES", "fail");
const NEW_COLUMN: (&str, &str) = ("DATALAKE_ON_TYPE_CHANGE", "new_column");
const FAIL_ON_TYPES: (&str, &str) = ("DATALAKE_ON_TYPE_CHANGE", "fail");

/// A lake whose table `t` has a row of the columns `id`, `o` and `n`.
fn lake() -> tempfile::TempDir {
    let lake = tempfile::tempdir().unwrap();
    let first = r#"{"id":1,"o":{"a":1},"n":1}"#;
    ended(&load_with(lake.path(), &[], &[], first), 0, &[]);
    lake
}

const COLUMNS: [&str; 3] = ["id bigint", "o struct<a:bigint>", "n bigint"];

#[test]
fn a_frozen_table_stays_as_it_is_and_nothing_is_lost() {
    let lake = lake();
    let records = r#"{"id":2,"o":{"a":2,"b":3},"n":0.5,"new":[1]}"#;
    for mode in ["append", "overwrite"] {
        let more = ["--mode", mode];
        let output = load_with(lake.path(), &[FREEZE, NEW_COLUMN], &more, records);
        let words = ["$.new is not added", "set schema_changes to extend"];
        ended(&output, 0, &words);
        let (entry, rows) = table(lake.path(), "t");
        assert_eq!(columns(&entry), COLUMNS, "{mode}");
        let rescued: Value =
            serde_json::from_str(rows.last().unwrap()["_rescued_data"].as_str().unwrap()).unwrap();
        assert_eq!(
            rescued,
            json!({"o": {"a": 2, "b": 3}, "n": 0.5, "new": [1]})
        );
    }
}

#[test]
fn a_table_that_may_not_change_fails_the_sync_and_the_plan() {
    let lake = lake();
    for (records, what) in [
        (r#"{"new":1}"#, "$.new is new: bigint"),
        (r#"{"o":{"b":1}}"#, "$.o.b is new: bigint"),
        (r#"{"n":1.5}"#, "$.n is widened from bigint to double"),
    ] {
        let words = [
            what,
            "schema_changes is fail",
            "the table default.t may not change",
        ];
        ended(&load_with(lake.path(), &[FAIL], &[], records), 1, &words);
    }
    let records = r#"{"id":"x"}"#;
    let output = load_with(lake.path(), &[FAIL], &["--mode=overwrite"], records);
    ended(
        &output,
        1,
        &[
            "schema_changes is fail",
            "$.id stays bigint though the stream has string",
        ],
    );
    let (entry, rows) = table(lake.path(), "t");
    assert_eq!(columns(&entry), COLUMNS);
    assert_eq!(rows.len(), 1);
    // What fits goes on.
    ended(&load_with(lake.path(), &[FAIL], &[], r#"{"id":2}"#), 0, &[]);

    let schema = json!({"properties": {"id": {"type": "integer"}, "new": {"type": "string"}}});
    let plan = crate::support::program::Program::new(&["plan", "--table=t", "--schema=s.json"])
        .local(lake.path())
        .file("s.json", &schema.to_string())
        .env(FAIL.0, FAIL.1)
        .run();
    assert_eq!(plan.status.code(), Some(1), "{}", plan.report());
    assert!(
        plan.stdout.contains("schema_changes is fail"),
        "{}",
        plan.report()
    );
}

#[test]
fn a_table_of_the_run_s_own_is_free_to_grow() {
    let pad = "x".repeat(1000);
    let mut records: String = (0..5000)
        .map(|id| format!("{{\"id\":{id},\"pad\":\"{pad}\"}}\n"))
        .collect();
    records += "{\"id\":0.5,\"late\":true}\n";
    for policy in [FREEZE, FAIL] {
        for mode in ["--mode=append", "--mode=overwrite"] {
            let lake = tempfile::tempdir().unwrap();
            let output = load_with(lake.path(), &[policy], &[mode], &records);
            ended(&output, 0, &[]);
            let (entry, _) = table(lake.path(), "t");
            assert_eq!(columns(&entry), ["id double", "pad string", "late boolean"]);
            // From then on it is not, in the middle of a load either.
            let more = records.replace("late", "later");
            let output = load_with(lake.path(), &[policy], &[mode], &more);
            let (code, word) = if policy == FREEZE {
                (0, "$.later is not added")
            } else {
                (1, "$.later is new: boolean")
            };
            ended(&output, code, &[word]);
        }
    }
}

/// The parameters of the columns: of each name, the property and whether it is a variant.
fn variants(entry: &Value) -> Vec<(String, String)> {
    let all = entry["StorageDescriptor"]["Columns"].as_array().unwrap();
    all.iter()
        .filter(|column| column["Parameters"]["airbyte_variant"] == "true")
        .map(|column| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&column["Name"]),
                text(&column["Parameters"]["airbyte_property"]),
            )
        })
        .collect()
}

#[test]
fn values_of_another_type_get_a_column_of_their_own() {
    let lake = lake();
    let runs = [
        r#"{"id":"A-1002","n":{"x":1}}"#,
        // Both types in one run, and both columns are known.
        "{\"id\":3,\"n\":4}\n{\"id\":\"A-4\",\"n\":{\"y\":2}}\n{\"id\":true,\"n\":[]}",
        // A property that is called like the column.
        r#"{"id_string":"own","id":"A-5"}"#,
    ];
    for records in runs {
        let output = load_with(lake.path(), &[NEW_COLUMN], &[], records);
        ended(&output, 0, &[]);
        assert!(!output.stderr.contains("warn:"), "{}", output.report());
    }
    let (entry, rows) = table(lake.path(), "t");
    assert_eq!(
        columns(&entry),
        [
            "id bigint",
            "o struct<a:bigint>",
            "n bigint",
            "id_string string",
            "n_struct struct<x:bigint,y:bigint>",
            "n_string string",
            "id_string_0cd22edd string",
        ]
    );
    let of = |name: &str, property: &str| (name.to_owned(), property.to_owned());
    assert_eq!(
        variants(&entry),
        [
            of("id_string", "id"),
            of("n_struct", "n"),
            of("n_string", "n")
        ]
    );
    let rows: Vec<Value> = rows.into_iter().map(Value::Object).collect();
    assert_eq!(
        rows,
        [
            json!({"id": 1, "o": {"a": 1}, "n": 1}),
            json!({"id_string": "A-1002", "n_struct": {"x": 1}}),
            json!({"id": 3, "n": 4}),
            json!({"id_string": "A-4", "n_struct": {"y": 2}}),
            json!({"id_string": "true", "n_string": "[]"}),
            json!({"id_string": "A-5", "id_string_0cd22edd": "own"}),
        ]
    );
}

#[test]
fn within_a_load_too_a_value_of_another_type_gets_its_column() {
    let lake = tempfile::tempdir().unwrap();
    let pad = "x".repeat(1000);
    let mut records: String = (0..5000)
        .map(|id| format!("{{\"id\":{id},\"pad\":\"{pad}\"}}\n"))
        .collect();
    records += "{\"id\":\"A-1\"}\n{\"id\":2}\n{\"id\":\"A-3\",\"pad\":null}\n";
    for mode in ["--mode=append", "--mode=overwrite"] {
        let output = load_with(lake.path(), &[NEW_COLUMN], &[mode], &records);
        ended(&output, 0, &["$.id_string is new: string"]);
        let (entry, rows) = table(lake.path(), "t");
        assert_eq!(
            columns(&entry),
            ["id bigint", "pad string", "id_string string"]
        );
        let last: Vec<Value> = rows[5000..].iter().cloned().map(Value::Object).collect();
        assert_eq!(
            last,
            [
                json!({"id_string": "A-1"}),
                json!({"id": 2}),
                json!({"id_string": "A-3"})
            ]
        );
        std::fs::remove_dir_all(lake.path()).unwrap();
    }
}

#[test]
fn a_change_of_type_fails_where_it_is_to() {
    let lake = lake();
    let words = [
        "$.id stays bigint though the stream has string",
        "on_type_change is fail",
    ];
    let output = load_with(lake.path(), &[FAIL_ON_TYPES], &[], r#"{"id":"A-1"}"#);
    ended(&output, 1, &words);
    // A new column is no change of type, and neither is what a column can become.
    let output = load_with(lake.path(), &[FAIL_ON_TYPES], &[], r#"{"n":0.5,"new":1}"#);
    ended(&output, 0, &[]);
    assert_eq!(table(lake.path(), "t").1.len(), 2);
}

#[test]
fn rescued_values_are_counted_in_one_warning_that_says_what_helps() {
    let lake = lake();
    let output = load_with(lake.path(), &[], &[], "{\"id\":\"A-1\"}\n{\"id\":\"A-2\"}");
    ended(&output, 0, &["id=2", "set on_type_change to new_column"]);
    assert_eq!(
        output.stderr.matches("warn:").count(),
        1,
        "{}",
        output.report()
    );
}
