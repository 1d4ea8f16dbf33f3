//! The imports inside `aws` point one way: no circle between signing, credentials and STS.

use std::fs;
use std::path::Path;

/// The parts in order: each uses only those before it.
const ORDER: [&str; 15] = [
    "xml",
    "identity",
    "sigv4",
    "service",
    "endpoint",
    "decision",
    "operation",
    "attempt",
    "sender",
    "sts",
    "s3",
    "glue",
    "lakeformation",
    "providers",
    "session",
];

fn place(part: &str) -> usize {
    let place = ORDER.iter().position(|known| *known == part);
    place.unwrap_or_else(|| panic!("{part} has no place in the order"))
}

fn check(path: &Path, part: &str) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            check(&entry.unwrap().path(), part);
        }
        return;
    }
    if path.ends_with("tests.rs") {
        return;
    }
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    for line in code
        .lines()
        .filter(|line| line.starts_with("use crate::aws::"))
    {
        let used = line.trim_start_matches("use crate::aws::");
        let used = used.split([':', ';', '{']).next().unwrap();
        assert!(
            used == part || place(used) < place(part),
            "{}: {part} may not use {used}",
            path.display()
        );
    }
}

#[test]
fn imports_point_one_way() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws");
    for part in ORDER {
        let file = folder.join(format!("{part}.rs"));
        check(
            &if file.exists() {
                file
            } else {
                folder.join(part)
            },
            part,
        );
    }
}
