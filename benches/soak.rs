//! Hours of a sync in minutes: `make soak` sends 20 million small records through one stream, and 10 million through 100
//! interleaved streams, to services on loopback, and watches the memory of the program. Fails where it grows.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // a bench prints, and measures time by itself

mod support; // inputs, servers, measuring

use std::fs;
use std::io::{BufWriter, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::fake::Fake;
use support::messages::{Input, SEED, STATE_EVERY, Shape, complete};
use support::process::memory;
use support::sync::{FOLDER, Hashes, config, services, write};

/// How many samples are taken.
const SAMPLES: usize = 20;

const MIB: u64 = 1 << 20;

/// By how much the later half may pass the earlier one: the allocator may keep the buffer of a part that is gone.
const GROWTH: u64 = 8 * MIB;

fn main() {
    fs::create_dir_all(FOLDER).expect("a folder for the configuration");
    let scale = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(1.0);
    let of = |records: f64, streams| Input {
        shape: Shape::Small,
        streams,
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a whole number in between
        records: (records * scale) as usize,
    };
    // The resident sets: that of one stream is promised, for a hundred there is a memory budget.
    soak(of(2e7, 1), 24 * MIB);
    soak(of(1e7, 100), 128 * MIB);
}

fn soak(input: Input, most: u64) {
    let services = services(Hashes::Checked);
    let mut settings = config(&services, "GZIP");
    // Small files, so that there are many checkpoints.
    settings["target_file_size_mb"] = 16.into();
    let begin = Instant::now();
    let mut child = write(input, &settings, "soak")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = child.id();
    let stdin = child.stdin.take().expect("it was asked for");
    let samples = feed(input, stdin, || {
        memory(pid, "VmRSS").expect("it runs as long as it is fed")
    });
    // A look before it ends: the peak is the kernel's own.
    let status = child.wait().expect("our child");
    let seconds = begin.elapsed().as_secs_f64();
    assert!(status.success(), "{status}");
    report(input, seconds, &samples, &services, most);
}

/// Writes all messages, and looks at the memory now and then.
fn feed(input: Input, stdin: impl Write, look: impl Fn() -> u64) -> Vec<u64> {
    let mut stdin = BufWriter::with_capacity(1 << 16, stdin);
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut line = String::new();
    let mut samples = Vec::new();
    let between = (input.records / SAMPLES).max(1);
    for id in 0..input.records {
        line.clear();
        let stream = id % input.streams;
        let written = input.shape.message(&mut random, id, stream, &mut line);
        written.expect("a String takes everything");
        line.push('\n');
        stdin.write_all(line.as_bytes()).expect("it reads");
        if (id + 1) % STATE_EVERY == 0 {
            writeln!(stdin, "{}", input.state(id)).expect("it reads");
        }
        if (id + 1) % between == 0 {
            samples.push(look());
        }
    }
    for index in 0..input.streams {
        writeln!(stdin, "{}", complete(index)).expect("it reads");
    }
    stdin.flush().expect("it reads");
    std::thread::sleep(Duration::from_millis(1));
    samples
}

#[allow(clippy::cast_precision_loss)] // measurements
fn report(input: Input, seconds: f64, samples: &[u64], services: &Fake, limit: u64) {
    let shown: Vec<String> = samples
        .iter()
        .map(|bytes| format!("{:.1}", *bytes as f64 / MIB as f64))
        .collect();
    println!(
        "{} records, {} streams: {seconds:.1} s, {:.0} records/s, {} objects, {:.0} MB stored",
        input.records,
        input.streams,
        input.records as f64 / seconds,
        services.objects(),
        services.sent() as f64 / 1e6,
    );
    println!("resident MiB: {}", shown.join(" "));
    // What fills up once (buffers, the first parts) is full by the first quarter.
    let (earlier, later) = samples[SAMPLES / 4..].split_at(SAMPLES * 3 / 8);
    let most = |samples: &[u64]| samples.iter().copied().max().unwrap_or(0);
    let growth = most(later).saturating_sub(most(earlier));
    println!("the later half passes the earlier one by {growth} bytes");
    assert!(growth <= GROWTH, "memory grows");
    assert!(most(samples) <= limit, "more than {limit} bytes");
}
