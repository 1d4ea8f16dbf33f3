//! Rows: a plan compiled from the columns of a table, run over the text of each record.
//!
//! # What a row holds
//!
//! Under the catalog's names and in their order, what every query engine reads the same way:
//!
//! - A null or missing value is left out. A record with nothing to write is `{}`.
//! - A value is converted where nothing is lost by it: numbers in strings, `1e3` under an integer type, a time with an
//!   offset, anything under `string`. Numbers keep their digits, strings their bytes.
//! - Any other value is a *misfit* and null in the row (inside a struct or an array: that field or element is). The
//!   rescue column holds the member of the record that the value belongs to, whole and verbatim; a column that is
//!   rescued for something inside of it still has the rest. Members that the schema does not know, and those with
//!   such ones inside, are rescued too. Nulls are not.
//! - Of members with one key the last counts. Inside of a struct every one counts for the rescue.
//!
//! Keys are compared exactly, by the characters that they stand for.
//!
//! # How a row is written fast
//!
//! `walk` alone decides what a row holds. It goes through the text of a record once and can read any record: it finds
//! the step of each key, converts or copies the value, notes misfits, and puts members in order. Most records need none
//! of that: they have the keys of the record before, in the same order, and values that are verbatim in the row. So
//! there are shortcuts, and one invariant ties them:
//!
//! > **A shortcut looks at the text from a place that the walk has reached, and returns a place that the walk would
//! > reach too with the text between the two verbatim in the row; or it returns nothing. It writes nothing itself.**
//!
//! Whatever is unusual (a space, an escape in a key, another key, a value to convert, a fault) makes a shortcut return
//! nothing, and the walk goes on from where it was: errors and their places are always the walk's. What shortcuts predict
//! from is one struct, `learned::Learned`. A prediction may be wrong without harm, because it is compared with the text.
//! From the outside in:
//!
//! 1. *Line prefixes* (`protocol::prefix`, before the row begins). Lines begin as earlier ones did, so that only the
//!    object and its time are read, and the object's end is guessed. The guess is verified by the walk, which reads the
//!    object to its end: `Record::read_with`.
//! 2. *Verbatim members* (`verbatim_members` in `walk::object`): the walk's tight loop over members with the predicted
//!    key, in order, whose value is verbatim (`verbatim`), null, or a timestamp. They are copied in runs (`splice`).
//! 3. *Verbatim objects* (`verbatim::object`): a struct that is verbatim as a whole is one value of the loop.
//! 4. *Keys as numbers* (`plan::Token`): a predicted key is compared as one number of 16 bytes.
//! 5. *Recorded ranges* (`Prediction::recorded`): after members came out of order, it is recorded for a while where each is
//!    written, so that a record like that is not walked through twice.
//!
//! What they are worth, each switched off in a build of its own: instructions for a record of 470 bytes and 11 columns,
//! counted by callgrind from reading to writing without compression.
//!
//! | build | instructions a record | more |
//! | --- | --- | --- |
//! | all | 4,245 | |
//! | without line prefixes | 7,166 | 69 % |
//! | without verbatim members | 6,200 | 46 % |
//! | without verbatim objects | 5,184 | 22 % |
//! | without keys as numbers | 4,536 | 7 % |
//! | without any, nor dates read eight bytes at once | 9,596 | 126 % |
//!
//! Dates read eight bytes at once were worth 3 % and were removed. Keys as numbers stay for the records of the benchmark,
//! whose rows take 3 % less time by them; with 1,000 short columns they save 10 % of the instructions and no time.
//!
//! `tests::laws` holds all of this: rows of generated records are compared with those of a slow encoder, errors with
//! those of a plan that no shortcut fits, and each after records of other shapes.

mod encoder;
mod filled;
mod learned;
mod metadata;
mod misfit;
pub(crate) mod partition;
mod plan;
mod splice;
mod verbatim;
mod walk;

#[cfg(test)]
mod tests;

use crate::schema::{Field, Type};

pub(crate) use encoder::{Plan, RowEncoder};

/// The columns of a table beyond those of its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExtraColumns {
    /// The name of the rescue column; without one, misfits are only counted.
    pub(crate) rescued: Option<String>,
    /// The constants of Airbyte's own columns; without them there are none.
    pub(crate) metadata: Option<Metadata>,
}

/// The values of Airbyte's columns that are the same in all rows of a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) generation_id: Option<i64>,
    pub(crate) sync_id: Option<i64>,
}

/// The part of a record's message that Airbyte's columns are filled from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordMetadata<'a> {
    /// Milliseconds since 1970.
    pub(crate) emitted_at: Option<i64>,
    /// The JSON text of the changes that were made to the record before it got here (`meta.changes`), an array.
    pub(crate) changes: Option<&'a [u8]>,
}

impl ExtraColumns {
    /// The columns beyond the stream's own, in their order; to be declared in every table.
    pub(crate) fn extra_fields(&self) -> Vec<Field> {
        let mut fields = match &self.metadata {
            Some(_) => metadata::fields(),
            None => Vec::new(),
        };
        if let Some(name) = &self.rescued {
            fields.push(metadata::field(name, Type::String));
        }
        fields
    }
}

/// The heading under which [`RowEncoder::misfits`] counts members that the schema does not know.
pub(crate) const UNKNOWN_FIELDS: &str = "fields that the schema does not know";
