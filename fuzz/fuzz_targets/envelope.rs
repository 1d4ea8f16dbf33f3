//! Any lines: a RECORD message becomes a row exactly when serde_json takes it for one, whatever lines came before it.

#![no_main]

use std::borrow::Cow;

use destination_aws_datalake::testing::Rows;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

/// The members with an underscore are only checked to be of the right type.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    record: Option<Payload<'a>>,
    #[serde(rename = "trace", borrow)]
    _trace: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(rename = "stream", borrow)]
    _stream: Cow<'a, str>,
    #[serde(rename = "namespace", borrow)]
    _namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(rename = "emitted_at")]
    _emitted_at: Option<f64>,
    #[serde(rename = "meta", borrow)]
    _meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(rename = "changes", borrow)]
    _changes: Option<&'a RawValue>,
}

fuzz_target!(|lines: &[u8]| {
    let schema = json!({"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}});
    let mut rows = Rows::new(&schema, false);
    for line in lines.split(|byte| *byte == b'\n') {
        // Twice, because the line's prefix is known the second time.
        check(&mut rows, line);
        check(&mut rows, line);
    }
});

fn check(rows: &mut Rows, line: &[u8]) {
    let mut out = Vec::new();
    let done = rows.message(line, &mut out);
    assert!(
        done.is_ok() || out.is_empty(),
        "an error writes nothing"
    );

    let text = std::str::from_utf8(line).ok();
    let envelope = text.and_then(|text| serde_json::from_str::<Envelope<'_>>(text).ok());
    match envelope {
        Some(Envelope {
            kind,
            record: Some(record),
            ..
        }) if kind == "RECORD" => {
            let is_record = record.data.get().starts_with('{');
            assert_eq!(done.is_ok(), is_record, "{done:?}");
            assert_eq!(out.is_empty(), !is_record);
        }
        Some(_) => assert!(out.is_empty()),
        // serde_json also takes arrays for structs; a line that is no JSON is no message for either.
        None => {
            let is_json = text.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
            assert!(is_json || done.is_err(), "{out:?}");
        }
    }
}
