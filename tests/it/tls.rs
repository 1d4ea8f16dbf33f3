//! TLS servers that the program refuses, in a sentence and at once, and those that it accepts as curl does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::file;
use crate::support::program::Program;

/// The servers of `refusals.py`; they end with the test.
struct Servers {
    child: Child,
    all: BTreeMap<String, Value>,
}

impl Servers {
    fn start() -> Self {
        let mut child = Command::new(file("target/python/bin/python"))
            .arg(file("tests/support/refusals.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let all = serde_json::from_str(&line).unwrap();
        Self { child, all }
    }

    fn url(&self, kind: &str) -> String {
        format!("https://localhost:{}", self.all[kind]["port"])
    }

    fn bundle(&self, kind: &str) -> &str {
        self.all[kind]["bundle"].as_str().unwrap()
    }

    /// What `check` says of the server.
    fn check(&self, kind: &str) -> String {
        let config = json!({
            "credentials": {"credentials_title": "IAM User", "aws_access_key_id": "AKIA", "aws_secret_access_key": "a secret key"},
            "region": "us-east-1", "bucket_name": "b", "lakeformation_database_name": "d",
            "endpoint_url": self.url(kind),
        });
        let output = Program::check(&config)
            .file("bundle.pem", self.bundle(kind))
            .env("AWS_CA_BUNDLE", "bundle.pem")
            .run();
        assert!(
            output.took < Duration::from_secs(5),
            "{kind} took {:?}",
            output.took
        );
        output.connection().1
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the program says of each server; that it was reached where the certificate is accepted.
const SAID: &[(&str, &str)] = &[
    ("good", "reached"),
    (
        "old version",
        "the server offers no version of TLS that is safe: expected TLS 1.2 or 1.3",
    ),
    (
        "nothing in common",
        "have no cipher suite in common: expected ECDHE with AES-GCM",
    ),
    ("client certificate", "asks for a certificate of the client"),
    ("expired", "found one that has expired: renew it"),
    ("not yet", "whose time has not begun"),
    (
        "other name",
        "expected a certificate for localhost, found one for DnsName(\"elsewhere.example\")",
    ),
    (
        "no name",
        "expected a certificate for localhost, found one without subject alternative names",
    ),
    (
        "stranger",
        "signed by an authority that is not trusted: name a file",
    ),
    ("other purpose", "extended key usage serverAuth"),
    ("self-signed", "reached"),
    ("self-signed authority", "reached"),
    (
        "self-signed authority, other name",
        "expected a certificate for localhost, found one for",
    ),
    (
        "self-signed authority, no name",
        "expected a certificate for localhost, found one without",
    ),
    ("self-signed authority, expired", "has expired"),
    (
        "self-signed authority, not in the bundle",
        "that of an authority (CA:TRUE) used by a server; make one with: openssl req -x509",
    ),
    (
        "self-signed authority, of another key",
        "that of an authority (CA:TRUE) used by a server; make one with: openssl req -x509",
    ),
];

#[test]
fn each_refusal_is_a_sentence_and_is_not_tried_again() {
    let servers = Servers::start();
    let kinds: Vec<&str> = servers.all.keys().map(String::as_str).collect();
    assert_eq!(kinds.len(), SAID.len(), "{kinds:?}");
    for (kind, expected) in SAID {
        let message = servers.check(kind);
        assert!(message.contains(expected), "{kind}: {message}");
        // No dump of bytes, no text of the library, no second attempt; but a server that hangs up at once takes its own
        // words back.
        for strange in ["Context", "[48,", "OtherError", "attempts=", "Rustls"] {
            let is_taken_back = *kind == "client certificate" && strange == "attempts=";
            assert!(
                is_taken_back || !message.contains(strange),
                "{kind}: {message}"
            );
        }
    }
}

/// curl accepts a name in the subject too, where there are no alternative names; nobody else does.
#[test]
fn curl_accepts_the_same_certificates() {
    let servers = Servers::start();
    for (kind, expected) in SAID {
        let bundle = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(bundle.path(), servers.bundle(kind)).unwrap();
        let status = Command::new("curl")
            .args(["--silent", "--output", "/dev/null", "--max-time", "5"])
            .args(["--tlsv1.2", "--ciphers", "ECDHE+AESGCM", "--cacert"])
            .arg(bundle.path())
            .arg(servers.url(kind))
            .status();
        // Without curl there is nothing to compare with.
        let Ok(status) = status else { return };
        assert_eq!(status.success(), *expected == "reached", "{kind}: {status}");
    }
}
