//! JSON objects in any arrangement, and what becomes of bad records.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::support::local::{columns, ended, ids, left, load, table};

/// Records, and the same ones in each arrangement.
fn forms() -> (Vec<Value>, Vec<(&'static str, String)>) {
    let records: Vec<Value> = (0..500)
        .map(|id| {
            json!({
                "id": id,
                "text": format!("{{\"[\\ é\n{id}"),
                "list": [id, null],
                "inner": {"a": {"b": id % 7 == 0}, "c": "}"},
            })
        })
        .collect();
    let compact: Vec<String> = records.iter().map(Value::to_string).collect();
    let pretty: Vec<String> = records.iter().map(|record| format!("{record:#}")).collect();
    let forms = vec![
        ("lines", compact.join("\n") + "\n"),
        ("lines of Windows", compact.join("\r\n")),
        ("lines of old Macs", compact.join("\r")),
        (
            "a byte order mark",
            format!("\u{FEFF}{}", compact.join("\n")),
        ),
        ("concatenated", compact.concat()),
        ("pretty-printed", pretty.join("\n")),
        ("pretty-printed, concatenated", pretty.concat()),
        ("an array", format!("[{}]", compact.join(","))),
        (
            "a pretty-printed array",
            format!("{:#}", Value::from(records.clone())),
        ),
        (
            "an array on lines",
            format!("[\n{}\n]\n", compact.join(",\n")),
        ),
        (
            "arrays on lines",
            format!(
                "[{}]\n[{}]\n",
                compact[..9].join(","),
                compact[9..].join(",")
            ),
        ),
        (
            "mixed",
            format!("{} {}\n{}", pretty[0], compact[1], compact[2..].join("\n")),
        ),
    ];
    (records, forms)
}

#[test]
fn every_arrangement_of_objects_is_the_same_rows() {
    let (records, forms) = forms();
    let folder = tempfile::tempdir().unwrap();
    for (number, (name, text)) in forms.iter().enumerate() {
        let name_of_table = format!("t{number}");
        let mut program = load(folder.path(), &["--table", &name_of_table]);
        if number % 2 == 0 {
            program = program.stdin(text.as_bytes());
        } else {
            let path = folder.path().join("input.json.gz");
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            std::fs::write(&path, packed.finish().unwrap()).unwrap();
            program = program.argument(path);
        }
        ended(&program.run(), 0, &["records=500"]);
        let (entry, rows) = table(folder.path(), &name_of_table);
        assert_eq!(columns(&entry).len(), 4, "{name}");
        let rows: Vec<Value> = rows.into_iter().map(Value::from).collect();
        assert!(rows == records, "{name}: {:?}", &rows[..2]);
    }
}

#[test]
fn what_is_no_list_of_objects_is_refused_by_its_byte_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (input, words) in [
        (
            &b"[1]\n"[..],
            [
                "line 1 of stdin: malformed at byte 0 of the record (byte 1 of the input)",
                "a JSON object",
            ],
        ),
        (b"7", ["malformed at byte 0", "load reads JSON objects"]),
        (
            b"id,name\n1,x\n",
            ["malformed at byte 0", "convert other formats first"],
        ),
        (
            b"{\"id\":1},\n{\"id\":2}\n",
            ["byte 8 of the input", "remove the commas between objects"],
        ),
        (
            b"{\"id\":1}\nnull\n",
            [
                "line 2 of stdin: malformed at byte 0 of the record (byte 9",
                "found null",
            ],
        ),
        (
            b"{\"id\":NaN}\n",
            [
                "malformed at byte 6",
                "let the producer write null or a string",
            ],
        ),
        (
            b"{\"id\":1,\"n\":-Infinity}",
            ["malformed at byte 13", "which JSON does not have"],
        ),
        (
            b"{'id':1}",
            ["malformed at byte 1", "JSON has double quotes only"],
        ),
        (
            b"{\"id\":1}\n{\"id\":2,\n\"n\":x}",
            [
                "line 3 of stdin: malformed at byte 13 of the record (byte 22",
                "expected a value",
            ],
        ),
        (b"{\"id\":1", ["malformed at byte 7", "it is cut off"]),
        (
            b"[{\"id\":1},",
            ["byte 10 of the input", "the closing bracket"],
        ),
        (
            b"[{\"id\":1}] {}",
            [
                "byte 11 of the input",
                "the end of the input after the array",
            ],
        ),
        (b"\xFF\xFE{\0", ["found UTF-16", "iconv"]),
        (
            b"{\"id\":\"\xC3\"}",
            ["malformed at byte 7", "expected UTF-8"],
        ),
    ] {
        let output = load(folder.path(), &["--table", "t"]).stdin(input).run();
        ended(&output, 1, &words);
        let last = output.stderr.lines().last().unwrap();
        assert!(
            last.contains("config_error") || !last.contains("system"),
            "{last}"
        );
        assert_eq!(left(folder.path()).0, Vec::<String>::new());
    }
}

/// What was set aside.
fn bad_records(path: &Path) -> Vec<Map<String, Value>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn bad_records_are_set_aside_as_they_came_up_to_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.jsonl");
    let summary = folder.path().join("summary.json");
    let texts = ["null", "{\"id\":1,\"secret\":", "{\"id\":NaN}", "id;name"];
    let mut input = Vec::new();
    for (id, text) in texts.iter().enumerate() {
        // After the sample too.
        for id in id * 2000..(id + 1) * 2000 {
            writeln!(input, "{{\"id\":{id},\"pad\":\"{}\"}}", "x".repeat(900)).unwrap();
        }
        writeln!(input, "{text}").unwrap();
    }
    input.extend_from_slice(b"{\"id\":\"\xFF\"}\n{\"id\":8000}");
    let run = |table: &str, most: &str, code: i32, words: &[&str]| {
        let arguments = ["--table", table, "--max-bad-records", most];
        let output = load(folder.path(), &arguments)
            .argument("--bad-records")
            .argument(&bad)
            .argument("--summary")
            .argument(&summary)
            .stdin(input.clone())
            .run();
        ended(&output, code, words);
        assert!(!output.stderr.contains("secret"), "{}", output.report());
    };
    run(
        "t",
        "5",
        0,
        &["bad records: 5 were set aside in", "8,001 records, 5 bad"],
    );
    assert_eq!(
        ids(&table(folder.path(), "t").1),
        (0..=8000).collect::<Vec<u64>>()
    );
    let found = bad_records(&bad);
    assert_eq!(found.len(), 5);
    for (index, text) in texts.iter().enumerate() {
        let line = 2001 * (index + 1);
        assert_eq!(found[index]["number"], index + 1);
        assert_eq!(found[index]["line"], line);
        assert_eq!(found[index]["record"], *text);
        let reason = found[index]["reason"].as_str().unwrap();
        assert!(
            reason.contains(&format!("line {line} of stdin")),
            "{reason}"
        );
        let byte = usize::try_from(found[index]["byte"].as_u64().unwrap()).unwrap();
        assert!(input[byte..].starts_with(text.as_bytes()), "{byte}");
    }
    assert_eq!(found[4]["record_hex"], "7b226964223a22ff227d");
    let figures: Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    assert_eq!(figures["bad_records"], 5);
    assert_eq!(figures["records"], 8001);
    // One too many: nothing is published.
    run(
        "u",
        "4",
        1,
        &["found more than 4 bad records", "line 8005 of stdin"],
    );
    assert!(!folder.path().join("catalog/default/u.json").exists());
    // What another run set aside is gone.
    run("u", "0", 1, &["line 2001 of stdin", "found null"]);
    assert_eq!(bad_records(&bad).len(), 0);
}

#[test]
fn bad_records_count_for_strict_and_never_replace_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input.jsonl");
    let mut text = String::new();
    writeln!(text, "{{\"id\":1}}\nnull").unwrap();
    std::fs::write(&input, &text).unwrap();
    let run = |bad: &Path| {
        load(
            folder.path(),
            &["--table", "t", "--strict", "--max-bad-records", "1"],
        )
        .argument("--bad-records")
        .argument(bad)
        .argument(&input)
        .run()
    };
    ended(&run(&folder.path().join("bad")), 3, &["were set aside: 1"]);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&input, &link).unwrap();
    for bad in [&input, &link] {
        ended(&run(bad), 1, &["another file than the input"]);
        assert_eq!(std::fs::read_to_string(&input).unwrap(), text);
    }
    ended(&run(&folder.path().join("none/bad")), 1, &["cannot write"]);
    let full = Path::new("/dev/full");
    if full.exists() {
        // What cannot be set aside must not be lost.
        ended(&run(full), 1, &["cannot write /dev/full"]);
    }
    assert_eq!(ids(&table(folder.path(), "t").1), [1]);
}
