//! The settings: the key of each, the values that it allows, and its default.

use std::time::Duration;

use serde_json::{Map, Value};

use super::reader::{Mistakes, ObjectReader};
use super::{Config, RunLimits, aws};
use crate::error::{Error, Result};
use crate::file::{Codec, Format, PageCodec};
use crate::row::partition::Transform;
use crate::schema::{
    BigIntegers, ColumnOptions, ColumnPolicy, Limits, Numbers, OnTypeChange, SchemaChanges,
};
use crate::table::partition::{PartitionBy, Partitioning};
use crate::text;

/// What stores the lake; it decides which settings are required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Aws,
    /// A local folder (`--local`): nothing is required, and the settings of AWS are not read.
    Local,
}

/// The syntax of a setting's value where it is given as text: by a flag or an environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Text,
    /// A number, a boolean or an object.
    Json,
}

/// The known keys; others are reported to the user.
pub(super) const KEYS: [(&str, Syntax); 37] = [
    ("aws_account_id", Syntax::Text),
    ("credentials", Syntax::Json),
    ("region", Syntax::Text),
    ("bucket_name", Syntax::Text),
    ("bucket_prefix", Syntax::Text),
    ("generations_prefix", Syntax::Text),
    ("lakeformation_database_name", Syntax::Text),
    ("lakeformation_database_default_tag_key", Syntax::Text),
    ("lakeformation_database_default_tag_values", Syntax::Text),
    ("lakeformation_governed_tables", Syntax::Json),
    ("format", Syntax::Json),
    ("partitioning", Syntax::Text),
    ("partition_by", Syntax::Json),
    ("glue_catalog_float_as_decimal", Syntax::Json),
    ("big_integer_as", Syntax::Text),
    ("endpoint_url", Syntax::Text),
    ("bucket_region", Syntax::Text),
    ("expected_bucket_owner", Syntax::Text),
    ("path_style", Syntax::Json),
    ("use_fips_endpoint", Syntax::Json),
    ("use_dualstack_endpoint", Syntax::Json),
    ("encryption", Syntax::Json),
    ("storage_class", Syntax::Text),
    ("object_tags", Syntax::Json),
    ("request_checksum_calculation", Syntax::Text),
    ("metadata_columns", Syntax::Json),
    ("rescued_data_column", Syntax::Text),
    ("checkpoint_interval_minutes", Syntax::Json),
    ("leftover_age_hours", Syntax::Json),
    ("target_file_size_mb", Syntax::Json),
    ("memory_budget_mb", Syntax::Json),
    ("connections", Syntax::Json),
    ("max_record_mb", Syntax::Json),
    ("schema_changes", Syntax::Text),
    ("on_type_change", Syntax::Text),
    ("max_columns", Syntax::Json),
    ("max_struct_fields", Syntax::Json),
];

const MIB: f64 = 1024.0 * 1024.0;

/// Reads the settings; `is_stored` where they are in a file, as Airbyte stores them.
pub(super) fn read(
    members: &Map<String, Value>,
    backend: Backend,
    is_stored: bool,
) -> Result<Config> {
    let mistakes = Mistakes::new(is_stored);
    let root = ObjectReader::new(members, "$", &mistakes);
    let config = settings(&root, backend, is_stored);
    let mistakes = mistakes.into_inner();
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(Error::config(format!(
            "the {} mistakes: {}",
            if is_stored {
                "configuration has"
            } else {
                "settings have"
            },
            mistakes.join("; ")
        ))),
    }
}

/// Reads the settings; nothing only where a mistake was noted.
fn settings(root: &ObjectReader<'_>, backend: Backend, is_stored: bool) -> Option<Config> {
    // Every setting is read before a missing one returns, so that all mistakes are reported together.
    let warnings = warnings(root);
    let format = format(root, is_stored);
    let partitioning = partitioning(root);
    let number = |key, least, most, default: f64| root.number(key, least, most).unwrap_or(default);
    let memory_budget = bytes(number("memory_budget_mb", 16.0, 65536.0, 64.0));
    // Half of it is for parts on their way.
    let aws = match backend {
        Backend::Aws => aws::read(root, memory_budget / 2).map(Some),
        Backend::Local => Some(None),
    };
    let database = database(root, backend);
    let generations_prefix = prefix(root, "generations_prefix");
    let prefix = prefix(root, "bucket_prefix");
    let minutes = number("checkpoint_interval_minutes", 0.0, 1440.0, 5.0);
    let leftover_hours = number("leftover_age_hours", 0.0, 8760.0, 24.0);
    let target_file_size = bytes(number("target_file_size_mb", 0.001, 5120.0, 128.0));
    let max_record = bytes(number("max_record_mb", 1.0, 1024.0, 256.0));
    let metadata_columns = root.boolean("metadata_columns").unwrap_or(false);
    let rescued_data_column = rescued_data_column(root);
    let column_policy = column_policy(root);
    let big_integers = [
        ("decimal", BigIntegers::Decimal),
        ("string", BigIntegers::String),
        ("bigint", BigIntegers::Bigint),
    ];
    let big_integers = root
        .choice("big_integer_as", &big_integers)
        .unwrap_or_default();
    let numbers = match root.boolean("glue_catalog_float_as_decimal") {
        Some(true) => Numbers::Decimal,
        _ => Numbers::Double,
    };
    let (prefix, typed_prefix) = prefix?;
    let generations_prefix = Some(generations_prefix?.0).filter(|folder| !folder.is_empty());
    Some(Config {
        aws: aws?,
        prefix,
        typed_prefix,
        generations_prefix,
        database: database?,
        format: format?,
        partitioning,
        columns: ColumnOptions {
            numbers,
            big_integers,
            rescued: rescued_data_column,
            metadata: metadata_columns,
            policy: column_policy,
        },
        limits: RunLimits {
            checkpoint_interval: Duration::from_secs_f64(minutes * 60.0),
            leftover_age: Duration::from_secs_f64(leftover_hours * 3600.0),
            target_file_size,
            memory_budget,
            max_record,
        },
        warnings,
    })
}

fn warnings(root: &ObjectReader<'_>) -> Vec<String> {
    let is_unknown = |key: &&String| !KEYS.iter().any(|(known, _)| known == key);
    let mut warnings: Vec<String> = root
        .members
        .keys()
        .filter(is_unknown)
        .map(|key| {
            let meant = text::nearest(key, KEYS.iter().map(|(known, _)| *known))
                .map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"));
            format!("the configuration has an unknown key, which is ignored: {key:?}{meant}")
        })
        .collect();
    if root.boolean("lakeformation_governed_tables") == Some(true) {
        warnings.push(
            "AWS ended governed tables on 2024-12-31; standard tables are used. Set lakeformation_governed_tables to false"
                .to_owned(),
        );
    }
    warnings
}

fn database(root: &ObjectReader<'_>, backend: Backend) -> Option<String> {
    const KEY: &str = "lakeformation_database_name";
    const DATABASE: &str = "the name of a database";
    let name = match backend {
        Backend::Aws => root.required_text(KEY, DATABASE),
        Backend::Local => root.text(KEY, DATABASE).or(Some("default")),
    };
    name.map(str::to_owned)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the bounds that were checked
fn bytes(mebibytes: f64) -> usize {
    (mebibytes * MIB) as usize
}

fn column_policy(root: &ObjectReader<'_>) -> ColumnPolicy {
    let default = Limits::default();
    let schema_changes = [
        ("extend", SchemaChanges::Extend),
        ("freeze", SchemaChanges::Freeze),
        ("fail", SchemaChanges::Fail),
    ];
    let on_type_change = [
        ("rescue", OnTypeChange::Rescue),
        ("new_column", OnTypeChange::NewColumn),
        ("fail", OnTypeChange::Fail),
    ];
    ColumnPolicy {
        schema_changes: root
            .choice("schema_changes", &schema_changes)
            .unwrap_or_default(),
        on_type_change: root
            .choice("on_type_change", &on_type_change)
            .unwrap_or_default(),
        limits: Limits {
            columns: count(root, "max_columns", 10_000.0).unwrap_or(default.columns),
            fields: count(root, "max_struct_fields", 10_000.0).unwrap_or(default.fields),
        },
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the bounds that were checked
fn count(root: &ObjectReader<'_>, key: &str, most: f64) -> Option<usize> {
    root.number(key, 1.0, most).map(|number| number as usize)
}

/// Reads a prefix: the folder without empty names, and the text as it was typed. The Python connector made its folders
/// of that, with all of its slashes.
fn prefix(root: &ObjectReader<'_>, key: &str) -> Option<(String, String)> {
    let typed = root.text(key, "a folder in the bucket").unwrap_or_default();
    let parts: Vec<&str> = typed.split('/').filter(|part| !part.is_empty()).collect();
    let leads_elsewhere = |part: &&str| matches!(*part, "." | "..");
    if parts.iter().any(leads_elsewhere) || typed.chars().any(char::is_control) || typed.len() > 512
    {
        root.unexpected(
            key,
            "a folder in the bucket, as \"lake/raw\", without . and .., and 512 bytes at most",
            typed,
        );
        return None;
    }
    Some((parts.join("/"), typed.to_owned()))
}

/// Reads the format. What a stored configuration leaves out means what it means to the Python connector.
fn format(root: &ObjectReader<'_>, is_stored: bool) -> Option<Format> {
    #[derive(Clone, Copy, PartialEq)]
    enum FormatType {
        Jsonl,
        Parquet,
    }
    let (codec_of_lines, codec_of_pages) = if is_stored {
        (Codec::Plain, PageCodec::Plain)
    } else {
        (Codec::Gzip, PageCodec::Snappy)
    };
    if root.present("format").is_none() {
        return Some(if is_stored {
            Format::Parquet(codec_of_pages)
        } else {
            Format::Jsonl(codec_of_lines)
        });
    }
    let format = root.object(
        "format",
        "an object with format_type \"JSONL\" or \"Parquet\"",
    )?;
    let kind = match format.text("format_type", "\"JSONL\" or \"Parquet\"") {
        None if format.present("format_type").is_none_or(Value::is_string) => FormatType::Jsonl,
        _ => format.choice(
            "format_type",
            &[
                ("JSONL", FormatType::Jsonl),
                ("Parquet", FormatType::Parquet),
            ],
        )?,
    };
    let codec = format
        .present("compression_codec")
        .filter(|codec| codec.as_str() != Some(""));
    if kind == FormatType::Parquet {
        let codecs = [
            ("UNCOMPRESSED", PageCodec::Plain),
            ("SNAPPY", PageCodec::Snappy),
            ("GZIP", PageCodec::Gzip),
            ("ZSTD", PageCodec::Zstd),
        ];
        return Some(Format::Parquet(match codec {
            Some(_) => format.choice("compression_codec", &codecs)?,
            None => codec_of_pages,
        }));
    }
    let codecs = [
        ("UNCOMPRESSED", Some(Codec::Plain)),
        ("GZIP", Some(Codec::Gzip)),
        ("ZSTD", Some(Codec::Zstd)),
        ("SNAPPY", None),
    ];
    if codec.is_none() {
        return Some(Format::Jsonl(codec_of_lines));
    }
    if let Some(codec) = format.choice("compression_codec", &codecs)? {
        return Some(Format::Jsonl(codec));
    }
    let found = format
        .text("compression_codec", "a codec")
        .unwrap_or_default();
    format.unexpected(
        "compression_codec",
        "\"GZIP\", \"ZSTD\" or \"UNCOMPRESSED\", the codecs of JSON lines",
        found,
    );
    None
}

/// Reads by which parts of the cursor tables are partitioned.
fn partitioning(root: &ObjectReader<'_>) -> Partitioning {
    use Transform::{Date, DayOfMonth, MonthOfYear, Year};
    const NONE: &[Transform] = &[];
    let modes: [(&str, &'static [Transform]); 7] = [
        ("NO PARTITIONING", NONE),
        ("DATE", &[Date]),
        ("YEAR", &[Year]),
        ("MONTH", &[MonthOfYear]),
        ("DAY", &[DayOfMonth]),
        ("YEAR/MONTH", &[Year, MonthOfYear]),
        ("YEAR/MONTH/DAY", &[Year, MonthOfYear, DayOfMonth]),
    ];
    let by = partition_by(root);
    match (root.choice("partitioning", &modes), by) {
        (Some([_, ..]), Some(_)) => {
            root.expected("partition_by", "no value beside partitioning by the cursor");
            Partitioning::None
        }
        (Some(parts @ [_, ..]), None) => Partitioning::Cursor(parts),
        (_, Some(streams)) => Partitioning::By(streams),
        (_, None) => Partitioning::None,
    }
}

/// Reads by which columns the tables of each stream are partitioned: an object, or one list for all streams, also as text.
fn partition_by(root: &ObjectReader<'_>) -> Option<Vec<(String, Vec<PartitionBy>)>> {
    const KEY: &str = "partition_by";
    let list = |value: &Value| -> Option<Vec<PartitionBy>> {
        match value {
            Value::String(text) => text.split(',').map(PartitionBy::read).collect(),
            Value::Array(list) => list
                .iter()
                .map(|item| PartitionBy::read(item.as_str()?))
                .collect(),
            _ => None,
        }
    };
    let value = root
        .present(KEY)
        .filter(|value| value.as_str() != Some(""))?;
    let streams = match value {
        Value::Object(streams) => streams
            .iter()
            .map(|(stream, value)| Some((stream.clone(), list(value)?)))
            .collect::<Option<Vec<_>>>(),
        value => list(value).map(|list| vec![("*".to_owned(), list)]),
    };
    if streams.is_none() {
        root.expected(
            KEY,
            "lists of columns or transforms by stream, as {\"*\": [\"day(_airbyte_extracted_at)\"], \"orders\": [\"country\", \"day(created_at)\"]}, with the transforms year, month, day, date, hour and identity",
        );
    }
    streams.filter(|streams| !streams.is_empty())
}

/// Reads the name of the column for misfits: absent means `_rescued_data`, null means none.
fn rescued_data_column(root: &ObjectReader<'_>) -> Option<String> {
    const DEFAULT: &str = "_rescued_data";
    if root
        .members
        .get("rescued_data_column")
        .is_some_and(Value::is_null)
    {
        return None;
    }
    let expected =
        "a column name of lower-case letters, digits and underscores, or null to have none";
    let name = root
        .text("rescued_data_column", expected)
        .unwrap_or(DEFAULT);
    let good = name.len() <= 255
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with("_airbyte_");
    if !good {
        root.unexpected("rescued_data_column", expected, name);
    }
    Some(name.to_owned())
}
