//! Hostile servers: no answer takes time or memory without bound, is taken for another one, or leads elsewhere.

use std::io::Write;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::support::fake::wire::Answer;
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{people, person, state};
use crate::support::program::{Output, Program};

/// What a hostile server sends instead of an answer, the answer to begin with.
type Trick = fn(&mut dyn Write, &Answer) -> std::io::Result<()>;

/// Closes the connection.
fn hang_up() -> std::io::Result<()> {
    Err(std::io::ErrorKind::ConnectionAborted.into())
}

fn say(to: &mut dyn Write, text: &str) -> std::io::Result<()> {
    to.write_all(text.as_bytes())
}

/// Again and again, as fast as it is read.
fn flood(to: &mut dyn Write, beginning: &str, piece: &str) -> std::io::Result<()> {
    say(to, beginning)?;
    let pieces = piece.repeat(100);
    loop {
        say(to, &pieces)?;
    }
}

fn framed(to: &mut dyn Write, body: &str) -> std::io::Result<()> {
    say(
        to,
        &format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

/// The tricks, by name.
const TRICKS: &[(&str, Trick)] = &[
    ("no HTTP", |to, _| flood(to, "", "SSH-2.0-OpenSSH_9.6\r\n")),
    ("a flood of 100 Continue", |to, _| {
        flood(to, "", "HTTP/1.1 100 Continue\r\n\r\n")
    }),
    ("a flood of headers", |to, _| {
        flood(to, "HTTP/1.1 200 OK\r\n", "x-header: value\r\n")
    }),
    ("a header without end", |to, _| {
        flood(to, "HTTP/1.1 200 OK\r\nx-header: ", "value")
    }),
    ("a body without end", |to, _| {
        flood(to, "HTTP/1.1 200 OK\r\n\r\n", "<a>")
    }),
    ("chunks without end", |to, _| {
        flood(
            to,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "3\r\n<a>\r\n",
        )
    }),
    ("a chunk of all memory", |to, _| {
        say(
            to,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        )?;
        hang_up()
    }),
    ("a length of all memory", |to, answer| {
        say(
            to,
            "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n",
        )?;
        to.write_all(&answer.body)?;
        hang_up()
    }),
    ("two lengths", |to, answer| {
        say(
            to,
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        )?;
        to.write_all(&answer.body)?;
        hang_up()
    }),
    ("a length too long", |to, answer| {
        let length = answer.body.len() + 100;
        say(
            to,
            &format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"),
        )?;
        to.write_all(&answer.body)?;
        hang_up()
    }),
    ("elements without number", |to, _| {
        framed(
            to,
            &format!(
                "<ListBucketResult>{}</ListBucketResult>",
                "<a/>".repeat(2 << 20)
            ),
        )
    }),
    ("elements in elements", |to, _| {
        framed(to, &("<a>".repeat(1 << 20) + &"</a>".repeat(1 << 20)))
    }),
    ("entities of entities", |to, _| {
        let mut document = String::from("<!DOCTYPE a [<!ENTITY e0 \"hahahahaha\">");
        for level in 1..20 {
            let references = format!("&e{};", level - 1).repeat(10);
            document += &format!("<!ENTITY e{level} \"{references}\">");
        }
        framed(
            to,
            &(document + "]><ListBucketResult><Name>&e19;</Name></ListBucketResult>"),
        )
    }),
    ("arrays in arrays", |to, _| framed(to, &"[".repeat(8 << 20))),
    ("values without number", |to, _| {
        framed(
            to,
            &format!(
                "{{\"Table\":{{\"Parameters\":[{}0]}}}}",
                "0,".repeat(4 << 20)
            ),
        )
    }),
    ("an answer of another kind", |to, _| {
        framed(to, "<html>It works!</html>")
    }),
];

/// A sync with an upload in parts, and the memory that it took at most, in MB.
fn sync(fake: &Fake) -> (Output, u64) {
    let mut config = fake.config();
    config["format"] = json!({"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"});
    let large = "x".repeat(1 << 20);
    let records: String = (0..10)
        .map(|id| person("people", id).replace("person", &large))
        .collect();
    let mut running = Program::write(&config, &people("people", "append"))
        .journal(fake.journal())
        .env("AWS_MAX_ATTEMPTS", "2")
        .env("DATALAKE_RETRY_SECONDS", "2")
        .start();
    let peak = sampled(running.pid());
    running.feed(records + &state("people", 1));
    let output = running.finish();
    (output, peak.join().unwrap())
}

/// The peak of a process's memory in MB, once it has ended.
fn sampled(pid: u32) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut peak = 0;
        loop {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            let status = status.unwrap_or_default();
            let kilobytes = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next());
            let Some(kilobytes) = kilobytes else {
                return peak / 1000;
            };
            peak = kilobytes.parse().unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    })
}

/// The operations that the sync calls.
fn operations() -> Vec<String> {
    let fake = Fake::start();
    sync(&fake).0.succeeded();
    let mut operations = fake.calls();
    operations.sort();
    operations.dedup();
    operations
}

#[test]
fn no_trick_of_a_server_takes_time_or_memory_without_bound() {
    let mut table = Vec::new();
    let operations = operations();
    assert!(operations.len() >= 8, "{operations:?}");
    for (name, trick) in TRICKS {
        let outcomes: Vec<(f64, u64)> = std::thread::scope(|scope| {
            let tried = operations.iter().map(|operation| {
                scope.spawn(move || {
                    let fake = Fake::start();
                    fake.fault_from(operation, 1, Fault::Raw(Arc::new(*trick)));
                    let (output, peak) = sync(&fake);
                    let said = format!("{}{}", output.stdout, output.stderr);
                    assert!(!said.contains("panicked"), "{name}, {operation}: {said}");
                    assert!(
                        output.status.code().is_some(),
                        "{name}, {operation}: {}",
                        output.report()
                    );
                    (output.took.as_secs_f64(), peak)
                })
            });
            let tried: Vec<_> = tried.collect();
            tried.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let longest = outcomes.iter().map(|one| one.0).fold(0.0, f64::max);
        let most = outcomes.iter().map(|one| one.1).max().unwrap();
        table.push(format!("{name:<28} {longest:>6.1} s {most:>5} MB"));
        assert!(longest < 60.0 && most < 200, "{}", table.join("\n"));
    }
}

#[test]
fn bytes_after_an_answer_are_not_the_next_answer() {
    for operation in operations() {
        let fake = Fake::start();
        let poisoned = |to: &mut dyn Write, answer: &Answer| {
            let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
            for (name, value) in &answer.headers {
                head += &format!("{name}: {value}\r\n");
            }
            head += &format!("content-length: {}\r\n\r\n", answer.body.len());
            to.write_all(&[head.as_bytes(), &answer.body].concat())?;
            say(
                to,
                "HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: 2\r\n\r\n{}",
            )
        };
        fake.fault_from(&operation, 1, Fault::Raw(Arc::new(poisoned)));
        let (output, _) = sync(&fake);
        output.succeeded();
        assert_eq!(fake.rows("people").len(), 10, "{operation}");
    }
}

#[test]
fn no_redirect_leads_to_another_host() {
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    for operation in operations() {
        for status in [301, 302, 307, 308] {
            let fake = Fake::start();
            let redirected = move |to: &mut dyn Write, _: &Answer| {
                let location = format!("http://localhost:{port}/s3.eu-west-1.amazonaws.com");
                say(
                    to,
                    &format!(
                        "HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
                    ),
                )
            };
            fake.fault_from(&operation, 1, Fault::Raw(Arc::new(redirected)));
            let (output, _) = sync(&fake);
            // What has happened all the same is found by a look, and leftovers are no reason to fail.
            let goes_on = [
                "CompleteMultipartUpload",
                "ListMultipartUploads",
                "DeleteObjects",
            ];
            let goes_on = goes_on.contains(&operation.as_str());
            assert!(goes_on || !output.status.success(), "{operation} {status}");
            assert!(trap.accept().is_err(), "{operation} {status}");
        }
    }
}

#[test]
fn a_listing_that_repeats_is_refused() {
    let fake = Fake::start();
    let repeated = |to: &mut dyn Write, _: &Answer| {
        framed(
            to,
            "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>\
             <NextUploadIdMarker>1</NextUploadIdMarker></ListMultipartUploadsResult>",
        )
    };
    fake.fault_from("ListMultipartUploads", 1, Fault::Raw(Arc::new(repeated)));
    let (output, peak) = sync(&fake);
    // Leftovers are no reason to fail.
    output.succeeded();
    assert!(
        output.stdout.contains("found a page again"),
        "{}",
        output.report()
    );
    let asked = fake.calls();
    let asked = asked.iter().filter(|call| *call == "ListMultipartUploads");
    assert!(asked.count() <= 4, "{:?}", fake.calls());
    assert!(peak < 100, "{peak} MB");
}

#[test]
fn an_answer_that_drips_is_given_up() {
    let operations = {
        let fake = Fake::start();
        Program::check(&fake.config()).run().succeeded();
        fake.calls()
    };
    assert!(operations.len() >= 6, "{operations:?}");
    std::thread::scope(|scope| {
        for operation in &operations {
            scope.spawn(move || {
                let fake = Fake::start();
                let dripping = |to: &mut dyn Write, answer: &Answer| {
                    let length = answer.body.len() + 10_000;
                    say(
                        to,
                        &format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"),
                    )?;
                    loop {
                        say(to, " ")?;
                        std::thread::sleep(Duration::from_millis(500));
                    }
                };
                fake.fault_from(operation, 1, Fault::Raw(Arc::new(dripping)));
                let output = Program::check(&fake.config()).run();
                let (connected, message) = output.connection();
                assert!(!connected, "{operation}: {message}");
                assert!(
                    output.took < Duration::from_secs(40),
                    "{operation}: {:?}",
                    output.took
                );
            });
        }
    });
}
