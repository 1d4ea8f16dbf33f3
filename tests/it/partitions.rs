//! Partitioned tables: keys, folders and values, registered before states are printed.

mod swaps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::cloud::{Account, tools};
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, record, state, stream};
use crate::support::program::Program;

/// A catalog of the stream `orders`, whose cursor is `at`.
fn orders(mode: &str) -> Value {
    let at = json!({"type": ["null", "string"], "format": "date-time"});
    let text = json!({"type": ["null", "string"]});
    orders_of(
        mode,
        &json!({"id": {"type": "integer"}, "at": at, "country": text}),
    )
}

fn orders_of(mode: &str, properties: &Value) -> Value {
    let mut orders = stream("orders", mode, properties);
    orders["cursor_field"] = json!(["at"]);
    catalog(&[orders])
}

/// An order of this day of March 2024; day 0 is none.
fn order(id: u64, day: u64) -> String {
    let at = match day {
        0 => Value::Null,
        day => format!("2024-03-{day:02}T23:30:00-01:00").into(),
    };
    let country = ["DE", "AT/CH", "", "a b=%é"][usize::try_from(id % 4).unwrap()];
    record("orders", &json!({"id": id, "at": at, "country": country}))
}

/// The ids of the rows of each partition.
fn ids(fake: &Fake) -> BTreeMap<String, Vec<u64>> {
    let ids = |rows: Vec<serde_json::Map<String, Value>>| {
        let mut ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        ids
    };
    let partitions = fake.partitions("orders").into_iter();
    partitions
        .map(|(values, rows)| (values, ids(rows)))
        .collect()
}

fn config(fake: &Fake, setting: &str, value: Value) -> Value {
    let mut config = fake.config();
    config[setting] = value;
    config
}

#[test]
fn each_partitioning_has_the_keys_and_the_folders_of_the_python_connector() {
    for (mode, folder, null) in [
        (
            "DATE",
            "at_date=2024-03-02/",
            "at_date=__HIVE_DEFAULT_PARTITION__/",
        ),
        ("YEAR", "at_year=2024/", "at_year=0/"),
        ("MONTH", "at_month=3/", "at_month=0/"),
        ("DAY", "at_day=2/", "at_day=0/"),
        (
            "YEAR/MONTH",
            "at_year=2024/at_month=3/",
            "at_year=0/at_month=0/",
        ),
        (
            "YEAR/MONTH/DAY",
            "at_year=2024/at_month=3/at_day=2/",
            "at_year=0/at_month=0/at_day=0/",
        ),
    ] {
        let account = Account::new();
        let mut config = account.config();
        config["partitioning"] = mode.into();
        if mode.starts_with("YEAR") {
            config["format"] = json!({"format_type": "Parquet"});
        }
        for round in 0..2 {
            let input = order(2 * round, 1) + &order(2 * round + 1, 0) + &state("orders", 1);
            let output = Program::write(&config, &orders("append"))
                .stdin(input)
                .run();
            assert_eq!(output.states().len(), 1, "{}", output.report());
        }
        let table = account.read("orders");
        assert_eq!(table.column("id"), [0, 1, 2, 3], "{mode}");
        let folders: BTreeSet<&str> = table
            .objects
            .iter()
            .map(|key| {
                let (folder, _) = key.rsplit_once('/').unwrap();
                key[..=folder.len()].rsplit_once("orders/").unwrap().1
            })
            .map(|folder| folder.split_once('/').unwrap().1)
            .collect();
        assert_eq!(folders, BTreeSet::from([folder, null]), "{mode}");
        let definition = json!({"database": account.database, "table": "orders"});
        let definition = tools().call("definition", definition);
        for key in definition["PartitionKeys"].as_array().unwrap() {
            let expected = if mode == "DATE" { "date" } else { "bigint" };
            assert_eq!(key["Type"], expected, "{mode}");
        }
    }
}

#[test]
fn a_cursor_that_is_no_time_makes_no_partitions() {
    let fake = Fake::start();
    let config = config(&fake, "partitioning", "DATE".into());
    let mut catalog = orders("append");
    catalog["streams"][0]["cursor_field"] = json!(["id"]);
    let output = Program::write(&config, &catalog).stdin(order(1, 1)).run();
    output.succeeded();
    assert!(
        output.stdout.contains("no partitions"),
        "{}",
        output.report()
    );
    assert_eq!(fake.rows("orders").len(), 1);
}

#[test]
fn columns_and_parts_of_them_make_keys_in_their_order() {
    let fake = Fake::start();
    let by = json!({"*": ["day(_airbyte_extracted_at)"], "orders": ["country", "month(at)", "hour(at)"]});
    let config = config(&fake, "partition_by", by);
    let others = stream("others", "append", &json!({"id": {"type": "integer"}}));
    let mut catalog = orders("append");
    catalog["streams"].as_array_mut().unwrap().push(others);
    let input: String = (0..4).map(|id| order(id, 1)).collect();
    let input = input + &order(4, 0) + &record("others", &json!({"id": 1}));
    Program::write(&config, &catalog)
        .stdin(input)
        .run()
        .succeeded();
    let hour = "2024-03/2024-03-02-00";
    let null = "__HIVE_DEFAULT_PARTITION__";
    assert_eq!(
        ids(&fake),
        BTreeMap::from([
            (format!("DE/{hour}"), vec![0]),
            (format!("DE/{null}/{null}"), vec![4]),
            (format!("AT/CH/{hour}"), vec![1]),
            (format!("{null}/{hour}"), vec![2]),
            (format!("a b=%é/{hour}"), vec![3]),
        ])
    );
    let escaped = "country=a b%3D%25é/at_month=2024-03/at_hour=2024-03-02-00/";
    assert!(
        fake.data_objects().iter().any(|key| key.contains(escaped)),
        "{:?}",
        fake.data_objects()
    );
    for rows in fake.partitions("orders").values() {
        assert!(!rows[0].contains_key("country"), "{rows:?}");
    }
    let extracted: Vec<String> = fake.partitions("others").into_keys().collect();
    assert_eq!(extracted, ["2026-11-22"]);
    let store = fake.store();
    let columns = &store.catalog.table("test", "orders").unwrap()["StorageDescriptor"]["Columns"];
    assert!(!columns.to_string().contains("country"), "{columns}");
}

#[test]
fn what_cannot_be_a_partition_is_refused_by_name_before_anything_is_made() {
    for (by, part) in [
        (json!({"orders": ["week(at)"]}), "$.partition_by"),
        (json!({"orders": ["nothing"]}), "nothing"),
        (json!({"orders": ["day(id)"]}), "day(id)"),
        (json!({"orders": ["at"]}), "day(at)"),
        (
            json!({"orders": ["day(at)", "date(at)", "day(at)"]}),
            "at_day",
        ),
        (
            json!({"orders": ["_airbyte_extracted_at"]}),
            "day(_airbyte_extracted_at)",
        ),
        (json!(7), "$.partition_by"),
    ] {
        let fake = Fake::start();
        let config = config(&fake, "partition_by", by);
        let output = Program::write(&config, &orders("append"))
            .stdin(order(1, 1))
            .run();
        let said = output.failed();
        assert!(
            said["message"].as_str().unwrap().contains(part),
            "{part}: {said}"
        );
        assert_eq!(fake.objects(), 0);
    }
    let fake = Fake::start();
    let mut both = config(&fake, "partition_by", json!(["day(at)"]));
    both["partitioning"] = "DATE".into();
    let said = Program::write(&both, &orders("append"))
        .run()
        .failed()
        .to_string();
    assert!(said.contains("$.partition_by"), "{said}");
}

#[test]
fn a_table_with_other_keys_is_refused_and_stays() {
    let fake = Fake::start();
    let dated = config(&fake, "partitioning", "DATE".into());
    let run = |config: &Value, mode: &str| {
        Program::write(config, &orders(mode))
            .stdin(order(1, 1))
            .run()
    };
    run(&dated, "append").succeeded();
    for other in [fake.config(), config(&fake, "partitioning", "YEAR".into())] {
        let said = run(&other, "append").failed().to_string();
        assert!(said.contains("at_date"), "{said}");
    }
    assert_eq!(
        ids(&fake),
        BTreeMap::from([("2024-03-02".to_owned(), vec![1])])
    );
}

#[test]
fn partitions_follow_when_the_table_gets_columns() {
    let fake = Fake::start();
    let config = config(&fake, "partitioning", "DATE".into());
    let days: String = (1..8).map(|day| order(day, day)).collect();
    Program::write(&config, &orders("append"))
        .stdin(days)
        .run()
        .succeeded();
    let at = json!({"type": "string", "format": "date-time"});
    let wider = |fields: Value| {
        let new = json!({"type": "object", "properties": fields});
        let id = json!({"type": "integer"});
        let text = json!({"type": "string"});
        orders_of(
            "append",
            &json!({"id": id, "at": at, "country": text, "new": new}),
        )
    };
    let widest = wider(json!({"a": {"type": "integer"}, "b": {"type": "string"}}));
    let wider = wider(json!({"a": {"type": "integer"}}));
    // It dies when some of the partitions have the new column, and the table has not.
    fake.fault("BatchUpdatePartition", 2, Fault::KillBefore);
    let killed = Program::write(&config, &wider)
        .journal(fake.journal())
        .stdin(order(9, 9))
        .run();
    assert_eq!(killed.status.code(), None);
    Program::write(&config, &wider)
        .stdin(order(9, 9))
        .run()
        .succeeded();
    assert_partitions_are_as_the_table(&fake, "struct<a:bigint>");
    // A struct grows.
    Program::write(&config, &widest)
        .stdin(order(9, 9))
        .run()
        .succeeded();
    assert_partitions_are_as_the_table(&fake, "struct<a:bigint,b:string>");
}

fn assert_partitions_are_as_the_table(fake: &Fake, expected: &str) {
    let store = fake.store();
    let table = store.catalog.table("test", "orders").unwrap();
    let wanted = &table["StorageDescriptor"]["Columns"];
    assert!(wanted.to_string().contains(expected), "{wanted}");
    let partitions = &store.catalog.0["test"]["orders"].partitions;
    assert_eq!(partitions.len(), 8);
    for (values, partition) in partitions {
        assert_eq!(
            partition["StorageDescriptor"]["Columns"], *wanted,
            "{values:?}"
        );
    }
}

#[test]
fn rows_are_not_acknowledged_where_their_partition_is_elsewhere_or_refused() {
    let states = |fake: &Fake| {
        let config = config(fake, "partitioning", "DATE".into());
        let input = order(1, 1) + &state("orders", 1);
        let program = Program::write(&config, &orders("append")).journal(fake.journal());
        program.stdin(input).run()
    };
    // Another hand has moved the partition.
    let fake = Fake::start();
    states(&fake).succeeded();
    {
        let mut store = fake.store();
        let tables = store.catalog.0.get_mut("test").unwrap();
        let partition = tables
            .get_mut("orders")
            .unwrap()
            .partitions
            .values_mut()
            .next();
        partition.unwrap()["StorageDescriptor"]["Location"] = "s3://test-lake/elsewhere/".into();
    }
    let output = states(&fake);
    let said = output.failed().to_string();
    assert!(
        said.contains("elsewhere") && output.states().is_empty(),
        "{said}"
    );
    assert_eq!(fake.data_objects().len(), 1, "the rows are taken back");
    // An item of a batch fails inside of a 200.
    for (code, is_lasting) in [
        ("ResourceNumberLimitExceededException", true),
        ("OperationTimeoutException", false),
    ] {
        let fake = Fake::start();
        let answer = json!({"Errors": [{"PartitionValues": ["2024-03-02"], "ErrorDetail": {"ErrorCode": code, "ErrorMessage": "as Glue says"}}]}).to_string();
        let failed = move |to: &mut dyn std::io::Write, _: &crate::support::fake::wire::Answer| {
            write!(
                to,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            )
        };
        fake.fault(
            "BatchCreatePartition",
            1,
            Fault::Raw(std::sync::Arc::new(failed)),
        );
        let output = states(&fake);
        if is_lasting {
            let said = output.failed().to_string();
            assert!(said.contains(code) && said.contains("2024-03-02"), "{said}");
            assert!(output.states().is_empty());
        } else {
            output.succeeded();
            assert_eq!(output.states().len(), 1);
        }
    }
}

/// Loads events into a folder, by country and day; returns the values of the table's partitions, in order.
fn load_events(folder: &Path, mode: &str, events: &[(u64, &str, u64)]) -> Vec<String> {
    let event = |(id, country, day): &(u64, &str, u64)| {
        format!("{{\"id\":{id},\"country\":\"{country}\",\"at\":\"2024-03-0{day}T12:00:00Z\"}}\n")
    };
    let arguments = [
        "load",
        "--table",
        "events",
        "--mode",
        mode,
        "--partition-by",
        "country,day(at)",
    ];
    let output = Program::new(&arguments)
        .local(folder)
        .stdin(events.iter().map(event).collect::<String>())
        .run();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    let text = std::fs::read_to_string(folder.join("catalog/default/events.partitions")).unwrap();
    let partitions: Vec<Value> = serde_json::from_str(&text).unwrap();
    let values = partitions
        .iter()
        .map(|partition| partition["Values"].to_string());
    let mut values: Vec<String> = values.collect();
    values.sort();
    values
}

#[test]
fn a_load_into_a_folder_has_partitions_that_other_readers_find() {
    let folder = tempfile::tempdir().unwrap();
    load_events(folder.path(), "append", &[(1, "DE", 1), (2, "FR", 1)]);
    assert_eq!(
        load_events(folder.path(), "append", &[(3, "DE", 2)]),
        [
            "[\"DE\",\"2024-03-01\"]",
            "[\"DE\",\"2024-03-02\"]",
            "[\"FR\",\"2024-03-01\"]"
        ]
    );
}

#[test]
fn an_identity_whose_values_are_of_other_types_makes_no_column_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["load", "--table", "events", "--partition-by", "country"];
    let output = Program::new(&arguments)
        .local(folder.path())
        .stdin("{\"id\":1,\"country\":7}\n{\"id\":2,\"country\":{\"a\":1}}\n{\"id\":3,\"country\":\"x\",\"new\":1}\n")
        .run();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    let text = std::fs::read_to_string(folder.path().join("catalog/default/events.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let columns = table["StorageDescriptor"]["Columns"].to_string();
    assert!(!columns.contains("\"country"), "{columns}");
    assert_eq!(table["PartitionKeys"][0]["Name"], "country");
}
