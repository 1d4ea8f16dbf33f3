//! What is shipped beside the program's own code: licences, the bill of materials, and the compiler.

use std::process::Command;

use serde_json::Value;

use crate::support::file;

#[test]
fn the_licences_that_are_shipped_are_those_of_what_is_linked() {
    let check = Command::new(file("packaging/third-party"))
        .arg("check")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
    let bill = Command::new(file("packaging/third-party"))
        .arg("sbom")
        .output()
        .unwrap();
    let bill: Value = serde_json::from_slice(&bill.stdout).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    let components = bill["components"].as_array().unwrap();
    let text = std::fs::read_to_string(file("THIRD_PARTY_LICENSES")).unwrap();
    for component in components {
        let name = format!(
            "{} {} (",
            component["name"].as_str().unwrap(),
            component["version"].as_str().unwrap()
        );
        assert!(text.contains(&name), "no licence of {name}");
        assert_eq!(
            component["hashes"][0]["content"].as_str().unwrap().len(),
            64
        );
    }
    assert!(components.len() > 40, "{}", components.len());
}

#[test]
fn the_images_and_the_makefile_name_one_compiler() {
    let text = |path: &str| std::fs::read_to_string(file(path)).unwrap();
    let (makefile, dockerfile) = (text("Makefile"), text("Dockerfile"));
    let after = |text: &str, name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name:?}")).to_owned()
    };
    let version = after(&makefile, "RUST := ");
    assert_eq!(
        after(&dockerfile, "ARG RUST="),
        format!("rust:{version}-slim-bookworm")
    );
    assert_eq!(after(&dockerfile, "ENV RUSTUP_TOOLCHAIN="), version);
    let least = after(&text("Cargo.toml"), "rust-version = \"");
    assert!(least.starts_with("1."), "{least}");
}

/// What `third-party advisories` says with a database that has this advisory for rustls; whether it succeeds.
fn advised(more: &str, versions: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("crates/rustls");
    std::fs::create_dir_all(&place).unwrap();
    let advisory = format!(
        "```toml\n[advisory]\nid = \"RUSTSEC-2099-0001\"\npackage = \"rustls\"\n{more}\n[versions]\n{versions}\n```\n\n# A title\n"
    );
    std::fs::write(place.join("RUSTSEC-2099-0001.md"), advisory).unwrap();
    let checked = Command::new(file("packaging/third-party"))
        .arg("advisories")
        .env("ADVISORY_DB", folder.path())
        .output()
        .unwrap();
    let said = [checked.stdout, checked.stderr].concat();
    (
        checked.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn a_known_vulnerability_of_what_is_linked_is_found() {
    for (more, versions, is_fine) in [
        ("", "patched = []", false),
        ("", "patched = [\">= 99\"]", false),
        ("", "patched = [\"^0.22.1\"]", false),
        ("", "patched = [\">= 0.1, < 0.2\", \"~0.22\"]", false),
        ("", "patched = [\">= 0.23.0\"]", true),
        ("", "patched = [\"^0.23.1\"]", true),
        ("", "patched = [\">= 99\"]\nunaffected = [\"< 1\"]", true),
        ("withdrawn = \"2099-01-01\"", "patched = []", true),
        ("informational = \"unmaintained\"", "patched = []", true),
    ] {
        let (succeeded, said) = advised(more, versions);
        assert_eq!(succeeded, is_fine, "{more} {versions}: {said}");
        let expected = if is_fine {
            "none for the"
        } else {
            "RUSTSEC-2099-0001"
        };
        assert!(said.contains(expected), "{said}");
    }
}
