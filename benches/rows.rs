//! How fast messages become rows, as a ratio to serde_json: `cargo bench --bench rows`.
//!
//! Both read the same messages from memory, split into lines, on one core. We read the envelope, encode the record
//! under its schema and throw the rows away. The rival does no more than to take the messages apart untyped, in two
//! passes: one over the line, with the record's data as a raw value, one over the data, with its members as raw values.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // a bench prints, and measures time by itself

mod support; // the messages

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;
use std::time::Instant;

use destination_aws_datalake::testing::Rows;
use fastrand::Rng;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use support::messages::{SEED, Shape};

const MESSAGES: usize = 100_000;
const ROUNDS: usize = 9;

fn main() {
    let rng = &mut Rng::with_seed(SEED);
    let mut input = String::new();
    for id in 0..MESSAGES {
        let written = Shape::Orders.message(rng, id, 0, &mut input);
        written.expect("a String takes everything");
        input.push('\n');
    }
    let input = input.into_bytes();
    println!(
        "{MESSAGES} messages of {} bytes on average, seed {SEED}",
        input.len() / MESSAGES
    );

    let mut rows = Rows::new(&Shape::Orders.schema(), false);
    let mut with_metadata = Rows::new(&Shape::Orders.schema(), true);
    let mut ratios = Vec::new();
    let (mut ours, mut full, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let rival = measure(&input, two_passes);
        let own = measure(&input, |input| encode(&mut rows, input));
        ratios.push(own / rival);
        ours.push(own);
        theirs.push(rival);
        full.push(measure(&input, |input| encode(&mut with_metadata, input)));
    }
    println!("two serde_json passes  {:7.0} MB/s", median(&mut theirs));
    println!("rows                   {:7.0} MB/s", median(&mut ours));
    println!("rows with metadata     {:7.0} MB/s", median(&mut full));
    println!("rows to serde_json     {:7.2}", median(&mut ratios));
}

/// MB/s.
fn measure(input: &[u8], run: impl FnOnce(&[u8]) -> usize) -> f64 {
    let begin = Instant::now();
    black_box(run(black_box(input)));
    let seconds = begin.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // a measurement
    let megabytes = input.len() as f64 / 1e6;
    megabytes / seconds
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    memchr::memchr_iter(b'\n', input).map(move |at| {
        let line = &input[from..at];
        from = at + 1;
        line
    })
}

fn encode(rows: &mut Rows, input: &[u8]) -> usize {
    const BLOCK: usize = 256 * 1024;
    let mut out = Vec::with_capacity(2 * BLOCK);
    let mut written = 0;
    for line in lines(input) {
        rows.message(line, &mut out).expect("a valid message");
        if out.len() >= BLOCK {
            written += black_box(&out).len();
            out.clear();
        }
    }
    written + out.len()
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Cow<'a, str>,
    #[serde(borrow)]
    record: Record<'a>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, rename = "stream")]
    _stream: Cow<'a, str>,
    #[serde(borrow, rename = "namespace")]
    _namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(rename = "emitted_at")]
    _emitted_at: i64,
}

/// The members of an object, counted.
struct Members(usize);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut count = 0;
                while let Some((key, value)) = map.next_entry::<&str, &RawValue>()? {
                    black_box((key, value));
                    count += 1;
                }
                Ok(Members(count))
            }
        }
        deserializer.deserialize_map(Counter)
    }
}

fn two_passes(input: &[u8]) -> usize {
    let mut count = 0;
    for line in lines(input) {
        let envelope: Envelope<'_> = serde_json::from_slice(line).expect("a valid message");
        let members: Members =
            serde_json::from_str(envelope.record.data.get()).expect("a valid record");
        count += members.0;
    }
    count
}
