//! The functions that benches and fuzz targets may call; everything else of the program is private.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use serde_json::Value;

use crate::aws::identity::Identity;
use crate::aws::sigv4::{self, CredentialScope, Dialect, Unsigned};
use crate::error::Result;
use crate::file::{FileWriter, PageCodec};
use crate::input::{Event, Lines, Stdout};
use crate::protocol::message::{self, Message};
use crate::row::{ExtraColumns, Metadata, Plan, RecordMetadata, RowEncoder};
use crate::schema::{Field, Numbers, hive, read};
use crate::secret::Secret;
use crate::time::{Clock, Millis};

/// Turns lines of stdin into rows, for one stream.
pub struct Rows {
    messages: MessageLines,
    encoder: RowEncoder,
}

impl Rows {
    /// Takes a stream's JSON schema; adds the rescue column, and Airbyte's columns if `metadata` is set.
    pub fn new(json_schema: &Value, metadata: bool) -> Self {
        let options = ExtraColumns {
            rescued: Some("_rescued_data".into()),
            metadata: metadata.then(Metadata::default),
        };
        let schema = read(json_schema, Numbers::Double, &["_rescued_data"]);
        Self {
            messages: MessageLines::default(),
            encoder: RowEncoder::new(Plan::compile(&schema.fields, &options)),
        }
    }

    /// Appends the row of a RECORD message, and nothing for another one; or returns the error's text.
    pub fn message(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let read = self.messages.0.read(line);
        let Message::Record(record) = read.map_err(|error| error.to_string())? else {
            return Ok(());
        };
        let done = record.read_with(|record| {
            let envelope = RecordMetadata {
                emitted_at: record.emitted_at,
                changes: record.changes,
            };
            Ok(((), self.encoder.encode(record.data, &envelope, out)?))
        });
        done.map_err(|error| error.to_string())
    }

    /// Appends the row of a bare record, or returns the error's text.
    pub fn record(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let done = self.encoder.encode(data, &RecordMetadata::default(), out);
        done.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// The texts that `load` takes an input for, which arrives in pieces of so many bytes: objects, and others; or the error.
/// The input is shorter than a pipe.
pub fn objects(input: &[u8], piece: usize) -> Result<Vec<(bool, Vec<u8>)>, String> {
    let text = |error: std::io::Error| error.to_string();
    let (reader, writer) = std::io::pipe().map_err(text)?;
    let mut writer = Some(writer);
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let lines = Lines::files(vec![path.into()], 1 << 20, Stdout::Unused, Clock::System);
    let mut lines = lines.map_err(|error| error.to_string())?.objects();
    let mut pieces = input.chunks(piece);
    let mut found = Vec::new();
    loop {
        let now = Some(Clock::System.instant());
        match lines.next(|| now).map_err(|error| error.to_string())? {
            Event::Line { text, .. } => {
                let text = text.to_owned();
                if lines.is_object() {
                    found.push((true, text));
                } else if let Some(bad) = lines.reject() {
                    found.push((false, bad.text.to_owned()));
                }
            }
            Event::Deadline => match (pieces.next(), &mut writer) {
                (Some(piece), Some(writer)) => writer.write_all(piece).map_err(text)?,
                _ => writer = None,
            },
            _ => return Ok(found),
        }
    }
}

/// The columns of a stream's JSON schema: names and the catalog's type strings.
pub fn columns(json_schema: &Value) -> Vec<(String, String)> {
    let fields = read(json_schema, Numbers::Double, &["_rescued_data"]).fields;
    let column = |field: Field| (field.name, field.data_type.to_string());
    fields.into_iter().map(column).collect()
}

/// A type string of the catalog, read and written again.
pub fn reread(data_type: &str) -> String {
    hive::parse(data_type).to_string()
}

pub use crate::file::Limits as ParquetLimits;

/// A Parquet file that takes rows, and can be split where it was cut last.
pub struct ParquetWriter {
    file: FileWriter,
    /// The bytes of the open file.
    open: Vec<u8>,
    /// Where it was cut; nothing where that is in the open row group.
    cut: Option<usize>,
}

impl ParquetWriter {
    /// Takes names and the catalog's types of the columns. A codec that is none of Parquet's is UNCOMPRESSED.
    pub fn new(columns: &[(String, String)], codec: &str, limits: ParquetLimits) -> Self {
        let field = |(name, of): &(String, String)| Field {
            key: name.clone(),
            name: name.clone(),
            data_type: hive::parse(of),
        };
        let codec = match codec {
            "SNAPPY" => PageCodec::Snappy,
            "GZIP" => PageCodec::Gzip,
            "ZSTD" => PageCodec::Zstd,
            _ => PageCodec::Plain,
        };
        let columns: Rc<[Field]> = columns.iter().map(field).collect();
        Self {
            file: FileWriter::parquet_within(codec, limits, &columns),
            open: Vec::new(),
            cut: Some(0),
        }
    }

    /// Adds rows to the open row group.
    ///
    /// # Panics
    /// Where they are not what the row encoder writes.
    pub fn write(&mut self, rows: &[u8]) {
        self.file.write(rows, &mut self.open);
        assert!(!self.file.is_faulty(), "rows that the encoder never writes");
    }

    /// Marks the place after the last row.
    pub fn cut(&mut self) {
        self.file.cut();
        self.cut = (!self.file.holds_rows()).then_some(self.open.len());
    }

    /// Closes the open row group, up to the mark where that is inside of it.
    pub fn close_group(&mut self) {
        self.file.close_group();
        while self.file.append(&mut self.open) {}
        self.cut.get_or_insert(self.open.len());
    }

    /// Splits the file at the mark, before which there must be rows: returns the first.
    pub fn split(&mut self) -> Vec<u8> {
        if self.cut.is_none() {
            self.close_group();
        }
        let cut = self.cut.replace(0).unwrap_or_default();
        let rest = self.open.split_off(cut);
        let seam = self.file.split();
        let beginning = [seam.beginning, rest].concat();
        [std::mem::replace(&mut self.open, beginning), seam.ending].concat()
    }

    /// Ends the file.
    pub fn finish(mut self) -> Vec<u8> {
        self.file.end(&mut self.open);
        self.open
    }
}

/// Lines of stdin, one after the other.
#[derive(Default)]
pub struct MessageLines(message::MessageReader);

impl MessageLines {
    /// Whether the line is a RECORD message, or the error's text.
    pub fn is_record(&mut self, line: &[u8]) -> Result<bool, String> {
        let read = self.0.read(line).map_err(|error| error.to_string())?;
        Ok(matches!(read, Message::Record(_)))
    }
}

/// The signature's header of an upload's part.
pub fn sign(body: &[u8]) -> String {
    let identity = Identity {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        session_token: None,
        expires: None,
    };
    let scope = CredentialScope {
        time: Millis(1_795_337_200_000),
        region: "eu-central-1",
        service: "s3",
    };
    let headers = [(
        "host".to_owned(),
        "lake.s3.eu-central-1.amazonaws.com".to_owned(),
    )];
    let request = Unsigned {
        method: "PUT",
        path: "/raw/shop/orders/g1/20261122T090000000Z-123456789012-000001.jsonl.gz",
        query: "partNumber=1&uploadId=upload",
        headers: &headers,
        body,
    };
    let added = sigv4::sign(Dialect::S3, &scope, &identity, &request);
    added.into_iter().map(|(_, value)| value).collect()
}
