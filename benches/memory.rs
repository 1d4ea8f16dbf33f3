//! The peak memory of a sync beside its bound: `make memory` sends the same messages through 1, 100 and 1,000 interleaved
//! streams with two memory budgets in each codec. Fails where a peak passes its bound. Words choose among them: `1000 GZIP`.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // a bench prints, and measures time by itself

mod support; // inputs, servers, measuring

use std::fs::{self, File};
use std::process::Stdio;

use support::messages::{Input, Shape};
use support::process::measure;
use support::sync::{FOLDER, Hashes, config, file_of, services, write};

/// Enough for every budget: 190 MB of messages.
const RECORDS: usize = 400_000;

const STREAMS: [usize; 3] = [1, 100, 1000];
const BUDGETS: [u64; 2] = [16, 64];
const CODECS: [&str; 5] = [
    "GZIP",
    "ZSTD",
    "UNCOMPRESSED",
    "Parquet SNAPPY",
    "Parquet ZSTD",
];

/// What a sync may hold beside its budget: the program, the line that is read, the connections, and a part on its way.
const BESIDE: u64 = 24;

/// The same where columns of row groups grow side by side, which leaves holes.
const BESIDE_PARQUET: u64 = 32;

fn main() {
    fs::create_dir_all(FOLDER).expect("a folder for the inputs");
    println!("streams  budget MiB  codec           peak MiB  bound MiB  holds  objects  seconds");
    // cargo hands `--bench` over.
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let mut failed = 0;
    for streams in STREAMS {
        let input = Input {
            shape: Shape::Orders,
            streams,
            records: RECORDS,
        };
        for budget in BUDGETS {
            for codec in CODECS {
                let names = [streams.to_string(), budget.to_string(), codec.to_owned()];
                if only.iter().all(|word| names.contains(word)) {
                    failed += usize::from(!holds(input, budget, codec));
                }
            }
        }
    }
    assert!(failed == 0, "{failed} peaks passed their bound");
}

/// Runs one sync, prints its line, and returns whether its peak is within the bound.
#[allow(clippy::cast_precision_loss)] // measurements
fn holds(input: Input, budget: u64, codec: &str) -> bool {
    let services = services(Hashes::Unchecked);
    let mut settings = config(&services, codec);
    settings["memory_budget_mb"] = budget.into();
    let mut command = write(input, &settings, "memory");
    let messages = File::open(file_of(input)).expect("it was made");
    let cost = measure(command.stdin(messages).stdout(Stdio::null()));
    assert!(!cost.failed, "the sync failed");
    let peak = cost.peak as f64 / f64::from(1 << 20);
    let beside = if codec.starts_with("Parquet") {
        BESIDE_PARQUET
    } else {
        BESIDE
    };
    let bound = budget + beside;
    let holds = peak <= bound as f64;
    println!(
        "{:7}  {budget:10}  {codec:14}  {peak:8.1}  {bound:9}  {:5}  {:7}  {:7.2}",
        input.streams,
        if holds { "yes" } else { "NO" },
        services.objects(),
        cost.wall.as_secs_f64(),
    );
    holds
}
