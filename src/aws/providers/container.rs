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
use crate::interrupt;

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
            interrupt::sleep(context.sender.clock(), Duration::from_secs(1))?;
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
        // Anything else would become part of the host's name.
        if !path.starts_with('/') || !is_plain(path) {
            return Err(Error::config(
                "environment variable AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: expected a path that begins with /, found another form",
            ));
        }
        return Ok(Some(format!("http://169.254.170.2{path}")));
    }
    let Some(url) = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
        return Ok(None);
    };
    // The URL is not quoted: a user name and a password may be in it.
    let expected = |what| {
        let name = "environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI";
        Error::config(format!("{name}: expected {what}, found another"))
    };
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = host(authority)
        .filter(|_| is_plain(url))
        .ok_or_else(|| expected("a URL with a host, without user name and password"))?;
    match scheme {
        "https" => Ok(Some(url.to_owned())),
        "http" if is_near(host) => Ok(Some(url.to_owned())),
        _ => Err(expected(
            "an https URL, or one of this host or of ECS or EKS",
        )),
    }
}

/// The host of `host`, `host:port`, `[address]` or `[address]:port`; nothing in any other form, which parsers may read
/// in different ways.
fn host(authority: &str) -> Option<&str> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    let is_fine = !host.is_empty()
        && host.bytes().all(is_name)
        && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    is_fine.then_some(host)
}

/// Whether the text holds only characters of URLs, and none that parsers read in different ways.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte))
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
        Some(file) => Some(interrupt::read_text(file).map_err(|error| {
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
            "http://127.0.0.1:80@example.com:8080/x",
            "http://127.0.0.1@example.com/x",
            "http://localhost\\@example.com/x",
            "http://[::1]@example.com/x",
            "http://[::1]:80@[fd00:ec2::24]/x",
            "https://user:hunter2@example.com/x",
            "http://example.com#@127.0.0.1/",
            "http://127.0.0.1\t.example.com/",
            "http:/127.0.0.1/",
            "http:///x",
            "//127.0.0.1/x",
            "",
        ] {
            let Err(error) = full(far) else {
                assert_eq!(far, "", "an empty variable counts as absent");
                continue;
            };
            assert!(!error.to_string().contains("example.com"), "{error}");
        }
        for far in [
            "@example.com/x",
            "example.com/x",
            ".example.com",
            ":80@h/",
            "/x y",
            "/\\h",
        ] {
            let relative = of("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", far);
            assert!(relative.is_err(), "{far}");
        }
    }
}
