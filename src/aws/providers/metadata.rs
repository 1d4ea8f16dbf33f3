//! Credentials as a JSON object, which processes, containers and instances share, and the client of the local endpoints
//! that serve them.

use std::time::Duration;

use serde_json::Value;

use crate::aws::identity::Identity;
use crate::http::{Bytes, Client, Failure, Method, Request, Response, RootCertificates, Timeouts};
use crate::secret::Secret;
use crate::time::Millis;

/// Reads credentials; `token` is the name of the session token. The error says what was expected and found.
pub(super) fn credentials(
    document: &Value,
    token: &str,
    now: Millis,
) -> Result<Identity, &'static str> {
    let text = |name: &str| {
        let text = document.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let (Some(id), Some(secret)) = (text("AccessKeyId"), text("SecretAccessKey")) else {
        return Err("expected AccessKeyId and SecretAccessKey, found one or none");
    };
    let expires = match text("Expiration") {
        None => None,
        Some(text) => Some(
            Millis::from_iso(text)
                .ok_or("expected Expiration as 2026-01-31T12:00:00Z, found something else")?,
        ),
    };
    if expires.is_some_and(|end| end <= now) {
        return Err("the credentials have expired");
    }
    Ok(Identity {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: text(token).map(Secret::new),
        expires,
    })
}

/// A metadata endpoint: a local server of credentials. It has short timeouts, and is never reached through a proxy.
pub(super) struct MetadataEndpoint(Client);

impl MetadataEndpoint {
    pub(super) fn new(seconds: u64, roots: &RootCertificates) -> Self {
        let timeout = Duration::from_secs(seconds);
        let timeouts = Timeouts {
            connect: timeout,
            silence: timeout,
            attempt: timeout * 3,
        };
        Self(Client::new(timeouts, roots, None))
    }

    pub(super) fn ask(
        &self,
        method: Method,
        url: String,
        headers: Vec<(String, String)>,
    ) -> Result<Response, Failure> {
        self.0.send(&Request {
            method,
            url,
            headers,
            body: Bytes::default(),
            limit: 1 << 20,
        })
    }
}
