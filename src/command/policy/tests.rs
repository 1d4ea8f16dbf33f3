//! Policies of configurations.

use serde_json::json;

use super::*;
use crate::config::{self, Backend, Layers};

fn statements(members: &str) -> Vec<Statement> {
    let text = format!(
        r#"{{"region":"eu-west-1","bucket_name":"b","lakeformation_database_name":"raw"{members}}}"#
    );
    let layers = Layers {
        file: Some(text.as_bytes()),
        ..Layers::default()
    };
    let config = config::read(&layers, Backend::Aws).unwrap();
    let scope = Scope::of(&config, std::slice::from_ref(&config.database));
    writer(&scope, config.aws.as_ref().unwrap())
}

fn resources<'a>(statements: &'a [Statement], id: &str) -> &'a [String] {
    let statement = statements.iter().find(|statement| statement.id == id);
    &statement.unwrap().resources
}

#[test]
fn everything_is_bound_to_the_prefix_and_the_database() {
    let statements = statements(r#","bucket_prefix":"lake/a","aws_account_id":"111111111111""#);
    let document = statement::document(&statements);
    assert_eq!(
        document["Statement"][0],
        json!({
            "Sid": "ListObjects",
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": ["arn:aws:s3:::b"],
            "Condition": {"StringLike": {"s3:prefix": ["lake/a/raw/*", "lake/a/_datalake/*", "lake/a/_check/*"]}},
        })
    );
    assert_eq!(
        resources(&statements, "WriteObjects"),
        [
            "arn:aws:s3:::b/lake/a/raw/*",
            "arn:aws:s3:::b/lake/a/_datalake/*",
            "arn:aws:s3:::b/lake/a/_check/*"
        ]
    );
    assert_eq!(
        resources(&statements, "KeepCatalog"),
        [
            "arn:aws:glue:eu-west-1:111111111111:catalog",
            "arn:aws:glue:eu-west-1:111111111111:database/raw",
            "arn:aws:glue:eu-west-1:111111111111:table/raw/*"
        ]
    );
    assert_eq!(
        resources(&statements, "ProbeDatabases"),
        [
            "arn:aws:glue:eu-west-1:111111111111:catalog",
            "arn:aws:glue:eu-west-1:111111111111:database/airbyte_check_*",
            "arn:aws:glue:eu-west-1:111111111111:table/airbyte_check_*/*",
            "arn:aws:glue:eu-west-1:111111111111:userDefinedFunction/airbyte_check_*/*"
        ]
    );
    assert_eq!(
        resources(&statements, "FindOtherTables")[2],
        "arn:aws:glue:eu-west-1:111111111111:table/*"
    );
    assert_eq!(statements.len(), 6);
}

#[test]
fn the_partition_and_the_account_follow_from_the_region_and_the_role() {
    let china = statements(
        r#","region":"cn-north-1","credentials":{"credentials_title":"IAM Role","role_arn":"arn:aws-cn:iam::222222222222:role/x"}"#,
    );
    assert_eq!(resources(&china, "ListObjects"), ["arn:aws-cn:s3:::b"]);
    assert_eq!(
        resources(&china, "KeepCatalog")[0],
        "arn:aws-cn:glue:cn-north-1:222222222222:catalog"
    );
    assert_eq!(
        resources(&statements(""), "KeepCatalog")[0],
        "arn:aws:glue:eu-west-1:*:catalog"
    );
}

#[test]
fn characters_that_iam_takes_for_patterns_stand_for_themselves() {
    let statements = statements(r#","bucket_prefix":"a*b?c$d""#);
    let keys = &resources(&statements, "WriteObjects")[0];
    assert_eq!(keys, "arn:aws:s3:::b/a${*}b${?}c${$}d/raw/*");
    assert!(terraform::document(&statements).contains("\"arn:aws:s3:::b/a&{*}b&{?}c&{$}d/raw/*\""));
}

#[test]
fn keys_of_kms_tags_and_lake_formation_are_added_where_they_are_used() {
    let key = |key: &str| {
        statements(&format!(
            r#","aws_account_id":"111111111111","bucket_region":"eu-central-1","encryption":{{"mode":"SSE-KMS"{key}}}"#
        ))
    };
    assert!(!key("").iter().any(|statement| statement.id == "UseKey"));
    let arn = "arn:aws:kms:eu-central-1:111111111111:key/k-1";
    for id in ["k-1", arn] {
        let statements = key(&format!(r#","kms_key_id":"{id}""#));
        assert_eq!(resources(&statements, "UseKey"), [arn]);
    }
    for alias in [
        "alias/lake",
        "arn:aws:kms:eu-central-1:111111111111:alias/lake",
    ] {
        let statements = key(&format!(r#","kms_key_id":"{alias}""#));
        let statement = statements.last().unwrap();
        assert_eq!(
            statement.resources,
            ["arn:aws:kms:eu-central-1:111111111111:key/*"]
        );
        assert_eq!(statement.condition.as_ref().unwrap().values, ["alias/lake"]);
    }
    let tagged = statements(
        r#","object_tags":{"team":"data"},"lakeformation_database_default_tag_key":"pii","lakeformation_database_default_tag_values":"no""#,
    );
    let actions: Vec<&str> = tagged
        .iter()
        .flat_map(|statement| statement.actions.clone())
        .collect();
    assert!(actions.contains(&"s3:PutObjectTagging"));
    assert!(actions.contains(&"lakeformation:AddLFTagsToResource"));
}

#[test]
fn terraform_says_the_same() {
    assert_eq!(
        terraform::document(&statements("")[..2]),
        r#"data "aws_iam_policy_document" "datalake" {
  statement {
    sid       = "ListObjects"
    actions   = ["s3:ListBucket"]
    resources = ["arn:aws:s3:::b"]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [
        "raw/*",
        "_datalake/*",
        "_check/*",
      ]
    }
  }

  statement {
    sid       = "ListUnfinishedUploads"
    actions   = ["s3:ListBucketMultipartUploads"]
    resources = ["arn:aws:s3:::b"]
  }
}
"#
    );
}

#[test]
fn other_folders_are_covered_and_those_of_the_python_connector_as_they_were_typed() {
    for (members, folder) in [
        (r#","bucket_prefix":"lake/""#, "lake//raw/*"),
        (r#","bucket_prefix":"/lake/a/""#, "/lake/a//raw/*"),
        (r#","generations_prefix":"/new/""#, "new/raw/*"),
        (r#","lakeformation_database_name":"Sales-EU""#, "Sales-EU/*"),
        (
            r#","lakeformation_database_name":"My Source.v1""#,
            "My Source.v1/*",
        ),
    ] {
        let statements = statements(members);
        let keys = resources(&statements, "WriteObjects");
        assert!(
            keys.contains(&format!("arn:aws:s3:::b/{folder}")),
            "{keys:?}"
        );
        let condition = statements[0].condition.as_ref().unwrap();
        assert!(condition.values.contains(&folder.to_owned()));
    }
    let statements = statements(r#","lakeformation_database_name":"My Source.v1""#);
    let tables = resources(&statements, "KeepCatalog").join(" ");
    assert!(tables.contains(":database/my source.v1") && tables.contains(":table/my_source_v1/*"));
}
