//! Each setting: its key, what is allowed, and what it is when it is absent.

use std::time::Duration;

use serde_json::{Map, Value};

use super::reader::{Mistakes, Reader};
use super::{Config, aws};
use crate::error::{Error, Result};
use crate::file::{Codec, Format};
use crate::schema::Numbers;

/// Where the lake is, which decides what the configuration must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Aws,
    /// `--local`: nothing is required, and the settings of AWS are not looked at.
    Local,
}

/// What a setting is in JSON, which tells how to read it where it is given as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// A number, a boolean or an object.
    Json,
}

/// Every key that has a meaning; others are told to the user.
pub(super) const KEYS: [(&str, Form); 28] = [
    ("aws_account_id", Form::Text),
    ("credentials", Form::Json),
    ("region", Form::Text),
    ("bucket_name", Form::Text),
    ("bucket_prefix", Form::Text),
    ("lakeformation_database_name", Form::Text),
    ("lakeformation_database_default_tag_key", Form::Text),
    ("lakeformation_database_default_tag_values", Form::Text),
    ("lakeformation_governed_tables", Form::Json),
    ("format", Form::Json),
    ("partitioning", Form::Text),
    ("glue_catalog_float_as_decimal", Form::Json),
    ("endpoint_url", Form::Text),
    ("bucket_region", Form::Text),
    ("path_style", Form::Json),
    ("use_fips_endpoint", Form::Json),
    ("use_dualstack_endpoint", Form::Json),
    ("encryption", Form::Json),
    ("storage_class", Form::Text),
    ("object_tags", Form::Json),
    ("request_checksum_calculation", Form::Text),
    ("metadata_columns", Form::Json),
    ("rescued_data_column", Form::Text),
    ("checkpoint_interval_minutes", Form::Json),
    ("leftover_age_hours", Form::Json),
    ("target_file_size_mb", Form::Json),
    ("memory_budget_mb", Form::Json),
    ("max_record_mb", Form::Json),
];

const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn read(members: &Map<String, Value>, place: Place) -> Result<Config> {
    let mistakes = Mistakes::default();
    let root = Reader::new(members, "$", &mistakes);
    let config = settings(&root, place);
    let mistakes = mistakes.into_inner();
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(Error::config(format!(
            "the configuration has mistakes: {}",
            mistakes.join("; ")
        ))),
    }
}

/// None only where a mistake was noted.
fn settings(root: &Reader<'_>, place: Place) -> Option<Config> {
    let mut warnings = Vec::new();
    for key in root
        .members
        .keys()
        .filter(|key| !KEYS.iter().any(|(known, _)| known == key))
    {
        warnings.push(format!(
            "the configuration has a key that means nothing here and is ignored: {key:?}"
        ));
    }
    if root.boolean("lakeformation_governed_tables") == Some(true) {
        warnings.push(
            "AWS ended governed tables on 2024-12-31; standard tables are used. Set lakeformation_governed_tables to false"
                .to_owned(),
        );
    }
    let format = format(root);
    partitioning(root);
    // Every part is read before any of them can end the reading: that is what reports all mistakes together.
    let aws = match place {
        Place::Aws => aws::read(root),
        Place::Local => None,
    };
    let database = match place {
        Place::Aws => root.required_text("lakeformation_database_name", "the name of a database"),
        Place::Local => root
            .text("lakeformation_database_name", "the name of a database")
            .or(Some("default")),
    };
    let prefix = prefix(root);
    let number = |key, least, most, default: f64| root.number(key, least, most).unwrap_or(default);
    let minutes = number("checkpoint_interval_minutes", 0.0, 1440.0, 5.0);
    let leftover_hours = number("leftover_age_hours", 0.0, 8760.0, 24.0);
    let target_file_size = bytes(number("target_file_size_mb", 0.001, 5120.0, 128.0));
    let memory_budget = bytes(number("memory_budget_mb", 16.0, 65536.0, 64.0));
    let max_record = bytes(number("max_record_mb", 1.0, 1024.0, 256.0));
    let metadata_columns = root.boolean("metadata_columns").unwrap_or(false);
    let rescued_data_column = rescued_data_column(root);
    let numbers = match root.boolean("glue_catalog_float_as_decimal") {
        Some(true) => Numbers::Decimal,
        _ => Numbers::Double,
    };
    if place == Place::Aws && aws.is_none() {
        return None;
    }
    Some(Config {
        aws,
        prefix: prefix?,
        database: database?.to_owned(),
        format: format?,
        numbers,
        rescued_data_column,
        metadata_columns,
        checkpoint_interval: Duration::from_secs_f64(minutes * 60.0),
        leftover_age: Duration::from_secs_f64(leftover_hours * 3600.0),
        target_file_size,
        memory_budget,
        max_record,
        warnings,
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the bounds that were checked
fn bytes(mebibytes: f64) -> usize {
    (mebibytes * MIB) as usize
}

fn prefix(root: &Reader<'_>) -> Option<String> {
    let prefix = root
        .text("bucket_prefix", "a folder in the bucket")
        .unwrap_or_default();
    let prefix = prefix.trim_matches('/');
    if prefix.contains("//") || prefix.chars().any(char::is_control) || prefix.len() > 512 {
        root.unexpected(
            "bucket_prefix",
            "a folder in the bucket, as \"lake/raw\", without // and 512 bytes at most",
            prefix,
        );
        return None;
    }
    Some(prefix.to_owned())
}

fn format(root: &Reader<'_>) -> Option<Format> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Jsonl,
        Parquet,
    }
    let default = Format::Jsonl(Codec::Gzip);
    if root.present("format").is_none() {
        return Some(default);
    }
    let format = root.object("format", "an object with format_type \"JSONL\"")?;
    let kind = match format.text("format_type", "\"JSONL\"") {
        None if format.present("format_type").is_none_or(Value::is_string) => Kind::Jsonl,
        _ => format.choice(
            "format_type",
            &[("JSONL", Kind::Jsonl), ("Parquet", Kind::Parquet)],
        )?,
    };
    if kind == Kind::Parquet {
        format.unexpected(
            "format_type",
            "\"JSONL\", because Parquet is not supported yet",
            "Parquet",
        );
        return None;
    }
    let codecs = [
        ("UNCOMPRESSED", Some(Codec::Plain)),
        ("GZIP", Some(Codec::Gzip)),
        ("ZSTD", Some(Codec::Zstd)),
        ("SNAPPY", None),
    ];
    if format
        .present("compression_codec")
        .is_none_or(|codec| codec.as_str() == Some(""))
    {
        return Some(default);
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

/// Only the one way is built so far.
fn partitioning(root: &Reader<'_>) {
    let known = [
        "NO PARTITIONING",
        "DATE",
        "YEAR",
        "MONTH",
        "DAY",
        "YEAR/MONTH",
        "YEAR/MONTH/DAY",
    ]
    .map(|word| (word, word));
    if let Some(found) = root
        .choice("partitioning", &known)
        .filter(|word| *word != "NO PARTITIONING")
    {
        root.unexpected(
            "partitioning",
            "\"NO PARTITIONING\", because partitions are not supported yet",
            found,
        );
    }
}

/// Absent means `_rescued_data`; null means none.
fn rescued_data_column(root: &Reader<'_>) -> Option<String> {
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
