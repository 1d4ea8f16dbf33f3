//! Thousands of partitions in any order: memory, objects and calls.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::messages::{catalog, record, state, stream};
use crate::support::program::{Output, Program};

/// Syncs this many rows of days in random order, each of them at least once; the peak of memory in bytes.
fn sync(fake: &Fake, budget: u64, days: u64, rows: u64) -> (Output, Option<u64>) {
    let mut config = fake.config();
    config["partitioning"] = "DATE".into();
    config["memory_budget_mb"] = budget.into();
    let at = json!({"type": "string", "format": "date"});
    let text = json!({"type": "string"});
    let properties = json!({"id": {"type": "integer"}, "at": at, "text": text});
    let mut orders = stream("orders", "append", &properties);
    orders["cursor_field"] = json!(["at"]);
    let mut random = fastrand::Rng::with_seed(7);
    let mut input = String::new();
    for id in 0..rows {
        let day = if id < days { id } else { random.u64(..days) };
        let day = (day * 2_741) % days;
        let at = format!(
            "{:04}-{:02}-{:02}",
            1900 + day / 336,
            1 + day / 28 % 12,
            1 + day % 28
        );
        let text: String = (0..150).map(|_| random.alphanumeric()).collect();
        input += &record("orders", &json!({"id": id, "at": at, "text": text}));
    }
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.json");
    let program = Program::write(&config, &catalog(&[orders])).argument("--summary");
    let output = program
        .argument(&summary)
        .stdin(input + &state("orders", 1))
        .run();
    let summary: Option<Value> = std::fs::read(summary)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    (
        output,
        summary.and_then(|summary| summary["peak_memory_bytes"].as_u64()),
    )
}

/// Prints what it took.
#[test]
#[allow(clippy::print_stdout)] // libtest shows it with --nocapture
fn five_thousand_days_in_any_order_stay_within_the_memory_budget() {
    let fake = Fake::start();
    let (output, peak) = sync(&fake, 64, 5000, 10_000);
    output.succeeded();
    let partitions = fake.partitions("orders");
    assert_eq!(partitions.len(), 5000);
    assert_eq!(partitions.values().map(Vec::len).sum::<usize>(), 10_000);
    let mut calls = BTreeMap::<String, usize>::new();
    for call in fake.calls() {
        *calls.entry(call).or_default() += 1;
    }
    let peak = peak.unwrap();
    println!("peak {peak} bytes, {} objects, {calls:?}", fake.objects());
    assert_eq!(calls["BatchCreatePartition"], 50);
    assert!(peak < (64 + 24) << 20, "{peak} bytes");
}

#[test]
fn more_partitions_than_there_is_memory_for_are_refused() {
    let fake = Fake::start();
    let (output, _) = sync(&fake, 16, 4200, 4200);
    let said = output.failed().to_string();
    assert!(said.contains("more than 4096 partitions"), "{said}");
    assert!(output.states().is_empty());
    assert!(fake.data_objects().is_empty());
}
