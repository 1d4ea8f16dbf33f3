//! A scripted server that plays S3, Glue and STS: small, in memory, and right in what it does; it notes every
//! effect in the journal, and faults come when the test says so.
//!
//! It checks bodies against their hashes but no signatures: those are moto's part.

mod glue; // databases, tables and partitions
mod s3; // objects and uploads
pub(crate) mod wire; // requests and answers

use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use super::journal::Journal;
use super::program::Program;
use wire::{Answer, Request, escaped};

/// What goes wrong with a call.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Refused with this status and code; nothing happens.
    Reject(u16, &'static str),
    /// It happens, and the connection closes instead of an answer.
    Lose,
    /// It happens, and the answer waits for the gate.
    Hold(Gate),
    /// The connection closes and nothing happens.
    Drop,
    /// The program is killed before the call takes effect.
    KillBefore,
    /// The program is killed after the call took effect, before the answer.
    KillAfter,
}

/// Where a held call waits.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Gate {
    /// Waits until the call has happened and its answer waits.
    pub(crate) fn wait_until_reached(&self) {
        drop(self.wait(|(reached, _)| *reached));
    }

    /// Lets the answer go.
    pub(crate) fn release(&self) {
        unpoisoned(&self.0.0).1 = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        unpoisoned(&self.0.0).0 = true;
        self.0.1.notify_all();
        drop(self.wait(|(_, released)| *released));
    }

    fn wait(&self, done: impl Fn(&(bool, bool)) -> bool) -> MutexGuard<'_, (bool, bool)> {
        let limit = std::time::Duration::from_secs(60);
        let waited = self
            .0
            .1
            .wait_timeout_while(unpoisoned(&self.0.0), limit, |state| !done(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "a held call was not reached or not released"
        );
        state
    }
}

/// A fault to come: at the `left`-th call from now whose name and resource fit.
struct Rule {
    operation: String,
    resource: String,
    left: usize,
    fault: Fault,
    always: bool,
    met: bool,
}

/// The server; it ends with the test, and fails it when a fault was scripted that never came.
pub(crate) struct Fake {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    journal: Journal,
    store: Mutex<Store>,
    rules: Mutex<Vec<Rule>>,
    /// The operations that were called, in order, effects or not.
    calls: Mutex<Vec<String>>,
    closing: AtomicBool,
}

/// All that the server remembers.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) bucket: s3::Bucket,
    pub(crate) catalog: glue::Catalog,
    names: Names,
}

/// Names that differ from run to run, replaced by numbers in order of appearance.
#[derive(Default)]
struct Names {
    generations: Vec<String>,
    objects: Vec<String>,
}

impl Names {
    /// `users/G1/o2` for `lake/test/users/20261122T…/…a7f.jsonl.gz`; generations of the platform keep their name.
    fn short(&mut self, key: &str) -> String {
        let mut parts: Vec<_> = key.split('/').skip(2).map(str::to_owned).collect();
        if parts.len() < 2 {
            return key.to_owned();
        }
        parts[1] = number("G", &mut self.generations, &parts[..2].join("/"));
        if let Some(last) = parts.last_mut().filter(|last| !last.is_empty()) {
            *last = number("o", &mut self.objects, key);
        }
        parts.join("/").trim_end_matches('/').to_owned()
    }
}

fn number(mark: &str, seen: &mut Vec<String>, name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    let told = last
        .strip_prefix('g')
        .is_some_and(|rest| rest.parse::<u64>().is_ok());
    if told && mark == "G" {
        return last.to_owned();
    }
    let at = seen.iter().position(|one| one == name).unwrap_or_else(|| {
        seen.push(name.to_owned());
        seen.len() - 1
    });
    format!("{mark}{}", at + 1)
}

impl Fake {
    /// With an empty bucket `test-lake`, and no database.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            journal: Journal::default(),
            store: Mutex::default(),
            rules: Mutex::default(),
            calls: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let server = shared.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if server.closing.load(Ordering::SeqCst) {
                    break;
                }
                let (server, connection) = (server.clone(), connection.unwrap());
                std::thread::spawn(move || server.serve(connection));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A configuration for this server: prefix `lake`, database `test`.
    pub(crate) fn config(&self) -> Value {
        json!({
            "credentials": Self::user(),
            "region": "us-east-1",
            "bucket_name": "test-lake",
            "bucket_prefix": "lake",
            "lakeformation_database_name": "test",
            "endpoint_url": self.endpoint(),
        })
    }

    /// Keys, which it does not look at.
    pub(crate) fn user() -> Value {
        json!({
            "credentials_title": "IAM User",
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        })
    }

    /// `write` to this server, its states in this server's journal.
    pub(crate) fn write(&self, catalog: &Value) -> Program {
        Program::write(&self.config(), catalog).journal(&self.shared.journal)
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// The fault comes at the `nth` call of the operation from now on, 1 being the next.
    pub(crate) fn fault(&self, operation: &str, nth: usize, fault: Fault) {
        self.rule(operation, "", nth, fault, false);
    }

    /// The same among the calls whose key or table's name contains the text.
    pub(crate) fn fault_on(&self, operation: &str, resource: &str, nth: usize, fault: Fault) {
        self.rule(operation, resource, nth, fault, false);
    }

    /// The fault comes at the `nth` call of the operation and at every one after it.
    pub(crate) fn fault_from(&self, operation: &str, nth: usize, fault: Fault) {
        self.rule(operation, "", nth, fault, true);
    }

    /// Kills the program before or after the n-th call of any kind.
    pub(crate) fn kill_at(&self, nth: usize, fault: Fault) {
        self.rule("", "", nth, fault, false);
    }

    /// Holds the answer of the `nth` call of the operation.
    pub(crate) fn hold(&self, operation: &str, nth: usize) -> Gate {
        let gate = Gate::default();
        self.fault(operation, nth, Fault::Hold(gate.clone()));
        gate
    }

    fn rule(&self, operation: &str, resource: &str, nth: usize, fault: Fault, always: bool) {
        unpoisoned(&self.shared.rules).push(Rule {
            operation: operation.to_owned(),
            resource: resource.to_owned(),
            left: nth,
            fault,
            always,
            met: false,
        });
    }

    /// Forgets the faults that have not come; true if there were any.
    pub(crate) fn forgive(&self) -> bool {
        let mut rules = unpoisoned(&self.shared.rules);
        let left = rules.iter().any(|rule| !rule.met);
        rules.clear();
        left
    }

    /// The operations that were called so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        unpoisoned(&self.shared.calls).clone()
    }

    /// Tables that others made, in a database that others made, by their definitions.
    pub(crate) fn add_tables(&self, database: &str, tables: Vec<(String, Value)>) {
        let mut store = self.store();
        let known = store.catalog.0.entry(database.to_owned()).or_default();
        known.extend(tables.into_iter().map(|(name, input)| {
            let (version, partitions) = (0, std::collections::BTreeMap::new());
            let entry = glue::Entry {
                input,
                version,
                partitions,
            };
            (name, entry)
        }));
    }

    /// What is in the bucket and in the catalog; nothing changes while it is held.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        unpoisoned(&self.shared.store)
    }

    /// The rows of a table of the database `test`, as a reader sees them.
    pub(crate) fn rows(&self, table: &str) -> Vec<Map<String, Value>> {
        let store = self.store();
        let entry = store.catalog.table("test", table);
        let Some(location) =
            entry.and_then(|entry| entry["StorageDescriptor"]["Location"].as_str())
        else {
            return Vec::new();
        };
        let prefix = format!(
            "{}/",
            location
                .trim_start_matches("s3://test-lake/")
                .trim_end_matches('/')
        );
        store.bucket.rows(&prefix)
    }

    /// The journal must be exactly these lines.
    #[track_caller]
    pub(crate) fn assert_journal(&self, expected: &[&str]) {
        let lines = self.shared.journal.lines();
        assert_eq!(lines, expected, "\n{}", lines.join("\n"));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener
        let unmet: Vec<_> = unpoisoned(&self.shared.rules)
            .iter()
            .filter(|rule| !rule.met)
            .map(|rule| format!("{} {}", rule.operation, rule.resource))
            .collect();
        if !std::thread::panicking() {
            assert!(
                unmet.is_empty(),
                "these faults never came: {unmet:?}\n{:?}",
                self.calls()
            );
        }
    }
}

impl Shared {
    /// Answers the requests of one connection until a fault or the client closes it.
    fn serve(&self, connection: TcpStream) {
        let mut answers = connection.try_clone().unwrap();
        let mut requests = BufReader::new(connection);
        while let Ok(Some(request)) = Request::read(&mut requests) {
            if self.closing.load(Ordering::SeqCst) {
                return;
            }
            let (operation, resource) = named(&request);
            self.journal.trace(whole(&operation, &request));
            unpoisoned(&self.calls).push(operation.clone());
            let fault = self.fault_for(&operation, &resource);
            let answer = match &fault {
                Some(Fault::Drop) => {
                    self.journal.note(format!("DROPPED {operation}"));
                    return;
                }
                Some(Fault::KillBefore) => {
                    self.kill();
                    return;
                }
                Some(Fault::Reject(status, code)) => {
                    self.journal
                        .note(format!("REJECTED {operation} {status} {code}"));
                    refusal(&request, *status, code, "scripted")
                }
                _ => self.happen(&operation, &request),
            };
            match fault {
                Some(Fault::Lose) => {
                    self.journal.note(format!("LOST {operation}"));
                    return;
                }
                Some(Fault::KillAfter) => {
                    self.kill();
                    return;
                }
                Some(Fault::Hold(gate)) => gate.pass(),
                _ => {}
            }
            if answer.write(&mut answers, &request).is_err() {
                return;
            }
        }
    }

    /// Does what the request asks for, under one lock with its line in the journal.
    fn happen(&self, operation: &str, request: &Request) -> Answer {
        let mut store = unpoisoned(&self.store);
        let store = &mut *store;
        let mut note = |line: String| self.journal.note(line);
        match operation {
            "AssumeRole" | "AssumeRoleWithWebIdentity" => assumed(operation),
            _ if request.path == "/container" => contained(),
            "GetCallerIdentity" => caller(),
            _ if request.header("x-amz-target").starts_with("AWSGlue.") => {
                store
                    .catalog
                    .call(operation, request, &mut store.names, &mut note)
            }
            _ if !request.header("x-amz-content-sha256").is_empty() => {
                store
                    .bucket
                    .call(operation, request, &mut store.names, &mut note)
            }
            // Lake Formation answers what it is asked with nothing.
            _ => Answer::new(200, "{}"),
        }
    }

    fn fault_for(&self, operation: &str, resource: &str) -> Option<Fault> {
        let mut rules = unpoisoned(&self.rules);
        let mut chosen = None;
        for rule in rules.iter_mut() {
            let fits = (rule.operation.is_empty() || rule.operation == operation)
                && resource.contains(&rule.resource);
            if !fits || (rule.met && !rule.always) {
                continue;
            }
            rule.left = rule.left.saturating_sub(1);
            if rule.left == 0 {
                rule.met = true;
                chosen = chosen.or(Some(rule.fault.clone()));
            }
        }
        chosen
    }

    fn kill(&self) {
        let pid = self
            .journal
            .pid()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process(pid.expect("the program runs"), Signal::KILL).unwrap();
        self.journal.note("KILLED".to_owned());
    }
}

/// The operation's name in the service's API, and the key or table that it is about.
pub(crate) fn named(request: &Request) -> (String, String) {
    let target = request.header("x-amz-target");
    if let Some((_, operation)) = target.split_once('.') {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let names = [
            &body["Name"],
            &body["TableInput"]["Name"],
            &body["TableName"],
        ];
        let name = names
            .iter()
            .find_map(|name| name.as_str())
            .unwrap_or_default();
        return (operation.to_owned(), name.to_owned());
    }
    if let Some((_, rest)) = request.text().split_once("Action=") {
        return (
            rest.split('&').next().unwrap_or_default().to_owned(),
            String::new(),
        );
    }
    (s3::operation(request).to_owned(), request.path.clone())
}

/// A request as one line: the operation, the target, the headers that do not differ from run to run, and the body; of
/// an object or a part only its length.
fn whole(operation: &str, request: &Request) -> String {
    const VARYING: [&str; 11] = [
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "host",
        "user-agent",
        "x-amz-checksum-crc32",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    ];
    let mut line = format!("{operation} {}", request.target);
    for (name, value) in &request.headers {
        if !VARYING.contains(&name.as_str()) {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    if request.method == "PUT" {
        line.push_str(&format!(" ({} bytes)", request.body.len()));
    } else if !request.body.is_empty() {
        line.push_str(&format!(" {}", request.text()));
    }
    line
}

/// A service's error in the form of the service that was asked.
pub(crate) fn refusal(request: &Request, status: u16, code: &str, message: &str) -> Answer {
    if !request.header("x-amz-target").is_empty() {
        let body = json!({"__type": code, "Message": message});
        return Answer::new(status, body.to_string());
    }
    let message = escaped(message);
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let body = if request.text().contains("Action=") {
        format!("<ErrorResponse>{error}</ErrorResponse>")
    } else {
        error
    };
    Answer::new(status, body).with("content-type", "application/xml")
}

fn assumed(operation: &str) -> Answer {
    Answer::new(
        200,
        format!(
            "<{operation}Response><{operation}Result><Credentials><AccessKeyId>ASIAFAKE</AccessKeyId>\
             <SecretAccessKey>MARKER-assumed-secret</SecretAccessKey>\
             <SessionToken>MARKER-assumed-token</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{operation}Result></{operation}Response>"
        ),
    )
}

/// As the endpoint of a container answers.
fn contained() -> Answer {
    let credentials = json!({
        "AccessKeyId": "ASIAFAKE", "SecretAccessKey": "MARKER-contained-secret",
        "Token": "MARKER-contained-token", "Expiration": "2099-01-01T00:00:00Z",
    });
    Answer::new(200, credentials.to_string())
}

fn caller() -> Answer {
    Answer::new(
        200,
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>\
         <Arn>arn:aws:iam::123456789012:user/test</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>",
    )
}

/// A test that panicked elsewhere has told its story already.
pub(crate) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
