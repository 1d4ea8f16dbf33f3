//! Hostile input and surroundings: nothing takes memory or time without bound, and what happens is said.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::singer::schema;
use crate::support::fake::Fake;
use crate::support::local::{lines, load};
use crate::support::messages::{people, person, state};
use crate::support::program::{Output, Program};

#[test]
fn a_zstd_window_beyond_the_budget_is_refused_by_name_and_one_within_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("events.jsonl.zst");
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"{\"id\":1}\n").unwrap();
    std::fs::write(&packed, encoder.finish().unwrap()).unwrap();
    let run = |budget: &str| {
        load(&folder.path().join("lake"), &["--table", "events", "--set"])
            .argument(format!("memory_budget_mb={budget}"))
            .argument(&packed)
            .run()
    };
    let output = run("64");
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    for expected in [
        "expected a zstd window of at most 32 MiB, half of memory_budget_mb, found one of 128 MiB\n",
        "help: raise memory_budget_mb to 256",
    ] {
        assert!(output.stderr.contains(expected), "{}", output.report());
    }
    assert!(run("256").status.success());
}

#[test]
fn a_later_frame_with_a_larger_window_than_the_first_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("events.jsonl.zst");
    let frame = |log: u32, rows: u64| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(lines(0..rows).as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let run = |logs: &[u32]| {
        let frames: Vec<u8> = logs.iter().flat_map(|log| frame(*log, 10)).collect();
        std::fs::write(&packed, frames).unwrap();
        load(&folder.path().join("lake"), &["--table", "events"])
            .argument(&packed)
            .run()
    };
    let output = run(&[20, 24]);
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    let expected =
        "expected zstd windows of at most 8 MiB in all frames, as in the first, found a larger one";
    assert!(output.stderr.contains(expected), "{}", output.report());
    assert!(run(&[20, 23]).status.success());
    assert!(run(&[24, 20, 24]).status.success());
}

#[test]
fn more_streams_than_memory_has_room_for_fail_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut input = String::new();
    for number in 0..200_000 {
        input += &schema(
            &format!("stream_{number}"),
            &json!({"id": {"type": "integer"}}),
        )
        .to_string();
        input.push('\n');
    }
    let output = load(folder.path(), &["--input", "singer"])
        .stdin(input)
        .run();
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    let expected = "line 4097 of stdin: stream \"stream_4096\": expected at most 4096 streams, one per 16 KiB of memory_budget_mb, found more";
    assert!(output.stderr.contains(expected), "{}", output.report());
    assert!(output.took < Duration::from_secs(20), "{:?}", output.took);
}

#[test]
fn messages_of_an_unknown_type_are_reported_once_and_counted() {
    let fake = Fake::start();
    let unknown = "{\"type\":\"NOVELTY\",\"novelty\":{}}\n";
    let input = [
        unknown.repeat(3),
        person("people", 1),
        unknown.repeat(4),
        "{\"type\":\"hunter2\"}\n".to_owned(),
        state("people", 1),
    ];
    let output = fake
        .write(&people("people", "append"))
        .stdin(input.concat())
        .run();
    output.succeeded();
    let said = |text: &str| output.stdout.matches(text).count();
    assert_eq!(
        said("messages of an unknown type are ignored: \\\"NOVELTY\\\""),
        1
    );
    assert_eq!(
        said("ignored 7 messages of an unknown type: \\\"NOVELTY\\\""),
        1
    );
    assert_eq!(
        said("ignored 1 messages of an unknown type: of another form"),
        1
    );
    assert_eq!(said("hunter2"), 0, "{}", output.report());
    assert_eq!(fake.rows("people").len(), 1);
}

#[test]
fn names_of_files_reach_a_terminal_without_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let name = "a\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m.jsonl";
    let output = load(folder.path(), &["--table", "t"])
        .file(name, "{\"id\":1}\nno json\n")
        .argument(name)
        .run();
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    for text in [&output.stdout, &output.stderr] {
        let control = text
            .chars()
            .find(|found| found.is_control() && *found != '\n');
        assert_eq!(control, None, "{}", output.report());
    }
    assert!(output.stderr.contains("\\u{1b}"), "{}", output.report());
}

/// A check whose credentials are printed by this command.
fn check_with_process(command: &str) -> Output {
    let fake = Fake::start();
    let mut config = fake.config();
    config["credentials"] = json!({"credentials_title": "Default chain"});
    let profile = format!("[default]\ncredential_process = {command}\n");
    Program::check(&config)
        .file("config", &profile)
        .env("AWS_CONFIG_FILE", "config")
        .run()
}

#[test]
fn a_credential_process_without_end_is_killed_and_named() {
    let output = check_with_process("/bin/cat /dev/zero");
    let (_, message) = output.connection();
    assert!(
        message.contains(
            "credential_process: expected at most 64 KiB of output, found more; it was killed"
        ),
        "{message}"
    );
}

#[test]
fn a_container_s_token_is_not_sent_to_another_host() {
    let fake = Fake::start();
    let mut config = fake.config();
    config["credentials"] = json!({"credentials_title": "Default chain"});
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = trap.local_addr().unwrap().port();
    trap.set_nonblocking(true).unwrap();
    for (name, value) in [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("http://127.0.0.1:80@localhost:{port}/x"),
        ),
        (
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            format!("@localhost:{port}/x"),
        ),
    ] {
        let output = Program::check(&config)
            .env(name, &value)
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2")
            .run();
        let (connected, message) = output.connection();
        assert!(!connected && message.contains(name), "{message}");
        assert!(trap.accept().is_err(), "{name} reached another host");
    }
}

#[test]
fn a_secret_among_the_arguments_is_refused() {
    let output = Program::new(&[
        "check",
        "--set",
        "credentials.aws_secret_access_key=hunter2",
    ])
    .run();
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(
        said.contains("set the environment variable AWS_SECRET_ACCESS_KEY"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_known_type_in_other_letters_fails_the_sync_by_its_name() {
    for (name, kind) in [
        ("record", "RECORD"),
        ("Record", "RECORD"),
        ("state", "STATE"),
        ("Trace", "TRACE"),
    ] {
        let fake = Fake::start();
        let odd = person("people", 2).replacen("RECORD", name, 1);
        let input = person("people", 1) + &odd + &state("people", 1);
        let output = fake.write(&people("people", "append")).stdin(input).run();
        let error = output.failed();
        let expected = format!("line 2 of stdin: expected the type {kind:?} in these letters");
        let said = error["message"].as_str().unwrap();
        assert!(said.starts_with(&expected), "{said}");
        assert!(output.states().is_empty(), "{}", output.report());
    }
}

/// A minute is really waited for: run it with `--ignored`.
#[test]
#[ignore = "it takes a minute"]
fn a_credential_process_that_waits_for_ever_is_killed_after_a_minute() {
    let output = check_with_process("/bin/sh -c 'sleep 300 & echo $! > pid; wait'");
    let (_, message) = output.connection();
    assert!(
        message
            .contains("expected it to end within 60 seconds, found that it did not; it was killed"),
        "{message}"
    );
    assert!(
        (59..70).contains(&output.took.as_secs()),
        "{:?}",
        output.took
    );
    // Those whom it started are killed with it.
    let sleeping = Command::new("pgrep")
        .args(["-f", "^sleep 300$"])
        .output()
        .unwrap();
    assert!(
        sleeping.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&sleeping.stdout)
    );
}

#[test]
fn files_without_end_are_refused_by_name() {
    let fake = Fake::start();
    let mut config = fake.config();
    config["credentials"] = json!({"credentials_title": "Default chain"});
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "a secret"),
    ];
    for (name, more) in [
        ("AWS_CA_BUNDLE", &keys[..]),
        ("AWS_CONFIG_FILE", &[]),
        ("AWS_SHARED_CREDENTIALS_FILE", &[]),
        (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            &[("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")],
        ),
    ] {
        let mut program = Program::check(&config).env(name, "/dev/zero");
        for (name, value) in more {
            program = program.env(name, value);
        }
        let (connected, message) = program.run().connection();
        let is_named = message.contains("/dev/zero") && message.contains("at most 256 MiB");
        assert!(!connected && is_named, "{name}: {message}");
    }
}
