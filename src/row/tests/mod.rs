//! Rows, held to examples, to laws and to a slow encoder that does the same in an obvious way.

mod cases;
mod columns;
mod laws;
mod reference;
mod tree;

use crate::row::{ExtraColumns, Plan, RecordMetadata, RowEncoder};
use crate::schema::{Field, Type};

/// With a rescue column and without Airbyte's.
fn options() -> ExtraColumns {
    ExtraColumns {
        rescued: Some("_rescued_data".into()),
        metadata: None,
    }
}

fn field(name: &str, data_type: Type) -> Field {
    Field {
        key: name.into(),
        name: name.into(),
        data_type,
    }
}

fn compile(fields: &[Field], options: &ExtraColumns) -> RowEncoder {
    RowEncoder::new(Plan::compile(fields, options))
}

/// The row without its line feed, or the error's text.
#[track_caller]
fn encode(encoder: &mut RowEncoder, record: &[u8]) -> Result<String, String> {
    let mut out = b"before".to_vec();
    let done = encoder.encode(record, &RecordMetadata::default(), &mut out);
    let written = out.strip_prefix(b"before").expect("the rows before stay");
    match done {
        Ok(_) => {
            let row = written.strip_suffix(b"\n").expect("a row ends its line");
            Ok(std::str::from_utf8(row).expect("a row is UTF-8").into())
        }
        Err(error) => {
            assert!(written.is_empty(), "an error left part of a row");
            Err(error.to_string())
        }
    }
}
