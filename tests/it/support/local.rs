//! `load` into a lake in a folder, and that lake read back.

use std::path::Path;

use serde_json::{Map, Value};

use super::program::{Output, Program};

/// `load` with these arguments into a folder.
pub(crate) fn load(lake: &Path, arguments: &[&str]) -> Program {
    Program::new(&["load"]).local(lake).arguments(arguments)
}

/// The exit code is this one, nothing but states went to stdout, and stderr holds these words.
#[track_caller]
pub(crate) fn ended(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{}", output.report());
    for word in words {
        assert!(
            output.stderr.contains(word),
            "no {word:?}\n{}",
            output.report()
        );
    }
}

/// The entry of a table in the database `default`, and its visible rows in the order of the objects.
pub(crate) fn table(lake: &Path, name: &str) -> (Value, Vec<Map<String, Value>>) {
    table_of(lake, "default", name)
}

/// The table's entry, and its visible rows in the order of the objects.
pub(crate) fn table_of(
    lake: &Path,
    database: &str,
    name: &str,
) -> (Value, Vec<Map<String, Value>>) {
    let entry = std::fs::read(lake.join(format!("catalog/{database}/{name}.json"))).unwrap();
    let entry: Value = serde_json::from_slice(&entry).unwrap();
    let location = entry["StorageDescriptor"]["Location"].as_str().unwrap();
    let folder = Path::new(location.strip_prefix("file://").unwrap());
    let mut objects: Vec<_> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    objects.sort();
    let mut rows = Vec::new();
    for object in objects {
        let packed = std::fs::File::open(object).unwrap();
        let text = std::io::read_to_string(flate2::read::MultiGzDecoder::new(packed)).unwrap();
        rows.extend(text.lines().map(|row| serde_json::from_str(row).unwrap()));
    }
    (entry, rows)
}

/// `name type` of each column but the rescue column.
pub(crate) fn columns(entry: &Value) -> Vec<String> {
    let columns = entry["StorageDescriptor"]["Columns"].as_array().unwrap();
    let text = |column: &Value, key: &str| column[key].as_str().unwrap().to_owned();
    columns
        .iter()
        .map(|column| format!("{} {}", text(column, "Name"), text(column, "Type")))
        .filter(|column| column != "_rescued_data string")
        .collect()
}

pub(crate) fn ids(rows: &[Map<String, Value>]) -> Vec<u64> {
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

/// Records of these ids, one a line.
pub(crate) fn lines(ids: std::ops::Range<u64>) -> String {
    ids.map(|id| format!("{{\"id\":{id}}}\n")).collect()
}

/// What the catalog of a lake in a folder holds, and how many objects there are.
pub(crate) fn left(lake: &Path) -> (Vec<String>, usize) {
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(lake.join(folder)).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    (names("catalog/default"), names("objects/default").len())
}
