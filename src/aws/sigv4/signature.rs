//! Step 3 of SigV4: the signing key, and the signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::aws::sigv4::CredentialScope;
use crate::aws::sigv4::string_to_sign::date;
use crate::secret::Secret;
use crate::text::hex;

pub(super) fn signature(
    scope: &CredentialScope<'_>,
    secret: &Secret,
    string_to_sign: &str,
) -> String {
    let key = format!("AWS4{}", secret.reveal());
    let key = hmac(key.as_bytes(), &date(scope));
    let key = hmac(&key, scope.region);
    let key = hmac(&key, scope.service);
    let key = hmac(&key, "aws4_request");
    hex(&hmac(&key, string_to_sign))
}

fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}
