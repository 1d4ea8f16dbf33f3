//! The model: random sequences of syncs, kills and other people's hands on one lake, drawn from a seed. After each step,
//! every row that was acknowledged and that no acknowledged overwrite replaced is in the bucket, and visible where its
//! table is; no row is there twice, and no older row comes back.
//!
//! `MODEL_SEEDS` in the environment is how many seeds to run, `SEED` the first of them. A sequence that fails is printed
//! without the steps that it fails without.

mod book; // what must be true
mod flight; // runs
mod hands; // what others do
mod source; // what clients send
mod steps; // sequences
mod view; // what readers see
mod world; // the lake, and what happens to it

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::file;
use steps::Sequence;
use world::World;

/// How many seeds run where nobody says how many.
const FEW: u64 = 60;

/// A sequence that failed.
struct Failure {
    /// After which step.
    step: usize,
    faults: Vec<String>,
    story: Vec<String>,
    journal: Vec<String>,
}

/// Does the steps until something is wrong.
fn play(sequence: &Sequence) -> Option<Failure> {
    let world = World::new(sequence);
    for (index, step) in sequence.steps.iter().enumerate() {
        let faults = world.step(step);
        if !faults.is_empty() {
            world.fake.forgive();
            return Some(Failure {
                step: index,
                faults,
                story: world.story(),
                journal: world.fake.journal().traced(),
            });
        }
    }
    None
}

/// Leaves out the steps, and the troubles, that the sequence fails without.
fn shrunk(mut sequence: Sequence, mut failure: Failure) -> (Sequence, Failure) {
    sequence.steps.truncate(failure.step + 1);
    let mut index = sequence.steps.len();
    while index > 0 {
        index -= 1;
        let mut fewer = sequence.clone();
        fewer.steps.remove(index);
        if let Some(found) = play(&fewer) {
            fewer.steps.truncate(found.step + 1);
            index = index.min(fewer.steps.len());
            (sequence, failure) = (fewer, found);
            continue;
        }
        let mut easier = sequence.clone();
        if let steps::Step::Run(run) = &mut easier.steps[index]
            && run.trouble.take().is_some()
            && let Some(found) = play(&easier)
        {
            easier.steps.truncate(found.step + 1);
            (sequence, failure) = (easier, found);
        }
    }
    (sequence, failure)
}

fn report(seed: u64, sequence: &Sequence, failure: &Failure) -> String {
    let mut text = format!("SEED={seed} old table: {}\n", sequence.is_old);
    for (index, client) in sequence.clients.iter().enumerate() {
        text += &format!("client {index}: {client:?}\n");
    }
    for step in &sequence.steps {
        text += &format!("{step:?}\n");
    }
    format!(
        "{text}--- story\n{}\n--- calls\n{}\n--- found\n{}\n",
        failure.story.join("\n"),
        failure.journal.join("\n"),
        failure.faults.join("\n")
    )
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_order_of_events_loses_or_doubles_a_row() {
    let first = number("SEED").unwrap_or(0);
    let seeds = number("MODEL_SEEDS").unwrap_or(FEW);
    let next = AtomicU64::new(first);
    let folder = file("target/model");
    std::fs::create_dir_all(&folder).unwrap();
    let failed = std::thread::scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if seed >= first + seeds {
                    return failed;
                }
                let sequence = steps::draw(seed);
                if let Some(failure) = play(&sequence) {
                    let (sequence, failure) = shrunk(sequence, failure);
                    let report = report(seed, &sequence, &failure);
                    std::fs::write(folder.join(format!("{seed}.txt")), &report).unwrap();
                    failed.push((seed, report, failure.faults));
                }
            }
        };
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        let found = threads.into_iter().map(|thread| thread.join().unwrap());
        found.flatten().collect::<Vec<_>>()
    });
    let list: Vec<_> = failed
        .iter()
        .map(|(seed, _, faults)| format!("{seed}: {}", faults[0]))
        .collect();
    if let Some((_, report, _)) = failed.first() {
        panic!(
            "{report}\n--- seeds that failed, from SEED={first} on, of {seeds}\n{}",
            list.join("\n")
        );
    }
}
