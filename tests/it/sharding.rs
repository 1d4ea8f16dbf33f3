//! More than one machine: what packaging/shard offers, run as local processes that share one table or one connection.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::cloud::Account;
use crate::support::file;
use crate::support::image::{manifest, rootfs};
use crate::support::messages::{catalog, person, state, stream};

/// A container as a manifest has it: a command line and an environment.
struct Container {
    command: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Container {
    fn new(command: &[&Value], environment: &Value) -> Self {
        let words = command.iter().flat_map(|part| part.as_array().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let variables = environment.as_array().unwrap().iter();
        Self {
            command: words.map(text).collect(),
            environment: variables
                .map(|variable| (text(&variable["name"]), text(&variable["value"])))
                .collect(),
        }
    }

    /// Runs it once for each set of variables that tell a process its place, all at the same time: the same command
    /// with the same arguments in the shell of the image. Where the files and the lake are, the test says.
    fn run(&self, account: &Account, files: &Path, places: &[Vec<(&str, String)>]) {
        let image = rootfs("airbyte");
        let (key, secret) = account.keys();
        assert_eq!(self.command[0], "/bin/sh");
        let start = |place: &Vec<(&str, String)>| {
            Command::new(image.join("bin/sh"))
                .args(&self.command[1..])
                .env_clear()
                .envs(&self.environment)
                .env("FILES", files)
                .env("LAKE", format!("s3://{}/lake", account.bucket))
                .env("DATABASE", &account.database)
                .env("AIRBYTE_ENTRYPOINT", image.join("destination-aws-datalake"))
                .env("AWS_ACCESS_KEY_ID", key)
                .env("AWS_SECRET_ACCESS_KEY", secret)
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ENDPOINT_URL", Account::endpoint())
                .envs(place.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let started: Vec<_> = places.iter().map(start).collect();
        for (child, place) in started.into_iter().zip(places) {
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{place:?}: {}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

/// A folder of this many files of events with their schema, three rows each, the second packed by gzip.
fn events(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: String, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let schema = json!({"type": "object", "properties": {"id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}}});
    put("schema.json".to_owned(), schema.to_string().as_bytes());
    for number in 0..count {
        let rows: String = (number * 3..number * 3 + 3)
            .map(|id| format!("{{\"id\":{id},\"at\":\"2026-11-22T09:15:{id:02}Z\"}}\n"))
            .collect();
        if number == 1 {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(rows.as_bytes()).unwrap();
            put(format!("part {number}.jsonl.gz"), &packer.finish().unwrap());
        } else {
            put(format!("part {number}.jsonl"), rows.as_bytes());
        }
    }
    folder
}

/// More files than processes, then fewer, into the same table: each row is stored once.
fn loads_every_row_once(container: &Container, places: &[Vec<(&str, String)>]) {
    let account = Account::new();
    let table = &container.environment["TABLE"];
    container.run(&account, events(7).path(), places);
    assert_eq!(
        account.read(table).column("id"),
        (0..21).collect::<Vec<_>>()
    );
    container.run(&account, events(2).path(), places);
    let mut twice: Vec<_> = (0..21).chain(0..6).collect();
    twice.sort_unstable();
    assert_eq!(account.read(table).column("id"), twice);
}

#[test]
fn the_pods_of_an_indexed_job_load_every_row_once() {
    let job = manifest("packaging/shard/kubernetes-job.yaml");
    let spec = &job["spec"];
    assert_eq!(
        (&job["apiVersion"], &job["kind"]),
        (&json!("batch/v1"), &json!("Job"))
    );
    assert_eq!(spec["completionMode"], "Indexed");
    // What Kubernetes asks of a policy for failures and of one per index.
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], image_of_this_version());
    let container = Container::new(
        &[&container["command"], &container["args"]],
        &container["env"],
    );
    let count = spec["completions"].as_u64().unwrap();
    assert_eq!(container.environment["SHARDS"], count.to_string());
    let places: Vec<_> = (0..count)
        .map(|index| vec![("JOB_COMPLETION_INDEX", index.to_string())])
        .collect();
    loads_every_row_once(&container, &places);
}

#[test]
fn the_children_of_an_array_job_load_every_row_once() {
    let definition = manifest("packaging/shard/batch-definition.json");
    let job = manifest("packaging/shard/batch-job.json");
    assert_eq!(job["jobDefinition"], definition["jobDefinitionName"]);
    aws_knows(
        "RegisterJobDefinition",
        "packaging/shard/batch-definition.json",
    );
    aws_knows("SubmitJob", "packaging/shard/batch-job.json");
    let container = &definition["containerProperties"];
    let image = container["image"].as_str().unwrap();
    assert!(
        image.ends_with(&format!("/{}", image_of_this_version())),
        "{image}"
    );
    let container = Container::new(&[&container["command"]], &container["environment"]);
    let size = job["arrayProperties"]["size"].as_u64().unwrap();
    let place = |index: u64| {
        vec![
            ("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string()),
            ("AWS_BATCH_JOB_ARRAY_SIZE", size.to_string()),
        ]
    };
    loads_every_row_once(&container, &(0..size).map(place).collect::<Vec<_>>());
}

fn image_of_this_version() -> String {
    format!("destination-aws-datalake:{}", env!("CARGO_PKG_VERSION"))
}

/// AWS's own client has no objection to the file as the input of this operation of Batch.
#[track_caller]
fn aws_knows(operation: &str, path: &str) {
    let script = "import json, sys\n\
        from botocore.session import get_session\n\
        from botocore.validate import ParamValidator\n\
        shape = get_session().get_service_model('batch').operation_model(sys.argv[1]).input_shape\n\
        print(ParamValidator().validate(json.load(open(sys.argv[2])), shape).generate_report(), end='')";
    let output = Command::new(file("target/python/bin/python"))
        .args(["-c", script, operation])
        .arg(file(path))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(
        String::from_utf8_lossy(&said),
        "",
        "{operation} with {path}"
    );
}

#[test]
fn the_shares_of_a_connection_write_every_row_once() {
    let names = ["users", "orders", "products", "purchases", "returns"];
    let columns = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let streams = names
        .map(|name| json!({"name": name, "syncMode": "incremental_append", "cursorField": ["id"]}));
    let connection = json!({
        "connectionId": "9924bcd0-99be-453d-ba47-c2c9766f7da5",
        "name": "shop to lake",
        "sourceId": "95e66a59-8045-4307-9678-63bc3c9b8c93",
        "destinationId": "e478de0d-a3a0-475c-b019-25f7dd29e281",
        "workspaceId": "18dccc91-0ab1-4f72-9ed7-0b8fc27c5826",
        "status": "active",
        "schedule": {"scheduleType": "cron", "cronExpression": "0 0 * * * ? UTC"},
        "namespaceDefinition": "destination",
        "configurations": {"streams": streams},
        "createdAt": 1_795_337_257,
        "tags": [],
    });
    let calls = split(&connection, 2);
    let called: Vec<_> = calls.iter().map(|(call, _)| call.as_str()).collect();
    let id = connection["connectionId"].as_str().unwrap();
    assert_eq!(
        called,
        [
            format!("PATCH /connections/{id}"),
            "POST /connections".to_owned()
        ]
    );
    let new = &calls[1].1;
    for key in [
        "sourceId",
        "destinationId",
        "schedule",
        "namespaceDefinition",
    ] {
        assert_eq!(new[key], connection[key], "{key}");
    }
    assert_eq!(new["status"], "inactive");
    assert_eq!(new["name"], "shop to lake (2 of 2)");

    // As the platform runs them: each connection with a catalog of its streams, and its source with their records.
    let account = Account::new();
    std::thread::scope(|scope| {
        for (_, body) in &calls {
            let share = body["configurations"]["streams"].as_array().unwrap();
            let share: Vec<_> = share
                .iter()
                .map(|stream| stream["name"].as_str().unwrap())
                .collect();
            let catalog = catalog(
                &share
                    .iter()
                    .map(|name| stream(name, "append", &columns))
                    .collect::<Vec<_>>(),
            );
            let input: String = share
                .iter()
                .flat_map(|name| (0..10).map(|id| person(name, id)).chain([state(name, 9)]))
                .collect();
            let sync = account.write(&catalog).stdin(input);
            scope.spawn(move || sync.run().succeeded().states().len());
        }
    });
    for name in names {
        assert_eq!(
            account.read(name).column("id"),
            (0..10).collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[test]
fn a_connection_that_cannot_be_split_is_refused() {
    let connection = json!({
        "connectionId": "id", "name": "n", "schedule": {"scheduleType": "manual"},
        "configurations": {"streams": [{"name": "a"}, {"name": "b"}]},
    });
    let mut basic = connection.clone();
    basic["schedule"]["scheduleType"] = "basic".into();
    for (connection, number, part) in [
        (&connection, "3", "from 2 to 2"),
        (&connection, "1", "from 2 to 2"),
        (&connection, "many", "usage"),
        (&basic, "2", "basic schedule"),
    ] {
        let (stdout, stderr) = run_split(connection, number);
        assert!(
            stdout.is_empty() && stderr.contains(part),
            "{number}: {stderr}"
        );
    }
}

fn split(connection: &Value, number: usize) -> Vec<(String, Value)> {
    let (stdout, stderr) = run_split(connection, &number.to_string());
    assert_eq!(stderr, "");
    let call = |line: &str| {
        let (call, body) = line.split_once(" {").unwrap();
        (
            call.to_owned(),
            serde_json::from_str(&format!("{{{body}")).unwrap(),
        )
    };
    stdout.lines().map(call).collect()
}

fn run_split(connection: &Value, number: &str) -> (String, String) {
    let mut child = Command::new(file("packaging/shard/split-connection"))
        .arg(number)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script that refuses its arguments does not read its input.
    let _ = write!(child.stdin.take().unwrap(), "{connection}");
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}
