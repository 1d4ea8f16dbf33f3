//! A schema and records, a line each: one becomes a row exactly when serde_json takes it for an object, and the
//! same row whatever records came before it.

#![no_main]

use std::collections::BTreeSet;

use destination_aws_datalake::testing::{Rows, columns};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de::Error};
use serde_json::Value;

/// The keys of an object, each of which appears once.
struct Keys(BTreeSet<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collector;
        impl<'de> Visitor<'de> for Collector {
            type Value = Keys;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = BTreeSet::new();
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    if !keys.insert(key) {
                        return Err(A::Error::custom("twice"));
                    }
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Collector)
    }
}

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|&byte| byte == b'\n');
    let Some(Ok(schema)) = lines.next().map(serde_json::from_slice::<Value>) else {
        return;
    };
    let mut names: BTreeSet<String> = columns(&schema).into_iter().map(|(name, _)| name).collect();
    names.insert("_rescued_data".into());
    let mut rows = Rows::new(&schema, false);
    for record in lines {
        let row = check(&mut rows, record, &names);
        // What the encoder learned from earlier records changes nothing.
        assert_eq!(row, check(&mut rows, record, &names));
        assert_eq!(row, check(&mut Rows::new(&schema, false), record, &names));
    }
});

fn check(rows: &mut Rows, record: &[u8], names: &BTreeSet<String>) -> Result<Vec<u8>, String> {
    let valid = std::str::from_utf8(record).is_ok_and(|text| {
        text.trim_ascii_start().starts_with('{')
            && serde_json::from_str::<IgnoredAny>(text).is_ok()
    });
    let mut out = Vec::new();
    let done = rows.record(record, &mut out);
    assert_eq!(done.is_ok(), valid, "{done:?}");
    if valid {
        let keys: Keys =
            serde_json::from_slice(&out).expect("a row is an object without duplicates");
        assert!(keys.0.is_subset(names), "{:?} of {names:?}", keys.0);
        let ends = out.iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(ends, 1, "a row is one line");
    } else {
        assert!(out.is_empty(), "an error writes nothing");
    }
    done.map(|()| out)
}
