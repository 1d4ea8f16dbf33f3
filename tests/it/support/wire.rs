//! With `WIRE` in the environment of the tests, every program that they run is moved: its endpoints to https with a
//! certificate of a private authority, its way through a proxy that asks for a password, and its user's keys to a
//! role whose credentials end within seconds. With `S3S`, every program uses another S3 server beside moto.
//! Without them, nothing here happens.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::authority::Authority;
use super::cloud::{Account, OTHER_S3, may, tools};
use super::fake::Fake;
use super::proxy::{Login, Proxy, Rules};

/// The proxy's user.
pub(crate) const LOGIN: Login = Login {
    user_info: "wire:p%40ss",
    header: "Basic d2lyZTpwQHNz",
};

/// How long the credentials of a role are good.
const LIFE: Duration = Duration::from_secs(2);

pub(crate) fn is_on() -> bool {
    std::env::var_os("WIRE").is_some()
}

fn has_other_s3() -> bool {
    std::env::var_os(OTHER_S3).is_some()
}

/// Moves the program whose configuration is in this folder; the proxy must live as long as the program.
pub(crate) fn wrapped(command: &mut Command, folder: &Path) -> Option<Proxy> {
    if !is_on() {
        return None;
    }
    let proxy = Proxy::start(Rules {
        login: Some(LOGIN),
        life: Some(LIFE),
        ..Rules::default()
    });
    std::fs::write(folder.join("authority.pem"), &Authority::get().certificate).unwrap();
    default(command, "AWS_CA_BUNDLE", "authority.pem");
    default(command, "HTTPS_PROXY", &proxy.url());
    let moved: Vec<_> = command
        .get_envs()
        .filter(|(name, _)| name.to_string_lossy().starts_with("AWS_ENDPOINT_URL"))
        .filter_map(|(name, url)| Some((name.to_owned(), secure(url?.to_str()?)?)))
        .collect();
    command.envs(moved);
    let mut config = config(folder);
    if let Some(url) = config["endpoint_url"].as_str().and_then(secure) {
        config["endpoint_url"] = url.into();
        if let Some(role) = role_like(&config["credentials"]) {
            config["credentials"] = role;
            let base = base();
            default(command, "AWS_ACCESS_KEY_ID", base["key"].as_str().unwrap());
            default(
                command,
                "AWS_SECRET_ACCESS_KEY",
                base["secret"].as_str().unwrap(),
            );
        }
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }
    Some(proxy)
}

/// The role that takes a user's place.
fn role_like(user: &Value) -> Option<Value> {
    if *user == Fake::user() {
        let arn = "arn:aws:iam::123456789012:role/test";
        return Some(json!({"credentials_title": "IAM Role", "role_arn": arn}));
    }
    Account::role_like(user)
}

/// Sends the program to the other S3 server where there is one, and to moto with all else.
pub(crate) fn aim_at_other_s3(command: &mut Command, folder: &Path) {
    if !has_other_s3() {
        return;
    }
    let mut config = config(folder);
    if config["endpoint_url"] == Account::endpoint() {
        config.as_object_mut().unwrap().remove("endpoint_url");
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        default(command, "AWS_ENDPOINT_URL", Account::endpoint());
    }
    if command
        .get_envs()
        .any(|(name, _)| name == "AWS_ENDPOINT_URL")
    {
        default(command, "AWS_ENDPOINT_URL_S3", Account::s3_endpoint());
    }
}

fn config(folder: &Path) -> Value {
    let text = std::fs::read(folder.join("config.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The same server over TLS, if it is one of the tests'.
fn secure(url: &str) -> Option<String> {
    let place = url.strip_prefix("http://127.0.0.1:")?;
    Some(format!("https://127.0.0.1:{place}"))
}

fn default(command: &mut Command, name: &str, value: &str) {
    if !command.get_envs().any(|(known, _)| known == name) {
        command.env(name, value);
    }
}

/// The keys of a user of moto who may assume roles and nothing else.
pub(crate) fn base() -> &'static Value {
    static BASE: OnceLock<Value> = OnceLock::new();
    BASE.get_or_init(|| {
        let statements = [may(&["sts:AssumeRole"], "*")];
        tools().call("user", json!({"name": "base", "statements": statements}))
    })
}
