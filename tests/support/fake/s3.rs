//! S3's part of the scripted server: one bucket, objects, and multipart uploads that nobody sees until they complete.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::clock::{Clock, http_date};
use super::multipart::Upload;
use super::names::Names;
use super::parquet;
use super::wire::{Answer, Request, decoded, elements, hex};

/// When what no request made was made.
pub(super) const THEN: &str = "2026-11-22T09:00:00Z";

/// The bucket.
pub(crate) struct Bucket {
    name: &'static str,
    /// Whether objects and parts are kept; else they are counted, and lists are empty.
    pub(super) keeps: bool,
    /// Bytes of objects and parts that were sent.
    pub(crate) sent: u64,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// The keys of objects in the order in which they were made, those of deleted ones too.
    pub(crate) made: Vec<String>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    facts: BTreeMap<String, Fact>,
    pub(super) clock: Clock,
    /// How many entries a listing gives at most; S3's own number is 1000.
    pub(crate) page: usize,
    pub(super) begun: usize,
    pub(crate) conditions: Conditions,
}

/// What the store does with a write under a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conditions {
    #[default]
    Kept,
    /// It answers that it does not know them.
    Refused,
    /// It writes whatever there is.
    Ignored,
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

/// What S3 keeps of an object beside its bytes, also where those are not kept.
pub(super) struct Fact {
    pub(super) etag: String,
    pub(super) modified: Timestamp,
}

impl Bucket {
    pub(super) fn new(name: &'static str, keeps: bool, clock: Clock) -> Self {
        Self {
            name,
            keeps,
            sent: 0,
            objects: BTreeMap::new(),
            made: Vec::new(),
            uploads: BTreeMap::new(),
            facts: BTreeMap::new(),
            clock,
            page: 1000,
            begun: 0,
            conditions: Conditions::Kept,
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
            "PutObject" => self.put(key, request, names, note),
            "GetObject" | "HeadObject" => self.get(key, request),
            "DeleteObject" => {
                if let Err(answer) = self.allowed(key, request) {
                    return answer;
                }
                self.remove(key, names, note);
                Answer::new(204, "")
            }
            "DeleteObjects" => self.delete(request, names, note),
            "CopyObject" => self.copy(key, request, names, note),
            "ListObjectsV2" => self.list(request),
            "CreateMultipartUpload" => self.begin(key, names, note),
            "ListMultipartUploads" => self.list_uploads(request),
            "UploadPart"
            | "UploadPartCopy"
            | "ListParts"
            | "CompleteMultipartUpload"
            | "AbortMultipartUpload" => self.multipart(operation, key, request, names, note),
            _ => error(501, "NotImplemented"),
        }
    }

    /// The rows of every object that engines read for a table of this location.
    pub(crate) fn rows(&self, folder: &str) -> Vec<Map<String, Value>> {
        let below = self.objects.iter().filter(|(key, _)| is_read(key, folder));
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

    fn put(
        &mut self,
        key: &str,
        request: &mut Request,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Answer {
        if let Err(answer) = self.allowed(key, request) {
            return answer;
        }
        let rows = rows_of(&request.body);
        note(format!("PUT {}{rows}", names.short(key)));
        self.sent += request.length as u64;
        let tag = etag_of(request);
        let body = std::mem::take(&mut request.body);
        self.store(key, body, tag.clone());
        Answer::new(200, "").with("etag", tag)
    }

    /// An object was made.
    pub(super) fn store(&mut self, key: &str, body: Vec<u8>, etag: String) {
        let modified = self.clock.now();
        self.made.push(key.to_owned());
        self.facts.insert(key.to_owned(), Fact { etag, modified });
        if self.keeps {
            self.objects.insert(key.to_owned(), body);
        }
    }

    fn get(&self, key: &str, request: &Request) -> Answer {
        let Some(body) = self.objects.get(key) else {
            return error(404, "NoSuchKey");
        };
        let Fact { etag, modified } = self.fact(key, body);
        let is_same =
            |header: &str| request.header(header).trim_matches('"') == etag.trim_matches('"');
        let has = |header: &str| !request.header(header).is_empty();
        if has("if-match") && !is_same("if-match") {
            return error(412, "PreconditionFailed");
        }
        if has("if-none-match") && is_same("if-none-match") {
            return Answer::new(304, "");
        }
        Answer::new(200, body.clone())
            .with("etag", etag)
            .with("last-modified", http_date(modified))
    }

    /// What is known of an object; a test may have put it there by its own hand, long ago.
    pub(super) fn fact(&self, key: &str, body: &[u8]) -> Fact {
        match self.facts.get(key) {
            Some(Fact { etag, modified }) => Fact {
                etag: etag.clone(),
                modified: *modified,
            },
            None => Fact {
                etag: etag(body),
                modified: THEN.parse().unwrap(),
            },
        }
    }

    /// Whether the conditions hold under which the request writes or deletes the object.
    pub(super) fn allowed(&self, key: &str, request: &Request) -> Result<(), Answer> {
        let is_conditional = ["if-none-match", "if-match"]
            .iter()
            .any(|name| request.headers.contains_key(*name));
        match self.conditions {
            Conditions::Refused if is_conditional => return Err(error(501, "NotImplemented")),
            Conditions::Ignored => return Ok(()),
            _ => {}
        }
        let known = self.facts.get(key).map(|fact| fact.etag.clone());
        let found = known.or_else(|| self.objects.get(key).map(|body| etag(body)));
        match request.header("if-none-match") {
            "*" if found.is_some() => return Err(error(412, "PreconditionFailed")),
            "" | "*" => {}
            _ => return Err(error(501, "NotImplemented")),
        }
        let wanted = request.header("if-match").trim_matches('"');
        match found {
            _ if wanted.is_empty() => Ok(()),
            None => Err(error(404, "NoSuchKey")),
            Some(etag) if wanted == "*" || etag.trim_matches('"') == wanted => Ok(()),
            Some(_) => Err(error(412, "PreconditionFailed")),
        }
    }

    fn remove(&mut self, key: &str, names: &mut Names, note: &mut dyn FnMut(String)) {
        self.facts.remove(key);
        if self.objects.remove(key).is_some() {
            note(format!("DELETE {}", names.short(key)));
        }
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
            self.remove(&key, names, note);
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
        if let Err(answer) = self.allowed(key, request) {
            return answer;
        }
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
        self.store(key, body, tag.clone());
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

pub(super) fn error(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>as S3 says</Message></Error>");
    Answer::new(status, body).with("content-type", "application/xml")
}

/// The ETag of the body of a request.
pub(super) fn etag_of(request: &Request) -> String {
    match &request.hashes {
        Some(hashes) => format!("\"{}\"", &hashes.sha256[..32]),
        None => "\"00\"".to_owned(),
    }
}

/// An ETag: any text that differs from body to body will do.
pub(super) fn etag(body: &[u8]) -> String {
    format!("\"{}\"", &hex(&Sha256::digest(body))[..32])
}

/// ` 12 rows` for an object of JSON lines, plain or gzipped; nothing for other bodies.
pub(super) fn rows_of(body: &[u8]) -> String {
    match unzipped(body) {
        Some(text) if text.starts_with('{') && text.ends_with('\n') => {
            format!(" {} rows", text.lines().count())
        }
        _ => String::new(),
    }
}

/// Whether engines read the object for a table of this location: not so below a name that they hide.
pub(crate) fn is_read(key: &str, folder: &str) -> bool {
    let below = key.strip_prefix(folder);
    below.is_some_and(|below| !below.split('/').any(|name| name.starts_with(['_', '.'])))
}

/// The lines of an object of rows; of Parquet the ids alone.
pub(crate) fn unzipped(body: &[u8]) -> Option<String> {
    if body.starts_with(b"PAR1") {
        let ids = parquet::integers(body, "id");
        return Some(ids.iter().map(|id| format!("{{\"id\":{id}}}\n")).collect());
    }
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
