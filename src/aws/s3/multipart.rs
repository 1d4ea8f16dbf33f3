//! Multipart uploads: create, send parts, complete or abort. Nothing is visible before completion.
//!
//! Parts are 5 MiB to 5 GiB each, but for the last; there are at most 10,000.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use std::fmt::Write;

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::s3::options::{Body, PutOptions, RequestChecksum, content_type};
use crate::aws::s3::{checksum, document, path};
use crate::aws::service::Service;
use crate::aws::xml;
use crate::http::{Method, Response};

/// An uploaded part: the ETag that S3 gave it, and the checksum that was sent with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) etag: String,
    pub(crate) crc32: Option<String>,
}

pub(crate) struct CreateUpload<'a> {
    pub(crate) key: &'a str,
    pub(crate) options: &'a PutOptions,
}

impl Operation for CreateUpload<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "CreateMultipartUpload";
    const PERMISSIONS: &'static [&'static str] = &["s3:PutObject"];
    /// The upload's id.
    type Output = String;

    fn call(&self) -> Call {
        let mut headers = self.options.headers();
        headers.push(("content-type", content_type(self.key).to_owned()));
        if self.options.checksum == RequestChecksum::WhenSupported {
            headers.push(("x-amz-checksum-algorithm", "CRC32".to_owned()));
        }
        Call {
            method: Method::Post,
            path: path(self.key),
            query: vec![("uploads", String::new())],
            headers,
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<String, BadResponse> {
        let root = document(&response.body, "InitiateMultipartUploadResult")?;
        match root.text_of("UploadId") {
            "" => Err(BadResponse::Malformed("the response has no upload")),
            id => Ok(id.to_owned()),
        }
    }
}

pub(crate) struct UploadPart<'a> {
    pub(crate) key: &'a str,
    pub(crate) upload: &'a str,
    /// From 1.
    pub(crate) number: usize,
    pub(crate) body: Body,
}

impl Operation for UploadPart<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "UploadPart";
    const PERMISSIONS: &'static [&'static str] = &["s3:PutObject"];
    type Output = Part;

    fn call(&self) -> Call {
        Call {
            method: Method::Put,
            path: path(self.key),
            query: vec![
                ("partNumber", self.number.to_string()),
                ("uploadId", self.upload.to_owned()),
            ],
            headers: self.body.headers().collect(),
            body: self.body.bytes.clone(),
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<Part, BadResponse> {
        self.body.verify(&response)?;
        let etag = response
            .header("etag")
            .ok_or(BadResponse::Malformed("the response has no ETag"))?;
        Ok(Part {
            etag: etag.to_owned(),
            crc32: self.body.crc32.clone(),
        })
    }
}

pub(crate) struct CompleteUpload<'a> {
    pub(crate) key: &'a str,
    pub(crate) upload: &'a str,
    pub(crate) parts: &'a [Part],
}

impl CompleteUpload<'_> {
    /// The checksum of the whole object, where every part was sent with one.
    pub(crate) fn crc32(&self) -> Option<String> {
        let parts = self
            .parts
            .iter()
            .map(|part| part.crc32.as_deref().unwrap_or(""));
        checksum::composite(parts)
    }
}

impl Operation for CompleteUpload<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "CompleteMultipartUpload";
    const PERMISSIONS: &'static [&'static str] = &["s3:PutObject"];
    type Output = ();

    fn call(&self) -> Call {
        let mut body =
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                .to_owned();
        for (part, number) in self.parts.iter().zip(1..) {
            let etag = xml::escape(&part.etag);
            let _ = write!(
                body,
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
            );
            if let Some(crc32) = &part.crc32 {
                let _ = write!(body, "<{0}>{crc32}</{0}>", checksum::ELEMENT);
            }
            body.push_str("</Part>");
        }
        body.push_str("</CompleteMultipartUpload>");
        Call {
            method: Method::Post,
            path: path(self.key),
            query: vec![("uploadId", self.upload.to_owned())],
            headers: vec![("content-type", "application/xml".to_owned())],
            body: body.into_bytes().into(),
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        let root = document(&response.body, "CompleteMultipartUploadResult")?;
        let kept = root.text_of(checksum::ELEMENT);
        match self.crc32() {
            // A store may respond with the checksum of the bytes instead, which has no dash.
            Some(sent) if kept.contains('-') && kept != sent => Err(BadResponse::Corrupted(
                "the completed object differs from the bytes sent",
            )),
            _ => Ok(()),
        }
    }
}

pub(crate) struct AbortUpload<'a> {
    pub(crate) key: &'a str,
    pub(crate) upload: &'a str,
}

impl Operation for AbortUpload<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "AbortMultipartUpload";
    const PERMISSIONS: &'static [&'static str] = &["s3:AbortMultipartUpload"];
    type Output = ();

    fn call(&self) -> Call {
        Call {
            method: Method::Delete,
            path: path(self.key),
            query: vec![("uploadId", self.upload.to_owned())],
            ..Call::default()
        }
    }

    fn read(&self, _: Response) -> Result<(), BadResponse> {
        Ok(())
    }
}
