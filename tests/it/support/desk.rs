//! A user's desk: a folder, the program on the PATH, credentials in the environment; scripts run there as they are written
//! down for users.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::cloud::Account;

/// A folder in which a user of this account works.
pub(crate) struct Desk {
    folder: TempDir,
    pub(crate) account: Account,
    config: Value,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let account = Account::new();
        let desk = Self {
            config: account.config(),
            folder: tempfile::tempdir().unwrap(),
            account,
        };
        std::fs::create_dir(desk.path("bin")).unwrap();
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_destination-aws-datalake"),
            desk.path("bin/destination-aws-datalake"),
        )
        .unwrap();
        desk
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A tool of the user's own: a script for a shell.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        let name = format!("bin/{name}");
        self.put(&name, &format!("#!/bin/sh\n{script}\n"));
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path(name), runs).unwrap();
    }

    /// The configuration of the account, which takes the place of the one that is written down.
    pub(crate) fn config(&self) -> &Value {
        &self.config
    }

    /// What is written down, with the bucket and the database of this account.
    pub(crate) fn translated(&self, text: &str) -> String {
        let bucket = self.config["bucket_name"].as_str().unwrap();
        let database = self.config["lakeformation_database_name"].as_str().unwrap();
        text.replace("s3://my-lake/in", &format!("s3://{bucket}/lake"))
            .replace("--database raw", &format!("--database {database}"))
            .replace("--database=raw", &format!("--database={database}"))
    }

    /// Runs a script; it succeeds.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Output {
        let (key, secret) = self.account.keys();
        let output = Command::new("sh")
            .args(["-euc", &self.translated(script)])
            .current_dir(self.folder.path())
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_ENDPOINT_URL", Account::endpoint())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{script}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }
}
