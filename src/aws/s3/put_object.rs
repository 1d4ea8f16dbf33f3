//! PutObject: writes a whole object of up to 5 GiB, visible at once; an existing one is replaced.

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
