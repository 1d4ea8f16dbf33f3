//! A refactoring changes nothing outside the program: fixed inputs make the same objects, byte for byte, and the same
//! calls in the same order as when they were recorded in `fixtures/digests.tsv`. `make digests` runs this alone, and
//! `UPDATE=1 make digests` records anew.
//!
//! A line of the file is a case: its name, a digest of its objects and one of its calls, then four hexadecimal digits for
//! each object and for each call, by which the first difference is found. What a case did is written whole to
//! `target/digests`, so that two versions of the program can be compared with `diff -r`.

mod cases;

use std::fmt::Write as _;
use std::io::Read as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::fake::Fake;
use crate::support::program::{Output, Program};
use crate::support::{file, wire};

const RECORDED: &str = "fixtures/digests.tsv";

/// What one case did, without what differs from run to run.
#[derive(Default)]
struct Done {
    /// `key digest`, in the order in which the objects were made.
    objects: Vec<String>,
    /// Every request and every printed state, in order; the exit code after each run.
    calls: Vec<String>,
}

/// A server and what was done to it so far.
struct Case {
    fake: Fake,
    objects: Vec<(String, String)>,
    seen: usize,
    exits: Vec<(usize, Option<i32>)>,
}

impl Case {
    fn new() -> Self {
        Self {
            fake: Fake::start(),
            objects: Vec::new(),
            seen: 0,
            exits: Vec::new(),
        }
    }

    /// The configuration with these settings.
    fn config(&self, settings: &Value) -> Value {
        let mut config = self.fake.config();
        // Calls come in one order then.
        config["connections"] = 1.into();
        for (name, value) in settings.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        config
    }

    /// `write` of the messages, with these settings.
    fn write(&mut self, settings: &Value, catalog: &Value, input: impl Into<Vec<u8>>) -> &mut Self {
        let config = self.config(settings);
        let output = Program::write(&config, catalog)
            .journal(self.fake.journal())
            .stdin(input)
            .run();
        self.ended(&output)
    }

    /// Another command of the program, which finds the files.
    fn run(&mut self, arguments: &[&str], files: &[(&str, String)], input: String) -> &mut Self {
        let mut program = Program::new(arguments)
            .file("config.json", &self.config(&Value::Null).to_string())
            .journal(self.fake.journal());
        for (name, text) in files {
            program = program.file(name, text);
        }
        let output = program.stdin(input).run();
        self.ended(&output)
    }

    /// Takes down what the run made, which the next one may delete.
    fn ended(&mut self, output: &Output) -> &mut Self {
        self.exits
            .push((self.fake.journal().traced().len(), output.status.code()));
        let store = self.fake.store();
        for key in &store.bucket.made[self.seen..] {
            let digest = store
                .bucket
                .objects
                .get(key)
                .map_or("deleted again".to_owned(), |body| digest_of(body));
            self.objects.push((key.clone(), digest));
        }
        self.seen = store.bucket.made.len();
        drop(store);
        self
    }

    fn done(&self) -> Done {
        let mut mask = Mask::default();
        let mut done = Done::default();
        let mut exits = self.exits.iter().peekable();
        let traced = self.fake.journal().traced();
        for at in 0..=traced.len() {
            while let Some((_, code)) = exits.next_if(|(after, _)| *after == at) {
                done.calls.push(format!("EXIT {code:?}"));
            }
            if let Some(call) = traced.get(at) {
                let call = call.replace(&self.fake.endpoint(), "http://fake");
                done.calls.push(mask.apply(&without_process(&call)));
            }
        }
        for (key, digest) in &self.objects {
            let is_control = key.contains("/_datalake/") && !digest.starts_with("deleted");
            let digest = if is_control { "stored" } else { digest };
            done.objects.push(format!("{} {digest}", mask.apply(key)));
        }
        let store = self.fake.store();
        let left = store.bucket.objects.len();
        done.objects.push(format!("{left} objects in the end"));
        done
    }
}

/// A call that writes a control object, without its length and the ETag that it expects: the object names the process.
fn without_process(call: &str) -> String {
    const EXPECTED: &str = " if-match=";
    if !call.contains("/_datalake/") {
        return call.to_owned();
    }
    let call = call.rsplit_once(" (").map_or(call, |(call, _)| call);
    match call.split_once(EXPECTED) {
        Some((before, _)) => before.to_owned() + EXPECTED + "…",
        None => call.to_owned(),
    }
}

/// Names of runs, in keys and in names of tables, replaced by `R1`, `R2`, … in the order of their appearance.
#[derive(Default)]
struct Mask(Vec<String>);

impl Mask {
    fn apply(&mut self, text: &str) -> String {
        const LONG: usize = "20261122T091551123Z-0123456789ab".len();
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['Z', 'z']) {
            let name = at
                .checked_sub(18)
                .and_then(|from| rest.get(from..from + LONG));
            let Some(name) = name.filter(|name| is_run(name)) else {
                out.push_str(&rest[..=at]);
                rest = &rest[at + 1..];
                continue;
            };
            let known = self.0.iter().position(|run| run == name);
            let number = known.unwrap_or_else(|| {
                self.0.push(name.to_owned());
                self.0.len() - 1
            });
            write!(out, "{}R{}", &rest[..at - 18], number + 1).unwrap();
            rest = &rest[at - 18 + LONG..];
        }
        out + rest
    }
}

fn is_run(name: &str) -> bool {
    name.bytes().enumerate().all(|(at, byte)| match at {
        8 => byte == b'T' || byte == b't',
        18 => byte == b'Z' || byte == b'z',
        19 => byte == b'-' || byte == b'_',
        0..18 => byte.is_ascii_digit(),
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Of the bytes as they are; of rows with random ids, of their text without those.
fn digest_of(body: &[u8]) -> String {
    const RANDOM: &str = "\"_airbyte_raw_id\":\"";
    const LONG: usize = 36;
    let text = unpacked(body);
    if !text.contains(RANDOM) {
        return digest(body);
    }
    let mut masked = String::with_capacity(text.len());
    for (at, part) in text.split(RANDOM).enumerate() {
        masked.push_str(if at == 0 { part } else { &part[LONG..] });
    }
    digest(masked.as_bytes())
}

fn unpacked(body: &[u8]) -> String {
    let mut text = Vec::new();
    if body.starts_with(&[0x1f, 0x8b]) {
        let mut reader = flate2::read::MultiGzDecoder::new(body);
        reader.read_to_end(&mut text).unwrap();
    } else if body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        text = zstd::decode_all(body).unwrap();
    } else {
        text = body.to_vec();
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn digest(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in &Sha256::digest(bytes)[..16] {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// A case as a line of the file.
fn recorded(name: &str, done: &Done) -> String {
    let marks = |lines: &[String]| -> String { lines.iter().map(|line| mark_of(line)).collect() };
    format!(
        "{name}\t{}\t{}\t{}\t{}\n",
        digest(done.objects.join("\n").as_bytes()),
        digest(done.calls.join("\n").as_bytes()),
        marks(&done.objects),
        marks(&done.calls),
    )
}

const MARK: usize = 4;

fn mark_of(line: &str) -> String {
    digest(line.as_bytes())[..MARK].to_owned()
}

/// The first line that is not as it was recorded.
fn difference(what: &str, lines: &[String], marks: &str) -> String {
    let before: Vec<_> = marks.as_bytes().chunks(MARK).collect();
    let differs = |at: usize| {
        let now = lines.get(at).map(|line| mark_of(line));
        now.as_deref().map(str::as_bytes) != before.get(at).copied()
    };
    let most = lines.len().max(before.len());
    let first = (0..most).find(|at| differs(*at)).unwrap_or(most);
    let before_it = first.checked_sub(1).and_then(|at| lines.get(at));
    format!(
        "{what} {} of {} ({} were recorded) differs: {}\n  after {}\n",
        first + 1,
        lines.len(),
        before.len(),
        lines.get(first).map_or("there is no more", String::as_str),
        before_it.map_or("nothing", String::as_str),
    )
}

#[test]
fn objects_and_calls_are_those_that_were_recorded() {
    let update = std::env::var_os("UPDATE").is_some();
    let recordings = std::fs::read_to_string(file(RECORDED)).unwrap_or_default();
    let folder = file("target/digests");
    std::fs::create_dir_all(&folder).unwrap();
    let (mut now, mut report) = (String::new(), String::new());
    for (name, run) in cases::all() {
        let done = run();
        let whole = format!("{}\n\n{}\n", done.objects.join("\n"), done.calls.join("\n"));
        std::fs::write(folder.join(format!("{name}.txt")), whole).unwrap();
        let line = recorded(name, &done);
        now += &line;
        let before = recordings
            .lines()
            .find(|line| line.split('\t').next() == Some(name))
            .unwrap_or_default();
        let fields: Vec<_> = before.split('\t').collect();
        let new: Vec<_> = line.trim_end_matches('\n').split('\t').collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        if field(1) != new[1] {
            write!(
                report,
                "{name}: {}",
                difference("object", &done.objects, field(3))
            )
            .unwrap();
        }
        // A role is assumed where the tests go through a proxy: its calls were not recorded.
        if field(2) != new[2] && !wire::is_on() {
            write!(
                report,
                "{name}: {}",
                difference("call", &done.calls, field(4))
            )
            .unwrap();
        }
    }
    if update {
        std::fs::write(file(RECORDED), now).unwrap();
        return;
    }
    let cases = now.lines().count();
    assert_eq!(recordings.lines().count(), cases, "cases in {RECORDED}");
    assert!(
        report.is_empty(),
        "{report}`UPDATE=1 make digests` records what is meant; target/digests has all of each case"
    );
}
