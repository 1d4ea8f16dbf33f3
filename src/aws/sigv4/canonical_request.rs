//! Step 1 of SigV4: the canonical request, which both sides hash.

use crate::aws::sigv4::encoding;
use crate::aws::sigv4::{Dialect, Unsigned};

/// Headers that proxies change or that belong to one hop; all others are signed.
const NEVER_SIGNED: [&str; 11] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// The canonical request, and the list of signed headers that it and the signature name.
pub(super) struct Canonical {
    pub(super) text: String,
    pub(super) signed_headers: String,
}

pub(super) fn canonical_request(
    dialect: Dialect,
    request: &Unsigned<'_>,
    headers: &[(String, String)],
    payload_hash: &str,
) -> Canonical {
    let headers = canonical_headers(headers);
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let signed_headers = names.join(";");
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method,
        canonical_path(dialect, request.path),
        request.query
    );
    for (name, value) in &headers {
        text.push_str(name);
        text.push(':');
        text.push_str(value);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed_headers);
    text.push('\n');
    text.push_str(payload_hash);
    Canonical {
        text,
        signed_headers,
    }
}

/// The path as the service signs it: S3 as it is sent; others resolve dots, merge slashes, and percent-encode again.
fn canonical_path(dialect: Dialect, path: &str) -> String {
    match dialect {
        Dialect::S3 => path.to_owned(),
        Dialect::Standard => encoding::path(&normalize(path)),
    }
}

fn normalize(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let end = if is_folder && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", kept.join("/"))
}

/// The headers in canonical form: names in lower case and sorted; values trimmed, with runs of spaces folded; values of
/// one name joined by commas in their order.
fn canonical_headers(headers: &[(String, String)]) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), fold_spaces(value)))
        .filter(|(name, _)| !NEVER_SIGNED.contains(&name.as_str()))
        .collect();
    lines.sort_by(|one, other| one.0.cmp(&other.0)); // stable: values keep their order
    let mut folded: Vec<(String, String)> = Vec::with_capacity(lines.len());
    for (name, value) in lines {
        match folded.last_mut() {
            Some(last) if last.0 == name => {
                last.1.push(',');
                last.1.push_str(&value);
            }
            _ => folded.push((name, value)),
        }
    }
    folded
}

fn fold_spaces(value: &str) -> String {
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}
