//! The cases: which inputs are sent, and to what.

use std::fmt::Write as _;

use fastrand::Rng;
use serde_json::{Value, json};

use super::{Case, Done};
use crate::engines::{of_records, of_values};
use crate::support::fixture;
use crate::support::messages::{catalog, complete, line, people, person, record, state, stream};

#[allow(dead_code)] // of the benches' inputs only what is needed here
#[path = "../../../benches/support/messages.rs"]
mod bench;

use bench::{Input, Shape};

/// Does the work of a case on a server of its own.
pub(super) type Run = fn() -> Done;

fn codec(name: &str) -> Value {
    json!({"format": {"format_type": "JSONL", "compression_codec": name}})
}

fn with(mut settings: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    settings
}

/// An input of the benchmark with a state every so many records.
fn messages(input: Input, every: usize) -> String {
    let mut random = Rng::with_seed(bench::SEED);
    let mut text = String::new();
    for id in 0..input.records {
        let stream = id % input.streams;
        input
            .shape
            .message(&mut random, id, stream, &mut text)
            .unwrap();
        text.push('\n');
        if (id + 1) % every == 0 {
            text += &line(&input.state(id));
        }
    }
    for index in 0..input.streams {
        text += &line(&bench::complete(index));
    }
    text
}

fn bench_case(
    settings: &Value,
    shape: Shape,
    streams: usize,
    records: usize,
    every: usize,
) -> Done {
    let input = Input {
        shape,
        streams,
        records,
    };
    Case::new()
        .write(settings, &input.catalog(), messages(input, every))
        .done()
}

const SMALL_FILES: f64 = 0.05;

/// By their names, in the order of the file.
pub(super) fn all() -> Vec<(&'static str, Run)> {
    vec![
        ("orders-gzip", || {
            bench_case(&json!({}), Shape::Orders, 1, 2000, 700)
        }),
        ("orders-zstd", || {
            bench_case(&codec("ZSTD"), Shape::Orders, 1, 2000, 700)
        }),
        ("orders-uncompressed", || {
            bench_case(&codec("UNCOMPRESSED"), Shape::Orders, 1, 2000, 700)
        }),
        ("small-files-gzip", || small_files("GZIP")),
        ("small-files-zstd", || small_files("ZSTD")),
        ("small-files-uncompressed", || small_files("UNCOMPRESSED")),
        ("hundred-streams-gzip", || {
            bench_case(&json!({}), Shape::Orders, 100, 2000, 500)
        }),
        ("hundred-streams-uncompressed", || {
            bench_case(&codec("UNCOMPRESSED"), Shape::Small, 100, 2000, 500)
        }),
        // Which streams are uploaded early follows from how memory is counted.
        ("over-the-budget", || {
            let settings = with(codec("UNCOMPRESSED"), &json!({"memory_budget_mb": 16}));
            bench_case(&settings, Shape::Heavy, 40, 240, 100)
        }),
        ("parts-gzip", || parts("GZIP")),
        ("parts-zstd", || parts("ZSTD")),
        ("parts-uncompressed", || parts("UNCOMPRESSED")),
        ("wide", || bench_case(&json!({}), Shape::Wide, 1, 40, 10)),
        ("single", || {
            bench_case(&json!({}), Shape::Single, 1, 500, 100)
        }),
        ("heavy", || bench_case(&json!({}), Shape::Heavy, 1, 20, 7)),
        ("small", || {
            bench_case(&json!({}), Shape::Small, 1, 3000, 1000)
        }),
        ("converted", || {
            bench_case(&json!({}), Shape::Converted, 1, 1000, 300)
        }),
        ("decimals", || {
            let settings = json!({"glue_catalog_float_as_decimal": true});
            bench_case(&settings, Shape::Converted, 1, 200, 70)
        }),
        ("metadata-columns", metadata_columns),
        ("object-settings", object_settings),
        ("faker", faker),
        ("values", || rows(false)),
        ("values-without-rescue", || rows(true)),
        ("load-inferred", load_inferred),
        ("load-schema", load_schema),
        ("load-overwrite", load_overwrite),
        ("singer", || singer(false)),
        ("singer-versions", || singer(true)),
        ("append-twice", append_twice),
        ("overwrite", overwrite),
        ("overwrite-generations", overwrite_generations),
        ("truncate-without-complete", truncate_without_complete),
        ("schema-changes", schema_changes),
        ("clear", clear),
        ("python-connector", python_connector),
        ("leftovers", leftovers),
        ("broken-line", broken_line),
        ("check", check),
        ("plan", plan),
    ]
}

fn small_files(name: &str) -> Done {
    let settings = with(codec(name), &json!({"target_file_size_mb": SMALL_FILES}));
    bench_case(&settings, Shape::Orders, 3, 3000, 250)
}

/// Objects that are larger than a part.
fn parts(name: &str) -> Done {
    let settings = with(codec(name), &json!({"target_file_size_mb": 14}));
    bench_case(&settings, Shape::Heavy, 1, 400, 1000)
}

fn metadata_columns() -> Done {
    let settings = with(codec("UNCOMPRESSED"), &json!({"metadata_columns": true}));
    let input = Input {
        shape: Shape::Converted,
        streams: 2,
        records: 300,
    };
    Case::new()
        .write(&settings, &input.catalog(), messages(input, 100))
        .done()
}

fn object_settings() -> Done {
    let settings = json!({
        "encryption": {"mode": "SSE-KMS", "kms_key_id": "alias/lake", "bucket_key": true},
        "storage_class": "STANDARD_IA",
        "object_tags": {"team": "data"},
        "lakeformation_database_default_tag_key": "pii",
        "lakeformation_database_default_tag_values": "no",
    });
    bench_case(&settings, Shape::Small, 1, 100, 50)
}

fn faker() -> Done {
    let catalog: Value = serde_json::from_str(&fixture("faker/catalog.json")).unwrap();
    Case::new()
        .write(&json!({}), &catalog, fixture("faker/messages.jsonl"))
        .done()
}

/// The cases of `fixtures/rows`, a stream for each type and each schema.
fn rows(without_rescue: bool) -> Done {
    let mut streams = of_values();
    streams.append(&mut of_records());
    let mut case = Case::new();
    let (mut configured, mut input) = (Vec::new(), String::new());
    let mut tables = Vec::new();
    for (name, one) in &streams {
        configured.push(json!({
            "stream": {"name": name, "json_schema": one.schema},
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }));
        if one.made_by_others {
            tables.push((name.clone(), table_of_others(name, &one.columns)));
        }
        for record in &one.records {
            let record = record.replace(['\r', '\n'], " ");
            writeln!(
                input,
                r#"{{"type":"RECORD","record":{{"stream":"{name}","emitted_at":1795337257150,"data":{record}}}}}"#
            )
            .unwrap();
        }
    }
    case.fake.add_tables("test", tables);
    let settings = if without_rescue {
        json!({"rescued_data_column": null})
    } else {
        json!({})
    };
    case.write(&settings, &catalog(&configured), input).done()
}

fn table_of_others(name: &str, columns: &[(String, String)]) -> Value {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, of)| json!({"Name": name, "Type": of}))
        .collect();
    json!({
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": format!("s3://test-lake/lake/test/{name}/"),
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
        },
    })
}

/// The records of the benchmark without their messages.
fn bare(shape: Shape, records: usize) -> String {
    let mut random = Rng::with_seed(bench::SEED);
    let mut text = String::new();
    for id in 0..records {
        let mut message = String::new();
        shape.message(&mut random, id, 0, &mut message).unwrap();
        let from = message.find("\"data\":").unwrap() + "\"data\":".len();
        let to = message.rfind(",\"emitted_at\"").unwrap();
        text += &message[from..to];
        text.push('\n');
    }
    text
}

const LOAD: [&str; 5] = ["load", "--config", "config.json", "--table", "events"];

fn load_inferred() -> Done {
    let mut case = Case::new();
    case.run(&LOAD, &[], bare(Shape::Orders, 500));
    // The table has these columns now; the second input brings others.
    case.run(&LOAD, &[], bare(Shape::Converted, 50) + "{\"new\":1.5}\n");
    case.done()
}

fn load_schema() -> Done {
    let arguments = [&LOAD[..], &["--schema", "schema.json", "a.jsonl", "-"]].concat();
    let files = [
        ("schema.json", Shape::Small.schema().to_string()),
        ("a.jsonl", bare(Shape::Small, 200)),
    ];
    Case::new()
        .run(&arguments, &files, bare(Shape::Small, 100))
        .done()
}

fn load_overwrite() -> Done {
    let arguments = [&LOAD[..], &["--mode", "overwrite"]].concat();
    let mut case = Case::new();
    case.run(&arguments, &[], bare(Shape::Small, 200));
    case.run(&arguments, &[], bare(Shape::Small, 100));
    case.done()
}

/// The messages of a tap, twice; with versions the second pass replaces what the first one wrote.
fn singer(with_versions: bool) -> Done {
    let id = json!({"id": {"type": "integer"}});
    let wider = json!({"id": {"type": "integer"}, "name": {"type": ["null", "string"]}});
    let schema = |stream: &str, properties: &Value| json!({"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []});
    let row = |stream: &str, record: Value, version: u64| {
        let mut message = json!({"type": "RECORD", "stream": stream, "record": record});
        if with_versions {
            message["version"] = version.into();
        }
        message
    };
    let activate = |stream: &str, version: u64| json!({"type": "ACTIVATE_VERSION", "stream": stream, "version": version});
    let bookmark = |id: u64| json!({"type": "STATE", "value": {"bookmarks": {"id": id}}});
    let mode = if with_versions { "overwrite" } else { "append" };
    let arguments = [
        "load",
        "--config",
        "config.json",
        "--input",
        "singer",
        "--mode",
        mode,
    ];
    let mut case = Case::new();
    for version in [1, 2] {
        let mut messages = vec![
            schema("users", &id),
            row("users", json!({"id": 1}), version),
            bookmark(1),
            schema("public-orders", &id),
            row("public-orders", json!({"id": "7", "unknown": [1]}), version),
            schema("users", &wider),
            row("users", json!({"id": 2, "name": "x"}), version),
            schema("none", &id),
        ];
        if with_versions {
            messages.extend(["users", "public-orders"].map(|stream| activate(stream, version)));
        }
        messages.push(bookmark(2));
        let input: String = messages.iter().map(line).collect();
        case.run(&arguments, &[], input);
    }
    case.done()
}

fn ids(ids: std::ops::Range<u64>) -> String {
    ids.map(|id| person("people", id)).collect()
}

/// The catalog of a platform with refreshes.
fn refresh(generation: u64, minimum: u64) -> Value {
    let mut catalog = people("people", "append");
    catalog["streams"][0]["generation_id"] = generation.into();
    catalog["streams"][0]["minimum_generation_id"] = minimum.into();
    catalog["streams"][0]["sync_id"] = generation.into();
    catalog
}

fn append_twice() -> Done {
    let catalog = people("people", "append");
    let mut case = Case::new();
    for from in [0, 10] {
        let input = ids(from..from + 3) + &state("people", from) + &ids(from + 3..from + 5);
        case.write(&json!({}), &catalog, input);
    }
    case.done()
}

fn overwrite() -> Done {
    let catalog = people("people", "overwrite");
    let mut case = Case::new();
    for from in [0, 10, 20] {
        let input = ids(from..from + 3) + &state("people", from) + &ids(from + 3..from + 5);
        case.write(&json!({}), &catalog, input);
    }
    // An overwrite with nothing keeps what there is.
    case.write(&json!({}), &catalog, "");
    case.done()
}

fn overwrite_generations() -> Done {
    let mut case = Case::new();
    for (generation, minimum) in [(1, 0), (1, 0), (2, 2), (3, 0), (4, 4)] {
        let from = generation * 10;
        let input = ids(from..from + 3)
            + &state("people", from)
            + &ids(from + 3..from + 5)
            + &complete("people");
        case.write(&json!({}), &refresh(generation, minimum), input);
    }
    case.write(&json!({}), &refresh(5, 5), complete("people"));
    case.done()
}

fn truncate_without_complete() -> Done {
    let none = json!({});
    let mut case = Case::new();
    case.write(&none, &refresh(1, 0), ids(0..3) + &complete("people"));
    case.write(
        &none,
        &refresh(2, 2),
        ids(10..12) + &state("people", 2) + &ids(12..14),
    );
    case.write(&none, &refresh(2, 2), ids(12..15) + &complete("people"));
    case.write(&none, &refresh(3, 3), ids(20..22) + &state("people", 3));
    case.write(&none, &refresh(4, 4), ids(30..33) + &complete("people"));
    case.done()
}

fn schema_changes() -> Done {
    let schemas = [
        json!({"id": {"type": "integer"}, "name": {"type": "string"}, "inner": {"type": "object", "properties": {"a": {"type": "integer"}}}}),
        json!({"id": {"type": "number"}, "new": {"type": "boolean"}, "inner": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}}),
        json!({"name": {"type": "integer"}, "id": {"type": "string"}, "Über Größe": {"type": "string", "format": "date"}}),
    ];
    let mut case = Case::new();
    for (at, schema) in schemas.iter().enumerate() {
        let input: String = (0..4)
            .map(|id| {
                let data = json!({"id": id, "name": "x", "new": at, "inner": {"a": id, "b": "y"}, "Über Größe": "2026-11-22"});
                record("people", &data)
            })
            .collect();
        let catalog = catalog(&[stream("people", "append", schema)]);
        case.write(&json!({}), &catalog, input + &state("people", 1));
    }
    case.done()
}

fn clear() -> Done {
    let null = json!({"type": "STATE", "state": {"type": "STREAM", "stream": {
        "stream_descriptor": {"name": "people"}, "stream_state": null}, "id": 9}});
    let mut case = Case::new();
    case.write(&json!({}), &people("people", "append"), ids(0..3));
    case.write(&json!({}), &people("people", "overwrite"), line(&null));
    case.done()
}

/// A table whose location is its whole folder: a generation is put beside it.
fn python_connector() -> Done {
    let mut case = Case::new();
    let columns =
        [("id", "bigint"), ("name", "string")].map(|(name, of)| (name.to_owned(), of.to_owned()));
    let table = table_of_others("people", &columns);
    case.fake
        .add_tables("test", vec![("people".to_owned(), table)]);
    let theirs = "lake/test/people/0123456789abcdef0123456789abcdef.json.gz";
    let notes = "lake/test/people/notes.txt";
    for key in [theirs, notes] {
        let objects = &mut case.fake.store().bucket.objects;
        objects.insert(key.to_owned(), b"{\"id\":1}\n".to_vec());
    }
    case.write(&json!({}), &people("people", "append"), ids(3..5));
    case.write(&json!({}), &people("people", "overwrite"), ids(10..12));
    case.write(&json!({}), &people("people", "overwrite"), ids(20..22));
    case.done()
}

/// What a run of long ago left is deleted.
fn leftovers() -> Done {
    const OLD: &str = "20201122T091551123Z-0123456789ab";
    let mut case = Case::new();
    case.write(&json!({}), &people("people", "append"), ids(0..3));
    {
        let mut store = case.fake.store();
        let key = format!("lake/test/people/{OLD}/{OLD}-000001.jsonl.gz");
        store.bucket.begin_upload("upload-old", &key);
        store.bucket.objects.insert(key, b"{}\n".to_vec());
    }
    case.write(&json!({}), &people("people", "append"), ids(3..5));
    case.done()
}

fn broken_line() -> Done {
    let input = ids(0..3) + &state("people", 1) + &ids(3..5) + "{\"type\":\"RECORD\"\n";
    let mut case = Case::new();
    case.write(&json!({}), &people("people", "append"), input.clone());
    case.write(&json!({}), &people("people", "overwrite"), input);
    case.done()
}

fn check() -> Done {
    Case::new()
        .run(&["check", "--config", "config.json"], &[], String::new())
        .done()
}

fn plan() -> Done {
    let arguments = [
        "plan",
        "--config",
        "config.json",
        "--catalog",
        "catalog.json",
    ];
    let wider = json!({"id": {"type": "number"}, "new": {"type": "boolean"}});
    let files = [(
        "catalog.json",
        catalog(&[stream("people", "overwrite", &wider)]).to_string(),
    )];
    let mut case = Case::new();
    case.run(&arguments, &files, String::new());
    case.write(&json!({}), &people("people", "append"), ids(0..3));
    case.run(&arguments, &files, String::new());
    case.done()
}
