//! Web identity: a token of another identity provider, in a file as Kubernetes mounts it (IRSA), exchanged at STS.
//! The file is read at each renewal, because its token is rotated.

use crate::aws::identity::Identity;
use crate::aws::providers::files::{Files, From};
use crate::aws::providers::role::session_name;
use crate::aws::providers::{Context, Fixed};
use crate::aws::sts::AssumeRoleWithWebIdentity;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::secret::Secret;

/// A web identity: the file with its token, and the role to assume.
pub(super) struct WebIdentity {
    token_file: String,
    role_arn: String,
    session_name: Option<String>,
}

/// The web identity of `AWS_WEB_IDENTITY_TOKEN_FILE` and its companions; missing ones are taken from the profile.
pub(super) fn of_environment(
    environment: &Environment,
    files: &Files,
) -> Result<Option<WebIdentity>> {
    let value = |variable: &str, key: &str| {
        let value = environment.get(variable);
        value.or_else(|| files.value(From::Both, files.profile(), key))
    };
    found(
        value("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file"),
        value("AWS_ROLE_ARN", "role_arn"),
        value("AWS_ROLE_SESSION_NAME", "role_session_name"),
    )
}

/// The web identity of a profile.
pub(super) fn of_profile(files: &Files, profile: &str) -> Result<Option<WebIdentity>> {
    let value = |key: &str| files.value(From::Both, profile, key);
    found(
        value("web_identity_token_file"),
        value("role_arn"),
        value("role_session_name"),
    )
}

fn found(
    token_file: Option<&str>,
    role_arn: Option<&str>,
    session_name: Option<&str>,
) -> Result<Option<WebIdentity>> {
    let Some(token_file) = token_file else {
        return Ok(None);
    };
    let Some(role_arn) = role_arn else {
        return Err(Error::config(
            "web identity: expected AWS_ROLE_ARN (or role_arn) beside the token file, found none",
        ));
    };
    Ok(Some(WebIdentity {
        token_file: token_file.to_owned(),
        role_arn: role_arn.to_owned(),
        session_name: session_name.map(str::to_owned),
    }))
}

impl WebIdentity {
    pub(super) fn identity(&self, context: &Context) -> Result<Identity> {
        let token = interrupt::read_text(&self.token_file).map_err(|error| {
            Error::config(format!(
                "reading the web identity token {}",
                self.token_file
            ))
            .because(error)
        })?;
        let token = Secret::new(token.trim());
        let name = self.session_name.as_deref();
        let assume = AssumeRoleWithWebIdentity {
            role_arn: &self.role_arn,
            session_name: &session_name(name.unwrap_or(&context.session_name)),
            token: &token,
        };
        let unsigned = Fixed {
            context,
            identity: None,
        };
        context.sender.perform(&assume, &unsigned).map_err(|error| {
            error
                .while_doing(format!("assuming role {} with a web identity", self.role_arn))
                .hint("check that the role's trust policy names the identity provider and the service account")
        })
    }
}
