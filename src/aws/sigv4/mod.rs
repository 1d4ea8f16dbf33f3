//! Signature Version 4: one file per step of the specification, assembled here.
//! Time, identity and scope are arguments; nothing is sent.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

mod canonical_request;
pub(crate) mod encoding;
mod signature;
mod string_to_sign;
#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

use crate::aws::identity::Identity;
use crate::time::Millis;

/// The two ways in which services read the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The path is signed as it is sent, and the payload's hash is a header of its own.
    S3,
    /// The path is normalized and encoded a second time.
    Other,
}

/// Where and when a signature is good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) time: Millis,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// A request as it is sent, but for the headers that signing adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsigned<'a> {
    pub(crate) method: &'a str,
    /// Encoded, as it stands in the URL.
    pub(crate) path: &'a str,
    /// Encoded and sorted, as it stands in the URL; empty where there is none.
    pub(crate) query: &'a str,
    /// All that will be sent, `host` among them.
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

/// The headers that must be sent with the request, in addition to its own.
pub(crate) fn sign(
    dialect: Dialect,
    scope: &Scope<'_>,
    identity: &Identity,
    request: &Unsigned<'_>,
) -> Vec<(String, String)> {
    let payload_hash = crate::text::hex(&Sha256::digest(request.body));
    let mut added = vec![("x-amz-date".to_owned(), scope.time.amz_date())];
    if dialect == Dialect::S3 {
        added.push(("x-amz-content-sha256".to_owned(), payload_hash.clone()));
    }
    if let Some(token) = &identity.session_token {
        added.push(("x-amz-security-token".to_owned(), token.reveal().to_owned()));
    }
    let headers = [request.headers, &added].concat();
    let canonical = canonical_request::canonical_request(dialect, request, &headers, &payload_hash);
    let string_to_sign = string_to_sign::string_to_sign(scope, &canonical.text);
    let signature = signature::signature(scope, &identity.secret_access_key, &string_to_sign);
    added.push((
        "authorization".to_owned(),
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            identity.access_key_id,
            string_to_sign::credential_scope(scope),
            canonical.signed_headers,
        ),
    ));
    added
}
