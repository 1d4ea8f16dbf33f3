//! The session: holds the identity of the run and renews it before it expires, and when it is refused as expired.
//! Callers see only this, not the provider of the identity.

use std::cell::RefCell;
use std::time::Duration;

use log::{debug, warn};

use crate::aws::identity::Identity;
use crate::aws::providers::{self, Context, Role};
use crate::error::Result;
use crate::secret::Secret;
use crate::time::Millis;

/// The configured credentials.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// A user's key pair.
    User {
        access_key_id: String,
        secret_access_key: Secret,
        session_token: Option<Secret>,
    },
    /// A role, assumed with the identity that the default chain finds.
    Role {
        role_arn: String,
        external_id: Option<String>,
    },
    /// The identity that the default chain finds.
    Default,
}

/// The session of the run.
pub(crate) struct Session {
    credentials: Credentials,
    context: Context,
    held: RefCell<Option<HeldIdentity>>,
}

struct HeldIdentity {
    identity: Identity,
    /// The time from which on it is renewed.
    renew_at: Option<Millis>,
}

/// The time before its expiration at which a temporary identity is renewed; one with a short life is renewed at three
/// quarters of it.
const MARGIN: Duration = Duration::from_secs(600);

impl Session {
    pub(crate) fn new(credentials: Credentials, context: Context) -> Self {
        Self {
            credentials,
            context,
            held: RefCell::new(None),
        }
    }

    /// The account of the identity and the ARN that names it, where the settings say so.
    pub(crate) fn account(&self) -> Option<(&str, &str)> {
        let Credentials::Role { role_arn, .. } = &self.credentials else {
            return None;
        };
        // arn:aws:iam::111111111111:role/name
        let account = role_arn.split(':').nth(4)?;
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        is_account.then_some((account, role_arn.as_str()))
    }

    /// The identity, renewed where it is due.
    pub(crate) fn identity(&self) -> Result<Identity> {
        let now = self.context.sender.now();
        let held = self.held.borrow().as_ref().map(|held| {
            let is_fresh = held.renew_at.is_none_or(|time| now < time);
            (held.identity.clone(), is_fresh)
        });
        match held {
            Some((identity, true)) => Ok(identity),
            None => self.load(),
            Some((identity, false)) => self.load().or_else(|error| {
                if identity.expires.is_none_or(|end| end <= now) {
                    return Err(error);
                }
                // The held identity is still valid: the next call tries again.
                warn!("cannot renew the credentials yet: {error}");
                Ok(identity)
            }),
        }
    }

    /// Renews the identity after a service refused this one as expired; true where there is another one now. It may have
    /// been renewed for another call since this one was sent.
    pub(crate) fn renew(&self, refused: Option<&Identity>) -> Result<bool> {
        let held = self
            .held
            .borrow()
            .as_ref()
            .map(|held| held.identity.clone());
        if held.is_some() && held.as_ref() != refused {
            return Ok(true);
        }
        *self.held.borrow_mut() = None;
        let fresh = self.load()?;
        Ok(refused != Some(&fresh))
    }

    fn load(&self) -> Result<Identity> {
        let identity = match &self.credentials {
            Credentials::User {
                access_key_id,
                secret_access_key,
                session_token,
            } => Identity {
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.clone(),
                session_token: session_token.clone(),
                expires: None,
            },
            Credentials::Role {
                role_arn,
                external_id,
            } => {
                let role = Role {
                    arn: role_arn.clone(),
                    external_id: external_id.clone(),
                    session_name: None,
                    seconds: None,
                };
                role.assume(self.found()?, &self.context)?
            }
            Credentials::Default => self.found()?,
        };
        let now = self.context.sender.now();
        let until = identity.expires.map_or("forever".to_owned(), Millis::iso);
        debug!(
            "signed in access_key_id={} until={until}",
            identity.access_key_id
        );
        *self.held.borrow_mut() = Some(HeldIdentity {
            renew_at: identity.expires.map(|end| renew_at(now, end)),
            identity: identity.clone(),
        });
        Ok(identity)
    }

    fn found(&self) -> Result<Identity> {
        let (provider, identity) = providers::default_chain(&self.context)?;
        debug!("credentials found provider={provider:?}");
        Ok(identity)
    }
}

fn renew_at(now: Millis, end: Millis) -> Millis {
    let life = end.0.saturating_sub(now.0).max(0);
    let margin = i64::try_from(MARGIN.as_millis()).unwrap_or(i64::MAX);
    Millis(end.0 - margin.min(life / 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::providers::tests::context;

    #[test]
    fn long_lives_are_renewed_ten_minutes_early_and_short_ones_at_three_quarters() {
        let hour = 3_600_000;
        assert_eq!(renew_at(Millis(0), Millis(hour)), Millis(hour - 600_000));
        assert_eq!(renew_at(Millis(0), Millis(4000)), Millis(3000));
        assert_eq!(renew_at(Millis(5000), Millis(4000)), Millis(4000));
    }

    /// A session that holds an identity, and whose provider fails.
    fn holding(end: &str) -> Session {
        let half_a_pair = vec![("AWS_ACCESS_KEY_ID".to_owned(), "AKID".to_owned())];
        let session = Session::new(Credentials::Default, context(half_a_pair));
        let identity = Identity {
            access_key_id: "ASIA".into(),
            secret_access_key: Secret::new("s"),
            session_token: None,
            expires: Millis::from_iso(end),
        };
        *session.held.borrow_mut() = Some(HeldIdentity {
            identity,
            renew_at: Millis::from_iso("2026-11-22T11:59:00Z"),
        });
        session
    }

    #[test]
    fn a_failed_renewal_is_tolerated_until_the_identity_expires() {
        let session = holding("2026-11-22T12:05:00Z");
        assert_eq!(session.identity().unwrap().access_key_id, "ASIA");
        let session = holding("2026-11-22T12:00:00Z");
        let error = session.identity().unwrap_err().to_string();
        assert!(
            error.starts_with("environment: expected AWS_SECRET_ACCESS_KEY"),
            "{error}"
        );
    }
}
