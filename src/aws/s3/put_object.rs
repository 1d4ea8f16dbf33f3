//! PutObject: whole objects of up to 5 GiB; visible at once, replacing what was there.

use std::borrow::Cow;

use crate::aws::operation::{Call, Operation, Unfit};
use crate::aws::s3::options::{Writing, content_type, expectation};
use crate::aws::s3::{checksum, path};
use crate::aws::service::Service;
use crate::http::{Answer, Method};

pub(crate) struct PutObject<'a> {
    pub(crate) key: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) writing: &'a Writing,
}

impl Operation for PutObject<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "PutObject";
    type Output = ();

    fn call(&self) -> Call<'_> {
        let mut headers = self.writing.headers();
        headers.push(("content-type", content_type(self.key).to_owned()));
        headers.extend(self.writing.checksum(self.body));
        headers.extend(expectation(self.body));
        Call {
            method: Method::Put,
            path: path(self.key),
            headers,
            body: Cow::Borrowed(self.body),
            ..Call::default()
        }
    }

    fn read(&self, answer: Answer) -> Result<(), Unfit> {
        let kept = answer.header(checksum::HEADER);
        match (self.writing.checksum(self.body), kept) {
            (Some((_, sent)), Some(kept)) if sent != kept => {
                Err(Unfit::Damaged("the store kept other bytes than were sent"))
            }
            _ => Ok(()),
        }
    }
}
