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
    assert_type(&["123456789012345678901234567890123456789"], "double");
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
    assert_type(&["[]"], "string");
    assert_type(&["{}"], "string");
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
        "2026-11-22T24:00:00Z",
        "2026-11-22T09:15Z",
        "2026-11-22T09:15:51.Z",
        "2026-11-22T09:15:51 Z",
        "0000-01-01",
        "2026-1-2",
        "+2026-11-22",
        "2026-11-22T09:15:51+2:00",
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
        let moment = moment::recognize(text.as_bytes()).unwrap();
        assert_eq!(
            moment == moment::Temporal::Day,
            data_type == Type::Date,
            "{text}"
        );
        let column = Field {
            key: "v".into(),
            name: "v".into(),
            data_type,
        };
        let plan = Plan::compile(&[column], &row::ExtraColumns::default());
        let mut encoder = RowEncoder::new(plan);
        let record = format!("{{\"v\":{text:?}}}");
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
