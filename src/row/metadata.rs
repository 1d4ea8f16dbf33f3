//! Airbyte's own columns: `_airbyte_raw_id`, `_airbyte_extracted_at`, `_airbyte_generation_id`, `_airbyte_meta`.
//! <https://docs.airbyte.com/understanding-airbyte/airbyte-metadata-fields>

use crate::error::{Error, Result};
use crate::json::scan::Scanner;
use crate::row::learned::Learned;
use crate::row::misfit::Misfit;
use crate::row::plan::{StepCounts, UNKNOWN, ValuePlan};
use crate::row::splice::Splice;
use crate::row::walk::{Scratch, Walker};
use crate::row::{Metadata, RecordMetadata};
use crate::schema::{Field, Type, Width};
use crate::text::hex_digits;
use crate::time::calendar::Moment;

/// How many random bytes are fetched at once: one system call for 64 rows.
const AHEAD: usize = 1024;

/// The columns, in their order.
pub(super) fn fields() -> Vec<Field> {
    let meta = Type::Struct(vec![
        field("sync_id", Type::Integer(Width::SixtyFour)),
        field("changes", Type::Array(Box::new(change()))),
    ]);
    vec![
        field("_airbyte_raw_id", Type::String),
        field("_airbyte_extracted_at", Type::Timestamp),
        field("_airbyte_generation_id", Type::Integer(Width::SixtyFour)),
        field("_airbyte_meta", meta),
    ]
}

/// One of the changes in `_airbyte_meta`.
fn change() -> Type {
    let text = |name| field(name, Type::String);
    Type::Struct(vec![text("field"), text("change"), text("reason")])
}

pub(super) fn field(name: &str, data_type: Type) -> Field {
    Field {
        key: name.into(),
        name: name.into(),
        data_type,
    }
}

/// What is the same in the columns of all rows.
pub(super) struct MetadataPlan {
    /// `"_airbyte_generation_id":3,`, or nothing.
    generation_id: Vec<u8>,
    /// `"sync_id":7,`, or nothing.
    sync_id: Vec<u8>,
    /// The array of changes.
    changes: ValuePlan,
}

impl MetadataPlan {
    pub(super) fn compile(metadata: &Metadata, objects: &mut StepCounts) -> Self {
        let member = |name: &str, id: Option<i64>| {
            id.map_or(Vec::new(), |id| format!("\"{name}\":{id},").into_bytes())
        };
        let changes = Type::Array(Box::new(change()));
        Self {
            generation_id: member("_airbyte_generation_id", metadata.generation_id),
            sync_id: member("sync_id", metadata.sync_id),
            changes: ValuePlan::compile(&changes, 0, objects),
        }
    }
}

/// Writes the columns.
pub(super) struct MetadataWriter<'a> {
    pub(super) plan: &'a MetadataPlan,
    pub(super) learned: &'a mut Learned,
    pub(super) random: &'a mut Random,
}

impl MetadataWriter<'_> {
    /// Appends the columns, without a comma before or after them.
    pub(super) fn write(
        &mut self,
        envelope: &RecordMetadata<'_>,
        record: &[u8],
        misfits: &[Misfit],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        out.extend_from_slice(b"\"_airbyte_raw_id\":\"");
        self.random.uuid(out)?;
        out.extend_from_slice(b"\",");
        if let Some(time) = envelope.emitted_at.and_then(Moment::from_millis) {
            out.extend_from_slice(b"\"_airbyte_extracted_at\":");
            out.extend_from_slice(time.timestamp().as_bytes());
            out.push(b',');
        }
        out.extend_from_slice(&self.plan.generation_id);
        out.extend_from_slice(b"\"_airbyte_meta\":{");
        out.extend_from_slice(&self.plan.sync_id);
        out.extend_from_slice(b"\"changes\":[");
        let before = out.len();
        if let Some(changes) = envelope.changes {
            self.upstream(changes, out)?;
        }
        for misfit in misfits.iter().filter(|misfit| misfit.step != UNKNOWN) {
            if out.len() > before {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"field\":");
            out.extend_from_slice(&record[misfit.key.0..misfit.key.1]);
            out.extend_from_slice(
                b",\"change\":\"NULLED\",\"reason\":\"DESTINATION_SERIALIZATION_ERROR\"}",
            );
        }
        out.extend_from_slice(b"]}");
        Ok(())
    }

    /// Appends the elements of the changes that the record's message lists.
    fn upstream(&mut self, changes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let from = out.len();
        let mut walker = Walker {
            scan: Scanner::new(changes),
            row: Splice::new(changes, out),
            learned: self.learned,
            scratch: &mut Scratch::default(),
        };
        walker.scan.space();
        if walker.scan.peek() == b'[' {
            let done = walker.value(&self.plan.changes);
            done.map_err(|fault| walker.scan.error(fault))?;
            walker.row.out();
            out.remove(from);
            out.pop();
        }
        Ok(())
    }
}

/// Random bytes, fetched ahead.
#[derive(Default)]
pub(super) struct Random {
    bytes: Vec<u8>,
    used: usize,
}

impl Random {
    /// Appends a UUID of version 4 (RFC 9562, section 5.4).
    fn uuid(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.used == self.bytes.len() {
            self.bytes.resize(AHEAD, 0);
            getrandom::fill(&mut self.bytes)
                .map_err(|error| Error::system("the system gave no random bytes").because(error))?;
            self.used = 0;
        }
        let bytes = &mut self.bytes[self.used..self.used + 16];
        self.used += 16;
        bytes[6] = 0x40 | (bytes[6] & 0x0F);
        bytes[8] = 0x80 | (bytes[8] & 0x3F);
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in bytes.iter().enumerate() {
            at += usize::from(matches!(index, 4 | 6 | 8 | 10));
            text[at..at + 2].copy_from_slice(&hex_digits(*byte));
            at += 2;
        }
        out.extend_from_slice(&text);
        Ok(())
    }
}
