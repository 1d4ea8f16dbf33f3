//! Hostile servers: no answer takes time or memory without bound, is taken for another one, or leads elsewhere.
//!
//! Every trick is tried on every call that the program makes; a call without a scene fails the test. What each trick took
//! is in `target/tricks.tsv`: the longest time, the most memory, and at which call.

mod list;
mod scenes;
mod setup;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::fake::wire::Answer;
use crate::support::fake::{Fake, Fault, SECRET};
use crate::support::file;

use list::{Outcome, TRICKS, Trick, Turn};
use scenes::{SCENES, Scene};

/// What the program may take at most under any trick, on a machine that does other things beside.
const LONGEST: Duration = Duration::from_secs(60);
const MOST_MEGABYTES: u64 = 128;

/// Calls whose answers come in pages.
const LISTINGS: [&str; 4] = [
    "GetDatabases",
    "GetTables",
    "ListMultipartUploads",
    "ListObjectsV2",
];

/// Calls without which a run goes on: what has happened all the same is found by a look, what cannot be looked through is
/// left and reported, a database whose probe cannot be deleted is not tried, and an instance without a token may know version 1 alone.
const DISPENSABLE: [&str; 5] = [
    "CompleteMultipartUpload",
    "DeleteDatabase",
    "GetDatabases",
    "GetTables",
    "InstanceToken",
];

/// What a trick took at a call.
struct Took {
    call: &'static str,
    seconds: f64,
    megabytes: u64,
}

/// The peak of a process's memory in MB, once it has ended.
fn sampled(pid: u32, pause: Duration) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        // Between its start and its own program a process has the memory of this one.
        let test = std::env::current_exe().ok();
        while std::fs::read_link(format!("/proc/{pid}/exe")).ok() == test {
            std::thread::yield_now();
        }
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
            std::thread::sleep(pause);
        }
    })
}

/// Plays the trick at every call of the scene.
fn play(trick: &'static Trick, scene: &'static Scene, trap: u16) -> Took {
    let what = format!("{} at {}", trick.name, scene.call);
    let fake = Fake::start();
    (scene.set)(&fake);
    let raw = move |to: &mut dyn Write, answer: &Answer| (trick.act)(to, &Turn { answer, trap });
    fake.fault_from(scene.call, 1, Fault::Raw(Arc::new(raw)));
    let waits = trick.outcome == Outcome::FailsAfterWait;
    let (output, peak) = (scene.program)(&fake)
        .env("AWS_MAX_ATTEMPTS", "2")
        .env("DATALAKE_RETRY_SECONDS", if waits { "1" } else { "20" })
        .env("DATALAKE_SILENCE_SECONDS", if waits { "1" } else { "20" })
        .run_beside(|pid| sampled(pid, Duration::from_millis(if waits { 50 } else { 4 })));
    let megabytes = peak.join().unwrap();
    let said = format!("{}{}", output.stdout, output.stderr);
    let report = || format!("{what}: {}", output.report());
    assert!(output.status.code().is_some(), "{}", report());
    assert!(!said.contains("panicked"), "{}", report());
    assert!(!said.contains(SECRET), "{what}: a secret is shown");
    assert!(said.len() < 100_000, "{what}: {} bytes", said.len());
    let steers = |character: char| character.is_control() && character != '\n';
    assert!(!said.contains(steers), "{}", report());
    assert!(output.took < LONGEST, "{what} took {:?}", output.took);
    assert!(megabytes < MOST_MEGABYTES, "{what} took {megabytes} MB");
    let is_acknowledged = !output.states().is_empty();
    assert!(
        !is_acknowledged || !fake.rows("people").is_empty(),
        "{}",
        report()
    );
    let failed = output.status.code() != Some(0) || said.contains("\"FAILED\"");
    match trick.outcome {
        Outcome::Taken => assert!(!failed, "{}", report()),
        Outcome::Repeats if LISTINGS.contains(&scene.call) => {
            assert!(said.contains("found a page again"), "{}", report());
            let asked = fake
                .calls()
                .iter()
                .filter(|call| *call == scene.call)
                .count();
            assert!(asked <= 6, "{what}: asked {asked} times");
        }
        Outcome::Fails | Outcome::FailsAfterWait if !DISPENSABLE.contains(&scene.call) => {
            assert!(failed, "{}", report());
        }
        _ => {}
    }
    Took {
        call: scene.call,
        seconds: output.took.as_secs_f64(),
        megabytes,
    }
}

/// Every pair of a trick and a scene, by so many at a time.
fn play_all(tricks: &[&'static Trick], at_once: usize, trap: u16) -> Vec<(&'static str, Took)> {
    let pairs: Vec<_> = tricks
        .iter()
        .flat_map(|trick| SCENES.iter().map(move |scene| (*trick, scene)))
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let work = || {
            let mut took = Vec::new();
            while let Some((trick, scene)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                took.push((trick.name, play(trick, scene, trap)));
            }
            took
        };
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let all = workers.into_iter().map(|worker| match worker.join() {
            Ok(took) => took,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        all.flatten().collect()
    })
}

#[test]
fn no_trick_of_a_server_takes_time_or_memory_without_bound() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    let only = std::env::var("TRICK").unwrap_or_default();
    let tricks = || TRICKS.iter().filter(|trick| trick.name.contains(&only));
    let waits = |trick: &&Trick| trick.outcome == Outcome::FailsAfterWait;
    let (waiting, busy): (Vec<_>, Vec<_>) = tricks().partition(waits);
    let played: Vec<_> = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| play_all(&waiting, 48, port));
        let busy = play_all(&busy, 6, port);
        let waiting = waiting.join().unwrap();
        busy.into_iter().chain(waiting).collect()
    });
    let reached = trap.accept();
    assert!(reached.is_err(), "a trick led to another host");
    let mut table = String::from("trick\tseconds\tat\tMB\tat\n");
    for trick in tricks() {
        let of_it = || {
            played
                .iter()
                .filter(|(name, _)| *name == trick.name)
                .map(|(_, took)| took)
        };
        let longest = of_it()
            .max_by(|a, b| a.seconds.total_cmp(&b.seconds))
            .unwrap();
        let most = of_it().max_by_key(|took| took.megabytes).unwrap();
        writeln!(
            table,
            "{}\t{:.1}\t{}\t{}\t{}",
            trick.name, longest.seconds, longest.call, most.megabytes, most.call
        )
        .unwrap();
    }
    std::fs::write(file("target/tricks.tsv"), table).unwrap();
}

/// The names of the operations in the source.
fn operations(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            operations(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let names = text.split("const NAME: &'static str = \"").skip(1);
        found.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
}

#[test]
fn every_operation_has_a_scene() {
    let mut found = BTreeSet::new();
    operations(&file("src/aws"), &mut found);
    assert!(found.len() >= 25, "{found:?}");
    let scenes: BTreeSet<_> = SCENES.iter().map(|scene| scene.call.to_owned()).collect();
    let without: Vec<_> = found.difference(&scenes).collect();
    assert!(without.is_empty(), "no scene in scenes.rs for {without:?}");
}
