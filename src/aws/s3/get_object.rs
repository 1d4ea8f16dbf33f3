//! GetObject: reads a small object.

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::s3::{checksum, path};
use crate::aws::service::Service;
use crate::http::Response;

pub(crate) struct GetObject<'a> {
    pub(crate) key: &'a str,
    /// The largest object that is read, in bytes.
    pub(crate) limit: usize,
}

/// A small object as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) body: Vec<u8>,
    /// With its quotes; empty where the store gives none.
    pub(crate) etag: String,
}

impl Operation for GetObject<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "GetObject";
    const PERMISSIONS: &'static [&'static str] = &["s3:GetObject"];
    type Output = Read;

    fn call(&self) -> Call {
        Call {
            path: path(self.key),
            headers: vec![("x-amz-checksum-mode", "ENABLED".to_owned())],
            limit: self.limit,
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<Read, BadResponse> {
        // The checksum of a multipart object is that of its parts' checksums, and has a dash.
        match response.header(checksum::HEADER) {
            Some(kept) if !kept.contains('-') && kept != checksum::crc32(&response.body) => Err(
                BadResponse::Corrupted("the received bytes differ from those stored"),
            ),
            _ => Ok(Read {
                etag: response.header("etag").unwrap_or_default().to_owned(),
                body: response.body,
            }),
        }
    }
}
