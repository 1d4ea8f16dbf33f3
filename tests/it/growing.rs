//! Columns that come into being while rows are written: what the first records did not show, later ones add.

use serde_json::{Value, json};

use crate::support::cloud::Account;
use crate::support::fake::Fake;
use crate::support::local::{columns, ended, load, table};
use crate::support::program::Program;

/// More than the first records from which a schema is inferred.
const MANY: usize = 16_000;

/// So many lines, each of about 300 bytes: more than the sample.
fn many(record: impl Fn(usize) -> Value) -> String {
    let pad = "x".repeat(260);
    let line = |id| {
        let mut record = record(id);
        record["id"] = id.into();
        record["pad"] = pad.as_str().into();
        format!("{record}\n")
    };
    (0..MANY).map(line).collect()
}

#[test]
fn what_records_show_after_the_sample_becomes_columns() {
    let lake = tempfile::tempdir().unwrap();
    let mut input = many(|id| json!({"event": "view", "n": id, "maybe": null, "o": {"a": 1}}));
    input += r#"{"id":1,"event":"purchase","order_id":"A-1","amount":1.5,"n":2.5,"maybe":true,"o":{"b":[{"c":1}]}}
{"id":2,"event":"purchase","order_id":"A-2","amount":7,"n":3,"o":{"b":[{"c":0.5,"d":"x"}]},"big":12345678901234567890}
"#;
    let output = load(lake.path(), &["--table=t"]).stdin(input.clone()).run();
    ended(
        &output,
        0,
        &["$.order_id is new", "$.n is widened from bigint to double"],
    );
    let (entry, rows) = table(lake.path(), "t");
    let expected = [
        "event string",
        "n double",
        "o struct<a:bigint,b:array<struct<c:double,d:string>>>",
        "id bigint",
        "pad string",
        "order_id string",
        "amount double",
        "maybe boolean",
        "big decimal(38,0)",
    ];
    let mut found = columns(&entry);
    found.sort();
    let mut sorted = expected.to_vec();
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    assert_eq!(rows.len(), MANY + 2);
    let last = [&rows[MANY], &rows[MANY + 1]];
    assert_eq!(last[0]["n"], json!(2.5));
    assert_eq!(last[0]["amount"], json!(1.5));
    assert_eq!(last[0]["maybe"], true);
    assert_eq!(last[1]["o"], json!({"b": [{"c": 0.5, "d": "x"}]}));
    assert!(rows.iter().all(|row| !row.contains_key("_rescued_data")));
    assert!(!output.stderr.contains("warn:"), "{}", output.report());

    // Once more: nothing is new, nothing is rescued.
    let again = load(lake.path(), &["--table=t"]).stdin(input).run();
    ended(&again, 0, &[]);
    let (entry, rows) = table(lake.path(), "t");
    found.sort();
    let mut after = columns(&entry);
    after.sort();
    assert_eq!(after, found);
    assert_eq!(rows.len(), 2 * (MANY + 2));
    assert!(rows.iter().all(|row| !row.contains_key("_rescued_data")));
}

#[test]
fn a_new_generation_grows_apart_from_the_old_one() {
    let lake = tempfile::tempdir().unwrap();
    let first = r#"{"amount":"12 EUR","gone":true,"n":"x"}"#;
    ended(
        &load(lake.path(), &["--table=t"]).stdin(first).run(),
        0,
        &[],
    );
    let mut input = many(|_| json!({"n": 1}));
    // A column that the sample does not show stays as it is: views may read it.
    input += "{\"id\":1,\"amount\":1.5,\"n\":0.5,\"new\":[1]}\n{\"new\":[0.5]}\n";
    let overwrite = ["--table=t", "--mode=overwrite"];
    ended(&load(lake.path(), &overwrite).stdin(input).run(), 0, &[]);
    let (entry, rows) = table(lake.path(), "t");
    assert_eq!(
        columns(&entry),
        [
            "amount string",
            "gone boolean",
            "n double",
            "id bigint",
            "pad string",
            "new array<double>"
        ]
    );
    assert_eq!(rows.len(), MANY + 2);
    assert_eq!(rows[MANY]["amount"], json!("1.5"));
    assert_eq!(rows[MANY]["n"], json!(0.5));
    assert_eq!(rows[MANY + 1]["new"], json!([0.5]));
    assert!(rows.iter().all(|row| !row.contains_key("_rescued_data")));
}

#[test]
fn columns_and_fields_are_added_up_to_a_limit() {
    let lake = tempfile::tempdir().unwrap();
    // Of two types, so that they are not taken for the keys of a map.
    let value = |id: i32| {
        if id % 2 == 0 {
            json!(id)
        } else {
            json!(format!("v{id}"))
        }
    };
    let mut input = many(|_| json!({"o": {"k0": 1}}));
    for id in 0..50 {
        input += &format!(
            "{{\"id\":{id},\"column_{id}\":{id},\"o\":{{\"k{id}\":{}}},\"pad\":\"\"}}\n",
            value(id)
        );
    }
    let output = load(lake.path(), &["--table=t"])
        .env("DATALAKE_MAX_COLUMNS", "10")
        .env("DATALAKE_MAX_STRUCT_FIELDS", "20")
        .stdin(input)
        .run();
    ended(
        &output,
        0,
        &["raise max_columns", "raise max_struct_fields"],
    );
    let warnings = output.stderr.matches("the most that are added").count();
    assert_eq!(warnings, 2, "{}", output.report());
    let (entry, rows) = table(lake.path(), "t");
    let columns = columns(&entry);
    assert_eq!(columns.len(), 10, "{columns:?}");
    let data_type = |id: usize| ["bigint", "string"][id % 2];
    let fields = (0..20_usize).map(|id| format!("k{id}:{}", data_type(id)));
    let fields: Vec<String> = fields.collect();
    let o = format!("o struct<{}>", fields.join(","));
    assert!(columns.contains(&o), "{columns:?}");
    for (id, row) in rows[MANY..].iter().enumerate() {
        let rescued: Value = row.get("_rescued_data").map_or(json!({}), |text| {
            serde_json::from_str(text.as_str().unwrap()).unwrap()
        });
        let id = i32::try_from(id).unwrap();
        let key = format!("column_{id}");
        assert_eq!(row.get(&key).or(rescued.get(&key)), Some(&json!(id)));
        let field = format!("k{id}");
        let of_struct = row.get("o").and_then(|o| o.get(&field));
        assert_eq!(of_struct.or(rescued["o"].get(&field)), Some(&value(id)));
    }

    // The schema of the sample too is cut.
    let wide: serde_json::Map<String, Value> =
        (0..30).map(|n| (format!("c{n}"), json!(n))).collect();
    let output = load(lake.path(), &["--table=wide"])
        .env("DATALAKE_MAX_COLUMNS", "10")
        .stdin(Value::Object(wide).to_string())
        .run();
    ended(&output, 0, &["20 more are not"]);
    let (entry, rows) = table(lake.path(), "wide");
    assert_eq!(
        entry["StorageDescriptor"]["Columns"]
            .as_array()
            .unwrap()
            .len(),
        11
    );
    assert_eq!(rows[0].len(), 11);
}

#[test]
fn the_catalog_has_the_columns_before_readers_see_the_rows() {
    let fake = Fake::start();
    let run = |input: String| {
        Program::new(&["load", "--config", "config.json", "--table", "people"])
            .file("config.json", &fake.config().to_string())
            .stdin(input)
            .run()
    };
    ended(&run("{\"id\":1}".to_owned()), 0, &[]);
    let before = fake.journal().lines().len();
    let mut input = many(|_| json!({}));
    input += "{\"id\":0.5,\"late\":true}\n";
    ended(&run(input), 0, &[]);
    let lines = fake.journal().lines().split_off(before);
    let place = |what: &str| lines.iter().position(|line| line.starts_with(what));
    let updated = lines
        .iter()
        .rposition(|line| line.contains("UPDATE people"));
    assert!(
        updated.is_some() && updated < place("PUT people"),
        "{lines:?}"
    );
    assert!(place("PUT people").is_some(), "{lines:?}");
    assert_eq!(fake.rows("people").len(), MANY + 2);
}

#[test]
fn duckdb_reads_the_rows_of_before_and_of_after() {
    let account = Account::new();
    let mut input = many(|id| json!({"n": id}));
    input += "{\"id\":-1,\"n\":0.5,\"late\":7}\n{\"id\":-2,\"n\":4,\"late\":8}\n";
    let output = Program::new(&["load", "--config", "config.json", "--table", "t"])
        .file("config.json", &account.config().to_string())
        .stdin(input)
        .run();
    ended(&output, 0, &[]);
    let read = account.read("t");
    assert_eq!(read.rows.len(), MANY + 2);
    for row in &read.rows {
        let id = row["id"].as_i64().unwrap();
        let (n, late) = match id {
            -1 => (0.5, json!(7)),
            -2 => (4.0, json!(8)),
            #[allow(clippy::cast_precision_loss)] // small
            id => (id as f64, Value::Null),
        };
        assert_eq!(row["n"].as_f64(), Some(n), "{row:?}");
        assert_eq!(row["late"], late, "{row:?}");
    }
}

/// The fields of the struct that is the table's column `o`.
fn fields_of_o(entry: &Value) -> usize {
    let columns = columns(entry);
    let o = columns.iter().find(|column| column.starts_with("o "));
    o.unwrap().matches(':').count()
}

/// A name, the object of the sample and those after it, and the most fields that may come of them.
type Kind<'a> = (&'a str, Value, &'a dyn Fn(usize) -> Value, usize);

#[test]
fn keys_of_maps_become_no_fields_after_the_sample_either() {
    // Ids beside a name, and names of one type of which an object has few; and new ones in each of several loads.
    let ids = |id: usize| json!({"name": "x", (1000 + id).to_string(): id});
    let names = |id: usize| json!({format!("user{id}x"): id});
    let lists = |id: usize| json!({format!("u{id}x"): [id], format!("v{id}x"): []});
    let kinds: [Kind<'_>; 3] = [
        ("ids", json!({"name": "x"}), &ids, 4),
        ("names", json!({"first": 1}), &names, 20),
        ("lists", json!({"first": [1]}), &lists, 20),
    ];
    for (name, sample, object, most) in kinds {
        let lake = tempfile::tempdir().unwrap();
        let records = |from: usize| -> String {
            let record = |id| format!("{}\n", json!({"id": id, "o": object(id)}));
            (from..from + 100).map(record).collect()
        };
        // The sample knows one field.
        let first = many(|_| json!({"o": sample}));
        let mut warnings = 0;
        for load_number in 0..4 {
            let mut input = records(load_number * 100);
            if load_number == 0 {
                input = first.clone() + &input;
            }
            let output = load(lake.path(), &["--table=t"]).stdin(input).run();
            ended(&output, 0, &[]);
            warnings += output.stderr.matches("its keys look like data").count();
            assert!(output.stderr.len() < 20_000, "{}", output.report());
        }
        let (entry, rows) = table(lake.path(), "t");
        assert!(fields_of_o(&entry) <= most, "{name}: {:?}", columns(&entry));
        assert!((1..=4).contains(&warnings), "{name}: {warnings}");
        // Nothing is lost.
        for row in &rows {
            let id = usize::try_from(row["id"].as_i64().unwrap()).unwrap();
            let Some(text) = row.get("_rescued_data") else {
                continue;
            };
            let rescued: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            assert_eq!(rescued["o"], object(id), "{name}");
        }
        assert_eq!(rows.len(), MANY + 400, "{name}");
    }
}
