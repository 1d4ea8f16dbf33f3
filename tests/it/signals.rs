//! Signals end a run in time wherever it waits, with their exit code, and lose nothing that cannot be read again.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::fake::wire::Bandwidth;
use crate::support::fake::{Fake, Fault, Options};
use crate::support::local::{ids, lines, load, table};
use crate::support::messages::{people, person, state};
use crate::support::program::{Output, Program, Running};

/// A run has ended this long after a signal, whatever it waited for.
const BOUND: Duration = Duration::from_secs(5);

/// Sends the signal; the run must end in time, with the exit code.
#[track_caller]
fn ends(running: Running, signal: Signal, code: i32) -> Output {
    let sent = Instant::now();
    running.signal(signal);
    let output = running.finish_after_signal();
    let took = sent.elapsed();
    assert_eq!(output.status.code(), Some(code), "{}", output.report());
    assert!(took < BOUND, "{took:?}\n{}", output.report());
    output
}

/// Waits for what another thread or process does.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A wait that has begun cannot be seen from outside; by now it has.
fn a_moment() {
    std::thread::sleep(Duration::from_millis(400));
}

/// A sync with two checkpoints: an object of one part, and one of several.
fn sync(fake: &Fake, mode: &str) -> Program {
    let mut config = fake.config();
    config["format"] = json!({"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"});
    config["checkpoint_interval_minutes"] = 0.into();
    let large: String = (3..20)
        .map(|id| person("people", id).replace("person", &"x".repeat(1 << 20)))
        .collect();
    let input = person("people", 1) + &state("people", 1) + &large + &state("people", 2);
    let program = Program::write(&config, &people("people", mode));
    program.journal(fake.journal()).stdin(input)
}

/// A lake whose table has rows already, so that an overwrite replaces and deletes.
fn begun() -> Fake {
    let fake = Fake::start();
    sync(&fake, "append").run().succeeded();
    fake
}

/// Holds the n-th call, which has taken effect, and sends the signal.
fn held(mode: &str, nth: usize) {
    let fake = begun();
    let before = fake.rows("people").len();
    let gate = fake.hold("", nth);
    let program = sync(&fake, mode);
    let signal = std::thread::spawn({
        let (gate, journal) = (gate.clone(), fake.journal().clone());
        move || {
            gate.wait_until_reached();
            let pid = i32::try_from(journal.pid().unwrap()).unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
            Instant::now()
        }
    });
    let output = program.run();
    let took = signal.join().unwrap().elapsed();
    gate.release();
    let call = fake.calls().pop();
    let states = output.states().len();
    // What an overwrite has replaced is deleted after all else is done, and so is the run's record.
    let is_last = states == 2 && call.as_deref() == Some("DeleteObjects");
    let code = if states == 2 && mode == "overwrite" || is_last {
        0
    } else {
        143
    };
    let report = || format!("{mode} {nth} {call:?} {took:?}\n{}", output.report());
    assert_eq!(output.status.code(), Some(code), "{}", report());
    assert!(took < BOUND, "{}", report());
    let acknowledged = [0, 1, 18][states];
    let rows = fake.rows("people").len();
    let kept = if mode == "append" { before } else { 0 };
    assert!(rows >= kept + acknowledged, "{rows} rows: {}", report());
}

#[test]
fn a_signal_ends_a_sync_at_each_of_its_calls() {
    for mode in ["append", "overwrite"] {
        let fake = begun();
        let before = fake.calls().len();
        sync(&fake, mode).run().succeeded();
        let calls = fake.calls().len() - before;
        assert!(calls > 8, "{:?}", fake.calls());
        at_each(calls, |nth| held(mode, nth));
    }
}

/// Tests each call, a few of them at once: they wait most of the time.
fn at_each(calls: usize, test: impl Fn(usize) + Sync) {
    for some in (1..=calls).collect::<Vec<_>>().chunks(4) {
        std::thread::scope(|scope| {
            for nth in some {
                scope.spawn(|| test(*nth));
            }
        });
    }
}

/// Holds the n-th call of a check, which has taken effect, and sends the signal.
fn held_check(nth: usize) {
    let fake = Fake::start();
    let gate = fake.hold("", nth);
    let program = Program::check(&fake.config()).journal(fake.journal());
    let running = program.start();
    gate.wait_until_reached();
    let output = ends(running, Signal::TERM, 143);
    gate.release();
    let status = &output.of_type("CONNECTION_STATUS").next().unwrap()["connectionStatus"];
    let message = status["message"].as_str().unwrap_or_default();
    assert_eq!(status["status"], "FAILED", "{}", output.report());
    assert!(message.contains("stopped by SIGTERM"), "{message}");
    // Where the clean-up itself is held, it has no time for the rest.
    let cleans_up = ["aborting", "deleting", "unfinished"];
    if cleans_up.iter().any(|word| message.contains(word)) {
        return;
    }
    let store = fake.store();
    let left = (
        store.bucket.objects.len(),
        store.bucket.uploads.len(),
        store.catalog.0.len(),
    );
    assert_eq!(left, (0, 0, 0), "{nth} {}", output.report());
}

#[test]
fn a_signal_ends_a_check_at_each_of_its_calls_and_leaves_no_probe() {
    let fake = Fake::start();
    Program::check(&fake.config()).run().connection();
    at_each(fake.calls().len(), held_check);
}

#[test]
fn a_signal_ends_retries() {
    for (operation, code) in [
        ("GetTable", "InternalServiceException"),
        ("PutObject", "SlowDown"),
    ] {
        let fake = Fake::start();
        fake.fault_from(operation, 1, Fault::Reject(503, code));
        let mut running = fake.write(&people("people", "append")).start();
        running.feed(person("people", 1) + &state("people", 1));
        running.close();
        until("a retry", || {
            fake.calls()
                .iter()
                .filter(|call| *call == operation)
                .count()
                > 3
        });
        let output = ends(running, Signal::INT, 130);
        assert!(output.states().is_empty(), "{}", output.report());
    }
}

/// A server that does this with each connection, and the program that calls it.
fn caller_of(scheme: &str, serve: impl Fn(TcpStream) + Copy + Send + 'static) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            std::thread::spawn(move || serve(connection.unwrap()));
        }
    });
    caller(&format!("{scheme}://{address}"))
}

fn caller(endpoint: &str) -> Running {
    let fake = Fake::start();
    let mut config = fake.config();
    config["endpoint_url"] = endpoint.into();
    let mut running = Program::write(&config, &people("people", "append")).start();
    running.feed(person("people", 1));
    a_moment();
    running
}

#[test]
fn a_signal_ends_the_wait_for_an_answer_and_for_a_handshake() {
    let silent = |mut connection: TcpStream| drop(connection.read_to_end(&mut Vec::new()));
    ends(caller_of("http", silent), Signal::TERM, 143);
    ends(caller_of("https", silent), Signal::TERM, 143);
}

#[test]
fn a_signal_ends_an_answer_that_drips() {
    let dripping = |mut connection: TcpStream| {
        let _ = connection.read(&mut [0; 4096]);
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
        while connection.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    ends(caller_of("http", dripping), Signal::TERM, 143);
    let flooding = |mut connection: TcpStream| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n");
        while connection.write_all(b"x: y\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    ends(caller_of("http", flooding), Signal::TERM, 143);
}

#[test]
fn a_signal_ends_the_sending_of_a_body() {
    let fake = Fake::with(Options {
        bandwidth: Bandwidth(Some(64 << 10)),
        ..Options::default()
    });
    let mut running = sync(&fake, "append").start();
    let large = person("people", 1).replace("person", &"x".repeat(1 << 20));
    running.feed(large.repeat(8));
    until("a part", || fake.first_object().is_some());
    let output = ends(running, Signal::TERM, 143);
    assert!(fake.rows("people").is_empty(), "{}", output.report());
}

#[test]
fn a_signal_ends_the_wait_for_a_connection() {
    // A listener whose queue is full drops what else comes.
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(
        &listener,
        &"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap(),
    )
    .unwrap();
    listen(&listener, 0).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let soon = Duration::from_millis(200);
    let mut queue = Vec::new();
    while let Ok(connection) = TcpStream::connect_timeout(&address, soon) {
        queue.push(connection);
        assert!(queue.len() < 100, "the queue is never full");
    }
    ends(caller(&format!("http://{address}")), Signal::TERM, 143);
}

#[test]
fn a_signal_ends_the_wait_for_a_lock() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("catalog")).unwrap();
    let lock = File::create(folder.path().join("catalog/.lock")).unwrap();
    lock.lock().unwrap();
    let mut running = load(folder.path(), &["--table", "t"]).start();
    running.feed(lines(0..3));
    running.close();
    a_moment();
    ends(running, Signal::TERM, 143);
    assert!(!folder.path().join("catalog/default/t.json").exists());
}

#[test]
fn a_signal_ends_a_credential_process_and_those_whom_it_started() {
    let fake = Fake::start();
    let mut config = fake.config();
    config["credentials"] = json!({"credentials_title": "Default chain"});
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("sleep 100 & echo $$ $! > {}; wait", pids.display());
    let profile = format!("[default]\ncredential_process = sh -c '{script}'\n");
    let mut running = Program::write(&config, &people("people", "append"))
        .file("profiles", &profile)
        .env("AWS_CONFIG_FILE", "profiles")
        .env("PATH", "/usr/bin:/bin")
        .start();
    running.feed(person("people", 1));
    let read = || std::fs::read_to_string(&pids).unwrap_or_default();
    until("the process", || read().ends_with('\n'));
    ends(running, Signal::TERM, 143);
    for pid in read().split_whitespace() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // One that its new parent has not noticed yet is a zombie.
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }
}

/// The messages of a tap that declares so many streams, each with a record.
fn streams(count: usize) -> String {
    let of = |number: usize| {
        let schema = json!({"type": "SCHEMA", "stream": format!("s{number}"), "key_properties": [],
            "schema": {"properties": {"id": {"type": "integer"}}}});
        let record = json!({"type": "RECORD", "stream": format!("s{number}"), "record": {"id": 1}});
        format!("{schema}\n{record}\n")
    };
    (0..count).map(of).collect()
}

#[test]
fn a_signal_ends_a_flood_of_streams() {
    let fake = Fake::with(Options {
        delay: Duration::from_millis(20),
        ..Options::default()
    });
    let mut running = Program::new(&["load", "--config", "config.json", "--input", "singer"])
        .file("config.json", &fake.config().to_string())
        .journal(fake.journal())
        .start();
    running.feed(streams(2000));
    until("calls", || fake.calls().len() > 10);
    ends(running, Signal::TERM, 143);
}

#[test]
fn a_signal_ends_the_wait_for_a_reader_of_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_destination-aws-datalake"))
        .args(["load", "--input", "singer", "--local"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let state = json!({"type": "STATE", "value": "x".repeat(1000)});
    let mut stdin = child.stdin.take().unwrap();
    // More than a pipe holds.
    stdin
        .write_all(format!("{state}\n").repeat(200).as_bytes())
        .unwrap();
    a_moment();
    let sent = Instant::now();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    while child.try_wait().unwrap().is_none() {
        assert!(sent.elapsed() < BOUND, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_signal_ends_the_wait_for_a_writer_of_a_fifo() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    for arguments in [["--table", "t", "--schema"], ["--table", "t", "--config"]] {
        let running = load(folder.path(), &arguments).argument(&fifo).start();
        a_moment();
        ends(running, Signal::TERM, 143);
    }
    let running = load(folder.path(), &["--table", "t"])
        .argument(&fifo)
        .start();
    a_moment();
    ends(running, Signal::TERM, 143);
    // With a writer it is a file like others.
    let mut running = load(folder.path(), &["--table", "t"])
        .argument(&fifo)
        .start();
    running.close();
    std::fs::write(&fifo, lines(0..3)).unwrap();
    let output = running.finish();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    assert_eq!(ids(&table(folder.path(), "t").1), [0, 1, 2]);
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let fake = Fake::start();
    let gate = fake.hold("PutObject", 1);
    let mut running = fake.write(&people("people", "append")).start();
    running.feed(person("people", 1) + &state("people", 1));
    running.close();
    gate.wait_until_reached();
    running.signal(Signal::TERM);
    a_moment();
    let sent = Instant::now();
    running.signal(Signal::INT);
    let output = running.finish_after_signal();
    assert_eq!(output.status.code(), Some(130), "{}", output.report());
    assert!(sent.elapsed() < Duration::from_secs(1));
    gate.release();
}

/// An endless pipe into a table, of which the first rows are not published yet.
fn endless(folder: &Path, arguments: &[&str], fed: std::ops::Range<u64>) -> Running {
    let mut running = load(folder, &["--table", "t"]).arguments(arguments).start();
    running.feed(lines(fed));
    a_moment();
    running
}

#[test]
fn what_a_pipe_brought_is_published_before_the_end() {
    for (has_schema, count) in [(false, 3), (true, 3), (true, 60_000)] {
        let folder = tempfile::tempdir().unwrap();
        let schema = folder.path().join("schema.json");
        std::fs::write(&schema, "{\"properties\":{\"id\":{\"type\":\"integer\"}}}").unwrap();
        let mut arguments = vec!["--checkpoint-interval", "1h"];
        if has_schema {
            arguments.extend(["--schema", schema.to_str().unwrap()]);
        }
        let mut running = endless(folder.path(), &arguments, 0..3);
        running.signal(Signal::STOP);
        // This waits in the pipe when the signal comes.
        running.feed(lines(3..count) + "{\"id\":");
        running.signal(Signal::TERM);
        // timeout(1) sends its signal twice.
        running.signal(Signal::TERM);
        running.signal(Signal::CONT);
        let output = ends(running, Signal::TERM, 143);
        let last = output.stderr.lines().last().unwrap();
        assert!(
            last.contains("the rows that were read are published"),
            "{last}"
        );
        let rows = table(folder.path(), "t").1;
        assert!(
            ids(&rows).into_iter().eq(0..count),
            "{} rows of {count}",
            rows.len()
        );
    }
}

#[test]
fn without_an_interval_nothing_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let output = ends(endless(folder.path(), &[], 0..3), Signal::INT, 130);
    assert!(
        output
            .stderr
            .contains("rows that were not yet published were discarded"),
        "{}",
        output.report()
    );
    assert!(!folder.path().join("catalog/default/t.json").exists());
}
