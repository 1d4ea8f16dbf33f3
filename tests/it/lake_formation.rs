//! Lake Formation: tags are put where nobody has set one, databases have a location, and refusals name its permissions.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::cloud::{Account, may, tools};
use crate::support::fake::wire::Answer;
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, people, person, stream};
use crate::support::program::Program;

/// An account whose user may tag, and the configuration with a tag that exists.
fn governed() -> (Account, Value) {
    let mut statements = Account::needed();
    let actions = [
        "lakeformation:AddLFTagsToResource",
        "lakeformation:GetResourceLFTags",
    ];
    statements.push(may(&actions, "*"));
    let account = Account::with(&statements);
    tools().call("bucket", json!({"name": account.bucket}));
    let key = format!("{}-level", account.name);
    let values = ["private", "public", "secret"];
    tools().call("tag_exists", json!({"key": key, "values": values}));
    let mut config = account.config();
    config["lakeformation_database_default_tag_key"] = key.into();
    config["lakeformation_database_default_tag_values"] = "private".into();
    (account, config)
}

fn sync(config: &Value) {
    let output = Program::write(config, &people("people", "append"))
        .stdin(person("people", 1))
        .run();
    output.succeeded();
}

fn tags(account: &Account) -> Value {
    tools().call("tags", json!({"database": account.database}))
}

#[test]
fn a_new_database_gets_its_tag_and_a_location_and_later_runs_leave_both() {
    let (account, config) = governed();
    let key = config["lakeformation_database_default_tag_key"].as_str();
    let key = key.unwrap();
    sync(&config);
    assert_eq!(tags(&account), json!({key: ["private"]}));
    let database = json!({"database": account.database});
    let location = tools().call("location_of_database", database.clone());
    let expected = format!("s3://{}/lake/{}/", account.bucket, account.database);
    assert_eq!(location, json!(expected));
    // Whoever governs the lake decides otherwise.
    let steward = json!({"database": account.database, "key": key, "value": "public"});
    tools().call("tag", steward);
    sync(&config);
    let mut other = config.clone();
    other["lakeformation_database_default_tag_values"] = "secret".into();
    sync(&other);
    assert_eq!(tags(&account), json!({key: ["public"]}));
}

#[test]
fn a_database_of_others_gets_the_tag_where_the_key_is_absent() {
    let (account, config) = governed();
    tools().call("database", json!({"name": account.database}));
    sync(&config);
    let key = config["lakeformation_database_default_tag_key"].as_str();
    assert_eq!(tags(&account), json!({key.unwrap(): ["private"]}));
}

#[test]
fn a_tag_that_does_not_exist_is_named_with_its_value() {
    let (_, mut config) = governed();
    config["lakeformation_database_default_tag_key"] = "absent".into();
    let output = Program::write(&config, &people("people", "append")).run();
    let said = output.failed().to_string();
    assert!(said.contains("absent=private"), "{said}");
}

#[test]
fn refusals_of_lake_formation_name_its_permission_and_not_an_action_of_iam() {
    for (operation, said, granted) in [
        (
            "CreateTable",
            "Required Create Table on test",
            "grant CREATE_TABLE on test to",
        ),
        (
            "UpdateTable",
            "Required Alter on people",
            "grant ALTER on people to",
        ),
        (
            "CreateDatabase",
            "Required Create Database on Catalog",
            "grant CREATE_DATABASE on Catalog to",
        ),
        (
            "CreateTable",
            "on s3://lake/x",
            "grant DATA_LOCATION_ACCESS on s3://lake/x to",
        ),
    ] {
        let fake = Fake::start();
        let separator = if said.starts_with("on ") { "" } else { ":" };
        let message = format!("Insufficient Lake Formation permission(s){separator} {said}");
        let refusal = json!({"__type": "AccessDeniedException", "Message": message}).to_string();
        let run = || {
            let wider = json!({"id": {"type": "integer"}, "age": {"type": "integer"}});
            let catalog = catalog(&[stream("people", "append", &wider)]);
            Program::write(&fake.config(), &catalog)
                .journal(fake.journal())
                .stdin(person("people", 1))
                .run()
        };
        if operation == "UpdateTable" {
            let catalog = people("people", "append");
            let first = Program::write(&fake.config(), &catalog);
            first.journal(fake.journal()).run().succeeded();
        }
        let refuse = move |to: &mut dyn Write, _: &Answer| {
            let length = refusal.len();
            write!(
                to,
                "HTTP/1.1 400 Bad Request\r\ncontent-length: {length}\r\n\r\n{refusal}"
            )
        };
        fake.fault_from(operation, 1, Fault::Raw(Arc::new(refuse)));
        let said = run().failed().to_string();
        assert!(said.contains(granted), "{operation}: {said}");
        assert!(!said.contains("grant glue:"), "{operation}: {said}");
    }
}
