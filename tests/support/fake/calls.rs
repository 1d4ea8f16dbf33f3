//! Which call a request is, and how the service that it is for refuses it.

use serde_json::{Value, json};

use super::wire::{Answer, Request, escaped};
use super::{s3, sts};

/// The operation's name in the service's API, and the key or table that it is about.
pub(crate) fn named(request: &Request) -> (String, String) {
    let target = request.header("x-amz-target");
    if let Some((_, operation)) = target.split_once('.') {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let names = [
            &body["Name"],
            &body["TableInput"]["Name"],
            &body["TableName"],
        ];
        let name = names
            .iter()
            .find_map(|name| name.as_str())
            .unwrap_or_default();
        return (operation.to_owned(), name.to_owned());
    }
    if let Some(action) = action(request) {
        return (action, String::new());
    }
    if request.header("authorization").contains("/lakeformation/") {
        return (request.path.trim_matches('/').to_owned(), String::new());
    }
    let operation = sts::local_call(&request.path).unwrap_or_else(|| s3::operation(request));
    (operation.to_owned(), request.path.clone())
}

/// The operation of STS that the request is for, if it is for STS.
fn action(request: &Request) -> Option<String> {
    if request.method == "PUT" {
        return None; // an object, which may hold anything
    }
    let text = request.text();
    let (_, rest) = text.split_once("Action=")?;
    Some(rest.split('&').next().unwrap_or_default().to_owned())
}

/// A request as one line: the operation, the target, the headers that do not differ from run to run, and the body; of
/// an object or a part only its length.
pub(super) fn whole(operation: &str, request: &Request) -> String {
    const VARYING: [&str; 12] = [
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "expect",
        "host",
        "user-agent",
        "x-amz-checksum-crc32",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    ];
    let mut line = format!("{operation} {}", request.target);
    for (name, value) in &request.headers {
        if !VARYING.contains(&name.as_str()) {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    if request.method == "PUT" {
        line.push_str(&format!(" ({} bytes)", request.length));
    } else if !request.body.is_empty() {
        line.push_str(&format!(" {}", request.text()));
    }
    line
}

/// A service's error in the form of the service that was asked.
pub(crate) fn refusal(request: &Request, status: u16, code: &str, message: &str) -> Answer {
    if !request.header("x-amz-target").is_empty() {
        let body = json!({"__type": code, "Message": message});
        return Answer::new(status, body.to_string());
    }
    let message = escaped(message);
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let body = if action(request).is_some() {
        format!("<ErrorResponse>{error}</ErrorResponse>")
    } else {
        error
    };
    Answer::new(status, body).with("content-type", "application/xml")
}
