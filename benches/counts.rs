//! Instructions of fixed pieces of work, and of a record in a `load` that is past its sample, counted by valgrind's
//! callgrind: `make bench-counts`, with `UPDATE=1` to record them. They hardly depend on the machine or on what else runs there, so that commits can be compared.
//!
//! valgrind's processor has no SHA instructions, so that signing counts hashing without them.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // a bench prints, and reads what it is asked

mod support; // the messages

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use destination_aws_datalake::testing::{self, MessageLines, Rows};
use fastrand::Rng;
use serde_json::Value;

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

/// How the records of a load are arranged, what is counted, and whether their schema is declared.
const LOADS: [(&str, &str, bool); 5] = [
    ("load", "a line of `load`, whose table may grow", false),
    (
        "declared",
        "the same with a schema, whose table does not",
        true,
    ),
    ("array", "an element of an array in `load`", false),
    (
        "spaced",
        "a line of `load` with spaces, as Python writes it",
        false,
    ),
    ("pretty", "a pretty-printed object of `load`", false),
];

/// The records of two loads, both more than the sample, of which the difference is counted.
const RECORDS: [usize; 2] = [14_000, 18_000];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let [piece, times] = &asked[..] {
        return run(piece, times.parse().expect("a number"));
    }
    let recorded = fs::read_to_string(RECORDED).unwrap_or_default();
    let mut counts = Vec::new();
    let pieces = PIECES.map(|(piece, what)| {
        let count = (count(piece, TIMES) - count(piece, 0)) / TIMES as u64;
        (piece, what, count)
    });
    let loads = LOADS.map(|(piece, what, is_declared)| {
        let [few, many] = RECORDS.map(|records| count_load(piece, is_declared, records));
        (piece, what, (many - few) / (RECORDS[1] - RECORDS[0]) as u64)
    });
    for (piece, what, count) in pieces.into_iter().chain(loads) {
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
    collected(&this, &[piece, &times.to_string()])
}

/// The same of a load into a folder, without compression.
fn count_load(form: &str, is_declared: bool, records: usize) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let schema = Shape::Orders.schema().to_string();
    fs::write(path("schema.json"), schema).expect("room");
    fs::write(path("records.json"), input(form, records)).expect("room");
    let lake = path("lake");
    let (schema, input) = (path("schema.json"), path("records.json"));
    let codec = r#"format={"format_type":"JSONL","compression_codec":"UNCOMPRESSED"}"#;
    let mut arguments = vec!["load", "--local", &lake, "--table", "t", "--set", codec];
    if is_declared {
        arguments.extend(["--schema", &schema]);
    }
    arguments.push(&input);
    let program = env!("CARGO_BIN_EXE_destination-aws-datalake");
    collected(Path::new(program), &arguments)
}

/// Records of the benchmark stream in an arrangement.
fn input(form: &str, records: usize) -> String {
    let mut random = Rng::with_seed(SEED);
    let mut input = String::new();
    for id in 0..records {
        let mut line = String::new();
        let written = Shape::Orders.message(&mut random, id, 0, &mut line);
        written.expect("a String takes everything");
        let record = std::str::from_utf8(data_of(&line)).expect("text");
        match form {
            "pretty" => {
                let record: Value = serde_json::from_str(record).expect("an object");
                input += &serde_json::to_string_pretty(&record).expect("an object");
            }
            // No text of the stream has such characters.
            "spaced" => input += &record.replace("\":", "\": ").replace(",\"", ", \""),
            "array" => {
                input += if id == 0 { "[" } else { "," };
                input += record;
                continue;
            }
            _ => input += record,
        }
        input.push('\n');
    }
    if form == "array" {
        input.push(']');
    }
    input
}

fn collected(program: &Path, arguments: &[&str]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
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
