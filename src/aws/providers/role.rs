//! A role, assumed with a base identity by STS.

use crate::aws::identity::Identity;
use crate::aws::providers::{Context, Fixed};
use crate::aws::sts::AssumeRole;
use crate::error::Result;

/// A role as a configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
    /// The run's own where there is none.
    pub(crate) session_name: Option<String>,
    /// The role's own where there is none.
    pub(crate) seconds: Option<u32>,
}

impl Role {
    pub(crate) fn assume(&self, base: Identity, context: &Context) -> Result<Identity> {
        let given = self.session_name.as_deref();
        let assume = AssumeRole {
            role_arn: &self.arn,
            session_name: &session_name(given.unwrap_or(&context.session_name)),
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
                .hint("check that the role's trust policy names the base identity, and the external id if it asks for one")
        })
    }
}

/// STS takes 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`; others become dashes.
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
