//! Swaps belong to the checkpoint whose states wait for them: what was not acknowledged is taken back, and nothing else.

use serde_json::json;

use crate::support::fake::{Fake, Fault};
use crate::support::local::ended;
use crate::support::messages::{catalog, complete, line, people, person, record, state, stream};
use crate::support::program::{Output, Program};

/// A tap's version of `people` with these rows, and a state.
fn version(fake: &Fake, version: u64, ids: std::ops::Range<u64>) -> Program {
    let schema = json!({"properties": {"id": {"type": "integer"}}});
    let mut text = line(
        &json!({"type": "SCHEMA", "stream": "people", "schema": schema, "key_properties": []}),
    );
    for id in ids {
        text += &line(
            &json!({"type": "RECORD", "stream": "people", "record": {"id": id}, "version": version}),
        );
    }
    text += &line(&json!({"type": "ACTIVATE_VERSION", "stream": "people", "version": version}));
    text += &line(&json!({"type": "STATE", "value": {"version": version}}));
    let arguments = ["load", "--config", "config.json", "--input", "singer"];
    Program::new(&arguments)
        .arguments(&["--mode", "overwrite"])
        .file("config.json", &fake.config().to_string())
        .stdin(text)
        .journal(fake.journal())
}

fn ids(fake: &Fake, table: &str) -> Vec<u64> {
    let rows = fake.rows(table);
    let mut ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn since(fake: &Fake, before: usize) -> Vec<String> {
    fake.journal().lines().split_off(before)
}

fn location(fake: &Fake) -> String {
    let store = fake.store();
    store.catalog.folder("test", "people").unwrap()
}

/// A lake with version 1, and version 2 swapped in by a run that died before it settled that.
fn killed_after_its_swap() -> (Fake, String) {
    let fake = Fake::start();
    ended(&version(&fake, 1, 0..3).run(), 0, &[]);
    let before = location(&fake);
    fake.fault("UpdateTable", 1, Fault::KillAfter);
    let output = version(&fake, 2, 10..14).run();
    assert_eq!(output.status.code(), None, "{}", output.report());
    assert_eq!(ids(&fake, "people"), [10, 11, 12, 13]);
    (fake, before)
}

#[test]
fn a_swap_that_nobody_acknowledged_is_taken_back_before_the_version_comes_again() {
    let (fake, _) = killed_after_its_swap();
    let before = fake.journal().lines().len();
    ended(&version(&fake, 2, 10..14).run(), 0, &[]);
    assert_eq!(ids(&fake, "people"), [10, 11, 12, 13]);
    let journal = since(&fake, before);
    let expected = [
        "PUT record",
        "UPDATE people at G1 parameters",
        "PUT mark of people",
        "DELETE people/G2/o2",
    ];
    assert_eq!(journal[..4], expected, "{journal:?}");
    assert_eq!(fake.data_objects().len(), 1, "{journal:?}");
}

#[test]
fn the_old_rows_are_seen_again_although_another_sync_comes_first() {
    let (fake, before) = killed_after_its_swap();
    let input = record("orders", &json!({"id": 1, "name": "a"})) + &state("orders", 1);
    fake.write(&people("orders", "append"))
        .stdin(input)
        .run()
        .succeeded();
    assert_eq!(location(&fake), before);
    assert_eq!(ids(&fake, "people"), [0, 1, 2]);
}

#[test]
fn what_others_changed_since_the_swap_stays_when_it_is_taken_back() {
    let (fake, before) = killed_after_its_swap();
    fake.edit_table("people", |table| {
        table["Description"] = "theirs".into();
        table["Parameters"]["tag"] = "x".into();
    });
    ended(&version(&fake, 1, 3..4).run(), 0, &[]);
    assert_eq!(location(&fake), before);
    assert_eq!(ids(&fake, "people"), [0, 1, 2, 3]);
    let store = fake.store();
    let table = store.catalog.table("test", "people").unwrap();
    assert_eq!(table["Description"], "theirs");
    assert_eq!(table["Parameters"]["tag"], "x");
    assert_eq!(table["Parameters"]["singer_version"], "1");
}

/// The objects that are left after a sync of another table, which takes back what dead runs did not settle.
fn objects_after_a_sync_of_orders(fake: &Fake) -> Vec<String> {
    let input = record("orders", &json!({"id": 1, "name": "a"})) + &state("orders", 1);
    fake.write(&people("orders", "append"))
        .stdin(input)
        .run()
        .succeeded();
    fake.data_objects()
}

#[test]
fn a_swap_is_left_where_the_table_was_renamed_moved_above_or_given_rows_since() {
    type Hand = fn(&Fake);
    let hands: [Hand; 3] = [
        |fake| {
            fake.edit_table("people", |table| {
                table["StorageDescriptor"]["Location"] = "s3://test-lake/lake/test/".into();
            });
        },
        |fake| {
            let mut store = fake.store();
            let table = store.catalog.table("test", "people").cloned().unwrap();
            store.catalog.drop_table("test", "people");
            store.catalog.make_table("test", "humans", table);
        },
        |fake| {
            let folder = location(fake);
            let name = "20261122T091551123Z-0123456789ab-000001.jsonl";
            let mut store = fake.store();
            let objects = &mut store.bucket.objects;
            objects.insert(format!("{folder}{name}"), b"{\"id\":99}\n".to_vec());
        },
    ];
    for hand in hands {
        let (fake, _) = killed_after_its_swap();
        hand(&fake);
        let there = fake.data_objects();
        let left = objects_after_a_sync_of_orders(&fake);
        assert!(
            there.iter().all(|key| left.contains(key)),
            "{there:?} {left:?}"
        );
        assert!(
            !since(&fake, 0)
                .iter()
                .any(|line| line.starts_with("UPDATE people at G1"))
        );
    }
}

/// Nobody acknowledged the rows of the swap, and no table of the catalog shows them: absence alone would be no proof.
#[test]
fn rows_of_a_swap_whose_table_is_gone_or_elsewhere_are_deleted_if_no_table_shows_them() {
    type Hand = fn(&Fake);
    let hands: [Hand; 2] = [
        |fake| {
            fake.edit_table("people", |table| {
                table["StorageDescriptor"]["Location"] = "s3://test-lake/elsewhere/".into();
            });
        },
        |fake| {
            fake.store().catalog.drop_table("test", "people");
        },
    ];
    for hand in hands {
        for is_listed in [false, true] {
            let (fake, before) = killed_after_its_swap();
            hand(&fake);
            let there = fake.data_objects();
            if !is_listed {
                fake.fault(
                    "GetDatabases",
                    1,
                    Fault::Reject(400, "AccessDeniedException"),
                );
            }
            let left = objects_after_a_sync_of_orders(&fake);
            let lost: Vec<_> = there.iter().filter(|key| !left.contains(key)).collect();
            assert_eq!(lost.len(), usize::from(is_listed), "{lost:?}");
            assert!(lost.iter().all(|key| !key.starts_with(&before)));
        }
    }
}

/// It died between the mark that says so and the creation of its table: the next one leaves nothing of it. Without its record
/// nothing tells whose rows they are: they are left, and named.
#[test]
fn a_first_overwrite_that_died_before_it_made_its_table_leaves_nothing_if_its_record_is_there() {
    for is_there in [true, false] {
        let fake = Fake::start();
        fake.fault("CreateTable", 1, Fault::KillBefore);
        let overwrite = people("people", "overwrite");
        let run = |id: u64| fake.write(&overwrite).stdin(person("people", id)).run();
        assert_eq!(run(1).status.code(), None);
        assert_eq!(fake.data_objects().len(), 1);
        if !is_there {
            let is_record = |key: &String| key.contains("/runs/");
            fake.store().bucket.objects.retain(|key, _| !is_record(key));
        }
        let output = run(2);
        output.succeeded();
        assert_eq!(ids(&fake, "people"), [2]);
        let all: Vec<_> = fake.store().bucket.objects.keys().cloned().collect();
        let is_control = |key: &&String| !key.contains("/runs/");
        // Its object and its mark.
        let left = all.iter().filter(is_control).count() - 1;
        assert_eq!(left, if is_there { 0 } else { 2 }, "{all:?}");
        let is_named = output
            .stdout
            .contains("an overwrite that died while it was published");
        assert_eq!(is_named, !is_there, "{}", output.report());
    }
}

#[test]
fn a_version_that_the_catalog_did_not_show_at_the_opening_is_not_replaced_by_its_rest() {
    let fake = Fake::start();
    ended(&version(&fake, 1, 0..3).run(), 0, &[]);
    let stale = Fault::Reject(400, "EntityNotFoundException");
    fake.fault("GetTable", 1, stale);
    let output = version(&fake, 1, 3..5).run();
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    assert!(
        output.stderr.contains("did not show the table"),
        "{}",
        output.report()
    );
    assert_eq!(output.stdout, "");
    assert_eq!(ids(&fake, "people"), [0, 1, 2]);
    ended(&version(&fake, 1, 3..5).run(), 0, &[]);
    assert_eq!(ids(&fake, "people"), [0, 1, 2, 3, 4]);
}

fn refresh(fake: &Fake, attempt: &str, ids: std::ops::Range<u64>) -> Output {
    let mut catalog = people("people", "append");
    for (key, value) in [
        ("generation_id", 7),
        ("minimum_generation_id", 7),
        ("sync_id", 70),
    ] {
        catalog["streams"][0][key] = value.into();
    }
    let rows: String = ids.clone().map(|id| person("people", id)).collect();
    fake.write(&catalog)
        .env("WORKER_JOB_ID", "70")
        .env("WORKER_JOB_ATTEMPT", attempt)
        .stdin(rows + &state("people", ids.end) + &complete("people"))
        .run()
}

#[test]
fn a_refresh_that_the_catalog_did_not_show_at_the_opening_is_not_replaced_by_its_rest() {
    let fake = Fake::start();
    refresh(&fake, "0", 0..3).succeeded();
    let stale = Fault::Reject(400, "EntityNotFoundException");
    fake.fault("GetTable", 1, stale);
    let output = refresh(&fake, "1", 3..5);
    output.failed();
    assert!(output.states().is_empty(), "{}", output.report());
    assert_eq!(ids(&fake, "people"), [0, 1, 2]);
    refresh(&fake, "2", 3..5).succeeded();
    assert_eq!(ids(&fake, "people"), [0, 1, 2, 3, 4]);
}

#[test]
fn readers_of_a_table_above_its_own_folders_see_no_new_row_before_the_swap() {
    let fake = Fake::start();
    ended(&version(&fake, 1, 0..3).run(), 0, &[]);
    fake.edit_table("people", |table| {
        table["StorageDescriptor"]["Location"] = "s3://test-lake/lake/test/".into();
    });
    fake.fault("UpdateTable", 1, Fault::KillBefore);
    let output = version(&fake, 2, 10..14).run();
    assert_eq!(output.status.code(), None, "{}", output.report());
    let is_there = |key: &String| key.starts_with("lake/_datalake/tables/test/people/");
    assert!(fake.store().bucket.objects.keys().any(is_there));
    assert_eq!(ids(&fake, "people"), [0, 1, 2]);
    ended(&version(&fake, 2, 10..14).run(), 0, &[]);
    assert_eq!(ids(&fake, "people"), [10, 11, 12, 13]);
    // The next one goes back to the table's own folder.
    ended(&version(&fake, 3, 20..22).run(), 0, &[]);
    assert_eq!(ids(&fake, "people"), [20, 21]);
    assert!(!fake.store().bucket.objects.keys().any(is_there));
}

#[test]
fn unfinished_uploads_beside_a_table_above_its_own_folders_are_aborted_once_they_are_old() {
    let fake = Fake::start();
    ended(&version(&fake, 1, 0..3).run(), 0, &[]);
    let move_above = || {
        fake.edit_table("people", |table| {
            table["StorageDescriptor"]["Location"] = "s3://test-lake/lake/test/".into();
        });
    };
    move_above();
    let mut config = fake.config();
    config["target_file_size_mb"] = 0.001.into();
    config["format"]["compression_codec"] = "UNCOMPRESSED".into();
    fake.fault("UploadPart", 1, Fault::KillAfter);
    let program = version(&fake, 2, 10..2000);
    let output = program.file("config.json", &config.to_string()).run();
    assert_eq!(output.status.code(), None, "{}", output.report());
    let uploads = |fake: &Fake| fake.store().bucket.uploads.len();
    let left = uploads(&fake);
    assert!(left > 0);
    ended(&version(&fake, 3, 20..22).run(), 0, &[]);
    assert_eq!(uploads(&fake), left, "they are young");
    fake.clock()
        .forward(std::time::Duration::from_secs(25 * 3600));
    move_above();
    ended(&version(&fake, 4, 30..32).run(), 0, &[]);
    assert_eq!(uploads(&fake), 0);
    assert_eq!(ids(&fake, "people"), [30, 31]);
}

/// Two streams whose states cover both.
fn both(fake: &Fake, ids: std::ops::Range<u64>) -> Program {
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let streams = ["people", "orders"].map(|name| stream(name, "append", &properties));
    let mut text = String::new();
    for id in ids.clone() {
        text += &person("people", id);
        text += &person("orders", id);
    }
    let global = json!({"shared_state": {"at": ids.end}});
    text += &line(&json!({"type": "STATE", "state": {"type": "GLOBAL", "global": global}}));
    fake.write(&catalog(&streams)).stdin(text)
}

#[test]
fn where_a_state_covers_both_streams_neither_keeps_rows_without_the_other() {
    // The record with its keys; either object; the record without them.
    for (operation, resource, nth) in [
        ("PutObject", "/_datalake/runs/", 1),
        ("PutObject", "/people/", 1),
        ("PutObject", "/orders/", 1),
        ("GetTable", "people", 2),
        ("GetTable", "orders", 2),
        ("PutObject", "/_datalake/runs/", 2),
    ] {
        let fake = Fake::start();
        let refused = Fault::Reject(403, "AccessDenied");
        fake.fault_on(operation, resource, nth, refused);
        let output = both(&fake, 0..3).run();
        output.failed();
        assert!(output.states().is_empty(), "{}", output.report());
        let lines = fake.journal().lines();
        assert!(
            fake.data_objects().is_empty(),
            "{operation} {resource} {nth}: {lines:?}"
        );
        // Nobody has to wait for it, although nobody can see that it has ended.
        assert!(
            !fake.has_open_record(),
            "{operation} {resource} {nth}: {lines:?}"
        );
        both(&fake, 0..3).run().succeeded();
        for table in ["people", "orders"] {
            assert_eq!(ids(&fake, table), [0, 1, 2]);
        }
    }
}

#[test]
fn rows_beside_an_overwrite_wait_for_its_swap_where_a_state_covers_both() {
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let streams = [("people", "append"), ("orders", "overwrite")]
        .map(|(name, mode)| stream(name, mode, &properties));
    let global = |at: u64| {
        let global = json!({"shared_state": {"at": at}});
        line(&json!({"type": "STATE", "state": {"type": "GLOBAL", "global": global}}))
    };
    let text = [
        person("orders", 1),
        person("people", 1),
        global(1),
        person("people", 2),
        global(2),
    ];
    for call in 1.. {
        let fake = Fake::start();
        fake.fault_at(call, Fault::KillAfter);
        let mut config = fake.config();
        config["checkpoint_interval_minutes"] = 0.into();
        let run = || {
            Program::write(&config, &catalog(&streams))
                .journal(fake.journal())
                .stdin(text.concat())
                .run()
        };
        let output = run();
        if fake.forgive() {
            output.succeeded();
            assert!(call > 10, "{call} calls");
            return;
        }
        let states = output.states();
        if states.is_empty() && fake.has_open_record() {
            run().succeeded();
            assert_eq!(ids(&fake, "people"), [1, 2], "killed at call {call}");
            assert_eq!(ids(&fake, "orders"), [1], "killed at call {call}");
        }
    }
}
