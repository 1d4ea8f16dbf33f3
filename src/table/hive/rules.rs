//! The settings that others may have put on a table, and what becomes of each: it stays, a new generation is published
//! without it, or the table is not written to. The keys are fields of the definition, parameters of tables, and
//! parameters of SerDes, which some engines read from tables too.
//!
//! What changes how rows are read is honoured or refused, never kept by accident. An unknown parameter of a table stays:
//! readers ignore those that they do not know, and users keep notes there. An unknown parameter of a SerDe is for its
//! reader, so no rows are added under it.

use Treatment::{Drop, Keep, Refuse, RefuseToAppend};
use Values::{Any, Containing, Except, Is, Renaming};

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It stays as it is, at a swap too.
    Keep,
    /// Rows may be added to the table. A new generation is published without it.
    Drop,
    /// No rows are added, because readers would misread them. A new generation is published without it.
    RefuseToAppend,
    /// The table is not written to: its rows are managed by another program, or are none.
    Refuse,
}

/// The values of a setting that a rule is about, compared in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    Any,
    Is(&'static [&'static str]),
    Except(&'static [&'static str]),
    Containing(&'static [&'static str]),
    /// Any but the text that the key's `*` stands for.
    Renaming,
}

/// What becomes of settings with these keys and values.
#[derive(Debug)]
pub(super) struct Rule {
    /// A key that ends with `*` stands for all that begin so.
    pub(super) settings: &'static [(&'static str, Values)],
    pub(super) treatment: Treatment,
    pub(super) reason: &'static str,
}

impl Rule {
    /// The first rule that covers the setting holds.
    pub(super) fn of(key: &str, value: &str) -> Option<&'static Self> {
        let covers = |rule: &&Self| {
            let mut settings = rule.settings.iter();
            settings.any(|(pattern, values)| covers(pattern, *values, key, value))
        };
        RULES.iter().find(covers)
    }
}

fn covers(pattern: &str, values: Values, key: &str, value: &str) -> bool {
    let rest = match pattern.strip_suffix('*') {
        Some(start) => key.strip_prefix(start),
        None => (key == pattern).then_some(""),
    };
    let Some(rest) = rest else { return false };
    let value = value.trim().to_ascii_lowercase();
    match values {
        Any => true,
        Is(list) => list.contains(&&*value),
        Except(list) => !list.contains(&&*value),
        Containing(list) => list.iter().any(|part| value.contains(part)),
        Renaming => value != rest.to_ascii_lowercase(),
    }
}

/// Formats with a list of their objects, in the names of classes and of Spark's providers.
const LISTED: Values = Containing(&["delta", "hudi", "hoodie", "iceberg", "paimon"]);

/// What is not `false` switches it on.
const ON: Values = Except(&["false"]);

pub(super) static RULES: &[Rule] = &[
    Rule {
        settings: &[
            ("TableType", Is(&["virtual_view", "materialized_view"])),
            ("ViewOriginalText", Any),
            ("ViewExpandedText", Any),
            ("presto_view", ON),
        ],
        treatment: Refuse,
        reason: "it is a view, and has no rows of its own",
    },
    Rule {
        settings: &[("TableType", Is(&["governed"]))],
        treatment: Refuse,
        reason: "AWS ended governed tables on 2024-12-31, and their rows are listed elsewhere",
    },
    Rule {
        settings: &[("TableType", Except(&["external_table", "managed_table"]))],
        treatment: Refuse,
        reason: "it is not known what such a table shows",
    },
    Rule {
        settings: &[("TargetTable", Any)],
        treatment: Refuse,
        reason: "it is a link to a table of another catalog, which has to be written there",
    },
    Rule {
        settings: &[("StorageDescriptor.InputFormat", Containing(&["symlink"]))],
        treatment: Refuse,
        reason: "its folder holds lists of objects that another program keeps",
    },
    Rule {
        settings: &[("StorageDescriptor.AdditionalLocations", Any)],
        treatment: Refuse,
        reason: "its rows are in other folders too",
    },
    Rule {
        settings: &[("StorageDescriptor.BucketColumns", Any)],
        treatment: RefuseToAppend,
        reason: "readers look for a row in the object of its bucket, and rows are not written in buckets",
    },
    Rule {
        settings: &[("StorageDescriptor.SortColumns", Any)],
        treatment: RefuseToAppend,
        reason: "readers take the rows of each object for sorted, and rows are written as they come",
    },
    Rule {
        settings: &[
            ("StorageDescriptor.SkewedInfo", Any),
            ("StorageDescriptor.StoredAsSubDirectories", Any),
        ],
        treatment: RefuseToAppend,
        reason: "readers look for frequent values in folders of their own, and rows are not written so",
    },
    Rule {
        settings: &[("StorageDescriptor.SchemaReference", Any)],
        treatment: RefuseToAppend,
        reason: "its columns are those of a schema registry, which this program does not write to",
    },
    Rule {
        settings: &[
            ("StorageDescriptor.InputFormat", LISTED),
            ("StorageDescriptor.SerdeInfo.SerializationLibrary", LISTED),
            ("table_type", Except(&[""])),
            ("metadata_location", Any),
            ("previous_metadata_location", Any),
            ("storage_handler", Any),
            ("delta.*", Any),
            ("hoodie.*", Any),
            ("hudi.*", Any),
            ("last_commit_time_sync", Any),
            ("spark.sql.sources.provider", LISTED),
            ("classification", Is(&["delta", "hudi", "iceberg"])),
            ("transactional", ON),
            ("transactional_properties", Any),
        ],
        treatment: Refuse,
        reason: "another program manages its rows and keeps its own list of them",
    },
    Rule {
        settings: &[("typeOfData", Except(&["file"]))],
        treatment: Refuse,
        reason: "its rows are not in objects",
    },
    Rule {
        settings: &[
            ("skip.header.line.count", Except(&["0"])),
            ("skip.footer.line.count", Except(&["0"])),
        ],
        treatment: RefuseToAppend,
        reason: "readers skip lines of each object, and every line is a row",
    },
    Rule {
        settings: &[("mapping.*", Renaming)],
        treatment: RefuseToAppend,
        reason: "readers take the column from another key than the one that is written",
    },
    Rule {
        settings: &[("mapping.*", Any)],
        treatment: Keep,
        reason: "it is the column's own name",
    },
    Rule {
        settings: &[("case.insensitive", Except(&["true"]))],
        treatment: RefuseToAppend,
        reason: "readers compare keys with their case, and the catalog's names have none",
    },
    Rule {
        settings: &[("case.insensitive", Any)],
        treatment: Keep,
        reason: "it is the reader's default",
    },
    Rule {
        settings: &[("dots.in.keys", ON)],
        treatment: RefuseToAppend,
        reason: "readers take the column from another key than the one that is written",
    },
    Rule {
        settings: &[("dots.in.keys", Any)],
        treatment: Keep,
        reason: "it is the reader's default",
    },
    Rule {
        settings: &[("jsonPath", Any)],
        treatment: RefuseToAppend,
        reason: "Glue jobs take rows from inside of the JSON text, and each row is a text of its own",
    },
    Rule {
        settings: &[("multiLine", ON), ("multiline", ON)],
        treatment: RefuseToAppend,
        reason: "readers take one JSON text from each object, and each line is one",
    },
    Rule {
        settings: &[("serialization.encoding", Except(&["utf-8", "utf8"]))],
        treatment: RefuseToAppend,
        reason: "rows are written in UTF-8",
    },
    Rule {
        settings: &[("textinputformat.record.delimiter", Any)],
        treatment: RefuseToAppend,
        reason: "rows end with a line feed",
    },
    Rule {
        settings: &[("parquet.column.index.access", ON)],
        treatment: RefuseToAppend,
        reason: "readers find columns by their place, and they are written by name",
    },
    Rule {
        settings: &[("spark.sql.sources.provider", Any)],
        treatment: RefuseToAppend,
        reason: "Spark reads it by the schema in its own parameters, which new columns are not added to",
    },
    Rule {
        settings: &[("exclusions", Except(&["[]"]))],
        treatment: RefuseToAppend,
        reason: "Glue jobs leave out objects with such names",
    },
    Rule {
        settings: &[("has_encrypted_data", ON)],
        treatment: RefuseToAppend,
        reason: "readers expect objects that were encrypted before they were uploaded, and these are not",
    },
    Rule {
        settings: &[("projection.enabled", ON)],
        treatment: RefuseToAppend,
        reason: "Athena makes up its partitions, and rows are not partitioned",
    },
    Rule {
        settings: &[("storage.location.template", Any)],
        treatment: RefuseToAppend,
        reason: "Athena looks for rows at that location",
    },
    Rule {
        settings: &[("projection.enabled", Any)],
        treatment: Keep,
        reason: "it is the reader's default",
    },
    Rule {
        settings: &[("projection.*", Any)],
        treatment: Drop,
        reason: "it describes partitions, and there are none",
    },
    Rule {
        settings: &[("spark.sql.*", Any)],
        treatment: Drop,
        reason: "it describes the schema and the statistics of the rows that are there now",
    },
    Rule {
        settings: &[
            ("COLUMN_STATS_ACCURATE", Any),
            ("STATS_GENERATED*", Any),
            ("averageRecordSize", Any),
            ("numFiles*", Any),
            ("numPartitions", Any),
            ("numRows", Any),
            ("objectCount", Any),
            ("rawDataSize", Any),
            ("recordCount", Any),
            ("sizeKey", Any),
            ("totalSize", Any),
        ],
        treatment: Drop,
        reason: "it counts the rows and objects that are there now",
    },
    Rule {
        settings: &[("bucketing_format", Any)],
        treatment: Drop,
        reason: "it describes buckets, and there are none",
    },
    Rule {
        settings: &[
            ("areColumnsQuoted", Any),
            ("columnsOrdered", Any),
            ("commentCharacter", Any),
            ("delimiter", Any),
            ("escapeChar", Any),
            ("field.delim", Any),
            ("quoteChar", Any),
            ("separatorChar", Any),
            ("serialization.null.format", Any),
        ],
        treatment: Drop,
        reason: "it describes the text of CSV objects",
    },
    Rule {
        settings: &[("paths", Any)],
        treatment: Drop,
        reason: "it lists columns, and readers ignore it",
    },
    Rule {
        settings: &[
            ("EXTERNAL", Any),
            ("classification", Any),
            ("compressionType", Any),
            ("typeOfData", Is(&["file"])),
            ("serialization.format", Any),
        ],
        treatment: Keep,
        reason: "this program sets it at each swap",
    },
    Rule {
        settings: &[
            ("compression", Any),
            ("explicit.null", Any),
            ("orc.compress", Any),
            ("parquet.compress*", Any),
            ("write.compression", Any),
            ("write_compression", Any),
        ],
        treatment: Keep,
        reason: "it concerns engines that write",
    },
    Rule {
        settings: &[("ignore.malformed.json", Any), ("strict.parsing", Any)],
        treatment: Keep,
        reason: "no row is malformed",
    },
    Rule {
        settings: &[("timestamp.formats", Any)],
        treatment: Keep,
        reason: "readers try these first, and then the form that is written",
    },
    Rule {
        settings: &[("use.null.for.invalid.data", Any)],
        treatment: Keep,
        reason: "no value is invalid",
    },
    Rule {
        settings: &[("bucketing_version", Any)],
        treatment: Keep,
        reason: "Hive puts it on tables without buckets too",
    },
    Rule {
        settings: &[("connectionName", Any)],
        treatment: Keep,
        reason: "it is the network by which Glue jobs reach S3",
    },
    Rule {
        settings: &[("external.table.purge", Any)],
        treatment: Keep,
        reason: "it is the user's word on what DROP TABLE deletes",
    },
    Rule {
        settings: &[("groupFiles", Any), ("groupSize", Any)],
        treatment: Keep,
        reason: "Glue jobs read small objects together",
    },
    Rule {
        settings: &[("partition_filtering.enabled", Any)],
        treatment: Keep,
        reason: "it speeds up the planning of queries",
    },
    Rule {
        settings: &[("recurse", Any)],
        treatment: Keep,
        reason: "rows are directly in the folder",
    },
    Rule {
        settings: &[
            ("CrawlerSchema*", Any),
            ("UPDATED_BY_CRAWLER", Any),
            ("comment", Any),
            ("presto_*", Any),
            ("transient_lastDdlTime", Any),
            ("trino_*", Any),
        ],
        treatment: Keep,
        reason: "it says who made the table and when, and readers ignore it",
    },
];
