//! CopyObject and UploadPartCopy: copies inside S3. Both may fail after a status of 200.

use std::ops::RangeInclusive;

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::s3::multipart::Part;
use crate::aws::s3::options::PutOptions;
use crate::aws::s3::{checksum, document, path};
use crate::aws::service::Service;
use crate::aws::sigv4::encoding;
use crate::http::{Method, Response};

/// The largest object that CopyObject accepts, in bytes; larger ones are copied in parts.
pub(crate) const WHOLE: u64 = 5 << 30;

pub(crate) struct CopyObject<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) options: &'a PutOptions,
}

impl Operation for CopyObject<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "CopyObject";
    const PERMISSIONS: &'static [&'static str] = &["s3:GetObject", "s3:PutObject"];
    type Output = ();

    fn call(&self) -> Call {
        let mut headers = self.options.headers();
        if !self.options.tags.is_empty() {
            headers.push(("x-amz-tagging-directive", "REPLACE".to_owned()));
        }
        headers.push(source(self.bucket, self.from));
        Call {
            method: Method::Put,
            path: path(self.to),
            headers,
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        document(&response.body, "CopyObjectResult").map(|_| ())
    }
}

pub(crate) struct UploadPartCopy<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) upload: &'a str,
    /// From 1.
    pub(crate) number: usize,
    pub(crate) bytes: RangeInclusive<u64>,
}

impl Operation for UploadPartCopy<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "UploadPartCopy";
    const PERMISSIONS: &'static [&'static str] = &["s3:GetObject", "s3:PutObject"];
    type Output = Part;

    fn call(&self) -> Call {
        let range = format!("bytes={}-{}", self.bytes.start(), self.bytes.end());
        Call {
            method: Method::Put,
            path: path(self.to),
            query: vec![
                ("partNumber", self.number.to_string()),
                ("uploadId", self.upload.to_owned()),
            ],
            headers: vec![
                source(self.bucket, self.from),
                ("x-amz-copy-source-range", range),
            ],
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<Part, BadResponse> {
        let root = document(&response.body, "CopyPartResult")?;
        let crc32 = root.text_of(checksum::ELEMENT);
        Ok(Part {
            etag: root.text_of("ETag").to_owned(),
            crc32: Some(crc32.to_owned()).filter(|crc32| !crc32.is_empty()),
        })
    }
}

fn source(bucket: &str, key: &str) -> (&'static str, String) {
    (
        "x-amz-copy-source",
        format!("{bucket}/{}", encoding::path(key)),
    )
}
