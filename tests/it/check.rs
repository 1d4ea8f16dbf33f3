//! `check` reports each way in which a connection fails, quickly, and leaves nothing behind.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::support::cloud::{Account, may, tools};
use crate::support::fake::{Fake, Fault};
use crate::support::program::Program;

/// The check fails within 20 seconds, and its message holds these words.
#[track_caller]
pub(crate) fn fails(program: Program, words: &[&str]) {
    let output = program.run();
    let (connected, message) = output.connection();
    assert!(!connected, "{}", output.report());
    for word in words {
        assert!(message.contains(word), "no {word:?} in: {message}");
    }
    assert!(
        output.took < Duration::from_secs(20),
        "it took {:?}",
        output.took
    );
}

#[test]
fn a_good_connection_succeeds_and_leaves_nothing() {
    let account = Account::new();
    let (connected, message) = account.check().run().connection();
    assert!(connected, "{message}");
    assert_eq!(account.keys_in_bucket(), Vec::<String>::new());
    assert_eq!(
        tools().call("uploads", json!({"bucket": account.bucket})),
        json!([])
    );
    assert_eq!(
        tools().call("tables", json!({"database": account.database})),
        json!([])
    );
    // And again, now that the database exists.
    assert!(account.check().run().connection().0);
}

#[test]
fn a_wrong_key_is_reported() {
    let account = Account::new();
    let mut config = account.config();
    config["credentials"]["aws_access_key_id"] = "AKIAIOSFODNN7EXAMPLE".into();
    fails(
        Program::check(&config),
        &["aws_access_key_id", "InvalidClientTokenId"],
    );
}

#[test]
fn a_wrong_secret_is_reported() {
    let account = Account::new();
    let mut config = account.config();
    config["credentials"]["aws_secret_access_key"] =
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into();
    fails(
        Program::check(&config),
        &["aws_secret_access_key", "SignatureDoesNotMatch"],
    );
}

#[test]
fn a_missing_bucket_is_reported() {
    let account = Account::with(&Account::needed());
    fails(account.check(), &[&account.bucket, "bucket_name"]);
}

#[test]
fn a_bucket_without_permission_is_reported() {
    let account = Account::with(&Account::needed()[1..]);
    tools().call("bucket", json!({"name": account.bucket}));
    fails(account.check(), &[&account.bucket, "s3:"]);
}

#[test]
fn a_denied_call_names_the_setting_of_the_bucket_s_owner() {
    for (operation, permission) in [
        ("PutObject", "s3:PutObject"),
        ("GetObject", "s3:GetObject"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("DeleteObjects", "s3:DeleteObject"),
    ] {
        let fake = Fake::start();
        fake.fault(operation, 1, Fault::Reject(403, "AccessDenied"));
        let mut config = fake.config();
        config["aws_account_id"] = "123456789012".into();
        fails(
            Program::check(&config),
            &[
                permission,
                "another account than 123456789012",
                "expected_bucket_owner",
            ],
        );
    }
}

#[test]
fn each_permission_that_is_missing_is_named() {
    let s3 = [
        "s3:PutObject",
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:ListBucket",
    ];
    let glue = [
        "glue:GetDatabase",
        "glue:GetTable",
        "glue:CreateTable",
        "glue:DeleteTable",
    ];
    for missing in s3.iter().chain(&glue) {
        let mut statements = Account::needed();
        statements.push(json!({"Effect": "Deny", "Action": missing, "Resource": "*"}));
        let account = Account::with(&statements);
        tools().call("bucket", json!({"name": account.bucket}));
        tools().call("database", json!({"name": account.database}));
        let output = account.check().run();
        let (connected, message) = output.connection();
        if connected {
            // A check may do without reading a table's entry.
            assert_eq!(*missing, "glue:GetTable", "{missing} was not missed");
            continue;
        }
        assert!(message.contains(missing), "no {missing} in: {message}");
        if *missing != "s3:DeleteObject" {
            assert_eq!(account.keys_in_bucket(), Vec::<String>::new(), "{missing}");
        }
        if *missing != "glue:DeleteTable" {
            assert_eq!(
                tools().call("tables", json!({"database": account.database})),
                json!([]),
                "{missing}"
            );
        }
    }
}

#[test]
fn a_missing_database_without_permission_to_create_it_is_reported() {
    let mut statements = Account::needed();
    statements.push(may(&["glue:DeleteDatabase"], "*"));
    statements.push(json!({"Effect": "Deny", "Action": "glue:CreateDatabase", "Resource": "*"}));
    let account = Account::with(&statements);
    tools().call("bucket", json!({"name": account.bucket}));
    fails(account.check(), &[&account.database, "glue:CreateDatabase"]);
    assert_eq!(account.keys_in_bucket(), Vec::<String>::new());
}

#[test]
fn a_database_that_others_made_is_used_without_permission_to_create_one() {
    let mut statements = Account::needed();
    statements.push(may(&["glue:CreateDatabase"], "*"));
    statements.last_mut().unwrap()["Effect"] = "Deny".into();
    let account = Account::with(&statements);
    tools().call("bucket", json!({"name": account.bucket}));
    tools().call("database", json!({"name": account.database}));
    let (connected, message) = account.check().run().connection();
    assert!(connected, "{message}");
}

#[test]
fn an_endpoint_where_nothing_listens_is_reported() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut config = Fake::start().config();
    config["endpoint_url"] = format!("http://127.0.0.1:{port}").into();
    fails(Program::check(&config), &[&port.to_string()]);
}

#[test]
fn an_endpoint_that_never_answers_is_given_up_within_20_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = Fake::start().config();
    config["endpoint_url"] = format!("http://{}", silent.local_addr().unwrap()).into();
    fails(Program::check(&config), &[]);
}

#[test]
fn a_host_that_does_not_exist_is_reported() {
    let mut config = Fake::start().config();
    config["endpoint_url"] = "http://nobody.invalid:9000".into();
    fails(Program::check(&config), &["nobody.invalid"]);
}

/// A server with the database, or without it.
fn server(has_database: bool) -> Fake {
    let fake = Fake::start();
    if has_database {
        let catalog = &mut fake.store().catalog;
        catalog.0.insert("test".to_owned(), BTreeMap::new());
    }
    fake
}

/// Runs `check` with a fault at one of its calls; the calls, and whether it succeeded.
#[track_caller]
fn check_with(has_database: bool, fault: Option<(usize, Fault)>) -> (Fake, Vec<String>, bool) {
    let fake = server(has_database);
    if let Some((nth, fault)) = fault {
        fake.fault_at(nth, fault);
    }
    let output = Program::check(&fake.config()).journal(fake.journal()).run();
    let (connected, _) = output.connection();
    let calls = fake.calls();
    (fake, calls, connected)
}

#[test]
fn nothing_is_left_whichever_call_is_refused() {
    for has_database in [true, false] {
        let (_, calls, connected) = check_with(has_database, None);
        assert!(connected, "{calls:?}");
        for (at, operation) in calls.iter().enumerate() {
            for fault in [
                Fault::Reject(403, "AccessDenied"),
                Fault::Reject(500, "InternalError"),
                Fault::Lose,
                Fault::Drop,
            ] {
                let refused = matches!(fault, Fault::Reject(403, _));
                let (fake, _, connected) = check_with(has_database, Some((at + 1, fault)));
                let lines = fake.journal().lines();
                let what = format!("call {at} {operation}: {lines:?}");
                let store = fake.store();
                // What may not be deleted stays.
                if !(refused && operation.starts_with("Delete")) {
                    assert!(store.bucket.objects.is_empty(), "{what}");
                    let databases: Vec<_> = store.catalog.0.keys().collect();
                    assert_eq!(databases, ["test"][..has_database.into()], "{what}");
                    assert!(store.catalog.0.values().all(BTreeMap::is_empty), "{what}");
                }
                assert!(store.bucket.uploads.is_empty(), "{what}");
                assert!(connected || refused, "{what} was not tried again");
            }
        }
    }
}

/// Another program creates the database, and tables in it, at any moment of the check.
#[test]
fn a_database_that_others_create_meanwhile_is_left_alone() {
    let (_, calls, _) = check_with(false, None);
    let glue = |call: &&String| call.ends_with("Table") || call.ends_with("Database");
    let nth = calls.iter().filter(glue).count();
    assert!(nth > 5, "{calls:?}");
    for (at, operation) in calls.iter().enumerate().filter(|(_, call)| glue(call)) {
        let fake = server(false);
        let nth = 1 + calls[..at].iter().filter(|call| *call == operation).count();
        let gate = fake.hold(operation, nth);
        let running = Program::check(&fake.config()).start();
        gate.wait_until_reached();
        let table = json!({"Name": "theirs", "StorageDescriptor": {"Location": "s3://b/theirs/"}});
        fake.add_tables("test", vec![("theirs".to_owned(), table)]);
        gate.release();
        running.finish().connection();
        let store = fake.store();
        let tables: Vec<_> = store.catalog.0["test"].keys().collect();
        assert_eq!(tables, ["theirs"], "held at {operation} {nth}");
        assert_eq!(store.catalog.0.len(), 1, "held at {operation} {nth}");
    }
}

/// The names of tables and databases of the catalog that were created and deleted.
#[test]
fn only_names_that_nobody_else_has_are_created_and_deleted() {
    for has_database in [true, false] {
        let (fake, ..) = check_with(has_database, None);
        let lines = fake.journal().lines();
        let changes = lines.iter().filter(|line| {
            ["CREATE ", "DELETE TABLE ", "DELETE DATABASE "]
                .iter()
                .any(|start| line.starts_with(start))
        });
        let mut seen = 0;
        for line in changes {
            assert!(line.contains(" airbyte_check_"), "{line}");
            seen += 1;
        }
        assert_eq!(seen, 2, "{lines:?}");
    }
}

#[test]
fn each_permission_that_is_missing_for_an_absent_database_is_named() {
    for missing in [
        "glue:GetDatabase",
        "glue:CreateDatabase",
        "glue:GetTable",
        "glue:CreateTable",
        "glue:UpdateTable",
        "glue:DeleteTable",
    ] {
        let mut statements = Account::needed();
        statements.push(may(&["glue:DeleteDatabase"], "*"));
        statements.push(json!({"Effect": "Deny", "Action": missing, "Resource": "*"}));
        let account = Account::with(&statements);
        tools().call("bucket", json!({"name": account.bucket}));
        fails(account.check(), &[missing]);
        assert_eq!(databases_left(&account), Vec::<String>::new(), "{missing}");
    }
}

/// Policies of before may not permit it, and nothing may be left.
#[test]
fn a_probe_that_could_not_be_deleted_is_not_created() {
    let account = Account::new();
    let output = account.check().run();
    let (connected, message) = output.connection();
    assert!(connected, "{message}");
    assert!(
        output.stdout.contains("grant glue:DeleteDatabase"),
        "{}",
        output.report()
    );
    assert_eq!(databases_left(&account), Vec::<String>::new());
}

/// The probes and the account's database, where they are in the catalog.
fn databases_left(account: &Account) -> Vec<String> {
    let all = tools().call("databases", json!({}));
    let names = all
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap());
    names
        .filter(|name| **name == *account.database || name.starts_with("airbyte_check_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_configuration_that_cannot_be_read_is_reported_with_exit_code_0() {
    let form =
        |text: &str| Program::new(&["check", "--config", "config.json"]).file("config.json", text);
    for text in [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        "{\"credentials\": {\"credentials_title\": \"Nobody\"}}",
        "\u{feff}{}",
    ] {
        let output = form(text).run();
        let (connected, message) = output.connection();
        assert!(
            !connected && !message.is_empty(),
            "{text:?}: {}",
            output.report()
        );
    }
    let output = Program::new(&["check", "--config", "absent.json"]).run();
    let (connected, message) = output.connection();
    assert!(
        !connected && message.contains("absent.json"),
        "{}",
        output.report()
    );
}

#[test]
fn what_is_not_built_yet_is_a_clear_error() {
    let fake = Fake::start();
    let formats = [
        json!({"format": {"format_type": "JSONL", "compression_codec": "LZ4"}}),
        json!({"partitioning": "WEEK"}),
    ];
    for change in formats {
        let mut config = fake.config();
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        let key = change.as_object().unwrap().keys().next().unwrap().clone();
        fails(Program::check(&config), &[&key]);
    }
    assert_eq!(fake.calls(), Vec::<String>::new());
}
