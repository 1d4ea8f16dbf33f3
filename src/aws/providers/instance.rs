//! Credentials of an EC2 instance, from its metadata service (IMDSv2, and version 1 where there is no token).
//! Without a response this is no instance, which is not an error.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>

use std::time::Duration;

use log::warn;
use serde_json::Value;

use crate::aws::identity::Identity;
use crate::aws::providers::Context;
use crate::aws::providers::metadata::{self, MetadataEndpoint};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::{Failure, Method};
use crate::time::Millis;

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

pub(super) fn identity(context: &Context) -> Result<Option<Identity>> {
    let environment = &context.environment;
    if environment.is("AWS_EC2_METADATA_DISABLED", "true") {
        return Ok(None);
    }
    let seconds = number(environment, "AWS_METADATA_SERVICE_TIMEOUT")?.unwrap_or(1);
    let attempts = number(environment, "AWS_METADATA_SERVICE_NUM_ATTEMPTS")?.unwrap_or(1);
    let instance = Instance {
        base: base(environment),
        endpoint: MetadataEndpoint::new(seconds, context.sender.roots()),
        attempts,
    };
    let Some(token) = instance.token()? else {
        return Ok(None);
    };
    if token.is_empty() && environment.is("AWS_EC2_METADATA_V1_DISABLED", "true") {
        return Err(Error::config(
            "instance metadata: expected a token of version 2, found none, and version 1 is disabled",
        )
        .hint("raise the instance's metadata hop limit to 2, if this runs in a container"));
    }
    let Some(role) = instance.get(ROLES, &token) else {
        return Ok(None);
    };
    let role = role.trim();
    if !is_name(role) {
        return Err(Error::config(
            "instance metadata: expected the name of a role, found something else",
        ));
    }
    let response = instance
        .get(&format!("{ROLES}{role}"), &token)
        .unwrap_or_default();
    let mut document: Value = serde_json::from_str(&response).unwrap_or_default();
    let now = context.sender.now();
    keep_alive(&mut document, now);
    metadata::credentials(&document, "Token", now)
        .map(Some)
        .map_err(|what| {
            let code = document
                .get("Code")
                .and_then(Value::as_str)
                .filter(|code| is_name(code))
                .unwrap_or("none");
            Error::config(format!(
                "instance metadata, role {role}: {what}; its code is {code}"
            ))
        })
}

/// Whether the text can be the name of a role, which becomes a part of a URL and of messages.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
fn is_name(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_fine)
}

/// Extends expired credentials: when the service cannot renew them, it returns expired ones, which AWS goes on to
/// accept. They are requested again after a quarter of an hour.
fn keep_alive(document: &mut Value, now: Millis) {
    let end = document.get("Expiration").and_then(Value::as_str);
    if end.and_then(Millis::from_iso).is_some_and(|end| end <= now) {
        warn!(
            "the instance's credentials have expired and were not renewed; using them for another 15 minutes"
        );
        document["Expiration"] = now.plus(Duration::from_secs(900)).iso().into();
    }
}

struct Instance {
    base: String,
    endpoint: MetadataEndpoint,
    attempts: u64,
}

impl Instance {
    /// A session token; an empty one where only version 1 is supported; nothing where there is no service.
    fn token(&self) -> Result<Option<String>> {
        for _ in 0..self.attempts.max(1) {
            let ttl = (
                "x-aws-ec2-metadata-token-ttl-seconds".to_owned(),
                "21600".to_owned(),
            );
            let url = format!("{}/latest/api/token", self.base);
            match self.endpoint.ask(Method::Put, url, vec![ttl]) {
                Ok(response) if response.status == 200 => {
                    return Ok(Some(String::from_utf8_lossy(&response.body).into_owned()));
                }
                Ok(response) if matches!(response.status, 403..=405) => {
                    return Ok(Some(String::new()));
                }
                Ok(response) if response.status == 400 => {
                    return Err(Error::config(
                        "instance metadata: expected a token, found status 400",
                    ));
                }
                // A hop limit of 1 drops responses to containers; those of version 1 pass.
                Err(Failure::Lost(_)) => return Ok(Some(String::new())),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }

    fn get(&self, path: &str, token: &str) -> Option<String> {
        let headers: Vec<(String, String)> = match token {
            "" => Vec::new(),
            _ => vec![("x-aws-ec2-metadata-token".to_owned(), token.to_owned())],
        };
        (0..self.attempts.max(1)).find_map(|_| {
            let url = format!("{}{path}", self.base);
            let response = self.endpoint.ask(Method::Get, url, headers.clone()).ok()?;
            let is_fine = response.status == 200 && !response.body.is_empty();
            is_fine.then(|| String::from_utf8_lossy(&response.body).into_owned())
        })
    }
}

fn base(environment: &Environment) -> String {
    if let Some(url) = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        return url.trim_end_matches('/').to_owned();
    }
    let mode = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    match mode {
        Some(mode) if mode.eq_ignore_ascii_case("ipv6") => "http://[fd00:ec2::254]".to_owned(),
        _ => "http://169.254.169.254".to_owned(),
    }
}

fn number(environment: &Environment, variable: &str) -> Result<Option<u64>> {
    let Some(text) = environment.get(variable) else {
        return Ok(None);
    };
    text.trim().parse().map(Some).map_err(|_| {
        Error::config(format!(
            "environment variable {variable}: expected a whole number, found {text:?}"
        ))
    })
}
