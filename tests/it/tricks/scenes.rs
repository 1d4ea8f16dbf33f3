//! The scenes: for each call that the program makes, a run of it that makes that call.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::fake::wire::Answer;
use crate::support::fake::{Fake, Fault};
use crate::support::local::lines;
use crate::support::messages::{people, person, state};
use crate::support::program::Program;

/// A scene: the call, and a run against this server that makes it.
pub(super) struct Scene {
    pub(super) call: &'static str,
    /// Sets the server up. Tricks come after that.
    pub(super) set: fn(&Fake),
    pub(super) program: fn(&Fake) -> Program,
}

fn nothing(_: &Fake) {}

fn check(fake: &Fake) -> Program {
    Program::check(&fake.config())
}

/// `check` with credentials of the default chain, and this in the environment.
fn chain(fake: &Fake, variables: &[(&str, &str)]) -> Program {
    let mut config = fake.config();
    config["credentials"] = json!({"credentials_title": "Default chain"});
    let program = Program::check(&config).file("token", "a token\n");
    let set = |program: Program, (name, value): &(&str, &str)| program.env(name, value);
    variables.iter().fold(program, set)
}

/// `check` with a tag of Lake Formation for the database.
fn tagged(fake: &Fake) -> Program {
    let mut config = fake.config();
    config["lakeformation_database_default_tag_key"] = "key".into();
    config["lakeformation_database_default_tag_values"] = "value".into();
    Program::check(&config)
}

fn instance(fake: &Fake) -> Program {
    chain(
        fake,
        &[
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &fake.endpoint()),
            ("AWS_METADATA_SERVICE_TIMEOUT", "1"),
        ],
    )
}

fn sync(fake: &Fake, mode: &str, settings: &[(&str, Value)]) -> Program {
    let mut config = fake.config();
    for (name, value) in settings {
        config[*name] = value.clone();
    }
    Program::write(&config, &people("people", mode))
        .stdin(person("people", 1) + &state("people", 1))
}

/// A sync whose object is uploaded in parts.
fn in_parts(fake: &Fake) -> Program {
    let format = json!({"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"});
    let row = person("people", 1).replace("person", &"x".repeat(9 << 20));
    sync(fake, "append", &[("format", format)]).stdin(row + &state("people", 1))
}

fn published(fake: &Fake) {
    sync(fake, "append", &[]).run().succeeded();
}

fn has_database(fake: &Fake) {
    fake.add_tables("test", vec![("other".to_owned(), json!({}))]);
}

fn load(fake: &Fake, ids: std::ops::Range<u64>) -> Program {
    Program::new(&["load", "--config", "config.json", "--table", "people"])
        .file("config.json", &fake.config().to_string())
        .stdin(lines(ids))
}

/// Another load makes the table while this one looks for it, so that the objects of this one have to move there.
fn overtaken(fake: &Fake) {
    let other = load(fake, 0..2);
    let other = std::sync::Mutex::new(Some(other));
    let run = move |_: &_| {
        let other = other.lock().unwrap().take();
        other.is_none_or(|other| other.run().status.success())
    };
    fake.fault("GetTable", 1, Fault::After(Arc::new(run)));
}

/// The objects that have to move are too large for one call.
fn overtaken_with_large_objects(fake: &Fake) {
    overtaken(fake);
    fake.fault_from("CopyObject", 1, Fault::Reject(400, "EntityTooLarge"));
    let large = |to: &mut dyn Write, _: &Answer| {
        let size = 6_u64 << 30;
        to.write_all(
            format!("HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: {size}\r\n\r\n").as_bytes(),
        )
    };
    fake.fault_from("HeadObject", 1, Fault::Raw(Arc::new(large)));
}

/// The upload is complete, and the answer says that there is none: so the object is looked for.
fn completed_and_forgotten(fake: &Fake) {
    let forgotten = |to: &mut dyn Write, _: &Answer| {
        let error = "<Error><Code>NoSuchUpload</Code></Error>";
        let length = error.len();
        to.write_all(
            format!("HTTP/1.1 404 X\r\ncontent-length: {length}\r\n\r\n{error}").as_bytes(),
        )
    };
    fake.fault_from(
        "CompleteMultipartUpload",
        1,
        Fault::Raw(Arc::new(forgotten)),
    );
}

fn overwrite(fake: &Fake) -> Program {
    sync(fake, "overwrite", &[])
}

/// A sync into a table with a partition for each id.
fn in_partitions(fake: &Fake, mode: &str, id: u64) -> Program {
    let by = ("partition_by", json!(["id"]));
    sync(fake, mode, &[by]).stdin(person("people", id) + &state("people", 1))
}

fn has_partition(fake: &Fake) {
    in_partitions(fake, "append", 1).run().succeeded();
}

macro_rules! scenes {
    ($($call:literal, $set:expr, $program:expr;)*) => {
        &[$(Scene { call: $call, set: $set, program: $program }),*]
    };
}

/// One for each call: those of the services by the names of their APIs, then those of endpoints of credentials.
pub(super) const SCENES: &[Scene] = scenes! {
    "AbortMultipartUpload", nothing, check;
    "AddLFTagsToResource", has_database, tagged;
    "AssumeRole", nothing, |fake| {
        let mut config = fake.config();
        config["credentials"] = json!({"credentials_title": "IAM Role", "role_arn": "arn:aws:iam::123456789012:role/r"});
        Program::check(&config).env("AWS_ACCESS_KEY_ID", "AKIA").env("AWS_SECRET_ACCESS_KEY", "a secret")
    };
    "AssumeRoleWithWebIdentity", nothing, |fake| chain(fake, &[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "token"), ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
    ]);
    "BatchCreatePartition", nothing, |fake| in_partitions(fake, "append", 1);
    "BatchDeletePartition", has_partition, |fake| in_partitions(fake, "overwrite", 2);
    "BatchGetPartition", nothing, |fake| in_partitions(fake, "append", 1);
    "BatchUpdatePartition", has_partition, |fake| in_partitions(fake, "overwrite", 1);
    "CompleteMultipartUpload", nothing, in_parts;
    "CopyObject", overtaken, |fake| load(fake, 7..9);
    "CreateDatabase", nothing, check;
    "CreateMultipartUpload", nothing, check;
    "CreateTable", has_database, check;
    "DeleteDatabase", nothing, check;
    "DeleteObjects", nothing, check;
    "DeleteTable", has_database, check;
    "GetCallerIdentity", nothing, check;
    "GetDatabase", nothing, check;
    "GetDatabases", published, overwrite;
    "GetObject", nothing, check;
    "GetPartitions", has_partition, |fake| in_partitions(fake, "overwrite", 1);
    "GetResourceLFTags", has_database, tagged;
    "GetTable", has_database, check;
    "GetTables", published, overwrite;
    "HeadObject", completed_and_forgotten, in_parts;
    "ListMultipartUploads", nothing, check;
    "ListObjectsV2", nothing, check;
    "PutObject", nothing, check;
    "UpdateTable", has_database, check;
    "UploadPart", nothing, check;
    "UploadPartCopy", overtaken_with_large_objects, |fake| load(fake, 7..9);
    "ContainerCredentials", nothing, |fake| {
        chain(fake, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", fake.endpoint()))])
    };
    "InstanceToken", nothing, instance;
    "InstanceRole", nothing, instance;
    "InstanceCredentials", nothing, instance;
};
