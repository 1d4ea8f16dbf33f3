//! The program as a process: one thread, closed pipes, exit codes, and secrets that never show.

use serde_json::json;

use crate::support::fake::journal::Journal;
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{people, person, state};
use crate::support::program::Program;

#[test]
fn a_sync_runs_on_one_thread() {
    let fake = Fake::start();
    let gate = fake.hold("PutObject", 1);
    let mut running = fake.write(&people("people", "append")).start();
    running.feed(person("people", 1) + &state("people", 1));
    running.close();
    gate.wait_until_reached();
    assert_eq!(running.status("Threads"), "1");
    gate.release();
    running.finish().succeeded();
}

#[test]
fn a_closed_stdout_ends_the_program_quietly() {
    let fake = Fake::start();
    let journal = Journal::default();
    let mut running = fake
        .write(&people("people", "append"))
        .journal(&journal)
        .start();
    journal.hang_up();
    running.feed(
        (0..10)
            .map(|id| person("people", id) + &state("people", id))
            .collect::<String>(),
    );
    let output = running.finish();
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    assert_eq!(output.stderr, "", "{}", output.report());
}

#[test]
fn usage_errors_exit_with_2_and_say_how_to_call() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["check"],
        &["write", "--config", "config.json"],
        &["spec", "--nonsense"],
        &["check", "--config"],
    ] {
        let output = Program::new(arguments).run();
        assert_eq!(output.status.code(), Some(2), "{}", output.report());
        assert!(
            output.stderr.contains("destination-aws-datalake"),
            "{}",
            output.report()
        );
        assert!(!output.stderr.contains("panicked"), "{}", output.report());
    }
}

#[test]
fn help_and_version_answer_on_stdout() {
    let help = Program::new(&["--help"]).run();
    assert_eq!(help.status.code(), Some(0), "{}", help.report());
    for word in [
        "spec",
        "check",
        "write",
        "--config",
        "--catalog",
        "--local",
        "--version",
    ] {
        assert!(
            help.stdout.contains(word),
            "no {word} in the help text:\n{}",
            help.stdout
        );
    }
    assert!(help.stdout.lines().count() <= 45 && help.stdout.lines().all(|line| line.len() <= 80));
    let version = Program::new(&["--version"]).run();
    assert_eq!(version.status.code(), Some(0));
    let arch = std::env::consts::ARCH;
    let lines: Vec<&str> = version.stdout.lines().collect();
    let target = format!("target: {arch}-linux-gnu, dynamic");
    let expected = [
        concat!("destination-aws-datalake ", env!("CARGO_PKG_VERSION")),
        "commit: unknown",
        &target,
        "features: jsonl parquet gzip zstd snappy",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn spec_prints_one_specification_that_knows_every_key_of_the_python_connector() {
    let output = Program::new(&["spec"]).run();
    output.succeeded();
    assert_eq!(output.stdout.lines().count(), 1);
    let spec = &output.messages[0]["spec"];
    assert_eq!(
        spec["supported_destination_sync_modes"],
        json!(["overwrite", "append"])
    );
    assert!(spec["protocol_version"].is_string());
    let schema = &spec["connectionSpecification"];
    assert_eq!(
        schema["required"],
        json!([
            "credentials",
            "region",
            "bucket_name",
            "lakeformation_database_name"
        ])
    );
    for key in [
        "aws_account_id",
        "credentials",
        "region",
        "bucket_name",
        "bucket_prefix",
        "lakeformation_database_name",
        "lakeformation_database_default_tag_key",
        "lakeformation_database_default_tag_values",
        "lakeformation_governed_tables",
        "format",
        "partitioning",
        "glue_catalog_float_as_decimal",
    ] {
        assert!(
            schema["properties"][key].is_object(),
            "no {key} in the specification"
        );
    }
}

#[test]
fn secrets_show_nowhere_whatever_goes_wrong() {
    const SECRET: &str = "MARKERSECRETMARKERSECRETMARKERSECRETMARK";
    const TOKEN: &str = "MARKERTOKENMARKERTOKEN";
    let scripts: [&dyn Fn(&Fake); 7] = [
        &|_| {},
        &|fake| fake.fault_from("PutObject", 1, Fault::Reject(403, "AccessDenied")),
        &|fake| {
            fake.fault_from(
                "GetTable",
                1,
                Fault::Reject(400, "InvalidSignatureException"),
            );
        },
        &|fake| {
            fake.fault_from(
                "CreateTable",
                1,
                Fault::Reject(400, "AccessDeniedException"),
            );
        },
        &|fake| fake.fault("PutObject", 1, Fault::Reject(500, "InternalError")),
        &|fake| fake.fault("PutObject", 1, Fault::Lose),
        &|fake| fake.fault("PutObject", 1, Fault::Drop),
    ];
    for script in scripts {
        for command in ["check", "write"] {
            let fake = Fake::start();
            script(&fake);
            let mut config = fake.config();
            config["credentials"]["aws_secret_access_key"] = SECRET.into();
            let program = match command {
                "check" => Program::check(&config),
                _ => Program::write(&config, &people("people", "append")),
            };
            let input = person("people", 1) + &state("people", 1) + "{\"type\":\"RECORD\" broken\n";
            let output = program
                .journal(fake.journal())
                .env("LOG_LEVEL", "trace")
                .env("RUST_LOG", "trace")
                .env("AWS_ACCESS_KEY_ID", "AKIAOTHER")
                .env("AWS_SECRET_ACCESS_KEY", SECRET)
                .env("AWS_SESSION_TOKEN", TOKEN)
                .stdin(input)
                .run();
            fake.forgive();
            let said = format!("{}{}", output.stdout, output.stderr);
            assert!(!said.contains("MARKER"), "{command} printed a secret");
            assert!(
                !said.contains("person 1"),
                "{command} printed a record's value"
            );
        }
    }
}

#[test]
fn messages_are_expected_on_stdin_as_json() {
    let fake = Fake::start();
    let run = |name: &str, value: &str| {
        let program = fake.write(&people("people", "append")).env(name, value);
        program
            .stdin(person("people", 1) + &state("people", 1))
            .run()
    };
    for (name, value, expected) in [
        ("DATA_CHANNEL_MEDIUM", "SOCKET", "STDIO"),
        ("DATA_CHANNEL_FORMAT", "PROTOBUF", "JSONL"),
    ] {
        run(name, expected).succeeded();
        run(name, "").succeeded();
        let calls = fake.calls().len();
        let output = run(name, value);
        let error = output.failed();
        assert_eq!(error["failure_type"], "config_error", "{}", output.report());
        let message = error["message"].as_str().unwrap();
        let begins = format!("environment variable {name}: expected {expected}, found \"{value}\"");
        assert!(message.starts_with(&begins), "{message}");
        assert_eq!(fake.calls().len(), calls);
    }
}

#[test]
fn every_mistake_in_a_configuration_is_reported_without_values() {
    let config =
        json!({"credentials": {"aws_secret_access_key": "MARKER"}, "region": 7, "bucket_name": ""});
    let output = Program::write(&config, &people("people", "append")).run();
    let error = output.failed();
    assert_eq!(error["failure_type"], "config_error", "{}", output.report());
    let message = error["message"].as_str().unwrap();
    for path in ["region", "bucket_name", "lakeformation_database_name"] {
        assert!(message.contains(path), "no {path} in {message}");
    }
    assert!(!output.stdout.contains("MARKER"));
    let (connected, message) = Program::check(&config).run().connection();
    assert!(
        !connected && message.contains("region") && message.contains("bucket_name"),
        "{message}"
    );
}
