//! moto as AWS, with IAM and signatures enforced, shared by all tests; each test has a bucket, a database and
//! a user of its own in it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fake::unpoisoned;
use super::file;
use super::program::Program;

/// A Python process of tests/support that ends when this one does: its stdin closes with us.
pub(crate) struct Helper {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Helper {
    pub(crate) fn start(script: &str, arguments: &[&str]) -> Self {
        let python = file("target/python/bin/python");
        assert!(
            python.exists(),
            "no {}: `make test` sets the tests' tools up",
            python.display()
        );
        let mut child = Command::new(python)
            .arg(file("tests/support").join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Only the keys that we hand over; no network beyond loopback.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    pub(crate) fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("a Python helper said {line:?}: {error}"))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names another S3 server's program in the environment of the tests: s3s-fs, which checks signatures too. All
/// programs are the administrator then, whom alone it knows.
pub(crate) const OTHER_S3: &str = "S3S";

/// Where moto answers, and the keys of one who may do everything.
#[derive(Deserialize)]
struct Server {
    endpoint: String,
    s3: String,
    key: String,
    secret: String,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<(Server, Mutex<Helper>)> = OnceLock::new();
    let (server, _keeps_it_alive) = SERVER.get_or_init(|| {
        let other = std::env::var(OTHER_S3).ok();
        let mut helper = Helper::start(
            "cloud.py",
            &other.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let server = serde_json::from_value(helper.hear()).unwrap();
        (server, Mutex::new(helper))
    });
    server
}

/// AWS's own client and other people's readers, as the administrator.
pub(crate) struct Tools(Mutex<Helper>);

impl Tools {
    /// A process of its own, for a test that watches while it works.
    pub(crate) fn new() -> Self {
        let Server {
            endpoint,
            s3,
            key,
            secret,
        } = server();
        Self(Mutex::new(Helper::start(
            "lake.py",
            &[endpoint, key, secret, s3],
        )))
    }

    /// Calls a function of tests/support/lake.py.
    #[track_caller]
    pub(crate) fn call(&self, name: &str, mut arguments: Value) -> Value {
        arguments["do"] = name.into();
        let mut helper = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(helper.stdin, "{arguments}").unwrap();
        let mut answer = helper.hear();
        drop(helper);
        assert!(answer.get("error").is_none(), "{name}: {}", answer["error"]);
        answer["answer"].take()
    }
}

/// The process that tests share.
pub(crate) fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(Tools::new)
}

/// What a user may do; the bucket and database patterns are those of one test.
pub(crate) fn may(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

/// The keys of every user, and the role that may do the same.
static ROLES: Mutex<Vec<(Value, Value)>> = Mutex::new(Vec::new());

/// One test's place in the shared AWS.
pub(crate) struct Account {
    pub(crate) bucket: String,
    pub(crate) database: String,
    /// Distinct from those of other tests; part of the names above.
    pub(crate) name: String,
    user: Value,
    /// The ARN of a role that may do the same as the user.
    role: Value,
}

/// A table as a reader sees it who trusts only the catalog.
#[derive(Deserialize)]
pub(crate) struct Table {
    pub(crate) location: String,
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) objects: Vec<String>,
    pub(crate) rows: Vec<Map<String, Value>>,
}

impl Account {
    /// With a bucket, no database, and a user who may do what the program needs and nothing else.
    pub(crate) fn new() -> Self {
        let account = Self::with(&Self::needed());
        tools().call("bucket", json!({"name": account.bucket}));
        account
    }

    /// The smallest permissions that the program needs, on any bucket and database.
    pub(crate) fn needed() -> Vec<Value> {
        vec![
            may(
                &[
                    "s3:PutObject",
                    "s3:GetObject",
                    "s3:DeleteObject",
                    "s3:ListBucket",
                    "s3:ListBucketMultipartUploads",
                    "s3:ListMultipartUploadParts",
                    "s3:AbortMultipartUpload",
                ],
                "arn:aws:s3:::test-*",
            ),
            may(
                &[
                    "glue:GetDatabase",
                    "glue:GetDatabases",
                    "glue:GetTables",
                    "glue:CreateDatabase",
                    "glue:GetTable",
                    "glue:CreateTable",
                    "glue:UpdateTable",
                    "glue:DeleteTable",
                    "glue:GetPartitions",
                    "glue:BatchGetPartition",
                    "glue:BatchCreatePartition",
                    "glue:BatchDeletePartition",
                    "glue:BatchUpdatePartition",
                ],
                "*",
            ),
        ]
    }

    /// With a user of these permissions, and no bucket.
    pub(crate) fn with(statements: &[Value]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let user = tools().call("user", json!({"name": name, "statements": statements}));
        let user = match server() {
            server if server.s3 != server.endpoint => {
                json!({"key": server.key, "secret": server.secret})
            }
            _ => user,
        };
        let role = json!({"name": name, "trusted": "*", "statements": statements});
        let role = tools().call("role", role);
        let account = Self {
            bucket: format!("{name}-lake"),
            database: name.replace('-', "_"),
            name,
            user,
            role,
        };
        let pair = (account.user(), account.role());
        unpoisoned(&ROLES).push(pair);
        account
    }

    /// The role that may do the same as the user with these keys, both as configurations have them.
    pub(crate) fn role_like(user: &Value) -> Option<Value> {
        let roles = unpoisoned(&ROLES);
        let (_, role) = roles.iter().find(|(known, _)| known == user)?;
        Some(role.clone())
    }

    /// Lets the user do what the policy says and nothing else.
    pub(crate) fn permit(&self, policy: &Value) {
        tools().call("permit", json!({"name": self.name, "policy": policy}));
    }

    /// The user's keys, as a configuration has them.
    pub(crate) fn user(&self) -> Value {
        json!({
            "credentials_title": "IAM User",
            "aws_access_key_id": self.user["key"],
            "aws_secret_access_key": self.user["secret"],
        })
    }

    /// The role, as a configuration has it.
    pub(crate) fn role(&self) -> Value {
        json!({"credentials_title": "IAM Role", "role_arn": self.role})
    }

    /// The configuration, as Airbyte stores it for the user.
    pub(crate) fn config(&self) -> Value {
        json!({
            "credentials": self.user(),
            "region": "us-east-1",
            "bucket_name": self.bucket,
            "bucket_prefix": "lake",
            "lakeformation_database_name": self.database,
            "format": {"format_type": "JSONL", "compression_codec": "GZIP"},
            "endpoint_url": server().endpoint,
        })
    }

    /// The user's access key and secret.
    pub(crate) fn keys(&self) -> (&str, &str) {
        (
            self.user["key"].as_str().unwrap(),
            self.user["secret"].as_str().unwrap(),
        )
    }

    pub(crate) fn endpoint() -> &'static str {
        &server().endpoint
    }

    /// S3's endpoint, which may be another.
    pub(crate) fn s3_endpoint() -> &'static str {
        &server().s3
    }

    /// S3's `host:port`, and that of all else.
    pub(crate) fn addresses() -> [String; 2] {
        [Self::s3_endpoint(), Self::endpoint()].map(|url| url.replace("http://", ""))
    }

    /// `write` into this place.
    pub(crate) fn write(&self, catalog: &Value) -> Program {
        Program::write(&self.config(), catalog)
    }

    /// `check` of this place.
    pub(crate) fn check(&self) -> Program {
        Program::check(&self.config())
    }

    pub(crate) fn read(&self, table: &str) -> Table {
        Self::read_from(&self.database, table)
    }

    pub(crate) fn read_from(database: &str, table: &str) -> Table {
        let answer = tools().call("read", json!({"database": database, "table": table}));
        serde_json::from_value(answer).unwrap()
    }

    /// Every key of the bucket.
    pub(crate) fn keys_in_bucket(&self) -> Vec<String> {
        let answer = tools().call("keys", json!({"bucket": self.bucket}));
        serde_json::from_value(answer).unwrap()
    }
}

impl Table {
    /// The values of a column, sorted.
    pub(crate) fn column(&self, name: &str) -> Vec<i64> {
        let mut values: Vec<_> = self
            .rows
            .iter()
            .map(|row| row[name].as_i64().unwrap())
            .collect();
        values.sort_unstable();
        values
    }
}
