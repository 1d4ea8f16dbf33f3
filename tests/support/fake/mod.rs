//! A scripted server that plays S3, Glue and STS: small, in memory, and right in what it does; it notes every
//! effect in the journal, and faults come when the test says so. Tests and benches share it: benches switch off the
//! keeping of objects.
//!
//! It checks bodies against their hashes but no signatures: those are moto's part.

// It stops at the first surprise, waits, watches the clock and uses threads; the program may not. Answers are built as
// text, a piece at a time, where speed is no matter.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::format_collect
)]

mod calls; // which call a request is
mod clock; // the services' clock
mod faults; // what goes wrong with calls, and when
mod glue; // databases, tables and partitions
pub(crate) mod journal; // one log of remote effects and printed states
mod listing; // listings of the bucket, by pages
mod multipart; // uploads that nobody sees until they complete
mod names; // short names of keys for the journal
#[path = "../../../src/file/parquet/reader.rs"]
#[allow(dead_code)] // the program's own tests look at more
pub(crate) mod parquet; // the numbers in Parquet files
pub(crate) mod s3; // objects
mod sts; // credentials and callers
mod throttle; // services that take so many requests in a second
pub(crate) mod wire; // requests and answers

use std::collections::BTreeMap;
use std::io::{BufReader, Result};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use calls::whole;
use clock::{Clock, http_date};
use faults::{Rule, Rules};
use journal::Journal;
use names::Names;
use throttle::Throttle;
use wire::{Answer, BLOCK, Bandwidth, Bodies, Request};

pub(crate) use calls::{named, refusal};
pub(crate) use faults::{Fault, Gate};
#[allow(unused_imports)] // benches have no use for them
pub(crate) use {faults::Hook, s3::Conditions, s3::unzipped};

/// The keys of every configuration for this server, which does not look at them.
pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The region of every configuration for this server, if it names no other.
const REGION: &str = "us-east-1";

/// How the server behaves.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// The only bucket that there is.
    pub(crate) bucket: &'static str,
    /// Whether objects are kept; else their bodies are read and counted, and lists are empty.
    pub(crate) keeps_objects: bool,
    /// Whether bodies are compared with the hashes in their headers, which costs a core as much as the program's hashing.
    pub(crate) checks_hashes: bool,
    /// The time that passes before every answer.
    pub(crate) delay: Duration,
    /// The bandwidth of each connection, both ways.
    pub(crate) bandwidth: Bandwidth,
    /// Requests in a second that each service takes; further ones are throttled.
    pub(crate) rate: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bucket: "test-lake",
            keeps_objects: true,
            checks_hashes: true,
            delay: Duration::ZERO,
            bandwidth: Bandwidth::default(),
            rate: None,
        }
    }
}

/// The server; it ends with the test, and fails it when a fault was scripted that never came.
pub(crate) struct Fake {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    journal: Journal,
    store: Mutex<Store>,
    rules: Rules,
    throttle: Throttle,
    /// When the first byte of the first object or part arrived.
    first_object: OnceLock<Instant>,
    /// The operations that were called, in order, effects or not.
    calls: Mutex<Vec<String>>,
    clock: Clock,
    /// Milliseconds of that clock that every read of a run's record takes.
    reading: AtomicU64,
    closing: AtomicBool,
}

/// All that the server remembers.
pub(crate) struct Store {
    pub(crate) bucket: s3::Bucket,
    /// Of the region of the configuration.
    pub(crate) catalog: glue::Catalog,
    /// Those of other regions.
    pub(crate) elsewhere: BTreeMap<String, glue::Catalog>,
    /// Updates that gave a table another location, in order.
    pub(crate) swaps: Vec<Swap>,
    names: Names,
}

/// An update that gave a table another location.
pub(crate) struct Swap {
    pub(crate) region: String,
    pub(crate) table: String,
    /// The folders that the table showed before and after.
    pub(crate) from: String,
    pub(crate) to: Option<String>,
    /// The objects below the location that it had.
    pub(crate) objects: Vec<Vec<u8>>,
}

impl Store {
    fn glue(&mut self, operation: &str, request: &Request, note: &mut dyn FnMut(String)) -> Answer {
        let catalog = match region(request) {
            REGION => &mut self.catalog,
            region => self.elsewhere.entry(region.to_owned()).or_default(),
        };
        if operation != "UpdateTable" {
            return catalog.call(operation, request, &mut self.names, note);
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let table = body["TableInput"]["Name"].as_str().unwrap_or_default();
        let database = body["DatabaseName"].as_str().unwrap_or_default();
        let before = catalog.folder(database, table);
        let answer = catalog.call(operation, request, &mut self.names, note);
        if let Some(before) =
            before.filter(|before| catalog.folder(database, table).as_ref() != Some(before))
        {
            let objects = self.bucket.objects.iter();
            let below = objects.filter(|(key, _)| s3::is_read(key, &before));
            let objects = below.map(|(_, body)| body.clone()).collect();
            self.swaps.push(Swap {
                region: region(request).to_owned(),
                table: table.to_owned(),
                to: catalog.folder(database, table),
                from: before,
                objects,
            });
        }
        answer
    }
}

impl Fake {
    /// With an empty bucket `test-lake`, and no database.
    pub(crate) fn start() -> Self {
        Self::with(Options::default())
    }

    /// With an empty bucket, and no database.
    pub(crate) fn with(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Clock::default();
        let shared = Arc::new(Shared {
            options,
            journal: Journal::default(),
            store: Mutex::new(Store {
                bucket: s3::Bucket::new(options.bucket, options.keeps_objects, clock.clone()),
                catalog: glue::Catalog::default(),
                elsewhere: BTreeMap::new(),
                swaps: Vec::new(),
                names: Names::default(),
            }),
            rules: Rules::default(),
            throttle: Throttle::new(options.rate),
            first_object: OnceLock::new(),
            calls: Mutex::default(),
            clock,
            reading: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let server = shared.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if server.closing.load(Ordering::SeqCst) {
                    break;
                }
                let (server, connection) = (server.clone(), connection.unwrap());
                // A connection that breaks is the program's affair.
                std::thread::spawn(move || drop(server.serve(connection)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// A configuration for this server: prefix `lake`, database `test`.
    pub(crate) fn config(&self) -> Value {
        json!({
            "credentials": Self::user(),
            "region": REGION,
            "bucket_name": self.shared.options.bucket,
            "bucket_prefix": "lake",
            "lakeformation_database_name": "test",
            "format": {"format_type": "JSONL", "compression_codec": "GZIP"},
            "endpoint_url": self.endpoint(),
        })
    }

    /// Keys, which it does not look at.
    pub(crate) fn user() -> Value {
        json!({
            "credentials_title": "IAM User",
            "aws_access_key_id": KEY,
            "aws_secret_access_key": SECRET,
        })
    }

    /// Bytes of objects and parts that were sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.store().bucket.sent
    }

    /// How many objects were made so far.
    pub(crate) fn objects(&self) -> usize {
        self.store().bucket.made.len()
    }

    /// When the first byte of the first object or part arrived.
    pub(crate) fn first_object(&self) -> Option<Instant> {
        self.shared.first_object.get().copied()
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

    /// The fault comes at the n-th call of any kind.
    pub(crate) fn fault_at(&self, nth: usize, fault: Fault) {
        self.rule("", "", nth, fault, false);
    }

    /// Holds the answer of the `nth` call of the operation.
    pub(crate) fn hold(&self, operation: &str, nth: usize) -> Gate {
        let gate = Gate::default();
        self.fault(operation, nth, Fault::Hold(gate.clone()));
        gate
    }

    fn rule(&self, operation: &str, resource: &str, nth: usize, fault: Fault, always: bool) {
        self.shared.rules.add(Rule {
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
        self.shared.rules.clear()
    }

    /// The services' clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// From now on every read of a run's record takes so long by the services' clock: what waits for another run waits for
    /// a few reads.
    pub(crate) fn hasten(&self, span: Duration) {
        let span = u64::try_from(span.as_millis()).unwrap();
        self.shared.reading.store(span, Ordering::SeqCst);
    }

    /// The operations that were called so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        unpoisoned(&self.shared.calls).clone()
    }

    /// The definition of a table of the database `test`, changed by others.
    pub(crate) fn edit_table(&self, table: &str, edit: impl FnOnce(&mut Value)) {
        assert!(self.store().catalog.edit_table("test", table, edit));
    }

    /// Tables that others made, in a database that others made, by their definitions.
    pub(crate) fn add_tables(&self, database: &str, tables: Vec<(String, Value)>) {
        let mut store = self.store();
        for (name, input) in tables {
            store.catalog.make_table(database, &name, input);
        }
    }

    /// What is in the bucket and in the catalog; nothing changes while it is held.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        unpoisoned(&self.shared.store)
    }

    /// The rows of a table of the database `test`, as a reader sees them.
    pub(crate) fn rows(&self, table: &str) -> Vec<Map<String, Value>> {
        let store = self.store();
        let folder = store.catalog.folder("test", table);
        folder.map_or_else(Vec::new, |folder| store.bucket.rows(&folder))
    }

    /// The keys of objects, but for control objects.
    pub(crate) fn data_objects(&self) -> Vec<String> {
        let store = self.store();
        let keys = store.bucket.objects.keys();
        keys.filter(|key| !key.contains("/_datalake/"))
            .cloned()
            .collect()
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
        let unmet = self.shared.rules.unmet();
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
    fn serve(&self, connection: TcpStream) -> Result<()> {
        connection.set_nodelay(true)?;
        let mut answers = connection.try_clone()?;
        let mut requests = BufReader::with_capacity(BLOCK, connection);
        let mut bodies = Bodies::new(self.options.checks_hashes, self.options.bandwidth);
        while let Some(mut request) = Request::read_head(&mut requests)? {
            if request.headers.contains_key("transfer-encoding") {
                let answer = refusal(&request, 411, "MissingContentLength", "as S3 says");
                return answer.write(&mut answers, &request);
            }
            let is_object =
                request.method == "PUT" && !request.headers.contains_key("x-amz-copy-source");
            let keep = self.options.keeps_objects || !is_object;
            request.read_body(&mut requests, &mut bodies, keep, || {
                if is_object {
                    self.first_object.get_or_init(Instant::now);
                }
            })?;
            if self.closing.load(Ordering::SeqCst) {
                return Ok(());
            }
            std::thread::sleep(self.options.delay);
            let Some(answer) = self.answer(&mut request) else {
                return Ok(());
            };
            self.options
                .bandwidth
                .wait(Instant::now(), answer.body.len());
            let answer = answer.with("date", http_date(self.clock.now()));
            answer.write(&mut answers, &request)?;
        }
        Ok(())
    }

    /// What the request is answered, with the fault that is due; nothing closes the connection.
    fn answer(&self, request: &mut Request) -> Option<Answer> {
        let (operation, resource) = named(request);
        let call = whole(&operation, request);
        self.journal.trace(call.clone());
        unpoisoned(&self.calls).push(operation.clone());
        if let Some(refusal) = self.throttle.refusal(request) {
            return Some(refusal);
        }
        if operation == "GetObject" && resource.contains("/_datalake/runs/") {
            let span = self.reading.load(Ordering::SeqCst);
            self.clock.forward(Duration::from_millis(span));
        }
        let fault = self.rules.due(&operation, &resource);
        let mut answer = match &fault {
            Some(Fault::Drop) => {
                self.journal.note(format!("DROPPED {operation}"));
                return None;
            }
            Some(Fault::KillBefore) => {
                self.kill(call);
                return None;
            }
            Some(Fault::Before(hook)) if !hook(request) => return None,
            Some(Fault::Reject(status, code)) => {
                self.journal
                    .note(format!("REJECTED {operation} {status} {code}"));
                refusal(request, *status, code, "scripted")
            }
            _ => self.happen(&operation, request),
        };
        match fault {
            Some(Fault::Lose) => {
                self.journal.note(format!("LOST {operation}"));
                return None;
            }
            Some(Fault::KillAfter) => {
                self.kill(call);
                return None;
            }
            Some(Fault::After(hook)) if !hook(request) => return None,
            Some(Fault::Hold(gate)) => gate.pass(),
            Some(Fault::Raw(raw)) => answer.raw = Some(raw),
            _ => {}
        }
        Some(answer)
    }

    /// Does what the request asks for, under one lock with its line in the journal.
    fn happen(&self, operation: &str, request: &mut Request) -> Answer {
        let mut store = unpoisoned(&self.store);
        let store = &mut *store;
        let mut note = |line: String| self.journal.note(line);
        match operation {
            "AssumeRole" | "AssumeRoleWithWebIdentity" => sts::assumed(operation),
            call if sts::local_call(&request.path) == Some(call) => sts::local_answer(call),
            "GetCallerIdentity" => sts::caller(),
            _ if request.header("x-amz-target").starts_with("AWSGlue.") => {
                store.glue(operation, request, &mut note)
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

    fn kill(&self, call: String) {
        let pid = i32::try_from(self.journal.pid().expect("the program runs"));
        kill_process(Pid::from_raw(pid.unwrap()).unwrap(), Signal::KILL).unwrap();
        self.journal.kill_at(call);
    }
}

/// The region that the request was signed for.
fn region(request: &Request) -> &str {
    let scope = request.header("authorization").split('/').nth(2);
    scope.unwrap_or(REGION)
}

/// Locks; a test that panicked elsewhere has reported it already.
pub(crate) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
