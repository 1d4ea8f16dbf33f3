//! Clients of other people: PyAirbyte writes, which numbers every generation and every sync 1, and awswrangler reads.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::cloud::Account;
use crate::support::file;
use crate::support::messages::{catalog, complete, record, state, stream};
use crate::support::program::Program;
use crate::support::skip::skip;

/// The streams of the source that are synced.
const STREAMS: [&str; 2] = ["users", "products"];

/// PyAirbyte, which keeps the states that it was given.
struct PyAirbyte<'a> {
    process: Child,
    answers: BufReader<std::process::ChildStdout>,
    account: &'a Account,
}

impl<'a> PyAirbyte<'a> {
    fn start(account: &'a Account) -> Self {
        let mut process = Command::new(file("target/pyairbyte/bin/python"))
            .arg(file("tests/support/pyairbyte.py"))
            .arg(env!("CARGO_BIN_EXE_destination-aws-datalake"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()) // its progress
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            answers,
            account,
        }
    }

    /// Does a sync; the number of records that the source sent of each stream, or nothing where the sync failed.
    fn sync(&mut self, mut job: Value) -> Option<[usize; 2]> {
        job["config"] = self.account.config();
        job["config"]["checkpoint_interval_minutes"] = 0.into();
        let mut stdin = self.process.stdin.as_ref().unwrap();
        writeln!(stdin, "{job}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(
            answer["sent"].is_object() != job["kill"].is_object(),
            "{job}: {line}"
        );
        let count = |stream: &str| usize::try_from(answer["sent"][stream].as_u64()?).ok();
        Some([count(STREAMS[0])?, count(STREAMS[1])?])
    }

    /// How many rows of each stream readers see.
    fn rows(&self) -> [usize; 2] {
        STREAMS.map(|stream| self.account.read(stream).rows.len())
    }
}

impl Drop for PyAirbyte<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn pyairbyte_finds_as_many_rows_as_its_source_sent() {
    if !file("target/pyairbyte/ready").exists() {
        skip!("no target/pyairbyte: `make test-clients` sets it up");
    }
    let account = Account::new();
    let mut client = PyAirbyte::start(&account);
    let append = json!({"strategy": "append", "users": 60});
    assert_eq!(client.sync(append.clone()), Some([60, 60]));
    assert_eq!(client.rows(), [60, 60]);
    // Incremental, after the state of the first: its source sends its users again, as if they had changed.
    let [users, products] = client.sync(append.clone()).unwrap();
    assert_eq!(client.rows(), [60 + users, 60 + products]);
    let rows = client.rows();
    // In the middle of the first stream, before its state.
    let mut killed = append.clone();
    killed["kill"] = json!({"lines": 40});
    assert_eq!(client.sync(killed), None);
    let [users, products] = client.sync(append).unwrap();
    assert_eq!(client.rows(), [rows[0] + users, rows[1] + products]);
    // Everything anew, twice, with another number of rows.
    for count in [50, 40] {
        let replace = json!({"strategy": "replace", "users": count, "full": true});
        assert_eq!(client.sync(replace), Some([count, count]));
        assert_eq!(client.rows(), [count, count]);
    }
    // One that dies leaves the old rows, and the next one replaces them.
    let replace = json!({"strategy": "replace", "users": 30, "full": true});
    let mut killed = replace.clone();
    killed["kill"] = json!({"lines": 20});
    assert_eq!(client.sync(killed), None);
    assert_eq!(client.rows(), [40, 40]);
    assert_eq!(client.sync(replace), Some([30, 30]));
    assert_eq!(client.rows(), [30, 30]);
}

#[test]
fn awswrangler_reads_the_partitions_of_a_parquet_table() {
    let python = "target/awswrangler/bin/python";
    if !file("target/awswrangler/ready").exists() {
        skip!("no target/awswrangler: `make test-clients` sets it up");
    }
    let account = Account::new();
    let mut config = account.config();
    config["format"] = json!({"format_type": "Parquet"});
    config["partitioning"] = "DATE".into();
    let at = json!({"type": "string", "format": "date-time"});
    let country = json!({"type": ["null", "string"]});
    let properties = json!({"id": {"type": "integer"}, "at": at, "country": country});
    let mut orders = stream("orders", "append", &properties);
    orders["cursor_field"] = json!(["at"]);
    for round in 0..2 {
        let order = |id: u64| {
            let at = format!("2024-03-0{}T23:30:00Z", id % 3 + 1);
            let country = ["DE", "AT/CH", ""][usize::try_from(id % 3).unwrap()];
            record("orders", &json!({"id": id, "at": at, "country": country}))
        };
        let rows: String = (round * 6..round * 6 + 6).map(order).collect();
        Program::write(&config, &catalog(std::slice::from_ref(&orders)))
            .stdin(rows + &state("orders", round) + &complete("orders"))
            .run()
            .succeeded();
    }
    let (key, secret) = account.keys();
    let asked = json!({
        "endpoint": Account::endpoint(), "key": key, "secret": secret, "database": account.database, "table": "orders",
        "key_column": "at_date",
    });
    let mut reader = Command::new(file(python))
        .arg(file("tests/support/wrangler.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = reader.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = reader.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let days = json!({
        "2024-03-01": [0, 3, 6, 9], "2024-03-02": [1, 4, 7, 10], "2024-03-03": [2, 5, 8, 11],
    });
    assert_eq!(answer["ids"], days);
    assert_eq!(answer["first"], days["2024-03-01"]);
    assert_eq!(answer["countries"], json!(["", "AT/CH", "DE"]));
    assert_eq!(answer["types"]["at"], "datetime64[us, UTC]");
    assert_eq!(answer["types"]["id"], "Int64");
}
