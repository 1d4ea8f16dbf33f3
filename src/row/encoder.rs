//! The encoder of a stream's rows: a plan, and what its records taught and counted.

use crate::error::Result;
use crate::json::scan::{ReadToEnd, Scanner};
use crate::row::filled::FilledCounts;
use crate::row::learned::Learned;
use crate::row::metadata::{MetadataPlan, MetadataWriter, Random};
use crate::row::misfit::{self, MisfitCounts};
use crate::row::plan::{ObjectPlan, StepCounts, UNKNOWN, token};
use crate::row::splice::{Separator, Splice};
use crate::row::walk::{Scratch, Walker};
use crate::row::{ExtraColumns, RecordMetadata, UNKNOWN_FIELDS};
use crate::schema::Field;

/// How the records of one stream become rows. It never changes.
pub(crate) struct Plan {
    record: ObjectPlan,
    /// The rescue column as it begins a member: `"_rescued_data":`.
    rescue: Option<Box<[u8]>>,
    metadata: Option<MetadataPlan>,
    objects: StepCounts,
}

impl Plan {
    /// Compiles the plan for the columns of a table. Of columns with one key, a value goes to the first that can hold it. A column with the
    /// name of an extra one is that one, and is not filled from records.
    pub(crate) fn compile(fields: &[Field], options: &ExtraColumns) -> Self {
        let extra = options.extra_fields();
        let own = |field: &&Field| !extra.iter().any(|extra| extra.name == field.name);
        let mut objects = StepCounts::default();
        let metadata = options.metadata.as_ref();
        Self {
            record: ObjectPlan::compile(fields.iter().filter(own), 0, &mut objects),
            rescue: options.rescued.as_deref().map(token),
            metadata: metadata.map(|metadata| MetadataPlan::compile(metadata, &mut objects)),
            objects,
        }
    }
}

/// A member of the last record that its row lacks, or lacks a part of.
pub(crate) struct LastMisfit<'a> {
    /// In its quotes.
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Whether there is a column for the key.
    pub(crate) has_column: bool,
}

/// Writes the rows of one stream.
pub(crate) struct RowEncoder {
    plan: Plan,
    learned: Learned,
    misfits: MisfitCounts,
    filled: FilledCounts,
    random: Random,
    scratch: Scratch,
}

impl RowEncoder {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            learned: Learned::nothing(&plan.objects),
            misfits: MisfitCounts::new(plan.record.steps.len()),
            filled: FilledCounts::new(plan.record.steps.len()),
            random: Random::default(),
            scratch: Scratch::default(),
            plan,
        }
    }

    /// Appends one row and a line feed; on an error `out` is as it was. `data` is the JSON text of the record, an
    /// object.
    pub(crate) fn encode(
        &mut self,
        data: &[u8],
        envelope: &RecordMetadata<'_>,
        out: &mut Vec<u8>,
    ) -> Result<ReadToEnd> {
        let before = out.len();
        let done = self.row(data, envelope, out);
        if done.is_err() {
            out.truncate(before);
        }
        done
    }

    /// The number of misfits by column, for the columns that had any.
    pub(crate) fn misfits(&self) -> Vec<(String, u64)> {
        let steps = self.plan.record.steps.iter().zip(&self.misfits.by_step);
        steps
            .map(|(step, count)| (step.column.clone(), *count))
            .chain([(UNKNOWN_FIELDS.into(), self.misfits.unknown)])
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Whether the last row lacks something of its record.
    #[inline]
    pub(crate) fn has_misfits(&self) -> bool {
        !self.scratch.misfits.is_empty()
    }

    /// What the last row lacks of its record: the key of each member, in its quotes, and the value.
    pub(crate) fn last_misfits<'a>(
        &'a self,
        record: &'a [u8],
    ) -> impl Iterator<Item = LastMisfit<'a>> {
        self.scratch.misfits.iter().map(|misfit| LastMisfit {
            key: &record[misfit.key.0..misfit.key.1],
            value: &record[misfit.value.0..misfit.value.1],
            has_column: misfit.step != UNKNOWN,
        })
    }

    /// The last row is not used: what it has and what it lacks does not count.
    pub(crate) fn discount(&mut self, record: &[u8]) {
        for misfit in &self.scratch.misfits {
            self.misfits.take_back(misfit, record);
        }
        self.filled.take_back(&self.scratch.lacked);
    }

    /// The number of rows that have a value, by column.
    pub(crate) fn filled(&self) -> Vec<(String, u64)> {
        let variants = self.plan.record.variants();
        let (of_steps, of_variants) = self.filled.counts(variants.len());
        let steps = self.plan.record.steps.iter();
        let names = steps.map(|step| step.column.as_str()).chain(variants);
        names
            .map(str::to_owned)
            .zip(of_steps.into_iter().chain(of_variants))
            .collect()
    }

    fn row(
        &mut self,
        data: &[u8],
        envelope: &RecordMetadata<'_>,
        out: &mut Vec<u8>,
    ) -> Result<ReadToEnd> {
        let (mut separator, end) = self.record(data, out)?;
        self.filled.add(&self.scratch.lacked);
        let misfits = &mut self.scratch.misfits;
        if !misfits.is_empty() {
            misfit::dedup(misfits, data);
            for misfit in &*misfits {
                self.misfits.add(misfit, data);
            }
        }
        if let Some(plan) = &self.plan.metadata {
            if separator == Separator::Comma {
                out.push(b',');
            }
            let mut writer = MetadataWriter {
                plan,
                learned: &mut self.learned,
                random: &mut self.random,
            };
            writer.write(envelope, data, misfits, out)?;
            separator = Separator::Comma;
        }
        if let Some(name) = &self.plan.rescue
            && !misfits.is_empty()
        {
            if separator == Separator::Comma {
                out.push(b',');
            }
            out.extend_from_slice(name);
            misfit::rescue(misfits, data, out);
        }
        out.extend_from_slice(b"}\n");
        Ok(end)
    }

    /// Writes an opening brace and the members of the row that the record fills; returns what separates a further one.
    fn record(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(Separator, ReadToEnd)> {
        self.scratch.clear();
        let mut walker = Walker {
            scan: Scanner::new(data),
            row: Splice::new(data, out),
            learned: &mut self.learned,
            scratch: &mut self.scratch,
        };
        let done = walker.record(&self.plan.record);
        done.map_err(|fault| walker.scan.error(fault))
    }
}
