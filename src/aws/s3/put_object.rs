//! PutObject: writes a whole object of up to 5 GiB, visible at once. An existing one is replaced, or kept where a
//! condition says so.

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::s3::options::{Body, PutOptions, content_type};
use crate::aws::s3::path;
use crate::aws::service::Service;
use crate::http::{Method, Response};

pub(crate) struct PutObject<'a> {
    pub(crate) key: &'a str,
    pub(crate) body: Body,
    pub(crate) options: &'a PutOptions,
}

impl Operation for PutObject<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "PutObject";
    const PERMISSIONS: &'static [&'static str] = &["s3:PutObject"];
    type Output = ();

    fn call(&self) -> Call {
        let mut headers = self.options.headers();
        headers.push(("content-type", content_type(self.key).to_owned()));
        headers.extend(self.body.headers());
        Call {
            method: Method::Put,
            path: path(self.key),
            headers,
            body: self.body.bytes.clone(),
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        self.body.verify(&response)
    }
}

/// What the object of a key must be for it to be written.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition<'a> {
    /// There is none.
    Absent,
    /// It has this ETag, with its quotes.
    Unchanged(&'a str),
    /// Whatever there is.
    Nothing,
}

/// PutObject under a condition; where it does not hold, the error is one of [`Self::EXPECTED_ERRORS`].
pub(crate) struct PutObjectIf<'a> {
    pub(crate) put: PutObject<'a>,
    pub(crate) condition: Condition<'a>,
}

impl Operation for PutObjectIf<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = PutObject::NAME;
    const PERMISSIONS: &'static [&'static str] = PutObject::PERMISSIONS;
    const EXPECTED_ERRORS: &'static [&'static str] = &["PreconditionFailed", "NoSuchKey"];
    /// The ETag of the object, empty where the store gives none.
    type Output = String;

    fn call(&self) -> Call {
        let mut call = self.put.call();
        call.headers.extend(match self.condition {
            Condition::Absent => Some(("if-none-match", "*".to_owned())),
            Condition::Unchanged(etag) => Some(("if-match", etag.to_owned())),
            Condition::Nothing => None,
        });
        call
    }

    fn read(&self, response: Response) -> Result<String, BadResponse> {
        self.put.body.verify(&response)?;
        Ok(response.header("etag").unwrap_or_default().to_owned())
    }
}
