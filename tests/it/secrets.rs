//! Marker secrets in every place where a secret can be, at the most talkative log level: none is printed, whatever
//! goes right or wrong.

use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::messages::{people, person, state};
use crate::support::program::Program;
use crate::support::proxy::{Judge, Login, Proxy, Rules, Verb};

/// The proxy's user, whose header says `MARKER-user:MARKER-pass`.
const LOGIN: Login = Login {
    user_info: "MARKER-user:MARKER-pass",
    header: "Basic TUFSS0VSLXVzZXI6TUFSS0VSLXBhc3M=",
};

/// What no output may hold: the mark of all secrets here, the beginning of its base64 form, and signatures.
const MARKS: [&str; 4] = ["MARKER", "TUFSS0VS", "AWS4-HMAC-SHA256", "Signature="];

/// A way to sign in: what the configuration says, and variables and files beside it.
struct Mode {
    name: &'static str,
    credentials: Value,
    environment: Vec<(&'static str, String)>,
    files: Vec<(&'static str, &'static str)>,
}

fn mode(name: &'static str, credentials: Value, environment: &[(&'static str, &str)]) -> Mode {
    let environment = environment
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    Mode {
        name,
        credentials,
        environment: environment.collect(),
        files: Vec::new(),
    }
}

fn modes(fake: &Fake) -> Vec<Mode> {
    let chain = || json!({"credentials_title": "Default chain"});
    let role =
        json!({"credentials_title": "IAM Role", "role_arn": "arn:aws:iam::123456789012:role/r"});
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIABASE"),
        ("AWS_SECRET_ACCESS_KEY", "MARKER-base-secret"),
        ("AWS_SESSION_TOKEN", "MARKER-base/token+"),
    ];
    let container = format!("{}/container", fake.endpoint());
    let files = |mode: Mode, files: &[(&'static str, &'static str)]| Mode {
        files: files.to_vec(),
        ..mode
    };
    vec![
        mode(
            "user",
            json!({
                "credentials_title": "IAM User", "aws_access_key_id": "AKIAUSER",
                "aws_secret_access_key": "MARKER-user-secret", "aws_session_token": "MARKER-user/token+",
            }),
            &keys,
        ),
        mode("role", role, &keys),
        mode("environment", chain(), &keys),
        files(
            mode(
                "web identity",
                chain(),
                &[
                    ("AWS_WEB_IDENTITY_TOKEN_FILE", "token"),
                    ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
                ],
            ),
            &[("token", "MARKER-header.MARKER-claims.MARKER_signature\n")],
        ),
        files(
            mode(
                "files",
                chain(),
                &[("AWS_SHARED_CREDENTIALS_FILE", "credentials")],
            ),
            &[(
                "credentials",
                "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = MARKER-file-secret\n\
                 aws_session_token = MARKER-file/token+\n",
            )],
        ),
        files(
            mode("process", chain(), &[("AWS_CONFIG_FILE", "config")]),
            &[
                (
                    "config",
                    "[default]\ncredential_process = /bin/cat answer MARKER-argument\n",
                ),
                (
                    "answer",
                    r#"{"Version": 1, "AccessKeyId": "ASIAPROC", "SecretAccessKey": "MARKER-process-secret",
                        "SessionToken": "MARKER-process-token"}"#,
                ),
                ("MARKER-argument", ""),
            ],
        ),
        mode(
            "container",
            chain(),
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container),
                (
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                    "MARKER-container-token",
                ),
            ],
        ),
    ]
}

/// What goes wrong with a call; a service may quote what it refuses.
const SCRIPTS: [fn(&str) -> Option<Verb>; 7] = [
    |_| None,
    |operation| (operation == "PutObject").then_some(Verb::Quote(403, "AccessDenied")),
    // `check` cannot tell what a catalog hides in a database that does not exist, so the database is refused.
    |operation| {
        let creates = matches!(operation, "CreateDatabase" | "CreateTable");
        creates.then_some(Verb::Quote(400, "AccessDeniedException"))
    },
    |_| Some(Verb::Quote(403, "InvalidClientTokenId")),
    |_| Some(Verb::Quote(503, "ServiceUnavailable")),
    |_| Some(Verb::Quote(400, "ExpiredToken")),
    |_| Some(Verb::Drop),
];

/// Runs the program; whether it went well, and all that it said.
fn said(program: Program) -> (bool, String) {
    let output = program.env("LOG_LEVEL", "TRACE").run();
    let text = format!("{}\n{}", output.stdout, output.stderr);
    // A check that fails is no failure of the program.
    let went_well = output.status.success() && !text.contains("\"FAILED\"");
    (went_well, text)
}

#[track_caller]
fn assert_clean(text: &str, what: &str) {
    for mark in MARKS {
        assert!(!text.contains(mark), "{what} printed a secret:\n{text}");
    }
}

/// Every script under the mode of this number.
fn try_mode(at: usize) {
    for (number, script) in SCRIPTS.into_iter().enumerate() {
        let fake = Fake::start();
        let mode = modes(&fake).swap_remove(at);
        let judge: Judge = Box::new(script);
        let proxy = Proxy::start(Rules {
            login: Some(LOGIN),
            judge: Some(judge),
            ..Rules::default()
        });
        let mut config = fake.config();
        config["credentials"] = mode.credentials.clone();
        config["endpoint_url"] = fake.endpoint().replace("http://", "https://").into();
        let folder = tempfile::tempdir().unwrap();
        let reports = ["summary", "metrics"].map(|name| folder.path().join(name));
        let [summary, metrics] = &reports;
        let programs = [
            ("check", Program::check(&config)),
            (
                "write",
                Program::write(&config, &people("people", "append"))
                    .stdin(person("people", 1) + &state("people", 1)),
            ),
            (
                "load",
                Program::new(&["load", "--config", "config.json", "--table", "loaded"])
                    .argument("--summary")
                    .argument(summary)
                    .argument("--metrics")
                    .argument(metrics)
                    .file("config.json", &config.to_string())
                    .stdin("{\"id\": 1}\n"),
            ),
        ];
        for (command, mut program) in programs {
            program = program.through(&proxy).env("DATALAKE_RETRY_SECONDS", "1");
            for (name, value) in &mode.environment {
                program = program.env(name, value);
            }
            for (name, text) in &mode.files {
                program = program.file(name, text);
            }
            let (went_well, text) = said(program);
            let what = format!("{command}, {}, script {number}", mode.name);
            assert_clean(&text, &what);
            if (1..=3).contains(&number) {
                let is_hidden = ["[header]", "[secret]"]
                    .iter()
                    .any(|mark| text.contains(mark));
                assert!(is_hidden, "{what} got none:\n{text}");
            }
            // Else the script was not what the program met.
            assert_eq!(went_well, number == 0, "{what}:\n{text}");
        }
        for report in &reports {
            // A load that fails early may leave none.
            let text = std::fs::read_to_string(report).unwrap_or_default();
            assert!(!text.is_empty() || number > 0, "no {}", report.display());
            assert_clean(&text, &report.display().to_string());
        }
        assert!(!proxy.seen().tunnels.is_empty());
    }
}

#[test]
fn no_way_to_sign_in_prints_its_secrets() {
    let count = modes(&Fake::start()).len();
    std::thread::scope(|scope| {
        for at in 0..count {
            scope.spawn(move || try_mode(at));
        }
    });
}

const KEY: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AKIA");
const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "MARKER");

/// Variables of which each is wrong in some way, or leads nowhere.
const WRONG: &[&[(&str, &str)]] = &[
    &[("AWS_SECRET_ACCESS_KEY", "MARKER")],
    &[
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SESSION_TOKEN", "MARKER"),
    ],
    &[KEY, SECRET, ("AWS_SESSION_TOKEN", "MARKER\nMARKER")],
    &[KEY, SECRET, ("AWS_ENDPOINT_URL", "https://u:MARKER@host")],
    &[KEY, SECRET, ("AWS_ENDPOINT_URL", "https://h/?token=MARKER")],
    &[KEY, SECRET, ("AWS_CA_BUNDLE", "junk")],
    &[KEY, SECRET, ("HTTPS_PROXY", "socks5://u:MARKER@host")],
    &[KEY, SECRET, ("HTTPS_PROXY", "http://u:MARKER@127.0.0.1:1")],
    &[
        KEY,
        SECRET,
        ("HTTPS_PROXY", "http://u:MARKER@nobody.invalid:1"),
    ],
    &[("AWS_SHARED_CREDENTIALS_FILE", "junk")],
    &[("AWS_SHARED_CREDENTIALS_FILE", "half")],
    &[("AWS_CONFIG_FILE", "process")],
    &[("AWS_CONFIG_FILE", "nobody")],
    &[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "half"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
    ],
    &[(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "http://u:MARKER@far.example/",
    )],
    &[(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "http://127.0.0.1:1/?MARKER",
    )],
    &[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "MARKER\nMARKER"),
    ],
    &[(
        "DATALAKE_CREDENTIALS",
        "{\"aws_secret_access_key\": \"MARKER",
    )],
    &[("DATALAKE_CREDENTIALS", "[\"MARKER\"]")],
];

/// A configuration for a server that nobody reaches.
fn config(credentials: &Value) -> Value {
    json!({
        "credentials": credentials, "region": "us-east-1", "bucket_name": "b",
        "lakeformation_database_name": "d", "endpoint_url": "https://127.0.0.1:1",
    })
}

#[test]
fn a_wrong_configuration_is_reported_without_its_secrets() {
    let chain = json!({"credentials_title": "Default chain"});
    let good = config(&chain).to_string();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://MARKER:MARKER@{}", silent.local_addr().unwrap());
    let proxy = Proxy::start(Rules {
        login: Some(LOGIN),
        ..Rules::default()
    });
    let refused = proxy.url().replace("-pass", "-other");

    let configurations = [
        "{\"credentials\": {\"aws_secret_access_key\": \"MARKER\"".to_owned(),
        "\"MARKER\"".to_owned(),
        config(&json!("MARKER")).to_string(),
        config(&json!({"credentials_title": "IAM User", "aws_access_key_id": "A", "aws_secret_access_key": ["MARKER"]})).to_string(),
        config(&json!({"credentials_title": "IAM User", "aws_secret_access_key": "MARKER"})).to_string(),
        config(&json!({"credentials_title": "IAM Role", "aws_secret_access_key": "MARKER"})).to_string(),
        good.replace("https://127", "https://user:MARKER@127"),
        good.replace("https://127", "ftp://user:MARKER@127"),
    ];
    let proxies = [&refused, &silent].map(|url| [KEY, SECRET, ("HTTPS_PROXY", url.as_str())]);
    let environments = WRONG
        .iter()
        .copied()
        .chain(proxies.iter().map(|pairs| &pairs[..]));
    let cases = environments.map(|pairs| (&good, pairs));
    let cases = cases.chain(configurations.iter().map(|text| (text, &[][..])));
    std::thread::scope(|scope| {
        for (number, (config, environment)) in cases.enumerate() {
            scope.spawn(move || {
                let mut program = Program::new(&["check", "--config", "config.json"])
                    .file("config.json", config)
                    .file("junk", "MARKER\n[default]\nMARKER\n=MARKER\n[MARKER")
                    .file("half", "[default]\naws_secret_access_key = MARKER\n")
                    .file("process", "[default]\ncredential_process = /bin/cat junk\n")
                    .file("nobody", "[default]\ncredential_process = nobody MARKER\n")
                    .env("DATALAKE_RETRY_SECONDS", "1")
                    .env("AWS_EC2_METADATA_DISABLED", "true");
                for (name, value) in environment {
                    program = program.env(name, value);
                }
                let (went_well, text) = said(program);
                assert_clean(&text, &format!("case {number}"));
                assert!(!went_well, "case {number}:\n{text}");
            });
        }
    });
}
