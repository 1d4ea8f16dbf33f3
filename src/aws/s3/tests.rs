//! Calls and responses of S3 as its documentation shows them.

use crate::aws::operation::{BadResponse, Operation};
use crate::aws::s3::{CompleteUpload, DeleteObjects, Depth, ListObjects};
use crate::http::Response;

fn answer(body: &str) -> Response {
    Response {
        status: 200,
        body: body.as_bytes().to_vec(),
        ..Response::default()
    }
}

#[test]
fn a_page_of_keys_is_decoded() {
    let list = ListObjects {
        prefix: "p/",
        depth: Depth::All,
        continuation: None,
    };
    let page = list
        .read(answer(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><Contents><Key>p/a+b%2B%C3%BC</Key><Size>434234</Size></Contents></ListBucketResult>",
        ))
        .unwrap();
    assert_eq!(page.objects.len(), 1);
    assert_eq!(page.objects[0].key, "p/a b+ü");
    assert_eq!(page.objects[0].modified, None);
    assert_eq!(
        page.continuation.as_deref(),
        Some("1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=")
    );
}

#[test]
fn a_2xx_response_that_holds_an_error_is_an_error() {
    let complete = CompleteUpload {
        key: "k",
        upload: "u",
        parts: &[],
    };
    let refused = complete.read(answer(
        "<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>",
    ));
    assert_eq!(
        refused,
        Err(BadResponse::Error {
            code: "InternalError".into(),
            message: "We encountered an internal error.".into()
        })
    );
    assert!(matches!(
        complete.read(answer("<CompleteMultipartUploadResult><Loc")),
        Err(BadResponse::Malformed(_))
    ));
}

#[test]
fn whitespace_that_kept_the_connection_alive_is_skipped() {
    let complete = CompleteUpload {
        key: "k",
        upload: "u",
        parts: &[],
    };
    assert_eq!(
        complete.read(answer(
            "<?xml version=\"1.0\"?>\n    \n  <CompleteMultipartUploadResult/>\n"
        )),
        Ok(())
    );
    assert_eq!(
        complete.read(answer(
            "  \n <?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult/>\n"
        )),
        Ok(())
    );
}

#[test]
fn keys_that_were_not_deleted_are_reported() {
    let keys = ["a&b".to_owned(), "c\r".to_owned()];
    let delete = DeleteObjects { keys: &keys };
    let call = delete.call();
    let body = String::from_utf8(call.body.to_vec()).unwrap();
    assert!(body.contains("<Key>a&amp;b</Key>"), "{body}");
    assert!(body.contains("<Key>c&#xD;</Key>"), "{body}");
    assert_eq!(delete.read(answer("<DeleteResult/>")), Ok(()));
    let gone = "<DeleteResult><Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>";
    assert_eq!(delete.read(answer(gone)), Ok(()));
    let kept = delete.read(answer(
        "<DeleteResult><Error><Key>a&amp;b</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>",
    ));
    assert_eq!(
        kept,
        Err(BadResponse::Error {
            code: "AccessDenied".into(),
            message: "a&b: Access Denied".into()
        })
    );
}
