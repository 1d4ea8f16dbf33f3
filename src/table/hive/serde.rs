//! The SerDe of each format: what a table says of how its objects are read.

use crate::file::{Codec, Format, PageCodec};

/// The part of a table's definition that says how its objects are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Serde {
    /// The class that turns lines or pages into rows.
    pub(super) library: &'static str,
    pub(super) input_format: &'static str,
    pub(super) output_format: &'static str,
    /// What Glue jobs choose their reader by.
    pub(super) classification: &'static str,
    /// The SerDes that read the format.
    pub(super) libraries: &'static [&'static str],
    /// The input formats that find its rows in objects.
    pub(super) input_formats: &'static [&'static str],
    /// The format's name in error messages.
    pub(super) name: &'static str,
}

/// JSON Lines, as Athena and Hive read them.
const JSONL: Serde = Serde {
    library: "org.openx.data.jsonserde.JsonSerDe",
    input_format: "org.apache.hadoop.mapred.TextInputFormat",
    output_format: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    classification: "json",
    libraries: &[
        "org.openx.data.jsonserde.JsonSerDe",
        "org.apache.hive.hcatalog.data.JsonSerDe",
        "org.apache.hadoop.hive.serde2.JsonSerDe",
    ],
    input_formats: &["org.apache.hadoop.mapred.TextInputFormat"],
    name: "JSONL",
};

/// Parquet, as Athena, Hive and Spark read it.
const PARQUET: Serde = Serde {
    library: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    input_format: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    output_format: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    classification: "parquet",
    libraries: &["org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"],
    input_formats: &["org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"],
    name: "Parquet",
};

impl Serde {
    /// The format that these classes read.
    pub(super) fn of_classes(library: &str, input_format: &str) -> Option<&'static Self> {
        [&JSONL, &PARQUET].into_iter().find(|serde| {
            serde.libraries.contains(&library) && serde.input_formats.contains(&input_format)
        })
    }

    pub(super) fn of_format(format: Format) -> &'static Self {
        match format {
            Format::Jsonl(_) => &JSONL,
            Format::Parquet(_) => &PARQUET,
        }
    }
}

/// The value of the table parameter `compressionType`.
pub(super) fn compression_type(format: Format) -> &'static str {
    match format {
        Format::Jsonl(Codec::Plain) | Format::Parquet(PageCodec::Plain) => "none",
        Format::Jsonl(Codec::Gzip) | Format::Parquet(PageCodec::Gzip) => "gzip",
        Format::Jsonl(Codec::Zstd) | Format::Parquet(PageCodec::Zstd) => "zstd",
        Format::Parquet(PageCodec::Snappy) => "snappy",
    }
}
