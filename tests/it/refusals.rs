//! What is refused before anything is made: a mistake in the configuration leaves nothing that the corrected one would
//! stumble over.

use serde_json::{Value, json};

use crate::support::cloud::{Account, tools};
use crate::support::fake::Fake;
use crate::support::messages::{people, person};
use crate::support::program::{Output, Program};

/// Each command that reads or writes a lake, with this configuration.
fn commands(config: &Value) -> [(&'static str, Output); 4] {
    let catalog = people("people", "append");
    let with_config = |arguments: &[&str]| {
        Program::new(arguments)
            .arguments(&["--config", "config.json"])
            .file("config.json", &config.to_string())
    };
    [
        ("check", Program::check(config).run()),
        (
            "write",
            Program::write(config, &catalog)
                .stdin(person("people", 1))
                .run(),
        ),
        (
            "load",
            with_config(&["load", "--table", "people"])
                .stdin("{\"id\":1}\n")
                .run(),
        ),
        (
            "plan",
            with_config(&["plan", "--catalog", "catalog.json"])
                .file("catalog.json", &catalog.to_string())
                .run(),
        ),
    ]
}

/// What a command says of its failure.
fn failure(command: &str, output: &Output) -> String {
    match command {
        "check" => {
            let (connected, message) = output.connection();
            assert!(!connected, "{}", output.report());
            message
        }
        "write" => output.failed().to_string(),
        _ => {
            assert_eq!(output.status.code(), Some(1), "{}", output.report());
            output.stderr.clone()
        }
    }
}

#[test]
fn credentials_of_another_account_are_refused_by_every_command() {
    let fake = Fake::start();
    let mut config = fake.config();
    config["aws_account_id"] = "999999999999".into();
    for (command, output) in commands(&config) {
        let text = failure(command, &output);
        assert!(
            text.contains("aws_account_id: expected 999999999999"),
            "{command}: {text}"
        );
    }
    assert_eq!(fake.calls(), ["GetCallerIdentity"; 4]);
    config["aws_account_id"] = "123456789012".into();
    for (command, output) in commands(&config) {
        assert!(output.status.success(), "{command}: {}", output.report());
    }
}

/// A mistyped bucket, and then the right one: nothing of the first configuration is in the way.
#[test]
fn a_wrong_bucket_leaves_no_database_and_no_table() {
    let account = Account::new();
    let mut config = account.config();
    config["bucket_name"] = "test-of-nobody".into();
    for (command, output) in commands(&config) {
        let text = failure(command, &output);
        assert!(text.contains("test-of-nobody"), "{command}: {text}");
        assert!(text.contains("bucket_name"), "{command}: {text}");
        let databases = tools().call("databases", json!({}));
        let databases = databases.as_array().unwrap();
        assert!(
            !databases.contains(&json!(account.database)),
            "{command}: {databases:?}"
        );
    }
    for (command, output) in commands(&account.config()) {
        assert!(output.status.success(), "{command}: {}", output.report());
    }
    assert_eq!(account.read("people").rows.len(), 2);
}
