//! Calls and responses of Glue.

use serde_json::{Map, Value, json};

use crate::aws::glue::{CreateTable, GetTable, UpdateTable};
use crate::aws::operation::{BadResponse, Operation};
use crate::http::Response;

fn answer(body: &Value) -> Response {
    Response {
        status: 200,
        body: body.to_string().into_bytes(),
        ..Response::default()
    }
}

#[test]
fn a_table_is_reduced_to_what_an_update_takes() {
    let get = GetTable {
        database: "d",
        name: "t",
    };
    let described = get
        .read(answer(&json!({ "Table": {
            "Name": "t",
            "DatabaseName": "d",
            "CreateTime": 1.5e9,
            "CreatedBy": "arn:aws:iam::1:user/x",
            "Description": null,
            "StorageDescriptor": { "Location": "s3://b/", "SchemaReference": { "SchemaId": {} } },
            "PartitionKeys": [],
            "Parameters": { "theirs": "1" },
            "IsRegisteredWithLakeFormation": false,
            "VersionId": "7",
            "SomethingNew": {},
        }})))
        .unwrap();
    assert_eq!(described.version.as_deref(), Some("7"));
    assert_eq!(
        Value::Object(described.input),
        json!({
            "Name": "t",
            "StorageDescriptor": { "Location": "s3://b/", "SchemaReference": { "SchemaId": {} } },
            "PartitionKeys": [],
            "Parameters": { "theirs": "1" },
        })
    );
    assert!(matches!(
        get.read(answer(&json!({}))),
        Err(BadResponse::Malformed(_))
    ));
}

#[test]
fn an_update_names_its_version_and_keeps_no_archive() {
    let input: Map<String, Value> = [("Name".to_owned(), json!("t"))].into_iter().collect();
    let update = UpdateTable {
        database: "d",
        input: &input,
        version: Some("7"),
    };
    let call = update.call();
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        body,
        json!({ "DatabaseName": "d", "TableInput": { "Name": "t" }, "SkipArchive": true, "VersionId": "7" })
    );
    assert!(
        call.headers
            .contains(&("x-amz-target", "AWSGlue.UpdateTable".to_owned()))
    );
    let create = CreateTable {
        database: "d",
        input: &input,
    };
    assert_eq!(create.read(Response::default()), Ok(()));
}
