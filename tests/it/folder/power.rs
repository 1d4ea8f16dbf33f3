//! Power failures: whatever was acknowledged is in the lake, and the next run finishes the work, wherever the power failed
//! and whichever of the changes that were not synced are lost.
//!
//! The program runs under a tracer, which notes every change and every sync of files and folders. The test plays the notes
//! into a model of a disk that keeps what was synced, cuts the power after each of them, and writes down what the disk may
//! hold then. <https://www.sqlite.org/testing.html> and the paper on ALICE (Pillai et al., 2014) describe the method.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fastrand::Rng;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use super::disk::{Change, Disk};
use crate::support::file;
use crate::support::fixture;
use crate::support::messages::{complete, people, person, state};

/// Which syncs are left out.
type LeftOut = fn(&Change) -> bool;

/// A sync, its notes, and what has to be visible.
struct Traced {
    mode: &'static str,
    /// The ids of records before each state.
    checkpoints: Vec<Vec<u64>>,
    changes: Vec<Change>,
}

/// A lake in which two syncs were traced: one that appends three checkpoints, and one that overwrites their rows.
struct World {
    folder: tempfile::TempDir,
    syncs: Vec<Traced>,
}

fn config() -> String {
    let mut config: Value = serde_json::from_str(&fixture("config/user.json")).unwrap();
    config["lakeformation_database_name"] = "db".into();
    config["checkpoint_interval_minutes"] = 0.into();
    config.to_string()
}

/// The messages of these checkpoints, of which the first is the `first`-th.
fn messages(checkpoints: &[Vec<u64>], first: u64) -> String {
    let mut text = String::new();
    for (ids, number) in checkpoints.iter().zip(first..) {
        text.extend(ids.iter().map(|id| person("people", *id)));
        text += &state("people", number);
    }
    text + &complete("people")
}

impl World {
    fn new() -> Self {
        // In memory, where there is such a place: hundreds of runs sync their files, and what that does is traced anyway.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.unwrap();
        let mut world = Self {
            folder,
            syncs: Vec::new(),
        };
        fs::create_dir(world.lake()).unwrap();
        fs::write(world.path("config.json"), config()).unwrap();
        let append = vec![vec![0, 1], vec![2], vec![3, 4]];
        world.trace("append", append);
        world.trace("overwrite", vec![vec![7, 8]]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn lake(&self) -> PathBuf {
        self.path("lake")
    }

    /// Runs `write` under this program, or by itself; what it printed.
    fn write(&self, tracer: Option<&[&str]>, mode: &str, input: &str) -> String {
        fs::write(
            self.path("catalog.json"),
            people("people", mode).to_string(),
        )
        .unwrap();
        fs::write(self.path("input"), input).unwrap();
        let program = env!("CARGO_BIN_EXE_destination-aws-datalake");
        let words = tracer.unwrap_or_default().iter().copied().chain([program]);
        let words: Vec<_> = words.collect();
        let output = Command::new(words[0])
            .args(&words[1..])
            .args([
                "write",
                "--config",
                "config.json",
                "--catalog",
                "catalog.json",
                "--local",
                "lake",
            ])
            .current_dir(self.path(""))
            .env_clear()
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::from(fs::File::open(self.path("input")).unwrap()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }

    fn trace(&mut self, mode: &'static str, checkpoints: Vec<Vec<u64>>) {
        let python = file("target/python/bin/python").display().to_string();
        let tracer = file("tests/support/trace.py").display().to_string();
        let tracer = [&python, &tracer, "notes", "lake"];
        let said = self.write(Some(&tracer), mode, &messages(&checkpoints, 1));
        let notes = fs::read_to_string(self.path("notes")).unwrap();
        let changes: Vec<_> = notes
            .lines()
            .map(|line| Change::read(line, &self.lake()))
            .collect();
        let printed = |text: &str| text.matches("\"type\":\"STATE\"").count();
        let acknowledged: usize = changes.iter().map(|change| printed(change.words())).sum();
        assert_eq!(
            (acknowledged, printed(&said)),
            (checkpoints.len(), checkpoints.len()),
            "{notes}"
        );
        self.syncs.push(Traced {
            mode,
            checkpoints,
            changes,
        });
    }

    /// The ids that are visible; an error where the lake cannot be read. No table is none.
    fn visible(&self) -> Result<Vec<u64>, String> {
        let Ok(text) = fs::read_to_string(self.lake().join("catalog/db/people.json")) else {
            return Ok(Vec::new());
        };
        let broken = |what: &str| format!("{what} is broken");
        let entry: Value =
            serde_json::from_str(&text).map_err(|_| broken("the table's definition"))?;
        let location = entry["StorageDescriptor"]["Location"].as_str().unwrap();
        let mut found = Vec::new();
        // An engine sees no rows where there is no folder.
        let objects = fs::read_dir(location.strip_prefix("file://").unwrap());
        for object in objects.into_iter().flatten() {
            let packed = fs::File::open(object.unwrap().path()).unwrap();
            let text = std::io::read_to_string(MultiGzDecoder::new(packed));
            for row in text.map_err(|_| broken("an object"))?.lines() {
                let row: Value = serde_json::from_str(row).map_err(|_| broken("a row"))?;
                found.push(row["id"].as_u64().unwrap());
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What is wrong with the lake as it is on the disk, after so many checkpoints of the sync were acknowledged.
    fn fault(&self, number: usize, acknowledged: usize) -> Option<String> {
        let visible = match self.visible() {
            Ok(visible) => visible,
            Err(fault) => return Some(fault),
        };
        let sync = &self.syncs[number];
        let new: Vec<u64> = sync.checkpoints.concat();
        let fine = if sync.mode == "append" {
            let covered: BTreeSet<_> = sync.checkpoints[..acknowledged].iter().flatten().collect();
            let unique: BTreeSet<_> = visible.iter().collect();
            unique.len() == visible.len() && covered.is_subset(&unique)
        } else {
            let old = self.syncs[number - 1].checkpoints.concat();
            visible == new || acknowledged == 0 && visible == old
        };
        (!fine).then(|| format!("{visible:?} are visible after {acknowledged} checkpoints"))
    }

    /// Whether the records of all runs say that what they published may be acknowledged.
    fn is_settled(&self) -> bool {
        let runs = self.lake().join("objects/raw/_datalake/runs");
        let mut records = fs::read_dir(runs).into_iter().flatten().peekable();
        records.peek().is_some()
            && records.all(|entry| {
                let record = fs::read(entry.unwrap().path()).unwrap();
                let record: Value = serde_json::from_slice(&record).unwrap();
                record["unacknowledged"] == json!({})
            })
    }

    /// Lets the source go on after the last acknowledged state; what is wrong then.
    ///
    /// A checkpoint is settled a moment before its state is printed: in that moment its rows will be sent again.
    fn fault_after_recovery(&self, number: usize, acknowledged: usize) -> Option<String> {
        let is_settled = self.is_settled();
        let sync = &self.syncs[number];
        let done = if sync.mode == "append" {
            acknowledged
        } else {
            0
        };
        let rest = &sync.checkpoints[done..];
        self.write(None, sync.mode, &messages(rest, done as u64 + 1));
        let expected: Vec<u64> = sync.checkpoints.concat();
        let visible = self.visible();
        let is_doubled = || {
            let next = sync.checkpoints.get(acknowledged).into_iter().flatten();
            let mut doubled: Vec<u64> = expected.iter().chain(next).copied().collect();
            doubled.sort_unstable();
            visible.as_ref() == Ok(&doubled)
        };
        let is_fine = visible.as_ref() == Ok(&expected) || is_settled && is_doubled();
        (!is_fine).then(|| format!("{visible:?} are visible after recovery"))
    }

    /// Cuts the power after every change of every sync, with these changes left out; returns what is wrong.
    fn cut(&self, left_out: LeftOut, recover: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        let mut disk = Disk::new();
        let mut random = Rng::with_seed(7);
        for (number, sync) in self.syncs.iter().enumerate() {
            let mut acknowledged = 0;
            for (at, change) in sync.changes.iter().enumerate() {
                acknowledged += change.words().matches("\"type\":\"STATE\"").count();
                if !left_out(change) {
                    disk.apply(change);
                }
                for (how, image) in disk.images(&mut random) {
                    if !seen.insert((number, acknowledged, image.clone())) {
                        continue;
                    }
                    self.lay_out(&image);
                    let mut fault = self.fault(number, acknowledged);
                    if recover && fault.is_none() {
                        fault = self.fault_after_recovery(number, acknowledged);
                    }
                    faults.extend(fault.map(|fault| {
                        format!(
                            "{}, after change {at} ({change:?}), {how}: {fault}",
                            sync.mode
                        )
                    }));
                }
            }
            assert_eq!(acknowledged, sync.checkpoints.len());
        }
        assert!(seen.len() > 50, "only {} images", seen.len());
        faults
    }

    /// Makes the lake on the disk what the image says.
    fn lay_out(&self, image: &BTreeMap<PathBuf, Option<Vec<u8>>>) {
        let lake = self.lake();
        fs::remove_dir_all(&lake).unwrap();
        fs::create_dir(&lake).unwrap();
        for (path, content) in image {
            let path = lake.join(path);
            match content {
                None => fs::create_dir(path).unwrap(),
                Some(content) => fs::write(path, content).unwrap(),
            }
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_power_failure_and_the_next_run_goes_on() {
    let faults = World::new().cut(|_| false, true);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Otherwise the test above could not fail.
#[test]
fn a_sync_that_is_left_out_is_found() {
    let world = World::new();
    let cases: [(&str, LeftOut); 4] = [
        (
            "of files",
            |change| matches!(change, Change::Sync(path) if path.starts_with("uploads")),
        ),
        (
            "of folders of objects",
            |change| matches!(change, Change::Sync(path) if path.starts_with("objects")),
        ),
        (
            "of the catalog's folder",
            |change| matches!(change, Change::Sync(path) if path == Path::new("catalog/db")),
        ),
        (
            "of the catalog's files",
            |change| matches!(change, Change::Sync(path) if path.extension().is_some_and(|end| end == "new")),
        ),
    ];
    for (what, left_out) in cases {
        let faults = world.cut(left_out, false);
        assert!(
            !faults.is_empty(),
            "nothing is lost without the syncs {what}"
        );
    }
}
