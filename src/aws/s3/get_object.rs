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

impl Operation for GetObject<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "GetObject";
    const PERMISSIONS: &'static [&'static str] = &["s3:GetObject"];
    type Output = Vec<u8>;

    fn call(&self) -> Call {
        Call {
            path: path(self.key),
            headers: vec![("x-amz-checksum-mode", "ENABLED".to_owned())],
            limit: self.limit,
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<Vec<u8>, BadResponse> {
        // The checksum of a multipart object is that of its parts' checksums, and has a dash.
        match response.header(checksum::HEADER) {
            Some(kept) if !kept.contains('-') && kept != checksum::crc32(&response.body) => Err(
                BadResponse::Corrupted("the received bytes differ from those stored"),
            ),
            _ => Ok(response.body),
        }
    }
}
