//! Random sequences of loads of random records into one table. At the end every record is what its row and its rescued
//! values are together, and every property was in the same columns throughout.

use std::collections::BTreeMap;
use std::path::Path;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::support::local::{ended, load, table};

/// Properties, some of which fold to one name.
const KEYS: [&str; 9] = [
    "a",
    "A",
    "b",
    "price_$",
    "price_€",
    "c",
    "日本",
    "a_string",
    "d",
];

/// The same of fields of structs.
const FIELDS: [&str; 6] = ["x", "X", "+1", "-1", "y", "z"];

fn scalar(rng: &mut Rng) -> Value {
    match rng.u8(..14) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2..5 => json!(rng.i64(-3..1000)),
        5 => json!(9_007_199_254_740_993_i64),
        6 => json!(f64::from(rng.i32(-100..100)) / 4.0),
        7 => json!("2024-01-02"),
        8 => json!("2024-01-02T03:04:05Z"),
        9 => json!("7"),
        10 => json!("true"),
        11 => json!("{\"x\":1}"),
        _ => json!(format!("text {}", rng.u8(..))),
    }
}

fn value(rng: &mut Rng, depth: u8) -> Value {
    match rng.u8(..if depth == 0 { 7 } else { 10 }) {
        0..7 => scalar(rng),
        7 | 8 => {
            let count = rng.usize(..4);
            let fields = (0..count).map(|_| {
                let key = *rng.choice(&FIELDS).unwrap();
                (key.to_owned(), value(rng, depth - 1))
            });
            Value::Object(fields.collect())
        }
        _ => {
            let kind = rng.fork();
            // Mostly of one type.
            let count = rng.usize(..3);
            let item = |_| match rng.u8(..4) {
                0 => value(rng, depth - 1),
                _ => value(&mut kind.clone(), depth - 1),
            };
            Value::Array((0..count).map(item).collect())
        }
    }
}

fn record(rng: &mut Rng, id: usize) -> Map<String, Value> {
    let mut record = Map::new();
    record.insert("id".to_owned(), json!(id));
    for key in KEYS {
        if rng.bool() {
            record.insert(key.to_owned(), value(rng, 2));
        }
    }
    record
}

/// The columns of each property, in the order of the table, with the records of their fields.
fn columns(entry: &Value) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut columns = BTreeMap::<String, Vec<(String, Value)>>::new();
    for column in entry["StorageDescriptor"]["Columns"].as_array().unwrap() {
        let Some(property) = column["Parameters"]["airbyte_property"].as_str() else {
            continue;
        };
        let fields = column["Parameters"]["airbyte_fields"].as_str();
        let fields = fields.map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
        let name = column["Name"].as_str().unwrap().to_owned();
        columns
            .entry(property.to_owned())
            .or_default()
            .push((name, fields));
    }
    columns
}

/// Whether what was found in a column says what was sent, in whatever form.
fn same(sent: &Value, found: &Value, fields: &Value) -> bool {
    match (sent, found) {
        (Value::String(sent), Value::String(found)) => {
            found == sent
                || serde_json::from_str(found).is_ok_and(|found: String| found == *sent)
                || moment(found) == moment(sent)
        }
        (Value::Number(sent), Value::Number(found)) => sent.as_f64() == found.as_f64(),
        (Value::String(sent), Value::Number(found)) => sent.parse().ok() == found.as_f64(),
        (Value::String(sent), Value::Bool(found)) => *sent == found.to_string(),
        (Value::Array(sent), Value::Array(found)) => {
            sent.len() == found.len()
                && sent
                    .iter()
                    .zip(found)
                    .all(|(sent, found)| same(sent, found, fields))
        }
        (Value::Object(sent), Value::Object(found)) => {
            let mut by_property: Map<String, Value> = Map::new();
            let mut records: BTreeMap<String, Value> = BTreeMap::new();
            for (name, value) in found {
                let record = &fields[name];
                let property = record
                    .as_str()
                    .or(record["property"].as_str())
                    .unwrap_or(name);
                by_property.insert(property.to_owned(), value.clone());
                records.insert(property.to_owned(), record["fields"].clone());
            }
            let sent: BTreeMap<&String, &Value> =
                sent.iter().filter(|(_, value)| !value.is_null()).collect();
            sent.len() == by_property.len()
                && sent.iter().all(|(key, value)| {
                    by_property
                        .get(*key)
                        .is_some_and(|found| same(value, found, &records[*key]))
                })
        }
        (sent, Value::String(found)) => {
            serde_json::from_str(found).is_ok_and(|found: Value| found == *sent)
        }
        _ => sent == found,
    }
}

/// A date or a time in one form.
fn moment(text: &str) -> String {
    let text = text.replace('T', " ").replace('Z', "");
    if text.len() == 10 {
        text + " 00:00:00"
    } else {
        text
    }
}

fn load_some(rng: &mut Rng, lake: &Path, policy: &str, sent: &mut Vec<Map<String, Value>>) {
    let mut input = String::new();
    let from = sent.len();
    if rng.bool() {
        // The sample is this record alone.
        let first = json!({"id": from, "pad": "x".repeat(4 << 20)});
        input += &format!("{first}\n");
        let Value::Object(first) = json!({"id": from}) else {
            unreachable!()
        };
        sent.push(first);
    }
    for _ in 0..rng.usize(1..12) {
        let record = record(rng, sent.len());
        input += &format!("{}\n", Value::Object(record.clone()));
        sent.push(record);
    }
    let output = load(lake, &["--table=t"])
        .env("DATALAKE_ON_TYPE_CHANGE", policy)
        .stdin(input)
        .run();
    ended(&output, 0, &[]);
}

#[test]
fn rows_and_what_was_rescued_are_the_records() {
    for seed in 0..16 {
        let mut rng = Rng::with_seed(seed);
        let lake = tempfile::tempdir().unwrap();
        let policy = if seed % 2 == 0 {
            "rescue"
        } else {
            "new_column"
        };
        let mut sent = Vec::new();
        let mut known = BTreeMap::new();
        for _ in 0..rng.usize(2..5) {
            load_some(&mut rng, lake.path(), policy, &mut sent);
            let now = columns(&table(lake.path(), "t").0);
            for (property, before) in &known {
                let names = |columns: &Vec<(String, Value)>| -> Vec<String> {
                    columns.iter().map(|(name, _)| name.clone()).collect()
                };
                let (before, now) = (names(before), names(&now[property]));
                assert!(
                    now.starts_with(&before),
                    "seed {seed}: {property}: {before:?} {now:?}"
                );
                assert!(
                    policy == "new_column" || now.len() == 1,
                    "seed {seed}: {now:?}"
                );
            }
            known = now;
        }
        let (_, rows) = table(lake.path(), "t");
        assert_eq!(rows.len(), sent.len(), "seed {seed}");
        for row in rows {
            let id = usize::try_from(row["id"].as_u64().unwrap()).unwrap();
            check(&sent[id], &row, &known, seed);
        }
    }
}

/// The row and what was rescued are the record, and nothing else is in the row.
#[track_caller]
fn check(
    record: &Map<String, Value>,
    row: &Map<String, Value>,
    known: &BTreeMap<String, Vec<(String, Value)>>,
    seed: u64,
) {
    let rescued: Map<String, Value> = row.get("_rescued_data").map_or(Map::new(), |text| {
        serde_json::from_str(text.as_str().unwrap()).unwrap()
    });
    let mut read = vec!["_rescued_data", "pad"];
    for (key, value) in record {
        let columns = known.get(key).map_or(&[][..], |columns| &columns[..]);
        let held: Vec<_> = columns
            .iter()
            .filter(|(name, _)| row.contains_key(name))
            .collect();
        read.extend(held.iter().map(|(name, _)| name.as_str()));
        let is_right = match (rescued.get(key), &held[..]) {
            // A part of it may be in the row too.
            (Some(rescued), _) => rescued == value && held.len() <= 1,
            (None, []) => value.is_null(),
            (None, [(name, fields)]) => same(value, &row[name], fields),
            _ => false,
        };
        assert!(is_right, "seed {seed}: {key} of {record:?}\nin {row:?}");
    }
    let stray = row.keys().find(|name| !read.contains(&name.as_str()));
    assert_eq!(stray, None, "seed {seed}: {record:?}\nin {row:?}");
    let strange = rescued.keys().find(|key| !record.contains_key(*key));
    assert_eq!(strange, None, "seed {seed}: {record:?}\nin {row:?}");
}
