//! The README: its commands run as they stand there, and its guarantees name the tests that hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;

use crate::support::desk::Desk;
use crate::support::file;

/// The texts whose commands are run.
const TEXTS: [&str; 4] = [
    "README.md",
    "docs/first-minute.md",
    "docs/airbyte.md",
    "docs/compared.md",
];

/// The blocks of a text that are shell commands, each as one script.
fn blocks(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file(path)).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// A desk with what the texts name: a source, a configuration, a catalog, events plain and packed, and Python with the readers.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("config.json", &desk.config().to_string());
    let stream =
        json!({"name": "people", "json_schema": {"properties": {"id": {"type": "integer"}}}});
    let catalog = json!({"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]});
    desk.put("catalog.json", &catalog.to_string());
    let events = std::fs::read_to_string(file("examples/events.jsonl")).unwrap();
    desk.put("events.jsonl", &events);
    let message =
        r#"{"type":"RECORD","record":{"stream":"people","data":{"id":7},"emitted_at":1}}"#;
    desk.tool("source", &format!("echo '{message}'"));
    desk.tool(
        "python",
        &format!("exec {} \"$@\"", file("target/python/bin/python").display()),
    );
    // The wheel has a test of its own.
    desk.tool("pip", "test \"$1\" = install");
    let experiment = std::fs::read_to_string(file("docs/late-row.py")).unwrap();
    desk.put("late-row.py", &experiment);
    desk.run("gzip -k events.jsonl");
    desk
}

#[test]
fn every_command_block_of_the_readme_and_the_documentation_runs() {
    for path in TEXTS {
        let desk = desk();
        let blocks = blocks(path);
        assert!(!blocks.is_empty(), "{path} has lost its commands");
        for block in &blocks {
            let output = desk.run(block);
            // What a block says that it prints is what it prints.
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            for line in block.lines().filter_map(|line| line.strip_prefix("# > ")) {
                assert!(said.contains(line), "{path}: no {line:?} in\n{said}");
            }
        }
        if path == "README.md" {
            assert_eq!(desk.account.read("people").column("id"), [7]);
            assert_eq!(desk.account.read("events").column("id"), [1, 2, 3]);
        }
    }
}

/// The text between this heading and the next.
fn section<'a>(readme: &'a str, heading: &str) -> &'a str {
    let (_, rest) = readme.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// The sentences of a paragraph, each with what follows its end up to a space.
fn sentences(paragraph: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut rest = paragraph;
    loop {
        let ends = [".", ".**", ".)"].map(|end| {
            let found = [" ", "["].map(|next| rest.find(&format!("{end}{next}")));
            found.into_iter().flatten().min().map(|at| at + end.len())
        });
        let end = ends.into_iter().flatten().min().unwrap_or(rest.len());
        let end = rest[end..].find(' ').map_or(rest.len(), |at| end + at);
        sentences.push(&rest[..end]);
        rest = rest[end..].trim_start();
        if rest.is_empty() {
            return sentences;
        }
    }
}

/// The footnotes of a sentence, as `state` for `[^state]`.
fn notes(sentence: &str) -> impl Iterator<Item = &str> {
    let rest = sentence.split("[^").skip(1);
    rest.filter_map(|note| note.split(']').next())
}

/// The names of all tests: `module::name` of the integration tests, `module::tests::name` of the unit tests.
fn tests() -> BTreeSet<String> {
    fn collect(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let module = match stem {
                "mod" | "main" | "lib" => module.to_owned(),
                _ if module.is_empty() => stem.to_owned(),
                _ => format!("{module}::{stem}"),
            };
            if path.is_dir() {
                collect(&path, &module, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for rest in text.split("#[test]").skip(1) {
                let indented = rest
                    .lines()
                    .nth(1)
                    .is_some_and(|line| line.starts_with(' '));
                let name = rest
                    .split_once("fn ")
                    .and_then(|(_, name)| name.split('(').next());
                let inner = if indented { "::tests" } else { "" };
                found.insert(format!("{module}{inner}::{}", name.unwrap_or_default()));
            }
        }
    }
    let mut found = BTreeSet::new();
    collect(&file("tests/it"), "", &mut found);
    collect(&file("src"), "", &mut found);
    found
}

#[test]
fn every_sentence_of_the_guarantees_names_its_tests() {
    let readme = std::fs::read_to_string(file("README.md")).unwrap();
    let text = section(&readme, "Guarantees");
    let (mut promises, mut footnotes) = (Vec::new(), BTreeMap::new());
    // The first paragraph says what the section is.
    for line in text
        .trim_start()
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty())
    {
        match line
            .strip_prefix("[^")
            .and_then(|note| note.split_once("]: "))
        {
            Some((note, names)) => drop(footnotes.insert(note, names)),
            None => promises.extend(sentences(line.trim_start_matches("- "))),
        }
    }
    assert!(promises.len() > 40, "{}", promises.len());
    let without: Vec<_> = promises
        .iter()
        .filter(|sentence| notes(sentence).next().is_none())
        .collect();
    assert!(
        without.is_empty(),
        "name a test, or move the sentence to Limits: {without:#?}"
    );
    let used: BTreeSet<&str> = promises
        .iter()
        .flat_map(|sentence| notes(sentence))
        .collect();
    assert!(used.iter().eq(footnotes.keys()), "{used:?} {footnotes:#?}");
    let tests = tests();
    for (note, names) in footnotes {
        for name in names.split(", ") {
            let name = name.trim_matches('`');
            assert!(tests.contains(name), "{note}: there is no test {name}");
        }
    }
}

#[test]
fn sentences_end_where_people_see_their_ends() {
    let text = "**All of it.**[^a] One, `a.b` too (and two).[^b] Three[^c] and four. Five.";
    let found = sentences(text);
    let expected = [
        "**All of it.**[^a]",
        "One, `a.b` too (and two).[^b]",
        "Three[^c] and four.",
        "Five.",
    ];
    assert_eq!(found, expected);
    assert_eq!(notes(found[1]).collect::<Vec<_>>(), ["b"]);
}
