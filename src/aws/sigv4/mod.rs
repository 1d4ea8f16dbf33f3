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
use crate::text::hex;
use crate::time::Millis;

/// The two variants of the signing rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The path is signed as it is sent, and the payload's hash is a header of its own.
    S3,
    /// Every other service: the path is normalized and percent-encoded a second time.
    Standard,
}

/// The time, region and service that a signature is valid for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CredentialScope<'a> {
    pub(crate) time: Millis,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// A request without the headers that signing adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsigned<'a> {
    pub(crate) method: &'a str,
    /// Percent-encoded, as in the URL.
    pub(crate) path: &'a str,
    /// Percent-encoded and sorted, as in the URL; may be empty.
    pub(crate) query: &'a str,
    /// All headers of the request, `host` included.
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

/// Signs the request: the headers to be sent in addition to its own.
pub(crate) fn sign(
    dialect: Dialect,
    scope: &CredentialScope<'_>,
    identity: &Identity,
    request: &Unsigned<'_>,
) -> Vec<(String, String)> {
    let payload_hash = hex(&Sha256::digest(request.body));
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
