//! GetObject: the bytes of a small object.

use crate::aws::operation::{Call, Operation, Unfit};
use crate::aws::s3::{checksum, path};
use crate::aws::service::Service;
use crate::http::Answer;

pub(crate) struct GetObject<'a> {
    pub(crate) key: &'a str,
    /// The largest object that is read.
    pub(crate) limit: usize,
}

impl Operation for GetObject<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "GetObject";
    type Output = Vec<u8>;

    fn call(&self) -> Call<'_> {
        Call {
            path: path(self.key),
            headers: vec![("x-amz-checksum-mode", "ENABLED".to_owned())],
            limit: self.limit,
            ..Call::default()
        }
    }

    fn read(&self, answer: Answer) -> Result<Vec<u8>, Unfit> {
        // A multipart object's checksum is one of checksums, and says so with a dash.
        match answer.header(checksum::HEADER) {
            Some(kept) if !kept.contains('-') && kept != checksum::crc32(&answer.body) => {
                Err(Unfit::Damaged("other bytes came than the store holds"))
            }
            _ => Ok(answer.body),
        }
    }
}
