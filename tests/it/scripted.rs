//! The scripted server itself: AWS's own client finds in it what it expects of AWS.

use std::process::Command;

use crate::support::fake::Fake;
use crate::support::file;

#[test]
fn the_scripted_server_answers_as_aws_does() {
    let fake = Fake::start();
    fake.store().bucket.page = 10;
    let output = Command::new(file("target/python/bin/python"))
        .arg(file("tests/support/probe.py"))
        .arg(fake.endpoint())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = fake.journal().lines();
    assert!(
        lines.iter().any(|line| line.starts_with("COMPLETE t/g1/")),
        "{lines:?}"
    );
}
