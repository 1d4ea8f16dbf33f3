//! The client as a whole against a scripted server: what is retried, renewed or corrected, and what is not.

mod sign_in;
mod steps;

use std::rc::Rc;
use std::time::Duration;

use crate::aws::s3::{CompleteUpload, Depth, GetObject, ListObjects, PutObject};
use crate::aws::sigv4::encoding;
use crate::aws::{Aws, AwsSettings, Credentials, EndpointSettings, PutOptions, Switch};
use crate::environment::Environment;
use crate::error::{Kind, Result};
use crate::http::Timeouts;
use crate::http::retry::RetryPolicy;
use crate::http::stub::{Received, Reply, Server};
use crate::secret::Secret;
use crate::time::{Clock, Millis};

/// A path or a query, percent-decoded, for servers in tests.
pub(crate) fn decoded(text: &str) -> String {
    encoding::decode(text).unwrap()
}

const NOW: &str = "2026-11-22T12:00:00Z";

pub(crate) fn settings(server: &Server) -> AwsSettings {
    AwsSettings {
        bucket: "lake-bucket".into(),
        credentials: Credentials::User {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("hunter2"),
            session_token: None,
        },
        endpoints: EndpointSettings {
            url: Some(server.url()),
            ..EndpointSettings::default()
        },
        ..AwsSettings::of("eu-central-1")
    }
}

pub(crate) fn aws(settings: AwsSettings, pairs: &[(&str, &str)]) -> Result<Aws> {
    let environment = environment(pairs);
    let policy = policy().adjusted(&environment)?;
    Aws::new(settings, "job 7 attempt 1", &environment, &clock(), policy)
}

pub(crate) fn environment(pairs: &[(&str, &str)]) -> Environment {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::from_pairs(pairs)
}

pub(crate) fn policy() -> RetryPolicy {
    RetryPolicy {
        attempts: 4,
        total: Duration::from_secs(10),
        timeouts: Timeouts {
            connect: Duration::from_millis(500),
            silence: Duration::from_millis(500),
            attempt: Duration::from_secs(2),
        },
    }
}

pub(crate) fn clock() -> Clock {
    Clock::Fixed(Millis::from_iso(NOW).unwrap())
}

fn error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>m</Message></Error>")
}

/// Puts an object.
fn put(aws: &Aws) -> Result<()> {
    let options = PutOptions::default();
    aws.perform(&PutObject {
        key: "k",
        body: options.body(b"body".into()),
        options: &options,
    })
}

fn outcome(replies: Vec<Reply>) -> (Result<()>, Vec<Received>) {
    let server = Server::script(replies);
    let aws = aws(settings(&server), &[]).unwrap();
    (put(&aws), server.received())
}

#[test]
fn accidents_are_retried_and_each_attempt_is_signed() {
    let (outcome, received) = outcome(vec![
        Reply::say(500, ""),
        Reply::say(503, error("SlowDown")),
        Reply::Lose,
        Reply::say(200, ""),
    ]);
    outcome.unwrap();
    assert_eq!(received.len(), 4);
    for request in received {
        assert_eq!(request.target, "/lake-bucket/k");
        assert_eq!(request.body, b"body");
        let authorization = request.header("authorization").unwrap();
        assert!(
            authorization.contains("/20261122/eu-central-1/s3/aws4_request"),
            "{authorization}"
        );
    }
}

#[test]
fn a_service_that_stays_unavailable_is_given_up() {
    let (outcome, received) = outcome(vec![Reply::say(503, "")]);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    assert_eq!(error.to_string(), "S3 PutObject answered 503 attempts=4");
    assert_eq!(received.len(), 4);
}

#[test]
fn a_dead_network_is_reported_with_what_to_check() {
    let mut settings = settings(&Server::script(vec![Reply::Lose]));
    settings.endpoints.url = Some("http://127.0.0.1:1".into());
    let error = put(&aws(settings, &[]).unwrap()).unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    let text = error.to_string();
    assert!(text.starts_with("S3 PutObject got no answer: "), "{text}");
    assert!(
        text.ends_with("attempts=4; check the network, the proxy and the endpoint"),
        "{text}"
    );
}

#[test]
fn what_no_retry_can_change_fails_at_once() {
    for (status, code, kind) in [
        (403, "AccessDenied", Kind::Config),
        (403, "InvalidAccessKeyId", Kind::Config),
        (403, "SignatureDoesNotMatch", Kind::Config),
        (400, "ExpiredToken", Kind::Config),
        (400, "EntityTooSmall", Kind::System),
        (301, "PermanentRedirect", Kind::Config),
    ] {
        let (outcome, received) = outcome(vec![Reply::say(status, error(code))]);
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.code(), code);
        assert_eq!(received.len(), 1, "{code}");
    }
}

#[test]
fn a_total_time_bounds_the_attempts() {
    let server = Server::script(vec![Reply::say(503, "").with("retry-after", "30")]);
    let aws = aws(settings(&server), &[]).unwrap();
    assert_eq!(put(&aws).unwrap_err().refusal().unwrap().attempts, 1);
}

#[test]
fn waits_count_towards_the_total_time() {
    let server = Server::script(vec![Reply::say(503, "").with("retry-after", "4")]);
    let clock = Clock::Ahead(Rc::default());
    let environment = Environment::default();
    let aws = Aws::new(settings(&server), "run", &environment, &clock, policy()).unwrap();
    // The third wait of 4 seconds would end after the 10 of the policy.
    assert_eq!(put(&aws).unwrap_err().refusal().unwrap().attempts, 3);
}

#[test]
fn the_environment_bounds_attempts_too() {
    let server = Server::script(vec![Reply::say(503, "")]);
    let aws = aws(settings(&server), &[("AWS_MAX_ATTEMPTS", "2")]).unwrap();
    assert_eq!(put(&aws).unwrap_err().refusal().unwrap().attempts, 2);
}

#[test]
fn the_environment_turns_switches_on() {
    let server = Server::script(vec![Reply::say(200, "")]);
    let aws = aws(settings(&server), &[("AWS_USE_FIPS_ENDPOINT", "true")]).unwrap();
    assert_eq!(aws.endpoints.fips, Switch::On);
    assert_eq!(aws.endpoints.dual_stack, Switch::Off);
}

#[test]
fn a_quota_makes_a_dead_service_fail_fast() {
    let server = Server::script(vec![Reply::say(500, "")]);
    let aws = aws(settings(&server), &[]).unwrap();
    for _ in 0..50 {
        put(&aws).unwrap_err();
    }
    assert_eq!(
        server.received().len(),
        50 + 100,
        "100 retries for all calls together"
    );
}

#[test]
fn a_wrong_clock_is_corrected_once_for_all_calls() {
    let skewed = Reply::say(403, error("RequestTimeTooSkewed"))
        .with("date", "Sun, 22 Nov 2026 11:00:00 GMT");
    let server = Server::script(vec![
        skewed.clone(),
        Reply::say(200, ""),
        Reply::say(200, ""),
        skewed,
    ]);
    let aws = aws(settings(&server), &[]).unwrap();
    put(&aws).unwrap();
    put(&aws).unwrap();
    let dates: Vec<String> = server
        .received()
        .iter()
        .map(|request| request.header("x-amz-date").unwrap().to_owned())
        .collect();
    assert_eq!(
        dates,
        ["20261122T120000Z", "20261122T110000Z", "20261122T110000Z"]
    );
    // The same time again is no news: the error is shown.
    let error = put(&aws).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(
        error.to_string().ends_with("; set this machine's clock"),
        "{error}"
    );
}

#[test]
fn a_refused_signature_may_be_the_clocks_fault() {
    let refused = Reply::say(
        400,
        r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#,
    )
    .with("date", "Sun, 22 Nov 2026 11:00:00 GMT");
    let server = Server::script(vec![refused, Reply::say(200, "{\"Database\":{}}")]);
    let aws = aws(settings(&server), &[]).unwrap();
    aws.perform(&crate::aws::glue::GetDatabase { name: "d" })
        .unwrap();
    assert_eq!(server.received().len(), 2);
}

#[test]
fn a_bucket_in_another_region_is_found_once() {
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>";
    let endpoint = "<Error><Code>TemporaryRedirect</Code><Endpoint>lake-bucket.s3-us-west-2.amazonaws.com</Endpoint></Error>";
    for reply in [
        Reply::say(301, "").with("x-amz-bucket-region", "us-west-2"),
        Reply::say(400, body),
        Reply::say(400, "").with("x-amz-bucket-region", "us-west-2"),
        Reply::say(307, endpoint),
        Reply::say(307, "").with(
            "location",
            "https://lake-bucket.s3.us-west-2.amazonaws.com/k",
        ),
    ] {
        let server = Server::script(vec![reply, Reply::say(200, "")]);
        let aws = aws(settings(&server), &[]).unwrap();
        put(&aws).unwrap();
        put(&aws).unwrap();
        let received = server.received();
        assert_eq!(received.len(), 3);
        for request in &received[1..] {
            let authorization = request.header("authorization").unwrap();
            assert!(authorization.contains("/us-west-2/s3/"), "{authorization}");
        }
    }
}

#[test]
fn a_redirect_without_a_valid_region_is_an_error() {
    for region in ["eu-central-1", "evil.example/", ""] {
        let (outcome, received) = outcome(vec![
            Reply::say(301, "").with("x-amz-bucket-region", region),
        ]);
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(
            error
                .to_string()
                .ends_with("; correct bucket_region, or region"),
            "{error}"
        );
        assert_eq!(received.len(), 1, "{region}");
    }
}

#[test]
fn a_2xx_response_that_is_a_failure_is_retried() {
    let page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let server = Server::script(vec![
        Reply::say(200, error("InternalError")),
        Reply::say(200, &page[..20]),
        Reply::CutShort(5, "<ListBucketResult>"),
        Reply::say(200, page),
    ]);
    let aws = aws(settings(&server), &[]).unwrap();
    let list = ListObjects {
        prefix: "",
        depth: Depth::All,
        continuation: None,
    };
    assert_eq!(aws.perform(&list).unwrap().objects, []);
    assert_eq!(server.received().len(), 4);
}

#[test]
fn bytes_that_were_corrupted_on_the_way_there_are_sent_again() {
    let (outcome, received) = outcome(vec![
        Reply::say(200, "").with("x-amz-checksum-crc32", "AAAAAA=="),
        Reply::say(200, "").with("x-amz-checksum-crc32", crate::aws::s3::crc32(b"body")),
    ]);
    outcome.unwrap();
    assert_eq!(received.len(), 2);
    let server = Server::script(vec![Reply::say(
        200,
        "<CompleteMultipartUploadResult><ChecksumCRC32>AAAAAA==-1</ChecksumCRC32></CompleteMultipartUploadResult>",
    )]);
    let aws = aws(settings(&server), &[]).unwrap();
    let part = crate::aws::s3::Part {
        etag: "e".into(),
        crc32: Some(crate::aws::s3::crc32(b"body")),
    };
    let complete = CompleteUpload {
        key: "k",
        upload: "u",
        parts: &[part],
    };
    let error = aws.perform(&complete).unwrap_err().to_string();
    assert!(
        error.contains("the completed object differs from the bytes sent"),
        "{error}"
    );
}

#[test]
fn bytes_that_were_corrupted_on_the_way_back_are_read_again() {
    let reply = |crc32: &str| Reply::say(200, "body").with("x-amz-checksum-crc32", crc32);
    let server = Server::script(vec![
        reply("AAAAAA=="),
        reply(&crate::aws::s3::crc32(b"body")),
        reply("AAAAAA==-2"),
    ]);
    let aws = aws(settings(&server), &[]).unwrap();
    for _ in 0..2 {
        let get = GetObject {
            key: "k",
            limit: 10,
        };
        assert_eq!(aws.perform(&get).unwrap().body, b"body");
    }
    assert_eq!(server.received().len(), 3);
}

#[test]
fn no_secret_is_reported_not_even_when_a_service_quotes_it() {
    let quoting = |code: &str| {
        let message = format!(
            "should have been 'POST x-amz-security-token:hunter3 {}' hunter2",
            "x".repeat(2000)
        );
        Reply::say(
            400,
            format!("{{\"__type\":\"{code}\",\"message\":\"{message}\"}}"),
        )
    };
    for code in [
        "InvalidSignatureException",
        "ThrottlingException",
        "InvalidInputException",
    ] {
        let server = Server::script(vec![quoting(code)]);
        let mut settings = settings(&server);
        settings.credentials = Credentials::User {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("hunter2"),
            session_token: Some(Secret::new("hunter3")),
        };
        let debug = format!("{settings:?}");
        let aws = aws(settings, &[]).unwrap();
        let error = aws
            .perform(&crate::aws::glue::GetDatabase { name: "d" })
            .unwrap_err();
        for text in [error.to_string(), format!("{error:?}"), debug] {
            assert!(!text.contains("hunter"), "{text}");
            assert!(text.len() < 1000, "{text}");
        }
        assert!(
            error.to_string().contains("x-amz-security-token:[header]"),
            "{error}"
        );
    }
}
