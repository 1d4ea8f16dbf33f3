//! The messages that the program prints, except states: LOG, TRACE ERROR, SPEC and CONNECTION_STATUS, each as one line.

use serde_json::json;

use crate::error::Error;
use crate::text::printable;
use crate::time::Millis;

/// A LOG message.
pub(crate) fn log(level: log::Level, message: &str) -> String {
    json!({"type": "LOG", "log": {"level": level.as_str(), "message": printable(message)}})
        .to_string()
}

/// A log line in JSON, for programs that read a person's logs.
pub(super) fn json_line(level: &str, message: &str, now: Millis) -> String {
    let line = json!({"time": now.iso(), "level": level, "message": message});
    format!("{line}\n")
}

/// The TRACE ERROR with the reason of a failed run; from `failure_type` the platform decides whether to retry.
pub(crate) fn trace_error(error: &Error, now: Millis) -> String {
    let message = error.to_string();
    let message = printable(&message);
    json!({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": now.0, "error": {
        "message": message,
        "internal_message": message,
        "failure_type": error.kind().failure_type(),
    }}})
    .to_string()
}

/// The outcome of `check`; no failure means success.
pub(crate) fn connection_status(failure: Option<&str>) -> String {
    match failure {
        None => json!({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}),
        Some(message) => {
            json!({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": printable(message)}})
        }
    }
    .to_string()
}

/// The SPEC message with the given specification.
pub(crate) fn spec(specification: &serde_json::Value) -> String {
    json!({"type": "SPEC", "spec": specification}).to_string()
}
