//! The value cases of fixtures/rows through the program, read back by the query engines that run here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::messages::{catalog, complete, line};
use crate::support::program::Program;
use crate::support::readers;
use crate::support::skip::skip;
use crate::support::{file, fixture};

/// Each format with its codecs, and the classes by which a table of others is read.
const FORMATS: [(&str, &[&str], [&str; 3]); 2] = [
    (
        "JSONL",
        &["GZIP", "UNCOMPRESSED"],
        [
            "org.apache.hadoop.mapred.TextInputFormat",
            "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "org.openx.data.jsonserde.JsonSerDe",
        ],
    ),
    (
        "Parquet",
        &["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"],
        [
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        ],
    ),
];

/// What the program adds to the columns of a stream.
const ADDED: [(&str, &str); 5] = [
    ("_airbyte_raw_id", "string"),
    ("_airbyte_extracted_at", "timestamp"),
    ("_airbyte_generation_id", "bigint"),
    (
        "_airbyte_meta",
        "struct<sync_id:bigint,changes:array<struct<field:string,change:string,reason:string>>>",
    ),
    ("_rescued_data", "string"),
];

#[test]
fn duckdb_reads_every_value_that_was_written() {
    read_by("duckdb", "target/python/bin/python");
}

#[test]
fn arrow_reads_every_value_that_was_written() {
    read_by("arrow", "target/python/bin/python");
}

#[test]
fn spark_reads_every_value_that_was_written() {
    let Some(python) = readers::spark() else {
        skip!("needs Java, and target/spark, which `make test` sets up");
    };
    read_by("spark", python);
}

/// Has an engine read a lake of all cases in each format and codec; it compares.
#[track_caller]
fn read_by(engine: &str, python: &str) {
    let folder = tempfile::tempdir().unwrap();
    let lakes = FORMATS.map(|(format, ..)| folder.path().join(format.to_lowercase()));
    let rows = FORMATS
        .iter()
        .zip(&lakes)
        .map(|(format, lake)| write(lake, format));
    let rows: usize = rows.sum();
    assert!(rows > 3900, "only {rows} rows");
    readers::agree(
        python,
        "tests/support/engines.py",
        engine,
        &lakes,
        folder.path(),
        rows,
    );
}

/// Writes the streams into a lake in the folder, once in each codec of the format, and beside them `expected.json`, which says what must
/// be there. Returns how many rows that is.
#[track_caller]
fn write(folder: &Path, (format, codecs, classes): &(&str, &[&str], [&str; 3])) -> usize {
    let mut streams = of_values();
    streams.append(&mut of_records());
    // Maps are written to JSON alone.
    let has_map = |stream: &Stream| stream.columns.iter().any(|(_, of)| of.contains("map<"));
    streams.retain(|_, stream| *format == "JSONL" || !has_map(stream));
    let (mut configured, mut input, mut expected) = (Vec::new(), String::new(), json!({}));
    for (name, stream) in &streams {
        configured.push(json!({
            "stream": {"name": name, "json_schema": stream.schema},
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
            "generation_id": 3,
            "minimum_generation_id": 0,
            "sync_id": 7,
        }));
        if stream.made_by_others {
            make_table(folder, name, &stream.columns, *classes);
        }
        for record in &stream.records {
            // Some records hold line ends between their members, which a line cannot.
            let record = record.replace(['\r', '\n'], " ");
            let fields = r#""emitted_at":1795337257150,"data""#; // Sunday, 22 November 2026, 08:47:37.150
            writeln!(
                input,
                r#"{{"type":"RECORD","record":{{"stream":"{name}",{fields}:{record}}}}}"#
            )
            .unwrap();
        }
        input += &complete(name);
        let columns = [&stream.columns[..], &pairs(&ADDED)].concat();
        expected[name] = json!({
            "keys": stream.keys,
            "columns": columns,
            "records": stream.records,
            "rows": stream.rows,
            "metadata": {
                "_airbyte_extracted_at": "2026-11-22 08:47:37.150",
                "_airbyte_generation_id": 3,
                "sync_id": 7,
            },
        });
    }
    for codec in *codecs {
        let config = json!({
            "lakeformation_database_name": "lake",
            "format": {"format_type": format, "compression_codec": codec},
            "metadata_columns": true,
        });
        Program::write(&config, &catalog(&configured))
            .local(folder)
            .stdin(input.as_bytes())
            .run()
            .succeeded();
    }
    std::fs::write(folder.join("expected.json"), line(&expected)).unwrap();
    codecs.len()
        * streams
            .values()
            .map(|stream| stream.rows.len())
            .sum::<usize>()
}

/// A table that exists before the program runs.
fn make_table(
    folder: &Path,
    name: &str,
    columns: &[(String, String)],
    [input, output, serde]: [&str; 3],
) {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, of)| json!({"Name": name, "Type": of}))
        .collect();
    let table = json!({
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": format!("file://{}/objects/lake/{name}/", folder.display()),
            "InputFormat": input,
            "OutputFormat": output,
            "SerdeInfo": {"SerializationLibrary": serde},
        },
    });
    let database = folder.join("catalog/lake");
    std::fs::create_dir_all(&database).unwrap();
    std::fs::write(database.join(format!("{name}.json")), line(&table)).unwrap();
}

/// A stream, its table, its records and the rows that they must become, both as JSON text because numbers and escapes are
/// part of the cases.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) schema: Value,
    pub(crate) columns: Vec<(String, String)>,
    /// The column of each property.
    keys: BTreeMap<String, String>,
    /// Whether the table exists before, with types that no schema gives.
    pub(crate) made_by_others: bool,
    pub(crate) records: Vec<String>,
    rows: Vec<String>,
}

impl Stream {
    fn new(schema: Value, properties: &[&str], columns: &[(&str, &str)]) -> Self {
        let keys = properties.iter().zip(columns);
        Self {
            schema,
            columns: pairs(columns),
            keys: keys
                .map(|(key, (name, _))| ((*key).to_owned(), (*name).to_owned()))
                .collect(),
            ..Self::default()
        }
    }
}

fn pairs(columns: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, of): &(&str, &str)| ((*name).to_owned(), (*of).to_owned());
    columns.iter().map(owned).collect()
}

/// A stream for each type, with a column `v` for the values.
pub(crate) fn of_values() -> BTreeMap<String, Stream> {
    #[derive(Deserialize)]
    struct Case {
        #[serde(rename = "type")]
        of: String,
        value: String,
        row: Option<String>,
        rescued: Option<String>,
    }
    let mut streams = BTreeMap::<String, Stream>::new();
    let files = std::fs::read_dir(file("fixtures/rows")).unwrap();
    let mut names: Vec<_> = files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !matches!(name.as_str(), "records.jsonl" | "errors.jsonl"))
        .collect();
    names.sort();
    for case in names.iter().flat_map(|name| lines::<Case>(name)) {
        let name = case.of.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let stream = streams.entry(name).or_insert_with(|| {
            let mut schema = json!({"properties": {"id": {"type": "integer"}}});
            let property = property(&case.of);
            let made_by_others = property.is_none();
            if let Some(property) = property {
                schema["properties"]["v"] = property;
            }
            Stream {
                made_by_others,
                ..Stream::new(schema, &["id", "v"], &[("id", "bigint"), ("v", &case.of)])
            }
        });
        let id = stream.rows.len();
        let mut row = format!(r#"{{"id":{id}"#);
        if let Some(value) = case.row {
            write!(row, r#","v":{value}"#).unwrap();
        }
        if let Some(rescued) = case.rescued {
            let text = Value::String(format!(r#"{{"v":{rescued}}}"#));
            write!(row, r#","_rescued_data":{text}"#).unwrap();
        }
        stream.rows.push(row + "}");
        stream
            .records
            .push(format!(r#"{{"id":{id},"v":{}}}"#, case.value));
    }
    streams
}

/// The schema of a property that becomes this type, where it takes but a word or two.
fn property(of: &str) -> Option<Value> {
    Some(match of {
        "bigint" => json!({"type": ["null", "integer"]}),
        "double" => json!({"type": ["null", "number"]}),
        "boolean" => json!({"type": ["null", "boolean"]}),
        "string" => json!({"type": ["null", "string"]}),
        "date" => json!({"type": ["null", "string"], "format": "date"}),
        "timestamp" => json!({"type": ["null", "string"], "format": "date-time"}),
        "decimal(38,0)" => json!({"type": ["null", "string"], "airbyte_type": "big_integer"}),
        _ => return None,
    })
}

/// A stream for each schema.
pub(crate) fn of_records() -> BTreeMap<String, Stream> {
    #[derive(Deserialize)]
    struct Case {
        schema: Value,
        columns: String,
        record: String,
        row: String,
    }
    let mut streams = BTreeMap::<String, Stream>::new();
    let mut schemas = Vec::new();
    for case in lines::<Case>("records.jsonl") {
        let known = schemas.iter().position(|schema| *schema == case.schema);
        let number = known.unwrap_or_else(|| {
            schemas.push(case.schema.clone());
            schemas.len() - 1
        });
        let stream = streams
            .entry(format!("records_{number}"))
            .or_insert_with(|| {
                let columns = case.columns.split(", ");
                let columns: Vec<_> = columns.filter_map(|text| text.split_once(' ')).collect();
                let properties = case.schema["properties"].as_object().unwrap();
                let keys: Vec<_> = properties.keys().map(String::as_str).collect();
                Stream::new(case.schema.clone(), &keys, &columns)
            });
        stream.records.push(case.record);
        stream.rows.push(case.row);
    }
    streams
}

fn lines<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let text = fixture(&format!("rows/{name}"));
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(read).collect()
}
