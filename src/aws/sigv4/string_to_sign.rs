//! Step 2 of SigV4: the string to sign.

use sha2::{Digest, Sha256};

use crate::aws::sigv4::CredentialScope;
use crate::text::hex;

pub(super) fn string_to_sign(scope: &CredentialScope<'_>, canonical_request: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256\n{}\n{}\n{}",
        scope.time.amz_date(),
        credential_scope(scope),
        hex(&Sha256::digest(canonical_request))
    )
}

/// `20150830/us-east-1/iam/aws4_request`.
pub(super) fn credential_scope(scope: &CredentialScope<'_>) -> String {
    format!(
        "{}/{}/{}/aws4_request",
        date(scope),
        scope.region,
        scope.service
    )
}

/// `20150830`.
pub(super) fn date(scope: &CredentialScope<'_>) -> String {
    let mut date = scope.time.amz_date();
    date.truncate(8);
    date
}
