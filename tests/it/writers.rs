//! Several programs write to one table at once.

use serde_json::json;

use crate::support::cloud::Account;
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, record, state, stream};
use crate::support::program::{Program, Running};

const WRITERS: u64 = 8;
const ROWS: u64 = 20;

/// One writer of the table `people`: its rows have the column `id` and one that no other writer has.
fn writer(config: &serde_json::Value, number: u64) -> Running {
    let own = format!("column_{number}");
    let properties = json!({"id": {"type": "integer"}, own.as_str(): {"type": "string"}});
    let mut running =
        Program::write(config, &catalog(&[stream("people", "append", &properties)])).start();
    for id in 0..ROWS {
        let id = number * 1000 + id;
        running.feed(record("people", &json!({"id": id, own.as_str(): "x"})));
        if id.is_multiple_of(7) {
            running.feed(state("people", id));
        }
    }
    running.close();
    running
}

fn expected() -> (Vec<String>, Vec<i64>) {
    let mut columns: Vec<_> = (0..WRITERS)
        .map(|number| format!("column_{number}"))
        .collect();
    columns.push("id".to_owned());
    let rows = (0..WRITERS).flat_map(|number| (0..ROWS).map(move |id| number * 1000 + id));
    (columns, rows.map(u64::cast_signed).collect())
}

#[test]
fn eight_writers_at_once_lose_no_column_and_no_row() {
    let fake = Fake::start();
    for operation in ["CreateDatabase", "CreateTable"] {
        // As Glue answers those who come at the same moment.
        for nth in 1..3 {
            fake.fault(
                operation,
                nth,
                Fault::Reject(400, "ConcurrentModificationException"),
            );
        }
    }
    let mut config = fake.config();
    config["checkpoint_interval_minutes"] = 0.into();
    let writers: Vec<_> = (0..WRITERS).map(|number| writer(&config, number)).collect();
    for writer in writers {
        writer.finish().succeeded();
    }
    let (columns, ids) = expected();
    let table = fake.store().catalog.table("test", "people").unwrap()["StorageDescriptor"].clone();
    let mut found: Vec<_> = table["Columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["Name"].as_str().unwrap())
        .collect();
    found.retain(|name| columns.iter().any(|column| column == name));
    found.sort_unstable();
    assert_eq!(found, columns);
    let mut rows: Vec<_> = fake
        .rows("people")
        .iter()
        .map(|row| row["id"].as_i64().unwrap())
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, ids);
}

#[test]
fn eight_writers_into_moto_lose_no_column_and_no_row() {
    let account = Account::new();
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| writer(&account.config(), number))
        .collect();
    for writer in writers {
        writer.finish().succeeded();
    }
    let (columns, ids) = expected();
    let table = account.read("people");
    let mut found: Vec<_> = table.columns.iter().map(|(name, _)| name.clone()).collect();
    found.retain(|name| columns.contains(name));
    found.sort_unstable();
    assert_eq!(found, columns);
    assert_eq!(table.column("id"), ids);
}

#[test]
fn two_streams_whose_tables_have_one_location_do_not_write_over_each_other() {
    let fake = Fake::start();
    let streams = ["people", "orders"];
    let catalog =
        catalog(&streams.map(|name| stream(name, "append", &json!({"id": {"type": "integer"}}))));
    let sync = |id: u64| {
        let each = streams.map(|name| record(name, &json!({"id": id})) + &state(name, id));
        fake.write(&catalog).stdin(each.concat()).run().succeeded();
    };
    sync(1);
    let location =
        fake.store().catalog.table("test", "orders").unwrap()["StorageDescriptor"]["Location"]
            .clone();
    fake.edit_table("people", |table| {
        table["StorageDescriptor"]["Location"] = location;
    });
    sync(2);
    // The first row of orders, and a second one of each.
    assert_eq!(fake.rows("people").len(), 3);
}
