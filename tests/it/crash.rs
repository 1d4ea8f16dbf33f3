//! The program is killed before and after every remote call of a sync; a run from the last acknowledged state
//! finds the table in order, and readers in between saw only whole checkpoints.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, complete, people, person, state, stream};

const BATCH: u64 = 5;
const BATCHES: u64 = 4;

/// Records and states from after the `acknowledged`-th state to the end: state n covers the rows below n × BATCH.
fn input(acknowledged: u64, end: &str) -> String {
    let batch = |number: u64| -> String {
        let rows: String = ((number - 1) * BATCH..number * BATCH)
            .map(|id| person("people", id))
            .collect();
        rows + &state("people", number)
    };
    (acknowledged + 1..=BATCHES).map(batch).collect::<String>() + end
}

/// A checkpoint at every state.
fn config(fake: &Fake) -> Value {
    let mut config = fake.config();
    config["checkpoint_interval_minutes"] = 0.into();
    // Else what a killed run left is spared for a day, because that run may still live.
    config["leftover_age_hours"] = 0.into();
    config
}

/// How often each id is visible.
fn visible(fake: &Fake) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for row in fake.rows("people") {
        *counts.entry(row["id"].as_u64().unwrap()).or_default() += 1;
    }
    counts
}

/// Runs the sync, killed at this call; the last state that it printed. None when it ended before that call.
fn killed(fake: &Fake, catalog: &Value, end: &str, nth: usize, fault: Fault) -> Option<u64> {
    fake.fault_at(nth, fault);
    let mut program = fake.write(catalog);
    program = program.file("config.json", &config(fake).to_string());
    let output = program.stdin(input(0, end)).run();
    if fake.forgive() {
        output.succeeded();
        return None;
    }
    assert_eq!(output.status.code(), None, "{}", output.report());
    let states = output.states();
    Some(
        states
            .last()
            .map_or(0, |state| state["id"].as_u64().unwrap()),
    )
}

fn again(fake: &Fake, catalog: &Value, acknowledged: u64, end: &str) {
    let program = fake
        .write(catalog)
        .file("config.json", &config(fake).to_string());
    program.stdin(input(acknowledged, end)).run().succeeded();
    let store = fake.store();
    assert!(
        store.bucket.uploads.is_empty(),
        "unfinished uploads stay: {:?}",
        fake.journal().lines()
    );
}

/// Calls `test` for every call of a sync and both sides of it, until the sync has no more calls; how many there were.
fn every_call(test: impl Fn(usize, Fault) -> bool) -> usize {
    let mut points = 0;
    for nth in 1.. {
        for fault in [Fault::KillBefore, Fault::KillAfter] {
            if !test(nth, fault) {
                return points;
            }
            points += 1;
        }
    }
    points
}

#[test]
fn appends_survive_a_kill_at_every_call() {
    let catalog = people("people", "append");
    let points = every_call(|nth, fault| {
        let fake = Fake::start();
        let Some(acknowledged) = killed(&fake, &catalog, "", nth, fault) else {
            return false;
        };
        let seen = visible(&fake);
        let rows = seen.len() as u64;
        let lines = fake.journal().lines();
        assert!(
            seen.values().all(|count| *count == 1),
            "call {nth}: {seen:?}"
        );
        assert_eq!(
            rows % BATCH,
            0,
            "call {nth}: a part of a checkpoint is visible: {lines:?}"
        );
        assert!(seen.keys().copied().eq(0..rows), "call {nth}: {seen:?}");
        let shown = rows / BATCH;
        assert!(
            shown == acknowledged || shown == acknowledged + 1,
            "call {nth}: {shown} checkpoints visible, {acknowledged} acknowledged: {lines:?}"
        );
        again(&fake, &catalog, acknowledged, "");
        let doubled = acknowledged * BATCH..rows;
        for id in 0..BATCH * BATCHES {
            let expected = if doubled.contains(&id) { 2 } else { 1 };
            assert_eq!(
                visible(&fake).get(&id),
                Some(&expected),
                "call {nth}: row {id}: {:?}",
                fake.journal().lines()
            );
        }
        true
    });
    assert!(points >= 16, "{points} points");
}

/// Kills an overwrite at every call; its retry sends everything from `from_state` on.
fn overwrites_survive(catalog: &Value, end: &str, resumes: bool) {
    let points = every_call(|nth, fault| {
        let fake = Fake::start();
        let old: String = (1000..1007).map(|id| person("people", id)).collect();
        let first = people("people", "append");
        fake.write(&first).stdin(old).run().succeeded();
        let old = visible(&fake);
        let Some(acknowledged) = killed(&fake, catalog, end, nth, fault) else {
            return false;
        };
        let new: BTreeMap<_, _> = (0..BATCH * BATCHES).map(|id| (id, 1)).collect();
        let seen = visible(&fake);
        let lines = fake.journal().lines();
        assert!(
            seen == old || seen == new,
            "call {nth}: neither the old set nor the new one: {seen:?} {lines:?}"
        );
        let acknowledged = if resumes { acknowledged } else { 0 };
        again(&fake, catalog, acknowledged, end);
        let seen = visible(&fake);
        let lines = fake.journal().lines();
        assert!(
            seen.keys().copied().eq(0..BATCH * BATCHES),
            "call {nth}: {seen:?} {lines:?}"
        );
        let doubled =
            |id: u64| resumes && (acknowledged * BATCH..(acknowledged + 1) * BATCH).contains(&id);
        assert!(
            seen.iter()
                .all(|(id, count)| *count == 1 || (*count == 2 && doubled(*id))),
            "call {nth}: {seen:?} {lines:?}"
        );
        true
    });
    assert!(points >= 16, "{points} points");
}

#[test]
fn overwrites_survive_a_kill_at_every_call() {
    overwrites_survive(&people("people", "overwrite"), "", false);
}

#[test]
fn truncates_survive_a_kill_at_every_call() {
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let mut truncate = stream("people", "append", &properties);
    truncate["generation_id"] = 7.into();
    truncate["minimum_generation_id"] = 7.into();
    truncate["sync_id"] = 70.into();
    overwrites_survive(&catalog(&[truncate]), &complete("people"), true);
}
