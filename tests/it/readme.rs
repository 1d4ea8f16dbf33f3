//! The README: its commands run as they stand there, and its guarantees name the tests that hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::cloud::Account;
use crate::support::file;

/// The blocks of the README that are shell commands, each as one script.
fn blocks() -> Vec<String> {
    let readme = std::fs::read_to_string(file("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_command_block_of_the_readme_runs() {
    let account = Account::new();
    let config = account.config();
    let bucket = config["bucket_name"].as_str().unwrap();
    let database = config["lakeformation_database_name"].as_str().unwrap();
    let (key, secret) = account.keys();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let events = "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n";
    put("config.json", &config.to_string());
    let stream =
        json!({"name": "people", "json_schema": {"properties": {"id": {"type": "integer"}}}});
    let catalog = json!({"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]});
    put("catalog.json", &catalog.to_string());
    put("events.jsonl", events);
    // What stands for the user's own things: a source, and a packed file.
    let message =
        r#"{"type":"RECORD","record":{"stream":"people","data":{"id":7},"emitted_at":1}}"#;
    let script = format!("#!/bin/sh\necho '{message}'\n");
    let tools = folder.path().join("bin");
    std::fs::create_dir(&tools).unwrap();
    std::fs::write(tools.join("source"), script).unwrap();
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(tools.join("source"), runs).unwrap();
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_destination-aws-datalake"),
        tools.join("destination-aws-datalake"),
    )
    .unwrap();
    let packed = Command::new("gzip")
        .args(["-k", "events.jsonl"])
        .current_dir(&folder)
        .status();
    assert!(packed.unwrap().success());

    let blocks = blocks();
    assert!(blocks.len() >= 4, "the README has lost its commands");
    for block in &blocks {
        let script = block
            .replace("s3://my-lake/in", &format!("s3://{bucket}/lake"))
            .replace("--database raw", &format!("--database {database}"));
        let ran = Command::new("sh")
            .args(["-euc", &script])
            .current_dir(&folder)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_ENDPOINT_URL", Account::endpoint())
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{block}\n{}\n{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
    }
    assert_eq!(account.read("people").column("id"), [7]);
    assert_eq!(account.read("events").column("id"), [1, 2]);
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
