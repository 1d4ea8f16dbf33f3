//! Syncs of many streams: their calls overlap, and those to a service that throttles are paced.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fake::{Fake, Options};
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

/// Every table shows so many rows.
#[track_caller]
fn assert_rows(fake: &Fake, rows: usize) {
    for index in 0..STREAMS {
        assert_eq!(fake.rows(&name(index)).len(), rows, "{}", name(index));
    }
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
