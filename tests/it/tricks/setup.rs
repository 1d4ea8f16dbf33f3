//! Tricks before any answer: of servers while TLS is set up, and of proxies while they open a tunnel.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::{MOST_MEGABYTES, sampled};
use crate::support::program::Program;

type Act = fn(&mut TcpStream) -> Result<()>;

/// Says the piece again and again, with pauses of so many milliseconds.
fn again(to: &mut TcpStream, piece: &[u8], pause: u64) -> Result<()> {
    loop {
        to.write_all(piece)?;
        std::thread::sleep(Duration::from_millis(pause));
    }
}

/// A record of TLS 1.2 with a piece of a handshake's message of 16 MiB: a certificate.
fn record() -> Vec<u8> {
    let mut record = vec![22, 3, 3, 0x40, 0, 11, 0xff, 0xff, 0xff];
    record.resize(5 + 0x4000, 0);
    record
}

const TRICKS: &[(&str, Act)] = &[
    ("silence", |_| {
        std::thread::sleep(Duration::from_secs(30));
        Ok(())
    }),
    ("no word", |_| Ok(())),
    ("a byte now and then", |to| again(to, &[22], 200)),
    ("a flood of nothing", |to| again(to, &[0; 4096], 0)),
    ("a flood of text", |to| again(to, b"HTTP/1.1 200 OK\r\n", 0)),
    ("a flood of records", |to| {
        loop {
            to.write_all(&record())?;
        }
    }),
    ("a flood of alerts", |to| {
        again(to, &[21, 3, 3, 0, 2, 1, 90], 0)
    }),
    ("empty records", |to| again(to, &[22, 3, 3, 0, 0], 0)),
    ("a flood of headers", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\n")?;
        again(to, b"x-header: value\r\n", 0)
    }),
    ("a header now and then", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\n")?;
        again(to, b"x-header: value\r\n", 200)
    }),
    ("a flood of 100 Continue", |to| {
        again(to, b"HTTP/1.1 100 Continue\r\n\r\n", 0)
    }),
    ("a tunnel to nowhere", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        again(to, b"no TLS", 0)
    }),
    ("a redirect", |to| {
        to.write_all(b"HTTP/1.1 302 Found\r\nlocation: http://localhost:1/\r\n\r\n")
    }),
    ("a question for a password", |to| {
        to.write_all(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n",
        )
    }),
];

/// A server that plays the trick to whoever comes, once it has heard something; its port.
fn serve(act: Act) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            std::thread::spawn(move || {
                let _ = connection.read(&mut [0; 4096]);
                let _ = act(&mut connection);
            });
        }
    });
    port
}

#[test]
fn nothing_that_comes_before_an_answer_takes_time_or_memory_without_bound() {
    std::thread::scope(|scope| {
        for (name, act) in TRICKS {
            for is_proxy in [false, true] {
                scope.spawn(move || {
                    let port = serve(*act);
                    let endpoint = if is_proxy { 1 } else { port };
                    let config = json!({
                        "credentials": {"credentials_title": "IAM User", "aws_access_key_id": "AKIA", "aws_secret_access_key": "hunter2"},
                        "region": "us-east-1", "bucket_name": "b", "lakeformation_database_name": "d",
                        "endpoint_url": format!("https://localhost:{endpoint}"),
                    });
                    let mut program = Program::check(&config).env("AWS_MAX_ATTEMPTS", "2");
                    if is_proxy {
                        program = program.env("HTTPS_PROXY", &format!("http://u:hunter2@127.0.0.1:{port}"));
                    }
                    let pause = Duration::from_millis(20);
                    let (output, peak) = program.run_beside(|pid| sampled(pid, pause));
                    let (connected, message) = output.connection();
                    let what = format!("{name}, proxy: {is_proxy}: {message}");
                    assert!(!connected && !message.contains("hunter2"), "{what}");
                    assert!(output.took < Duration::from_secs(30), "{what}: {:?}", output.took);
                    let megabytes = peak.join().unwrap();
                    assert!(megabytes < MOST_MEGABYTES, "{what}: {megabytes} MB");
                });
            }
        }
    });
}
