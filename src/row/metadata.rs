//! Airbyte's own columns: `_airbyte_raw_id`, `_airbyte_extracted_at`, `_airbyte_generation_id`, `_airbyte_meta`.
//! <https://docs.airbyte.com/understanding-airbyte/airbyte-metadata-fields>

use crate::error::{Error, Result};
use crate::json::scan::Scanner;
use crate::row::calendar::Moment;
use crate::row::encode::{Encoder, Missed, Scratch, UNKNOWN};
use crate::row::splice::Splice;
use crate::row::step::Form;
use crate::row::{Envelope, Metadata};
use crate::schema::{Field, Type, Width};

/// How many random bytes are fetched at once: one system call for 64 rows.
const AHEAD: usize = 1024;

/// The columns, in their order.
pub(super) fn fields() -> Vec<Field> {
    let text = |name| field(name, Type::String);
    let change = Type::Struct(vec![text("field"), text("change"), text("reason")]);
    let meta = Type::Struct(vec![
        field("sync_id", Type::Integer(Width::SixtyFour)),
        field("changes", Type::Array(Box::new(change))),
    ]);
    vec![
        text("_airbyte_raw_id"),
        field("_airbyte_extracted_at", Type::Timestamp),
        field("_airbyte_generation_id", Type::Integer(Width::SixtyFour)),
        field("_airbyte_meta", meta),
    ]
}

pub(super) fn field(name: &str, of: Type) -> Field {
    Field {
        key: name.into(),
        name: name.into(),
        of,
    }
}

/// Writes the columns; one for each stream.
pub(super) struct Writer {
    /// `"_airbyte_generation_id":3`, or nothing.
    generation_id: Vec<u8>,
    /// `"sync_id":7,`, or nothing.
    sync_id: Vec<u8>,
    /// The form of `changes`.
    changes: Form,
    random: Random,
}

impl Writer {
    pub(super) fn new(metadata: &Metadata) -> Self {
        let number = |head: &str, id: Option<i64>, tail: &str| {
            id.map_or(Vec::new(), |id| format!("{head}{id}{tail}").into_bytes())
        };
        let changes = fields().into_iter().find_map(|field| match field.of {
            Type::Struct(meta) => meta.into_iter().nth(1),
            _ => None,
        });
        Self {
            generation_id: number("\"_airbyte_generation_id\":", metadata.generation_id, ","),
            sync_id: number("\"sync_id\":", metadata.sync_id, ","),
            changes: changes.map_or(Form::Foreign, |changes| Form::compile(&changes.of, 0)),
            random: Random {
                bytes: Box::new([0; AHEAD]),
                used: AHEAD,
            },
        }
    }

    /// Appends the columns, without a comma before or behind them.
    pub(super) fn write(
        &mut self,
        envelope: &Envelope<'_>,
        record: &[u8],
        missed: &[Missed],
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
        out.extend_from_slice(&self.generation_id);
        out.extend_from_slice(b"\"_airbyte_meta\":{");
        out.extend_from_slice(&self.sync_id);
        out.extend_from_slice(b"\"changes\":[");
        let mut any = false;
        if let Some(changes) = envelope.changes {
            any = self.upstream(changes, out)?;
        }
        for member in missed.iter().filter(|member| member.step != UNKNOWN) {
            out.extend_from_slice(if any { b",{\"field\":" } else { b"{\"field\":" });
            any = true;
            out.extend_from_slice(&record[member.key.0..member.key.1]);
            out.extend_from_slice(
                b",\"change\":\"NULLED\",\"reason\":\"DESTINATION_SERIALIZATION_ERROR\"}",
            );
        }
        out.extend_from_slice(b"]}");
        Ok(())
    }

    /// Appends the elements of the changes that came with the record; says whether there were any.
    fn upstream(&mut self, changes: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let from = out.len();
        let mut encoder = Encoder {
            scan: Scanner::new(changes),
            row: Splice::new(changes, out),
            scratch: &mut Scratch::default(),
        };
        encoder.scan.space();
        if encoder.scan.peek() == b'[' {
            let done = encoder.value(&mut self.changes);
            done.map_err(|fault| encoder.scan.error(fault))?;
            encoder.row.out();
            out.remove(from);
            out.pop();
        }
        Ok(out.len() > from)
    }
}

/// Random bytes, fetched ahead.
struct Random {
    bytes: Box<[u8; AHEAD]>,
    used: usize,
}

impl Random {
    /// Appends a UUID of version 4 (RFC 9562, section 5.4).
    fn uuid(&mut self, out: &mut Vec<u8>) -> Result<()> {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        if self.used == AHEAD {
            getrandom::fill(&mut self.bytes[..])
                .map_err(|error| Error::system("the system gave no random bytes").because(error))?;
            self.used = 0;
        }
        let bytes = &mut self.bytes[self.used..self.used + 16];
        self.used += 16;
        bytes[6] = 0x40 | (bytes[6] & 0x0F);
        bytes[8] = 0x80 | (bytes[8] & 0x3F);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.push(b'-');
            }
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
        Ok(())
    }
}
