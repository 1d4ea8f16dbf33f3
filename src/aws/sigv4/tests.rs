//! Signing against AWS's published vectors, at every step, and against AWS's own signer on random requests.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;

use crate::aws::identity::Identity;
use crate::aws::sigv4::canonical_request::canonical_request;
use crate::aws::sigv4::encoding;
use crate::aws::sigv4::signature::signature;
use crate::aws::sigv4::string_to_sign::string_to_sign;
use crate::aws::sigv4::{CredentialScope, Dialect, Unsigned, sign};
use crate::secret::Secret;
use crate::text::hex;
use crate::time::Millis;
use sha2::{Digest, Sha256};

/// A file of `fixtures/signing`: settings, then the request and what each step makes of it.
struct Vector {
    settings: Vec<(String, String)>,
    request: String,
    canonical_request: String,
    string_to_sign: String,
    authorization: String,
}

impl Vector {
    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let mut sections = text.split("\n--- ").map(str::to_owned);
        let settings = sections.next().unwrap();
        let settings = settings.lines().map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        });
        let mut section = |name: &str| {
            let section = sections.next().unwrap();
            let (title, body) = section.split_once('\n').unwrap();
            assert_eq!(title, name);
            body.to_owned()
        };
        Self {
            settings: settings.collect(),
            request: section("request"),
            canonical_request: section("canonical request"),
            string_to_sign: section("string to sign"),
            authorization: section("authorization").trim_end().to_owned(),
        }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.0 == name);
        setting.map(|setting| setting.1.as_str())
    }
}

fn check(file: &Path) {
    let vector = Vector::read(file);
    let setting = |name: &str| vector.setting(name).unwrap();
    let name = file.display();

    // The request as the suite writes it: nothing encoded but queries here and there.
    let (head, body) = vector
        .request
        .split_once("\n\n")
        .unwrap_or((&vector.request, ""));
    let (line, headers) = head.split_once('\n').unwrap();
    let line = line.strip_suffix(" HTTP/1.1").unwrap();
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let dialect = match setting("path") {
        "as sent" => Dialect::S3,
        _ => Dialect::Standard,
    };
    // The suite encodes once what a service other than S3 encodes twice, so it starts one coding earlier.
    let path = encoding::decode(path).unwrap();
    let path = match dialect {
        Dialect::S3 => encoding::path(&path),
        Dialect::Standard => path,
    };
    let pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| {
            let decoded = |text| encoding::decode(text).unwrap();
            (decoded(name), decoded(value))
        })
        .collect();
    let mut headers: Vec<(String, String)> = headers
        .replace("\n ", " ") // a header folded over several lines
        .lines()
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let query = encoding::query(&pairs);
    let sent = headers.clone();
    let request = Unsigned {
        method,
        path: &path,
        query: &query,
        headers: &sent,
        body: body.as_bytes(),
    };
    let scope = CredentialScope {
        time: Millis::from_iso(setting("time")).unwrap(),
        region: setting("region"),
        service: setting("service"),
    };
    let identity = Identity {
        access_key_id: setting("access key id").to_owned(),
        secret_access_key: Secret::new(setting("secret access key")),
        session_token: vector.setting("session token").map(Secret::new),
        expires: None,
    };

    let payload_hash = hex(&Sha256::digest(body));
    headers.push(("X-Amz-Date".into(), scope.time.amz_date()));
    let hash_is_sent = setting("payload hash") == "sent";
    if hash_is_sent {
        headers.push(("x-amz-content-sha256".into(), payload_hash.clone()));
    }
    if let Some(token) = vector.setting("session token") {
        headers.push(("X-Amz-Security-Token".into(), token.into()));
    }
    let canonical = canonical_request(dialect, &request, &headers, &payload_hash);
    assert_eq!(canonical.text, vector.canonical_request, "{name}");

    let to_sign = string_to_sign(&scope, &vector.canonical_request);
    assert_eq!(to_sign, vector.string_to_sign, "{name}");

    let signature = signature(&scope, &identity.secret_access_key, &vector.string_to_sign);
    let (_, expected) = vector.authorization.rsplit_once('=').unwrap();
    assert_eq!(signature, expected, "{name}");

    // The suite combines settings that no service has; where it does not, the whole is compared too.
    if (dialect == Dialect::S3) == hash_is_sent {
        let added = sign(dialect, &scope, &identity, &request);
        assert_eq!(
            added.last(),
            Some(&("authorization".to_owned(), vector.authorization.clone())),
            "{name}"
        );
    }
}

fn check_all(folder: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/signing")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in &files {
        check(file);
    }
    files.len()
}

#[test]
fn every_step_agrees_with_the_published_suite() {
    assert_eq!(check_all("suite"), 38);
}

#[test]
fn every_step_agrees_with_the_examples_of_s3() {
    assert_eq!(check_all("s3"), 4);
}

/// What keys, queries and headers are made of: everything that encoding could get wrong.
const PIECES: [&str; 30] = [
    "a",
    "Z",
    "0",
    "-",
    ".",
    "..",
    "_",
    "~",
    "/",
    "//",
    " ",
    "  ",
    "%",
    "%2F",
    "%zz",
    "+",
    "&",
    "=",
    "?",
    "#",
    "*",
    "'",
    "(",
    ")",
    "ü",
    "日本",
    "🦀",
    "\u{301}",
    "@:;,$!",
    "\\|^`{}[]\"<>",
];

fn text(random: &mut fastrand::Rng, longest: usize) -> String {
    let length = random.usize(0..=longest);
    (0..length)
        .map(|_| *random.choice(&PIECES).unwrap())
        .collect()
}

/// The signature by AWS's own signer.
fn oracle(
    dialect: Dialect,
    scope: &CredentialScope<'_>,
    identity: &Identity,
    request: &Unsigned<'_>,
) -> String {
    let mut settings = SigningSettings::default();
    if dialect == Dialect::S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let credentials = Credentials::new(
        &identity.access_key_id,
        identity.secret_access_key.reveal(),
        identity
            .session_token
            .as_ref()
            .map(|token| token.reveal().to_owned()),
        None,
        "test",
    )
    .into();
    let millis = u64::try_from(scope.time.0).unwrap();
    let parameters = v4::SigningParams::builder()
        .identity(&credentials)
        .region(scope.region)
        .name(scope.service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let (_, host) = &request.headers[0];
    let mark = if request.query.is_empty() { "" } else { "?" };
    let url = format!("https://{host}{}{mark}{}", request.path, request.query);
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableRequest::new(
        request.method,
        url,
        headers,
        SignableBody::Bytes(request.body),
    )
    .unwrap();
    let output = aws_sigv4::http_request::sign(signable, &parameters).unwrap();
    output.signature().to_owned()
}

#[test]
#[allow(clippy::print_stdout)] // the seed, shown by `--nocapture`
fn agrees_with_the_sdk_on_random_requests() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for number in 0..10_000 {
        let dialect = if random.bool() {
            Dialect::S3
        } else {
            Dialect::Standard
        };
        let path = format!("/{}", encoding::path(&text(&mut random, 12)));
        let pairs: Vec<(String, String)> = (0..random.usize(0..4))
            .map(|_| (format!("n{}", text(&mut random, 3)), text(&mut random, 5)))
            .collect();
        let query = encoding::query(&pairs);
        let mut headers = vec![(
            "host".to_owned(),
            "bucket.s3.eu-central-1.amazonaws.com".to_owned(),
        )];
        for at in 0..random.usize(0..4) {
            let value: String = text(&mut random, 5)
                .chars()
                .filter(char::is_ascii)
                .collect();
            let name = random
                .choice(["X-Amz-Meta-A", "x-amz-tagging", "Content-Type", "range"])
                .unwrap();
            headers.push((
                if random.bool() {
                    (*name).to_owned()
                } else {
                    format!("{name}-{at}")
                },
                value,
            ));
        }
        headers.push(("User-Agent".to_owned(), "never signed".to_owned()));
        let body = text(&mut random, 8);
        let request = Unsigned {
            method: random
                .choice(["GET", "PUT", "POST", "HEAD", "DELETE"])
                .unwrap(),
            path: &path,
            query: &query,
            headers: &headers,
            body: body.as_bytes(),
        };
        let scope = CredentialScope {
            time: Millis(random.i64(0..4_102_444_800) * 1000),
            region: random.choice(["eu-central-1", "us-gov-west-1"]).unwrap(),
            service: if dialect == Dialect::S3 { "s3" } else { "glue" },
        };
        let identity = Identity {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new(text(&mut random, 8)),
            session_token: random.bool().then(|| Secret::new("FwoGZXIvYXdzEBYa+/=")),
            expires: None,
        };
        let added = sign(dialect, &scope, &identity, &request);
        let (_, ours) = added.last().unwrap().1.rsplit_once('=').unwrap();
        assert_eq!(
            ours,
            oracle(dialect, &scope, &identity, &request),
            "seed {seed}, request {number}: {dialect:?} {request:?}"
        );
    }
    println!("10,000 requests, none different, seed {seed}");
}
