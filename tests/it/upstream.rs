//! Tables that the Python connector made are gone on with: fixtures/upstream has ten cases of what version 0.1.35 left,
//! with the configurations and the messages that it was given.

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
        let messages = self.case["messages"].as_array().unwrap();
        let lines: Vec<String> = messages
            .iter()
            .map(|message| format!("{message}\n"))
            .collect();
        Program::write(&self.config(), &self.case["catalog"])
            .stdin(lines.concat())
            .run()
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
