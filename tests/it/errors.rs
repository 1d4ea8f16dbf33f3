//! What a person reads: the exact text of errors and hints, and the options that say how logs look.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::cloud::Account;
use crate::support::file;
use crate::support::image::{NEEDS_ROOT, is_root};
use crate::support::local::load;
use crate::support::program::{Output, Program};
use crate::support::skip::skip;

/// The exit code, and all that is on stderr.
#[track_caller]
fn says(output: &Output, code: i32, stderr: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", output.report());
    assert_eq!(output.stderr, stderr);
}

#[test]
fn a_slip_is_answered_with_what_was_meant_and_the_reason_is_the_last_line() {
    for (arguments, stderr) in [
        (
            &["load", "--tabel", "t"][..],
            "help: did you mean --table?\nerror: unknown option --tabel\n",
        ),
        (
            &["lod"],
            "help: did you mean load?\nerror: unknown command \"lod\"; expected spec, check, write, load, plan or policy\n",
        ),
        (
            &["load"],
            "help: destination-aws-datalake load --help lists the options\nerror: load requires --table NAME\n",
        ),
    ] {
        says(&Program::new(arguments).run(), 2, stderr);
    }
    let output = Program::new(&["policy", "--set", "buket_name=b"]).run();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output.stderr.starts_with("help: did you mean bucket_name?\nerror: unknown setting \"buket_name\"; expected one of "),
        "{}",
        output.report()
    );
}

#[test]
fn a_missing_setting_is_named_as_the_user_gives_it() {
    says(
        &Program::new(&["load", "--table", "t"]).run(),
        1,
        "error: the settings have mistakes: --region, or AWS_REGION: expected an AWS region, as \"eu-west-1\", found nothing; \
         s3://BUCKET/PREFIX, or DATALAKE_BUCKET_NAME: expected the name of an S3 bucket, without s3://, found nothing; \
         --database, or DATALAKE_LAKEFORMATION_DATABASE_NAME: expected the name of a database, found nothing\n",
    );
    let config = json!({"region": "us-east-1", "bucket_name": "b"}).to_string();
    says(
        &Program::new(&["policy", "--config", "c.json"])
            .file("c.json", &config)
            .run(),
        1,
        "error: the configuration has mistakes: $.lakeformation_database_name: expected the name of a database, found nothing\n",
    );
}

/// `policy`, which sends nothing, with this environment and these arguments.
fn policy(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let program = Program::new(&["policy", "s3://b/p", "--database", "d"]).arguments(arguments);
    let program = variables
        .iter()
        .fold(program, |program, (name, value)| program.env(name, value));
    let output = program.run();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    output
}

#[test]
fn what_is_not_read_is_said_with_what_was_meant() {
    let region = ("AWS_REGION", "us-east-1");
    for (variables, arguments, stderr) in [
        (
            &[region, ("DATALAKE_BUKET_NAME", "b")][..],
            &[][..],
            "warn: the environment variable DATALAKE_BUKET_NAME is not read; did you mean DATALAKE_BUCKET_NAME?\n",
        ),
        (
            &[
                region,
                ("DATALAKE_RETRY_SECONDS", "9"),
                ("DATALAKE_FORMAT", ""),
            ],
            &[],
            "",
        ),
        (
            &[region, ("LOG_LEVEL", "debgu")],
            &[],
            "warn: LOG_LEVEL: expected ERROR, WARN, INFO, DEBUG or TRACE, found \"debgu\"; INFO is used; did you mean DEBUG?\n",
        ),
        (
            &[],
            &["--region", "us-esat-1"],
            "warn: AWS has no region \"us-esat-1\" as far as this version knows: if there is none, no connection can be made; did you mean \"us-east-1\"?\n",
        ),
        (
            &[],
            &["--region", "auto", "--endpoint-url", "http://127.0.0.1:1"],
            "",
        ),
    ] {
        assert_eq!(policy(variables, arguments).stderr, stderr);
    }
    let config = json!({"regoin": "x"}).to_string();
    let output = Program::new(&[
        "policy",
        "s3://b/p",
        "--database=d",
        "--region=us-east-1",
        "--config=c",
    ])
    .file("c", &config)
    .run();
    says(
        &output,
        0,
        "warn: the configuration has an unknown key, which is ignored: \"regoin\"; did you mean \"region\"?\n",
    );
}

#[test]
fn messages_of_a_protocol_in_load_are_said_to_be_such() {
    let folder = tempfile::tempdir().unwrap();
    for (input, what) in [
        (
            r#"{"type":"RECORD","record":{"stream":"s","data":{"id":1},"emitted_at":1}}"#,
            "warn: the input looks like Airbyte's messages, and each is loaded as one row; write loads the records in them\n",
        ),
        (
            r#"{"type":"SCHEMA","stream":"s","schema":{"properties":{}},"key_properties":[]}"#,
            "warn: the input looks like a Singer tap's messages, and each is loaded as one row; --input singer loads the records in them\n",
        ),
    ] {
        let output = load(folder.path(), &["--table", "t", "--quiet"])
            .stdin(input)
            .run();
        says(&output, 0, what);
    }
    for input in [
        r#"{"type":"RECORD"}"#,
        r#"{"type":"RECORD","record":"x","stream":"s"}"#,
        r#"{"type":7}"#,
    ] {
        let output = load(folder.path(), &["--table", "u", "--quiet"])
            .stdin(input)
            .run();
        says(&output, 0, "");
    }
}

#[test]
fn logs_are_quiet_verbose_colored_or_json_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let run = |options: &[&str]| {
        let output = load(folder.path(), &["--table", "t"])
            .arguments(options)
            .stdin("{\"id\":1}\n")
            .run();
        assert_eq!(output.status.code(), Some(0), "{}", output.report());
        output.stderr
    };
    assert!(run(&[]).lines().all(|line| line.starts_with("info: ")));
    assert_eq!(run(&["-q"]), "");
    let colored = run(&["--color", "always"]);
    assert!(colored.starts_with("\x1b[2minfo:\x1b[0m "), "{colored:?}");
    let lines = run(&["--log-format", "json"]);
    assert!(lines.lines().count() > 1);
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "info");
        assert!(line["message"].is_string() && line["time"].as_str().unwrap().ends_with('Z'));
    }
    // An error is two lines: what can be done, and the reason.
    let failed = load(folder.path(), &["--table", "t", "--log-format=json"])
        .stdin("{\"id\":1")
        .run();
    let last: Value = serde_json::from_str(failed.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(
        (failed.status.code(), &last["level"]),
        (Some(1), &json!("error"))
    );
    let failed = load(folder.path(), &["--table", "t", "--color=always"])
        .stdin("{\"id\":1")
        .run();
    let last = failed.stderr.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("\x1b[1;31merror:\x1b[0m "), "{last:?}");
}

#[test]
fn a_call_that_gets_no_answer_is_logged_with_when_it_is_tried_again() {
    let account = Account::new();
    let (key, secret) = account.keys();
    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let output = Program::new(&[
        "load",
        "s3://b/p",
        "--database=d",
        "--table=t",
        "--region=us-east-1",
    ])
    .argument(format!("--endpoint-url=http://127.0.0.1:{port}"))
    .argument("--verbose")
    .env("AWS_ACCESS_KEY_ID", key)
    .env("AWS_SECRET_ACCESS_KEY", secret)
    .env("AWS_MAX_ATTEMPTS", "2")
    .stdin("{\"id\":1}\n")
    .run();
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    let retried = format!(" got no answer: 127.0.0.1:{port}: ");
    let line = output.stderr.lines().find(|line| line.contains(&retried));
    let line = line.unwrap_or_else(|| panic!("{}", output.report()));
    assert!(
        line.starts_with("info: ") && line.ends_with(" s (attempt 2 of 2)"),
        "{line}"
    );
    assert!(
        output.stderr.contains("\ndebug: S3 "),
        "{}",
        output.report()
    );
    let last = output.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("error: ") && last.contains(" got no answer"),
        "{last}"
    );
}

#[test]
fn a_full_disk_is_one_sentence_and_what_to_do() {
    if !is_root() {
        skip!(NEEDS_ROOT);
    }
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..20_000_u64)
        .map(|id| {
            format!(
                "{{\"id\":\"{:x}\"}}\n",
                id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            )
        })
        .collect();
    let input = folder.path().join("rows.jsonl");
    std::fs::write(&input, rows).unwrap();
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    // A disk of its own, in a name space of its own: it is gone with the program.
    let script = "mount -t tmpfs -o size=64k none \"$1\" && exec \"$2\" load --local \"$1\" --table t \"$3\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([
            small.as_path(),
            Path::new(env!("CARGO_BIN_EXE_destination-aws-datalake")),
            &input,
        ])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let mut lines = said.lines().rev();
    let (error, help) = (lines.next().unwrap(), lines.next().unwrap());
    assert!(
        error.starts_with("error: ") && error.ends_with("No space left on device (os error 28)"),
        "{said}"
    );
    assert_eq!(
        help,
        "help: free some space, or put the lake on another disk"
    );
}

#[test]
fn a_load_from_a_terminal_says_that_it_reads_one() {
    let folder = tempfile::tempdir().unwrap();
    // A terminal on which Ctrl-D is typed.
    let script = "import os, pty, sys
ours, theirs = pty.openpty()
child = os.fork()
if child == 0:
    os.dup2(theirs, 0)
    os.execv(sys.argv[1], sys.argv[1:])
os.write(ours, b'{\"id\": 1}\\n\\x04')
os.waitpid(child, 0)";
    let output = Command::new(file("target/python/bin/python"))
        .args(["-c", script, env!("CARGO_BIN_EXE_destination-aws-datalake")])
        .args(["load", "--table", "t", "--local"])
        .arg(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let first = "info: reading JSON from this terminal; Ctrl-D ends it. Name a FILE to load that\n";
    assert!(
        said.starts_with(first) && said.contains("records=1"),
        "{said}"
    );
}

#[test]
fn columns_that_a_batch_does_not_have_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let run = |input: &str| {
        load(folder.path(), &["--table", "t"])
            .stdin(input)
            .run()
            .stderr
    };
    run("{\"id\":1,\"a\":1,\"b\":2,\"c\":3}\n");
    let said = run("{\"id\":2}\n");
    let gone: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("no longer"))
        .collect();
    assert_eq!(gone.len(), 1, "{said}");
    assert!(
        gone[0].contains("$.a, $.b, $.c are no longer in the stream; the columns stay"),
        "{said}"
    );
}
