//! Credentials of `credential_process`: a program, started without a shell, that prints them.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::aws::identity::Identity;
use crate::aws::providers::child::{self, ChildBounds, ChildFailure};
use crate::aws::providers::metadata;
use crate::error::{Error, Result};
use crate::time::{Clock, Millis};

/// The bounds of the process. Some ask a person, through a browser or a hardware key.
const BOUNDS: ChildBounds = ChildBounds {
    time: Duration::from_secs(60),
    size: 64 << 10,
};

/// Runs the command. Errors name the profile, never the command line or its output: both may hold secrets.
pub(super) fn identity(
    command: &str,
    profile: &str,
    clock: &Clock,
    now: Millis,
) -> Result<Identity> {
    let place = format!("profile {profile:?}, credential_process");
    let words = split(command)
        .filter(|words| !words.is_empty())
        .ok_or_else(|| {
            Error::config(format!(
                "{place}: expected a command with its arguments, found none or an open quote"
            ))
        })?;
    let output = child::output(Command::new(&words[0]).args(&words[1..]), BOUNDS, clock);
    let (status, printed) = output.map_err(|failure| failed(&place, failure))?;
    if !status.success() {
        return Err(Error::config(format!(
            "{place}: expected it to succeed, found {status}"
        )));
    }
    let document: Value = serde_json::from_slice(&printed)
        .map_err(|_| Error::config(format!("{place}: expected JSON, found something else")))?;
    if document.get("Version").and_then(Value::as_u64) != Some(1) {
        return Err(Error::config(format!(
            "{place}: expected \"Version\": 1 in its output, found another or none"
        )));
    }
    metadata::credentials(&document, "SessionToken", now)
        .map_err(|what| Error::config(format!("{place}: {what}")))
}

fn failed(place: &str, failure: ChildFailure) -> Error {
    match failure {
        ChildFailure::Start(error) => Error::config(format!("{place}: starting it")).because(error),
        ChildFailure::Read(error) => {
            Error::system(format!("{place}: reading its output")).because(error)
        }
        ChildFailure::TooSlow => Error::config(format!(
            "{place}: expected it to end within {} seconds, found that it did not; it was killed",
            BOUNDS.time.as_secs()
        ))
        .hint("run it by hand: it may be waiting for an answer"),
        ChildFailure::Stopped(stopped) => Error::from(stopped).while_doing(place),
        ChildFailure::TooLong => Error::config(format!(
            "{place}: expected at most {} KiB of output, found more; it was killed",
            BOUNDS.size >> 10
        )),
    }
}

/// Splits a command into words as a POSIX shell does: with quotes and backslashes, without expansions.
fn split(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(characters.next()?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => match characters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let of = |command| split(command).map(|words| words.join("|"));
        assert_eq!(of("a  b\tc").as_deref(), Some("a|b|c"));
        assert_eq!(of(r#""a b" 'c "d' e\ f"#).as_deref(), Some("a b|c \"d|e f"));
        assert_eq!(of(r#""a\"b\n" '' x"#).as_deref(), Some("a\"b\\n||x"));
        assert_eq!(of("\"open"), None);
        assert_eq!(of("a\\"), None);
        assert_eq!(of("").as_deref(), Some(""));
    }

    #[test]
    fn output_is_read_and_no_failure_reports_a_secret() {
        let of = |command: &str| identity(command, "p", &Clock::System, Millis(0));
        let printed = r#"{"Version":1,"AccessKeyId":"AKIDP","SecretAccessKey":"hunter2","Expiration":"2030-01-01T00:00:00Z"}"#;
        let identity = of(&format!("printf '{printed}'")).unwrap();
        assert_eq!(identity.access_key_id, "AKIDP");
        assert_eq!(identity.expires, Millis::from_iso("2030-01-01T00:00:00Z"));
        for (command, expected) in [
            (
                "printf '{\"Version\":2,\"SecretAccessKey\":\"hunter2\"}'",
                "expected \"Version\": 1 in its output, found another or none",
            ),
            ("printf hunter2", "expected JSON, found something else"),
            (
                "printf '{\"Version\":1,\"AccessKeyId\":\"hunter2\"}'",
                "expected AccessKeyId and SecretAccessKey, found one or none",
            ),
            (
                "sh -c 'while echo hunter2; do :; done'",
                "expected at most 64 KiB of output, found more; it was killed",
            ),
            (
                "false --token hunter2",
                "expected it to succeed, found exit status: 1",
            ),
        ] {
            let error = of(command).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("profile \"p\", credential_process: {expected}")
            );
        }
        let error = of("/nowhere/hunter2").unwrap_err().to_string();
        assert!(
            error.starts_with("profile \"p\", credential_process: starting it"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}
