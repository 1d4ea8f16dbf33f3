//! Rows, checked by examples.

use crate::row::{Envelope, Options, Plan};
use crate::schema::{Field, Type, Width};

fn plan(columns: &[(&str, Type)]) -> Plan {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, of)| Field {
            key: (*name).into(),
            name: name.to_lowercase(),
            of: of.clone(),
        })
        .collect();
    let options = Options {
        rescued: Some("_rescued_data".into()),
        metadata: None,
    };
    Plan::compile(&fields, &options)
}

#[track_caller]
fn row(plan: &mut Plan, record: &str) -> String {
    let mut out = Vec::new();
    match plan.encode(record.as_bytes(), &Envelope::default(), &mut out) {
        Ok(()) => String::from_utf8(out).unwrap(),
        Err(error) => {
            assert!(out.is_empty(), "an error left something behind");
            error.to_string()
        }
    }
}

#[test]
fn a_thin_slice_of_everything() {
    let mut plan = plan(&[
        ("id", Type::Integer(Width::SixtyFour)),
        ("Name", Type::String),
        ("at", Type::Timestamp),
        (
            "tags",
            Type::Array(Box::new(Type::Integer(Width::SixtyFour))),
        ),
    ]);
    assert_eq!(
        row(
            &mut plan,
            r#"{"id":1,"Name":"x","at":"2024-01-02T03:04:05.678+01:00","tags":[1,2]}"#
        ),
        "{\"id\":1,\"name\":\"x\",\"at\":\"2024-01-02 02:04:05.678\",\"tags\":[1,2]}\n"
    );
    assert_eq!(
        row(
            &mut plan,
            r#" { "Name" : {"a": [1, 2]} , "id" : "1.50e1", "at" : null } "#
        ),
        "{\"id\":15,\"name\":\"{\\\"a\\\": [1, 2]}\"}\n"
    );
    assert_eq!(row(&mut plan, "{}"), "{}\n");
    assert_eq!(row(&mut plan, "null"), "{}\n");
    assert_eq!(
        row(
            &mut plan,
            r#"{"id":1.5,"new":{"a":1},"tags":[1,"x"],"id":"y"}"#
        ),
        "{\"tags\":[1,null],\"_rescued_data\":\"{\\\"new\\\":{\\\"a\\\":1},\\\"tags\\\":[1,\\\"x\\\"],\\\"id\\\":\\\"y\\\"}\"}\n"
    );
    assert_eq!(
        row(&mut plan, r#"{"id":1,"id":}"#),
        "invalid JSON at byte 13: expected a value"
    );
    let counts: Vec<_> = plan
        .rescued()
        .into_iter()
        .map(|(name, count)| format!("{name}={count}"))
        .collect();
    assert_eq!(
        counts.join(" "),
        "id=1 tags=1 fields that the schema does not know=1"
    );
}
