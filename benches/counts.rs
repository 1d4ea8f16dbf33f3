//! Instructions of three fixed pieces of work, counted by valgrind's callgrind: `make bench-counts`, with `UPDATE=1` to
//! record them. They hardly depend on the machine or on what else runs there, so that commits can be compared.
//!
//! valgrind's processor has no SHA instructions, so that signing counts hashing without them.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // a bench prints, and reads what it is asked

mod support; // the messages

use std::fs;
use std::hint::black_box;
use std::process::Command;

use destination_aws_datalake::testing::{self, MessageLines, Rows};
use fastrand::Rng;

use support::messages::{SEED, Shape};

/// How often each piece is done; the count of none at all is taken off.
const TIMES: usize = 1000;

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/counts.tsv");

/// What is counted, and what of.
const PIECES: [(&str, &str); 3] = [
    (
        "envelope",
        "finding the record in a message of the benchmark stream",
    ),
    ("plan", "making its row"),
    ("sign", "signing a part with an empty body"),
];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let [piece, times] = &asked[..] {
        return run(piece, times.parse().expect("a number"));
    }
    let recorded = fs::read_to_string(RECORDED).unwrap_or_default();
    let mut counts = Vec::new();
    for (piece, what) in PIECES {
        let count = (count(piece, TIMES) - count(piece, 0)) / TIMES as u64;
        let before = recorded
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{piece}\t")));
        let before = before.unwrap_or("none");
        println!("{piece:10} {count:8} instructions, recorded {before:>8}: {what}");
        counts.push(format!("{piece}\t{count}"));
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(RECORDED, counts.join("\n") + "\n").expect("the folder exists");
    }
}

/// What valgrind counts for the whole process.
fn count(piece: &str, times: usize) -> u64 {
    let this = std::env::current_exe().expect("a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args([piece, &times.to_string()])
        .output()
        .expect("valgrind is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    let count = text
        .lines()
        .find_map(|line| line.split("Collected : ").nth(1));
    let count = count.and_then(|count| count.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind said no count:\n{text}"))
}

fn run(piece: &str, times: usize) {
    let mut random = Rng::with_seed(SEED);
    let lines: Vec<String> = (0..16)
        .map(|id| {
            let mut line = String::new();
            let written = Shape::Orders.message(&mut random, id, 0, &mut line);
            written.expect("a String takes everything");
            line
        })
        .collect();
    let records: Vec<&[u8]> = lines.iter().map(|line| data_of(line)).collect();
    let mut messages = MessageLines::default();
    let mut rows = Rows::new(&Shape::Orders.schema(), false);
    let mut out = Vec::with_capacity(1 << 20);
    for time in 0..times {
        let index = time % lines.len();
        match piece {
            "envelope" => {
                let line = black_box(lines[index].as_bytes());
                assert!(messages.is_record(line).expect("a valid message"));
            }
            "plan" => {
                out.clear();
                let data = black_box(records[index]);
                rows.record(data, &mut out).expect("a valid record");
            }
            "sign" => drop(black_box(testing::sign(black_box(b"")))),
            other => panic!("no piece {other}"),
        }
    }
}

/// The record inside of its message.
fn data_of(line: &str) -> &[u8] {
    let from = line.find("\"data\":").expect("a message") + 7;
    let to = line.rfind(",\"emitted_at\"").expect("a message");
    &line.as_bytes()[from..to]
}
