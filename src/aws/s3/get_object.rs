//! GetObject: the bytes of a small object.

use crate::aws::operation::{Call, Operation, Unfit};
use crate::aws::s3::path;
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
            limit: self.limit,
            ..Call::default()
        }
    }

    fn read(&self, answer: Answer) -> Result<Vec<u8>, Unfit> {
        Ok(answer.body)
    }
}
