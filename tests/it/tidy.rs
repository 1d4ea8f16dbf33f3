//! The source keeps its own rules: short files that say what they are, and imports that point one way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::file;

/// The parts of the program, from the top: a part uses only what stands below it.
const ORDER: &[&str] = &[
    "main", "lib", "testing", "command", "cli", "feedback", "input", "config", "sink", "table",
    "row", "protocol", "schema", "file", "lake", "aws", "http",
];

/// What every part may use, and which uses nothing but itself.
const FLOOR: &[&str] = &[
    "out",
    "error",
    "secret",
    "text",
    "time",
    "environment",
    "json",
];

#[test]
fn every_file_says_what_it_is_and_is_short_and_clean() {
    let mut faults = Vec::new();
    for path in sources("src").into_iter().chain(sources("tests")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(file("")).unwrap().display().to_string();
        if !text.starts_with("//! ") {
            faults.push(format!(
                "{name}: does not begin with `//! ` and what it is for"
            ));
        }
        let lines = text.lines().count();
        if lines > 500 {
            faults.push(format!("{name}: {lines} lines, 500 at most"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.ends_with([' ', '\t']) {
                faults.push(format!(
                    "{name}:{}: space at the end of the line",
                    number + 1
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn imports_point_one_way() {
    let mut faults = BTreeSet::new();
    for path in sources("src") {
        let text = std::fs::read_to_string(&path).unwrap();
        let from = part(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if path.ends_with("tests.rs") {
            continue;
        }
        for used in uses(code) {
            if !allowed(&from, &used) {
                let name = path.strip_prefix(file("")).unwrap().display().to_string();
                faults.insert(format!("{name}: `{from}` may not use `{used}`"));
            }
        }
    }
    let faults: Vec<_> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_readme_shows_the_help_text() {
    let help = std::fs::read_to_string(file("src/help.txt")).unwrap();
    let readme = std::fs::read_to_string(file("README.md")).unwrap();
    assert!(
        readme.contains(help.trim_end()),
        "README.md does not hold the text of src/help.txt"
    );
}

#[test]
fn the_readme_s_code_map_names_every_folder_and_nothing_that_does_not_exist() {
    let readme = std::fs::read_to_string(file("README.md")).unwrap();
    let (_, map) = readme.split_once("## Code map").unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `"));
    let named: BTreeSet<&str> = rows
        .filter_map(|row| row.split(" |").next())
        .flat_map(|paths| paths.split(", "))
        .map(|path| path.trim_matches(['`', '/']))
        .collect();
    for name in &named {
        let is_there = file("src").join(name).exists() || file(name).exists();
        assert!(is_there, "there is no {name}");
    }
    for entry in std::fs::read_dir(file("src")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let is_named = !entry.path().is_dir() || named.contains(name.as_str());
        assert!(is_named, "src/{name} is not named");
    }
}

fn allowed(from: &str, used: &str) -> bool {
    if from == used {
        return true;
    }
    if FLOOR.contains(&used) {
        return true;
    }
    let place = |name: &str| ORDER.iter().position(|part| *part == name);
    match (place(from), place(used)) {
        (Some(from), Some(used)) => from < used,
        _ => false,
    }
}

/// The part that a file belongs to: its folder below src, or its own name.
fn part(path: &Path) -> String {
    let inside = path.strip_prefix(file("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The parts that a file names with `crate::`.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        for after in line.split("crate::").skip(1) {
            let name: String = after
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            found.insert(name);
        }
    }
    found.remove("");
    found.remove("Error");
    found
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![file(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
