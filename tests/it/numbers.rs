//! The numbers that platforms give to generations, syncs and attempts: what is compared with what.

use std::ops::Range;

use serde_json::Value;

use crate::generations::{assert_rows, refresh, rows};
use crate::support::fake::Fake;
use crate::support::messages::{complete, state};

/// The stream `people` under numbers of one connection or another.
fn numbered(sync: u64, generation: u64, minimum: u64) -> Value {
    let mut catalog = refresh(generation, minimum);
    catalog["streams"][0]["sync_id"] = sync.into();
    catalog
}

#[test]
fn numbers_of_a_connection_that_was_made_anew_are_not_compared_with_the_old_ones() {
    let run = |fake: &Fake, catalog: &Value, ids: Range<u64>, end: &str| {
        let input = rows(ids) + &state("people", 1) + end;
        fake.write(catalog).stdin(input).run()
    };
    let end = complete("people");
    // The old connection shows a generation, and has acknowledged rows of a later one that was cancelled.
    let old = |shown: u64| {
        let fake = Fake::start();
        run(&fake, &numbered(50, shown, shown), 0..3, &end).succeeded();
        run(&fake, &numbered(60, 6, 6), 3..5, "").failed();
        fake
    };
    for shown in [1, 5] {
        // The first generation of the new one replaces, whatever its number.
        let fake = old(shown);
        let cancelled = fake.data_objects();
        run(&fake, &numbered(80, 1, 1), 10..12, &end).succeeded();
        assert_rows(&fake, 10..12);
        // The old one's rows that nobody replaced are there.
        let left = fake.data_objects();
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(left.iter().filter(|key| cancelled.contains(key)).count(), 1);
        // Its first append adds, and makes no row of the old one visible.
        let fake = old(shown);
        run(&fake, &numbered(80, 1, 0), 10..12, &end).succeeded();
        let ids: Vec<_> = fake
            .rows("people")
            .iter()
            .map(|row| row["id"].as_u64().unwrap())
            .collect();
        assert_eq!(ids, [0, 1, 2, 10, 11]);
        assert_eq!(fake.data_objects().len(), 3);
    }
}

/// An attempt at a job of the platform, or a sync without jobs.
fn attempt(fake: &Fake, job: Option<[&str; 2]>, ids: Range<u64>, is_covered: bool) {
    let mut catalog = refresh(1, 1);
    if let Some([job, _]) = job {
        catalog["streams"][0]["sync_id"] = job.parse::<u64>().unwrap().into();
    }
    let mut program = fake.write(&catalog);
    if let Some([job, attempt]) = job {
        program = program
            .env("WORKER_JOB_ID", job)
            .env("WORKER_JOB_ATTEMPT", attempt);
    }
    let covered = state("people", ids.end);
    let input = rows(ids) + if is_covered { &covered } else { "" };
    let input = input + &complete("people");
    program.stdin(input).run().succeeded();
}

#[test]
fn a_finished_generation_that_comes_again_replaces_unless_its_job_goes_on() {
    for (first, is_covered, then, expected) in [
        // The platform failed after the sync: the source resumes after its state.
        (Some(["7", "0"]), true, Some(["7", "1"]), 0..5),
        // Without a state it begins anew.
        (Some(["7", "0"]), false, Some(["7", "1"]), 3..5),
        // Another job, the same attempt, an earlier one, and one that nobody knows.
        (Some(["7", "0"]), true, Some(["8", "1"]), 3..5),
        (Some(["7", "1"]), true, Some(["7", "1"]), 3..5),
        (Some(["7", "1"]), true, Some(["7", "0"]), 3..5),
        (None, true, Some(["7", "1"]), 3..5),
    ] {
        let fake = Fake::start();
        attempt(&fake, first, 0..3, is_covered);
        attempt(&fake, then, 3..5, true);
        assert_rows(&fake, expected);
    }
}

#[test]
fn a_client_without_jobs_appends_and_replaces_as_it_asks() {
    let fake = Fake::start();
    let sync = |mode: &str, ids: Range<u64>| {
        let mut catalog = refresh(1, 1);
        let stream = &mut catalog["streams"][0];
        stream["sync_id"] = 1.into();
        stream["destination_sync_mode"] = mode.into();
        let input = rows(ids) + &state("people", 1) + &complete("people");
        fake.write(&catalog).stdin(input).run().succeeded();
    };
    sync("append", 0..3);
    sync("append", 3..5);
    assert_rows(&fake, 0..5);
    sync("overwrite", 10..12);
    assert_rows(&fake, 10..12);
    sync("overwrite", 20..23);
    assert_rows(&fake, 20..23);
    sync("append", 23..24);
    assert_rows(&fake, 20..24);
    assert_eq!(fake.data_objects().len(), 2);
}
