//! Multipart uploads, which nobody sees until they complete.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::clock::iso;
use super::names::Names;
use super::s3::{Bucket, THEN, error, etag, etag_of, rows_of, xml};
use super::wire::{Answer, Request, decoded, elements, escaped};

/// S3 wants every part but the last to be as large as this.
const LEAST_PART: usize = 5 << 20;

/// An upload that was begun and is not complete.
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) parts: BTreeMap<usize, Vec<u8>>,
    /// Whether its parts are copied of an object that is taken to be large.
    is_copied: bool,
    initiated: Timestamp,
}

impl Bucket {
    pub(super) fn begin(
        &mut self,
        key: &str,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Answer {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        note(format!("BEGIN {}", names.short(key)));
        let upload = Upload {
            key: key.to_owned(),
            parts: BTreeMap::new(),
            is_copied: false,
            initiated: self.clock.now(),
        };
        self.uploads.insert(id.clone(), upload);
        xml(
            "InitiateMultipartUploadResult",
            &format!("<UploadId>{id}</UploadId>"),
        )
    }

    /// What is asked of an upload that was begun.
    pub(super) fn multipart(
        &mut self,
        operation: &str,
        key: &str,
        request: &mut Request,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Answer {
        let upload = request.parameter("uploadId").to_owned();
        let begun = self
            .uploads
            .get_mut(&upload)
            .filter(|begun| begun.key == key);
        let Some(begun) = begun else {
            return error(404, "NoSuchUpload");
        };
        match operation {
            "UploadPart" => {
                let number = request.parameter("partNumber").parse().unwrap_or(0);
                if !(1..=10_000).contains(&number) {
                    return error(400, "InvalidArgument");
                }
                note(format!("PART {number} {}", names.short(key)));
                let tag = etag_of(request);
                self.sent += request.length as u64;
                if self.keeps {
                    let body = std::mem::take(&mut request.body);
                    begun.parts.insert(number, body);
                }
                Answer::new(200, "").with("etag", tag)
            }
            "UploadPartCopy" => {
                let number = request.parameter("partNumber").parse().unwrap_or(0);
                let source = decoded(request.header("x-amz-copy-source"));
                let from = source.split_once('/').map_or("", |(_, key)| key);
                let Some(body) = self.objects.get(from) else {
                    return error(404, "NoSuchKey");
                };
                // The first part has all of it: nobody tests with objects of gigabytes.
                let part = if number == 1 {
                    body.clone()
                } else {
                    Vec::new()
                };
                let tag = etag(&part);
                begun.is_copied = true;
                begun.parts.insert(number, part);
                xml("CopyPartResult", &format!("<ETag>{tag}</ETag>"))
            }
            "ListParts" => {
                let parts: String = begun
                    .parts
                    .iter()
                    .map(|(number, body)| part(*number, body))
                    .collect();
                xml(
                    "ListPartsResult",
                    &format!("<IsTruncated>false</IsTruncated>{parts}"),
                )
            }
            "AbortMultipartUpload" => {
                note(format!("ABORT {}", names.short(key)));
                self.uploads.remove(&upload);
                Answer::new(204, "")
            }
            _ if self.keeps => self.complete(&upload, request, names, note),
            _ => {
                note(format!("COMPLETE {}", names.short(key)));
                self.uploads.remove(&upload);
                let tag = "\"00-1\"";
                self.store(key, Vec::new(), tag.to_owned());
                xml(
                    "CompleteMultipartUploadResult",
                    &format!("<ETag>{tag}</ETag>"),
                )
            }
        }
    }

    fn complete(
        &mut self,
        id: &str,
        request: &Request,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Answer {
        let upload = &self.uploads[id];
        let text = request.text();
        let numbers = elements(&text, "PartNumber");
        let tags = elements(&text, "ETag");
        let mut body = Vec::new();
        for (at, (number, tag)) in numbers.iter().zip(&tags).enumerate() {
            let found = number
                .parse()
                .ok()
                .and_then(|number: usize| upload.parts.get(&number));
            let Some(part) =
                found.filter(|part| etag(part).trim_matches('"') == tag.trim_matches('"'))
            else {
                return error(400, "InvalidPart");
            };
            if part.len() < LEAST_PART && at + 1 < numbers.len() && !upload.is_copied {
                return error(400, "EntityTooSmall");
            }
            body.extend_from_slice(part);
        }
        if numbers.is_empty() || numbers.len() != tags.len() {
            return error(400, "MalformedXML");
        }
        let key = upload.key.clone();
        if let Err(answer) = self.allowed(&key, request) {
            return answer;
        }
        note(format!("COMPLETE {}{}", names.short(&key), rows_of(&body)));
        let plain = etag(&body);
        let tag = format!("{}-{}\"", plain.trim_end_matches('"'), numbers.len());
        let answer = format!("<Key>{}</Key><ETag>{tag}</ETag>", escaped(&key));
        self.store(&key, body, tag);
        self.uploads.remove(id);
        xml("CompleteMultipartUploadResult", &answer)
    }

    /// An upload without parts, as a run of long ago may have left it.
    pub(crate) fn begin_upload(&mut self, id: &str, key: &str) {
        let upload = Upload {
            key: key.to_owned(),
            parts: BTreeMap::new(),
            is_copied: false,
            initiated: THEN.parse().unwrap(),
        };
        self.uploads.insert(id.to_owned(), upload);
    }

    pub(super) fn list_uploads(&self, request: &Request) -> Answer {
        let prefix = request.parameter("prefix");
        let after = (
            request.parameter("key-marker"),
            request.parameter("upload-id-marker"),
        );
        let mut found: Vec<_> = self
            .uploads
            .iter()
            .map(|(id, upload)| (upload.key.as_str(), id.as_str()))
            .collect();
        found.sort_unstable();
        found.retain(|entry| entry.0.starts_with(prefix) && (after.0.is_empty() || *entry > after));
        let more = found.len() > self.page;
        found.truncate(self.page);
        let mut body = format!("<IsTruncated>{more}</IsTruncated>");
        if let Some((key, id)) = found.last().filter(|_| more) {
            let key = escaped(key);
            body += &format!(
                "<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>"
            );
        }
        for (key, id) in found {
            let (key, begun) = (escaped(key), iso(self.uploads[id].initiated));
            body += &format!(
                "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>"
            );
        }
        xml("ListMultipartUploadsResult", &body)
    }
}

fn part(number: usize, body: &[u8]) -> String {
    let (tag, size) = (etag(body), body.len());
    format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag><Size>{size}</Size></Part>")
}
