//! The examples in `fixtures/rows`: values by the type of their column, whole records, and text that is no JSON.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::row::tests::{compile, encode, field, options};
use crate::schema::{Numbers, hive, read};

/// A value of a column `v`, as JSON text; without a row it is null there.
#[derive(Deserialize)]
pub(super) struct Case {
    /// As the catalog spells it.
    #[serde(rename = "type")]
    pub(super) data_type: String,
    pub(super) value: String,
    pub(super) row: Option<String>,
    pub(super) rescued: Option<String>,
}

/// A whole record of a stream.
#[derive(Deserialize)]
struct Whole {
    why: String,
    schema: Value,
    /// The columns as the catalog has them: names and types.
    columns: String,
    record: String,
    row: String,
}

/// Text that is no record.
#[derive(Deserialize)]
struct Malformed {
    text: String,
    error: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/rows")
}

fn lines<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(read).collect()
}

/// The cases of all types.
pub(super) fn values() -> Vec<Case> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !matches!(name.as_str(), "records.jsonl" | "errors.jsonl"))
        .collect();
    names.sort();
    names.iter().flat_map(|name| lines(name)).collect()
}

#[test]
fn values_become_what_the_cases_say() {
    let cases: Vec<Case> = values();
    assert!(cases.len() > 600, "only {} cases found", cases.len());
    let mut wrong = String::new();
    for case in &cases {
        let mut encoder = compile(&[field("v", hive::parse(&case.data_type))], &options());
        let mut expected = Vec::new();
        if let Some(row) = &case.row {
            expected.push(format!("\"v\":{row}"));
        }
        if let Some(rescued) = &case.rescued {
            let object = serde_json::to_string(&format!("{{\"v\":{rescued}}}")).unwrap();
            expected.push(format!("\"_rescued_data\":{object}"));
        }
        let expected = format!("{{{}}}", expected.join(","));
        let record = format!("{{\"v\":{}}}", case.value);
        let found = encode(&mut encoder, record.as_bytes()).unwrap_or_else(|error| error);
        if found != expected {
            let Case {
                data_type, value, ..
            } = case;
            writeln!(
                wrong,
                "{data_type} {value}\n  expected {expected}\n  found    {found}"
            )
            .unwrap();
        }
        let count = u64::from(case.rescued.is_some());
        assert_eq!(
            encoder
                .misfits()
                .iter()
                .map(|(_, count)| count)
                .sum::<u64>(),
            count
        );
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn records_become_what_the_cases_say() {
    let mut wrong = String::new();
    for case in lines::<Whole>("records.jsonl") {
        let fields = read(&case.schema, Numbers::Double, &["_rescued_data"]).fields;
        let columns: Vec<_> = fields
            .iter()
            .map(|field| format!("{} {}", field.name, field.data_type))
            .collect();
        let mut encoder = compile(&fields, &options());
        // Twice, because the plan learns the order of keys.
        for turn in ["first", "second"] {
            let row = encode(&mut encoder, case.record.as_bytes()).unwrap_or_else(|error| error);
            if row != case.row || columns.join(", ") != case.columns {
                writeln!(
                    wrong,
                    "{}, {turn} time: {}\n  expected {}\n           {}\n  found    {}\n           {row}",
                    case.why,
                    case.record,
                    case.columns,
                    case.row,
                    columns.join(", "),
                )
                .unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn text_that_is_no_record_is_an_error_that_says_where() {
    let mut wrong = String::new();
    let fields = [
        ("a", "bigint"),
        ("b", "string"),
        ("d", "date"),
        ("l", "array<bigint>"),
        ("m", "array<string>"),
        ("t", "boolean"),
        ("u", "timestamp"),
        ("x", "double"),
    ]
    .map(|(name, data_type)| field(name, hive::parse(data_type)));
    for case in lines::<Malformed>("errors.jsonl") {
        // Also by a plan that has learned the order of keys, and by one that expects no order.
        for before in ["{}", "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"x\",\"a\":1}"] {
            let mut encoder = compile(&fields, &options());
            encode(&mut encoder, before.as_bytes()).unwrap();
            let found = encode(&mut encoder, case.text.as_bytes());
            if found.as_ref().err() != Some(&case.error) {
                writeln!(
                    wrong,
                    "{:?} after {before}\n  expected {}\n  found    {found:?}",
                    case.text, case.error
                )
                .unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn bytes_that_are_no_utf_8_are_an_error_wherever_they_stand() {
    let texts: [&[u8]; 6] = [
        b"{\"b\":\"\xFF\"}",
        b"{\"b\":\"12345678\xC3\"}",
        b"{\"\xED\xA0\x80\":1}",
        b"{\"z\":\"\xC0\x80\"}",
        b"{\"z\":[\"\xF4\x90\x80\x80\"]}",
        b"{\"a\":\"\xE2\x82\"}",
    ];
    for text in texts {
        let fields = [
            field("a", hive::parse("bigint")),
            field("b", hive::parse("string")),
        ];
        let mut encoder = compile(&fields, &options());
        let error = encode(&mut encoder, text).unwrap_err();
        assert!(error.ends_with("expected UTF-8"), "{error}: {text:?}");
    }
    let mut encoder = compile(&[], &options());
    let error = encode(&mut encoder, b"{\xFF}").unwrap_err();
    assert_eq!(error, "malformed at byte 1: expected a key in quotes");
}
