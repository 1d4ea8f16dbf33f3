//! A lake on AWS after lost responses, refusals and partial listings.

use serde_json::{Map, Value, json};

use crate::aws::PutOptions;
use crate::aws::tests::{clock, environment, policy, settings};
use crate::http::stub::{Reply, Server};
use crate::lake::aws::{AwsLakeSettings, open};
use crate::lake::{Created, Lake, Part, Updated, Upload};

fn scripted(replies: Vec<Reply>) -> (Lake, Server) {
    let server = Server::script(replies);
    (lake(&server, &[]), server)
}

/// The lake on this server, with the defaults.
pub(crate) fn lake(server: &Server, pairs: &[(&str, &str)]) -> Lake {
    lake_with(server, PutOptions::default(), pairs)
}

fn lake_with(server: &Server, put_options: PutOptions, pairs: &[(&str, &str)]) -> Lake {
    let settings = AwsLakeSettings {
        aws: settings(server),
        put_options,
        database_tag: None,
        part_memory: 32 << 20,
    };
    let environment = environment(pairs);
    let policy = policy().adjusted(&environment).unwrap();
    open(settings, "run", &environment, &clock(), policy).unwrap()
}

fn refused(code: &str) -> Reply {
    Reply::say(400, format!("{{\"__type\":\"{code}\",\"message\":\"m\"}}"))
}

fn input() -> Map<String, Value> {
    let input = json!({ "Name": "t", "Parameters": { "ours": "1" }, "PartitionKeys": [] });
    input.as_object().unwrap().clone()
}

/// A table as Glue returns it: with fields of its own.
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
fn an_update_whose_response_was_lost_is_no_conflict() {
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
fn a_creation_whose_response_was_lost_is_ours() {
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
        parts: [("\"a\"", "y/Q5Jg=="), ("\"b\"", "AAAAAA==")]
            .map(|(etag, crc32)| Part {
                etag: etag.into(),
                crc32: Some(crc32.into()),
            })
            .into(),
    }
}

const GONE: &str = "<Error><Code>NoSuchUpload</Code><Message>m</Message></Error>";

#[test]
fn a_completion_whose_response_was_lost_is_found_by_looking() {
    let whole = "\"3858f62230ac3c915f300c664312c11f-2\"";
    let (lake, server) = scripted(vec![
        Reply::Lose,
        Reply::say(404, GONE),
        Reply::say(200, "").with("etag", whole),
    ]);
    lake.objects.complete(&mut upload()).unwrap();
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
        let error = lake.objects.complete(&mut upload()).unwrap_err();
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
fn deleting_retries_what_failed_and_reports_what_is_denied() {
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

#[test]
fn an_object_too_large_for_one_copy_is_copied_in_parts() {
    let too_large = "<Error><Code>InvalidRequest</Code><Message>The specified copy source is larger than the maximum allowable size for a copy source: 5368709120</Message></Error>";
    let size: u64 = (5 << 30) + 1;
    let mut parts = 0;
    let server = Server::start(move |request| match request.method.as_str() {
        "HEAD" => Reply::say(200, "")
            .with("content-length", size.to_string())
            .with("etag", "\"e-7\""),
        "POST" if request.target.ends_with("?uploads=") => Reply::say(
            200,
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        ),
        "POST" => Reply::say(200, "<CompleteMultipartUploadResult/>"),
        _ if request.target.contains("partNumber=") => {
            parts += 1;
            let crc32 = "AAAAAA==";
            Reply::say(
                200,
                format!(
                    "<CopyPartResult><ETag>\"e{parts}\"</ETag><ChecksumCRC32>{crc32}</ChecksumCRC32></CopyPartResult>"
                ),
            )
        }
        _ => Reply::say(400, too_large),
    });
    let lake = lake(&server, &[]);
    lake.objects.copy("a b", "c").unwrap();
    let received = server.received();
    let ranges: Vec<&str> = received
        .iter()
        .filter_map(|request| request.header("x-amz-copy-source-range"))
        .collect();
    assert_eq!(ranges.len(), 6);
    assert_eq!(ranges[0], "bytes=0-1073741823");
    assert_eq!(ranges[5], "bytes=5368709120-5368709120");
    assert_eq!(
        received[0].header("x-amz-copy-source"),
        Some("lake-bucket/a%20b")
    );
    let complete = String::from_utf8_lossy(&received.last().unwrap().body).into_owned();
    assert!(
        complete.contains("<PartNumber>6</PartNumber><ETag>&quot;e6&quot;</ETag>"),
        "{complete}"
    );
}

#[test]
fn unfinished_uploads_are_listed_page_by_page() {
    let upload = |key: &str, id: &str| {
        format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>2026-11-22T12:00:00.000Z</Initiated></Upload>"
        )
    };
    let page = |more: &str, upload: &str| {
        Reply::say(
            200,
            format!(
                "<ListMultipartUploadsResult><EncodingType>url</EncodingType>{more}{upload}</ListMultipartUploadsResult>"
            ),
        )
    };
    let (lake, server) = scripted(vec![
        page(
            "<IsTruncated>true</IsTruncated><NextKeyMarker>p/a+b</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>",
            &upload("p/a+b", "1"),
        ),
        page("<IsTruncated>false</IsTruncated>", &upload("p/c", "2")),
    ]);
    let found = lake.objects.unfinished("p/").unwrap();
    let keys: Vec<&str> = found
        .iter()
        .map(|found| found.upload.key.as_str())
        .collect();
    assert_eq!(keys, ["p/a b", "p/c"]);
    assert_eq!(
        server.received()[1].target,
        "/lake-bucket?encoding-type=url&key-marker=p%2Fa%20b&prefix=p%2F&upload-id-marker=1&uploads="
    );
}

#[test]
fn a_store_that_cannot_list_uploads_is_accepted() {
    let (lake, _) = scripted(vec![Reply::say(
        501,
        "<Error><Code>NotImplemented</Code></Error>",
    )]);
    assert_eq!(lake.objects.unfinished("p/").unwrap(), []);
}

#[test]
fn every_operation_that_begins_an_object_sends_the_put_options() {
    use crate::aws::{BucketKey, Encryption};
    let server = Server::start(|request| match request.method.as_str() {
        "POST" => Reply::say(
            200,
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        ),
        _ if request.header("x-amz-copy-source").is_some() => {
            Reply::say(200, "<CopyObjectResult/>")
        }
        _ => Reply::say(200, "").with("etag", "\"e\""),
    });
    let options = PutOptions {
        encryption: Encryption::Kms {
            key_id: Some("arn:aws:kms:eu-central-1:123456789012:key/k".into()),
            bucket_key: BucketKey::On,
        },
        storage_class: Some("INTELLIGENT_TIERING".into()),
        tags: vec![("team".into(), "lake".into())],
        ..PutOptions::default()
    };
    let lake = lake_with(&server, options.clone(), &[]);
    lake.objects.put("k", b"x".into()).unwrap();
    let mut upload = lake.objects.begin("k").unwrap();
    lake.objects.copy("k", "l").unwrap();
    for request in server.received() {
        let header = |name| request.header(name);
        assert_eq!(header("x-amz-server-side-encryption"), Some("aws:kms"));
        assert_eq!(
            header("x-amz-server-side-encryption-aws-kms-key-id"),
            Some("arn:aws:kms:eu-central-1:123456789012:key/k")
        );
        assert_eq!(
            header("x-amz-server-side-encryption-bucket-key-enabled"),
            Some("true")
        );
        assert_eq!(header("x-amz-storage-class"), Some("INTELLIGENT_TIERING"));
        assert_eq!(header("x-amz-tagging"), Some("team=lake"));
    }
    let refused = Server::script(vec![Reply::say(
        403,
        "<Error><Code>AccessDenied</Code></Error>",
    )]);
    let denied = lake_with(&refused, options, &[]);
    let error = denied
        .objects
        .put("k", b"x".into())
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with(
            "; grant s3:PutObject, s3:PutObjectTagging, kms:Decrypt and kms:GenerateDataKey"
        ),
        "{error}"
    );
    // Parts take what the upload was begun with.
    lake.objects.part(&mut upload, b"part".into()).unwrap();
    lake.objects.settle(&mut upload).unwrap();
    let received = server.received();
    let part = received.last().unwrap();
    assert_eq!(part.header("x-amz-server-side-encryption"), None);
    assert_eq!(
        part.header("x-amz-checksum-crc32"),
        Some(crate::aws::s3::crc32(b"part").as_str())
    );
}

#[test]
fn the_environment_may_leave_checksums_out() {
    let server = Server::script(vec![Reply::say(200, "")]);
    let variable = ("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_REQUIRED");
    let lake = lake(&server, &[variable]);
    lake.objects.put("k", b"body".into()).unwrap();
    assert_eq!(server.received()[0].header("x-amz-checksum-crc32"), None);
}

#[test]
fn the_time_is_that_of_the_last_answer_of_s3() {
    let at = |time: &str| format!("Sun, 22 Nov 2026 {time} GMT");
    let seconds = |lake: &Lake| {
        let time = lake.objects.now().unwrap().iso();
        time["2026-11-22T".len()..][..8].to_owned()
    };
    let (lake, server) = scripted(vec![
        Reply::say(404, "").with("date", at("15:00:01")),
        Reply::say(200, "{\"Database\":{}}").with("date", at("16:00:00")),
        Reply::say(200, "").with("date", at("15:00:09")),
    ]);
    // Nothing was asked before: an answer that there is no such object has the time as well.
    assert_eq!(seconds(&lake), "15:00:01");
    // The catalog is another service, and has its own.
    lake.catalog.database("d").unwrap();
    assert_eq!(seconds(&lake), "15:00:01");
    lake.objects.put("k", b"{}\n".into()).unwrap();
    assert_eq!(seconds(&lake), "15:00:09");
    assert_eq!(server.received().len(), 3, "the time is asked for once");
}

#[test]
fn a_store_without_a_time_is_an_error() {
    let (lake, _) = scripted(vec![Reply::say(404, "")]);
    let error = lake.objects.now().unwrap_err().to_string();
    assert!(error.contains("a Date header"), "{error}");
    let (lake, _) = scripted(vec![Reply::say(503, "")]);
    let error = lake.objects.now().unwrap_err().to_string();
    assert!(error.contains("answered 503"), "{error}");
}
