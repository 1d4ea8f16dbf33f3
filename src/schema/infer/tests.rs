//! Schemas out of samples, as users would expect them.

use serde_json::json;

use super::*;
use crate::row::{self, Plan, RecordMetadata, RowEncoder};
use crate::schema::Rules;
use crate::schema::evolve::{SchemaOrigin, Terms, reconcile};
use crate::schema::{Column, Field, Numbers, Source, Type, Width, hive, read};

fn inferred(records: &[&str]) -> Value {
    let mut inference = Inference::default();
    for record in records {
        inference.record(record.as_bytes());
    }
    inference.schema()
}

/// The columns that the records get: `name type`.
fn columns(records: &[&str]) -> Vec<String> {
    let schema = read(&inferred(records), Numbers::Double, &[]);
    let column = |field: &Field| format!("{} {}", field.name, field.data_type);
    schema.fields.iter().map(column).collect()
}

#[track_caller]
fn assert_type(values: &[&str], expected: &str) {
    let records: Vec<String> = values
        .iter()
        .map(|value| format!("{{\"v\":{value}}}"))
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    assert_eq!(columns(&records), [format!("v {expected}")], "{values:?}");
}

#[test]
fn values_that_agree_have_their_type() {
    assert_type(&["1", "null", "-9223372036854775808"], "bigint");
    assert_type(&["1", "9223372036854775808"], "decimal(38,0)");
    assert_type(&["1", "1.5"], "double");
    assert_type(&["1", "1e3"], "double");
    assert_type(&["12345678901234567890123456789012345678"], "decimal(38,0)");
    // No type of numbers holds it.
    assert_type(
        &["1.5", "123456789012345678901234567890123456789"],
        "string",
    );
    assert_type(&["true", "false"], "boolean");
    assert_type(&["\"a\"", "\"\""], "string");
    assert_type(&["[1,2]", "[]", "[3.5]"], "array<double>");
    assert_type(
        &["{\"a\":1}", "{\"b\":[\"x\"],\"a\":null}"],
        "struct<a:bigint,b:array<string>>",
    );
}

#[test]
fn values_that_do_not_agree_are_text() {
    assert_type(&["1", "\"a\""], "string");
    assert_type(&["true", "0"], "string");
    assert_type(&["{\"a\":1}", "[1]"], "string");
    assert_type(&["[1,\"a\"]"], "string");
}

#[test]
fn arrays_and_objects_without_a_value_inside_say_nothing() {
    for empty in [
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "[null]",
        "{\"a\":null}",
        "{\"a\":[]}",
    ] {
        assert_eq!(
            columns(&[&format!("{{\"v\":{empty},\"n\":1}}")]),
            ["n bigint"],
            "{empty}"
        );
    }
    assert_type(&["[]", "[1]"], "array<bigint>");
    assert_type(
        &["{}", "{\"a\":[],\"b\":{\"c\":1}}"],
        "struct<b:struct<c:bigint>>",
    );
    // What holds both kinds is text of both.
    assert_type(&["[]", "{}"], "string");
    assert_type(&["[]", "1"], "string");
}

#[test]
fn days_and_instants_are_recognized_only_where_all_agree() {
    assert_type(&["\"2024-02-29\"", "null"], "date");
    assert_type(
        &[
            "\"2026-11-22T09:15:51Z\"",
            "\"2026-11-22 09:15:51.123456+02:00\"",
            "\"2026-11-22T09:15:51\"",
        ],
        "timestamp",
    );
    for other in [
        "\"2023-02-29\"",
        "\"2026-11-22T09:15:51Z\"",
        "\"n/a\"",
        "\"\"",
        "20261122",
    ] {
        assert_type(&["\"2026-11-22\"", other], "string");
    }
    for text in [
        "2024-01-02T03:04Z",
        "2024-01-02 03:04",
        "2023-01-17T11:04:34Z+0000",
        "2026-11-22T09:15:51 Z",
        "2026-11-22t09:15:51z",
        "2026-11-22 09:15:51 UTC",
        "2026-11-22T09:15:51+02",
    ] {
        assert_type(&[&format!("{text:?}")], "timestamp");
    }
    for text in [
        "2026-11-22T24:00:00Z",
        "2026-11-22T09Z",
        "2026-11-22T09:15:51.Z",
        "2023-01-17T11:04:34Z+0100",
        "0000-01-01",
        "2026-1-2",
        "+2026-11-22",
        "2026-11-22T09:15:51+2:00",
        "2026-11-22T",
        "2026-11-22 ",
    ] {
        assert_type(&[&format!("{text:?}")], "string");
    }
}

#[test]
fn what_is_recognized_can_be_written() {
    for (text, data_type) in [
        ("2024-02-29", Type::Date),
        ("9999-12-31", Type::Date),
        ("2026-11-22 23:59:59.123456789-23:59", Type::Timestamp),
        ("2026-11-22T09:15:51+0200", Type::Timestamp),
        ("2026-11-22T09:15:51", Type::Timestamp),
    ] {
        let record = format!("{{\"v\":{text:?}}}");
        assert_type(&[&format!("{text:?}")], &data_type.to_string());
        let column = Field {
            key: "v".into(),
            name: "v".into(),
            data_type,
        };
        let plan = Plan::compile(&[column], &row::ExtraColumns::default());
        let mut encoder = RowEncoder::new(plan);
        encoder
            .encode(
                record.as_bytes(),
                &RecordMetadata::default(),
                &mut Vec::new(),
            )
            .unwrap();
        assert_eq!(encoder.misfits(), [], "{text}");
    }
}

#[test]
fn properties_keep_their_order_and_nulls_say_nothing() {
    let records = [
        r#"{"b":null,"z":1,"nothing":null}"#,
        r#"{"a":"x","b":true,"z":2}"#,
        r#"{"a":"#,
        "[]",
        "",
    ];
    assert_eq!(columns(&records), ["b boolean", "z bigint", "a string"]);
    assert_eq!(
        inferred(&[r#"{"\u00e9":1}"#])["properties"],
        json!({"é": {"type": "integer"}})
    );
}

#[test]
fn maps_and_deep_values_are_text() {
    let map: Vec<String> = (0..300).map(|key| format!("\"k{key}\":1")).collect();
    assert_type(&[&format!("{{{}}}", map.join(","))], "string");
    // Keys that look like ids.
    assert_type(&["{\"1001\":{\"a\":1},\"1002\":{\"b\":2}}"], "string");
    assert_type(
        &[
            "{\"2026-11-22\":5}",
            "{\"2026-11-23\":\"x\",\"total\":1,\"2026-11-24\":2}",
        ],
        "string",
    );
    assert_type(
        &["[{\"550e8400-e29b-41d4-a716-446655440000\":true}]"],
        "string",
    );
    assert_type(&["{\"a\":{\"7\":1},\"b\":1}"], "struct<a:string,b:bigint>");
    // Few of many keys in each, with values of one type.
    let few = |types: &[&str]| -> Vec<String> {
        let pair = |key: usize| format!("\"k{key}\":{}", types[key % types.len()]);
        (0..30)
            .map(|key| format!("{{{},{}}}", pair(key), pair(key + 1)))
            .collect()
    };
    let few_of = |types: &[&str]| {
        let records = few(types);
        let records: Vec<String> = records
            .iter()
            .map(|value| format!("{{\"v\":{value}}}"))
            .collect();
        columns(&records.iter().map(String::as_str).collect::<Vec<_>>())[0].clone()
    };
    assert_eq!(few_of(&["1", "2.5"]), "v string");
    assert!(few_of(&["1", "\"x\""]).starts_with("v struct<k0:bigint,k1:string,"));
    // Fields that each object has.
    let all: Vec<String> = (0..50).map(|key| format!("\"k{key}\":true")).collect();
    let all = format!("{{{}}}", all.join(","));
    let records = [&*format!("{{\"v\":{all}}}"), &*format!("{{\"v\":{all}}}")];
    assert!(columns(&records)[0].starts_with("v struct<k0:boolean,"));
    assert_type(
        &["{\"+1\":5,\"-1\":2}"],
        "struct<_1_c59dc4e4:bigint,_1_1bad6b8c:bigint>",
    );
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_type(&[&deep], "string");
}

#[test]
fn a_sample_makes_no_text_of_a_table_s_types() {
    let table = [
        ("at", Type::Timestamp),
        (
            "amount",
            Type::Decimal {
                precision: 10,
                scale: 2,
            },
        ),
        ("event_id", Type::Integer(Width::SixtyFour)),
        ("note", Type::String),
        ("inner", hive::parse("struct<day:date,n:bigint>")),
        ("list", hive::parse("array<double>")),
    ];
    let table = table.map(|(name, data_type)| Field {
        key: name.into(),
        name: name.into(),
        data_type,
    });
    let schema = inferred(&[
        r#"{"at":"soon","amount":"12.50","Event Id":"7","note":5,"inner":{"day":"x","n":1.5},"list":["a"],"new":"x"}"#,
    ]);
    let stream = read(&schema, Numbers::Double, &[]).fields;
    let columns = |fields: &[Field], source| -> Vec<Column> {
        let column = |field: &Field| Column::new(field.clone(), source);
        fields.iter().map(column).collect()
    };
    let merged = reconcile(
        &columns(&table, Source::Unrecorded),
        &columns(&stream, Source::Property),
        Terms {
            origin: SchemaOrigin::Inferred,
            ..Terms::declared(Rules::JsonSerde)
        },
    );
    let types: Vec<String> = merged
        .columns
        .iter()
        .map(|column| format!("{} {}", column.field.name, column.field.data_type))
        .collect();
    assert_eq!(
        types,
        [
            "at timestamp",
            "amount decimal(10,2)",
            "event_id bigint",
            "note string",
            "inner struct<day:date,n:double>",
            "list array<double>",
            "new string",
        ]
    );
}
