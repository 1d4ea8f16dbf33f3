//! Command lines, valid and invalid.

use super::*;

fn parsed(line: &str) -> Result<Invocation, String> {
    parse(line.split_whitespace().map(OsString::from))
        .map(|parsed| parsed.invocation)
        .map_err(|error| error.to_string())
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
    assert_eq!(parsed("--help"), Ok(Invocation::Help(HELP)));
    assert_eq!(parsed("help"), Ok(Invocation::Help(HELP)));
    for (command, text) in [
        ("spec", SPEC),
        ("check", CHECK),
        ("write", WRITE),
        ("load", LOAD),
        ("plan", PLAN),
        ("policy", POLICY),
    ] {
        for line in [
            format!("{command} --help"),
            format!("{command} -h"),
            format!("help {command}"),
        ] {
            assert_eq!(parsed(&line), Ok(Invocation::Help(text)), "{line}");
        }
    }
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
        ("check --frobnicate", "--frobnicate"),
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
            error.contains(part) && error.contains(" --help lists the "),
            "{line}: {error}"
        );
    }
}

#[test]
fn slips_are_answered_with_what_was_meant() {
    for (line, expected) in [
        (
            "lod --table t",
            "unknown command \"lod\"; expected spec, check, write, load, plan or policy; did you mean load?",
        ),
        (
            "help polcy",
            "unknown command \"polcy\"; expected spec, check, write, load, plan or policy; did you mean policy?",
        ),
        (
            "load --tabel t",
            "unknown option --tabel; did you mean --table?",
        ),
        (
            "load --databse t",
            "unknown option --databse; did you mean --database?",
        ),
        (
            "load -x",
            "invalid option '-x'; destination-aws-datalake load --help lists the options",
        ),
        (
            "load --table t --frobnicate",
            "unknown option --frobnicate; destination-aws-datalake load --help lists the options",
        ),
    ] {
        assert_eq!(parsed(line).unwrap_err(), expected, "{line}");
    }
}

#[test]
fn each_command_takes_the_options_of_logging() {
    for command in ["spec", "plan --table t --schema s", "load --table t"] {
        let logging = |options: &str| {
            let line = format!("{command} {options}");
            let parsed = parse(line.split_whitespace().map(OsString::from));
            parsed
                .map(|parsed| parsed.logging)
                .map_err(|error| error.reason())
        };
        let expected = Logging {
            level: Some(log::LevelFilter::Warn),
            color: Color::Always,
            is_json: true,
        };
        assert_eq!(logging("-q --color always --log-format=json"), Ok(expected));
        let expected = Logging {
            level: Some(log::LevelFilter::Debug),
            ..Logging::default()
        };
        assert_eq!(logging("--verbose"), Ok(expected));
        assert_eq!(
            logging("--log-format text --color auto"),
            Ok(Logging::default())
        );
        for (options, error) in [
            ("-q -v", "--quiet cannot be used with --verbose"),
            (
                "--color red",
                "--color: expected auto, always or never, found \"red\"",
            ),
            (
                "--log-format xml",
                "--log-format: expected text or json, found \"xml\"",
            ),
        ] {
            assert_eq!(logging(options).unwrap_err(), error);
        }
    }
}

#[test]
fn each_help_fits_one_screen() {
    for help in [HELP, SPEC, CHECK, WRITE, LOAD, PLAN, POLICY] {
        assert!(help.lines().count() <= 45, "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
