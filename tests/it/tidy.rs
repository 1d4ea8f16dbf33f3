//! Rules of the source: short files that begin with their purpose, and imports in the written order.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

use crate::support::file;

/// The heading in the documentation of a folder, over the list of its modules.
const ORDER: &str = "//! # Modules, in the order of their imports";

#[test]
fn every_file_states_its_purpose_and_is_short_and_clean() {
    let mut faults = Vec::new();
    for path in sources("src").into_iter().chain(sources("tests")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = name(&path);
        if !text.starts_with("//! ") {
            faults.push(format!(
                "{name}: does not begin with `//! ` and its purpose"
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
fn imports_follow_the_written_orders() {
    let mut faults = BTreeSet::new();
    let mut orders = 0;
    for front in sources("src") {
        let text = std::fs::read_to_string(&front).unwrap();
        if text.contains(ORDER) {
            orders += 1;
            check_order(&front, &text, &mut faults);
        }
    }
    assert!(
        orders >= 2,
        "expected the orders of src and src/aws, found {orders}"
    );
    let faults: Vec<_> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn paths_are_found_in_lists_and_not_in_tests() {
    let code = "use crate::aws::s3::{self, put};
use crate::{
    error::{Error, Result},
    time,
};
// crate::comment
#[cfg(test)]
mod tests;
fn f() -> crate::text::Text {}
#[cfg(test)]
mod more {
    use crate::secret;
}
";
    let used = |prefix: &[&str]| {
        used_modules(&shipped(code), prefix)
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(used(&[]), ["aws", "error", "text", "time"]);
    assert_eq!(used(&["aws"]), ["s3"]);
}

#[test]
fn the_readme_shows_the_help_text() {
    let help = std::fs::read_to_string(file("src/help.txt")).unwrap();
    let readme = std::fs::read_to_string(file("README.md")).unwrap();
    assert!(
        readme.contains(help.trim_end()),
        "README.md does not contain the text of src/help.txt"
    );
}

#[test]
fn the_readme_s_code_map_names_every_folder_and_only_existing_paths() {
    let readme = std::fs::read_to_string(file("README.md")).unwrap();
    let (_, map) = readme.split_once("## Code map").unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `"));
    let named: BTreeSet<&str> = rows
        .filter_map(|row| row.split(" |").next())
        .flat_map(|paths| paths.split(", "))
        .map(|path| path.trim_matches(['`', '/']))
        .collect();
    for name in &named {
        let exists = file("src").join(name).exists() || file(name).exists();
        assert!(exists, "the code map names {name}, which does not exist");
    }
    for entry in std::fs::read_dir(file("src")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let is_named = !entry.path().is_dir() || named.contains(name.as_str());
        assert!(is_named, "the code map does not name src/{name}");
    }
}

/// Checks the modules of one folder against the order in the documentation of its front, `lib.rs` or `mod.rs`.
fn check_order(front: &Path, text: &str, faults: &mut BTreeSet<String>) {
    let folder = front.parent().unwrap();
    let order = order(text);
    let modules = modules(folder);
    for module in order.iter().filter(|module| !modules.contains_key(*module)) {
        faults.insert(format!(
            "{}: lists `{module}`, which does not exist",
            name(front)
        ));
    }
    let inside = folder.strip_prefix(file("src")).unwrap();
    let prefix: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
    for (module, files) in &modules {
        let Some(place) = order.iter().position(|listed| listed == module) else {
            faults.insert(format!("{}: does not list `{module}`", name(front)));
            continue;
        };
        for path in files {
            let code = shipped(&std::fs::read_to_string(path).unwrap());
            for used in used_modules(&code, &prefix) {
                // A path that ends in no module is of the folder's front, which stands above its modules.
                let allowed =
                    order[place..].contains(&used) || prefix.is_empty() && used == "Error";
                if !allowed {
                    faults.insert(format!("{}: `{module}` may not use `{used}`", name(path)));
                }
            }
        }
    }
}

/// The names in the list under the heading, in their order: those before the colon of each `- ` line.
fn order(text: &str) -> Vec<String> {
    let (_, list) = text.split_once(ORDER).unwrap();
    list.lines()
        .take_while(|line| line.is_empty() || line.starts_with("//!"))
        .filter_map(|line| line.strip_prefix("//! - "))
        .flat_map(|line| line.split(':').next().unwrap().split(", "))
        .map(|name| name.trim_matches('`').to_owned())
        .collect()
}

/// The modules of a folder that are shipped, each with its files.
fn modules(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut modules = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_module =
            path.is_dir() || path.extension().is_some_and(|extension| extension == "rs");
        if !is_module || ["lib", "main", "mod", "tests"].contains(&name.as_str()) {
            continue;
        }
        let mut files: Vec<PathBuf> = if path.is_dir() {
            sources_in(&path)
        } else {
            vec![path]
        };
        files.retain(|path| !is_test(path));
        modules.entry(name).or_insert_with(Vec::new).extend(files);
    }
    modules.retain(|_, files| !files.is_empty());
    modules
}

/// Whether a file is compiled for tests only: it or a folder above it is declared so in the file above.
fn is_test(path: &Path) -> bool {
    let below = path.strip_prefix(file("src")).unwrap();
    below.ancestors().any(|module| {
        let Some(parent) = module.parent() else {
            return false;
        };
        let name = module.file_stem().unwrap().to_str().unwrap();
        let fronts = [
            parent.join("mod.rs"),
            parent.join("lib.rs"),
            parent.with_extension("rs"),
        ];
        fronts.iter().any(|front| {
            let text = std::fs::read_to_string(file("src").join(front)).unwrap_or_default();
            let mut lines = text
                .lines()
                .skip_while(|line| *line != "#[cfg(test)]")
                .peekable();
            while let Some(line) = lines.next() {
                let declared = lines
                    .peek()
                    .is_some_and(|next| next.ends_with(&format!("mod {name};")));
                if line == "#[cfg(test)]" && declared {
                    return true;
                }
            }
            false
        })
    })
}

/// The code without comments and without what is compiled for tests only.
fn shipped(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") {
            continue;
        }
        if trimmed != "#[cfg(test)]" {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        // rustfmt puts the end of an item of several lines under its beginning.
        let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
        for line in lines.by_ref() {
            let is_whole = line.ends_with([';', ',']) || line.ends_with('}');
            let is_attribute = line.trim_start().starts_with('#');
            let is_inside = line.starts_with(&format!("{}    ", &end[..end.len() - 1]));
            if line == end || line == format!("{end},") || is_whole && !is_attribute && !is_inside {
                break;
            }
        }
    }
    code
}

/// The modules of the folder `prefix` that the code names by paths from `crate::` on.
fn used_modules(code: &str, prefix: &[&str]) -> BTreeSet<String> {
    let mut paths = Vec::new();
    for rest in code.split("crate::").skip(1) {
        read_paths(&mut rest.chars().peekable(), &mut Vec::new(), &mut paths);
    }
    paths
        .iter()
        .filter_map(|path| {
            let inside =
                path.strip_prefix(&*prefix.iter().map(ToString::to_string).collect::<Vec<_>>())?;
            inside.first().cloned()
        })
        .collect()
}

/// Reads one path, or the paths of a list in braces, each with what stands before the list.
fn read_paths(
    text: &mut Peekable<Chars<'_>>,
    before: &mut Vec<String>,
    paths: &mut Vec<Vec<String>>,
) {
    let depth = before.len();
    loop {
        while text.next_if(|c| c.is_whitespace()).is_some() {}
        if text.next_if_eq(&'{').is_some() {
            loop {
                read_paths(text, before, paths);
                while text.next_if(|c| c.is_whitespace()).is_some() {}
                if text.next_if_eq(&',').is_none() {
                    break;
                }
            }
            text.next_if_eq(&'}');
            break;
        }
        let mut name = String::new();
        while let Some(c) = text.next_if(|c| c.is_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if name.is_empty() {
            break;
        }
        before.push(name);
        if text.next_if_eq(&':').is_none() || text.next_if_eq(&':').is_none() {
            paths.push(before.clone());
            break;
        }
    }
    before.truncate(depth);
}

/// A path as faults name it.
fn name(path: &Path) -> String {
    path.strip_prefix(file("")).unwrap().display().to_string()
}

fn sources(folder: &str) -> Vec<PathBuf> {
    sources_in(&file(folder))
}

fn sources_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
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
