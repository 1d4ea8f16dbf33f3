//! What benches and fuzz targets may reach: the one door to the inside, a few narrow functions.

use serde_json::Value;

use crate::error::Result;
use crate::protocol::message::{self, Message, Record};
use crate::row::{Envelope, Metadata, Options, Plan};
use crate::schema::{Field, Numbers, hive, read};

/// The way of a line of stdin to its row, for one stream.
pub struct Rows(Plan);

impl Rows {
    /// For a stream's JSON schema, with the rescue column, and Airbyte's columns where they are asked for.
    pub fn new(json_schema: &Value, metadata: bool) -> Self {
        let options = Options {
            rescued: Some("_rescued_data".into()),
            metadata: metadata.then(Metadata::default),
        };
        let schema = read(json_schema, Numbers::Double, &["_rescued_data"]);
        Self(Plan::compile(&schema.fields, &options))
    }

    /// Appends the row of a RECORD message, and nothing for another one; the error's text.
    pub fn message(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let Message::Record(record) = message::read(line).map_err(|error| error.to_string())?
        else {
            return Ok(());
        };
        let encode = |plan: &mut Plan, record: &Record<'_>, out: &mut Vec<u8>| {
            let envelope = Envelope {
                emitted_at: record.emitted_at,
                changes: record.changes,
            };
            plan.encode(record.data, &envelope, out)
        };
        let done = encode(&mut self.0, &record, out).or_else(|error| match record.again()? {
            Some(exact) => encode(&mut self.0, &exact, out),
            None => Err(error),
        });
        done.map_err(|error| error.to_string())
    }

    /// Appends the row of a bare record; the error's text.
    pub fn record(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let done = self.0.encode(data, &Envelope::default(), out);
        done.map_err(|error| error.to_string())
    }
}

/// The columns of a stream's JSON schema: names and the catalog's type strings.
pub fn columns(json_schema: &Value) -> Vec<(String, String)> {
    let fields = read(json_schema, Numbers::Double, &["_rescued_data"]).fields;
    let column = |field: Field| (field.name, field.of.to_string());
    fields.into_iter().map(column).collect()
}

/// A type string of the catalog, read and written again.
pub fn reread(of: &str) -> String {
    hive::parse(of).to_string()
}
