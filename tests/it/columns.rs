//! What a column means from run to run: each property in its own column, and what the catalog records of that.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::local::{columns, ended, load, table};

/// Loads the records, one load for each list, into the table `t`.
#[track_caller]
fn load_all(lake: &Path, loads: &[&str]) {
    for records in loads {
        let output = load(lake, &["--table=t"]).stdin(*records).run();
        ended(&output, 0, &[]);
    }
}

/// The entry of a column.
fn column<'a>(entry: &'a Value, name: &str) -> &'a Value {
    let columns = entry["StorageDescriptor"]["Columns"].as_array().unwrap();
    columns
        .iter()
        .find(|column| column["Name"] == name)
        .unwrap()
}

#[test]
fn properties_that_fold_to_one_name_stay_apart_in_structs() {
    let folder = tempfile::tempdir().unwrap();
    load_all(
        folder.path(),
        &[
            r#"{"id":1,"reactions":{"+1":5}}"#,
            r#"{"id":2,"reactions":{"-1":7}}"#,
            r#"{"id":3,"reactions":{"+1":1,"-1":2}}"#,
        ],
    );
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(
        columns(&entry),
        [
            "id bigint",
            "reactions struct<_1:bigint,_1_1bad6b8c:bigint>"
        ]
    );
    assert_eq!(rows[0]["reactions"], json!({"_1": 5}));
    assert_eq!(rows[1]["reactions"], json!({"_1_1bad6b8c": 7}));
    assert_eq!(rows[2]["reactions"], json!({"_1": 1, "_1_1bad6b8c": 2}));
    let reactions = column(&entry, "reactions");
    assert_eq!(reactions["Parameters"]["airbyte_property"], "reactions");
    let fields = reactions["Parameters"]["airbyte_fields"].as_str().unwrap();
    let fields: Value = serde_json::from_str(fields).unwrap();
    assert_eq!(fields, json!({"_1": "+1", "_1_1bad6b8c": "-1"}));
    assert_eq!(reactions["Comment"], "_1: +1, _1_1bad6b8c: -1");
}

#[test]
fn properties_that_fold_to_one_name_stay_apart_in_columns() {
    let folder = tempfile::tempdir().unwrap();
    load_all(
        folder.path(),
        &[
            r#"{"price_$":1,"\u4fa1\u683c":2}"#,
            r#"{"price_\u20ac":3}"#,
            r#"{"price_\u20ac":4,"price_$":5}"#,
        ],
    );
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(
        columns(&entry),
        [
            "price__ bigint",
            "name_855e4ca0 bigint",
            "price___e0c95e61 bigint"
        ]
    );
    assert_eq!(Value::from(rows[1].clone()), json!({"price___e0c95e61": 3}));
    assert_eq!(
        Value::from(rows[2].clone()),
        json!({"price__": 5, "price___e0c95e61": 4})
    );
    assert_eq!(column(&entry, "price__")["Comment"], "price_$");
    assert_eq!(column(&entry, "name_855e4ca0")["Comment"], "価格");
    assert_eq!(
        column(&entry, "_rescued_data")["Parameters"],
        json!({"airbyte_added": "true"})
    );
}

#[test]
fn comments_of_others_stay_and_a_renamed_column_is_still_its_property_s() {
    let folder = tempfile::tempdir().unwrap();
    load_all(folder.path(), &[r#"{"My Key":1,"Other Key":2}"#]);
    let path = folder.path().join("catalog/default/t.json");
    let mut entry: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let columns = entry["StorageDescriptor"]["Columns"]
        .as_array_mut()
        .unwrap();
    columns[0]["Comment"] = json!("the key of all keys");
    columns[1]["Name"] = json!("second");
    std::fs::write(&path, entry.to_string()).unwrap();

    load_all(folder.path(), &[r#"{"My Key":3,"Other Key":4,"new":5}"#]);
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(
        Value::from(rows[1].clone()),
        json!({"my_key": 3, "second": 4, "new": 5})
    );
    assert_eq!(column(&entry, "my_key")["Comment"], "the key of all keys");
}

#[test]
fn an_overwrite_keeps_the_names_of_properties() {
    let folder = tempfile::tempdir().unwrap();
    load_all(
        folder.path(),
        &[r#"{"ID":1,"s":{"A":1}}"#, r#"{"id":2,"s":{"a":2}}"#],
    );
    let output = load(folder.path(), &["--table=t", "--mode=overwrite"])
        .stdin(r#"{"id":"x","ID":"y","s":{"a":"z","A":null}}"#)
        .run();
    ended(&output, 0, &[]);
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(columns(&entry)[0], "id string");
    assert_eq!(
        Value::from(rows[0].clone()),
        json!({"id": "y", "id_a5614527": "x", "s": {"a_ca978112": "z"}})
    );
}

#[test]
fn a_table_of_the_version_before_goes_on_and_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    load_all(folder.path(), &[r#"{"My Key":1,"s":{"1 a":2}}"#]);
    let path = folder.path().join("catalog/default/t.json");
    let mut entry: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for column in entry["StorageDescriptor"]["Columns"]
        .as_array_mut()
        .unwrap()
    {
        let column = column.as_object_mut().unwrap();
        column.remove("Parameters");
        column.remove("Comment");
    }
    std::fs::write(&path, entry.to_string()).unwrap();
    load_all(
        folder.path(),
        &[
            r#"{"My Key":3,"s":{"1 a":4}}"#,
            r#"{"my.key":5,"s":{"1.a":6}}"#,
        ],
    );
    let (entry, rows) = table(folder.path(), "t");
    assert_eq!(
        Value::from(rows[1].clone()),
        json!({"my_key": 3, "s": {"_1_a": 4}})
    );
    assert_eq!(
        Value::from(rows[2].clone()),
        json!({"my_key_f3f510ae": 5, "s": {"_1_a_7291411f": 6}})
    );
    assert_eq!(
        column(&entry, "my_key")["Parameters"]["airbyte_property"],
        "My Key"
    );
}
