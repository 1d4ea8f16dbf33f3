//! Syncs of many streams: their tables are looked for together, their calls overlap, and those to a service that throttles
//! are paced.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fake::{Fake, Fault, Options};
use crate::support::messages::{catalog, person, state, stream};
use crate::support::program::Output;

const STREAMS: usize = 20;

fn name(index: usize) -> String {
    format!("people_{index:02}")
}

/// The configured catalog of so many streams, whose tables may have another column yet.
fn streams(count: usize, mode: &str, column: Option<&str>) -> Value {
    let mut properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    if let Some(column) = column {
        properties[column] = json!({"type": "string"});
    }
    let streams = (0..count).map(|index| stream(&name(index), mode, &properties));
    catalog(&streams.collect::<Vec<_>>())
}

/// A sync with a record and a state of each stream.
fn sync(fake: &Fake, count: usize, catalog: &Value) -> Output {
    let records = (0..count).map(|index| person(&name(index), 1));
    let states = (0..count).map(|index| state(&name(index), 1));
    let input: String = records.chain(states).collect();
    fake.write(catalog).stdin(input).run()
}

/// How many calls of the operation came after so many calls.
fn count(fake: &Fake, operation: &str, since: usize) -> usize {
    let calls = fake.calls();
    let of_operation = calls[since..].iter().filter(|call| *call == operation);
    of_operation.count()
}

/// Every table shows so many rows.
#[track_caller]
fn assert_rows(fake: &Fake, rows: usize) {
    for index in 0..STREAMS {
        assert_eq!(fake.rows(&name(index)).len(), rows, "{}", name(index));
    }
}

#[test]
fn tables_of_a_database_are_looked_for_together() {
    let fake = Fake::start();
    let catalog = streams(STREAMS, "append", None);
    sync(&fake, STREAMS, &catalog).succeeded();
    assert_eq!(count(&fake, "CreateTable", 0), STREAMS);
    // A database that is new has no tables to look for.
    assert_eq!(count(&fake, "GetTables", 0), 1, "{:?}", fake.calls());
    assert_eq!(count(&fake, "GetTable", 0), 0, "{:?}", fake.calls());
    let before = fake.calls().len();
    sync(&fake, STREAMS, &catalog).succeeded();
    assert_eq!(count(&fake, "GetTables", before), 2);
    assert_eq!(count(&fake, "GetTable", before), 0);
    let before = fake.calls().len();
    let wider = streams(STREAMS, "append", Some("more"));
    sync(&fake, STREAMS, &wider).succeeded();
    assert_eq!(count(&fake, "UpdateTable", before), STREAMS);
    assert_eq!(count(&fake, "GetTable", before), 0);
    assert_rows(&fake, 3);
}

#[test]
fn without_the_permission_tables_are_looked_for_one_by_one() {
    let fake = Fake::start();
    let catalog = streams(STREAMS, "append", None);
    sync(&fake, STREAMS, &catalog).succeeded();
    let before = fake.calls().len();
    fake.fault_from("GetTables", 1, Fault::Reject(400, "AccessDeniedException"));
    sync(&fake, STREAMS, &catalog).succeeded();
    assert_eq!(count(&fake, "GetTables", before), 1, "it is asked once");
    assert_eq!(count(&fake, "GetTable", before), 2 * STREAMS);
    assert_rows(&fake, 2);
}

#[test]
fn a_database_of_many_tables_of_others_is_not_listed_to_its_end() {
    let fake = Fake::start();
    let catalog = streams(STREAMS, "append", None);
    sync(&fake, STREAMS, &catalog).succeeded();
    let others = (0..1000).map(|index| (format!("other_{index}"), json!({})));
    fake.add_tables("test", others.collect());
    let before = fake.calls().len();
    sync(&fake, STREAMS, &catalog).succeeded();
    assert_eq!(count(&fake, "GetTables", before), 4);
    assert_eq!(count(&fake, "GetTable", before), 2 * STREAMS);
    assert_rows(&fake, 2);
}

#[test]
fn a_table_that_others_change_after_its_listing_is_read_again() {
    let fake = Arc::new(Fake::start());
    sync(&fake, STREAMS, &streams(STREAMS, "append", None)).succeeded();
    let others = Arc::downgrade(&fake);
    let hand = move |_: &_| {
        let fake = others.upgrade().unwrap();
        for table in ["people_03", "people_04"] {
            fake.edit_table(table, |input| input["Description"] = "theirs".into());
        }
        true
    };
    fake.fault("UpdateTable", 1, Fault::Before(Arc::new(hand)));
    sync(&fake, STREAMS, &streams(STREAMS, "append", Some("more"))).succeeded();
    let store = fake.store();
    for table in ["people_03", "people_04"] {
        let input = store.catalog.table("test", table).unwrap();
        assert_eq!(input["Description"], "theirs");
        let columns = input["StorageDescriptor"]["Columns"].as_array().unwrap();
        assert!(columns.iter().any(|column| column["Name"] == "more"));
    }
}

#[test]
fn a_table_that_others_make_after_the_listing_is_used() {
    let fake = Arc::new(Fake::start());
    let catalog = streams(STREAMS, "append", None);
    sync(&fake, STREAMS, &catalog).succeeded();
    let input = fake.store().catalog.table("test", "people_03").cloned();
    assert!(fake.store().catalog.drop_table("test", "people_03"));
    let others = Arc::downgrade(&fake);
    let hand = move |_: &_| {
        let fake = others.upgrade().unwrap();
        let mut store = fake.store();
        let input = input.clone().unwrap();
        store.catalog.make_table("test", "people_03", input);
        true
    };
    fake.fault("GetTables", 1, Fault::After(Arc::new(hand)));
    let before = fake.calls().len();
    sync(&fake, STREAMS, &catalog).succeeded();
    assert_eq!(count(&fake, "CreateTable", before), 1);
    assert_rows(&fake, 2);
}

#[test]
fn a_table_that_others_move_fails_its_stream_alone() {
    let fake = Arc::new(Fake::start());
    let catalog = streams(STREAMS, "append", None);
    sync(&fake, STREAMS, &catalog).succeeded();
    let others = Arc::downgrade(&fake);
    let hand = move |_: &_| {
        let fake = others.upgrade().unwrap();
        fake.edit_table("people_07", |input| {
            input["StorageDescriptor"]["Location"] = "s3://test-lake/elsewhere/".into();
        });
        true
    };
    fake.fault_on("PutObject", "/people_07/", 1, Fault::After(Arc::new(hand)));
    let output = sync(&fake, STREAMS, &catalog);
    let error = output.failed();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("people_07"), "{message}");
    assert_eq!(output.states().len(), STREAMS - 1, "{}", output.report());
}

#[test]
fn generations_of_many_streams_are_published_side_by_side() {
    let fake = Fake::start();
    let catalog = streams(STREAMS, "overwrite", None);
    for _ in 0..2 {
        sync(&fake, STREAMS, &catalog).succeeded();
        assert_rows(&fake, 1);
    }
    assert_eq!(fake.data_objects().len(), STREAMS, "old ones are deleted");
}

#[test]
fn a_swap_that_others_keep_from_its_end_is_announced_and_done_anew() {
    let fake = Arc::new(Fake::start());
    let catalog = streams(STREAMS, "overwrite", None);
    sync(&fake, STREAMS, &catalog).succeeded();
    let others = Arc::downgrade(&fake);
    let hand = move |_: &_| {
        let fake = others.upgrade().unwrap();
        for table in ["people_03", "people_11"] {
            fake.edit_table(table, |input| input["Description"] = "theirs".into());
        }
        true
    };
    fake.fault("UpdateTable", 1, Fault::Before(Arc::new(hand)));
    let before = fake.calls().len();
    sync(&fake, STREAMS, &catalog).succeeded();
    assert_rows(&fake, 1);
    let updates = count(&fake, "UpdateTable", before);
    assert!(
        (STREAMS + 1..=STREAMS + 2).contains(&updates),
        "{updates} updates"
    );
    let store = fake.store();
    for table in ["people_03", "people_11"] {
        let input = store.catalog.table("test", table).unwrap();
        assert_eq!(input["Description"], "theirs");
    }
}

#[test]
fn a_service_that_throttles_is_called_at_its_pace() {
    let fake = Fake::with(Options {
        rate: Some(20.0),
        ..Options::default()
    });
    let count = 90;
    sync(&fake, count, &streams(count, "append", None)).succeeded();
    let (late, refused) = fake.throttled_after(Duration::from_secs(2));
    assert!(late > 30, "{late} calls");
    assert!(
        refused * 10 <= late,
        "{refused} of {late} calls were refused"
    );
}
