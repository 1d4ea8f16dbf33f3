//! What stands between the program and AWS: TLS, proxies, and a role whose credentials end while the work goes on.
//!
//! The programs here know AWS by its own names; the proxy leads those to moto.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::check::fails;
use crate::support::authority::Authority;
use crate::support::cloud::{Account, tools};
use crate::support::messages::{people, person, record, state};
use crate::support::program::Program;
use crate::support::proxy::{Judge, Proxy, Rules, Verb};
use crate::support::wire::{LOGIN, base};

/// A proxy that leads to moto, asks for a password, and lets roles end after so long.
fn proxy(life: Duration, judge: Option<Judge>) -> Proxy {
    Proxy::start(Rules {
        servers: Account::addresses(),
        login: Some(LOGIN),
        life: Some(life),
        judge,
        tls: None,
    })
}

/// For AWS's own endpoints, as the account's role.
fn config(account: &Account) -> Value {
    let mut config = account.config();
    config["credentials"] = account.role();
    config["format"]["compression_codec"] = "UNCOMPRESSED".into();
    config["checkpoint_interval_minutes"] = 0.into();
    config.as_object_mut().unwrap().remove("endpoint_url");
    config
}

/// Through the proxy, with the keys of one who may only assume roles.
fn through(program: Program, proxy: &Proxy) -> Program {
    program
        .through(proxy)
        .env("AWS_ACCESS_KEY_ID", base()["key"].as_str().unwrap())
        .env("AWS_SECRET_ACCESS_KEY", base()["secret"].as_str().unwrap())
}

/// Records of a MiB each.
fn large(ids: std::ops::Range<u64>) -> String {
    ids.map(|id| record("people", &json!({"id": id, "name": "x".repeat(1 << 20)})))
        .collect()
}

/// The calls of an operation, by the keys that signed them.
fn signers(proxy: &Proxy, operation: &str) -> Vec<String> {
    let seen = proxy.seen();
    let calls = seen.calls.iter().filter(|(name, _)| name == operation);
    calls.map(|(_, key)| key.clone()).collect()
}

#[test]
fn a_sync_outlives_the_credentials_of_its_role_again_and_again() {
    let account = Account::new();
    let life = Duration::from_millis(1500);
    let proxy = proxy(life, None);
    let program = Program::write(&config(&account), &people("people", "append"));
    let mut running = through(program, &proxy).start();
    for id in 0..3 {
        running.feed(person("people", id) + &state("people", id + 1));
        running.wait_for_states(usize::try_from(id + 1).unwrap());
        std::thread::sleep(life / 2);
    }
    // An upload that begins under one identity, goes on under others and is completed under yet another.
    for first in [3, 12] {
        running.feed(large(first..first + 9));
        std::thread::sleep(life);
    }
    running.feed(state("people", 4));
    running.wait_for_states(4);
    running.finish().succeeded();

    let ids: Vec<_> = (0..21).collect();
    assert_eq!(account.read("people").column("id"), ids);
    let roles = signers(&proxy, "AssumeRole").len();
    assert!(roles >= 4, "the role was assumed only {roles} times");
    let mut keys = signers(&proxy, "CreateMultipartUpload");
    keys.extend(signers(&proxy, "UploadPart"));
    keys.extend(signers(&proxy, "CompleteMultipartUpload"));
    let keys: BTreeSet<_> = keys.into_iter().collect();
    assert!(keys.len() >= 3, "one upload, but {keys:?}");
    let mut hosts = proxy.seen().tunnels.clone();
    hosts.sort();
    hosts.dedup();
    let bucket = format!("{}.s3.us-east-1.amazonaws.com:443", account.bucket);
    assert_eq!(
        hosts,
        [
            "glue.us-east-1.amazonaws.com:443".to_owned(),
            "sts.us-east-1.amazonaws.com:443".to_owned(),
            bucket
        ]
    );
}

#[test]
fn credentials_that_are_refused_as_ended_are_renewed_once_in_the_middle_of_an_upload() {
    let account = Account::new();
    let parts = AtomicUsize::new(0);
    let judge: Judge = Box::new(move |operation| {
        let is_second = operation == "UploadPart" && parts.fetch_add(1, Ordering::Relaxed) == 1;
        is_second.then_some(Verb::Reject(400, "ExpiredToken"))
    });
    let proxy = proxy(Duration::from_secs(3600), Some(judge));
    let program = Program::write(&config(&account), &people("people", "append"));
    through(program, &proxy)
        .stdin(large(0..20) + &state("people", 1))
        .run()
        .succeeded();
    let ids: Vec<_> = (0..20).collect();
    assert_eq!(account.read("people").column("id"), ids);
    assert_eq!(signers(&proxy, "AssumeRole").len(), 2);
    let keys = signers(&proxy, "UploadPart");
    assert!(keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
    let uploads = tools().call("uploads", json!({"bucket": account.bucket}));
    assert_eq!(uploads, json!([]));
}

#[test]
fn both_versions_of_tls_are_spoken_and_each_group_that_a_service_may_insist_on() {
    use rustls::crypto::ring::kx_group::{SECP256R1, SECP384R1, X25519};

    let account = Account::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        // FIPS endpoints know no X25519.
        for group in [X25519, SECP256R1, SECP384R1] {
            let proxy = Proxy::start(Rules {
                servers: Account::addresses(),
                login: Some(LOGIN),
                tls: Some(Authority::get().server_of(version, group)),
                ..Rules::default()
            });
            let output = through(Program::check(&config(&account)), &proxy).run();
            assert!(
                output.connection().0,
                "{version:?}, {group:?}: {}",
                output.report()
            );
        }
    }
}

#[test]
fn a_server_of_an_unknown_authority_is_not_believed() {
    let account = Account::new();
    let proxy = proxy(Duration::from_secs(3600), None);
    let program = through(Program::check(&config(&account)), &proxy);
    fails(
        program.env("AWS_CA_BUNDLE", ""),
        &["not trusted", "AWS_CA_BUNDLE"],
    );
    assert!(
        proxy.seen().calls.is_empty(),
        "a call was made all the same"
    );
}

#[test]
fn a_certificate_for_another_name_is_not_believed() {
    let account = Account::new();
    let proxy = proxy(Duration::from_secs(3600), None);
    let mut config = config(&account);
    config["region"] = "eu-west-1".into();
    fails(
        through(Program::check(&config), &proxy),
        &["sts.eu-west-1.amazonaws.com", "certificate"],
    );
    assert!(
        proxy.seen().calls.is_empty(),
        "a call was made all the same"
    );
}

#[test]
fn a_proxy_that_wants_another_password_is_reported() {
    let account = Account::new();
    let proxy = proxy(Duration::from_secs(3600), None);
    let url = proxy.url().replace("wire:", "other:");
    let program = through(Program::check(&config(&account)), &proxy).env("HTTPS_PROXY", &url);
    fails(program, &["the proxy refused the user name or password"]);
}

#[test]
fn a_check_gives_up_in_time_on_a_proxy_that_never_answers() {
    let account = Account::new();
    let proxy = proxy(Duration::from_secs(3600), None);
    // Connections come about, because the system accepts them; nobody says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let program = through(Program::check(&config(&account)), &proxy).env("HTTPS_PROXY", &url);
    fails(program, &["the network, the proxy and the endpoint"]);
}

#[test]
fn a_check_gives_up_in_time_on_a_tunnel_that_leads_nowhere() {
    let account = Account::new();
    let judge: Judge = Box::new(|_| Some(Verb::Hold(Duration::from_secs(60))));
    let proxy = proxy(Duration::from_secs(3600), Some(judge));
    fails(
        through(Program::check(&config(&account)), &proxy),
        &["went silent", "the network, the proxy and the endpoint"],
    );
}
