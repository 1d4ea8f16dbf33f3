//! Command lines, valid and invalid.

use super::*;

fn parsed(line: &str) -> Result<Invocation, String> {
    parse(line.split_whitespace().map(OsString::from))
}

fn lake(config: Option<&str>, local: Option<&str>, settings: &[(&str, &str)]) -> LakeArguments {
    LakeArguments {
        config: config.map(PathBuf::from),
        local: local.map(PathBuf::from),
        settings: settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn load_of(table: &str, lake: LakeArguments) -> LoadArguments {
    LoadArguments {
        lake,
        input: Input::Records {
            table: table.to_owned(),
        },
        mode: Mode::Append,
        schema: None,
        files: Vec::new(),
        checkpoint_interval: None,
        strict: false,
        require_rows: false,
        bad_records: BadRecordsArguments::default(),
        reports: ReportFiles::default(),
    }
}

#[test]
fn commands_of_a_platform_with_their_files() {
    assert_eq!(
        parsed("check --config c.json"),
        Ok(Invocation::Check(lake(Some("c.json"), None, &[])))
    );
    let write = Invocation::Write(WriteArguments {
        lake: lake(Some("c.json"), Some("lake"), &[]),
        catalog: "k.json".into(),
        reports: ReportFiles::default(),
    });
    assert_eq!(
        parsed("write --catalog=k.json --config c.json --local lake"),
        Ok(write)
    );
    assert_eq!(parsed("spec"), Ok(Invocation::Spec));
    assert_eq!(parsed("write --help"), Ok(Invocation::Help(HELP)));
    assert_eq!(parsed("load -h"), Ok(Invocation::Help(LOAD)));
    assert_eq!(parsed("-V"), Ok(Invocation::Version));
}

#[test]
fn load_takes_a_location_files_and_settings() {
    let location = [("bucket_name", "b"), ("bucket_prefix", "raw/events")];
    assert_eq!(
        parsed("load s3://b/raw/events --table events"),
        Ok(Invocation::Load(load_of(
            "events",
            lake(None, None, &location)
        )))
    );
    let settings = [
        ("region", "eu-west-1"),
        ("lakeformation_database_name", "raw"),
        ("target_file_size_mb", "5"),
    ];
    let expected = LoadArguments {
        schema: Some("s.json".into()),
        files: vec!["a.jsonl.gz".into(), "-".into()],
        checkpoint_interval: Some(Duration::from_secs(300)),
        strict: true,
        require_rows: true,
        bad_records: BadRecordsArguments {
            most: 7,
            file: Some("bad".into()),
        },
        reports: ReportFiles {
            summary: Some("sum.json".into()),
            metrics: None,
        },
        ..load_of("events", lake(Some("c"), None, &settings))
    };
    assert_eq!(
        parsed(
            "load a.jsonl.gz - --table events --mode append --schema s.json --checkpoint-interval 5m --strict --require-rows \
             --max-bad-records 7 --bad-records bad --summary sum.json --config c --set target_file_size_mb=5 --region eu-west-1 --database raw"
        ),
        Ok(Invocation::Load(expected))
    );
}

#[test]
fn usage_errors_name_the_argument_and_the_help() {
    for (line, part) in [
        ("", "missing command; expected spec"),
        ("sync", "unknown command \"sync\""),
        ("check", "check requires --config FILE"),
        ("write --config c", "write requires --catalog FILE"),
        ("check --config", "--config"),
        ("check --colour", "--colour"),
        (
            "check --config c --strict",
            "unexpected option --strict for check",
        ),
        ("spec more", "more"),
        ("load --local d", "load requires --table NAME"),
        ("load --table t --mode upsert", "append or overwrite"),
        (
            "load --table t --max-bad-records 7",
            "requires --bad-records FILE",
        ),
        (
            "load --table t --bad-records b",
            "requires --max-bad-records N",
        ),
        (
            "load --table t --bad-records b --max-bad-records -1",
            "a whole number",
        ),
        (
            "load --input singer --bad-records b --max-bad-records 1",
            "with --input singer",
        ),
        (
            "load --table t --table u",
            "--table: expected once, found twice",
        ),
        ("load --table=", "--table: expected a value"),
        ("load --table t --input csv", "records or singer"),
        ("load --table t --input singer", "--table cannot be used"),
        ("load --table t --checkpoint-interval 5", "30s, 5m or 1h"),
        ("load --table t --checkpoint-interval é", "30s, 5m or 1h"),
        (
            "load --table t --mode overwrite --checkpoint-interval 5m",
            "at the end",
        ),
        ("load --table t --set region", "KEY=VALUE"),
        ("load --table t s3://a s3://b", "found more"),
        ("load --table t s3:///p", "no bucket name"),
        ("load --table t --json", "unexpected option --json for load"),
        ("plan --table t", "plan requires --schema FILE"),
        ("plan --table t --catalog c", "either --catalog"),
        ("policy file", "file"),
    ] {
        let error = parsed(line).unwrap_err();
        assert!(
            error.contains(part) && error.contains("; try ") && error.ends_with("--help"),
            "{line}: {error}"
        );
    }
}

#[test]
fn each_help_fits_one_screen() {
    for help in [HELP, LOAD, PLAN, POLICY] {
        assert!(help.lines().count() <= 45, "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
