//! All ordered pairs of 18 kinds of column, as two syncs into one table: what is read of the rows of both, under the final
//! definition, by DuckDB, Arrow, polars and Spark. Each value is read as it was sent or it is rescued, and by all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::file;
use crate::support::messages::{catalog, complete};
use crate::support::program::Program;
use crate::support::readers;
use crate::support::skip::skip;

/// A kind of column: its name, its schema, and JSON texts of values.
type Kind = (&'static str, Value, &'static [&'static str]);

fn kinds() -> [Kind; 18] {
    let nested = |of: &Value| json!({"type": "array", "items": of});
    let integer = json!({"type": "integer"});
    let number = json!({"type": "number"});
    let text = json!({"type": "string"});
    let one = json!({"type": "object", "properties": {"a": integer}});
    [
        ("boolean", json!({"type": "boolean"}), &["true", "false"]),
        (
            "bigint",
            integer.clone(),
            &["7", "-9223372036854775808", "9007199254740993"],
        ),
        (
            "double",
            number.clone(),
            &["1.5", "-0.1", "1e300", "7", "1.50"],
        ),
        (
            "decimal",
            json!({"type": "string", "airbyte_type": "big_integer"}),
            &[
                "7",
                "99999999999999999999999999999999999999",
                "12345678901234567890",
            ],
        ),
        (
            "string",
            text.clone(),
            &[
                "\"x\"",
                "\"\"",
                "\"7\"",
                "\"{\\\"a\\\":1}\"",
                "\"true\"",
                "\"2024-01-02\"",
            ],
        ),
        (
            "date",
            json!({"type": "string", "format": "date"}),
            &["\"2024-01-02\"", "\"1999-12-31\""],
        ),
        (
            "timestamp",
            json!({"type": "string", "format": "date-time"}),
            &[
                "\"2024-01-02T03:04:05.678Z\"",
                "\"2024-01-02T00:00:00+02:00\"",
                "\"2024-01-02T00:00:00Z\"",
            ],
        ),
        (
            "local",
            json!({"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}),
            &["\"2024-01-02T03:04:05\"", "\"2024-01-03T00:00:00\""],
        ),
        (
            "time",
            json!({"type": "string", "format": "time", "airbyte_type": "time_without_timezone"}),
            &["\"03:04:05\""],
        ),
        (
            "mixed",
            json!({"type": ["string", "integer", "object"]}),
            &["\"x\"", "7", "{\"a\":1}", "\"[1]\""],
        ),
        (
            "open",
            json!({"type": "object"}),
            &["{\"a\":1}", "{}", "{\"z\":[1.50]}"],
        ),
        (
            "untyped",
            json!({"type": "array"}),
            &["[1,\"x\"]", "[]", "[1]"],
        ),
        (
            "integers",
            nested(&integer),
            &["[1,2]", "[]", "[9007199254740993]"],
        ),
        ("texts", nested(&text), &["[\"x\",\"7\"]", "[null,\"\"]"]),
        (
            "numbers",
            nested(&number),
            &["[1.5]", "[2]", "[1e300,-0.1]"],
        ),
        ("struct", one.clone(), &["{\"a\":7}", "{}"]),
        (
            "pair",
            json!({"type": "object", "properties": {"a": text, "b": number}}),
            &["{\"a\":\"x\",\"b\":1.5}", "{\"a\":\"7\"}"],
        ),
        ("structs", nested(&one), &["[{\"a\":7},{}]", "[]"]),
    ]
}

/// A stream for each first kind, with a column for each second one; the records of a sync have their own ids.
fn sync(lake: &Path, policy: &str, is_second: bool) {
    let kinds = kinds();
    let (mut streams, mut input) = (Vec::new(), String::new());
    for (name, first, firsts) in &kinds {
        let mut properties = json!({"id": {"type": "integer"}});
        let mut records: Vec<String> = vec![String::new(); 6];
        for (other, second, seconds) in &kinds {
            let (schema, values) = if is_second {
                (second, seconds)
            } else {
                (first, firsts)
            };
            properties[*other] = schema.clone();
            for (record, value) in records.iter_mut().zip(*values) {
                write!(record, ",\"{other}\":{value}").unwrap();
            }
        }
        streams.push(json!({
            "stream": {"name": name, "json_schema": {"type": "object", "properties": properties}},
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }));
        for (number, record) in records.iter().enumerate() {
            let id = number + if is_second { 100 } else { 0 };
            writeln!(
                input,
                r#"{{"type":"RECORD","record":{{"stream":"{name}","emitted_at":1,"data":{{"id":{id}{record}}}}}}}"#
            )
            .unwrap();
        }
        input += &complete(name);
    }
    let name = if is_second { "second" } else { "first" };
    std::fs::write(lake.join(format!("{name}.jsonl")), &input).unwrap();
    let config = json!({
        "lakeformation_database_name": "lake",
        "format": {"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"},
        "on_type_change": policy,
    });
    Program::write(&config, &catalog(&streams))
        .local(lake)
        .stdin(input)
        .run()
        .succeeded();
}

/// Two syncs into a lake under the policy; what the table of each pair is then, one a line.
fn written(lake: &Path, policy: &str) -> String {
    sync(lake, policy, false);
    sync(lake, policy, true);
    let mut text = String::new();
    for (first, ..) in kinds() {
        let path = lake.join(format!("catalog/lake/{first}.json"));
        let entry: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut columns = BTreeMap::<&str, Vec<&str>>::new();
        for column in entry["StorageDescriptor"]["Columns"].as_array().unwrap() {
            if let Some(property) = column["Parameters"]["airbyte_property"].as_str() {
                let data_type = column["Type"].as_str().unwrap();
                columns.entry(property).or_default().push(data_type);
            }
        }
        for (second, ..) in kinds() {
            writeln!(
                text,
                "{first}, then {second}: {}",
                columns[second].join(" and ")
            )
            .unwrap();
        }
    }
    text
}

/// Has an engine read every row; it compares, and says how many values of which pairs were rescued.
#[track_caller]
fn read_by(engine: &str, python: &str, lake: &Path) -> String {
    let output = Command::new(file(python))
        .arg(file("tests/support/type_changes.py"))
        .args([engine.as_ref(), lake])
        .current_dir(lake)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{engine}:\n{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    stdout.into_owned()
}

#[track_caller]
fn check(policy: &str) {
    let lake = tempfile::tempdir().unwrap();
    let tables = written(lake.path(), policy);
    let python = "target/python/bin/python";
    let rescued = read_by("duckdb", python, lake.path());
    for engine in ["arrow", "polars"] {
        assert_eq!(read_by(engine, python, lake.path()), rescued, "{engine}");
    }
    let path = file(&format!("fixtures/schema/type_changes_{policy}.txt"));
    let found = format!("{tables}\n{rescued}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} differs; with UPDATE=1 it is written anew:\n{found}",
        path.display()
    );
    let Some(spark) = readers::spark() else {
        skip!("needs Java, and target/spark, which `make test` sets up");
    };
    assert_eq!(read_by("spark", spark, lake.path()), rescued, "spark");
}

#[test]
fn rows_of_both_types_are_read_alike_where_misfits_are_rescued() {
    check("rescue");
}

#[test]
fn rows_of_both_types_are_read_alike_where_misfits_have_their_own_column() {
    check("new_column");
}

/// Writes big integers to a stream under an option, with ids from `first` on, and notes them for the readers.
fn sync_big_integers(lake: &Path, stream: &str, option: &str, first: usize) {
    let values = [
        "7",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "-12345678901234567890",
        "\"12345678901234567890\"",
        "99999999999999999999999999999999999999",
        "-1000000000000000000000000000000000000000",
    ];
    let mut input = String::new();
    for (number, value) in values.iter().enumerate() {
        let id = first + number;
        writeln!(
            input,
            r#"{{"type":"RECORD","record":{{"stream":"{stream}","emitted_at":1,"data":{{"id":{id},"big":{value}}}}}}}"#
        )
        .unwrap();
    }
    input += &complete(stream);
    let properties = json!({
        "id": {"type": "integer"},
        "big": {"type": "string", "airbyte_type": "big_integer"},
    });
    let streams = [json!({
        "stream": {"name": stream, "json_schema": {"type": "object", "properties": properties}},
        "sync_mode": "incremental",
        "destination_sync_mode": "append",
    })];
    let config = json!({
        "lakeformation_database_name": "lake",
        "format": {"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"},
        "big_integer_as": option,
    });
    Program::write(&config, &catalog(&streams))
        .local(lake)
        .stdin(input.clone())
        .run()
        .succeeded();
    let sent = std::fs::read_to_string(lake.join("first.jsonl")).unwrap_or_default();
    std::fs::write(lake.join("first.jsonl"), sent + &input).unwrap();
    std::fs::write(lake.join("second.jsonl"), "").unwrap();
}

#[test]
fn big_integers_are_read_alike_under_each_option_and_under_two_in_turn() {
    let lake = tempfile::tempdir().unwrap();
    let options = ["decimal", "string", "bigint"];
    let mut types = String::new();
    for first in options {
        sync_big_integers(lake.path(), first, first, 0);
        for second in options.iter().filter(|second| **second != first) {
            let stream = format!("{first}_{second}");
            sync_big_integers(lake.path(), &stream, first, 0);
            sync_big_integers(lake.path(), &stream, second, 100);
        }
    }
    for first in options {
        for stream in std::iter::once(first.to_owned())
            .chain(options.iter().map(|second| format!("{first}_{second}")))
        {
            let path = lake.path().join(format!("catalog/lake/{stream}.json"));
            let Ok(entry) = std::fs::read(path) else {
                continue; // the same option twice
            };
            let entry: Value = serde_json::from_slice(&entry).unwrap();
            let data_type = &entry["StorageDescriptor"]["Columns"][1]["Type"];
            writeln!(types, "{stream} {}", data_type.as_str().unwrap()).unwrap();
        }
    }
    assert_eq!(
        types,
        "decimal decimal(38,0)\ndecimal_string decimal(38,0)\ndecimal_bigint decimal(38,0)\n\
         string string\nstring_decimal string\nstring_bigint string\n\
         bigint bigint\nbigint_decimal decimal(38,0)\nbigint_string bigint\n"
    );
    // One has 40 digits, and five more than 64 bits.
    let expected = "decimal, then big: 1 rescued\ndecimal_string, then big: 2 rescued\n\
        decimal_bigint, then big: 2 rescued\nbigint, then big: 5 rescued\n\
        bigint_decimal, then big: 6 rescued\nbigint_string, then big: 10 rescued\n";
    let mut expected: Vec<&str> = expected.lines().collect();
    expected.sort_unstable();
    let python = "target/python/bin/python";
    let spark = "target/spark/bin/python";
    let has_java = Command::new("java").arg("-version").output().is_ok();
    let has_spark = has_java && file(spark).exists();
    let engines = [("duckdb", python), ("arrow", python), ("polars", python)];
    for (engine, python) in engines
        .into_iter()
        .chain(has_spark.then_some(("spark", spark)))
    {
        let read = read_by(engine, python, lake.path());
        let mut read: Vec<&str> = read.lines().collect();
        read.sort_unstable();
        assert_eq!(read, expected, "{engine}");
    }
    if !has_spark {
        skip!("needs Java, and target/spark, which `make test` sets up");
    }
}
