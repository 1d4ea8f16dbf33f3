//! `policy` prints what is enough and nothing more: with exactly that, a check and syncs pass; without any one of its
//! actions, one of them fails.

use serde_json::{Value, json};

use crate::support::cloud::{Account, may, tools};
use crate::support::messages::{catalog, people, person, record, state, stream};
use crate::support::program::Program;

/// An account with a bucket, and a user who may do nothing.
fn account() -> Account {
    let account = Account::with(&[may(&["sts:GetCallerIdentity"], "*")]);
    tools().call("bucket", json!({"name": account.bucket}));
    account
}

/// The policy that the program prints for the account's configuration.
fn policy(account: &Account) -> Value {
    let output = Program::new(&["policy", "--config", "config.json"])
        .file("config.json", &account.config().to_string())
        .run();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    serde_json::from_str(&output.stdout).unwrap()
}

/// A check, then syncs that add rows, add a column, and replace all rows; what went wrong first.
fn work(account: &Account) -> Result<(), String> {
    let output = account.check().run();
    let (connected, message) = output.connection();
    if !connected {
        return Err(message);
    }
    // What may not be probed is no failure, but named.
    if let Some(warning) = output.stdout.lines().find(|line| line.contains("grant ")) {
        return Err(warning.to_owned());
    }
    let wider = json!({"id": {"type": "integer"}, "age": {"type": "integer"}});
    let catalogs = [
        people("people", "append"),
        catalog(&[stream("people", "append", &wider)]),
        people("people", "overwrite"),
    ];
    for (catalog, id) in catalogs.iter().zip(1..) {
        let input = person("people", id) + &state("people", id);
        let output = account.write(catalog).stdin(input).run();
        if output.status.code() != Some(0) {
            return Err(output.failed()["message"].to_string());
        }
        // What is superseded stays where it cannot be proven that no other table reads it; the sync succeeds.
        if let Some(warning) = output.stdout.lines().find(|line| line.contains("grant ")) {
            return Err(warning.to_owned());
        }
    }
    Ok(())
}

#[test]
fn exactly_this_policy_is_enough_and_without_any_one_action_it_is_not() {
    let whole = account();
    let full = policy(&whole);
    whole.permit(&full);
    work(&whole).unwrap();
    assert_eq!(whole.read("people").column("id"), [3]);

    let mut tried = 0;
    for (place, statement) in full["Statement"].as_array().unwrap().iter().enumerate() {
        for action in statement["Action"].as_array().unwrap() {
            let account = account();
            let mut policy = policy(&account);
            let actions = policy["Statement"][place]["Action"].as_array_mut().unwrap();
            actions.retain(|other| other != action);
            if actions.is_empty() {
                policy["Statement"].as_array_mut().unwrap().remove(place);
            }
            account.permit(&policy);
            let failure = work(&account).expect_err(action.as_str().unwrap());
            assert!(
                failure.contains(action.as_str().unwrap()),
                "{action} is not named: {failure}"
            );
            tried += 1;
        }
    }
    assert_eq!(tried, 16);
}

/// Syncs into a table with partitions: new ones, a new column, and other ones in their place.
fn work_on_partitions(account: &Account) -> Result<(), String> {
    let mut config = account.config();
    config["partitioning"] = "YEAR".into();
    let at = json!({"type": "string", "format": "date"});
    let (id, age) = (json!({"type": "integer"}), json!({"type": "integer"}));
    let narrow = json!({"id": id, "at": at});
    let wide = json!({"id": id, "at": at, "age": age});
    for (mode, properties, year) in [
        ("append", &narrow, 2024),
        ("append", &wide, 2025),
        ("overwrite", &wide, 2025),
    ] {
        let mut people = stream("people", mode, properties);
        people["cursor_field"] = json!(["at"]);
        let record = record("people", &json!({"id": 1, "at": format!("{year}-01-01")}));
        let program = Program::write(&config, &catalog(&[people]));
        let output = program.stdin(record + &state("people", 1)).run();
        if output.status.code() != Some(0) {
            return Err(output.failed()["message"].to_string());
        }
    }
    Ok(())
}

#[test]
fn partitions_need_what_is_printed_for_them_and_all_of_it() {
    let print = |account: &Account| {
        let mut config = account.config();
        config["partitioning"] = "YEAR".into();
        let output = Program::new(&["policy", "--config", "config.json"])
            .file("config.json", &config.to_string())
            .run();
        serde_json::from_str::<Value>(&output.stdout).unwrap()
    };
    let whole = account();
    whole.permit(&print(&whole));
    work_on_partitions(&whole).unwrap();
    let full = print(&whole);
    let statements = full["Statement"].as_array().unwrap();
    let place = statements
        .iter()
        .position(|statement| statement["Sid"] == "KeepPartitions");
    let place = place.unwrap();
    let actions = statements[place]["Action"].as_array().unwrap();
    assert_eq!(actions.len(), 5);
    for action in actions {
        let account = account();
        let mut policy = print(&account);
        let left = policy["Statement"][place]["Action"].as_array_mut().unwrap();
        left.retain(|other| other != action);
        account.permit(&policy);
        let failure = work_on_partitions(&account).expect_err(action.as_str().unwrap());
        assert!(failure.contains(action.as_str().unwrap()), "{failure}");
    }
}

#[test]
fn other_folders_and_databases_stay_out_of_reach() {
    let account = account();
    let policy = policy(&account);
    account.permit(&policy);
    for (setting, value) in [
        ("bucket_prefix", "other"),
        ("lakeformation_database_name", "other"),
    ] {
        let mut config = account.config();
        config[setting] = value.into();
        let (connected, message) = Program::check(&config).run().connection();
        assert!(!connected, "{setting}");
        assert!(message.contains("grant "), "{message}");
    }
}

#[test]
fn the_streams_of_a_catalog_may_have_databases_of_their_own() {
    let account = account();
    let mut stream = stream("people", "append", &json!({"id": {"type": "integer"}}));
    stream["stream"]["namespace"] = "Sales".into();
    let output = Program::new(&[
        "policy",
        "--config",
        "config.json",
        "--catalog",
        "catalog.json",
    ])
    .file("config.json", &account.config().to_string())
    .file("catalog.json", &catalog(&[stream]).to_string())
    .run();
    assert!(
        output.stdout.contains(":table/sales/*"),
        "{}",
        output.report()
    );
    assert!(
        output.stdout.contains("/lake/sales/*"),
        "{}",
        output.report()
    );
}

#[test]
fn a_role_and_its_caller_have_policies_of_their_own() {
    let arguments = [
        "policy",
        "s3://b",
        "--database",
        "d",
        "--region",
        "eu-west-1",
    ];
    let role = "arn:aws:iam::222222222222:role/writer";
    let output = Program::new(&arguments)
        .argument("--role-arn")
        .argument(role);
    let output = output.argument("--caller").run();
    let caller: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(caller["Statement"][0]["Action"], json!(["sts:AssumeRole"]));
    assert_eq!(caller["Statement"][0]["Resource"], json!([role]));
    assert_eq!(caller["Statement"].as_array().unwrap().len(), 1);
    let output = Program::new(&arguments).argument("--terraform").run();
    assert!(
        output
            .stdout
            .starts_with("data \"aws_iam_policy_document\"")
    );
    let output = Program::new(&arguments).argument("--caller").run();
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    assert!(output.stderr.contains("--role-arn"), "{}", output.report());
}
