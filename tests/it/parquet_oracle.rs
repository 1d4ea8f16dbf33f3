//! Parquet files of random rows, marks and limits, as other people's readers find them: the `parquet` crate's, by a program
//! in tests/parquet, Arrow's and DuckDB's.

use std::path::Path;
use std::process::Command;

use crate::support::file;
use crate::support::readers::script;
use crate::support::skip::skip;

const ORACLE: &str = "target/parquet/debug/parquet-oracle";

/// Has the oracle write and check files of so many seeds. Returns how many rows they have.
#[track_caller]
fn checked(from: u64, count: u64, folder: Option<&Path>) -> usize {
    let output = Command::new(file(ORACLE))
        .args([from.to_string(), count.to_string()])
        .args(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_parquet_crate_reads_the_rows_and_writes_the_same_statistics() {
    if !file(ORACLE).exists() {
        skip!("needs the program in tests/parquet, which `make test` builds");
    }
    assert!(checked(0, 1500, None) > 500_000);
}

#[test]
fn arrow_and_duckdb_read_the_rows_of_random_files() {
    if !file(ORACLE).exists() {
        skip!("needs the program in tests/parquet, which `make test` builds");
    }
    let folder = tempfile::tempdir().unwrap();
    let rows = checked(1500, 40, Some(folder.path()));
    for engine in ["arrow", "duckdb"] {
        let arguments = ["files", engine, folder.path().to_str().unwrap()];
        let output = script(
            "target/python/bin/python",
            "tests/support/parquet.py",
            &arguments,
            folder.path(),
        );
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said == format!("{rows} rows agree\n"),
            "{engine}, {rows} rows: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
