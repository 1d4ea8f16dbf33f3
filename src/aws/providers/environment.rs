//! Credentials in the environment: `AWS_ACCESS_KEY_ID` and its companions.

use crate::aws::identity::Identity;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::time::Millis;

pub(super) fn identity(environment: &Environment) -> Result<Option<Identity>> {
    let Some(access_key_id) = environment.get("AWS_ACCESS_KEY_ID") else {
        return Ok(None);
    };
    let Some(secret_access_key) = environment.get("AWS_SECRET_ACCESS_KEY") else {
        return Err(Error::config(
            "environment: expected AWS_SECRET_ACCESS_KEY beside AWS_ACCESS_KEY_ID, found none",
        ));
    };
    let session_token = environment
        .get("AWS_SESSION_TOKEN")
        .or_else(|| environment.get("AWS_SECURITY_TOKEN"));
    let expires = match environment.get("AWS_CREDENTIAL_EXPIRATION") {
        None => None,
        Some(text) => Some(Millis::from_iso(text).ok_or_else(|| {
            Error::config(format!(
                "environment variable AWS_CREDENTIAL_EXPIRATION: expected a time as 2026-01-31T12:00:00Z, found {text:?}"
            ))
        })?),
    };
    Ok(Some(Identity {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: Secret::new(secret_access_key),
        session_token: session_token.map(Secret::new),
        expires,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Option<Identity>> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        identity(&Environment::from_pairs(pairs))
    }

    #[test]
    fn needs_both_halves_of_the_pair() {
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&[("AWS_SECRET_ACCESS_KEY", "s")]).unwrap(), None);
        let error = of(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment: expected AWS_SECRET_ACCESS_KEY beside AWS_ACCESS_KEY_ID, found none"
        );
    }

    #[test]
    fn reads_the_token_under_both_names_and_the_expiration() {
        let identity = of(&[
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_SECURITY_TOKEN", "t"),
            ("AWS_CREDENTIAL_EXPIRATION", "2026-01-31T12:00:00Z"),
        ])
        .unwrap()
        .unwrap();
        assert_eq!(identity.session_token, Some(Secret::new("t")));
        assert_eq!(identity.expires, Millis::from_iso("2026-01-31T12:00:00Z"));
    }
}
