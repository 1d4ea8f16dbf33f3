//! How a table is partitioned: its keys, what their values are made of, and the folders that values become.

use std::fmt::{self, Write};

use crate::error::{Error, Result};
use crate::protocol::catalog::ConfiguredStream;
use crate::row::partition::{END, PartitionField, PartitionSource, Transform};
use crate::schema::{Column, Source, Type, name};

/// The value, and the name in folders, of rows that have none: Hive's.
pub(crate) const DEFAULT_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// What the configuration says of partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Partitioning {
    #[default]
    None,
    /// By these parts of the stream's cursor, with the keys of the Python connector.
    Cursor(&'static [Transform]),
    /// By these columns of each stream, by its name; `*` stands for all others.
    By(Vec<(String, Vec<PartitionBy>)>),
}

/// A column, and what of its values makes a partition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionBy {
    /// The property, or the name of its column.
    pub(crate) column: String,
    /// The transform's name; empty for the value itself.
    pub(crate) part: &'static str,
}

/// The transforms that can be asked for, by their names.
const PARTS: [(&str, Transform, Type); 5] = [
    ("year", Transform::Year, BIGINT),
    ("month", Transform::YearMonth, Type::String),
    ("day", Transform::Date, Type::Date),
    ("date", Transform::Date, Type::Date),
    ("hour", Transform::Hour, Type::String),
];

impl PartitionBy {
    /// Reads `column`, or `transform(column)`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (part, column) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some(("identity", column)) => ("", column),
            Some((name, column)) => {
                let known = PARTS.iter().find(|(known, ..)| *known == name.trim());
                (known?.0, column)
            }
            None => ("", text),
        };
        let column = column.trim();
        let is_good = !column.is_empty() && !column.contains(['(', ')', ',']);
        is_good.then(|| Self {
            column: column.to_owned(),
            part,
        })
    }

    /// The key, for a stream of these columns. Where it has no such column, an error says so.
    fn key(&self, wanted: &[Column]) -> Result<PartitionKey> {
        let part = PARTS.iter().find(|(name, ..)| *name == self.part);
        if self.column == EXTRACTED_AT {
            let Some((name, transform, data_type)) = part else {
                return Err(
                    self.refused("expected a part of that time, as day(_airbyte_extracted_at)")
                );
            };
            return Ok(PartitionKey {
                name: format!("{EXTRACTED_AT}_{name}"),
                data_type: data_type.clone(),
                property: None,
                transform: *transform,
                null: DEFAULT_PARTITION,
                column: None,
            });
        }
        let is_it = |column: &&Column| {
            column.source == Source::Property
                && (column.field.key == self.column || column.field.name == self.column)
        };
        let Some(column) = wanted.iter().find(is_it) else {
            return Err(self.refused("the stream has no such column at its top level"));
        };
        let field = &column.field;
        let data_type = &field.data_type;
        let key = |name, data_type: &Type, transform, column| PartitionKey {
            name,
            data_type: data_type.clone(),
            property: Some(field.key.clone()),
            transform,
            null: DEFAULT_PARTITION,
            column,
        };
        match (part, data_type) {
            (Some((part, transform, of_part)), Type::Date | Type::Timestamp) => {
                let name = name::table(&format!("{}_{part}", field.name));
                Ok(key(name, of_part, *transform, None))
            }
            (Some(_), _) => Err(self.refused(&format!(
                "expected a column of dates or timestamps, found {data_type}"
            ))),
            (None, Type::String | Type::Integer(_) | Type::Date | Type::Boolean) => {
                let column = Some(column.clone());
                Ok(key(field.name.clone(), data_type, Transform::Identity, column))
            }
            (None, _) => Err(self.refused(&format!(
                "expected a column of texts, integers, dates or booleans, found {data_type}; a time is partitioned by a part of it, as day({})",
                self.column
            ))),
        }
    }

    fn refused(&self, why: &str) -> Error {
        Error::config(format!("cannot partition by {self}: {why}")).hint("correct partition_by")
    }
}

impl fmt::Display for PartitionBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            "" => f.write_str(&self.column),
            part => write!(f, "{part}({})", self.column),
        }
    }
}

/// The column of the time at which the source extracted a record, which each record has also where the table has no such
/// column.
const EXTRACTED_AT: &str = "_airbyte_extracted_at";

/// A key of a table's partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionKey {
    pub(crate) name: String,
    pub(crate) data_type: Type,
    /// The property, or none for the time of extraction.
    pub(crate) property: Option<String>,
    pub(crate) transform: Transform,
    /// The value of rows that have none.
    pub(crate) null: &'static str,
    /// The column that it takes the place of: its values are in folders and not in rows.
    pub(crate) column: Option<Column>,
}

impl PartitionKey {
    /// The key of a part of a property that holds times.
    fn of_cursor(property: &str, transform: Transform) -> Self {
        let (part, data_type, null) = match transform {
            Transform::Year => ("year", BIGINT, "0"),
            Transform::MonthOfYear => ("month", BIGINT, "0"),
            Transform::DayOfMonth => ("day", BIGINT, "0"),
            _ => ("date", Type::Date, DEFAULT_PARTITION),
        };
        Self {
            name: name::table(&format!("{property}_{part}")),
            data_type,
            property: Some(property.to_owned()),
            transform,
            null,
            column: None,
        }
    }

    /// Whether its values are values of the type too, which a table has in the catalog.
    pub(crate) fn fits(&self, data_type: &str) -> bool {
        data_type == "string" || self.data_type.to_string() == data_type
    }

    /// How rows of these columns are partitioned by the key.
    fn field(&self, columns: &[Column]) -> PartitionField {
        let source = match &self.property {
            None => PartitionSource::ExtractedAt,
            Some(property) => {
                let fills = |column: &&Column| {
                    column.source != Source::Program && column.field.key == *property
                };
                let column = self.column.as_ref().or_else(|| columns.iter().find(fills));
                let name = column.map_or(property, |column| &column.field.name);
                PartitionSource::Column(name.clone())
            }
        };
        PartitionField {
            source,
            transform: self.transform,
            null: self.null,
        }
    }
}

const BIGINT: Type = Type::Integer(crate::schema::Width::SixtyFour);

/// The keys of a stream's table, in their order: none where the configuration asks for none, or the cursor holds no time.
pub(crate) fn keys(
    partitioning: &Partitioning,
    stream: &ConfiguredStream,
    wanted: &[Column],
) -> Result<Vec<PartitionKey>> {
    let keys = match partitioning {
        Partitioning::None => Vec::new(),
        Partitioning::Cursor(parts) => keys_of_cursor(parts, stream, wanted),
        Partitioning::By(streams) => {
            let of = |stream: &str| {
                let found = streams.iter().find(|(name, _)| name == stream);
                found.map(|(_, by)| by)
            };
            let own = of(&stream.key.name);
            let by = own.or_else(|| of("*")).into_iter().flatten();
            let keys: Result<Vec<PartitionKey>> = by.map(|by| by.key(wanted)).collect();
            match keys {
                Err(error) if own.is_none() => {
                    log::info!(
                        "stream {}: its table has no partitions: {error}",
                        stream.key
                    );
                    Vec::new()
                }
                keys => keys?,
            }
        }
    };
    let is_column = |key: &&PartitionKey| {
        let has_name = |column: &Column| column.field.name == key.name;
        key.column.is_none() && wanted.iter().any(has_name)
    };
    let twice =
        |key: &&PartitionKey| keys.iter().filter(|other| other.name == key.name).count() > 1;
    match keys.iter().find(|key| is_column(key) || twice(key)) {
        Some(key) => Err(Error::config(format!(
            "cannot partition by {}: there is a column or another key of that name",
            key.name
        ))
        .hint("partition by another column, or by another part")),
        None => Ok(keys),
    }
}

fn keys_of_cursor(
    parts: &[Transform],
    stream: &ConfiguredStream,
    wanted: &[Column],
) -> Vec<PartitionKey> {
    // As the Python connector does: the cursor's own properties, in the schema's order.
    let is_time = |column: &&Column| {
        column.source == Source::Property
            && stream.cursor.contains(&column.field.key)
            && matches!(column.field.data_type, Type::Date | Type::Timestamp)
    };
    let times = wanted.iter().filter(is_time);
    let keys: Vec<PartitionKey> = times
        .flat_map(|column| {
            let key = |part: &Transform| PartitionKey::of_cursor(&column.field.key, *part);
            parts.iter().map(key)
        })
        .collect();
    if keys.is_empty() {
        log::info!(
            "stream {}: its table has no partitions, because its cursor is no date or timestamp",
            stream.key
        );
    }
    keys
}

/// How rows of these columns are partitioned by the keys.
pub(crate) fn fields(keys: &[PartitionKey], columns: &[Column]) -> Vec<PartitionField> {
    keys.iter().map(|key| key.field(columns)).collect()
}

/// The values of a partition, of the list that `Partitioner::find` makes.
pub(crate) fn values(list: &[u8]) -> Vec<String> {
    let list = list.strip_suffix(&[END]).unwrap_or(list);
    let values = list.split(|byte| *byte == END);
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// The folder of a partition below that of its table: `year=2024/month=3/`.
pub(crate) fn folder<'a>(keys: impl Iterator<Item = &'a str>, values: &[String]) -> String {
    let mut folder = String::new();
    for (key, value) in keys.zip(values) {
        escape(key, &mut folder);
        folder.push('=');
        escape(value, &mut folder);
        folder.push('/');
    }
    folder
}

/// The values of the partition whose objects are in the folder; none where it is not one of these keys.
pub(crate) fn values_of_folder<'a>(
    keys: impl Iterator<Item = &'a str>,
    folder: &str,
) -> Option<Vec<String>> {
    let mut parts = folder.strip_suffix('/')?.split('/');
    let mut values = Vec::new();
    for key in keys {
        let (name, value) = parts.next()?.split_once('=')?;
        if unescape(name)? != key {
            return None;
        }
        values.push(unescape(value)?);
    }
    parts.next().is_none().then_some(values)
}

/// Escapes as Hive does.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        let is_special = matches!(character, '\u{1}'..='\u{1f}' | '\u{7f}')
            || "\"#%'*/:=?\\{[]^".contains(character);
        if is_special {
            write!(out, "%{:02X}", u32::from(character)).expect("a String takes everything");
        } else {
            out.push(character);
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%'
            && let Some((digits, tail)) = rest.split_first_chunk::<2>()
            && let Some(byte) = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            bytes.push(byte);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_escaped_as_hive_does_and_read_back() {
        let keys = ["day", "a b"];
        for (values, expected) in [
            (["2024-03-01", "DE"], "day=2024-03-01/a b=DE/"),
            (["12:00", "a/b=c%"], "day=12%3A00/a b=a%2Fb%3Dc%25/"),
            (
                ["é <>|", "\u{1}\u{7f}{[]^"],
                "day=é <>|/a b=%01%7F%7B%5B%5D%5E/",
            ),
            (
                [DEFAULT_PARTITION, "%41"],
                "day=__HIVE_DEFAULT_PARTITION__/a b=%2541/",
            ),
        ] {
            let values = values.map(str::to_owned);
            let folder = folder(keys.into_iter(), &values);
            assert_eq!(folder, expected);
            assert_eq!(
                values_of_folder(keys.into_iter(), &folder),
                Some(values.to_vec())
            );
        }
        for folder in ["day=1/", "day=1/a b=2/c=3/", "day=1/x=2/", "1/2/", ""] {
            assert_eq!(values_of_folder(keys.into_iter(), folder), None, "{folder}");
        }
    }
}
