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
