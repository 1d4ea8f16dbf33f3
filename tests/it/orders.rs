//! The order of the keys in a record's envelope: whatever it is, the record reaches its stream.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::local::{ids, table_of};
use crate::support::messages::{catalog, stream};
use crate::support::program::Program;

/// All orders of these.
fn orders<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
    if all.is_empty() {
        return vec![Vec::new()];
    }
    let beginning_with = |index: usize| {
        let mut rest = all.to_vec();
        let first = rest.remove(index);
        let rest = orders(&rest).into_iter();
        rest.map(move |rest| [vec![first.clone()], rest].concat())
    };
    (0..all.len()).flat_map(beginning_with).collect()
}

/// What a record holds beside its id: keys of the envelope, and ends that look like the envelope's.
const MORE: [&str; 4] = [
    "",
    r#","namespace":"other","emitted_at":5,"stream":"other""#,
    r#","o":{"x":{}},"emitted_at":7"#,
    r#","s":"}},\"emitted_at\":5}}","o":{"data":{}}"#,
];

#[test]
fn a_record_reaches_its_stream_in_every_order_of_its_keys() {
    let mut number = 0;
    // The streams in the catalog: with and without one that has the name alone.
    for namespaces in [&["", "one"][..], &["one", "two"], &["one"]] {
        let lake = tempfile::tempdir().unwrap();
        let streams: Vec<_> = namespaces
            .iter()
            .map(|namespace| {
                let mut stream = stream("s", "append", &json!({"id": {"type": "integer"}}));
                stream["stream"]["namespace"] = (*namespace).into();
                stream
            })
            .collect();
        let mut input = String::new();
        let mut expected = BTreeMap::<&str, Vec<u64>>::new();
        for keys in [
            &["stream", "namespace", "data", "emitted_at"][..],
            &["stream", "namespace", "data", "emitted_at", "meta"],
            &["stream", "namespace", "data", "emitted_at", "meta", "new"],
        ] {
            for order in orders(keys) {
                for namespace in namespaces {
                    number += 1;
                    let member = |key: &&str| match *key {
                        "stream" => r#""stream":"s""#.to_owned(),
                        "namespace" => format!("\"namespace\":\"{namespace}\""),
                        "data" => format!("\"data\":{{\"id\":{number}{}}}", MORE[number % 4]),
                        "emitted_at" => format!("\"emitted_at\":{number}"),
                        "meta" => r#""meta":{"changes":[{"field":"}"}]}"#.to_owned(),
                        _ => r#""new":{"stream":{},"emitted_at":1}"#.to_owned(),
                    };
                    let members: Vec<String> = order.iter().map(member).collect();
                    let space = if number % 3 == 0 { " " } else { "" };
                    let record = members.join(&format!(",{space}"));
                    let record = format!("\"record\":{space}{{{record}}}");
                    input += &match number % 7 {
                        0 => format!("{{{record},\"type\":\"RECORD\"}}\n"),
                        _ => format!("{{\"type\":{space}\"RECORD\",{space}{record}}}\n"),
                    };
                    let of_stream = expected.entry(namespace).or_default();
                    of_stream.push(number as u64);
                }
            }
        }
        Program::new(&["write", "--catalog", "catalog.json"])
            .local(lake.path())
            .file("catalog.json", &catalog(&streams).to_string())
            .stdin(input)
            .run()
            .succeeded();
        for (namespace, expected) in expected {
            let database = if namespace.is_empty() {
                "default"
            } else {
                namespace
            };
            let (_, rows) = table_of(lake.path(), database, "s");
            assert!(rows.iter().all(|row| row.contains_key("id")));
            assert_eq!(
                ids(&rows),
                expected,
                "the namespace {namespace:?} of {namespaces:?}"
            );
        }
    }
}
