//! Parquet files of random rows, marks and limits, as other people's readers find them: the `parquet` crate's, by a program
//! in tests/parquet, Arrow's and DuckDB's.

use std::path::Path;
use std::process::Command;

use crate::support::file;
use crate::support::readers::{self, script};
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

/// Engines read random files of so many seeds.
#[track_caller]
fn read(python: &str, engines: &[&str], from: u64, count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let rows = checked(from, count, Some(folder.path()));
    for engine in engines {
        let arguments = ["files", engine, folder.path().to_str().unwrap()];
        let output = script(
            python,
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

#[test]
fn arrow_duckdb_and_polars_read_the_rows_of_random_files() {
    if !file(ORACLE).exists() {
        skip!("needs the program in tests/parquet, which `make test` builds");
    }
    let engines = ["arrow", "duckdb", "polars"];
    read("target/python/bin/python", &engines, 1500, 40);
}

#[test]
fn spark_reads_the_rows_of_random_files() {
    if !file(ORACLE).exists() {
        skip!("needs the program in tests/parquet, which `make test` builds");
    }
    let Some(python) = readers::spark() else {
        skip!("needs Java, and target/spark, which `make test` sets up");
    };
    read(python, &["spark"], 1540, 12);
}
