//! Hostile folders: links, pipes and devices at every name that a sync uses, and folders that become links meanwhile.
//! Nothing outside of the lake is read, written or deleted, and every run ends.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::local::load;
use crate::support::program::Output;

/// A lake, and a place outside of it.
struct Place {
    folder: tempfile::TempDir,
}

/// What the outside holds.
const KEPT: &str = "kept\n";

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("outside/deeper")).unwrap();
        for name in ["outside/file", "outside/deeper/file"] {
            fs::write(folder.path().join(name), KEPT).unwrap();
        }
        Self { folder }
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join("outside").join(name)
    }

    fn load(&self, arguments: &[&str]) -> Output {
        load(&self.lake(), &["--table", "t"])
            .arguments(arguments)
            .stdin("{\"id\":1}\n{\"id\":2}\n")
            .run()
    }

    /// Nothing was made, changed or removed outside of the lake.
    #[track_caller]
    fn assert_untouched(&self, what: &str) {
        let mut outside = below(&self.outside(""));
        outside.sort();
        assert_eq!(
            outside,
            ["deeper", "deeper/file", "file"].map(PathBuf::from),
            "{what}"
        );
        for name in ["file", "deeper/file"] {
            assert_eq!(
                fs::read_to_string(self.outside(name)).unwrap(),
                KEPT,
                "{what}"
            );
        }
    }
}

/// Every path below a folder, relative to it; links are not followed.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            }
            found.push(entry.path().strip_prefix(folder).unwrap().to_owned());
        }
    }
    found
}

fn remove(path: &Path) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Puts something in the place of a file or a folder of the lake.
type Make = fn(&Place, &Path);

const THINGS: &[(&str, Make)] = &[
    ("a link to a file", |place, path| {
        symlink(place.outside("file"), path).unwrap();
    }),
    ("a link to a folder", |place, path| {
        symlink(place.outside("deeper"), path).unwrap();
    }),
    ("a link to nothing", |place, path| {
        symlink(place.outside("new"), path).unwrap();
    }),
    ("a link to itself", |_, path| symlink(path, path).unwrap()),
    ("a link to a device without end", |_, path| {
        symlink("/dev/zero", path).unwrap();
    }),
    ("a pipe", |_, path| fifo(path)),
    ("a folder", |_, path| fs::create_dir(path).unwrap()),
    ("a file", |_, path| fs::write(path, "x").unwrap()),
];

#[test]
fn nothing_at_any_name_of_the_lake_leads_out_of_it_or_holds_a_run_up() {
    let names = {
        let place = Place::new();
        assert!(place.load(&[]).status.success());
        fs::create_dir_all(place.lake().join("uploads/default/t")).unwrap();
        below(&place.lake())
    };
    assert!(names.len() > 10, "{names:?}");
    let depth_of_runs = |name: &Path| name.components().count();
    std::thread::scope(|scope| {
        for (thing, make) in THINGS {
            let names = &names;
            scope.spawn(move || {
                for name in names {
                    let place = Place::new();
                    assert!(place.load(&[]).status.success());
                    fs::create_dir_all(place.lake().join("uploads/default/t")).unwrap();
                    // Names of runs differ: the path of the same depth in the same folder.
                    let mut paths = below(&place.lake()).into_iter();
                    let same = |path: &PathBuf| {
                        path == name
                            || path.parent() == name.parent()
                            || depth_of_runs(path) == depth_of_runs(name)
                    };
                    let Some(path) = paths
                        .find(|path| path == name)
                        .or_else(|| below(&place.lake()).into_iter().find(same))
                    else {
                        continue;
                    };
                    let path = place.lake().join(path);
                    remove(&path);
                    make(&place, &path);
                    for arguments in [&["--mode", "append"][..], &["--mode", "overwrite"]] {
                        let what = format!("{thing} at {}, {arguments:?}", name.display());
                        let output = place.load(arguments);
                        assert!(
                            output.status.code().is_some(),
                            "{what}: {}",
                            output.report()
                        );
                        assert!(
                            !output.stderr.contains("panicked"),
                            "{what}: {}",
                            output.report()
                        );
                        assert!(
                            output.took < Duration::from_secs(30),
                            "{what}: {}",
                            output.report()
                        );
                        assert!(
                            !output.stderr.contains(KEPT.trim()),
                            "{what}: {}",
                            output.report()
                        );
                        place.assert_untouched(&what);
                        let kind = fs::symlink_metadata("/dev/zero").unwrap().file_type();
                        assert!(kind.is_char_device());
                    }
                }
            });
        }
    });
}

/// Another process swaps a folder of the lake for a link, again and again, while loads run.
#[test]
fn a_folder_that_becomes_a_link_meanwhile_leads_nowhere() {
    for raced in [
        "objects/default/t",
        "objects/default",
        "catalog/default",
        "uploads/default",
    ] {
        let place = Place::new();
        assert!(place.load(&[]).status.success());
        let path = place.lake().join(raced);
        fs::create_dir_all(&path).unwrap();
        let aside = place.folder.path().join("aside");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if fs::rename(&path, &aside).is_ok() {
                        let _ = symlink(place.outside(""), &path);
                        std::thread::sleep(Duration::from_micros(50));
                        let _ = fs::remove_file(&path);
                        let _ = fs::rename(&aside, &path);
                    }
                }
            });
            for number in 0..15 {
                let mode = if number % 3 == 0 {
                    "overwrite"
                } else {
                    "append"
                };
                let output = place.load(&["--mode", mode]);
                assert!(output.status.code().is_some(), "{}", output.report());
            }
            over.store(true, Ordering::Relaxed);
        });
        place.assert_untouched(raced);
    }
}
