//! Providers against files and servers that stand in for STS, a container and an instance.

use std::fs;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::aws::endpoint::Endpoints;
use crate::aws::identity::Identity;
use crate::aws::providers::{Context, Provider, default_chain};
use crate::aws::sender::Sender;
use crate::environment::Environment;
use crate::error::{Kind, Result};
use crate::http::retry::RetryPolicy;
use crate::http::stub::{Received, Reply, Server};
use crate::http::{Client, RootCertificates, Timeouts};
use crate::time::{Clock, Millis};

const CREDENTIALS: &str = r#"{"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

pub(crate) fn context(pairs: Vec<(String, String)>) -> Context {
    let environment = Environment::from_pairs(pairs);
    let timeout = Duration::from_millis(500);
    let policy = RetryPolicy {
        attempts: 2,
        total: Duration::from_secs(5),
        timeouts: Timeouts {
            connect: timeout,
            silence: timeout,
            attempt: timeout * 4,
        },
    };
    let roots = RootCertificates::from_environment(&environment).unwrap();
    let client = Client::new(policy.timeouts, &roots, None);
    let clock = Clock::Fixed(Millis::from_iso("2026-11-22T12:00:00Z").unwrap());
    Context {
        endpoints: Endpoints {
            environment: environment.clone(),
            ..Endpoints::default()
        },
        environment,
        sender: Rc::new(Sender::new(client, roots, clock, policy)),
        region: "eu-central-1".into(),
        session_name: "run-1".into(),
    }
}

fn found(server: &Server, pairs: &[(&str, &str)]) -> Result<(Provider, Identity)> {
    let fill = |text: &str| text.replace("{server}", &server.url());
    let mut pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), fill(value)))
        .collect();
    pairs.push(("AWS_ENDPOINT_URL_STS".into(), server.url()));
    default_chain(&context(pairs))
}

/// STS, a container and an instance in one.
fn everything(request: &Received) -> Reply {
    let credentials = |action: &str, key: &str| {
        Reply::say(
            200,
            format!(
                "<{action}Response><{action}Result><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
            ),
        )
    };
    let form = String::from_utf8_lossy(&request.body).into_owned();
    match (request.method.as_str(), request.target.as_str()) {
        ("POST", "/") if form.contains("Action=AssumeRole&") => {
            credentials("AssumeRole", "ASIAROLE")
        }
        ("POST", "/") => credentials("AssumeRoleWithWebIdentity", "ASIAWEB"),
        ("PUT", _) => Reply::say(200, "token"),
        ("GET", "/container") => Reply::say(200, CREDENTIALS),
        ("GET", ROLES) => Reply::say(200, "r"),
        ("GET", path) if path == format!("{ROLES}r") => Reply::say(200, CREDENTIALS),
        _ => Reply::say(404, ""),
    }
}

/// As botocore calls it.
fn name(provider: Provider) -> &'static str {
    match provider {
        Provider::Environment => "env",
        Provider::ProfileRole => "assume-role",
        Provider::WebIdentity => "assume-role-with-web-identity",
        Provider::CredentialsFile => "shared-credentials-file",
        Provider::Process => "custom-process",
        Provider::ConfigFile => "config-file",
        Provider::Container => "container-role",
        Provider::Instance => "iam-role",
    }
}

/// `tests/botocore/providers.py` asks botocore.
#[test]
fn the_same_provider_wins_as_in_botocore() {
    let cases: Value =
        serde_json::from_str(include_str!("../../../fixtures/aws/providers.json")).unwrap();
    let server = Server::start(everything);
    let text = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    let mut differences = Vec::new();
    for case in cases.as_array().unwrap() {
        let folder = TempDir::new().unwrap();
        let path = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
        let fill = |text: &str| {
            text.replace("{dir}", folder.path().to_str().unwrap())
                .replace("{server}", &server.url())
        };
        fs::write(path("config"), fill(&text(case, "config"))).unwrap();
        fs::write(path("credentials"), fill(&text(case, "credentials"))).unwrap();
        fs::write(path("token"), "t").unwrap();
        let mut pairs: Vec<(String, String)> = case["environment"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), fill(value.as_str().unwrap())))
            .collect();
        pairs.push(("AWS_CONFIG_FILE".into(), path("config")));
        pairs.push(("AWS_SHARED_CREDENTIALS_FILE".into(), path("credentials")));
        pairs.push(("AWS_ENDPOINT_URL_STS".into(), server.url()));
        let ours = match default_chain(&context(pairs)) {
            Ok((provider, _)) => name(provider).to_owned(),
            Err(error)
                if error
                    .to_string()
                    .starts_with("no AWS credentials were found") =>
            {
                "none".to_owned()
            }
            Err(error) => format!("error: {error}"),
        };
        let winner = text(case, "winner");
        let agrees = ours == winner || (winner == "error" && ours.starts_with("error"));
        if !agrees {
            differences.push(format!(
                "{}: {winner} there, {ours} here",
                text(case, "name")
            ));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn a_web_identity_is_exchanged_without_a_signature() {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "header.payload.signature\n").unwrap();
    let server = Server::start(everything);
    let (provider, identity) = found(
        &server,
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/w"),
            ("AWS_ROLE_SESSION_NAME", "pod"),
        ],
    )
    .unwrap();
    assert_eq!(provider, Provider::WebIdentity);
    assert_eq!(identity.access_key_id, "ASIAWEB");
    let request = &server.received()[0];
    assert_eq!(request.header("authorization"), None);
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fw&RoleSessionName=pod&Version=2011-06-15&WebIdentityToken=header.payload.signature"
    );
}

#[test]
fn a_web_identity_without_its_file_is_an_error_that_names_it() {
    let server = Server::start(everything);
    let error = found(
        &server,
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token"),
            ("AWS_ROLE_ARN", "arn"),
        ],
    )
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(
        error
            .to_string()
            .starts_with("reading the web identity token /nowhere/token"),
        "{error}"
    );
    assert_eq!(server.received(), []);
}

#[test]
fn a_containers_token_is_sent_from_the_file_before_the_variable() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "from the file").unwrap();
    let server = Server::start(everything);
    let container = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{server}/container");
    let variable = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "from the variable");
    let path = (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        file.to_str().unwrap(),
    );
    let disabled = ("AWS_EC2_METADATA_DISABLED", "true");
    found(&server, &[container, disabled]).unwrap();
    found(&server, &[container, disabled, variable]).unwrap();
    found(&server, &[container, disabled, variable, path]).unwrap();
    let received = server.received();
    let sent: Vec<Option<&str>> = received
        .iter()
        .map(|request| request.header("authorization"))
        .collect();
    assert_eq!(
        sent,
        [None, Some("from the variable"), Some("from the file")]
    );
    fs::write(&file, "two\nlines").unwrap();
    let error = found(&server, &[container, disabled, path]).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("expected a token of one line, found more"),
        "{error}"
    );
}

#[test]
fn a_container_is_asked_three_times() {
    let server = Server::script(vec![
        Reply::say(500, ""),
        Reply::Lose,
        Reply::say(200, CREDENTIALS),
    ]);
    let container = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "{server}/container");
    let (_, identity) = found(&server, &[container]).unwrap();
    assert_eq!(identity.access_key_id, "ASIA");
    let server = Server::script(vec![Reply::say(500, "")]);
    let error = found(&server, &[container]).unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    assert_eq!(
        error.to_string(),
        "container credentials: expected status 200, found 500"
    );
    assert_eq!(server.received().len(), 3);
}

#[test]
fn an_instance_is_asked_with_a_token() {
    let server = Server::start(everything);
    let (provider, _) = found(
        &server,
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{server}/")],
    )
    .unwrap();
    assert_eq!(provider, Provider::Instance);
    let received = server.received();
    let asked: Vec<String> = received
        .iter()
        .map(|request| {
            let token = request.header("x-aws-ec2-metadata-token").unwrap_or("-");
            format!("{} {} {token}", request.method, request.target)
        })
        .collect();
    assert_eq!(
        asked,
        [
            "PUT /latest/api/token -".to_owned(),
            format!("GET {ROLES} token"),
            format!("GET {ROLES}r token"),
        ]
    );
    assert_eq!(
        received[0].header("x-aws-ec2-metadata-token-ttl-seconds"),
        Some("21600")
    );
}

#[test]
fn an_instance_that_knows_no_tokens_is_asked_without_unless_that_is_forbidden() {
    let old = |request: &Received| match request.method.as_str() {
        "PUT" => Reply::say(403, ""),
        _ => everything(request),
    };
    let silent = |request: &Received| match request.method.as_str() {
        "PUT" => Reply::Lose,
        _ => everything(request),
    };
    let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{server}");
    for server in [Server::start(old), Server::start(silent)] {
        found(&server, &[endpoint]).unwrap();
        assert_eq!(
            server
                .received()
                .last()
                .unwrap()
                .header("x-aws-ec2-metadata-token"),
            None
        );
        let error = found(
            &server,
            &[endpoint, ("AWS_EC2_METADATA_V1_DISABLED", "true")],
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("version 1 is disabled"),
            "{error}"
        );
    }
}

#[test]
fn an_instance_that_answers_with_an_error_tells_its_code() {
    let server = Server::start(|request| match request.target.as_str() {
        path if path == format!("{ROLES}r") => Reply::say(
            200,
            r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no"}"#,
        ),
        _ => everything(request),
    });
    let error = found(
        &server,
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{server}")],
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "instance metadata, role r: expected AccessKeyId and SecretAccessKey, found one or none; its code is AssumeRoleUnauthorizedAccess"
    );
}

#[test]
fn an_instances_credentials_that_have_ended_serve_on_for_a_while() {
    let server = Server::start(|request| match request.target.as_str() {
        path if path == format!("{ROLES}r") => Reply::say(200, CREDENTIALS.replace("2099", "2020")),
        _ => everything(request),
    });
    let (_, identity) = found(
        &server,
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{server}")],
    )
    .unwrap();
    assert_eq!(identity.expires, Millis::from_iso("2026-11-22T12:15:00Z"));
}

#[test]
fn a_role_in_a_profile_takes_all_that_the_profile_says() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config");
    fs::write(
        &config,
        "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nexternal_id = x\nrole_session_name = me\nduration_seconds = 900\n[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s\n",
    )
    .unwrap();
    let server = Server::start(everything);
    found(
        &server,
        &[
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_PROFILE", "p"),
        ],
    )
    .unwrap();
    let request = &server.received()[0];
    assert!(
        request
            .header("authorization")
            .unwrap()
            .contains("Credential=AKIDBASE/")
    );
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        "Action=AssumeRole&DurationSeconds=900&ExternalId=x&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr&RoleSessionName=me&Version=2011-06-15"
    );
}

#[test]
fn where_nothing_is_configured_all_places_are_named() {
    let server = Server::start(everything);
    let error = found(
        &server,
        &[("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nowhere")],
    )
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(
        error.to_string(),
        "no AWS credentials were found: not in the environment, not in profile \"default\" of ~/.aws/credentials and ~/.aws/config, not as a web identity, of a container or of an instance; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the credentials in the configuration"
    );
}
