//! Roles that are assumed and renewed, and the check of the caller's account.

use std::time::Duration;

use crate::aws::s3::AbortUpload;
use crate::aws::tests::{NOW, aws, error, put, settings};
use crate::aws::{Aws, AwsSettings, Credentials};
use crate::error::{Error, Kind, Result};
use crate::http::stub::{Received, Reply, Server};
use crate::secret::Secret;

/// An STS that issues numbered keys with this expiration, and an S3 that refuses the first as expired.
fn role_server(end: &'static str) -> Server {
    let mut number = 0;
    Server::start(move |request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains("Action=AssumeRole") {
            number += 1;
            return Reply::say(
                200,
                format!(
                    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t{number}</SessionToken><Expiration>{end}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
                ),
            );
        }
        match request.header("x-amz-security-token") {
            Some("t1") if number == 1 && request.method == "PUT" => {
                Reply::say(400, error("ExpiredToken"))
            }
            _ => Reply::say(200, ""),
        }
    })
}

fn role(server: &Server) -> Aws {
    let mut settings = settings(server);
    settings.credentials = Credentials::Role {
        role_arn: "arn:aws:iam::123456789012:role/writer".into(),
        external_id: Some("x".into()),
    };
    let base = [
        ("AWS_ACCESS_KEY_ID", "AKIDBASE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ];
    aws(settings, &base).unwrap()
}

/// Methods of the requests, and the keys that signed them.
fn who(received: &[Received]) -> Vec<String> {
    let of = |request: &Received| {
        let authorization = request.header("authorization").unwrap();
        let (_, rest) = authorization.split_once("Credential=").unwrap();
        let (key, _) = rest.split_once('/').unwrap();
        format!("{} {key}", request.method)
    };
    received.iter().map(of).collect()
}

/// A call whose response is empty.
fn abort(aws: &Aws) -> Result<()> {
    aws.perform(&AbortUpload {
        key: "key",
        upload: "1",
    })
}

#[test]
fn a_role_is_assumed_once_and_renewed_when_it_is_refused_as_expired() {
    let server = role_server("2026-11-22T12:01:00Z");
    let aws = role(&server);
    abort(&aws).unwrap();
    put(&aws).unwrap();
    put(&aws).unwrap();
    let received = server.received();
    assert_eq!(
        who(&received),
        [
            "POST AKIDBASE",
            "DELETE ASIA1",
            "PUT ASIA1",
            "POST AKIDBASE",
            "PUT ASIA2",
            "PUT ASIA2"
        ]
    );
    let form = String::from_utf8_lossy(&received[0].body).into_owned();
    assert!(form.contains("ExternalId=x&"), "{form}");
    assert!(form.contains("RoleSessionName=job-7-attempt-1&"), "{form}");
}

#[test]
fn a_role_that_expires_is_assumed_again_before_the_next_call() {
    let server = role_server(NOW);
    let aws = role(&server);
    abort(&aws).unwrap();
    abort(&aws).unwrap();
    assert_eq!(
        who(&server.received()),
        [
            "POST AKIDBASE",
            "DELETE ASIA1",
            "POST AKIDBASE",
            "DELETE ASIA2"
        ]
    );
}

#[test]
fn the_account_is_compared_and_the_owner_is_expected_of_the_bucket() {
    let identity = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/u</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let sign_in = |account: &str| -> (Result<String, Error>, Server) {
        let server = Server::script(vec![Reply::say(200, identity)]);
        let mut settings = settings(&server);
        settings.account_id = Some(account.to_owned());
        settings.bucket_owner = Some("222222222222".to_owned());
        let aws = aws(settings, &[]).unwrap();
        let outcome = aws.sign_in();
        put(&aws).unwrap();
        (outcome, server)
    };
    let (outcome, server) = sign_in("123456789012");
    assert_eq!(outcome.unwrap(), "arn:aws:iam::123456789012:user/u");
    let owner = server.received()[1]
        .header("x-amz-expected-bucket-owner")
        .map(str::to_owned);
    assert_eq!(owner.as_deref(), Some("222222222222"));
    let asked = server.received()[0].clone();
    assert_eq!(asked.header("x-amz-expected-bucket-owner"), None, "of STS");
    let (outcome, _) = sign_in("999999999999");
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(
        error.to_string(),
        "aws_account_id: expected 999999999999, found that the credentials belong to 123456789012 (arn:aws:iam::123456789012:user/u)"
    );
}

#[test]
fn the_account_is_verified_without_a_question_where_the_settings_name_it() {
    let identity = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/u</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let verify = |account: Option<&str>, role: Option<&str>| {
        let server = Server::script(vec![Reply::say(200, identity)]);
        let mut settings = settings(&server);
        settings.account_id = account.map(str::to_owned);
        if let Some(arn) = role {
            settings.credentials = Credentials::Role {
                role_arn: arn.to_owned(),
                external_id: None,
            };
        }
        let outcome = aws(settings, &[]).unwrap().verify_account();
        let outcome = outcome.map_err(|error| error.to_string());
        (outcome, server.received().len())
    };
    let role = Some("arn:aws-cn:iam::123456789012:role/path/writer");
    assert_eq!(verify(None, None), (Ok(()), 0));
    assert_eq!(verify(Some("123456789012"), None), (Ok(()), 1));
    assert_eq!(verify(Some("123456789012"), role), (Ok(()), 0));
    for (role, asked) in [(None, 1), (role, 0)] {
        let (outcome, calls) = verify(Some("999999999999"), role);
        let error = outcome.unwrap_err();
        assert!(
            error.starts_with("aws_account_id: expected 999999999999, found that the credentials belong to 123456789012 (arn:aws"),
            "{error}"
        );
        assert_eq!(calls, asked);
    }
}

#[test]
fn a_denied_call_names_the_owner_only_where_it_may_be_the_reason() {
    let denied = |owner: Option<&str>, code: &str| {
        let server = Server::script(vec![Reply::say(
            403,
            format!("<Error><Code>{code}</Code><Message>No.</Message></Error>"),
        )]);
        let mut settings = settings(&server);
        settings.bucket_owner = owner.map(str::to_owned);
        put(&aws(settings, &[]).unwrap()).unwrap_err().to_string()
    };
    let owner = Some("111111111111");
    let hint = "if the bucket belongs to another account than 111111111111, set expected_bucket_owner to that account";
    assert!(denied(owner, "AccessDenied").ends_with(hint));
    assert!(!denied(None, "AccessDenied").contains("expected_bucket_owner"));
    assert!(!denied(owner, "InvalidObjectState").contains("expected_bucket_owner"));
}

#[test]
fn a_private_network_without_sts_is_no_reason_to_refuse_a_users_keys() {
    // A listener whose queue is full answers no more than a firewall does.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(400))
    {
        queue.push(stream);
    }
    let wall = format!("http://{address}");
    let sign_in = |account_id: Option<&str>| {
        let mut settings = AwsSettings::of("eu-central-1");
        settings.credentials = Credentials::User {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("hunter2"),
            session_token: None,
        };
        settings.account_id = account_id.map(str::to_owned);
        let pairs = [
            ("AWS_ENDPOINT_URL_STS", wall.as_str()),
            ("AWS_MAX_ATTEMPTS", "1"),
        ];
        aws(settings, &pairs).unwrap().sign_in()
    };
    assert_eq!(sign_in(None).unwrap(), "AKIDEXAMPLE");
    assert_eq!(
        sign_in(Some("123456789012")).unwrap_err().kind(),
        Kind::Transient
    );
}
