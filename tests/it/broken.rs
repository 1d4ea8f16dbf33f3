//! Inputs that no source should send: each ends in a correct result or a clear error, never in a panic, and
//! no record is lost with exit code 0.

use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::fixture;
use crate::support::messages::{catalog, line, people, person, state, stream};

/// Stands in every value, so that a message with a value in it is found.
const MARKER: &str = "MARKER";

/// How a sync of a broken input must end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// With exit code 0, and as many rows as records were sent; the number of those in the broken piece.
    Rows(usize),
    /// With an error that names the line of the piece.
    Error,
    /// With either of the two.
    Either(usize),
}
use End::{Either, Error, Rows};

struct Case {
    name: String,
    bytes: Vec<u8>,
    end: End,
}

fn good(id: u64) -> String {
    person("people", id).replace("person", MARKER)
}

/// A record whose data is this JSON text.
fn data(text: &str) -> String {
    format!(r#"{{"type":"RECORD","record":{{"stream":"people","data":{text},"emitted_at":1}}}}"#)
}

/// The cases of fixtures/broken, whose heads say how they are written.
fn cases() -> Vec<Case> {
    let lines = fixture("broken/lines.tsv");
    let datas = fixture("broken/data.tsv");
    let of = |text: &str, around: &dyn Fn(&str) -> String| -> Vec<Case> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (end, rest) = line.split_once('\t').unwrap();
                let (name, text) = rest.split_once('\t').unwrap();
                Case {
                    name: name.to_owned(),
                    bytes: bytes(&around(text)),
                    end: match end.split_once(' ') {
                        Some(("rows", more)) => Rows(more.parse().unwrap()),
                        Some(("either", more)) => Either(more.parse().unwrap()),
                        _ => Error,
                    },
                }
            })
            .collect()
    };
    let mut cases = of(&lines, &str::to_owned);
    cases.extend(of(&datas, &data));
    cases
}

/// The text with `<0d>` as the byte 0d.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = rest
            .get(1..3)
            .filter(|_| *first == b'<' && rest.get(3) == Some(&b'>'));
        let byte = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[4..] } else { after };
    }
    out
}

/// The configured catalog and the lines around the piece: it stands first, in the middle or last.
#[test]
fn broken_lines_end_in_a_correct_result_or_a_clear_error() {
    let cases = cases();
    let mut faults = Vec::new();
    let mut tried = 0;
    for case in &cases {
        for place in [0, 2, 3] {
            let lines = [good(1), good(2), good(3)];
            let mut input = lines[..place].concat().into_bytes();
            input.extend_from_slice(&case.bytes);
            input.push(b'\n');
            input.extend_from_slice(lines[place..].concat().as_bytes());
            input.extend_from_slice(state("people", 1).as_bytes());
            tried += 1;
            if let Err(fault) = ends_well(
                &people("people", "append"),
                &input,
                3,
                case.end,
                Some(place + 1),
            ) {
                faults.push(format!("{} on line {}: {fault}", case.name, place + 1));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {tried} inputs:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(tried >= 200, "{tried}");
}

/// Runs a sync; the records beside the piece are `sent`, and the piece is on this line.
fn ends_well(
    catalog: &Value,
    input: &[u8],
    sent: usize,
    end: End,
    line: Option<usize>,
) -> Result<(), String> {
    let fake = Fake::start();
    let output = fake.write(catalog).stdin(input).run();
    let said = format!("{}{}", output.stdout, output.stderr);
    if said.contains("panicked") || !output.stderr.is_empty() {
        return Err(format!("a panic, or words on stderr: {}", output.report()));
    }
    if said.contains(MARKER) {
        return Err(format!("a value was printed: {}", output.report()));
    }
    let errors: Vec<_> = output
        .of_type("TRACE")
        .filter(|message| message["trace"]["type"] == "ERROR")
        .filter_map(|message| message["trace"]["error"]["message"].as_str())
        .collect();
    match (output.status.code(), end) {
        (Some(0), Rows(more) | Either(more)) => {
            let name = catalog["streams"][0]["stream"]["name"]
                .as_str()
                .unwrap_or("people");
            let rows = fake.rows(name).len();
            if !errors.is_empty() {
                return Err(format!("exit code 0 with {errors:?}"));
            }
            if rows != sent + more {
                return Err(format!(
                    "exit code 0 with {rows} rows of {} records",
                    sent + more
                ));
            }
        }
        (Some(1), Error | Either(_)) => {
            if errors.len() != 1 {
                return Err(format!("{} TRACE ERROR messages", errors.len()));
            }
            let named = line.map(|line| format!("line {line}"));
            if named.is_some_and(|named| !errors[0].contains(&named)) {
                return Err(format!("the line is not named: {}", errors[0]));
            }
        }
        (code, _) => return Err(format!("exit code {code:?}, expected {end:?}; {errors:?}")),
    }
    Ok(())
}

#[track_caller]
fn well(catalog: &Value, input: impl AsRef<[u8]>, sent: usize, end: End, line: Option<usize>) {
    if let Err(fault) = ends_well(catalog, input.as_ref(), sent, end, line) {
        panic!("{fault}");
    }
}

#[test]
fn line_ends_of_all_kinds_are_read() {
    let catalog = people("people", "append");
    let lines = [good(1), good(2), state("people", 1), good(3)].concat();
    well(&catalog, lines.replace('\n', "\r\n"), 3, Rows(0), None);
    well(&catalog, lines.replace('\n', "\n\n\r\n"), 3, Rows(0), None);
    well(&catalog, lines.trim_end(), 3, Rows(0), None);
    well(&catalog, "", 0, Rows(0), None);
    well(&catalog, "\n", 0, Rows(0), None);
    well(&catalog, "\n\n\r\n", 0, Rows(0), None);
}

#[test]
fn blank_lines_count_when_a_line_is_named() {
    let input = format!("{}\n\r\n{}{{\"type\":\"RECORD\"\n", good(1), good(2));
    well(&people("people", "append"), input, 2, Error, Some(5));
}

#[test]
fn a_last_line_that_is_cut_is_an_error() {
    let input = good(1) + good(2).trim_end().trim_end_matches('}');
    well(&people("people", "append"), input, 1, Error, Some(2));
}

#[test]
fn long_lines_are_read_whole() {
    let catalog = people("people", "append");
    let long = "x".repeat(5 << 20);
    let record = data(&format!(r#"{{"id":1,"name":"{long}"}}"#));
    well(&catalog, format!("{record}\n{}", good(2)), 1, Rows(1), None);
    let undeclared = data(&format!(r#"{{"id":1,"other":"{long}"}}"#));
    well(
        &catalog,
        format!("{undeclared}\n{}", good(2)),
        1,
        Rows(1),
        None,
    );
    well(&catalog, format!("{}{long}\n", good(2)), 1, Error, Some(2));
    well(
        &catalog,
        format!("{}{}", good(2), &record[..record.len() - 3]),
        1,
        Error,
        Some(2),
    );
    well(
        &catalog,
        format!("{}{}\n{}", good(1), " ".repeat(5 << 20), good(2)),
        2,
        Either(0),
        Some(2),
    );
    well(
        &catalog,
        format!("{}{}\n{}", good(1), "\0".repeat(5 << 20), good(2)),
        2,
        Error,
        Some(2),
    );
}

#[test]
fn deep_nesting_is_an_error_or_a_row_and_no_overflow() {
    let catalog = people("people", "append");
    for depth in [100, 10_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for record in [
                data(&format!(r#"{{"id":{nested}}}"#)),
                data(&format!(r#"{{"name":{nested}}}"#)),
                data(&format!(r#"{{"other":{nested}}}"#)),
            ] {
                well(
                    &catalog,
                    format!("{}{record}\n", good(1)),
                    1,
                    Either(1),
                    Some(2),
                );
            }
            well(
                &catalog,
                format!("{}{}\n", good(1), open.repeat(depth)),
                1,
                Error,
                Some(2),
            );
            let state = format!(r#"{{"type":"STATE","state":{{"data":{nested}}}}}"#);
            well(
                &catalog,
                format!("{}{state}\n", good(1)),
                1,
                Either(0),
                Some(2),
            );
        }
    }
}

#[test]
fn odd_schemas_make_a_table_or_a_clear_error() {
    let forms = [
        "{}",
        "true",
        "false",
        "5",
        "\"string\"",
        "[]",
        "null",
        r#"{"type":"object"}"#,
        r#"{"properties":{"id":{"type":"integer"}}}"#,
        r#"{"type":"object","properties":{}}"#,
        r#"{"type":"object","properties":null}"#,
        r#"{"type":"object","properties":[]}"#,
        r#"{"type":"object","properties":{"id":true}}"#,
        r#"{"type":"object","properties":{"id":false}}"#,
        r#"{"type":"object","properties":{"id":5}}"#,
        r#"{"type":"object","properties":{"id":"integer"}}"#,
        r#"{"type":"object","properties":{"id":{"type":"str"}}}"#,
        r#"{"type":"object","properties":{"id":{"type":5}}}"#,
        r#"{"type":"object","properties":{"id":{"type":[]}}}"#,
        r#"{"type":"object","properties":{"id":{"type":"null"}}}"#,
        r#"{"type":"object","properties":{"id":{"type":["null"]}}}"#,
        r#"{"type":"object","properties":{"id":{"type":["integer","string"]}}}"#,
        r##"{"type":"object","properties":{"id":{"$ref":"#/definitions/none"}}}"##,
        r##"{"type":"object","properties":{"id":{"$ref":"#"}}}"##,
        r#"{"type":"object","properties":{"id":{"oneOf":[]}}}"#,
        r#"{"type":"object","properties":{"id":{"type":"array","items":[]}}}"#,
        r#"{"type":"object","properties":{"id":{"type":"array","items":5}}}"#,
        r#"{"type":"object","properties":{"":{"type":"integer"},"id":{}}}"#,
        r#"{"type":"object","properties":{" ":{"type":"integer"}}}"#,
        r#"{"type":"object","properties":{"a b":{},"A_B":{},"a-b":{}}}"#,
        r#"{"type":"object","properties":{"ÜBER":{},"😀":{},"日本":{}}}"#,
        r#"{"type":"object","properties":{"_hidden":{},".dot":{},"select":{},"1st":{}}}"#,
        r#"{"type":"object","properties":{"id":{},"ID":{},"Id":{}}}"#,
        r#"{"type":"array"}"#,
        r#"{"type":"string"}"#,
    ];
    let mut faults = Vec::new();
    for form in forms {
        let mut stream = stream("people", "append", &json!({}));
        stream["stream"]["json_schema"] = serde_json::from_str(form).unwrap();
        let input = good(1) + &good(2) + &state("people", 1);
        if let Err(fault) = ends_well(&catalog(&[stream]), input.as_bytes(), 2, Either(0), None) {
            faults.push(format!("{form}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn odd_stream_names_make_a_table_or_a_clear_error() {
    let long = "n".repeat(300);
    let names = [
        "", " ", ".", "..", "../up", "a/b", "/a", "a\\b", "%00", "%2F", "a.b", "a:b", "a*b", "_a",
        "a\nb", "a\u{0}b", "ÜBER", "日本", "😀", "A B", "select", "1", &long,
    ];
    let mut faults = Vec::new();
    for name in names {
        let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
        let catalog = catalog(&[stream(name, "append", &properties)]);
        let fake = Fake::start();
        let record = person(name, 1) + &state(name, 1);
        let output = fake.write(&catalog).stdin(record).run();
        let store = fake.store();
        let tables: Vec<_> = store
            .catalog
            .0
            .values()
            .flat_map(|tables| tables.keys())
            .collect();
        // As engines read them: names that they hide are hidden below a table's location, not in it.
        let folders = tables
            .iter()
            .filter_map(|table| store.catalog.folder("test", table));
        let rows: usize = folders.map(|folder| store.bucket.rows(&folder).len()).sum();
        let fine = match output.status.code() {
            Some(0) => {
                tables.len() == 1
                    && rows == 1
                    && store.bucket.objects.keys().all(|key| !key.contains(".."))
            }
            Some(1) => output.failed()["failure_type"] == "config_error",
            _ => false,
        };
        if !fine {
            faults.push(format!(
                "{name:?}: {tables:?} {rows} rows {}",
                output.report()
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn broken_catalogs_are_config_errors() {
    let fine = stream("people", "append", &json!({"id": {}}));
    let changed = |key: &str, value: Value| {
        let mut stream = fine.clone();
        stream[key] = value;
        catalog(&[stream])
    };
    let mut nameless = fine.clone();
    nameless["stream"].as_object_mut().unwrap().remove("name");
    let mut numbered = fine.clone();
    numbered["stream"]["name"] = 5.into();
    let mut shouting = fine.clone();
    shouting["stream"]["name"] = "PEOPLE".into();
    let catalogs = [
        json!({}),
        json!([]),
        json!(null),
        json!({"streams": null}),
        json!({"streams": {}}),
        json!({"streams": [5]}),
        json!({"streams": [{}]}),
        catalog(&[nameless]),
        catalog(&[numbered]),
        catalog(&[fine.clone(), fine.clone()]),
        catalog(&[fine.clone(), shouting]),
        changed("destination_sync_mode", json!("append_dedup")),
        changed("destination_sync_mode", json!("update")),
        changed("destination_sync_mode", json!("MARKER")),
        changed("destination_sync_mode", json!(5)),
        changed("destination_sync_mode", Value::Null),
        changed("generation_id", json!(3)),
        changed("generation_id", json!("3")),
        changed("minimum_generation_id", json!(3)),
    ];
    for catalog in catalogs {
        let fake = Fake::start();
        let output = fake.write(&catalog).stdin(good(1)).run();
        assert_eq!(
            output.failed()["failure_type"],
            "config_error",
            "{}",
            output.report()
        );
        assert!(
            fake.store().bucket.objects.is_empty(),
            "{}",
            output.report()
        );
    }
    for text in ["", "{", "\u{0}", "{\"streams\":[]}{"] {
        let fake = Fake::start();
        let output = fake
            .write(&json!({}))
            .file("catalog.json", text)
            .stdin(good(1))
            .run();
        assert_eq!(
            output.failed()["failure_type"],
            "config_error",
            "{}",
            output.report()
        );
    }
}

#[test]
fn a_catalog_without_streams_is_accepted_until_a_record_arrives() {
    well(&catalog(&[]), "", 0, Rows(0), None);
    well(
        &catalog(&[]),
        line(&json!({"type": "LOG", "log": {"level": "INFO", "message": "hello"}})),
        0,
        Rows(0),
        None,
    );
    well(&catalog(&[]), good(1), 0, Error, Some(1));
}
