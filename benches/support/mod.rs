//! What the benches share: the input, the services that it goes to, and what a process costs.

#![allow(dead_code)] // each bench uses its part

#[path = "../../tests/support/fake/mod.rs"]
pub(crate) mod fake; // S3 and Glue, which keep no object here
pub(crate) mod messages; // the input, made from a seed
pub(crate) mod process; // a command's time and memory

use std::time::Duration;

use serde_json::{Value, json};

use fake::wire::Pace;
use fake::{Fake, Options};

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
        delay: Duration::ZERO,
        pace: Pace::default(),
    })
}

/// The program's configuration for these services.
pub(crate) fn config(services: &Fake, codec: &str) -> Value {
    let mut config = services.config();
    config["format"] = json!({"format_type": "JSONL", "compression_codec": codec});
    config
}
