//! ListMultipartUploads: one page of the uploads that are neither completed nor aborted.

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::s3::document;
use crate::aws::service::Service;
use crate::aws::sigv4::encoding;
use crate::http::Response;
use crate::time::Millis;

pub(crate) struct ListMultipartUploads<'a> {
    pub(crate) prefix: &'a str,
    /// The marker of this page, from the page before: key and upload.
    pub(crate) after: Option<&'a (String, String)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UploadsPage {
    /// Key, upload, and the time when it was begun.
    pub(crate) uploads: Vec<(String, String, Millis)>,
    /// The marker of the next page, where there is one.
    pub(crate) next: Option<(String, String)>,
}

impl Operation for ListMultipartUploads<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "ListMultipartUploads";
    const PERMISSIONS: &'static [&'static str] = &["s3:ListBucketMultipartUploads"];
    type Output = UploadsPage;

    fn call(&self) -> Call {
        let mut query = vec![
            ("encoding-type", "url".to_owned()),
            ("prefix", self.prefix.to_owned()),
            ("uploads", String::new()),
        ];
        if let Some((key, upload)) = self.after {
            query.push(("key-marker", key.clone()));
            query.push(("upload-id-marker", upload.clone()));
        }
        Call {
            query,
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<UploadsPage, BadResponse> {
        let root = document(&response.body, "ListMultipartUploadsResult")?;
        let is_encoded = root.text_of("EncodingType") == "url";
        let key_of = |text: &str| {
            let key = if is_encoded {
                encoding::decode(text)
            } else {
                Some(text.to_owned())
            };
            key.filter(|key| !key.is_empty())
                .ok_or(BadResponse::Malformed("an entry of the listing has no key"))
        };
        let mut uploads = Vec::new();
        for upload in root.children("Upload") {
            let begun = Millis::from_iso(upload.text_of("Initiated")).ok_or(
                BadResponse::Malformed("an upload of the listing has no time"),
            )?;
            uploads.push((
                key_of(upload.text_of("Key"))?,
                upload.text_of("UploadId").to_owned(),
                begun,
            ));
        }
        let next = match root.text_of("IsTruncated") {
            "true" => Some((
                key_of(root.text_of("NextKeyMarker"))?,
                root.text_of("NextUploadIdMarker").to_owned(),
            )),
            _ => None,
        };
        Ok(UploadsPage { uploads, next })
    }
}
