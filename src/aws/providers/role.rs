//! A role that STS assumes for a base identity.

use crate::aws::identity::Identity;
use crate::aws::providers::{Context, Fixed};
use crate::aws::sts::AssumeRole;
use crate::error::Result;

/// A role of a configuration or a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
    /// The default is the run's name.
    pub(crate) session_name: Option<String>,
    /// The duration of the session; the default is the role's.
    pub(crate) seconds: Option<u32>,
}

impl Role {
    /// Assumes the role with the base identity.
    pub(crate) fn assume(&self, base: Identity, context: &Context) -> Result<Identity> {
        let name = self.session_name.as_deref();
        let assume = AssumeRole {
            role_arn: &self.arn,
            session_name: &session_name(name.unwrap_or(&context.session_name)),
            external_id: self.external_id.as_deref(),
            seconds: self.seconds,
        };
        let caller = Fixed {
            context,
            identity: Some(base),
        };
        context.sender.perform(&assume, &caller).map_err(|error| {
            error
                .while_doing(format!("assuming role {}", self.arn))
                .hint("check that the role's trust policy names the base identity, and the external id if it requires one")
        })
    }
}

/// The text as a session name: STS accepts 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`; others become dashes.
pub(super) fn session_name(text: &str) -> String {
    let fine = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
    let name: String = text
        .chars()
        .map(|character| if fine(character) { character } else { '-' })
        .take(64)
        .collect();
    match name.len() {
        0 => "datalake".to_owned(),
        1 => format!("datalake-{name}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_are_what_sts_takes() {
        assert_eq!(session_name("job 7/attempt 1"), "job-7-attempt-1");
        assert_eq!(session_name(""), "datalake");
        assert_eq!(session_name("7"), "datalake-7");
        assert_eq!(session_name(&"ü".repeat(100)), "-".repeat(64));
    }
}
