//! Syncs of many streams of few records to services that answer late, or take few requests in a second: `make bench-many`.
//! What such a sync costs is its calls, and how many of them are in flight together.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // a bench prints, and measures time by itself

mod support; // inputs, servers, measuring

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fastrand::Rng;

use support::fake::Fake;
use support::messages::{Input, SEED, Shape, complete};
use support::process::measure;
use support::sync::{FOLDER, config, services_that_throttle, write_as};

/// Records of each stream.
const RECORDS: usize = 50;

/// What is asked of the services after so long a time is no longer the beginning.
const BEGINNING: Duration = Duration::from_secs(3);

const ROUNDS: usize = 3;

fn main() {
    fs::create_dir_all(FOLDER).expect("a folder for the inputs");
    println!(
        "streams  ms away  sync             wall s   CPU s  peak MiB  calls  of them refused late"
    );
    for delay in [0, 50] {
        many(100, delay, None);
    }
    many(1000, 50, None);
    many(100, 50, Some(20.0));
}

/// First syncs and next ones of so many streams.
fn many(streams: usize, delay: u64, rate: Option<f64>) {
    let rounds = if rate.is_some() { 1 } else { ROUNDS };
    let mut costs: [Vec<Line>; 4] = Default::default();
    for _ in 0..rounds {
        let services = || services_that_throttle(Duration::from_millis(delay), rate);
        let fresh = services();
        costs[0].push(sync(&fresh, streams, 1, Mode::Append));
        costs[1].push(sync(&fresh, streams, 1, Mode::Append));
        if streams == 100 && rate.is_none() {
            costs[2].push(sync(&services(), streams, 10, Mode::Append));
            costs[3].push(sync(&fresh, streams, 1, Mode::Overwrite));
        }
    }
    let throttles = if rate.is_some() { ", 20 calls/s" } else { "" };
    let names = ["first", "next", "ten checkpoints", "overwrite"];
    for (name, mut lines) in names.into_iter().zip(costs) {
        lines.sort_by(|one, other| one.wall.total_cmp(&other.wall));
        let Some(line) = lines.get(lines.len() / 2) else {
            continue;
        };
        println!(
            "{streams:7}  {delay:7}  {:15} {:7.2} {:7.2} {:9.1} {:6} {:8} of {}",
            format!("{name}{throttles}"),
            line.wall,
            line.cpu,
            line.peak,
            line.calls,
            line.refused.1,
            line.refused.0
        );
    }
}

struct Line {
    wall: f64,
    cpu: f64,
    peak: f64,
    calls: usize,
    /// How many calls came late, and how many of those were refused.
    refused: (usize, usize),
}

/// What becomes of the rows that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Append,
    Overwrite,
}

/// One sync, with so many checkpoints.
#[allow(clippy::cast_precision_loss)] // measurements
fn sync(services: &Fake, streams: usize, checkpoints: usize, mode: Mode) -> Line {
    let input = Input {
        shape: Shape::Orders,
        streams,
        records: streams * RECORDS,
    };
    let mut settings = config(services, "GZIP");
    if checkpoints > 1 {
        // Each state has a checkpoint of its own.
        settings["checkpoint_interval_minutes"] = 0.into();
    }
    let mut catalog = input.catalog();
    if mode == Mode::Overwrite {
        for stream in catalog["streams"].as_array_mut().into_iter().flatten() {
            stream["destination_sync_mode"] = "overwrite".into();
            stream["generation_id"] = 2.into();
            stream["minimum_generation_id"] = 2.into();
        }
    }
    let mut command = write_as(input, &catalog, &settings, "many");
    let messages = File::open(messages(input, checkpoints)).expect("it was made");
    let before = services.calls().len();
    let cost = measure(command.stdin(messages).stdout(Stdio::null()));
    assert!(!cost.failed, "{streams} streams: the sync failed");
    Line {
        wall: cost.wall.as_secs_f64(),
        cpu: cost.cpu.as_secs_f64(),
        peak: cost.peak as f64 / f64::from(1 << 20),
        calls: services.calls().len() - before,
        refused: services.throttled_after(BEGINNING),
    }
}

/// The messages as a file: records of all streams in turn, with so many states among them.
fn messages(input: Input, states: usize) -> PathBuf {
    let name = format!("many-{}-{}-{states}.jsonl", input.streams, input.records);
    let path = Path::new(FOLDER).join(name);
    if path.exists() {
        return path;
    }
    let mut random = Rng::with_seed(SEED);
    let mut text = String::new();
    for id in 0..input.records {
        let stream = id % input.streams;
        let written = input.shape.message(&mut random, id, stream, &mut text);
        written.expect("a String takes everything");
        text.push('\n');
        if (id + 1) % (input.records / states) == 0 {
            writeln!(text, "{}", input.state(id)).expect("a String takes everything");
        }
    }
    for index in 0..input.streams {
        writeln!(text, "{}", complete(index)).expect("a String takes everything");
    }
    fs::write(&path, text).expect("the disk has room");
    path
}
