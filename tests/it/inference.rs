//! What columns `load` makes of data without a schema: maps, empty values, times, long numbers, names of any alphabet.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::singer::{lines, row, schema, value};
use crate::support::local::{columns, ended, load, table};
use crate::support::program::Output;

/// Loads these records, one load after the other.
#[track_caller]
fn loads(lake: &Path, inputs: &[&str]) -> Vec<Output> {
    let run = |input: &&str| {
        let output = load(lake, &["--table", "t"]).stdin(*input).run();
        ended(&output, 0, &[]);
        output
    };
    inputs.iter().map(run).collect()
}

#[test]
fn objects_whose_keys_are_data_are_json_text_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let record = |id: u64| {
        let user = 1000 + id * 7;
        let sku = format!("sku{}", id % 40);
        json!({
            "id": id,
            "by_user": {user.to_string(): {"n": id}, (user + 1).to_string(): {"n": 1}},
            "by_day": {format!("2026-11-{:02}", id % 28 + 1): 1.5},
            "by_sku": {sku: id},
            "fields": {"a": 1, "b": "x"},
        })
    };
    for from in [0, 200, 400] {
        let input: String = (from..from + 200)
            .map(|id| format!("{}\n", record(id)))
            .collect();
        let outputs = loads(folder.path(), &[&input]);
        assert!(
            outputs[0].stderr.lines().count() < 20,
            "{}",
            outputs[0].report()
        );
    }
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(
        columns(&entry),
        [
            "id bigint",
            "by_user string",
            "by_day string",
            "by_sku string",
            "fields struct<a:bigint,b:string>"
        ]
    );
    assert_eq!(rows.len(), 600);
    for row in rows {
        let record = record(row["id"].as_u64().unwrap());
        assert!(!row.contains_key("_rescued_data"), "{row:?}");
        for name in ["by_user", "by_day", "by_sku"] {
            let text: Value = serde_json::from_str(row[name].as_str().unwrap()).unwrap();
            assert_eq!(text, record[name]);
        }
    }
}

#[test]
fn what_a_column_is_stays_what_it_was_decided_to_be() {
    let folder = tempfile::tempdir().unwrap();
    loads(
        folder.path(),
        &[
            "{\"id\":1,\"map\":{\"17\":1},\"fields\":{\"a\":1}}\n",
            "{\"id\":2,\"map\":{\"a\":1,\"b\":2},\"fields\":{\"2026-11-22\":1,\"2026-11-23\":2}}\n",
        ],
    );
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(
        columns(&entry),
        ["id bigint", "map string", "fields struct<a:bigint>"]
    );
    assert_eq!(rows[1]["map"], "{\"a\":1,\"b\":2}");
    assert_eq!(
        rows[1]["_rescued_data"],
        "{\"fields\":{\"2026-11-22\":1,\"2026-11-23\":2}}"
    );
}

#[test]
fn what_was_empty_first_gets_its_column_when_it_has_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let empty = "{\"id\":0,\"tags\":[],\"address\":{},\"lists\":[[]],\"never\":[]}\n";
    let full =
        "{\"id\":1,\"tags\":[\"x\"],\"address\":{\"city\":\"y\"},\"lists\":[[1]],\"never\":[]}\n";
    loads(folder.path(), &[empty]);
    assert_eq!(columns(&table(folder.path(), "t").0), ["id bigint"]);
    loads(folder.path(), &[full]);
    let expected = [
        "id bigint",
        "tags array<string>",
        "address struct<city:string>",
        "lists array<array<bigint>>",
    ];
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(columns(&entry), expected);
    assert_eq!(
        rows[0]["_rescued_data"],
        "{\"tags\":[],\"address\":{},\"lists\":[[]],\"never\":[]}"
    );
    assert_eq!(
        Value::from(rows[1].clone()),
        json!({
            "id": 1, "tags": ["x"], "address": {"city": "y"}, "lists": [[1]], "_rescued_data": "{\"never\":[]}"
        })
    );
    // What has no column yet is no fault.
    ended(
        &load(folder.path(), &["--table", "u", "--strict"])
            .stdin(empty)
            .run(),
        0,
        &[],
    );
    // In one load, in the sample and after it.
    let pad = "x".repeat(1000);
    for lines in [1, 5000] {
        let folder = tempfile::tempdir().unwrap();
        let mut input = empty
            .replace("{\"id\":0", &format!("{{\"id\":0,\"pad\":\"{pad}\""))
            .repeat(lines);
        input.push_str(full);
        loads(folder.path(), &[&input]);
        let (entry, rows) = table(folder.path(), "t");
        let found: Vec<String> = columns(&entry)
            .into_iter()
            .filter(|column| column != "pad string")
            .collect();
        assert_eq!(found, expected, "{lines} lines before");
        assert_eq!(rows.last().unwrap()["tags"], json!(["x"]));
    }
}

#[test]
fn times_are_times_inferred_and_declared_and_long_numbers_keep_their_digits() {
    let times = [
        ("2024-01-02T03:04Z", "2024-01-02 03:04:00"),
        ("2023-01-17T11:04:34Z+0000", "2023-01-17 11:04:34"),
        ("2026-11-22 09:15:51.5 UTC", "2026-11-22 09:15:51.500"),
        ("2026-11-22T09:15:51+02", "2026-11-22 07:15:51"),
    ];
    let long = "12345678901234567890123456789012345678901";
    let declared = json!({"properties": {
        "at": {"type": "string", "format": "date-time"},
        "n": {"type": "string"},
    }});
    for schema in [None, Some(declared)] {
        let folder = tempfile::tempdir().unwrap();
        let mut input = String::new();
        for (text, _) in times {
            writeln!(input, "{{\"at\":\"{text}\",\"n\":{long}}}").unwrap();
        }
        let mut program = load(folder.path(), &["--table", "t"]).stdin(input);
        if let Some(schema) = schema {
            program = program
                .file("s.json", &schema.to_string())
                .arguments(&["--schema", "s.json"]);
        }
        ended(&program.run(), 0, &[]);
        let (entry, rows) = table(folder.path(), "t");
        assert_eq!(columns(&entry), ["at timestamp", "n string"]);
        for (row, (_, expected)) in rows.iter().zip(times) {
            assert_eq!(row["at"], expected);
            assert_eq!(row["n"], long);
        }
    }
}

#[test]
fn a_column_of_another_alphabet_has_its_name_in_its_comment() {
    let folder = tempfile::tempdir().unwrap();
    loads(
        folder.path(),
        &["{\"名前\":\"x\",\"город\":1,\"ok\":{\"ключ\":1}}\n"],
    );
    let (entry, _) = table(folder.path(), "t");
    let columns = entry["StorageDescriptor"]["Columns"].as_array().unwrap();
    for (column, name) in columns.iter().zip(["名前", "город"]) {
        let comment = column["Comment"].as_str().unwrap_or_default();
        assert!(comment.contains(name), "{column}");
    }
}

#[test]
fn a_tap_without_a_schema_gets_the_columns_that_its_records_show() {
    let folder = tempfile::tempdir().unwrap();
    let record = |id: u64, more: &Value| {
        let mut record = json!({"id": id});
        record
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"type": "RECORD", "stream": "users", "record": record})
    };
    let singer = |messages: &[Value]| {
        let output = load(folder.path(), &["--input", "singer"])
            .stdin(lines(messages))
            .run();
        ended(&output, 0, &[]);
        output.stdout
    };
    for (stream, open) in [
        ("none", json!({})),
        ("empty", json!({"type": "object", "properties": {}})),
        (
            "others",
            json!({"properties": {"id": {"type": "string"}}, "additionalProperties": true}),
        ),
    ] {
        let open =
            json!({"type": "SCHEMA", "stream": "users", "schema": open, "key_properties": []});
        let rename = |message: Value| -> Value {
            serde_json::from_str(
                &message
                    .to_string()
                    .replace("\"users\"", &format!("{stream:?}")),
            )
            .unwrap()
        };
        let messages = [
            open.clone(),
            record(1, &json!({"n": 1})),
            schema("closed", &json!({"id": {"type": "integer"}})),
            row("closed", 7),
            record(2, &json!({"n": 1.5, "at": "2026-11-22T09:15:51Z"})),
            value(2),
            open,
            record(3, &json!({"late": {"a": true}})),
            value(3),
        ];
        let states = singer(&messages.map(rename));
        assert_eq!(
            states,
            "{\"bookmarks\":{\"id\":2}}\n{\"bookmarks\":{\"id\":3}}\n"
        );
        let (entry, rows) = table(folder.path(), stream);
        let id = if stream == "others" {
            "id string"
        } else {
            "id bigint"
        };
        assert_eq!(
            columns(&entry),
            [id, "n double", "at timestamp", "late struct<a:boolean>"],
            "{stream}"
        );
        let rescued = rows.iter().filter(|row| row.contains_key("_rescued_data"));
        assert_eq!((rows.len(), rescued.count()), (3, 0), "{stream}");
    }
    assert_eq!(table(folder.path(), "closed").1.len(), 3);
}
