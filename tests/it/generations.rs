//! Generations of a platform with refreshes, and overwrites of one without: what is shown, when, and what is kept.

use serde_json::{Value, json};

use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, complete, line, people, person, state, stream};
use crate::support::program::Output;

/// The stream `people` under a generation; minimum 0 appends, minimum = generation truncates.
pub(crate) fn refresh(generation: u64, minimum: u64) -> Value {
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let mut stream = stream("people", "append", &properties);
    stream["generation_id"] = generation.into();
    stream["minimum_generation_id"] = minimum.into();
    stream["sync_id"] = 70.into();
    catalog(&[stream])
}

pub(crate) fn rows(ids: std::ops::Range<u64>) -> String {
    ids.map(|id| person("people", id)).collect()
}

pub(crate) fn run(fake: &Fake, catalog: &Value, input: String) -> Output {
    let mut config = fake.config();
    config["checkpoint_interval_minutes"] = 0.into();
    fake.write(catalog)
        .file("config.json", &config.to_string())
        .stdin(input)
        .run()
}

#[track_caller]
pub(crate) fn assert_rows(fake: &Fake, expected: std::ops::Range<u64>) {
    let mut ids: Vec<_> = fake
        .rows("people")
        .iter()
        .map(|row| row["id"].as_u64().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(
        ids,
        expected.collect::<Vec<_>>(),
        "\n{}",
        fake.journal().lines().join("\n")
    );
}

/// What the journal says from here on.
pub(crate) fn since(fake: &Fake, before: usize) -> Vec<String> {
    fake.journal().lines().split_off(before)
}

#[test]
fn a_truncate_is_published_by_one_update_after_complete() {
    let fake = Fake::start();
    run(
        &fake,
        &refresh(1, 0),
        rows(0..3) + &state("people", 1) + &complete("people"),
    )
    .succeeded();
    let before = fake.journal().lines().len();
    let input = rows(10..12)
        + &state("people", 2)
        + &rows(12..15)
        + &state("people", 3)
        + &complete("people");
    run(&fake, &refresh(2, 2), input).succeeded();
    assert_rows(&fake, 10..15);
    assert_eq!(
        since(&fake, before),
        [
            "PUT mark of people",
            "PUT record",
            "PUT people/g2/o2 2 rows",
            "PUT record",
            "STATE 2 2 rows",
            "PUT record",
            "PUT people/g2/o3 3 rows",
            "PUT record",
            "STATE 3 3 rows",
            "PUT mark of people",
            "UPDATE people at g2 parameters",
            "DELETE people/G1/o1",
            "DELETE mark of people",
            "DELETE record",
        ]
    );
}

#[test]
fn a_truncate_of_nothing_empties_the_table_and_keeps_it() {
    let fake = Fake::start();
    run(&fake, &refresh(1, 0), rows(0..3) + &complete("people")).succeeded();
    run(&fake, &refresh(2, 2), complete("people")).succeeded();
    assert_rows(&fake, 0..0);
    assert!(fake.store().catalog.table("test", "people").is_some());
    assert!(fake.store().bucket.objects.is_empty());
}

#[test]
fn a_truncate_without_complete_swaps_nothing_and_resumes_under_its_number() {
    let fake = Fake::start();
    run(&fake, &refresh(1, 0), rows(0..3) + &complete("people")).succeeded();
    let before = fake.journal().lines().len();
    let output = run(
        &fake,
        &refresh(2, 2),
        rows(10..12) + &state("people", 2) + &rows(12..14),
    );
    assert_eq!(
        output.failed()["failure_type"],
        "transient_error",
        "{}",
        output.report()
    );
    assert_eq!(output.states().len(), 1);
    assert_rows(&fake, 0..3);
    // The rows after the last state are sent again; they leave no trace.
    assert_eq!(
        since(&fake, before),
        [
            "PUT mark of people",
            "PUT record",
            "PUT people/g2/o2 2 rows",
            "PUT record",
            "STATE 2 2 rows",
            "DELETE record",
        ]
    );
    run(
        &fake,
        &refresh(2, 2),
        rows(12..15) + &state("people", 3) + &complete("people"),
    )
    .succeeded();
    assert_rows(&fake, 10..15);
    assert_eq!(fake.data_objects().len(), 2);
}

/// Who a run works for: the job that the catalog names, and the platform's own variables of a job and its attempt.
type Numbers = (Option<u64>, Option<[&'static str; 2]>);

/// The generation 1 is shown, 2 is left unfinished by the first of these, and 3 is published by the second.
fn higher_generation(unfinished: Numbers, published: Numbers) -> Fake {
    let fake = Fake::start();
    let run = |generation, minimum, (sync, job): Numbers, input: String| {
        let mut catalog = refresh(generation, minimum);
        catalog["streams"][0]["sync_id"] = sync.into();
        let mut program = fake.write(&catalog);
        if let Some([job, attempt]) = job {
            program = program
                .env("WORKER_JOB_ID", job)
                .env("WORKER_JOB_ATTEMPT", attempt);
        }
        program.stdin(input).run()
    };
    let end = complete("people");
    run(1, 0, (Some(1), None), rows(0..3) + &end).succeeded();
    run(2, 2, unfinished, rows(10..12) + &state("people", 2)).failed();
    run(3, 3, published, rows(20..23) + &end).succeeded();
    assert_rows(&fake, 20..23);
    fake
}

#[test]
fn a_higher_generation_replaces_the_rows_of_the_unfinished_one_of_its_job() {
    for (unfinished, published) in [
        ((Some(70), Some(["7", "0"])), (Some(70), Some(["7", "1"]))),
        ((None, Some(["7", "0"])), (None, Some(["7", "1"]))),
    ] {
        let fake = higher_generation(unfinished, published);
        // What the swap replaced is deleted, and then what is superseded with its mark.
        assert_eq!(fake.data_objects().len(), 1, "{unfinished:?} {published:?}");
        let lines = fake.journal().lines();
        let swap = lines
            .iter()
            .position(|line| line.starts_with("UPDATE"))
            .unwrap();
        assert_eq!(
            lines[swap..],
            [
                "UPDATE people at g3 parameters",
                "PUT record",
                "DELETE people/G1/o1",
                "DELETE mark of people",
                "PUT mark of people",
                "DELETE people/g2/o2",
                "DELETE mark of people",
                "DELETE record",
            ]
        );
        assert_eq!(keys(&fake), fake.data_objects());
        run(&fake, &refresh(4, 0), rows(23..25) + &complete("people")).succeeded();
        assert_rows(&fake, 20..25);
    }
}

#[test]
fn an_unfinished_generation_of_another_job_stays_invisible() {
    for (unfinished, published) in [
        // Nothing says whose they are.
        ((None, None), (None, None)),
        ((Some(70), None), (None, None)),
        // PyAirbyte gives every sync the same number.
        ((Some(70), None), (Some(70), None)),
        ((None, None), (Some(71), None)),
        ((Some(70), None), (Some(71), None)),
        ((Some(70), Some(["7", "0"])), (Some(71), Some(["8", "0"]))),
        ((None, Some(["7", "0"])), (None, Some(["8", "0"]))),
        ((None, Some(["7", "0"])), (None, None)),
    ] {
        let fake = higher_generation(unfinished, published);
        // Only what the swap itself replaced is deleted.
        assert_eq!(fake.data_objects().len(), 2, "{unfinished:?} {published:?}");
        let marks = keys(&fake);
        let marks = marks.iter().filter(|key| key.contains("/generations/"));
        assert_eq!(marks.count(), 1, "{unfinished:?} {published:?}");
        // Nor does an append show it, which is older than what is published.
        run(&fake, &refresh(4, 0), rows(23..25) + &complete("people")).succeeded();
        assert_rows(&fake, 20..25);
        assert_eq!(fake.data_objects().len(), 3, "{unfinished:?} {published:?}");
    }
}

/// All keys of the bucket.
fn keys(fake: &Fake) -> Vec<String> {
    fake.store().bucket.objects.keys().cloned().collect()
}

#[test]
fn a_table_that_is_missing_renamed_or_moved_keeps_its_objects() {
    type Hand = fn(&Fake);
    let drop_table: Hand = |fake| {
        fake.store()
            .catalog
            .0
            .get_mut("test")
            .unwrap()
            .remove("people");
    };
    let rename: Hand = |fake| {
        let mut store = fake.store();
        let tables = store.catalog.0.get_mut("test").unwrap();
        let entry = tables.remove("people").unwrap();
        tables.insert("people_old".to_owned(), entry);
    };
    for hand in [drop_table, rename] {
        for next in [refresh(1, 0), refresh(2, 2), refresh(0, 0)] {
            let fake = Fake::start();
            run(&fake, &refresh(1, 0), rows(0..3) + &complete("people")).succeeded();
            run(&fake, &refresh(1, 0), rows(3..6) + &complete("people")).succeeded();
            let acknowledged = keys(&fake);
            assert_eq!(acknowledged.len(), 2);
            hand(&fake);
            // A run that succeeds, and one that fails on its first line.
            run(&fake, &next, rows(6..9) + &complete("people")).succeeded();
            run(&fake, &next, "no message\n".to_owned()).failed();
            let left = keys(&fake);
            assert!(
                acknowledged.iter().all(|key| left.contains(key)),
                "{:?}",
                fake.journal().lines()
            );
        }
    }
}

#[test]
fn an_append_after_a_cancelled_truncate_publishes_its_acknowledged_rows() {
    let fake = Fake::start();
    run(&fake, &refresh(1, 0), rows(0..3) + &complete("people")).succeeded();
    run(
        &fake,
        &refresh(2, 2),
        rows(3..5) + &state("people", 2) + &rows(100..103),
    )
    .failed();
    run(
        &fake,
        &refresh(3, 0),
        rows(5..8) + &state("people", 3) + &complete("people"),
    )
    .succeeded();
    assert_rows(&fake, 0..8);
    // And once only, whatever comes after.
    run(&fake, &refresh(4, 0), rows(8..9) + &complete("people")).succeeded();
    assert_rows(&fake, 0..9);
}

#[test]
fn an_append_without_complete_keeps_what_states_cover() {
    let fake = Fake::start();
    let output = run(
        &fake,
        &refresh(1, 0),
        rows(0..3) + &state("people", 1) + &rows(100..103),
    );
    assert_eq!(output.failed()["failure_type"], "transient_error");
    assert_rows(&fake, 0..3);
    let output = run(
        &fake,
        &refresh(1, 0),
        rows(3..5) + &state("people", 2) + &complete("people"),
    );
    output.succeeded();
    assert_rows(&fake, 0..5);
}

#[test]
fn hybrid_generations_are_config_errors() {
    for (generation, minimum) in [(5, 3), (3, 5)] {
        let fake = Fake::start();
        let output = run(&fake, &refresh(generation, minimum), rows(0..3));
        assert_eq!(
            output.failed()["failure_type"],
            "config_error",
            "{}",
            output.report()
        );
        assert_eq!(fake.journal().lines(), Vec::<String>::new());
    }
}

#[test]
fn an_overwrite_of_which_nothing_came_keeps_the_old_rows() {
    let fake = Fake::start();
    run(&fake, &people("people", "append"), rows(0..3)).succeeded();
    let output = run(&fake, &people("people", "overwrite"), String::new());
    output.succeeded();
    let warned = output
        .of_type("LOG")
        .any(|message| message["log"]["level"] == "WARN");
    assert!(warned, "{}", output.report());
    assert_rows(&fake, 0..3);
}

#[test]
fn a_clear_of_a_platform_without_refreshes_empties_the_table() {
    let null = json!({"type": "STATE", "state": {"type": "STREAM", "stream": {
        "stream_descriptor": {"name": "people"}, "stream_state": null}, "id": 9}});
    let global = json!({"type": "STATE", "state": {"type": "GLOBAL", "global": {
        "shared_state": null, "stream_states": [{"stream_descriptor": {"name": "people"}, "stream_state": null}]}}});
    let legacy = json!({"type": "STATE", "state": {"data": {}}});
    for message in [null, global, legacy] {
        let fake = Fake::start();
        run(&fake, &people("people", "append"), rows(0..3)).succeeded();
        let output = run(&fake, &people("people", "overwrite"), line(&message));
        output.succeeded();
        assert_eq!(output.states().len(), 1, "{}", output.report());
        assert_rows(&fake, 0..0);
    }
}

#[test]
fn everything_is_published_at_the_end_without_refreshes() {
    let fake = Fake::start();
    run(
        &fake,
        &people("people", "append"),
        rows(0..3) + &state("people", 1) + &rows(3..5),
    )
    .succeeded();
    assert_rows(&fake, 0..5);
}

#[test]
fn a_first_overwrite_of_a_table_of_the_python_connector_moves_it() {
    let fake = Fake::start();
    let theirs = "lake/test/people/0123456789abcdef0123456789abcdef.json.gz";
    let foreign = "lake/test/people/notes.txt";
    run(&fake, &people("people", "append"), rows(0..3)).succeeded();
    {
        // The same rows, laid out as the Python connector lays them.
        let mut store = fake.store();
        let body = std::mem::take(&mut store.bucket.objects)
            .into_values()
            .next()
            .unwrap();
        store.bucket.objects.insert(theirs.to_owned(), body);
    }
    fake.edit_table("people", |input| {
        input["StorageDescriptor"]["Location"] = "s3://test-lake/lake/test/people/".into();
    });
    assert_rows(&fake, 0..3);
    run(&fake, &people("people", "append"), rows(3..5)).succeeded();
    assert_rows(&fake, 0..5);
    fake.store()
        .bucket
        .objects
        .insert(foreign.to_owned(), b"a user's notes".to_vec());
    run(&fake, &people("people", "overwrite"), rows(10..12)).succeeded();
    assert_rows(&fake, 10..12);
    let store = fake.store();
    assert!(!store.bucket.objects.contains_key(theirs));
    assert!(
        store.bucket.objects.contains_key(foreign),
        "nothing foreign is deleted"
    );
    assert_eq!(store.bucket.objects.len(), 2);
}

/// Lake Formation may answer alike for a table that is absent and for one that is hidden.
#[test]
fn a_hidden_table_keeps_its_published_rows() {
    for (catalog, input, end) in [
        (people("people", "overwrite"), rows(10..14), String::new()),
        (refresh(7, 7), String::new(), complete("people")),
    ] {
        let fake = Fake::start();
        let first = people("people", "append");
        run(&fake, &first, rows(0..3)).succeeded();
        let mut config = fake.config();
        config["leftover_age_hours"] = 0.into();
        let again = |input: String| {
            fake.write(&catalog)
                .file("config.json", &config.to_string())
                .stdin(input + &end)
                .run()
        };
        fake.fault_from("GetTable", 1, Fault::Reject(400, "AccessDeniedException"));
        again(input).failed();
        assert_rows(&fake, 0..3);
        fake.forgive();
        again(rows(10..14)).succeeded();
        assert_rows(&fake, 10..14);
    }
}
