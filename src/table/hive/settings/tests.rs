//! Every rule, in each place where its setting can stand, to append and to replace.

use serde_json::json;

use super::*;
use crate::file::{Codec, Format};
use crate::schema::ColumnPolicy;
use crate::schema::evolve::SchemaOrigin;
use crate::table::TableTarget;
use crate::table::hive::definition;
use crate::table::hive::rules::{RULES, Values};

const FORMAT: Format = Format::Jsonl(Codec::Gzip);

/// A table of ours.
fn ours() -> Value {
    Value::Object(definition::new("t", "s3://b/t/g1/", &[], &[], FORMAT))
}

fn target() -> TableTarget {
    TableTarget {
        database: "d".to_owned(),
        name: "t".to_owned(),
        wanted: Vec::new(),
        origin: SchemaOrigin::Declared,
        policy: ColumnPolicy::default(),
        format: FORMAT,
        version: None,
        keys: Vec::new(),
    }
}

/// Sets what the pointer names, with the objects on the way to it.
fn set(table: &mut Value, pointer: &[&str], value: Value) {
    let place = pointer.iter().fold(table, |place, key| &mut place[*key]);
    *place = value;
}

fn input(table: Value) -> Map<String, Value> {
    match table {
        Value::Object(input) => input,
        other => panic!("expected an object, found {other}"),
    }
}

/// Whether rows may be added, and whether the table may be replaced.
fn allowed(input: &Map<String, Value>) -> (bool, bool) {
    let target = target();
    (
        definition::refuse_unwritable(input, &target).is_ok(),
        definition::refuse_replacing(input, &target).is_ok(),
    )
}

fn replaced(input: &Map<String, Value>) -> Map<String, Value> {
    definition::at(input, "s3://b/t/g2/", &[], FORMAT)
}

/// A key and a value that this rule is about, and none before it.
fn example(rule: &Rule, pattern: &str, values: Values) -> (String, String) {
    let key = pattern.replace('*', "example");
    let listed: Vec<String> = match values {
        Values::Is(list) => list.iter().map(|value| value.to_uppercase()).collect(),
        Values::Containing(list) => list
            .iter()
            .map(|part| format!("com.example.{}X", part.to_uppercase()))
            .collect(),
        Values::Any | Values::Except(_) | Values::Renaming => ["Other", "true", "false", "example"]
            .map(str::to_owned)
            .into(),
    };
    let covered = listed
        .into_iter()
        .find(|value| Rule::of(&key, value).is_some_and(|found| std::ptr::eq(found, rule)));
    let value =
        covered.unwrap_or_else(|| panic!("{pattern} {values:?} is hidden by a rule before it"));
    (key, value)
}

/// Tables of ours with this setting, in each place where it can stand.
fn tables_with(key: &str, value: &str) -> Vec<(Place, Map<String, Value>)> {
    let mut tables = Vec::new();
    let mut add = |place, pointer: &[&str], value: Value| {
        let mut table = ours();
        set(&mut table, pointer, value);
        tables.push((place, input(table)));
    };
    if FIELDS.contains(&key) {
        let pointer: Vec<&str> = key.split('.').collect();
        let value = match pointer[pointer.len() - 1] {
            "BucketColumns" | "SortColumns" | "AdditionalLocations" => json!([value]),
            "SkewedInfo" => json!({"SkewedColumnNames": [value]}),
            "TargetTable" | "SchemaReference" => json!({"Name": value}),
            "StoredAsSubDirectories" => json!(true),
            _ => json!(value),
        };
        add(Place::Definition, &pointer, value);
        return tables;
    }
    let storage = "StorageDescriptor";
    add(Place::Table, &["Parameters", key], json!(value));
    add(Place::Table, &[storage, "Parameters", key], json!(value));
    let serde = [storage, "SerdeInfo", "Parameters", key];
    add(Place::Serde, &serde, json!(value));
    tables
}

/// Whether the setting is in the table, in any place.
fn has(input: &Map<String, Value>, key: &str, value: &str) -> bool {
    settings(input)
        .iter()
        .any(|setting| setting.key == key && setting.value == value)
}

#[test]
fn every_rule_holds_in_every_place_to_append_and_to_replace() {
    let mut seen = 0;
    for rule in RULES {
        for (pattern, values) in rule.settings {
            let (key, value) = example(rule, pattern, *values);
            for (place, table) in tables_with(&key, &value) {
                let what = format!("{pattern} {value} {place:?} {rule:?}");
                let (append, replace) = match rule.treatment {
                    Treatment::Keep | Treatment::Drop => (true, true),
                    Treatment::RefuseToAppend => (false, true),
                    Treatment::Refuse => (false, false),
                };
                assert_eq!(allowed(&table), (append, replace), "{what}");
                if !replace {
                    continue;
                }
                let after = replaced(&table);
                // What this program sets is there with its own value.
                let stays = rule.treatment == Treatment::Keep && !is_ours(place, &key);
                assert_eq!(has(&after, &key, &value), stays, "{what}: {after:?}");
                let is_dropped = rule.treatment != Treatment::Keep;
                assert_eq!(
                    dropped(&table, FORMAT) == [key.clone()],
                    is_dropped,
                    "{what}"
                );
                assert_eq!(allowed(&after), (true, true), "{what}: {after:?}");
                assert_eq!(
                    dropped(&after, FORMAT),
                    Vec::<String>::new(),
                    "{what}: {after:?}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen} settings");
}

/// Whether this program sets it.
fn is_ours(place: Place, key: &str) -> bool {
    match place {
        Place::Serde => key == "serialization.format",
        _ => ours()["Parameters"].get(key).is_some(),
    }
}

#[test]
fn parameters_of_a_serde_stay_with_it() {
    let serde = ["StorageDescriptor", "SerdeInfo"];
    let parameters = json!({
        "ignore.malformed.json": "true", "case.insensitive": "false", "mapping.id": "userId", "paths": "id",
        "serialization.format": "1", "x": "y",
    });
    for (library, kept, gone) in [
        (
            "org.openx.data.jsonserde.JsonSerDe",
            json!({"ignore.malformed.json": "true", "serialization.format": "1"}),
            &["case.insensitive", "mapping.id", "paths", "x"][..],
        ),
        (
            "org.apache.hive.hcatalog.data.JsonSerDe",
            json!({"serialization.format": "1"}),
            &[
                "case.insensitive",
                "ignore.malformed.json",
                "mapping.id",
                "paths",
                "x",
            ],
        ),
    ] {
        let mut table = ours();
        let info =
            json!({"SerializationLibrary": library, "Name": "mine", "Parameters": parameters});
        set(&mut table, &serde, info);
        let table = input(table);
        assert_eq!(dropped(&table, FORMAT), gone, "{library}");
        let after = Value::Object(replaced(&table));
        assert_eq!(
            after["StorageDescriptor"]["SerdeInfo"]["Parameters"], kept,
            "{library}"
        );
    }
}

/// A pointer, and what stands there.
type Placed = (Vec<&'static str>, Value);

/// Settings as users meet them, each with whether rows may be added and whether the table may be replaced; written down
/// apart from the rules.
fn known() -> Vec<(Placed, (bool, bool))> {
    let parameter =
        |key: &'static str, value: &'static str| (vec!["Parameters", key], json!(value));
    let serde = |key: &'static str, value: &'static str| {
        let pointer = vec!["StorageDescriptor", "SerdeInfo", "Parameters", key];
        (pointer, json!(value))
    };
    let storage = |key: &'static str, value: Value| (vec!["StorageDescriptor", key], value);
    let symlinks = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat";
    let hudi = "org.apache.hudi.hadoop.HoodieParquetInputFormat";
    let both = (true, true);
    let replace = (false, true);
    let neither = (false, false);
    vec![
        (parameter("skip.header.line.count", "1"), replace),
        (parameter("skip.header.line.count", "0"), both),
        (serde("skip.header.line.count", "1"), replace),
        (parameter("skip.footer.line.count", "2"), replace),
        (parameter("spark.sql.sources.provider", "delta"), neither),
        (parameter("spark.sql.sources.provider", "DELTA"), neither),
        (parameter("spark.sql.sources.provider", "hudi"), neither),
        (
            parameter("spark.sql.sources.provider", "org.apache.hudi"),
            neither,
        ),
        (parameter("spark.sql.sources.provider", "json"), replace),
        (parameter("spark.sql.sources.schema.part.0", "{}"), both),
        (parameter("table_type", "ICEBERG"), neither),
        (parameter("table_type", ""), both),
        (parameter("transactional", "true"), neither),
        (parameter("classification", "csv"), both),
        (parameter("projection.enabled", "false"), both),
        (parameter("projection.enabled", "true"), replace),
        (parameter("has_encrypted_data", "false"), both),
        (parameter("has_encrypted_data", "true"), replace),
        (parameter("exclusions", "[\"s3://b/**.tmp\"]"), replace),
        (parameter("exclusions", "[]"), both),
        (parameter("case.insensitive", "false"), replace),
        (parameter("owner_team", "finance"), both),
        (serde("mapping.userid", "userId"), both),
        (serde("mapping.userid", "user-id"), replace),
        (serde("case.insensitive", "false"), replace),
        (serde("case.insensitive", "TRUE"), both),
        (serde("dots.in.keys", "true"), replace),
        (serde("ignore.malformed.json", "true"), both),
        (serde("paths", "id,name"), both),
        (serde("serialization.encoding", "ISO-8859-1"), replace),
        (serde("path", "s3://elsewhere/"), replace),
        (serde("whatever", "1"), replace),
        (storage("InputFormat", json!(symlinks)), neither),
        (storage("InputFormat", json!(hudi)), neither),
        (
            storage(
                "InputFormat",
                json!("org.apache.hadoop.mapred.SequenceFileInputFormat"),
            ),
            replace,
        ),
        (storage("InputFormat", Value::Null), replace),
        (storage("BucketColumns", json!(["id"])), replace),
        (storage("BucketColumns", json!([])), both),
        (storage("Compressed", json!(false)), both),
        (
            storage(
                "SkewedInfo",
                json!({"SkewedColumnNames": [], "SkewedColumnValueLocationMaps": {}}),
            ),
            both,
        ),
        (
            storage("SchemaReference", json!({"SchemaId": {"SchemaName": "s"}})),
            replace,
        ),
        (storage("SchemaReference", json!({})), both),
        (
            storage("AdditionalLocations", json!(["s3://b/other/"])),
            neither,
        ),
        ((vec!["TableType"], json!("VIRTUAL_VIEW")), neither),
        ((vec!["TableType"], json!("GOVERNED")), neither),
        ((vec!["TableType"], json!("SOMETHING_NEW")), neither),
        ((vec!["TableType"], json!("MANAGED_TABLE")), both),
        ((vec!["TableType"], Value::Null), both),
        (
            (
                vec!["TargetTable"],
                json!({"DatabaseName": "d", "Name": "t"}),
            ),
            neither,
        ),
        (
            (
                vec!["PartitionKeys"],
                json!([{"Name": "day", "Type": "date"}]),
            ),
            neither,
        ),
    ]
}

#[test]
fn tables_of_others_are_appended_to_and_replaced_as_their_readers_allow() {
    for ((pointer, value), expected) in known() {
        let mut table = ours();
        set(&mut table, &pointer, value.clone());
        assert_eq!(allowed(&input(table)), expected, "{pointer:?} {value}");
    }
}

#[test]
fn the_swap_of_a_csv_table_leaves_nothing_of_csv() {
    let csv = json!({
        "Name": "t",
        "TableType": "MANAGED_TABLE",
        "PartitionKeys": [],
        "Owner": "finance",
        "Parameters": {
            "EXTERNAL": "FALSE", "classification": "csv", "compressionType": "none", "delimiter": ",",
            "skip.header.line.count": "1", "recordCount": "12", "owner_team": "finance", "typeOfData": "file",
        },
        "StorageDescriptor": {
            "Columns": [],
            "Location": "s3://b/csv/",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "Compressed": false,
            "NumberOfBuckets": 4,
            "BucketColumns": ["id"],
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"field.delim": ",", "serialization.format": ","},
            },
            "Parameters": {"classification": "csv", "skip.header.line.count": "1", "delimiter": ","},
        },
    });
    let csv = input(csv);
    assert_eq!(allowed(&csv), (false, true));
    assert_eq!(
        dropped(&csv, FORMAT),
        [
            "StorageDescriptor.BucketColumns",
            "delimiter",
            "field.delim",
            "recordCount",
            "skip.header.line.count"
        ]
    );
    let new = definition::new("t", "s3://b/t/g2/", &[], &[], FORMAT);
    let mut expected = Value::Object(new);
    for (pointer, value) in [
        (&["Owner"][..], json!("finance")),
        (&["Parameters", "owner_team"], json!("finance")),
        (
            &["StorageDescriptor", "Parameters"],
            json!({"classification": "json"}),
        ),
    ] {
        set(&mut expected, pointer, value);
    }
    assert_eq!(replaced(&csv), input(expected));
}

#[test]
fn an_error_names_the_setting_and_shows_no_unknown_value() {
    let error = |pointer: &[&str], value: &str, purpose| {
        let mut table = ours();
        set(&mut table, pointer, json!(value));
        let refused = match purpose {
            Purpose::Append => definition::refuse_unwritable(&input(table), &target()),
            Purpose::Replace => definition::refuse_replacing(&input(table), &target()),
        };
        refused.unwrap_err().to_string()
    };
    let serde = ["StorageDescriptor", "SerdeInfo", "Parameters"];
    assert_eq!(
        error(
            &["Parameters", "skip.header.line.count"],
            "1",
            Purpose::Append
        ),
        "the table d.t has the parameter skip.header.line.count = \"1\": readers skip lines of each object, and every \
         line is a row; remove that from the table if it does not hold, or overwrite the table, or write to another \
         database"
    );
    let text = error(
        &[&serde[..], &["password"]].concat(),
        "hunter2",
        Purpose::Append,
    );
    assert!(
        text.contains("the SerDe parameter password: it is not known"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
    let text = error(
        &["Parameters", "spark.sql.sources.provider"],
        "delta",
        Purpose::Replace,
    );
    assert!(
        text.contains("= \"delta\": another program manages its rows"),
        "{text}"
    );
    assert!(
        text.ends_with("; drop that table from the catalog, or write to another database"),
        "{text}"
    );
}
