//! S3's part of the scripted server: one bucket, objects, and multipart uploads that nobody sees until they complete.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::names::Names;
use super::wire::{Answer, Request, decoded, elements, escaped, hex};

/// S3 wants every part but the last to be as large as this.
const LEAST_PART: usize = 5 << 20;

/// The bucket.
pub(crate) struct Bucket {
    name: &'static str,
    /// Whether objects and parts are kept; else they are counted, and lists are empty.
    keeps: bool,
    /// Bytes of objects and parts that were sent.
    pub(crate) sent: u64,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// The keys of objects in the order in which they were made, those of deleted ones too.
    pub(crate) made: Vec<String>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// How many parts each object had that was uploaded in parts; its ETag ends with that number.
    parts: BTreeMap<String, usize>,
    /// How many entries a listing gives at most; S3's own number is 1000.
    pub(crate) page: usize,
    begun: usize,
}

/// An upload that was begun and is not complete.
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) parts: BTreeMap<usize, Vec<u8>>,
}

/// The operation that the request is for.
pub(crate) fn operation(request: &Request) -> &'static str {
    let on_object = request
        .path
        .trim_start_matches('/')
        .trim_end_matches('/')
        .contains('/');
    let upload = request.has("uploadId");
    match (request.method.as_str(), on_object) {
        ("HEAD", false) => "HeadBucket",
        ("HEAD", true) => "HeadObject",
        ("POST", false) if request.has("delete") => "DeleteObjects",
        ("POST", true) if request.has("uploads") => "CreateMultipartUpload",
        ("POST", true) if upload => "CompleteMultipartUpload",
        ("PUT", true) if upload && request.headers.contains_key("x-amz-copy-source") => {
            "UploadPartCopy"
        }
        ("PUT", true) if upload => "UploadPart",
        ("PUT", true) if request.headers.contains_key("x-amz-copy-source") => "CopyObject",
        ("PUT", true) => "PutObject",
        ("GET", true) if upload => "ListParts",
        ("GET", true) => "GetObject",
        ("GET", false) if request.has("uploads") => "ListMultipartUploads",
        ("GET", false) if request.has("list-type") => "ListObjectsV2",
        ("GET", false) if request.has("location") => "GetBucketLocation",
        ("DELETE", true) if upload => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        _ => "unknown",
    }
}

impl Bucket {
    pub(super) fn new(name: &'static str, keeps: bool) -> Self {
        Self {
            name,
            keeps,
            sent: 0,
            objects: BTreeMap::new(),
            made: Vec::new(),
            uploads: BTreeMap::new(),
            parts: BTreeMap::new(),
            page: 1000,
            begun: 0,
        }
    }

    pub(super) fn call(
        &mut self,
        operation: &str,
        request: &mut Request,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Answer {
        let path = request.path.trim_start_matches('/').to_owned();
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        if bucket != self.name {
            return error(404, "NoSuchBucket");
        }
        if let Err(answer) = intact(request) {
            return answer;
        }
        match operation {
            "HeadBucket" => Answer::new(200, "").with("x-amz-bucket-region", "us-east-1"),
            "GetBucketLocation" => Answer::new(200, "<LocationConstraint/>"),
            "PutObject" => {
                if request.header("if-none-match") == "*" && self.objects.contains_key(key) {
                    return error(412, "PreconditionFailed");
                }
                note(format!(
                    "PUT {}{}",
                    names.short(key),
                    rows_of(&request.body)
                ));
                let tag = etag_of(request);
                self.sent += request.length as u64;
                self.made.push(key.to_owned());
                if self.keeps {
                    let body = std::mem::take(&mut request.body);
                    self.objects.insert(key.to_owned(), body);
                    self.parts.remove(key);
                }
                Answer::new(200, "").with("etag", tag)
            }
            "GetObject" | "HeadObject" => match self.objects.get(key) {
                Some(body) => Answer::new(200, body.clone()).with("etag", self.etag_of(key, body)),
                None => error(404, "NoSuchKey"),
            },
            "DeleteObject" => {
                if self.objects.remove(key).is_some() {
                    note(format!("DELETE {}", names.short(key)));
                }
                Answer::new(204, "")
            }
            "DeleteObjects" => self.delete(request, names, note),
            "CopyObject" => self.copy(key, request, names, note),
            "ListObjectsV2" => self.list(request),
            "CreateMultipartUpload" => {
                self.begun += 1;
                let id = format!("upload-{}", self.begun);
                note(format!("BEGIN {}", names.short(key)));
                let (key, parts) = (key.to_owned(), BTreeMap::new());
                self.uploads.insert(id.clone(), Upload { key, parts });
                xml(
                    "InitiateMultipartUploadResult",
                    &format!("<UploadId>{id}</UploadId>"),
                )
            }
            "ListMultipartUploads" => self.list_uploads(request),
            "UploadPart"
            | "UploadPartCopy"
            | "ListParts"
            | "CompleteMultipartUpload"
            | "AbortMultipartUpload" => self.multipart(operation, key, request, names, note),
            _ => error(501, "NotImplemented"),
        }
    }

    /// What is asked of an upload that was begun.
    fn multipart(
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
            "UploadPartCopy" => error(501, "NotImplemented"),
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
                self.made.push(key.to_owned());
                xml("CompleteMultipartUploadResult", "<ETag>\"00-1\"</ETag>")
            }
        }
    }

    /// An upload without parts, as a run of long ago may have left it.
    pub(crate) fn begin_upload(&mut self, id: &str, key: &str) {
        let (key, parts) = (key.to_owned(), BTreeMap::new());
        self.uploads.insert(id.to_owned(), Upload { key, parts });
    }

    /// The rows of every object below the prefix.
    pub(crate) fn rows(&self, prefix: &str) -> Vec<Map<String, Value>> {
        let below = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix));
        below
            .flat_map(|(_, body)| {
                let text = unzipped(body).expect("an object of rows");
                let rows: Vec<_> = text
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
                rows
            })
            .collect()
    }

    fn etag_of(&self, key: &str, body: &[u8]) -> String {
        let plain = etag(body);
        match self.parts.get(key) {
            Some(parts) => format!("{}-{parts}\"", plain.trim_end_matches('"')),
            None => plain,
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
            if part.len() < LEAST_PART && at + 1 < numbers.len() {
                return error(400, "EntityTooSmall");
            }
            body.extend_from_slice(part);
        }
        if numbers.is_empty() || numbers.len() != tags.len() {
            return error(400, "MalformedXML");
        }
        let key = upload.key.clone();
        note(format!("COMPLETE {}{}", names.short(&key), rows_of(&body)));
        self.parts.insert(key.clone(), numbers.len());
        let tag = self.etag_of(&key, &body);
        let answer = format!("<Key>{}</Key><ETag>{tag}</ETag>", escaped(&key));
        self.made.push(key.clone());
        self.objects.insert(key, body);
        self.uploads.remove(id);
        xml("CompleteMultipartUploadResult", &answer)
    }

    fn delete(
        &mut self,
        request: &Request,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Answer {
        let checked = [
            "content-md5",
            "x-amz-checksum-crc32",
            "x-amz-checksum-sha256",
            "x-amz-checksum-crc32c",
        ];
        if !checked
            .iter()
            .any(|name| request.headers.contains_key(*name))
        {
            return error(400, "InvalidRequest");
        }
        let keys = elements(&request.text(), "Key");
        if keys.is_empty() || keys.len() > 1000 {
            return error(400, "MalformedXML");
        }
        for key in keys {
            if self.objects.remove(&key).is_some() {
                note(format!("DELETE {}", names.short(&key)));
            }
        }
        xml("DeleteResult", "")
    }

    fn copy(
        &mut self,
        key: &str,
        request: &Request,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Answer {
        let source = decoded(request.header("x-amz-copy-source"));
        let from = source
            .trim_start_matches('/')
            .trim_start_matches(self.name)
            .trim_start_matches('/');
        let Some(body) = self.objects.get(from).cloned() else {
            return error(404, "NoSuchKey");
        };
        note(format!(
            "COPY {} to {}{}",
            names.short(from),
            names.short(key),
            rows_of(&body)
        ));
        let tag = etag(&body);
        self.made.push(key.to_owned());
        self.objects.insert(key.to_owned(), body);
        xml("CopyObjectResult", &format!("<ETag>{tag}</ETag>"))
    }
}

/// The body is what its hash and checksum headers say, where that is looked at. Other clients may leave it unsigned, or
/// sign it in pieces.
fn intact(request: &Request) -> Result<(), Answer> {
    let Some(hashes) = &request.hashes else {
        return Ok(());
    };
    let claimed = request.header("x-amz-content-sha256");
    let is_whole = claimed != "UNSIGNED-PAYLOAD" && !claimed.starts_with("STREAMING-");
    if is_whole && claimed != hashes.sha256 {
        return Err(error(400, "XAmzContentSHA256Mismatch"));
    }
    let claimed = request.header("x-amz-checksum-crc32");
    if !claimed.is_empty() && claimed != base64(&hashes.crc32.to_be_bytes()) {
        return Err(error(400, "BadDigest"));
    }
    Ok(())
}

pub(super) fn xml(name: &str, inside: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name}>{inside}</{name}>");
    Answer::new(200, body).with("content-type", "application/xml")
}

fn error(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>as S3 says</Message></Error>");
    Answer::new(status, body).with("content-type", "application/xml")
}

fn part(number: usize, body: &[u8]) -> String {
    let (tag, size) = (etag(body), body.len());
    format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag><Size>{size}</Size></Part>")
}

/// The ETag of the body of a request.
fn etag_of(request: &Request) -> String {
    match &request.hashes {
        Some(hashes) => format!("\"{}\"", &hashes.sha256[..32]),
        None => "\"00\"".to_owned(),
    }
}

/// An ETag: any text that differs from body to body will do.
fn etag(body: &[u8]) -> String {
    format!("\"{}\"", &hex(&Sha256::digest(body))[..32])
}

/// ` 12 rows` for an object of JSON lines, plain or gzipped; nothing for other bodies.
fn rows_of(body: &[u8]) -> String {
    match unzipped(body) {
        Some(text) if text.starts_with('{') && text.ends_with('\n') => {
            format!(" {} rows", text.lines().count())
        }
        _ => String::new(),
    }
}

fn unzipped(body: &[u8]) -> Option<String> {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return String::from_utf8(body.to_vec()).ok();
    }
    let mut text = String::new();
    MultiGzDecoder::new(body).read_to_string(&mut text).ok()?;
    Some(text)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}
