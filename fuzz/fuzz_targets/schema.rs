//! Any JSON as a schema: it is read, its names are distinct and its type strings are read back as written.

#![no_main]

use std::collections::BTreeSet;

use destination_aws_datalake::testing::{columns, reread};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let Ok(schema) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    let mut names = BTreeSet::new();
    for (name, data_type) in columns(&schema) {
        let usable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(
            !name.is_empty() && name.len() <= 255 && name.chars().all(usable),
            "{name:?}"
        );
        assert_eq!(reread(&data_type), data_type);
        assert!(names.insert(name), "a name twice");
    }
});
