//! Readers of the lake that others made: Python scripts in tests/support run them, and compare.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use super::file;

/// The Python that has Spark. `make test` sets it up where there is Java for it.
pub(crate) fn spark() -> Option<&'static str> {
    let python = "target/spark/bin/python";
    let has_java = Command::new("java").arg("-version").output().is_ok();
    (has_java && file(python).exists()).then_some(python)
}

/// Runs a script in a folder.
pub(crate) fn script(
    python: &str,
    script: &str,
    arguments: &[impl AsRef<OsStr>],
    folder: &Path,
) -> Output {
    Command::new(file(python))
        .arg(file(script))
        .args(arguments)
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap()
}

/// The script has an engine read so many rows, and all are as expected.
#[track_caller]
pub(crate) fn agree(
    python: &str,
    name: &str,
    engine: &str,
    lakes: &[impl AsRef<Path>],
    folder: &Path,
    rows: usize,
) {
    let mut arguments = vec![OsStr::new(engine)];
    arguments.extend(lakes.iter().map(|lake| lake.as_ref().as_os_str()));
    let output = script(python, name, &arguments, folder);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout == format!("{rows} rows agree\n"),
        "{engine} on {rows} rows:\n{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
