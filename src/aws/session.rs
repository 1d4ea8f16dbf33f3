//! Holds the identity of the run and renews it: before it ends, and once when it is refused as ended.
//! The services above see only this, never where the identity came from.

use std::cell::RefCell;
use std::time::Duration;

use log::{debug, warn};

use crate::aws::identity::Identity;
use crate::aws::providers::{self, Context, Role};
use crate::error::Result;
use crate::secret::Secret;
use crate::time::Millis;

/// How the user signs in.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// A user's key pair.
    User {
        access_key_id: String,
        secret_access_key: Secret,
        session_token: Option<Secret>,
    },
    /// A role, assumed with what the default chain finds.
    Role {
        role_arn: String,
        external_id: Option<String>,
    },
    /// What the default chain finds.
    Default,
}

/// The identity of the run.
pub(crate) struct Session {
    credentials: Credentials,
    context: Context,
    held: RefCell<Option<Held>>,
}

struct Held {
    identity: Identity,
    /// From when on a fresh one is asked for.
    stale: Option<Millis>,
}

/// A temporary identity is renewed this long before its end, or at three quarters of its life if that is shorter.
const MARGIN: Duration = Duration::from_secs(600);

impl Session {
    pub(crate) fn new(credentials: Credentials, context: Context) -> Self {
        Self {
            credentials,
            context,
            held: RefCell::new(None),
        }
    }

    /// An identity that is good now.
    pub(crate) fn identity(&self) -> Result<Identity> {
        let now = self.context.sender.now();
        let held = self.held.borrow().as_ref().map(|held| {
            let is_fresh = held.stale.is_none_or(|stale| now < stale);
            (held.identity.clone(), is_fresh)
        });
        match held {
            Some((identity, true)) => Ok(identity),
            None => self.load(),
            Some((identity, false)) => self.load().or_else(|error| {
                if identity.expires.is_none_or(|end| end <= now) {
                    return Err(error);
                }
                // There is time left to try again with the next call.
                warn!("credentials could not be renewed yet: {error}");
                Ok(identity)
            }),
        }
    }

    /// After a service said that the identity has ended; whether there is another one now.
    pub(crate) fn renew(&self) -> Result<bool> {
        let before = self.held.borrow_mut().take();
        let fresh = self.load()?;
        Ok(before.is_none_or(|held| held.identity != fresh))
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
        *self.held.borrow_mut() = Some(Held {
            stale: identity.expires.map(|end| stale(now, end)),
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

fn stale(now: Millis, end: Millis) -> Millis {
    let life = end.0.saturating_sub(now.0).max(0);
    let margin = i64::try_from(MARGIN.as_millis()).unwrap_or(i64::MAX);
    Millis(end.0 - margin.min(life / 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::providers::tests::context;

    #[test]
    fn long_lives_end_ten_minutes_early_and_short_ones_at_three_quarters() {
        let hour = 3_600_000;
        assert_eq!(stale(Millis(0), Millis(hour)), Millis(hour - 600_000));
        assert_eq!(stale(Millis(0), Millis(4000)), Millis(3000));
        assert_eq!(stale(Millis(5000), Millis(4000)), Millis(4000));
    }

    /// A session whose provider is broken, holding what it got before.
    fn holding(end: &str) -> Session {
        let half_a_pair = vec![("AWS_ACCESS_KEY_ID".to_owned(), "AKID".to_owned())];
        let session = Session::new(Credentials::Default, context(half_a_pair));
        let identity = Identity {
            access_key_id: "ASIA".into(),
            secret_access_key: Secret::new("s"),
            session_token: None,
            expires: Millis::from_iso(end),
        };
        *session.held.borrow_mut() = Some(Held {
            identity,
            stale: Millis::from_iso("2026-11-22T11:59:00Z"),
        });
        session
    }

    #[test]
    fn a_renewal_that_fails_is_borne_while_there_is_time() {
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
