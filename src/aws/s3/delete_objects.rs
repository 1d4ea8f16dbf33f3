//! DeleteObjects: up to 1,000 keys in one call. A response of 200 may hold an error for each key.

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::s3::{checksum, document};
use crate::aws::service::Service;
use crate::aws::xml;
use crate::http::{Method, Response};

/// S3's limit of keys in one call.
pub(crate) const BATCH: usize = 1000;

pub(crate) struct DeleteObjects<'a> {
    pub(crate) keys: &'a [String],
}

impl Operation for DeleteObjects<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "DeleteObjects";
    const PERMISSIONS: &'static [&'static str] = &["s3:DeleteObject"];
    type Output = ();

    fn call(&self) -> Call {
        let mut body =
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
                .to_owned();
        for key in self.keys {
            body.push_str("<Object><Key>");
            body.push_str(&xml::escape(key));
            body.push_str("</Key></Object>");
        }
        body.push_str("</Delete>");
        Call {
            method: Method::Post,
            query: vec![("delete", String::new())],
            headers: vec![
                ("content-type", "application/xml".to_owned()),
                // S3 requires a checksum here, so the options do not apply.
                (checksum::HEADER, checksum::crc32(body.as_bytes())),
            ],
            body: body.into_bytes().into(),
            ..Call::default()
        }
    }

    /// Reports the first key that was not deleted: deleting is retried or fails as a whole.
    fn read(&self, response: Response) -> Result<(), BadResponse> {
        let root = document(&response.body, "DeleteResult")?;
        let failed = root
            .children("Error")
            .find(|error| error.text_of("Code") != "NoSuchKey");
        match failed {
            None => Ok(()),
            Some(error) => Err(BadResponse::Error {
                code: error.text_of("Code").to_owned(),
                message: format!("{}: {}", error.text_of("Key"), error.text_of("Message")),
            }),
        }
    }
}
