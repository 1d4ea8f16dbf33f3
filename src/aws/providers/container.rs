//! Credentials of a container: ECS, and EKS Pod Identity.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use crate::aws::identity::Identity;
use crate::aws::providers::Context;
use crate::aws::providers::metadata::{self, MetadataEndpoint};
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::http::Method;

const ATTEMPTS: u32 = 3;

pub(super) fn identity(context: &Context) -> Result<Option<Identity>> {
    let environment = &context.environment;
    let Some(url) = url(environment)? else {
        return Ok(None);
    };
    let endpoint = MetadataEndpoint::new(2, context.sender.roots());
    let mut last = Error::transient("");
    for attempt in 1..=ATTEMPTS {
        if attempt > 1 {
            context.sender.clock().sleep(Duration::from_secs(1));
        }
        let headers = token(environment)?
            .map(|token| ("authorization".to_owned(), token))
            .into_iter()
            .collect();
        match endpoint.ask(Method::Get, url.clone(), headers) {
            Ok(response) if response.status == 200 => {
                let document: Value = serde_json::from_slice(&response.body).unwrap_or_default();
                return metadata::credentials(&document, "Token", context.sender.now())
                    .map(Some)
                    .map_err(|what| Error::config(format!("container credentials: {what}")));
            }
            Ok(response) => {
                let status = response.status;
                last = Error::transient(format!("expected status 200, found {status}"));
                if status < 500 {
                    last = last
                        .with_kind(Kind::Config)
                        .hint("check that the task or the pod has a role");
                    break;
                }
            }
            Err(_) => last = Error::transient("expected a response within 2 seconds, found none"),
        }
    }
    Err(last.while_doing("container credentials"))
}

/// The URL of the endpoint; nothing where this is no such container.
fn url(environment: &Environment) -> Result<Option<String>> {
    if let Some(path) = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return Ok(Some(format!("http://169.254.170.2{path}")));
    }
    let Some(url) = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
        return Ok(None);
    };
    if url.starts_with("https://") || host(url).is_some_and(is_near) {
        return Ok(Some(url.to_owned()));
    }
    Err(Error::config(
        "environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI: expected an https URL, or one of this host or of ECS or EKS, found another",
    ))
}

fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, _)| host),
        None => authority.split(':').next(),
    }
}

/// Whether a token may be sent to the host without TLS.
fn is_near(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => {
            address.is_loopback()
                || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(&host)
        }
        Err(_) => host == "localhost",
    }
}

/// The token: from the file, which is read each time because it is rotated, else from the variable.
fn token(environment: &Environment) -> Result<Option<String>> {
    let token = match environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
            Error::config(format!("reading the container's token {file}")).because(error)
        })?),
        None => environment
            .get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
            .map(str::to_owned),
    };
    match token {
        Some(token) if token.contains(['\r', '\n']) => Err(Error::config(
            "container credentials: expected a token of one line, found more",
        )),
        token => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_to_local_endpoints_or_over_tls() {
        let of = |name: &str, value: &str| {
            url(&Environment::from_pairs([(
                name.to_owned(),
                value.to_owned(),
            )]))
        };
        let full = |value| of("AWS_CONTAINER_CREDENTIALS_FULL_URI", value);
        assert_eq!(
            of("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")
                .unwrap()
                .as_deref(),
            Some("http://169.254.170.2/v2/x")
        );
        for near in [
            "https://example.com/x",
            "http://127.0.0.1:80/x",
            "http://127.9.9.9",
            "http://localhost/x?y",
            "http://[::1]:80/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
        ] {
            assert_eq!(full(near).unwrap().as_deref(), Some(near));
        }
        for far in [
            "http://example.com/x",
            "http://169.254.170.24/",
            "http://127.0.0.1.example.com/",
            "http://[fd00:ec2::24]/",
            "ftp://localhost/",
            "localhost",
        ] {
            assert!(full(far).is_err(), "{far}");
        }
    }
}
