//! Rows: a plan compiled from the columns, run over the bytes of each record.
//!
//! A row holds, under the catalog's names and in their order, what every query engine reads the same way:
//!
//! - A null or missing value is left out. A record with nothing to write is `{}`.
//! - A value is converted where nothing is lost by it: numbers in strings, `1e3` under an integer type, a
//!   time with an offset, anything under `string`. Numbers keep their digits, strings their bytes.
//! - Any other value is null in the row (inside a struct or an array: that field or element is), and the
//!   row's rescue column holds the member of the record that it belongs to, whole and as it came. So does it
//!   for members that the schema does not know, and for those with such ones inside. Nulls are not rescued.
//!   A column that is rescued for something inside of it still has the rest.
//! - Of members with one key the last counts. Inside of a struct every one counts for the rescue.
//!
//! Keys are compared exactly, by the characters that they stand for.

mod calendar;
mod encode;
mod members;
mod metadata;
mod order;
mod rescue;
mod splice;
mod step;
mod value;
mod verbatim;

#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::json::scan::Scanner;
use crate::row::encode::{Encoder, Scratch};
use crate::row::metadata::Writer;
use crate::row::splice::Splice;
use crate::row::step::Members;
use crate::schema::{Field, Type};

/// What a table has beyond the columns of its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The name of the rescue column; without one, values that do not fit are null and counted.
    pub(crate) rescued: Option<String>,
    /// Airbyte's own columns; without it there are none.
    pub(crate) metadata: Option<Metadata>,
}

/// What Airbyte's columns say that is the same in all rows of a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) generation_id: Option<i64>,
    pub(crate) sync_id: Option<i64>,
}

/// What came with a record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Envelope<'a> {
    /// Milliseconds since 1970.
    pub(crate) emitted_at: Option<i64>,
    /// The JSON text of the changes that were made to the record on its way (`meta.changes`), an array.
    pub(crate) changes: Option<&'a [u8]>,
}

impl Options {
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

/// The heading under which [`Plan::rescued`] counts members that the schema does not know.
pub(crate) const UNKNOWN_FIELDS: &str = "fields that the schema does not know";

/// How the records of one stream become rows.
pub(crate) struct Plan {
    members: Members,
    /// `"_rescued_data":`
    rescued: Option<Box<[u8]>>,
    metadata: Option<Writer>,
    scratch: Scratch,
    /// How many members the schema did not know.
    unknown: u64,
}

impl Plan {
    /// For the columns of a table. Of two with one key the first is filled. A column whose name is that of
    /// an extra one is that one and is not filled from records.
    pub(crate) fn compile(fields: &[Field], options: &Options) -> Self {
        let extra = options.extra_fields();
        let own = |field: &&Field| !extra.iter().any(|extra| extra.name == field.name);
        Self {
            members: Members::compile(fields.iter().filter(own)),
            rescued: options.rescued.as_deref().map(step::token),
            metadata: options.metadata.as_ref().map(Writer::new),
            scratch: Scratch::default(),
            unknown: 0,
        }
    }

    /// Appends one row and a line feed; on an error `out` is as it was. `data` is the JSON text of the
    /// record: an object, or null for an empty one.
    pub(crate) fn encode(
        &mut self,
        data: &[u8],
        envelope: &Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let base = out.len();
        let done = self.row(data, envelope, out);
        if done.is_err() {
            out.truncate(base);
        }
        done
    }

    /// For each column with values that did not fit, how many there were.
    pub(crate) fn rescued(&self) -> Vec<(String, u64)> {
        let steps = self.members.steps.iter();
        steps
            .map(|step| (step.column.clone(), step.misfits))
            .chain([(UNKNOWN_FIELDS.into(), self.unknown)])
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    fn row(&mut self, data: &[u8], envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<()> {
        let mut any = self.record(data, out)?;
        let missed = &mut self.scratch.missed;
        if !missed.is_empty() {
            rescue::settle(missed, data);
            for member in &*missed {
                match self.members.steps.get_mut(member.step as usize) {
                    Some(step) => step.misfits += 1,
                    None => self.unknown += 1,
                }
            }
        }
        if let Some(writer) = &mut self.metadata {
            if any {
                out.push(b',');
            }
            writer.write(envelope, data, missed, out)?;
            any = true;
        }
        if let Some(name) = &self.rescued
            && !missed.is_empty()
        {
            if any {
                out.push(b',');
            }
            out.extend_from_slice(name);
            rescue::write(missed, data, out);
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    /// Writes the members of the row behind an opening brace; says whether there are any.
    fn record(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        self.scratch.clear();
        let mut encoder = Encoder {
            scan: Scanner::new(data),
            row: Splice::new(data, out),
            scratch: &mut self.scratch,
        };
        let any = encoder.record(&mut self.members);
        any.map_err(|fault| encoder.scan.error(fault))
    }
}
