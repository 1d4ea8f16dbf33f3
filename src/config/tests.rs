//! Configurations as users write them, and as they should not.

use super::*;
use crate::aws::{Addressing, Credentials, Switch};
use crate::environment::Environment;
use crate::file::{Codec, PageCodec};
use crate::lake::aws::Tag;
use crate::schema::Numbers;

const USER: &str = r#""credentials":{"credentials_title":"IAM User","aws_access_key_id":"AKIA","aws_secret_access_key":"hunter2"}"#;
const REST: &str =
    r#""region":"eu-west-1","bucket_name":"lake","lakeformation_database_name":"raw""#;

fn read(members: &str) -> Result<Config> {
    of_file(&format!("{{{members}}}"), Backend::Aws)
}

fn of_file(text: &str, backend: Backend) -> Result<Config> {
    let layers = Layers {
        file: Some(text.as_bytes()),
        ..Layers::default()
    };
    super::read(&layers, backend)
}

#[track_caller]
fn mistakes(members: &str) -> String {
    let error = read(members).expect_err(members);
    assert_eq!(error.kind(), crate::error::Kind::Config);
    assert!(!format!("{error:?}").contains("hunter2"), "{error}");
    error.to_string()
}

#[test]
fn the_smallest_configuration_has_the_documented_defaults() {
    let config = read(&format!("{USER},{REST}")).unwrap();
    assert_eq!(config.format, Format::Parquet(PageCodec::Plain));
    assert_eq!(config.prefix, "");
    assert_eq!(config.columns.rescued.as_deref(), Some("_rescued_data"));
    assert_eq!(config.limits.checkpoint_interval, Duration::from_secs(300));
    assert_eq!(config.limits.target_file_size, 128 << 20);
    assert_eq!(config.limits.memory_budget, 64 << 20);
    assert_eq!(config.limits.max_record, 256 << 20);
    assert!(!config.columns.metadata);
    assert!(config.warnings.is_empty());
}

#[test]
fn everything_that_the_form_of_the_python_connector_stores_is_accepted() {
    let config = read(
        r#""aws_account_id":"111111111111","credentials":{"credentials_title":"IAM Role","role_arn":"arn:aws:iam::111111111111:role/x"},
           "region":"eu-west-1","bucket_name":"lake","bucket_prefix":"/raw/airbyte/","lakeformation_database_name":"raw",
           "lakeformation_database_default_tag_key":"pii","lakeformation_database_default_tag_values":" private, ",
           "lakeformation_governed_tables":true,"format":{"format_type":"JSONL","compression_codec":"UNCOMPRESSED"},
           "partitioning":"NO PARTITIONING","glue_catalog_float_as_decimal":true"#,
    )
    .unwrap();
    assert_eq!(config.prefix, "raw/airbyte");
    assert_eq!(config.format, Format::Jsonl(Codec::Plain));
    assert_eq!(config.columns.numbers, Numbers::Decimal);
    let aws = config.aws.unwrap();
    assert_eq!(
        aws.database_tag,
        Some(Tag {
            key: "pii".to_owned(),
            value: "private".to_owned(),
        })
    );
    assert!(matches!(aws.aws.credentials, Credentials::Role { .. }));
    assert!(
        config.warnings[0].contains("2024-12-31"),
        "{:?}",
        config.warnings
    );
}

#[test]
fn a_tag_has_one_value() {
    for (values, is_good) in [
        ("private", true),
        ("private,", true),
        ("private,public", false),
        (",", false),
    ] {
        let read = read(&format!(
            r#"{USER},{REST},"lakeformation_database_default_tag_key":"pii","lakeformation_database_default_tag_values":"{values}""#
        ));
        assert_eq!(read.is_ok(), is_good, "{values}");
    }
}

#[test]
fn blank_optional_settings_are_absent() {
    let config = read(&format!(
        r#"{USER},{REST},"bucket_prefix":"","aws_account_id":"","lakeformation_database_default_tag_key":"","format":{{}},"partitioning":"""#
    ))
    .unwrap();
    assert_eq!(config.aws.unwrap().database_tag, None);
    assert_eq!(config.format, Format::Jsonl(Codec::Plain));
}

#[test]
fn all_mistakes_are_reported_together_with_their_paths() {
    let text = mistakes(
        r#""credentials":{"credentials_title":"IAM User","aws_access_key_id":5,"aws_secret_access_key":""},
           "region":null,"bucket_name":"s3://lake","memory_budget_mb":"hunter2","target_file_size_mb":-1,
           "format":{"format_type":"CSV"},"partitioning":"WEEK","metadata_columns":"yes","rescued_data_column":"Bad Name""#,
    );
    for part in [
        "$.credentials.aws_access_key_id: expected an access key id, as AKIA…, found a number",
        "$.credentials.aws_secret_access_key: expected the secret access key, found an empty string",
        "$.region: expected an AWS region, as \"eu-west-1\", found null",
        "$.bucket_name: expected the name of an S3 bucket, without s3://, found \"s3://lake\"",
        "$.lakeformation_database_name: expected the name of a database, found nothing",
        "$.memory_budget_mb: expected a number from 16 to 65536, found a string",
        "$.target_file_size_mb: expected a number from 0.001 to 5120, found -1",
        "$.format.format_type: expected one of \"JSONL\", \"Parquet\", found \"CSV\"",
        "$.partitioning: expected one of",
        "$.metadata_columns: expected true or false, found a string",
        "$.rescued_data_column: expected a column name",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn what_is_not_built_yet_says_so() {
    for (setting, part) in [
        (
            r#""format":{"format_type":"Parquet","compression_codec":"LZO"}"#,
            "\"UNCOMPRESSED\", \"SNAPPY\", \"GZIP\", \"ZSTD\"",
        ),
        (
            r#""format":{"format_type":"JSONL","compression_codec":"SNAPPY"}"#,
            "the codecs of JSON lines",
        ),
    ] {
        let text = mistakes(&format!("{USER},{REST},{setting}"));
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn broken_json_and_other_values_are_refused_without_being_shown() {
    for text in [
        "",
        "[]",
        "\"hunter2\"",
        "{\"a\":hunter2}",
        "{\"a\":\"hunter2\"",
    ] {
        let error = of_file(text, Backend::Aws).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn no_prefix_leads_out_of_its_folder() {
    for prefix in [
        "../../x", "a/../b", "..", ".", "./a", "a/.", "a//..//b", "/../x/",
    ] {
        let in_file = format!(r#"{USER},{REST},"bucket_prefix":"{prefix}""#);
        assert!(mistakes(&in_file).contains("$.bucket_prefix"), "{prefix}");
        for (environment, flags) in [
            (&[("DATALAKE_BUCKET_PREFIX", prefix)][..], &[][..]),
            (&[], &[("bucket_prefix", prefix)]),
        ] {
            let error = layered("{}", environment, flags).unwrap_err().to_string();
            assert!(error.contains("$.bucket_prefix"), "{prefix}: {error}");
        }
    }
    for (prefix, folder) in [
        ("a.b/..c", "a.b/..c"),
        ("...", "..."),
        ("/etc/", "etc"),
        ("//a//b/", "a/b"),
    ] {
        let config = read(&format!(r#"{USER},{REST},"bucket_prefix":"{prefix}""#)).unwrap();
        assert_eq!(config.prefix, folder);
        assert_eq!(config.typed_prefix, prefix);
    }
}

#[test]
fn a_key_that_means_nothing_is_a_warning() {
    let config = read(&format!(r#"{USER},{REST},"checkpoint_interval":5"#)).unwrap();
    assert!(config.warnings[0].contains("\"checkpoint_interval\""));
}

#[test]
fn a_null_rescue_column_switches_it_off_and_local_needs_nothing() {
    assert_eq!(
        read(&format!(r#"{USER},{REST},"rescued_data_column":null"#))
            .unwrap()
            .columns
            .rescued,
        None
    );
    let local = of_file("{}", Backend::Local).unwrap();
    assert!(local.aws.is_none());
    assert_eq!(local.database, "default");
}

#[test]
fn without_credentials_those_that_are_found_are_used() {
    let config = read(REST).unwrap();
    assert!(matches!(
        config.aws.unwrap().aws.credentials,
        Credentials::Default
    ));
}

fn layered(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config> {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let layers = Layers {
        file: Some(file.as_bytes()),
        environment: Environment::from_pairs(pairs(environment)),
        flags: &pairs(flags),
    };
    super::read(&layers, Backend::Aws)
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = format!("{{{REST},\"memory_budget_mb\":20,\"target_file_size_mb\":7}}");
    let environment = [
        ("DATALAKE_MEMORY_BUDGET_MB", "30"),
        ("DATALAKE_BUCKET_PREFIX", "42"),
        ("DATALAKE_METADATA_COLUMNS", "true"),
        ("AWS_REGION", "us-east-1"),
    ];
    let flags = [
        ("memory_budget_mb", "40"),
        ("format.compression_codec", "UNCOMPRESSED"),
        ("bucket_name", "other"),
    ];
    let config = layered(&file, &environment, &flags).unwrap();
    assert_eq!(config.limits.memory_budget, 40 << 20);
    assert_eq!(config.limits.target_file_size, 7 << 20);
    assert_eq!(config.prefix, "42");
    assert!(config.columns.metadata);
    assert_eq!(config.format, Format::Jsonl(Codec::Plain));
    let aws = config.aws.unwrap();
    assert_eq!(
        (aws.aws.bucket.as_str(), aws.aws.region.as_str()),
        ("other", "eu-west-1")
    );
}

#[test]
fn the_region_of_other_tools_is_the_last_resort() {
    let flags = [("bucket_name", "b"), ("lakeformation_database_name", "d")];
    let region = |environment: &[(&str, &str)]| {
        layered("{}", environment, &flags).map(|config| config.aws.unwrap().aws.region)
    };
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "a-1")]).unwrap(), "a-1");
    let both = [("AWS_DEFAULT_REGION", "a-1"), ("AWS_REGION", "b-1")];
    assert_eq!(region(&both).unwrap(), "b-1");
    assert!(
        region(&[])
            .unwrap_err()
            .to_string()
            .contains("an AWS region")
    );
}

#[test]
fn settings_as_text_are_refused_where_they_are_none() {
    for (flag, part) in [
        (("bucket", "b"), "unknown setting \"bucket\""),
        (("memory_budget_mb", "much"), "expected a number"),
        (("region.name", "x"), "unknown setting \"region.name\""),
        (("metadata_columns", "yes"), "expected true or false"),
    ] {
        let error = layered(&format!("{{{REST}}}"), &[], &[flag]).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn the_options_of_aws_are_read_and_checked() {
    let config = read(&format!(
        r#""credentials":{{"credentials_title":"Default chain"}},{REST},"bucket_region":"eu-central-1","path_style":true,
           "encryption":{{"mode":"SSE-KMS","kms_key_id":"alias/lake","bucket_key":true}},"storage_class":"STANDARD_IA",
           "object_tags":{{"team":"data"}},"request_checksum_calculation":"when_required","use_fips_endpoint":true"#
    ));
    let aws = config.unwrap().aws.unwrap();
    assert!(matches!(aws.aws.credentials, Credentials::Default));
    assert_eq!(aws.aws.bucket_region.as_deref(), Some("eu-central-1"));
    let endpoints = &aws.aws.endpoints;
    assert_eq!(
        (endpoints.addressing, endpoints.fips, endpoints.dual_stack),
        (Addressing::Path, Switch::On, Switch::Off)
    );
    assert_eq!(
        aws.put_options.tags,
        [("team".to_owned(), "data".to_owned())]
    );
    assert_eq!(
        aws.put_options.storage_class.as_deref(),
        Some("STANDARD_IA")
    );

    let text = mistakes(&format!(
        r#"{USER},{REST},"encryption":{{"mode":"SSE-S3","kms_key_id":"k"}},"storage_class":"cold","object_tags":{{"a":1}},"bucket_region":"Europe""#
    ));
    for key in [
        "encryption.kms_key_id",
        "storage_class",
        "object_tags",
        "bucket_region",
    ] {
        assert!(
            text.contains(&format!("$.{key}: expected")),
            "{key}: {text}"
        );
    }
}

#[test]
fn the_specification_has_the_keys_that_are_read_and_no_others() {
    let spec: serde_json::Value =
        serde_json::from_str(include_str!("../command/spec.json")).unwrap();
    let properties = spec["connectionSpecification"]["properties"]
        .as_object()
        .unwrap();
    let mut specified: Vec<&str> = properties.keys().map(String::as_str).collect();
    let mut read: Vec<&str> = settings::KEYS.iter().map(|(key, _)| *key).collect();
    specified.sort_unstable();
    read.sort_unstable();
    assert_eq!(specified, read);
}

#[test]
fn a_secret_among_the_arguments_is_refused_with_the_way_to_do_it_right() {
    let of = |path: &str, value: &str| {
        let flags = [(path.to_owned(), value.to_owned())];
        let layers = Layers {
            flags: &flags,
            ..Layers::default()
        };
        let error = super::read(&layers, Backend::Aws).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        error
    };
    for (path, value, instead) in [
        (
            "credentials.aws_secret_access_key",
            "hunter2",
            "AWS_SECRET_ACCESS_KEY",
        ),
        (
            "credentials.aws_session_token",
            "hunter2",
            "AWS_SESSION_TOKEN",
        ),
        (
            "credentials",
            r#"{"aws_access_key_id":"AKIA","aws_secret_access_key":"hunter2"}"#,
            "AWS_SECRET_ACCESS_KEY",
        ),
        (
            "endpoint_url",
            "https://me:hunter2@store",
            "DATALAKE_ENDPOINT_URL",
        ),
    ] {
        let error = of(path, value);
        assert!(
            error.starts_with(&format!("--set {path}: expected no secret")),
            "{error}"
        );
        assert!(error.contains(instead), "{error}");
    }
    let allowed = of("credentials.role_arn", "arn:aws:iam::1:role/hunter2");
    assert!(!allowed.starts_with("--set"), "{allowed}");
}

#[test]
fn the_bucket_s_owner_is_the_account_unless_it_is_set() {
    let of = |members: &str| {
        let config = read(&format!("{USER},{REST}{members}")).unwrap();
        config.aws.unwrap().aws.bucket_owner
    };
    let account = r#","aws_account_id":"111111111111""#;
    assert_eq!(of(""), None);
    assert_eq!(of(account).as_deref(), Some("111111111111"));
    let other = r#","expected_bucket_owner":"222222222222""#;
    assert_eq!(of(other).as_deref(), Some("222222222222"));
    assert_eq!(
        of(&format!("{account}{other}")).as_deref(),
        Some("222222222222")
    );
    assert_eq!(
        of(&format!(r#"{account},"expected_bucket_owner":"any""#)),
        None
    );
    let wrong = mistakes(&format!(
        r#"{USER},{REST},"expected_bucket_owner":"lake-owner""#
    ));
    assert!(
        wrong.contains(
            "$.expected_bucket_owner: expected an account number of 12 digits, or \"any\""
        ),
        "{wrong}"
    );
}
