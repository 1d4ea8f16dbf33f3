//! Odd data of real sources, loaded in several steps and read back by DuckDB, Arrow, polars and Spark under the final table:
//! each value is in its column or rescued.

use std::path::Path;

use serde_json::Value;

use crate::support::local::{ended, load};
use crate::support::readers;
use crate::support::skip::skip;

/// A table: its loads, each an input as it comes, and the records that have to be read back.
struct Case {
    name: &'static str,
    loads: Vec<String>,
    /// One JSON text each, because the digits of numbers count.
    records: Vec<String>,
}

impl Case {
    /// Loads of these records, one a line.
    fn lines(name: &'static str, loads: &[Vec<String>]) -> Self {
        Self {
            name,
            records: loads.concat(),
            loads: loads.iter().map(|records| records.join("\n")).collect(),
        }
    }

    /// One load of these records in another form.
    fn form(name: &'static str, form: impl Fn(&[String]) -> String) -> Self {
        let records = texts(&[
            r#"{"id":1,"text":"a {\"b\"}","list":[1,2.5],"inner":{"x":{"y":true}}}"#,
            r#"{"id":2,"text":null,"list":[],"inner":{}}"#,
            r#"{"id":3,"text":"line\nbreak","more":"2026-11-22"}"#,
        ]);
        Self {
            name,
            loads: vec![form(&records)],
            records,
        }
    }
}

fn texts(records: &[&str]) -> Vec<String> {
    records.iter().map(|record| (*record).to_owned()).collect()
}

fn pretty(record: &str) -> String {
    let record: Value = serde_json::from_str(record).unwrap();
    format!("{record:#}")
}

/// What was seen of real sources.
fn cases() -> Vec<Case> {
    let keys = |from: u64, count: u64, name: &str| -> String {
        let members = (from..from + count).map(|key| format!("\"{name}{key}\":{{\"n\":{key}}}"));
        members.collect::<Vec<_>>().join(",")
    };
    let map = |id: u64, members: String| format!("{{\"id\":{id},\"m\":{{{members}}}}}");
    let maps = |name: &'static str, prefix: &str, count: u64| {
        let of_load = |load: u64| {
            let one = |row: u64| {
                map(
                    load * 10 + row,
                    keys(load * 10_000 + row * count, count, prefix),
                )
            };
            (0..3).map(one).collect()
        };
        Case::lines(name, &(0..3).map(of_load).collect::<Vec<_>>())
    };
    let steps = |name, loads: &[&[&str]]| {
        let loads: Vec<_> = loads.iter().map(|records| texts(records)).collect();
        Case::lines(name, &loads)
    };
    let mut cases = vec![
        maps("maps_of_ids", "", 5),
        maps("maps_of_names", "name", 5),
        maps("large_maps", "name", 300),
        steps(
            "a_struct_then_a_map",
            &[
                &[r#"{"id":1,"m":{"a":1}}"#],
                &[
                    r#"{"id":2,"m":{"17":1,"18":2,"19":3,"20":4}}"#,
                    r#"{"id":3,"m":{"a":7}}"#,
                ],
            ],
        ),
        steps(
            "times",
            &[&[
                r#"{"id":1,"at":"2024-01-02T03:04Z"}"#,
                r#"{"id":2,"at":"2023-01-17T11:04:34Z+0000"}"#,
                r#"{"id":3,"at":"2024-01-02 03:04:05.678+02:00"}"#,
            ]],
        ),
        steps(
            "empty_first",
            &[
                &[r#"{"id":1,"tags":[],"address":{}}"#],
                &[
                    r#"{"id":2,"tags":["x"],"address":{"city":"y"}}"#,
                    r#"{"id":3,"tags":[],"address":{}}"#,
                ],
            ],
        ),
        steps(
            "empty_then_full",
            &[&[
                r#"{"id":1,"v":{}}"#,
                r#"{"id":2,"v":{"a":[]}}"#,
                r#"{"id":3,"v":{"a":[1]}}"#,
            ]],
        ),
        steps(
            "long_integers",
            &[
                &[r#"{"id":1,"n":1.5,"m":12345678901234567890123456789012345678901}"#],
                &[
                    r#"{"id":2,"n":12345678901234567890123456789012345678901,"m":7}"#,
                    r#"{"id":3,"n":9007199254740993}"#,
                ],
            ],
        ),
        steps(
            "alphabets",
            &[
                &[r#"{"id":1,"名前":"x","город":1.5}"#],
                &[r#"{"id":2,"город":2,"名":"y","名前":"z"}"#],
            ],
        ),
        Case::form("array", |records| format!("[{}]", records.join(","))),
        Case::form("concatenated", <[String]>::concat),
        Case::form("marked", |records| {
            format!("\u{FEFF}{}", records.join("\r\n"))
        }),
        Case::form("printed", |records| {
            records
                .iter()
                .map(|record| pretty(record))
                .collect::<Vec<_>>()
                .join("\n")
        }),
    ];
    cases.extend(changes(steps));
    let mut tombstones = steps("tombstones", &[&[r#"{"id":1,"v":1}"#, r#"{"id":2,"v":2}"#]]);
    tombstones.loads = vec![
        "null\n{\"id\":1,\"v\":1}\nnull\n{\"id\":2,\"v\":2}\n{\"id\":3,\"v\":NaN}\n".to_owned(),
    ];
    cases.push(tombstones);
    cases
}

/// Properties that come, change and resemble each other, from load to load and within one.
fn changes(steps: impl Fn(&'static str, &[&[&str]]) -> Case) -> Vec<Case> {
    // More than the sample.
    let pad = format!("{{\"id\":1,\"pad\":\"{}\"}}", "x".repeat(4 << 20));
    vec![
        steps(
            "fields_that_fold_to_one_name",
            &[
                &[r#"{"id":1,"reactions":{"+1":5}}"#],
                &[r#"{"id":2,"reactions":{"-1":7}}"#],
                &[r#"{"id":3,"reactions":{"+1":1,"-1":2}}"#],
            ],
        ),
        steps(
            "columns_that_fold_to_one_name",
            &[
                &[r#"{"id":1,"price_$":1,"Key":1}"#],
                &[r#"{"id":2,"price_€":3,"Key":2,"key":"x"}"#],
                &[r#"{"id":3,"price_€":4,"price_$":5,"key":"y"}"#],
            ],
        ),
        steps(
            "what_the_sample_lacks",
            &[&[
                &pad,
                r#"{"id":2,"event":"view","n":1,"maybe":null,"o":{"a":1}}"#,
                r#"{"id":3,"event":"purchase","order_id":"A-1","n":2.5,"maybe":true,"o":{"b":[{"c":1}]}}"#,
                r#"{"id":4,"n":9007199254740993,"big":12345678901234567890,"o":{"b":[{"c":0.5,"d":"x"}]}}"#,
                r#"{"id":5,"order_id":7,"maybe":{"a":1},"event":null}"#,
            ]],
        ),
        steps(
            "other_types",
            &[
                &[r#"{"id":1,"n":1001,"on":"2024-01-02","is":true,"o":7,"x":1.50,"l":[1]}"#],
                &[
                    r#"{"id":2,"n":"A-1002","on":"2024-01-02T03:04:05Z","is":1,"o":{"a":1},"x":"1.5","l":["a"]}"#,
                ],
                &[
                    r#"{"id":3,"n":12345678901234567890,"on":"x","is":"true","o":"7","x":7,"l":{"a":[1]}}"#,
                ],
            ],
        ),
        steps(
            "texts_and_what_looks_like_them",
            &[
                &[
                    r#"{"id":1,"v":"7","w":{"1":"a"}}"#,
                    r#"{"id":2,"v":7,"w":{"2":"b"}}"#,
                    r#"{"id":3,"v":"{\"a\":1}","w":{"3":"c"}}"#,
                    r#"{"id":4,"v":{"a":1},"w":{"4":"d"}}"#,
                ],
                &[r#"{"id":5,"v":[1],"w":"{\"5\":\"e\"}"}"#],
            ],
        ),
    ]
}

/// Loads all cases into a lake in the folder, beside `sent.json`. Returns how many rows there are.
fn write(folder: &Path) -> usize {
    let mut sent = Vec::new();
    let mut rows = 0;
    for case in cases() {
        for input in &case.loads {
            let arguments = [
                "--table",
                case.name,
                "--max-bad-records",
                "3",
                "--bad-records",
                "bad",
            ];
            ended(
                &load(folder, &arguments).stdin(input.as_bytes()).run(),
                0,
                &[],
            );
        }
        rows += case.records.len();
        sent.push(format!("{:?}: [{}]", case.name, case.records.join(",")));
    }
    let name = "a_tap_without_a_schema";
    let schema = format!(
        "{{\"type\":\"SCHEMA\",\"stream\":{name:?},\"schema\":{{}},\"key_properties\":[]}}"
    );
    let records = [
        r#"{"id":1,"n":1}"#,
        r#"{"id":2,"n":2.5,"at":"2026-11-22T09:00Z","o":{"a":[1]}}"#,
    ];
    let message =
        |record: &&str| format!("{{\"type\":\"RECORD\",\"stream\":{name:?},\"record\":{record}}}");
    let messages: Vec<String> = records.iter().map(message).collect();
    let input = format!("{schema}\n{}\n", messages.join("\n"));
    ended(
        &load(folder, &["--input", "singer"]).stdin(input).run(),
        0,
        &[],
    );
    sent.push(format!("{name:?}: [{}]", records.join(",")));
    std::fs::write(folder.join("sent.json"), format!("{{{}}}", sent.join(","))).unwrap();
    rows + records.len()
}

/// Has an engine read all tables; it compares.
#[track_caller]
fn read_by(engine: &str, python: &str) {
    let folder = tempfile::tempdir().unwrap();
    let rows = write(folder.path());
    let lake = folder.path();
    readers::agree(
        python,
        "tests/support/loads.py",
        engine,
        &[lake],
        lake,
        rows,
    );
}

#[test]
fn duckdb_reads_odd_data_as_it_was_sent() {
    read_by("duckdb", "target/python/bin/python");
}

#[test]
fn arrow_reads_odd_data_as_it_was_sent() {
    read_by("arrow", "target/python/bin/python");
}

#[test]
fn polars_reads_odd_data_as_it_was_sent() {
    read_by("polars", "target/python/bin/python");
}

#[test]
fn spark_reads_odd_data_as_it_was_sent() {
    let Some(python) = readers::spark() else {
        skip!("needs Java, and target/spark, which `make test` sets up");
    };
    read_by("spark", python);
}
