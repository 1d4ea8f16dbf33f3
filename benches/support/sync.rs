//! A sync: the services that it goes to, its input as a file, and the command.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::fake::wire::Bandwidth;
use super::fake::{Fake, Options};
use super::messages::Input;

/// The program that is measured.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_destination-aws-datalake");

/// The folder of inputs, configurations and results.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench");

/// Whether bodies are compared with their hashes, which costs the server's core as much as the program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashes {
    Checked,
    Unchecked,
}

/// The services, on loopback: they have a bucket `bench`, read objects and count them, and keep tables, so that a sync
/// finds what it made.
pub(crate) fn services(hashes: Hashes) -> Fake {
    Fake::with(Options {
        bucket: "bench",
        keeps_objects: false,
        checks_hashes: hashes == Hashes::Checked,
        ..Options::default()
    })
}

/// The services as if they were so far away, and each connection moved so many bytes a second.
pub(crate) fn services_away(delay: Duration, bandwidth: u64) -> Fake {
    Fake::with(Options {
        bucket: "bench",
        keeps_objects: false,
        checks_hashes: false,
        delay,
        bandwidth: Bandwidth(Some(bandwidth)),
        rate: None,
    })
}

/// The services as if they were so far away, and took so many requests in a second. They keep objects.
#[allow(dead_code)] // of one bench
pub(crate) fn services_that_throttle(delay: Duration, rate: Option<f64>) -> Fake {
    Fake::with(Options {
        bucket: "bench",
        keeps_objects: true,
        checks_hashes: false,
        delay,
        bandwidth: Bandwidth(None),
        rate,
    })
}

/// The program's configuration for these services.
pub(crate) fn config(services: &Fake, codec: &str) -> Value {
    let mut config = services.config();
    let (format, codec) = codec.split_once(' ').unwrap_or(("JSONL", codec));
    config["format"] = json!({"format_type": format, "compression_codec": codec});
    config
}

/// A sync of the input with this configuration; `name` is the name of the configuration's file.
#[allow(dead_code)] // of the other benches
pub(crate) fn write(input: Input, config: &Value, name: &str) -> Command {
    write_as(input, &input.catalog(), config, name)
}

/// The same under another configured catalog.
pub(crate) fn write_as(input: Input, catalog: &Value, config: &Value, name: &str) -> Command {
    let config_file = Path::new(FOLDER).join(format!("config-{name}.json"));
    let catalog_file = Path::new(FOLDER).join(format!("catalog-{}.json", title_of(input)));
    fs::write(&config_file, config.to_string()).expect("the folder exists");
    fs::write(&catalog_file, catalog.to_string()).expect("the folder exists");
    let mut command = Command::new(PROGRAM);
    command.args(["write", "--config"]).arg(config_file);
    command.arg("--catalog").arg(catalog_file);
    command.env("LOG_LEVEL", "WARN");
    command
}

/// The input as a file, which is made if it does not exist.
pub(crate) fn file_of(input: Input) -> PathBuf {
    let path = Path::new(FOLDER).join(format!("{}.jsonl", title_of(input)));
    if !path.exists() {
        let unfinished = path.with_extension("unfinished");
        let file = File::create(&unfinished).expect("the folder exists");
        let mut file = BufWriter::with_capacity(1 << 20, file);
        input.write(&mut file).expect("the disk has room");
        file.flush().expect("the disk has room");
        fs::rename(&unfinished, &path).expect("the folder exists");
    }
    path
}

fn title_of(input: Input) -> String {
    format!("{:?}-{}-{}", input.shape, input.streams, input.records).to_lowercase()
}
