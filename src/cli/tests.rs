//! Command lines as users write them, and as they should not.

use super::*;

fn parsed(line: &str) -> Result<Request, String> {
    parse(line.split_whitespace().map(OsString::from))
}

fn lake(config: Option<&str>, local: Option<&str>, settings: &[(&str, &str)]) -> Lake {
    Lake {
        config: config.map(PathBuf::from),
        local: local.map(PathBuf::from),
        settings: settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn load_of(table: &str, lake: Lake) -> Load {
    Load {
        lake,
        input: Input::Records {
            table: table.to_owned(),
        },
        mode: Mode::Append,
        schema: None,
        files: Vec::new(),
        checkpoint_interval: None,
        strict: false,
        reports: Files::default(),
    }
}

#[test]
fn commands_of_a_platform_with_their_files() {
    assert_eq!(
        parsed("check --config c.json"),
        Ok(Request::Check(lake(Some("c.json"), None, &[])))
    );
    let write = Request::Write(Write {
        lake: lake(Some("c.json"), Some("lake"), &[]),
        catalog: "k.json".into(),
        reports: Files::default(),
    });
    assert_eq!(
        parsed("write --catalog=k.json --config c.json --local lake"),
        Ok(write)
    );
    assert_eq!(parsed("spec"), Ok(Request::Spec));
    assert_eq!(parsed("write --help"), Ok(Request::Help(HELP)));
    assert_eq!(parsed("load -h"), Ok(Request::Help(LOAD)));
    assert_eq!(parsed("-V"), Ok(Request::Version));
}

#[test]
fn load_takes_a_place_files_and_settings() {
    let place = [("bucket_name", "b"), ("bucket_prefix", "raw/events")];
    assert_eq!(
        parsed("load s3://b/raw/events --table events"),
        Ok(Request::Load(load_of("events", lake(None, None, &place))))
    );
    let settings = [
        ("region", "eu-west-1"),
        ("lakeformation_database_name", "raw"),
        ("target_file_size_mb", "5"),
    ];
    let expected = Load {
        schema: Some("s.json".into()),
        files: vec!["a.jsonl.gz".into(), "-".into()],
        checkpoint_interval: Some(Duration::from_secs(300)),
        strict: true,
        reports: Files {
            summary: Some("sum.json".into()),
            metrics: None,
        },
        ..load_of("events", lake(Some("c"), None, &settings))
    };
    assert_eq!(
        parsed(
            "load a.jsonl.gz - --table events --mode append --schema s.json --checkpoint-interval 5m --strict \
             --summary sum.json --config c --set target_file_size_mb=5 --region eu-west-1 --database raw"
        ),
        Ok(Request::Load(expected))
    );
}

#[test]
fn wrong_usage_names_itself_and_the_way_out() {
    for (line, part) in [
        ("", "a command is missing"),
        ("sync", "no command \"sync\""),
        ("check", "check needs --config FILE"),
        ("write --config c", "write needs --catalog FILE"),
        ("check --config", "--config"),
        ("check --colour", "--colour"),
        ("check --config c --strict", "check takes no --strict"),
        ("spec more", "more"),
        ("load --local d", "load needs --table NAME"),
        ("load --table t --mode upsert", "append or overwrite"),
        ("load --table t --table u", "--table is given twice"),
        ("load --table=", "--table: expected a value"),
        ("load --table t --input csv", "records or singer"),
        ("load --table t --input singer", "takes no --table"),
        ("load --table t --checkpoint-interval 5", "30s, 5m or 1h"),
        ("load --table t --checkpoint-interval é", "30s, 5m or 1h"),
        (
            "load --table t --mode overwrite --checkpoint-interval 5m",
            "at the end",
        ),
        ("load --table t --set region", "KEY=VALUE"),
        ("load --table t s3://a s3://b", "found several"),
        ("load --table t s3:///p", "no bucket"),
        ("load --table t --json", "load takes no --json"),
        ("plan --table t", "plan needs --schema FILE"),
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
