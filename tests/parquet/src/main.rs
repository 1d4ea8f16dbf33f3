//! Parquet files of random rows, marks and limits, held against the `parquet` crate: it reads the rows that were written,
//! and the statistics that it writes of the same columns are the same.
//!
//! `parquet-oracle FROM COUNT [FOLDER]`: so many seeds, from this one on; into the folder go the files, each with its rows
//! as JSON lines and its columns' types, for other readers.

mod reread;
mod rows;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use destination_aws_datalake::testing::{ParquetLimits, ParquetWriter};
use fastrand::Rng;

use rows::{Column, Tree};

const CODECS: [&str; 4] = ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || -> u64 {
        let number = arguments.next().and_then(|number| number.parse().ok());
        number.expect("usage: parquet-oracle FROM COUNT [FOLDER]")
    };
    let (from, count) = (number(), number());
    let folder = arguments.next().map(PathBuf::from);
    let (mut files, mut rows) = (0, 0);
    for seed in from..from + count {
        let case = Case::random(seed);
        let written = case.write();
        for (index, file) in written.iter().enumerate() {
            let found = reread::check(&case.columns, &file.bytes, &file.rows);
            if let Err(fault) = found {
                eprintln!("seed {seed}, file {index} of {case:?}: {fault}");
                std::process::exit(1);
            }
            files += 1;
            rows += file.rows.len();
            if let Some(folder) = &folder {
                keep(folder, seed, index, &case, file);
            }
        }
    }
    println!("{rows} rows of {files} files agree");
}

/// The columns of a table, and how its files are made.
#[derive(Debug)]
struct Case {
    seed: u64,
    columns: Vec<Column>,
    codec: &'static str,
    limits: ParquetLimits,
}

/// A file, and the rows that it must have.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    rows: Vec<Tree>,
    text: String,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let columns = rows::columns(&mut random);
        let codec = random.choice(CODECS).unwrap_or("ZSTD");
        let mut limit = |most: u32| 1 + (random.u32(..most) >> random.u32(0..16));
        let limits = ParquetLimits {
            page_bytes: limit(128 * 1024),
            page_entries: limit(32 * 1024),
            dictionary_bytes: limit(96 * 1024),
            dictionary_text: limit(64 * 1024),
        };
        Self {
            seed,
            columns,
            codec,
            limits,
        }
    }

    /// Writes random rows, with marks, and splits at them.
    fn write(&self) -> Vec<Written> {
        let mut random = Rng::with_seed(self.seed ^ 0x5EED);
        let types: Vec<(String, String)> = self
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.data_type.to_string()))
            .collect();
        let mut writer = ParquetWriter::new(&types, self.codec, self.limits);
        let (mut files, mut open) = (Vec::new(), Written::default());
        // How many rows are before the mark, and how many lines of text.
        let mut marked = (0, 0);
        let pool = rows::Pool::random(&mut random);
        for _ in 0..random.usize(1..30) {
            match random.u8(0..10) {
                0..6 => {
                    let most = random.choice([2, 20, 300]).unwrap_or(20);
                    let mut block = String::new();
                    for _ in 0..random.usize(1..=most) {
                        open.rows
                            .push(rows::row(&self.columns, &pool, &mut random, &mut block));
                    }
                    writer.write(block.as_bytes());
                    open.text += &block;
                }
                6 | 7 => {
                    writer.cut();
                    marked = (open.rows.len(), open.text.len());
                }
                8 => writer.close_group(),
                _ if marked.0 > 0 => {
                    let rest = Written {
                        bytes: Vec::new(),
                        rows: open.rows.split_off(marked.0),
                        text: open.text.split_off(marked.1),
                    };
                    open.bytes = writer.split();
                    files.push(std::mem::replace(&mut open, rest));
                    marked = (0, 0);
                }
                _ => {}
            }
        }
        open.bytes = writer.finish();
        if !open.rows.is_empty() {
            files.push(open);
        }
        files
    }
}

/// Writes the file, its rows, and its types for another reader.
fn keep(folder: &Path, seed: u64, index: usize, case: &Case, file: &Written) {
    let mut types = String::new();
    for column in &case.columns {
        writeln!(types, "{} {}", column.name, column.data_type).expect("a String takes everything");
    }
    let name = format!("{seed:08}-{index}");
    for (end, bytes) in [
        ("parquet", &*file.bytes),
        ("jsonl", file.text.as_bytes()),
        ("types", types.as_bytes()),
    ] {
        std::fs::write(folder.join(format!("{name}.{end}")), bytes).expect("a folder to write to");
    }
}
