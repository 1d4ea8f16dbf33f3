//! Overwrites of partitioned tables: no reader sees old and new rows in one partition, wherever the program dies.

use std::collections::BTreeMap;

use serde_json::json;

use super::{config, ids, load_events, order, orders};
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{record, state};
use crate::support::program::{Output, Program};

/// The old rows and the new ones, by day.
const OLD: [(u64, u64); 5] = [(1, 1), (2, 2), (3, 2), (4, 3), (5, 0)];
const NEW: [(u64, u64); 5] = [(11, 2), (12, 3), (13, 3), (14, 4), (15, 5)];
const ADDED: [(u64, u64); 1] = [(21, 7)];

fn expected(orders: &[(u64, u64)]) -> BTreeMap<String, Vec<u64>> {
    let mut by_day = BTreeMap::<String, Vec<u64>>::new();
    for (id, day) in orders {
        let value = match day {
            0 => "__HIVE_DEFAULT_PARTITION__".to_owned(),
            day => format!("2024-03-{:02}", day + 1),
        };
        by_day.entry(value).or_default().push(*id);
    }
    by_day
}

/// A sync of these orders.
fn run(fake: &Fake, mode: &str, of: &[(u64, u64)]) -> Output {
    let config = config(fake, "partitioning", "DATE".into());
    let input: String = of.iter().map(|(id, day)| order(*id, *day)).collect();
    let program = Program::write(&config, &orders(mode)).journal(fake.journal());
    program.stdin(input + &state("orders", 1)).run()
}

/// A table with the old rows, and a run that overwrites them and dies at this call; not so where there are fewer.
fn killed(nth: usize, is_after: bool) -> Option<Fake> {
    let fake = Fake::start();
    run(&fake, "append", &OLD).succeeded();
    kill(&fake, nth, is_after);
    let killed = run(&fake, "overwrite", &NEW);
    if !fake.forgive() {
        return Some(fake);
    }
    killed.succeeded();
    assert_eq!(ids(&fake), expected(&NEW));
    assert_eq!(fake.rows("orders").len(), NEW.len());
    assert_eq!(fake.data_objects().len(), 4, "{:?}", fake.data_objects());
    None
}

fn kill(fake: &Fake, nth: usize, is_after: bool) {
    let fault = if is_after {
        Fault::KillAfter
    } else {
        Fault::KillBefore
    };
    fake.fault_at(nth, fault);
}

/// Each partition holds all of its old rows or all of its new ones, by the table's location all rows are old or new.
fn assert_whole(fake: &Fake, context: &str) {
    let (old, new, between) = (expected(&OLD), expected(&NEW), ids(fake));
    let context = || format!("{context}\n{}", fake.journal().lines().join("\n"));
    assert!(!between.is_empty(), "{}", context());
    for (values, ids) in &between {
        let is_whole = |all: &BTreeMap<String, Vec<u64>>| all.get(values) == Some(ids);
        assert!(
            is_whole(&old) || is_whole(&new),
            "{values} {ids:?} {}",
            context()
        );
    }
    assert_eq!(fake.rows("orders").len(), 5, "{}", context());
}

#[test]
fn an_overwrite_of_partitions_survives_a_kill_at_every_call() {
    let (old, new) = (expected(&OLD), expected(&NEW));
    let (mut points, mut taken_back) = (0, 0);
    'calls: for nth in 1.. {
        for is_after in [false, true] {
            let Some(fake) = killed(nth, is_after) else {
                break 'calls;
            };
            points += 1;
            let context = format!("call {nth}, after it: {is_after}");
            assert_whole(&fake, &context);
            if nth % 2 == 0 {
                run(&fake, "overwrite", &NEW).succeeded();
                assert_eq!(ids(&fake), new, "{context}");
                assert_eq!(fake.rows("orders").len(), NEW.len(), "{context}");
            } else {
                // What nobody acknowledged is taken back.
                run(&fake, "append", &ADDED).succeeded();
                let mut after = ids(&fake);
                assert_eq!(after.remove("2024-03-08"), Some(vec![21]), "{context}");
                assert!(
                    after == old || after == new,
                    "{after:?} {context}\n{}",
                    fake.journal().lines().join("\n")
                );
                taken_back += usize::from(after == old);
            }
            let table = fake
                .store()
                .catalog
                .table("test", "orders")
                .unwrap()
                .to_string();
            assert!(!table.contains("airbyte_publishing"), "{context}: {table}");
        }
    }
    assert!(points > 30 && taken_back > 10, "{points} {taken_back}");
}

#[test]
fn what_takes_an_overwrite_back_may_die_at_every_call_too() {
    // It dies when the first partitions are moved, when all are, and when the table is.
    for (operation, after) in [
        ("BatchUpdatePartition", 1),
        ("BatchDeletePartition", 1),
        ("UpdateTable", 2),
    ] {
        for nth in 1.. {
            let fake = Fake::start();
            run(&fake, "append", &OLD).succeeded();
            fake.fault(operation, after, Fault::KillAfter);
            run(&fake, "overwrite", &NEW);
            assert!(!fake.forgive());
            let before = fake.calls().len();
            kill(&fake, nth, nth % 2 == 0);
            run(&fake, "append", &ADDED);
            if fake.forgive() {
                assert!(nth > 10, "{}", fake.calls().len() - before);
                break;
            }
            let mut seen = ids(&fake);
            seen.remove("2024-03-08");
            for (values, ids) in &seen {
                let is_whole = |all: &[(u64, u64)]| expected(all).get(values) == Some(ids);
                assert!(
                    is_whole(&OLD) || is_whole(&NEW),
                    "{operation} {nth} {seen:?}"
                );
            }
            run(&fake, "append", &[]).succeeded();
            let mut seen = ids(&fake);
            assert!(
                seen.remove("2024-03-08")
                    .is_none_or(|ids| ids.is_empty() || ids == [21])
            );
            assert_eq!(seen, expected(&OLD), "{operation} {nth}");
        }
    }
}

#[test]
fn partitions_of_other_places_are_replaced_and_come_back_as_they_were() {
    let set = |fake: &Fake| {
        run(fake, "append", &OLD).succeeded();
        let mut store = fake.store();
        let tables = store.catalog.0.get_mut("test").unwrap();
        let partitions = &mut tables.get_mut("orders").unwrap().partitions;
        // Another hand has moved one partition, and dropped another one, whose rows stay.
        let moved = partitions.get_mut(&vec!["2024-03-04".to_owned()]).unwrap();
        moved["StorageDescriptor"]["Location"] = "s3://test-lake/elsewhere/4/".into();
        moved["Parameters"] = json!({"theirs": "1"});
        let kept = moved.clone();
        partitions.remove(&vec!["2024-03-02".to_owned()]).unwrap();
        kept
    };
    let fake = Fake::start();
    set(&fake);
    run(&fake, "overwrite", &NEW).succeeded();
    assert_eq!(ids(&fake), expected(&NEW));
    let fake = Fake::start();
    let moved = set(&fake);
    fake.fault("UpdateTable", 2, Fault::KillAfter);
    run(&fake, "overwrite", &NEW);
    assert!(!fake.forgive());
    assert_eq!(ids(&fake), expected(&NEW));
    run(&fake, "append", &ADDED).succeeded();
    let mut after = expected(&[OLD[1], OLD[2], OLD[4], ADDED[0]]);
    after.insert("2024-03-04".to_owned(), Vec::new());
    assert_eq!(ids(&fake), after);
    let store = fake.store();
    let partitions = &store.catalog.0["test"]["orders"].partitions;
    assert_eq!(partitions[&vec!["2024-03-04".to_owned()]], moved);
}

#[test]
fn a_swap_that_nobody_takes_back_is_gone_on_with() {
    let fake = Fake::start();
    run(&fake, "append", &OLD).succeeded();
    fake.fault("BatchUpdatePartition", 1, Fault::KillAfter);
    run(&fake, "overwrite", &NEW);
    assert!(!fake.forgive());
    // Somebody has deleted the records of runs.
    fake.store()
        .bucket
        .objects
        .retain(|key, _| !key.contains("/runs/"));
    run(&fake, "append", &ADDED).succeeded();
    let mut all = NEW.to_vec();
    all.extend(ADDED);
    assert_eq!(ids(&fake), expected(&all));
    assert_eq!(fake.rows("orders").len(), all.len());
}

#[test]
fn partitions_in_batches_and_pages_are_moved_added_and_removed() {
    let fake = Fake::start();
    let config = config(&fake, "partitioning", "DATE".into());
    let day = |id: u64, number: u64| {
        let at = format!("{:04}-01-{:02}", 1900 + number / 28, 1 + number % 28);
        record("orders", &json!({"id": id, "at": at}))
    };
    let run = |mode: &str, numbers: std::ops::Range<u64>| {
        let input: String = numbers.map(|number| day(number, number)).collect();
        let mut config = config.clone();
        config["checkpoint_interval_minutes"] = 0.into();
        Program::write(&config, &orders(mode))
            .stdin(input + &state("orders", 1))
            .run()
            .succeeded();
    };
    run("append", 0..230);
    assert_eq!(ids(&fake).len(), 230);
    run("overwrite", 120..340);
    let seen: Vec<u64> = ids(&fake).into_values().flatten().collect();
    assert_eq!(seen, (120..340).collect::<Vec<u64>>());
    assert_eq!(fake.data_objects().len(), 220);
    let calls = fake.calls();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    // 230 and 110 new, 110 that move, and 120 that go.
    assert_eq!(count("BatchCreatePartition"), 3 + 2);
    assert_eq!(count("BatchUpdatePartition"), 2);
    assert_eq!(count("BatchDeletePartition"), 4 + 1);
}

#[test]
fn an_overwrite_of_a_local_table_replaces_its_partitions() {
    let folder = tempfile::tempdir().unwrap();
    load_events(folder.path(), "append", &[(1, "DE", 1), (2, "FR", 1)]);
    load_events(folder.path(), "append", &[(3, "DE", 2)]);
    assert_eq!(
        load_events(folder.path(), "overwrite", &[(4, "DE", 2), (5, "IT", 1)]),
        ["[\"DE\",\"2024-03-02\"]", "[\"IT\",\"2024-03-01\"]"]
    );
}
