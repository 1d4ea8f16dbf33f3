//! An identity that signs, as a plain value; `providers` find it and `session` renews it.

use std::fmt;

use crate::secret::Secret;
use crate::time::Millis;

/// A key pair, with a session token and an expiration where it is temporary.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Option<Secret>,
    pub(crate) expires: Option<Millis>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_text_shows_the_key_id_and_nothing_else() {
        let identity = Identity {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("hunter2"),
            session_token: Some(Secret::new("hunter3")),
            expires: None,
        };
        assert_eq!(
            format!("{identity:?}"),
            "Identity { access_key_id: \"AKIDEXAMPLE\", .. }"
        );
    }
}
