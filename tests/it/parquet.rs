//! Parquet beside JSON lines: the same records are the same rows to every engine, and tables move from one to the other.

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::support::fake::parquet;
use crate::support::file;
use crate::support::local::{ended, lines, load};
use crate::support::messages::{catalog, record};
use crate::support::program::Program;
use crate::support::readers;
use crate::support::skip::skip;

const CODECS: [&str; 4] = ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"];

/// Runs a comparison of tests/support/parquet.py, and returns how much agrees.
#[track_caller]
fn compared(arguments: &[&str], lakes: &[&Path]) -> usize {
    compared_by("target/python/bin/python", arguments, lakes)
}

#[track_caller]
fn compared_by(python: &str, arguments: &[&str], lakes: &[&Path]) -> usize {
    let output = Command::new(file(python))
        .arg(file("tests/support/parquet.py"))
        .args(arguments)
        .args(lakes)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{arguments:?}:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said.split(' ').next().unwrap().parse().unwrap()
}

/// The schema of a property whose values nest at most so deep.
fn random_schema(random: &mut fastrand::Rng, depth: usize) -> Value {
    match random.u32(0..if depth == 0 { 8 } else { 12 }) {
        0 => json!({"type": "integer"}),
        1 => json!({"type": "number"}),
        2 => json!({"type": "boolean"}),
        3 => json!({"type": "string", "format": "date"}),
        4 => json!({"type": "string", "format": "date-time"}),
        5 => json!({"type": "string", "airbyte_type": "big_integer"}),
        6 | 7 => json!({"type": "string"}),
        8 | 9 => json!({"type": "array", "items": random_schema(random, depth - 1)}),
        _ => {
            let mut properties = Map::new();
            for number in 0..random.usize(1..4) {
                let name = random.choice(["a", "B", "c d", "é"]).unwrap();
                properties.insert(format!("{name}{number}"), random_schema(random, depth - 1));
            }
            json!({"type": "object", "properties": properties})
        }
    }
}

/// A value under a schema: mostly one that fits it.
fn random_value(random: &mut fastrand::Rng, schema: &Value) -> Value {
    if random.u8(0..5) == 0 {
        return Value::Null;
    }
    if random.u8(0..40) == 0 {
        return random
            .choice([json!("no"), json!(1.5), json!({"x": []})])
            .unwrap();
    }
    let text = |key: &str| schema[key].as_str();
    match (text("type"), text("format"), text("airbyte_type")) {
        (Some("integer"), ..) => {
            let bits = random.u32(0..64);
            (random.i64(..) >> bits).into()
        }
        (Some("number"), ..) => {
            let number = random.f64() * 10_f64.powi(random.i32(-200..200));
            random
                .choice([json!(number), json!(0.0), json!(-0.0), json!(7)])
                .unwrap()
        }
        (Some("boolean"), ..) => random.bool().into(),
        (_, Some("date"), _) => {
            format!("{:04}-02-{:02}", random.u32(1..9999), random.u32(1..29)).into()
        }
        (_, Some("date-time"), _) => {
            let fraction = random.choice(["", ".5", ".123", ".000001"]).unwrap();
            let year = random.u32(2..9999);
            format!("{year:04}-11-30T{:02}:59:07{fraction}Z", random.u32(0..24)).into()
        }
        (_, _, Some(_)) => {
            let digits = random.usize(1..39);
            let number: String = (0..digits).map(|_| random.digit(10)).collect();
            let sign = random.choice(["", "-"]).unwrap();
            format!("{sign}{}", number.trim_start_matches('0')).into()
        }
        (Some("array"), ..) => {
            let length = random.choice([0, 0, 1, 2, 3, 9]).unwrap();
            (0..length)
                .map(|_| random_value(random, &schema["items"]))
                .collect()
        }
        (Some("object"), ..) => {
            let properties = schema["properties"].as_object().unwrap();
            let mut object = Map::new();
            for (name, schema) in properties {
                if random.u8(0..6) > 0 {
                    object.insert(name.clone(), random_value(random, schema));
                }
            }
            object.into()
        }
        _ => random_text(random).into(),
    }
}

fn random_text(random: &mut fastrand::Rng) -> String {
    let length = random.choice([0, 1, 3, 70, 300]).unwrap();
    let characters = [
        'a',
        'Z',
        '"',
        '\\',
        '\n',
        '\0',
        'é',
        '漢',
        '😀',
        '\u{10FFFF}',
    ];
    (0..length)
        .map(|_| random.choice(characters).unwrap())
        .collect()
}

/// The schema of a stream: of the first, whose many rows fill pages and dictionaries, always the same.
fn random_schema_of_stream(random: &mut fastrand::Rng, number: usize) -> Value {
    let mut properties = Map::new();
    if number == 0 {
        let types = [
            json!({"type": "integer"}),
            json!({"type": "string"}),
            json!({"type": "array", "items": {"type": "number"}}),
        ];
        for (column, of) in types.into_iter().enumerate() {
            properties.insert(format!("c{column}"), of);
        }
    } else {
        for column in 0..random.usize(1..6) {
            let depth = random.usize(0..=6);
            properties.insert(format!("c{column}"), random_schema(random, depth));
        }
    }
    json!({"type": "object", "properties": properties})
}

#[test]
fn records_of_any_schema_are_the_same_rows_as_json_lines() {
    let mut random = fastrand::Rng::with_seed(20_261_130);
    let (mut streams, mut input) = (Vec::new(), String::new());
    for number in 0..60 {
        let name = format!("s{number:03}");
        let schema = random_schema_of_stream(&mut random, number);
        let rows = if number == 0 {
            8_000
        } else {
            random.usize(1..60)
        };
        for _ in 0..rows {
            input += &record(&name, &random_value_of_object(&mut random, &schema));
        }
        streams.push(json!({
            "stream": {"name": name, "json_schema": schema},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }));
    }
    let folder = tempfile::tempdir().unwrap();
    let lake = |name: &str, format: Value| {
        let lake = folder.path().join(name);
        let config = json!({"format": format, "lakeformation_database_name": "lake"});
        Program::write(&config, &catalog(&streams))
            .local(&lake)
            .stdin(input.as_bytes())
            .run()
            .succeeded();
        lake
    };
    let json_lake = lake(
        "json",
        json!({"format_type": "JSONL", "compression_codec": "GZIP"}),
    );
    for (codec, engine) in CODECS.iter().zip(["arrow", "duckdb", "polars", "arrow"]) {
        let parquet = lake(
            codec,
            json!({"format_type": "Parquet", "compression_codec": codec}),
        );
        let rows = compared(&["compare", engine], &[&json_lake, &parquet]);
        assert!(rows > 9_000, "{rows}");
    }
}

fn random_value_of_object(random: &mut fastrand::Rng, schema: &Value) -> Value {
    loop {
        let value = random_value(random, schema);
        if value.is_object() && value != json!({"x": []}) {
            return value;
        }
    }
}

/// Rows of values at the edges of statistics.
fn rows_at_edges() -> Vec<String> {
    let texts: Vec<String> = ["", "a", "é", "\u{7F}", "\u{10FFFF}", "\u{D7FF}", "zz"]
        .iter()
        .flat_map(|text| {
            [1, 63, 64, 65, 300].map(|length| format!("{}{length}", text.repeat(length)))
        })
        .collect();
    let doubles = [
        "0.0",
        "-0.0",
        "1e-300",
        "-1.5",
        "1.7976931348623157e308",
        "-5e-324",
        "3",
    ];
    let dates = [
        "0001-01-01",
        "1582-10-04",
        "1582-10-15",
        "1969-12-31",
        "1970-01-01",
        "9999-12-31",
    ];
    let mut lines = Vec::new();
    for round in 0..3 {
        for (index, text) in texts.iter().enumerate() {
            let mut row = Map::new();
            row.insert("id".to_owned(), lines.len().into());
            let mut put = |name: &str, value: Value| {
                if (index + round) % 5 > 0 || round == 0 {
                    row.insert(name.to_owned(), value);
                }
            };
            put("t", text.as_str().into());
            put(
                "x",
                serde_json::from_str(doubles[(index + round) % doubles.len()]).unwrap(),
            );
            put("d", dates[(index + round) % dates.len()].into());
            put(
                "m",
                format!(
                    "{}T23:59:59.999999Z",
                    dates[(index * 2 + round) % dates.len()]
                )
                .into(),
            );
            put("b", ((index + round) % 3 == 0).into());
            let number = [i64::MIN, -1, 0, 1, i64::MAX][(index + round) % 5];
            put("n", number.into());
            lines.push(Value::Object(row).to_string());
        }
    }
    lines
}

#[test]
fn filters_by_statistics_find_what_a_look_at_every_row_finds() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let format = r#"format={"format_type":"Parquet"}"#;
    // Each run's rows are a file, and a row group.
    for chunk in rows_at_edges().chunks(5) {
        let loaded = load(&lake, &["--table", "edges", "--schema", "schema.json", "--set", format])
            .file("schema.json", &json!({"type": "object", "properties": {
                "id": {"type": "integer"}, "t": {"type": "string"}, "x": {"type": "number"},
                "d": {"type": "string", "format": "date"}, "m": {"type": "string", "format": "date-time"},
                "b": {"type": "boolean"}, "n": {"type": "integer"},
            }}).to_string())
            .stdin(chunk.join("\n"))
            .run();
        ended(&loaded, 0, &[]);
    }
    let filters = compared(&["prune", "duckdb"], &[&lake]);
    assert!(filters > 200, "{filters}");
    let Some(python) = readers::spark() else {
        skip!("needs Java, and target/spark, which `make test` sets up");
    };
    assert!(compared_by(python, &["prune", "spark"], &[&lake]) > 50);
}

/// The table's entry, the ids of its rows, and the ends of its objects' names.
pub(crate) fn table(lake: &Path) -> (Value, Vec<i64>, Vec<String>) {
    let entry = std::fs::read(lake.join("catalog/default/t.json")).unwrap();
    let entry: Value = serde_json::from_slice(&entry).unwrap();
    let location = entry["StorageDescriptor"]["Location"].as_str().unwrap();
    let (mut ids, mut ends) = (Vec::new(), Vec::new());
    for object in std::fs::read_dir(location.strip_prefix("file://").unwrap()).unwrap() {
        let path = object.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (_, end) = name.split_once('.').unwrap();
        ends.push(end.to_owned());
        let bytes = std::fs::read(&path).unwrap();
        if end.ends_with("parquet") {
            ids.extend(parquet::integers(&bytes, "id"));
        }
    }
    ids.sort_unstable();
    ends.sort_unstable();
    (entry, ids, ends)
}

#[test]
fn a_table_moves_from_one_format_to_the_other_in_one_swap() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path();
    let parquet = r#"format={"format_type":"Parquet","compression_codec":"ZSTD"}"#;
    let jsonl = r#"format={"format_type":"JSONL"}"#;
    let run = |format: &str, mode: &str, ids: std::ops::Range<u64>| {
        load(lake, &["--table", "t", "--mode", mode, "--set", format])
            .stdin(lines(ids))
            .run()
    };
    ended(&run(jsonl, "append", 0..5), 0, &[]);
    let (before, ..) = table(lake);
    ended(
        &run(parquet, "append", 5..9),
        1,
        &["JSONL", "format_type", "overwrite"],
    );
    assert_eq!(table(lake).0, before);
    ended(&run(parquet, "overwrite", 10..20), 0, &[]);
    ended(&run(parquet, "append", 20..25), 0, &[]);
    let (entry, ids, ends) = table(lake);
    assert!(ids.into_iter().eq(10..25));
    assert_eq!(ends, ["zstd.parquet", "zstd.parquet"]);
    let storage = &entry["StorageDescriptor"];
    assert_eq!(
        storage["SerdeInfo"],
        json!({
            "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        })
    );
    let hive = "org.apache.hadoop.hive.ql.io.parquet";
    assert_eq!(
        storage["InputFormat"],
        format!("{hive}.MapredParquetInputFormat")
    );
    assert_eq!(
        storage["OutputFormat"],
        format!("{hive}.MapredParquetOutputFormat")
    );
    assert_eq!(entry["Parameters"]["classification"], "parquet");
    assert_eq!(entry["Parameters"]["compressionType"], "zstd");
    ended(
        &run(jsonl, "append", 5..9),
        1,
        &["Parquet", "format_type", "overwrite"],
    );
    ended(&run(jsonl, "overwrite", 0..3), 0, &[]);
    let (after, _, ends) = table(lake);
    assert_eq!(ends, ["jsonl.gz"]);
    assert_eq!(after["Parameters"], before["Parameters"]);
    assert_eq!(
        after["StorageDescriptor"]["SerdeInfo"],
        before["StorageDescriptor"]["SerdeInfo"]
    );
}

#[test]
fn a_type_never_changes_under_files_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path();
    let run = |mode: &str, rows: &str| {
        let format = r#"format={"format_type":"Parquet"}"#;
        load(lake, &["--table", "t", "--mode", mode, "--set", format])
            .stdin(rows)
            .run()
    };
    ended(
        &run("append", "{\"id\":1,\"v\":1,\"s\":{\"a\":1}}\n"),
        0,
        &[],
    );
    ended(
        &run(
            "append",
            "{\"id\":2,\"v\":1.5,\"s\":{\"a\":\"x\",\"b\":true},\"new\":\"y\"}\n",
        ),
        0,
        &[],
    );
    let types = |entry: &Value| -> Vec<String> {
        let columns = entry["StorageDescriptor"]["Columns"].as_array().unwrap();
        let text = |column: &Value| column["Type"].as_str().unwrap().to_owned();
        columns.iter().map(text).collect()
    };
    let (entry, ids, _) = table(lake);
    assert_eq!(ids, [1, 2]);
    assert_eq!(
        types(&entry),
        [
            "bigint",
            "bigint",
            "struct<a:bigint,b:boolean>",
            "string",
            "string"
        ]
    );
    ended(
        &run("overwrite", "{\"id\":3,\"v\":1.5,\"s\":{\"a\":\"x\"}}\n"),
        0,
        &[],
    );
    let (entry, ..) = table(lake);
    assert_eq!(types(&entry)[..2], ["bigint", "double"]);
}

#[test]
fn rows_are_added_to_a_table_of_the_python_connector_under_its_types() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path();
    compared(&["adopt"], &[lake]);
    let row = |id: u64| {
        json!({
            "id": id, "at": "2026-11-22T08:47:37.150Z", "n": 7, "f": 1.5, "m": 12.50, "d": "1969-12-31", "b": true,
            "t": "x", "l": ["a", null], "s": {"a": 1},
        })
    };
    let format = r#"format={"format_type":"Parquet"}"#;
    let loaded = load(lake, &["--table", "t", "--set", format, "--strict"])
        .stdin(format!("{}\n{}\n", row(2), row(3)))
        .run();
    ended(&loaded, 0, &[]);
    for engine in ["duckdb", "arrow"] {
        assert_eq!(compared(&["adopted", engine], &[lake]), 4);
    }
}
