//! Singer's messages: <https://hub.meltano.com/singer/spec>.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::time::Millis;

/// A message, borrowed from its line.
#[derive(Debug)]
pub(crate) enum SingerMessage<'a> {
    Record(SingerRecord<'a>),
    /// The schema of the stream's following records.
    Schema {
        stream: Cow<'a, str>,
        schema: Value,
    },
    /// The JSON text of a state's value, which a target prints.
    State(&'a [u8]),
    /// This version of the stream is complete: rows of older versions are to be removed.
    ActivateVersion {
        stream: Cow<'a, str>,
        version: i64,
    },
}

/// A record, with its object still as JSON text.
#[derive(Debug)]
pub(crate) struct SingerRecord<'a> {
    pub(crate) stream: Cow<'a, str>,
    pub(crate) data: &'a [u8],
    pub(crate) version: Option<i64>,
    /// Milliseconds since 1970.
    pub(crate) extracted_at: Option<i64>,
}

#[derive(Deserialize)]
struct SingerEnvelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    /// Deserialized so that null is a value: a state may be null.
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    time_extracted: Option<Cow<'a, str>>,
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Parses one line, which is not blank and has no line end. Errors name the column and what was expected, never data.
pub(crate) fn read(line: &[u8]) -> Result<SingerMessage<'_>> {
    let message: SingerEnvelope<'_> =
        serde_json::from_slice(line).map_err(|error| malformed(&error))?;
    let version = version(message.version)?;
    let stream = |kind: &str| {
        let named = message.stream.clone().filter(|stream| !stream.is_empty());
        named.ok_or_else(|| missing(kind, "stream"))
    };
    match message.kind.as_ref() {
        "RECORD" => Ok(SingerMessage::Record(SingerRecord {
            stream: stream("RECORD")?,
            data: message
                .record
                .ok_or_else(|| missing("RECORD", "record"))?
                .get()
                .as_bytes(),
            version,
            extracted_at: message
                .time_extracted
                .and_then(|time| Millis::from_iso(&time))
                .map(|time| time.0),
        })),
        "SCHEMA" => {
            let schema = message.schema.ok_or_else(|| missing("SCHEMA", "schema"))?;
            Ok(SingerMessage::Schema {
                stream: stream("SCHEMA")?,
                schema: serde_json::from_str(schema.get()).map_err(|error| malformed(&error))?,
            })
        }
        "STATE" => Ok(SingerMessage::State(
            message
                .value
                .ok_or_else(|| missing("STATE", "value"))?
                .get()
                .as_bytes(),
        )),
        "ACTIVATE_VERSION" => Ok(SingerMessage::ActivateVersion {
            stream: stream("ACTIVATE_VERSION")?,
            version: version.ok_or_else(|| missing("ACTIVATE_VERSION", "version"))?,
        }),
        // It names files with records: skipping it would lose them.
        "BATCH" => Err(Error::config(
            "expected records, found a BATCH message, which names files of records",
        )
        .hint("disable batches in the tap (remove batch_config)")),
        _ => Err(Error::system(
            "unknown message type; expected RECORD, SCHEMA, STATE or ACTIVATE_VERSION",
        )),
    }
}

/// Parses a version, which is a generation id and so a whole number from 0 on.
fn version(version: Option<&RawValue>) -> Result<Option<i64>> {
    match version.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(version) if version >= 0 => Ok(Some(version)),
            _ => Err(Error::system(
                "version: expected milliseconds since 1970 as a whole number, found another value",
            )),
        },
    }
}

fn missing(kind: &str, key: &str) -> Error {
    Error::system(format!("a {kind} message without the key {key:?}"))
}

/// serde_json's own text may quote values, so only its category and column are reported.
fn malformed(error: &serde_json::Error) -> Error {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "the line is truncated",
        Category::Data => {
            "the line is JSON, but not a Singer message: a key is missing, duplicated, or of another type"
        }
        _ => "the line is not valid JSON",
    };
    Error::system(format!("{what} (column {})", error.column())).hint(
        "expected one JSON object per line, such as {\"type\": \"RECORD\", \"stream\": …, \"record\": {…}}",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_parsed() {
        let line = br#"{"type":"RECORD","stream":"users","record":{"id": 1},"version":7,"time_extracted":"2026-11-22T09:15:51Z"}"#;
        let SingerMessage::Record(record) = read(line).unwrap() else {
            panic!("no record");
        };
        assert_eq!(
            (record.stream.as_ref(), record.data),
            ("users", &b"{\"id\": 1}"[..])
        );
        assert_eq!(
            (record.version, record.extracted_at),
            (Some(7), Some(1_795_338_951_000))
        );
        assert!(matches!(
            read(br#"{"type":"SCHEMA","stream":"u","schema":{},"key_properties":["id"]}"#).unwrap(),
            SingerMessage::Schema { stream, schema } if stream == "u" && schema.is_object()
        ));
        assert!(matches!(
            read(br#"{"type":"ACTIVATE_VERSION","stream":"u","version":7}"#).unwrap(),
            SingerMessage::ActivateVersion { version: 7, .. }
        ));
        for value in ["{\"a\": 1.50}", "null"] {
            let line = format!("{{\"type\":\"STATE\",\"value\":{value}}}");
            let SingerMessage::State(text) = read(line.as_bytes()).unwrap() else {
                panic!("no state");
            };
            assert_eq!(text, value.as_bytes());
        }
    }

    #[test]
    fn messages_that_would_lose_records_are_errors_without_data() {
        for (line, part) in [
            (
                r#"{"type":"BATCH","stream":"s","manifest":["hunter2"]}"#,
                "remove batch_config",
            ),
            (r#"{"type":"NEW","x":"hunter2"}"#, "unknown message type"),
            (
                r#"{"type":"RECORD","stream":"s"}"#,
                "without the key \"record\"",
            ),
            (
                r#"{"type":"RECORD","record":{}}"#,
                "without the key \"stream\"",
            ),
            (
                r#"{"type":"RECORD","stream":"s","record":{},"version":1.5}"#,
                "as a whole number",
            ),
            (r#"{"type":"STATE"}"#, "without the key \"value\""),
            (r#"{"type":"hunter2"#, "is truncated"),
            (r#"{"id":"hunter2"}"#, "not a Singer message"),
            ("hunter2", "not valid JSON"),
        ] {
            let error = read(line.as_bytes()).unwrap_err().to_string();
            assert!(
                error.contains(part) && !error.contains("hunter2"),
                "{line}: {error}"
            );
        }
    }
}
