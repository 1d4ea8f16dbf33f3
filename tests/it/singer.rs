//! `load --input singer`: messages that are made here, and taps of other people: one that reads CSV objects of S3, and
//! Meltano's SDK over SQLite.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::cloud::{Account, tools};
use crate::support::file;
use crate::support::local::{columns, ended, ids, left, load, table};
use crate::support::program::{Output, Program};

/// Messages, one a line.
pub(crate) fn lines(messages: &[Value]) -> String {
    messages
        .iter()
        .map(|message| format!("{message}\n"))
        .collect()
}

pub(crate) fn schema(stream: &str, properties: &Value) -> Value {
    json!({"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []})
}

pub(crate) fn row(stream: &str, id: u64) -> Value {
    json!({"type": "RECORD", "stream": stream, "record": {"id": id}})
}

pub(crate) fn value(id: u64) -> Value {
    json!({"type": "STATE", "value": {"bookmarks": {"id": id}}})
}

fn singer(lake: &Path, messages: &[Value]) -> Output {
    load(lake, &["--input", "singer"])
        .stdin(lines(messages))
        .run()
}

#[test]
fn a_tap_s_states_come_out_once_their_rows_are_durable() {
    let folder = tempfile::tempdir().unwrap();
    let id = json!({"id": {"type": "integer"}});
    let wider = json!({"id": {"type": "integer"}, "name": {"type": ["null", "string"]}});
    let named = json!({"type": "RECORD", "stream": "users", "record": {"id": 2, "name": "x"}});
    let output = singer(
        folder.path(),
        &[
            schema("users", &id),
            row("users", 1),
            value(1),
            schema("public-orders", &id),
            row("public-orders", 7),
            schema("users", &wider),
            named,
            value(2),
            schema("none", &id),
        ],
    );
    ended(&output, 0, &[]);
    assert_eq!(
        output.stdout,
        "{\"bookmarks\":{\"id\":1}}\n{\"bookmarks\":{\"id\":2}}\n"
    );
    let (entry, rows) = table(folder.path(), "users");
    assert_eq!(columns(&entry), ["id bigint", "name string"]);
    assert_eq!(Value::from(rows[1].clone()), json!({"id": 2, "name": "x"}));
    assert_eq!(ids(&table(folder.path(), "public_orders").1), [7]);
    assert_eq!(columns(&table(folder.path(), "none").0), ["id bigint"]);
}

#[test]
fn a_tap_that_breaks_leaves_what_its_last_state_covers() {
    let folder = tempfile::tempdir().unwrap();
    let id = json!({"id": {"type": "integer"}});
    let output = singer(
        folder.path(),
        &[
            schema("users", &id),
            row("users", 1),
            value(1),
            row("users", 2),
            row("others", 3),
        ],
    );
    ended(&output, 1, &["line 5 of stdin", "a SCHEMA message before"]);
    assert_eq!(output.stdout, "{\"bookmarks\":{\"id\":1}}\n");
    assert_eq!(ids(&table(folder.path(), "users").1), [1]);
}

#[test]
fn a_tap_that_breaks_leaves_tables_only_of_rows_that_a_state_covers() {
    let lake = tempfile::tempdir().unwrap();
    let id = json!({"id": {"type": "integer"}});
    let messages = [
        schema("covered", &id),
        row("covered", 1),
        value(1),
        schema("open", &id),
        row("open", 1),
        schema("empty", &id),
    ];
    let run = |end: &str| {
        load(lake.path(), &["--input", "singer"])
            .stdin(lines(&messages) + end)
            .run()
    };
    ended(&run("{"), 1, &["line 7 of stdin"]);
    assert_eq!(left(lake.path()).0, ["covered.json"]);
    ended(&run(""), 0, &[]);
    assert_eq!(ids(&table(lake.path(), "covered").1), [1, 1]);
    assert_eq!(ids(&table(lake.path(), "open").1), [1]);
    assert_eq!(columns(&table(lake.path(), "empty").0), ["id bigint"]);
}

/// A tap in its own environment of Python, which `make test` sets up.
struct Tap {
    /// The program and its first arguments.
    command: Vec<std::path::PathBuf>,
    /// The option that names its catalog.
    catalog: &'static str,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Tap {
    fn new(command: &[&str], catalog: &'static str, config: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        Self {
            command: command.iter().map(|path| file(path)).collect(),
            catalog,
            folder,
            environment: Vec::new(),
        }
    }

    fn run(&self, arguments: &[&str]) -> String {
        assert!(
            self.command[0].exists(),
            "no {}: `make test` sets the taps up",
            self.command[0].display()
        );
        let output = Command::new(&self.command[0])
            .args(&self.command[1..])
            .args(["--config", "config.json"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}\n{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Finds streams and selects them all; `metadata` is put over each one's own.
    fn discover(&self, metadata: impl Fn(&str) -> Value) {
        let mut catalog: Value = serde_json::from_str(&self.run(&["--discover"])).unwrap();
        for stream in catalog["streams"].as_array_mut().unwrap() {
            let more = metadata(stream["tap_stream_id"].as_str().unwrap());
            for entry in stream["metadata"].as_array_mut().unwrap() {
                if entry["breadcrumb"] == json!([]) {
                    let entry = entry["metadata"].as_object_mut().unwrap();
                    entry.insert("selected".to_owned(), true.into());
                    entry.extend(more.as_object().unwrap().clone());
                }
            }
        }
        let path = self.folder.path().join("catalog.json");
        std::fs::write(path, catalog.to_string()).unwrap();
    }

    /// What it says when it goes on from this state.
    fn sync(&self, state: &str) -> Said {
        std::fs::write(self.folder.path().join("state.json"), state).unwrap();
        Said(self.run(&[self.catalog, "catalog.json", "--state", "state.json"]))
    }
}

/// A tap's output.
struct Said(String);

impl Said {
    fn of_type(&self, kind: &str) -> Vec<Value> {
        let messages = self
            .0
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let messages: Vec<Value> = messages.collect();
        let wanted = messages.into_iter();
        wanted.filter(|message| message["type"] == kind).collect()
    }

    /// The records of a stream.
    fn records(&self, stream: &str) -> Vec<Map<String, Value>> {
        let records = self.of_type("RECORD").into_iter();
        records
            .filter(|message| message["stream"] == stream)
            .map(|message| message["record"].as_object().unwrap().clone())
            .collect()
    }

    /// All its states were printed, each once, in order and nothing else; the last of them, to go on from.
    #[track_caller]
    fn acknowledged_by<'a>(&self, output: &'a Output) -> &'a str {
        ended(output, 0, &["done after"]);
        let states = self.of_type("STATE");
        let states: Vec<&Value> = states.iter().map(|message| &message["value"]).collect();
        let printed: Vec<&Value> = output.messages.iter().collect();
        assert_eq!(printed, states, "{}", output.report());
        output.stdout.lines().last().unwrap()
    }
}

/// The values of a key, sorted.
fn sorted(rows: &[Map<String, Value>], key: &str) -> Vec<String> {
    let mut values: Vec<_> = rows.iter().map(|row| row[key].to_string()).collect();
    values.sort();
    values
}

#[test]
fn a_tap_of_csv_objects_goes_on_from_its_last_state() {
    let account = Account::new();
    let put = |key: &str, text: &str| {
        tools().call(
            "put",
            json!({"bucket": account.bucket, "key": key, "text": text}),
        );
    };
    put(
        "csv/1.csv",
        "id,name,note\n1,Ada,\n2,Grace,\"a, \"\"b\"\"\"\n",
    );
    put("csv/2.csv", "id,name,note\n3,Zoë,über\n");
    let (key, secret) = account.keys();
    let mut tap = Tap::new(
        &["target/tap-s3-csv/bin/tap-s3-csv"],
        "--properties",
        &json!({
            "start_date": "2000-01-01T00:00:00Z",
            "bucket": account.bucket,
            "aws_endpoint_url": Account::s3_endpoint(),
            "tables": [{"table_name": "people", "search_prefix": "csv/", "search_pattern": "csv$"}],
        }),
    );
    tap.environment = [
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        // It first looks whether AWS itself would let it in; nothing listens there.
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    tap.discover(|_| json!({}));
    let place = format!("s3://{}/raw", account.bucket);
    let load = |said: &Said| {
        Program::new(&["load", &place, "--input", "singer", "--database"])
            .argument(&account.database)
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", Account::endpoint())
            .stdin(said.0.clone())
            .run()
    };
    let first = tap.sync("{}");
    let output = load(&first);
    let state = first.acknowledged_by(&output);
    assert!(state.contains("modified_since"), "{state}");
    let rows = account.read("people").rows;
    assert_eq!(sorted(&rows, "id"), ["\"1\"", "\"2\"", "\"3\""]);
    for record in first.records("people") {
        let same = |row: &&Map<String, Value>| {
            let keys = [
                "id",
                "name",
                "note",
                "_sdc_source_file",
                "_sdc_source_lineno",
            ];
            keys.iter().all(|key| row[*key] == record[*key])
        };
        assert_eq!(
            rows.iter().filter(same).count(),
            1,
            "{record:?} in {rows:?}"
        );
    }
    // S3 gives the time of an object in whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    put("csv/3.csv", "id,name,note\n4,Edsger,new\n");
    let second = tap.sync(state);
    assert_eq!(second.records("people").len(), 1);
    let output = load(&second);
    assert_ne!(second.acknowledged_by(&output), state);
    let rows = account.read("people").rows;
    assert_eq!(sorted(&rows, "id"), ["\"1\"", "\"2\"", "\"3\"", "\"4\""]);
}

fn load_into(lake: &TempDir, mode: &str, said: &Said) -> Output {
    load(lake.path(), &["--input", "singer", "--mode", mode])
        .stdin(said.0.clone())
        .run()
}

#[test]
fn a_tap_of_meltano_s_sdk_adds_to_its_tables_or_replaces_them() {
    let lake = tempfile::tempdir().unwrap();
    let tap = Tap::new(
        &[
            "target/singer-sdk/bin/python",
            "tests/support/tap_sqlite.py",
        ],
        "--catalog",
        &json!({"path": "shop.db", "emit_activate_version_messages": true}),
    );
    let execute = |statements: &str| {
        let script = "import sqlite3, sys; sqlite3.connect('shop.db').executescript(sys.argv[1])";
        let mut python = Command::new(&tap.command[0]);
        let python = python.args(["-c", script, statements]);
        assert!(
            python
                .current_dir(tap.folder.path())
                .status()
                .unwrap()
                .success()
        );
    };
    execute(
        "CREATE TABLE countries (code TEXT PRIMARY KEY, name TEXT);
         INSERT INTO countries VALUES ('de', 'Germany'), ('fr', 'France'), ('yu', 'Yugoslavia');
         CREATE TABLE orders (id INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL, day DATE, price DECIMAL(9, 2),
             note TEXT, paid BOOLEAN);
         INSERT INTO orders VALUES
             (1, '2026-11-20 09:15:51.250000', '2026-11-20', 19.99, 'né \"x\"', 1),
             (2, '2026-11-21 00:00:00.000000', NULL, 1e6, NULL, 0);",
    );
    tap.discover(|stream| match stream {
        "main-orders" => json!({"replication-method": "INCREMENTAL", "replication-key": "at"}),
        _ => json!({"replication-method": "FULL_TABLE"}),
    });
    let replaced = tempfile::tempdir().unwrap();
    let replace = |said: &Said| load_into(&replaced, "overwrite", said);
    let singer = |said: &Said| load_into(&lake, "append", said);
    let first = tap.sync("{}");
    assert_eq!(first.of_type("ACTIVATE_VERSION").len(), 1);
    let output = singer(&first);
    let state = first.acknowledged_by(&output);
    first.acknowledged_by(&replace(&first));
    let (entry, rows) = table(lake.path(), "main_orders");
    assert_eq!(
        columns(&entry),
        [
            "id bigint",
            "at timestamp",
            "day date",
            "price double",
            "note string",
            "paid boolean"
        ]
    );
    assert_eq!(
        rows.into_iter().map(Value::from).collect::<Vec<_>>(),
        [
            json!({"id": 1, "at": "2026-11-20 09:15:51.250", "day": "2026-11-20", "price": 19.99,
                "note": "né \"x\"", "paid": true}),
            json!({"id": 2, "at": "2026-11-21 00:00:00", "price": 1_000_000.0, "paid": false}),
        ]
    );
    let countries = |lake: &TempDir| sorted(&table(lake.path(), "main_countries").1, "code");
    let three = ["\"de\"", "\"fr\"", "\"yu\""];
    assert_eq!(
        (countries(&lake), countries(&replaced)),
        (three.map(Into::into).into(), three.map(Into::into).into())
    );
    // Its versions are whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    execute(
        "DELETE FROM countries WHERE code = 'yu';
         INSERT INTO orders VALUES (3, '2026-11-22 09:15:51.000000', '2026-11-22', 5, 'new', 0);",
    );
    let second = tap.sync(state);
    let output = singer(&second);
    assert_ne!(second.acknowledged_by(&output), state);
    second.acknowledged_by(&replace(&second));
    // It activates a version before its records, and ends with a state.
    assert_eq!(second.of_type("ACTIVATE_VERSION").len(), 1);
    assert_eq!(countries(&lake).len(), 5);
    assert_eq!(countries(&replaced), ["\"de\"", "\"fr\""]);
    assert_eq!(ids(&table(replaced.path(), "main_orders").1), [3]);
    // Cut off within its records it leaves the old rows.
    let cut = first.0.rfind("{\"type\":\"RECORD\"").unwrap();
    let output = replace(&Said(first.0[..cut].to_owned()));
    ended(&output, 1, &["before it completed"]);
    assert_eq!(countries(&replaced), ["\"de\"", "\"fr\""]);
    assert_eq!(ids(&second.records("main-orders")), [3]);
    assert_eq!(ids(&table(lake.path(), "main_orders").1), [1, 2, 3]);
}
