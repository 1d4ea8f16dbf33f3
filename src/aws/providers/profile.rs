//! Credentials of a profile in the shared files: a role, a web identity, keys, or a process.

use crate::aws::identity::Identity;
use crate::aws::providers::files::{Files, From};
use crate::aws::providers::{
    Context, Provider, Role, container, environment, instance, process, web_identity,
};
use crate::error::{Error, Result};
use crate::secret::Secret;

/// The identity of the chosen profile, from the first source that it names.
pub(super) fn identity(files: &Files, context: &Context) -> Result<Option<(Provider, Identity)>> {
    let profile = files.profile();
    if is_role(files, profile) {
        let mut visited = vec![profile];
        let identity = role(files, context, &mut visited)?;
        return Ok(Some((Provider::ProfileRole, identity)));
    }
    let token = web_identity::of_environment(&context.environment, files)?;
    if let Some(token) = token {
        return Ok(Some((Provider::WebIdentity, token.identity(context)?)));
    }
    without_role(files, profile, context)
}

/// Whether the profile names a role that is assumed with a base identity; a web identity's role is not.
fn is_role(files: &Files, profile: &str) -> bool {
    files.value(From::Both, profile, "role_arn").is_some()
        && files
            .value(From::Both, profile, "web_identity_token_file")
            .is_none()
}

/// The identity from every source but a role; nothing where the profile names none.
fn without_role(
    files: &Files,
    profile: &str,
    context: &Context,
) -> Result<Option<(Provider, Identity)>> {
    if let Some(token) = web_identity::of_profile(files, profile)? {
        return Ok(Some((Provider::WebIdentity, token.identity(context)?)));
    }
    if files.value(From::Both, profile, "sso_session").is_some()
        || files.value(From::Both, profile, "sso_start_url").is_some()
    {
        return Err(Error::config(format!(
            "profile {profile:?}: expected keys, a role, a process or a web identity, found single sign-on, which is not supported"
        ))
        .hint("run `aws configure export-credentials --format env` and set what it prints"));
    }
    if let Some(identity) = keys(files, From::Credentials, profile)? {
        return Ok(Some((Provider::CredentialsFile, identity)));
    }
    if let Some(command) = files.value(From::Both, profile, "credential_process") {
        let (clock, now) = (context.sender.clock(), context.sender.now());
        return Ok(Some((
            Provider::Process,
            process::identity(command, profile, clock, now)?,
        )));
    }
    Ok(keys(files, From::Config, profile)?.map(|identity| (Provider::ConfigFile, identity)))
}

fn keys(files: &Files, from: From, profile: &str) -> Result<Option<Identity>> {
    let Some(access_key_id) = files.value(from, profile, "aws_access_key_id") else {
        return Ok(None);
    };
    let Some(secret) = files.value(from, profile, "aws_secret_access_key") else {
        return Err(Error::config(format!(
            "profile {profile:?}: expected aws_secret_access_key beside aws_access_key_id, found none"
        )));
    };
    let token = files
        .value(from, profile, "aws_session_token")
        .or_else(|| files.value(from, profile, "aws_security_token"));
    Ok(Some(Identity {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: token.map(Secret::new),
        expires: None,
    }))
}

/// Assumes the role of the last profile visited, with the identity of its source.
fn role<'a>(files: &'a Files, context: &Context, visited: &mut Vec<&'a str>) -> Result<Identity> {
    let profile = *visited.last().expect("it begins with the chosen profile");
    let value = |key| files.value(From::Both, profile, key);
    if value("mfa_serial").is_some() {
        return Err(Error::config(format!(
            "profile {profile:?}: expected a role without mfa_serial, found one; there is no terminal to enter the code"
        )));
    }
    let seconds = match value("duration_seconds") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Error::config(format!(
                "profile {profile:?}, duration_seconds: expected a whole number, found {text:?}"
            ))
        })?),
    };
    let base = match (value("source_profile"), value("credential_source")) {
        (Some(source), None) => of_source(files, source, context, visited)?,
        (None, Some(source)) => of_named(source, profile, context)?,
        (found, _) => {
            let found = if found.is_some() { "both" } else { "neither" };
            return Err(Error::config(format!(
                "profile {profile:?}: expected either source_profile or credential_source beside role_arn, found {found}"
            )));
        }
    };
    let role = Role {
        arn: value("role_arn").unwrap_or("").to_owned(),
        external_id: value("external_id").map(str::to_owned),
        session_name: value("role_session_name").map(str::to_owned),
        seconds,
    };
    role.assume(base, context)
}

/// The base identity from `source_profile`, which may name a role itself.
fn of_source<'a>(
    files: &'a Files,
    source: &'a str,
    context: &Context,
    visited: &mut Vec<&'a str>,
) -> Result<Identity> {
    let profile = *visited.last().expect("it begins with the chosen profile");
    if !files.has(source) {
        return Err(Error::config(format!(
            "profile {profile:?}: expected a source_profile that exists, found {source:?}"
        )));
    }
    let has_keys = files
        .value(From::Both, source, "aws_access_key_id")
        .is_some();
    // A profile may name itself when it holds keys as well.
    if visited.contains(&source) && !(source == profile && has_keys) {
        return Err(Error::config(format!(
            "profile {profile:?}: expected a source_profile that ends in keys, found a circle: {} -> {source}",
            visited.join(" -> ")
        )));
    }
    if is_role(files, source) && !has_keys {
        visited.push(source);
        return role(files, context, visited);
    }
    match without_role(files, source, context)? {
        Some((_, identity)) => Ok(identity),
        None => Err(Error::config(format!(
            "profile {profile:?}: expected credentials in source_profile {source:?}, found none"
        ))),
    }
}

/// The base identity from `credential_source`.
fn of_named(source: &str, profile: &str, context: &Context) -> Result<Identity> {
    let identity = match source {
        "Environment" => environment::identity(&context.environment)?,
        "EcsContainer" => container::identity(context)?,
        "Ec2InstanceMetadata" => instance::identity(context)?,
        _ => {
            return Err(Error::config(format!(
                "profile {profile:?}, credential_source: expected Environment, EcsContainer or Ec2InstanceMetadata, found {source:?}"
            )));
        }
    };
    identity.ok_or_else(|| {
        Error::config(format!(
            "profile {profile:?}: expected credentials from credential_source {source}, found none"
        ))
    })
}
