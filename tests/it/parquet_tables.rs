//! Parquet tables by whole commands: a tap's, a refresh's that did not finish, AWS's catalog, and what people are shown.

use serde_json::{Value, json};

use crate::generations::{refresh, rows, since};
use crate::parquet::table;
use crate::singer;
use crate::support::cloud::{Account, tools};
use crate::support::fake::Fake;
use crate::support::local::{columns, ended, lines, load};
use crate::support::messages::{catalog, complete, people, state, stream};
use crate::support::program::{Output, Program};

#[test]
fn a_tap_s_rows_become_parquet_and_its_states_come_out_once_they_are_durable() {
    let folder = tempfile::tempdir().unwrap();
    let id = json!({"id": {"type": "integer"}});
    let wider = json!({"id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}});
    let format = r#"format={"format_type":"Parquet"}"#;
    let output = load(
        folder.path(),
        &["--input", "singer", "--set", format, "--summary", "s.json"],
    )
    .stdin(singer::lines(&[
        singer::schema("t", &id),
        singer::row("t", 1),
        singer::value(1),
        singer::schema("t", &wider),
        singer::row("t", 2),
        singer::row("t", 3),
        singer::value(3),
    ]))
    .run();
    ended(&output, 0, &["row_groups="]);
    assert_eq!(
        output.stdout,
        "{\"bookmarks\":{\"id\":1}}\n{\"bookmarks\":{\"id\":3}}\n"
    );
    let (entry, ids, ends) = table(folder.path());
    assert_eq!(ids, [1, 2, 3]);
    assert!(ends.iter().all(|end| end == "snappy.parquet"), "{ends:?}");
    assert_eq!(columns(&entry), ["id bigint", "at timestamp"]);
}

/// One attempt at a refresh of generation 2: ids of this type, from there on; the source finishes, or breaks off.
fn attempt(fake: &Fake, format: &str, id: &str, from: u64, finishes: bool) -> Output {
    let mut config = fake.config();
    config["format"] = json!({"format_type": format});
    config["checkpoint_interval_minutes"] = 0.into();
    let mut catalog = refresh(2, 2);
    catalog["streams"][0]["stream"]["json_schema"]["properties"]["id"]["type"] = id.into();
    let end = if finishes {
        complete("people")
    } else {
        String::new()
    };
    fake.write(&catalog)
        .file("config.json", &config.to_string())
        .stdin(rows(from..from + 3) + &state("people", from) + &end)
        .run()
}

#[test]
fn a_refresh_that_did_not_finish_goes_on_only_in_its_format_and_under_its_types() {
    for (before, after, words) in [
        (
            ("JSONL", "integer"),
            ("Parquet", "integer"),
            "stored as JSONL, and the configured format is Parquet",
        ),
        (
            ("Parquet", "integer"),
            ("JSONL", "integer"),
            "in place of JSONL",
        ),
        (
            ("Parquet", "integer"),
            ("Parquet", "string"),
            "Parquet under other types of columns",
        ),
    ] {
        let fake = Fake::start();
        attempt(&fake, before.0, before.1, 0, false).failed();
        let stored = fake.data_objects();
        assert_eq!(stored.len(), 1);
        let calls = fake.journal().lines().len();
        let refused = attempt(&fake, after.0, after.1, 3, true);
        refused.failed();
        let said = format!("{}{}", refused.stdout, refused.stderr);
        for words in [words, "set format and types back"] {
            assert!(said.contains(words), "{}", refused.report());
        }
        assert!(refused.states().is_empty());
        assert_eq!(fake.data_objects(), stored, "{:?}", since(&fake, calls));
        attempt(&fake, before.0, before.1, 3, true).succeeded();
        let mut ids: Vec<u64> = fake
            .rows("people")
            .iter()
            .map(|row| row["id"].as_u64().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn glue_has_the_classes_of_parquet() {
    let account = Account::new();
    let mut config = account.config();
    config["format"] = json!({"format_type": "Parquet", "compression_codec": "ZSTD"});
    let output = Program::write(&config, &people("people", "append"))
        .stdin(rows(0..5) + &state("people", 1) + &complete("people"))
        .run();
    output.succeeded();
    let read = account.read("people");
    assert_eq!(read.column("id"), [0, 1, 2, 3, 4]);
    let asked = json!({"database": account.database, "table": "people"});
    let definition = tools().call("definition", asked);
    let storage = &definition["StorageDescriptor"];
    let hive = "org.apache.hadoop.hive.ql.io.parquet";
    for (found, expected) in [
        (&storage["InputFormat"], "MapredParquetInputFormat"),
        (&storage["OutputFormat"], "MapredParquetOutputFormat"),
        (
            &storage["SerdeInfo"]["SerializationLibrary"],
            "serde.ParquetHiveSerDe",
        ),
    ] {
        assert_eq!(*found, format!("{hive}.{expected}"));
    }
    assert_eq!(definition["Parameters"]["classification"], "parquet");
    assert_eq!(definition["Parameters"]["compressionType"], "zstd");
    assert_eq!(definition["TableType"], "EXTERNAL_TABLE");
}

#[test]
fn the_summary_and_the_plan_say_what_many_streams_do_to_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    let format = r#"format={"format_type":"Parquet"}"#;
    let summary = folder.path().join("summary.json");
    let summary_path = summary.to_str().unwrap();
    let output = load(
        folder.path(),
        &["--table", "t", "--set", format, "--summary", summary_path],
    )
    .stdin(lines(0..10))
    .run();
    ended(&output, 0, &["row_groups=1"]);
    let written = std::fs::read(&summary).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(written["streams"][0]["row_groups"], 1);
    let fake = Fake::start();
    let mut config = fake.config();
    let id = json!({"id": {"type": "integer"}});
    let streams: Vec<Value> = (0..10)
        .map(|number| stream(&format!("s{number}"), "append", &id))
        .collect();
    let plan = |config: &Value| {
        Program::new(&["plan", "--config", "c.json", "--catalog", "k.json"])
            .file("c.json", &config.to_string())
            .file("k.json", &catalog(&streams).to_string())
            .run()
    };
    config["format"] = json!({"format_type": "Parquet"});
    let planned = plan(&config);
    assert!(planned.status.success(), "{}", planned.report());
    let said = "memory_budget_mb = 64 leaves each about 6.3 MiB for its open row group; engines read large ones faster: \
                set memory_budget_mb to 160";
    assert!(planned.stderr.contains(said), "{}", planned.report());
    config["memory_budget_mb"] = 160.into();
    let planned = plan(&config);
    assert!(
        !planned.stderr.contains("row group"),
        "{}",
        planned.report()
    );
    config["memory_budget_mb"] = 64.into();
    config["format"] = json!({"format_type": "JSONL"});
    assert!(!plan(&config).stderr.contains("row group"));
}
