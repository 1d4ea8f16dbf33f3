//! What the lake makes of answers that were lost.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use crate::aws::tests::{aws, settings};
use crate::http::stub::{Reply, Server};
use crate::lake::aws::lake;
use crate::lake::{Created, Lake, Updated, Upload};

fn scripted(replies: Vec<Reply>) -> (Lake, Server) {
    let server = Server::script(replies);
    let aws = aws(settings(&server), &[]).unwrap();
    (lake(&Rc::new(aws)), server)
}

fn refused(code: &str) -> Reply {
    Reply::say(400, format!("{{\"__type\":\"{code}\",\"message\":\"m\"}}"))
}

fn input() -> Map<String, Value> {
    let input = json!({ "Name": "t", "Parameters": { "ours": "1" }, "PartitionKeys": [] });
    input.as_object().unwrap().clone()
}

/// As Glue tells it: with fields of its own.
fn table(ours: &str) -> Reply {
    let table = json!({ "Table": {
        "Name": "t",
        "DatabaseName": "d",
        "Retention": 0,
        "Parameters": { "ours": ours, "theirs": "2" },
        "PartitionKeys": [],
        "VersionId": "8",
    }});
    Reply::say(200, table.to_string())
}

#[test]
fn an_update_whose_answer_was_lost_is_no_conflict() {
    let replies = |table| {
        vec![
            Reply::Lose,
            refused("ConcurrentModificationException"),
            table,
        ]
    };
    let (lake, server) = scripted(replies(table("1")));
    let outcome = lake.catalog.update_table("d", &input(), Some("7")).unwrap();
    assert_eq!(outcome, Updated::Done);
    assert_eq!(server.received().len(), 3);
    let (lake, _) = scripted(replies(table("somebody else's")));
    let outcome = lake.catalog.update_table("d", &input(), Some("7")).unwrap();
    assert_eq!(outcome, Updated::Conflict);
}

#[test]
fn an_update_that_was_refused_at_once_is_a_conflict() {
    let (lake, server) = scripted(vec![refused("ConcurrentModificationException"), table("1")]);
    let outcome = lake.catalog.update_table("d", &input(), Some("7")).unwrap();
    assert_eq!(outcome, Updated::Conflict);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_creation_whose_answer_was_lost_is_ours() {
    let (lake, _) = scripted(vec![
        Reply::Lose,
        refused("AlreadyExistsException"),
        table("1"),
    ]);
    assert_eq!(
        lake.catalog.create_table("d", &input()).unwrap(),
        Created::Now
    );
    let (lake, _) = scripted(vec![refused("AlreadyExistsException")]);
    assert_eq!(
        lake.catalog.create_table("d", &input()).unwrap(),
        Created::Before
    );
}

fn upload() -> Upload {
    Upload {
        key: "k".into(),
        id: "u".into(),
        parts: vec!["\"a\" y/Q5Jg==".into(), "\"b\" AAAAAA==".into()],
    }
}

const GONE: &str = "<Error><Code>NoSuchUpload</Code><Message>m</Message></Error>";

#[test]
fn a_completion_whose_answer_was_lost_is_found_by_looking() {
    let whole = "\"3858f62230ac3c915f300c664312c11f-2\"";
    let (lake, server) = scripted(vec![
        Reply::Lose,
        Reply::say(404, GONE),
        Reply::say(200, "").with("etag", whole),
    ]);
    lake.objects.complete(&upload()).unwrap();
    let methods: Vec<String> = server
        .received()
        .into_iter()
        .map(|request| request.method)
        .collect();
    assert_eq!(methods, ["POST", "POST", "HEAD"]);
}

#[test]
fn another_object_under_the_key_is_not_taken_for_ours() {
    for head in [
        Reply::say(404, ""),
        Reply::say(200, "").with("etag", "\"3858f62230ac3c915f300c664312c11f\""),
        Reply::say(200, "").with("etag", "\"3858f62230ac3c915f300c664312c11f-12\""),
        Reply::say(200, "")
            .with("etag", "\"x-2\"")
            .with("x-amz-checksum-crc32", "AAAAAA==-2"),
    ] {
        let (lake, _) = scripted(vec![Reply::say(404, GONE), head]);
        let error = lake.objects.complete(&upload()).unwrap_err();
        assert_eq!(error.code(), "NoSuchUpload");
        assert!(
            error
                .to_string()
                .starts_with("completing s3://lake-bucket/k: "),
            "{error}"
        );
    }
}

#[test]
fn deleting_repeats_what_the_store_could_not_and_tells_what_it_may_not() {
    let kept = |code: &str| {
        Reply::say(
            200,
            format!(
                "<DeleteResult><Error><Key>k</Key><Code>{code}</Code><Message>m</Message></Error></DeleteResult>"
            ),
        )
    };
    let keys: Vec<String> = (0..1001).map(|number| format!("k{number}")).collect();
    let (lake, server) = scripted(vec![
        kept("InternalError"),
        Reply::say(200, "<DeleteResult/>"),
    ]);
    lake.objects.delete(&keys).unwrap();
    assert_eq!(server.received().len(), 3, "1,000 keys twice, then one");
    let (lake, _) = scripted(vec![kept("AccessDenied")]);
    let error = lake.objects.delete(&keys[..1]).unwrap_err().to_string();
    assert_eq!(
        error,
        "deleting objects of s3://lake-bucket/: S3 DeleteObjects answered 200 AccessDenied: k: m; grant s3:DeleteObject"
    );
}
