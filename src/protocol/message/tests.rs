//! Messages, held to serde_json's reading of them.

use std::borrow::Cow;
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json::scan::{Fault, ReadToEnd, Scanner};
use crate::protocol::message::{Message, MessageReader, Record, RecordView, Status};
use crate::time::Clock;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    record: Option<Payload<'a>>,
    #[serde(borrow, rename = "trace")]
    _trace: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
    emitted_at: Option<f64>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    changes: Option<&'a RawValue>,
}

/// The content of a line; the same from both readers.
#[derive(Debug, PartialEq)]
enum Said {
    Record {
        stream: String,
        namespace: Option<String>,
        data: String,
        emitted_at: Option<i64>,
        changes: Option<String>,
    },
    Other,
    /// No message, or a record that is no object.
    Nothing,
}

fn by_serde(line: &[u8]) -> Said {
    // A raw value may be no valid UTF-8 only where serde_json does not look.
    let text = std::str::from_utf8(line);
    let Ok(Ok(envelope)) = text.map(serde_json::from_str::<Envelope<'_>>) else {
        return Said::Nothing;
    };
    match (envelope.kind.as_ref(), envelope.record) {
        ("RECORD", Some(record)) if !record.data.get().starts_with(['{', 'n']) => Said::Nothing,
        ("RECORD", Some(record)) => Said::Record {
            stream: record.stream.into(),
            namespace: record
                .namespace
                .filter(|name| !name.is_empty())
                .map(Cow::into),
            data: record.data.get().into(),
            #[allow(clippy::cast_possible_truncation)]
            emitted_at: record.emitted_at.map(|millis| millis as i64),
            changes: record
                .meta
                .and_then(|meta| meta.changes)
                .map(|changes| changes.get().into()),
        },
        ("RECORD", None) => Said::Nothing,
        _ => Said::Other,
    }
}

fn by_us(reader: &mut MessageReader, line: &[u8]) -> Said {
    match reader.read(line) {
        Ok(Message::Record(record)) => record
            .read_with(|record| Ok((said(record), read_object(record.data)?)))
            .unwrap_or(Said::Nothing),
        Ok(_) => Said::Other,
        Err(_) => Said::Nothing,
    }
}

fn said(record: &RecordView<'_>) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said::Record {
        stream: record.stream.to_string(),
        namespace: record.namespace.as_deref().map(Into::into),
        data: text(record.data),
        emitted_at: record.emitted_at,
        changes: record.changes.map(text),
    }
}

/// Reads an object or null, as a row does.
fn read_object(text: &[u8]) -> Result<ReadToEnd> {
    let mut scan = Scanner::new(text);
    let end = match scan.peek() {
        b'{' | b'n' => scan.skip().and_then(|()| scan.end()),
        _ => Err(Fault("an object")),
    };
    end.map_err(|fault| scan.error(fault))
}

#[track_caller]
fn check(line: &str) {
    check_by(&mut MessageReader::default(), line.as_bytes());
}

/// Also as a line after others that begin as it does.
#[track_caller]
fn check_by(reader: &mut MessageReader, line: &[u8]) {
    for time in 0..3 {
        let said = by_us(reader, line);
        let text = String::from_utf8_lossy(line);
        assert_eq!(said, by_serde(line), "{text}, time {time}");
    }
}

const DATA: [&str; 14] = [
    "{}",
    "null",
    "[]",
    "5",
    r#"{"id":1,"name":"x"}"#,
    r#"{ "id" : 1 }"#,
    r#"{"s":"},\"emitted_at\":5}}"}"#,
    r#"{"s":"}}}"}"#,
    r#"{"s":"}","emitted_at":7}"#,
    r#"{"o":{"x":{}},"emitted_at":7}"#,
    r#"{"o":{"x":{},"emitted_at":7}}"#,
    r#"{"o":[{},{"x":{"y":{}}}]}"#,
    r#"{"é":"\u00e9\"\\"}"#,
    r#"{"data":{"data":{"stream":"x"}},"type":"STATE"}"#,
];

#[test]
fn reads_the_orders_of_keys_that_platform_and_sources_write() {
    for data in DATA {
        for line in [
            format!(
                r#"{{"type":"RECORD","record":{{"namespace":"n","stream":"s","data":{data},"emitted_at":1795337257150}}}}"#
            ),
            format!(
                r#"{{"type":"RECORD","record":{{"stream":"s","data":{data},"emitted_at":1795337257150}}}}"#
            ),
            format!(
                r#"{{"type": "RECORD", "record": {{"stream": "s", "data": {data}, "emitted_at": 1795337257150}}}}"#
            ),
            format!(
                r#"{{"type":"RECORD","record":{{"stream":"s","data":{data},"emitted_at":1,"namespace":"n","meta":{{"changes":[{{"field":"a"}}]}}}}}}"#
            ),
            format!(
                r#"{{"type":"RECORD","record":{{"emitted_at":1,"stream":"s","data":{data}}}}}"#
            ),
            format!(
                r#"{{"record":{{"data":{data},"stream":"s","emitted_at":1.9e3}},"type":"RECORD"}}"#
            ),
            format!(r#"{{"record":{{"emitted_at":1,"stream":"s","data":{data}}},"type":"LOG"}}"#),
            format!(
                r#"{{"type":"RECORD","record":{{"stream":"s","data":{data}}},"x":{{"y":{{}},"emitted_at":5}}}}"#
            ),
            format!(
                r#"{{"type":"RECORD","record":{{"stream":"s","data":{data},"emitted_at":1}},"x":{{"y":{{}},"emitted_at":5}}}}"#
            ),
        ] {
            check(&line);
        }
    }
}

#[test]
fn agrees_with_serde_on_what_is_no_message() {
    for line in [
        "",
        "{}",
        "[]",
        "null",
        "x",
        r#"{"type":"RECORD"}"#,
        r#"{"type":null}"#,
        r#"{"type":5}"#,
        r#"{"type":"LOG"} x"#,
        r#"{"type":"LOG","type":"LOG"}"#,
        r#"{"type":"LOG","log":{"a":tru}}"#,
        r#"{"type":"LOG","record":{"stream":"s"}}"#,
        r#"{"type":"RECORD","record":null}"#,
        r#"{"type":"RECORD","record":{"stream":"s"}}"#,
        r#"{"type":"RECORD","record":{"data":{}}}"#,
        r#"{"type":"RECORD","record":{"stream":"s","data":{},"data":{}}}"#,
        r#"{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":"1"}}"#,
        r#"{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":null}}"#,
        r#"{"type":"RECORD","record":{"stream":"s","data":{},"namespace":null,"meta":null}}"#,
        r#"{"type":"RECORD","record":{"stream":"s","data":{},"namespace":"","meta":{}}}"#,
        r#"{"type":"RECORD","record":{"stream":"s","data":{},"meta":{"changes":null}}}"#,
        r#"{"type":"RECORD","record":{"stream":"s","data":{},"meta":5}}"#,
        r#"{"type":"RECORD","record":{"stream":"\ud83d","data":{}}}"#,
        r#"{"type":"RECORD","record":{"stream":"\ud83d\ude00","data":{}}}"#,
        r#"{"\u0074ype":"RECORD","record":{"stream":"\u0073","data":{}}}"#,
    ] {
        check(line);
    }
}

#[test]
fn agrees_with_serde_on_generated_and_broken_lines() {
    let clock = Clock::System;
    let begin = clock.instant();
    while clock.elapsed(begin) < Duration::from_millis(700) {
        let seed = fastrand::u64(..);
        let line = generate(&mut Rng::with_seed(seed));
        let mut reader = MessageReader::default();
        for time in 0..3 {
            assert_eq!(
                by_us(&mut reader, &line),
                by_serde(&line),
                "seed {seed}, time {time}: {}",
                String::from_utf8_lossy(&line)
            );
        }
    }
}

#[test]
fn a_line_says_the_same_after_others_that_begin_as_it_does() {
    const PREFIXES: [&str; 16] = [
        r#"{"type":"RECORD","record":{"namespace":"n","stream":"s","data":"#,
        r#"{"type": "RECORD", "record": {"stream": "s", "data": "#,
        r#"{"type":"RECORD","record":{"namespace":"","x":{"y":[1]},"stream":"\u0073","data":"#,
        r#"{"type":"RECORD","record":{"emitted_at":5,"stream":"s","data":"#,
        r#"{"type":"RECORD","record":{"emitted_at":null,"stream":"s","data":"#,
        r#"{"type":"RECORD","record":{"meta":{"changes":[]},"stream":"s","data":"#,
        r#"{"type":"RECORD","record":{"namespace":"n","data":"#,
        r#"{"record":{"stream":"s","data":"#,
        r#"{"type":"LOG","record":{"stream":"s","data":"#,
        r#"{"type":"RECORD","record":{"x":{"data":1},"stream":"s","data":"#,
        r#"{"type":"RECORD","record":{"x":"\"data\":","stream":"s","data":"#,
        r#"{"type":"RECORD","record":{"stream":"s","data": "#,
        r#"{"type":"RECORD","record":{"stream":"s","data" :"#,
        r#"{"type":"RECORD","record":{"meta":{},"stream":"s","data":"#,
        r#"{"type":"RECORD","record":{"meta":null,"stream":"s","data":"#,
        r#"{"type":"RECORD","record":{"stream":"s","data":1,"data":"#,
    ];
    const ENDINGS: [&str; 18] = [
        r#","emitted_at":1795337257150}}"#,
        r#", "emitted_at": 1795337257150}}"#,
        r#","emitted_at":0}}"#,
        r#","emitted_at":00}}"#,
        r#","emitted_at":01}}"#,
        r#","emitted_at":}}"#,
        r#","emitted_at":-1}}"#,
        r#","emitted_at":1.5}}"#,
        r#","emitted_at":100000000000000000}}"#,
        r#","emitted_at":1000000000000000000}}"#,
        r#","emitted_at":1}} "#,
        r#","emitted_at":1}"#,
        r#","emitted_at":1}}}"#,
        r#","emitted_at":1,"emitted_at":1}}"#,
        r#","emitted_at":1,"meta":{}}}"#,
        r#"},"type":"RECORD"}"#,
        r#" ,"emitted_at":1}}"#,
        r#","meta":{"changes":[1]},"emitted_at":1}}"#,
    ];
    let mut known = 0;
    let mut of_all = MessageReader::default();
    for prefix in PREFIXES {
        let mut reader = MessageReader::default();
        for _ in 0..2 {
            let _ = by_us(
                &mut reader,
                format!("{prefix}{{}}{}", ENDINGS[0]).as_bytes(),
            );
        }
        for ending in ENDINGS {
            for data in DATA.iter().chain(&["", "tru", "}", "{\"a\":1}}", "{}} "]) {
                let line = format!("{prefix}{data}{ending}");
                known += usize::from(reader.prefixes.find(line.as_bytes()).is_some());
                check_by(&mut reader, line.as_bytes());
                check_by(&mut of_all, line.as_bytes());
            }
        }
    }
    assert!(known > 200, "a prefix matched {known} times");
}

fn generate(rng: &mut Rng) -> Vec<u8> {
    let choose = |rng: &mut Rng, from: &[&str]| from[rng.usize(..from.len())].to_string();
    let mut members = vec![
        format!("\"data\":{}", choose(rng, &DATA)),
        format!(
            "\"stream\":{}",
            choose(rng, &["\"s\"", "\"s\\u0041\"", "\"\""])
        ),
        format!(
            "\"emitted_at\":{}",
            choose(rng, &["1795337257150", "0", "1.5e3", "-7.9", "null"])
        ),
        format!("\"namespace\":{}", choose(rng, &["\"n\"", "\"\"", "null"])),
        format!(
            "\"meta\":{}",
            choose(
                rng,
                &[
                    "{}",
                    "null",
                    "{\"changes\":[{\"field\":\"}\"}],\"x\":{}}",
                    "{\"changes\":null}"
                ]
            )
        ),
        format!("\"more\":{}", choose(rng, &DATA)),
    ];
    let kept = rng.usize(2..=members.len());
    members.truncate(kept);
    if rng.bool() {
        rng.shuffle(&mut members);
    }
    let space = choose(rng, &["", "", " "]);
    let mut outer = vec![
        format!(
            "\"type\":{}",
            choose(rng, &["\"RECORD\"", "\"RECORD\"", "\"RECORD\"", "\"LOG\""])
        ),
        format!(
            "\"record\":{space}{{{}}}",
            members.join(&format!("{space},{space}"))
        ),
    ];
    if rng.u8(..4) == 0 {
        outer.push(format!("\"x\":{}", choose(rng, &DATA)));
    }
    if rng.u8(..4) == 0 {
        rng.shuffle(&mut outer);
    }
    let mut line = format!("{{{}}}{space}", outer.join(",")).into_bytes();
    if rng.bool() {
        let at = rng.usize(..line.len());
        match rng.u8(..4) {
            0 => line[at] = b"{}[]\",:\\\xFF"[rng.usize(..9)],
            1 => line.insert(at, b"{}[]\",:\\\xC3"[rng.usize(..9)]),
            2 => line.truncate(at.max(1)),
            _ => drop(line.remove(at)),
        }
    }
    line
}

#[test]
fn reads_statuses_and_leaves_the_rest() {
    let status = |status| {
        format!(
            r#"{{"type":"TRACE","trace":{{"type":"STREAM_STATUS","emitted_at":1.5,"stream_status":{{"stream_descriptor":{{"name":"s","namespace":""}},"status":"{status}"}}}}}}"#
        )
    };
    for (word, expected) in [
        ("COMPLETE", Status::Complete),
        ("INCOMPLETE", Status::Incomplete),
        ("STARTED", Status::Underway),
    ] {
        let line = status(word);
        let mut reader = MessageReader::default();
        let Ok(Message::Status { stream, status }) = reader.read(line.as_bytes()) else {
            panic!("no status");
        };
        assert_eq!(
            (stream.to_string(), status),
            ("\"s\"".to_string(), expected)
        );
    }
    for (error, expected) in [
        (r#""type":"ERROR""#, None),
        (r#""type":"ERROR","error":"text""#, None),
        (r#""type":"ERROR","error":{"stream_descriptor":5}"#, None),
        (r#""type":"\u0045RROR","error":{}"#, None),
        (r#""error":{"message":"x"}"#, None),
        (
            r#""type":"ERROR","error":{"stream_descriptor":{"name":"s","namespace":"n"}}"#,
            Some("\"n\".\"s\""),
        ),
    ] {
        let line = format!(r#"{{"type":"TRACE","trace":{{{error}}}}}"#);
        let mut reader = MessageReader::default();
        let Ok(Message::SourceError(stream)) = reader.read(line.as_bytes()) else {
            panic!("no error: {line}");
        };
        let stream = stream.map(|stream| stream.to_string());
        assert_eq!(stream.as_deref(), expected, "{line}");
    }
    let mut reader = MessageReader::default();
    assert!(matches!(
        reader.read(br#"{"type":"STATE","state":{}}"#),
        Ok(Message::State)
    ));
    for kind in ["LOG", "CONTROL", "SPEC", "CATALOG", "DESTINATION_CATALOG"] {
        let line = format!(r#"{{"type":"{kind}"}}"#);
        assert!(matches!(reader.read(line.as_bytes()), Ok(Message::Other)));
    }
    for (kind, shown) in [
        ("NEW_KIND", Some("NEW_KIND")),
        ("hunter2", None),
        ("", None),
        (&"N".repeat(41), None),
    ] {
        let line = format!(r#"{{"type":"{kind}","record":{{"stream":"s","data":{{}}}}}}"#);
        let Ok(Message::Unknown(found)) = reader.read(line.as_bytes()) else {
            panic!("known: {line}");
        };
        assert_eq!(found.as_deref(), shown);
    }
    for kind in [
        "record",
        "Record",
        " RECORD",
        "RECORD\\n",
        "state",
        "Trace",
        "log",
    ] {
        let line = format!(r#"{{"type":"{kind}","record":{{"stream":"s","data":{{}}}}}}"#);
        let error = reader.read(line.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("expected the type "), "{line}: {error}");
    }
}

#[test]
fn an_error_gives_the_place_and_no_data() {
    let line = br#"{"type":"RECORD","record":{"stream":"s","data":{"secret":tru},"emitted_at":1}}"#;
    let mut reader = MessageReader::default();
    let Ok(Message::Record(record)) = reader.read(line) else {
        panic!("the end of the object can be guessed");
    };
    let done = record.read_with(|record| Ok(((), read_object(record.data)?)));
    let error = done.unwrap_err().to_string();
    assert!(
        error.starts_with(
            "malformed at byte 57: expected a value; expected one JSON object per line"
        ),
        "{error}"
    );
    let error = reader.read(&line[..70]).unwrap_err().to_string();
    assert!(error.starts_with("malformed at byte 57: "), "{error}");
}

#[test]
fn whatever_is_wrong_with_a_guess_the_whole_record_is_read_again() {
    let line = br#"{"type":"RECORD","record":{"data":{"id":1},"stream":"right"},"x":{"y":{},"emitted_at":5,"stream":"wrong"}}"#;
    let mut reader = MessageReader::default();
    let Ok(Message::Record(record)) = reader.read(line) else {
        panic!("no record");
    };
    let mut streams = Vec::new();
    let done = record.read_with(|record| {
        streams.push(record.stream.to_string());
        // As a look-up of the stream would: not even the object is looked at.
        if record.stream != "right" {
            return Err(Error::config("no such stream"));
        }
        Ok((said(record), read_object(record.data)?))
    });
    assert_eq!(streams, ["wrong", "right"]);
    assert_eq!(done.unwrap(), by_serde(line));
}

#[test]
fn a_record_without_a_guess_is_read_once() {
    let record = Record::bare("s".into(), b"{", None);
    let mut times = 0;
    let done = record.read_with(|record| {
        times += 1;
        Ok(((), read_object(record.data)?))
    });
    assert_eq!((done.is_err(), times), (true, 1));
}
