//! The commands of the README, run as they stand there.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;

use crate::support::cloud::Account;
use crate::support::file;

/// The blocks of the README that are shell commands, each as one script.
fn blocks() -> Vec<String> {
    let readme = std::fs::read_to_string(file("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_command_block_of_the_readme_runs() {
    let account = Account::new();
    let config = account.config();
    let bucket = config["bucket_name"].as_str().unwrap();
    let database = config["lakeformation_database_name"].as_str().unwrap();
    let (key, secret) = account.keys();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let events = "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n";
    put("config.json", &config.to_string());
    let stream =
        json!({"name": "people", "json_schema": {"properties": {"id": {"type": "integer"}}}});
    let catalog = json!({"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}]});
    put("catalog.json", &catalog.to_string());
    put("events.jsonl", events);
    // What stands for the user's own things: a source, and a packed file.
    let message =
        r#"{"type":"RECORD","record":{"stream":"people","data":{"id":7},"emitted_at":1}}"#;
    let script = format!("#!/bin/sh\necho '{message}'\n");
    let tools = folder.path().join("bin");
    std::fs::create_dir(&tools).unwrap();
    std::fs::write(tools.join("source"), script).unwrap();
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(tools.join("source"), runs).unwrap();
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_destination-aws-datalake"),
        tools.join("destination-aws-datalake"),
    )
    .unwrap();
    let packed = Command::new("gzip")
        .args(["-k", "events.jsonl"])
        .current_dir(&folder)
        .status();
    assert!(packed.unwrap().success());

    let blocks = blocks();
    assert!(blocks.len() >= 4, "the README has lost its commands");
    for block in &blocks {
        let script = block
            .replace("s3://my-lake/in", &format!("s3://{bucket}/lake"))
            .replace("--database raw", &format!("--database {database}"));
        let ran = Command::new("sh")
            .args(["-euc", &script])
            .current_dir(&folder)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_ENDPOINT_URL", Account::endpoint())
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{block}\n{}\n{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
    }
    assert_eq!(account.read("people").column("id"), [7]);
    assert_eq!(account.read("events").column("id"), [1, 2]);
}
