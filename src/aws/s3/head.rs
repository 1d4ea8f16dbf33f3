//! HeadObject: an object's size, ETag and checksum. Responses have no body, not even errors.

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::s3::{checksum, path};
use crate::aws::service::Service;
use crate::http::{Method, Response};

pub(crate) struct HeadObject<'a> {
    pub(crate) key: &'a str,
}

/// An object's metadata.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// In bytes.
    pub(crate) size: u64,
    /// With quotes.
    pub(crate) etag: String,
    pub(crate) crc32: Option<String>,
}

impl Operation for HeadObject<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "HeadObject";
    const PERMISSIONS: &'static [&'static str] = &["s3:GetObject"];
    type Output = Head;

    fn call(&self) -> Call {
        Call {
            method: Method::Head,
            path: path(self.key),
            headers: vec![("x-amz-checksum-mode", "ENABLED".to_owned())],
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<Head, BadResponse> {
        Ok(Head {
            size: response
                .header("content-length")
                .and_then(|length| length.parse().ok())
                .ok_or(BadResponse::Malformed("the response has no content length"))?,
            etag: response
                .header("etag")
                .ok_or(BadResponse::Malformed("the response has no ETag"))?
                .to_owned(),
            crc32: response.header(checksum::HEADER).map(str::to_owned),
        })
    }
}
