//! Tables that the Python connector made are gone on with: fixtures/upstream has ten cases of what version 0.1.35 left,
//! with the configurations and the messages that it was given.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::cloud::{Account, tools};
use crate::support::file;
use crate::support::messages::{catalog, person, stream};
use crate::support::program::{Output, Program};

/// One case in an account of its own.
struct Case {
    account: Account,
    case: Value,
}

impl Case {
    /// What the connector left, in the account's bucket and database.
    fn rebuilt(name: &str) -> Self {
        let account = Account::new();
        let path = file(&format!("fixtures/upstream/{name}.json"));
        let text = std::fs::read_to_string(path).unwrap();
        let text = text
            .replace("lake-bucket", &account.bucket)
            .replace("analytics", &account.database)
            .replace("Sales-EU", &format!("Sales-EU-{}", account.name));
        let case: Value = serde_json::from_str(&text).unwrap();
        tools().call("rebuild", json!({"case": case}));
        Self { account, case }
    }

    /// Its configuration as Airbyte stored it, for the account's user.
    fn config(&self) -> Value {
        let mut config = self.case["config"].clone();
        config["credentials"] = self.account.user();
        config["endpoint_url"] = Account::endpoint().into();
        config
    }

    /// The same records in one more sync.
    fn sync(&self) -> Output {
        self.sync_in("append")
    }

    /// The same records in a sync in this mode.
    fn sync_in(&self, mode: &str) -> Output {
        let mut catalog = self.case["catalog"].clone();
        for stream in catalog["streams"].as_array_mut().unwrap() {
            stream["destination_sync_mode"] = mode.into();
        }
        self.sync_with(&self.config(), &catalog)
    }

    fn sync_with(&self, config: &Value, catalog: &Value) -> Output {
        let messages = self.case["messages"].as_array().unwrap();
        let lines: Vec<String> = messages
            .iter()
            .map(|message| format!("{message}\n"))
            .collect();
        Program::write(config, catalog).stdin(lines.concat()).run()
    }

    /// Databases and names of its tables.
    fn tables(&self) -> Vec<(String, String)> {
        let databases = self.case["databases"].as_array().unwrap().iter();
        let tables = databases.flat_map(|database| {
            let name = database["input"]["Name"].as_str().unwrap().to_lowercase();
            let tables = database["tables"].as_array().unwrap().iter();
            tables.map(move |table| {
                (
                    name.clone(),
                    table["input"]["Name"].as_str().unwrap().to_owned(),
                )
            })
        });
        tables.collect()
    }

    fn lines(&self) -> u64 {
        let tables = self.tables().into_iter();
        let lines = tables.map(|(database, table)| {
            let lines = tools().call("lines", json!({"database": database, "table": table}));
            lines.as_u64().unwrap()
        });
        lines.sum()
    }

    /// The objects that the connector wrote, with their bytes as text.
    fn objects(&self) -> Vec<Value> {
        let objects = self.case["objects"].as_array().unwrap().iter();
        let read = |object: &Value| {
            let key = json!({"bucket": self.account.bucket, "key": object["key"]});
            tools().call("object_text", key)
        };
        objects.map(read).collect()
    }

    /// The locations of the first table's partitions, by their values.
    fn partitions(&self) -> BTreeMap<String, String> {
        let (database, table) = &self.tables()[0];
        let found = tools().call("partitions", json!({"database": database, "table": table}));
        let found = found.as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pair = |partition: &Value| {
            let values = partition["Values"].as_array().unwrap().iter().map(text);
            let values: Vec<String> = values.collect();
            (
                values.join("/"),
                text(&partition["StorageDescriptor"]["Location"]),
            )
        };
        found.map(pair).collect()
    }

    /// The columns of the first table, as Glue has them.
    fn columns(&self) -> Vec<(String, String)> {
        let (database, table) = &self.tables()[0];
        let table = tools().call("definition", json!({"database": database, "table": table}));
        let columns = table["StorageDescriptor"]["Columns"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pair = |column: &Value| (text(&column["Name"]), text(&column["Type"]));
        columns.iter().map(pair).collect()
    }
}

#[test]
fn rows_are_added_to_tables_of_json_lines_and_nothing_of_them_changes() {
    for name in [
        "jsonl-gzip-append",
        "jsonl-decimal",
        "jsonl-namespace",
        "types",
        "two-dash",
    ] {
        let case = Case::rebuilt(name);
        let (lines, objects, columns) = (case.lines(), case.objects(), case.columns());
        case.sync().succeeded();
        let sent = case.case["rows_sent"].as_u64().unwrap();
        assert_eq!(case.lines(), lines + sent, "{name}");
        assert_eq!(case.objects(), objects, "{name}");
        if name != "types" {
            // There an integer gets wider, and a struct gets fields.
            assert_eq!(case.columns()[..columns.len()], columns, "{name}");
        }
    }
}

#[test]
fn rows_are_added_to_the_partitions_of_the_connector_and_to_new_ones() {
    for (name, null) in [
        ("part-date", "__HIVE_DEFAULT_PARTITION__"),
        ("part-year-month", "0/0"),
    ] {
        let case = Case::rebuilt(name);
        let (lines, objects) = (case.lines(), case.objects());
        case.sync().succeeded();
        let sent = case.case["rows_sent"].as_u64().unwrap();
        assert_eq!(case.lines(), lines + sent, "{name}");
        assert_eq!(case.objects(), objects, "{name}");
        let partitions = case.partitions();
        assert!(partitions.contains_key(null), "{name}: {partitions:?}");
        for (values, location) in &partitions {
            let folder = location.split("/orders/").nth(1).unwrap();
            let expected = folder
                .trim_end_matches('/')
                .split('/')
                .map(|part| part.split_once('=').unwrap().1);
            assert_eq!(*values, expected.collect::<Vec<_>>().join("/"), "{name}");
        }
    }
}

#[test]
fn an_overwrite_keeps_types_and_moves_with_a_warning() {
    for (name, retyped) in [
        ("part-date", vec![]),
        ("part-year-month", vec![]),
        ("jsonl-gzip-append", vec![]),
        ("jsonl-decimal", vec![]),
        ("jsonl-namespace", vec![]),
        // The streams `orders` and `orders-generations`.
        ("two-dash", vec![]),
        ("types", vec!["big_integer_n", "camelstruct"]),
    ] {
        let case = Case::rebuilt(name);
        let sent = case.case["rows_sent"].as_u64().unwrap();
        let columns = case.columns();
        let output = case.sync_in("overwrite");
        output.succeeded();
        assert_eq!(case.lines(), sent, "{name}");
        for (column, now) in columns.iter().zip(case.columns()) {
            let is_retyped = retyped.contains(&&*column.0);
            assert_eq!(*column != now, is_retyped, "{name}: {column:?} {now:?}");
            let warned = format!("$.{}", column.0);
            let has_warning = output
                .stdout
                .lines()
                .any(|line| line.contains("WARN") && line.contains(&warned));
            assert_eq!(has_warning, is_retyped, "{name}: {}", column.0);
        }
        assert!(
            output.stdout.contains("that connector cannot go on"),
            "{}",
            output.report()
        );
        let keys = case.account.keys_in_bucket();
        let theirs = case.case["objects"].as_array().unwrap().iter();
        for object in theirs {
            assert!(
                !keys.contains(&object["key"].as_str().unwrap().to_owned()),
                "{name}"
            );
        }
        // The rows are as the columns say.
        for (database, table) in case.tables() {
            Account::read_from(&database, &table);
        }
        case.sync().succeeded();
        assert_eq!(case.lines(), 2 * sent, "{name}");
        // The second time nothing moves from the connector's folder, and the types stay once more.
        let columns = case.columns();
        let output = case.sync_in("overwrite");
        output.succeeded();
        assert!(
            !output.stdout.contains("that connector cannot go on"),
            "{name}"
        );
        assert_eq!(case.lines(), sent, "{name}");
        assert_eq!(case.columns(), columns, "{name}");
    }
}

#[test]
fn generations_are_placed_where_the_configuration_says() {
    let case = Case::rebuilt("two-dash");
    let sent = case.case["rows_sent"].as_u64().unwrap();
    let mut config = case.config();
    config["generations_prefix"] = "moved/here".into();
    let mut catalog = case.case["catalog"].clone();
    for stream in catalog["streams"].as_array_mut().unwrap() {
        stream["destination_sync_mode"] = "overwrite".into();
    }
    for _ in 0..2 {
        case.sync_with(&config, &catalog).succeeded();
        assert_eq!(case.lines(), sent);
        let rows = case.account.keys_in_bucket();
        let mut rows = rows.iter().filter(|key| !key.contains("/_datalake/"));
        assert!(rows.all(|key| key.starts_with("moved/here/")), "{rows:?}");
    }
}

#[test]
fn tables_of_other_formats_are_refused_by_name_and_stay() {
    let case = Case::rebuilt("governed");
    let (lines, objects) = (case.lines(), case.objects());
    for mode in ["append", "overwrite"] {
        let said = case.sync_in(mode).failed().to_string();
        assert!(said.contains("governed"), "{said}");
    }
    assert_eq!((case.lines(), case.objects()), (lines, objects));
}

#[test]
fn the_database_of_a_namespace_that_is_no_plain_name_is_found_again() {
    let account = Account::new();
    let namespace = format!("My Source.v{}", account.name);
    let database = namespace.to_lowercase();
    let own = database.replace([' ', '.', '-'], "_");
    let mut people = stream("people", "append", &json!({"id": {"type": "integer"}}));
    people["stream"]["namespace"] = namespace.as_str().into();
    let record = person("people", 1).replace(
        "\"stream\":",
        &format!("\"namespace\":\"{namespace}\",\"stream\":"),
    );
    let sync = || {
        account
            .write(&catalog(&[people.clone()]))
            .stdin(record.clone())
            .run()
            .succeeded();
    };
    tools().call("database", json!({"name": database}));
    sync();
    sync();
    assert_eq!(Account::read_from(&database, "people").column("id"), [1, 1]);
    let databases = tools().call("databases", json!({}));
    let databases = databases.as_array().unwrap();
    assert!(!databases.contains(&json!(own)), "{databases:?}");
    // One that this program has made stays the one.
    tools().call("database", json!({"name": own}));
    sync();
    assert_eq!(Account::read_from(&own, "people").column("id"), [1]);
}
