//! The partition of a row: values that are made of the row itself, so that a partition never disagrees with its column.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::json::scan::{Key, Scanner};
use crate::json::text::unquoted;
use crate::time::calendar::Moment;

/// How a column's value becomes that of a partition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    /// The value itself, as text. It is in the folder's name and not in the row.
    Identity,
    /// `2024-03-01`.
    Date,
    /// `2024`.
    Year,
    /// `2024-03`.
    YearMonth,
    /// `2024-03-01-13`.
    Hour,
    /// `3`, of any year.
    MonthOfYear,
    /// `1`, of any month.
    DayOfMonth,
}

/// What a partition value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartitionSource {
    /// The column of this name.
    Column(String),
    /// The time at which the source extracted the record.
    ExtractedAt,
}

/// How rows are partitioned by one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionField {
    pub(crate) source: PartitionSource,
    pub(crate) transform: Transform,
    /// The value of rows without one.
    pub(crate) null: &'static str,
}

/// Ends each value of a partition in the list of them: no byte of UTF-8.
pub(crate) const END: u8 = 0xFF;

/// The longest value that the catalog takes, in characters.
pub(crate) const LONGEST_VALUE: usize = 1024;

/// Finds the partitions of the rows of a stream.
pub(crate) struct Partitioner {
    fields: Vec<PartitionField>,
    /// In place of a time of extraction where a record has none, in milliseconds since 1970.
    now: i64,
    /// Of each field the place of its value in the row.
    found: Vec<Option<Place>>,
}

/// The place of a member of a row.
#[derive(Clone, Copy, Debug)]
struct Place {
    from: usize,
    value: usize,
    to: usize,
}

impl Partitioner {
    pub(crate) fn new(fields: Vec<PartitionField>, now: i64) -> Self {
        Self {
            found: vec![None; fields.len()],
            fields,
            now,
        }
    }

    /// Appends the values of the row's partition, each with `END` after it. Values that are in the folder's name are taken
    /// out of the row.
    pub(crate) fn find(
        &mut self,
        row: &mut Vec<u8>,
        extracted_at: Option<i64>,
        values: &mut Vec<u8>,
    ) -> Result<()> {
        self.look(row)?;
        for (field, found) in self.fields.iter().zip(&self.found) {
            let before = values.len();
            match (&field.source, found) {
                (PartitionSource::ExtractedAt, _) => {
                    let time = Moment::from_millis(extracted_at.unwrap_or(self.now));
                    append_part(field.transform, time, values);
                }
                (PartitionSource::Column(_), None) => {}
                (PartitionSource::Column(name), Some(place)) => {
                    let value = text(&row[place.value..place.to]);
                    if field.transform != Transform::Identity {
                        append_part(field.transform, Moment::read(&value), values);
                    } else if value.len() <= LONGEST_VALUE
                        || std::str::from_utf8(&value)
                            .is_ok_and(|value| value.chars().count() <= LONGEST_VALUE)
                    {
                        values.extend_from_slice(&value);
                    } else {
                        return Err(Error::config(format!(
                            "a value of the column {name} is longer than {LONGEST_VALUE} characters, the most that the catalog takes as a partition"
                        ))
                        .hint("partition by another column"));
                    }
                }
            }
            if values.len() == before {
                values.extend_from_slice(field.null.as_bytes());
            }
            values.push(END);
        }
        self.take_out(row);
        Ok(())
    }

    /// Finds the members of the row that values are made of.
    fn look(&mut self, row: &[u8]) -> Result<()> {
        self.found.fill(None);
        let (fields, found) = (&self.fields, &mut self.found);
        let mut scan = Scanner::new(row);
        let looked = scan.object("a row", |scan, key: Key| {
            let value = scan.at;
            scan.skip()?;
            let name = key.name(row);
            for (field, found) in fields.iter().zip(found.iter_mut()) {
                let is_it = matches!(&field.source, PartitionSource::Column(column) if column.as_bytes() == &*name);
                if is_it {
                    *found = Some(Place {
                        from: key.from,
                        value,
                        to: scan.at,
                    });
                }
            }
            Ok(())
        });
        looked.map_err(|fault| scan.error(fault))
    }

    /// Takes out of the row what is in the folder's name.
    fn take_out(&self, row: &mut Vec<u8>) {
        // The last first, so that the places of the others stay.
        let mut end = row.len();
        loop {
            let fields = self.fields.iter().zip(&self.found);
            let identities = fields.filter(|(field, _)| field.transform == Transform::Identity);
            let places = identities.filter_map(|(_, found)| *found);
            let before_end = places.filter(|place| place.from < end);
            let Some(place) = before_end.max_by_key(|place| place.from) else {
                return;
            };
            end = place.from;
            // With the comma after it, or before it where it is the last.
            let (mut from, mut to) = (place.from, place.to);
            if row[to] == b',' {
                to += 1;
            } else if row[from - 1] == b',' {
                from -= 1;
            }
            row.drain(from..to);
        }
    }
}

/// The text of a value: the characters of a string, anything else as it is.
fn text(value: &[u8]) -> Cow<'_, [u8]> {
    match value {
        [b'"', content @ .., b'"'] => unquoted(content),
        _ => Cow::Borrowed(value),
    }
}

/// Appends the part of a moment; nothing where there is none.
fn append_part(transform: Transform, time: Option<Moment>, out: &mut Vec<u8>) {
    let Some(time) = time else {
        return;
    };
    let text = time.timestamp();
    // `"YYYY-MM-DD HH:MM:SS"`.
    let text = &text.as_bytes()[1..];
    let number = |range: std::ops::Range<usize>| {
        let digits = &text[range];
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        &digits[zeros.min(digits.len() - 1)..]
    };
    match transform {
        Transform::Identity | Transform::Date => out.extend_from_slice(&text[..10]),
        Transform::Year => out.extend_from_slice(number(0..4)),
        Transform::YearMonth => out.extend_from_slice(&text[..7]),
        Transform::MonthOfYear => out.extend_from_slice(number(5..7)),
        Transform::DayOfMonth => out.extend_from_slice(number(8..10)),
        Transform::Hour => {
            out.extend_from_slice(&text[..10]);
            out.push(b'-');
            out.extend_from_slice(&text[11..13]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The partition's values, and the row that is left.
    fn partition(fields: &[(&str, Transform)], row: &str) -> (Vec<String>, String) {
        let field = |(column, transform): &(&str, Transform)| PartitionField {
            source: match *column {
                "" => PartitionSource::ExtractedAt,
                column => PartitionSource::Column(column.to_owned()),
            },
            transform: *transform,
            null: "none",
        };
        let mut partitioner = Partitioner::new(fields.iter().map(field).collect(), 0);
        let (mut row, mut values) = (row.as_bytes().to_vec(), Vec::new());
        let extracted_at = Some(1_709_297_999_999); // 2024-03-01 12:59:59.999
        partitioner
            .find(&mut row, extracted_at, &mut values)
            .unwrap();
        let values = values.split(|byte| *byte == END);
        let mut values: Vec<String> = values
            .map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect();
        assert_eq!(values.pop().as_deref(), Some(""));
        (values, String::from_utf8(row).unwrap())
    }

    #[test]
    fn parts_of_a_time_are_those_of_its_column() {
        let row =
            "{\"id\":1,\"at\":\"2024-03-01 02:05:06.789\",\"day\":\"0987-12-31\",\"x\":null}\n";
        let all = [
            ("at", Transform::Date, "2024-03-01"),
            ("at", Transform::Year, "2024"),
            ("at", Transform::YearMonth, "2024-03"),
            ("at", Transform::Hour, "2024-03-01-02"),
            ("at", Transform::MonthOfYear, "3"),
            ("at", Transform::DayOfMonth, "1"),
            ("day", Transform::Year, "987"),
            ("day", Transform::DayOfMonth, "31"),
            ("x", Transform::Date, "none"),
            ("absent", Transform::Date, "none"),
            ("id", Transform::Date, "none"),
            ("", Transform::Hour, "2024-03-01-12"),
        ];
        for (column, transform, expected) in all {
            let (values, left) = partition(&[(column, transform)], row);
            assert_eq!(values, [expected], "{column} {transform:?}");
            assert_eq!(left, row);
        }
    }

    #[test]
    fn an_identity_is_taken_out_of_the_row() {
        let identity = |columns: &[&str], row: &str| {
            let fields: Vec<_> = columns
                .iter()
                .map(|column| (*column, Transform::Identity))
                .collect();
            partition(&fields, row)
        };
        for (row, expected, left) in [
            ("{\"c\":\"DE\",\"id\":1}\n", "DE", "{\"id\":1}\n"),
            (
                "{\"id\":1,\"c\":\"a\\\"/\\u00e9\"}\n",
                "a\"/é",
                "{\"id\":1}\n",
            ),
            (
                "{\"a\":1,\"c\":17,\"id\":1}\n",
                "17",
                "{\"a\":1,\"id\":1}\n",
            ),
            ("{\"c\":true}\n", "true", "{}\n"),
            ("{\"c\":\"\"}\n", "none", "{}\n"),
            ("{}\n", "none", "{}\n"),
            ("{\"s\":{\"c\":2}}\n", "none", "{\"s\":{\"c\":2}}\n"),
        ] {
            assert_eq!(
                identity(&["c"], row),
                (vec![expected.to_owned()], left.to_owned())
            );
        }
        let two = identity(&["d", "c"], "{\"c\":1,\"d\":2}\n");
        assert_eq!(
            two,
            (vec!["2".to_owned(), "1".to_owned()], "{}\n".to_owned())
        );
    }

    #[test]
    fn a_value_that_the_catalog_does_not_take_is_refused() {
        let row = |length: usize| format!("{{\"c\":\"{}\"}}\n", "é".repeat(length));
        let field = PartitionField {
            source: PartitionSource::Column("c".to_owned()),
            transform: Transform::Identity,
            null: "none",
        };
        let mut partitioner = Partitioner::new(vec![field], 0);
        let mut find =
            |length| partitioner.find(&mut row(length).into_bytes(), None, &mut Vec::new());
        find(LONGEST_VALUE).unwrap();
        let error = find(LONGEST_VALUE + 1).unwrap_err().to_string();
        assert!(
            error.contains("the column c") && !error.contains('é'),
            "{error}"
        );
    }
}
