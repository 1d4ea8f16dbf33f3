//! HTTP/1.1 as far as the scripted server needs it: requests with a known length, answers with one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Result, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// How much is read at once: large enough that a part passes in few reads.
pub(super) const BLOCK: usize = 256 * 1024;

/// A request, decoded.
pub(crate) struct Request {
    pub(crate) method: String,
    /// As it was sent.
    pub(crate) target: String,
    /// Without the query, percent-decoded.
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// Empty where the body is not kept.
    pub(crate) body: Vec<u8>,
    /// Of the body, kept or not.
    pub(crate) length: usize,
    /// Of the body, where they are asked for.
    pub(super) hashes: Option<Hashes>,
}

/// What a body hashes to.
pub(super) struct Hashes {
    /// In hexadecimal digits.
    pub(super) sha256: String,
    pub(super) crc32: u32,
}

/// How bodies are read.
pub(super) struct Bodies {
    pub(super) hashes: bool,
    pub(super) bandwidth: Bandwidth,
    block: Vec<u8>,
}

impl Bodies {
    pub(super) fn new(hashes: bool, bandwidth: Bandwidth) -> Self {
        let block = vec![0; BLOCK];
        Self {
            hashes,
            bandwidth,
            block,
        }
    }
}

/// The bandwidth of a connection in bytes per second; without a number there is no limit.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bandwidth(pub(crate) Option<u64>);

impl Bandwidth {
    /// Waits until so many bytes may have passed since the beginning.
    pub(super) fn wait(self, begin: Instant, bytes: usize) {
        let Some(rate) = self.0 else { return };
        let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(rate.max(1));
        let time = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        std::thread::sleep(time.saturating_sub(begin.elapsed()));
    }
}

impl Request {
    /// The next request of a connection, whole, or nothing when the client is done with it.
    pub(crate) fn read<S: Read + Write>(connection: &mut BufReader<S>) -> Result<Option<Self>> {
        let Some(mut request) = Self::read_head(connection)? else {
            return Ok(None);
        };
        request.body = vec![0; request.length];
        connection.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    /// The next request of a connection up to its body, which the client has been asked for.
    pub(super) fn read_head<S: Read + Write>(
        connection: &mut BufReader<S>,
    ) -> Result<Option<Self>> {
        let mut first = String::new();
        if connection.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut words = first.split_whitespace();
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let path = decoded(path);
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            connection.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        if headers
            .get("expect")
            .is_some_and(|value| value == "100-continue")
        {
            connection
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = headers
            .get("content-length")
            .map_or(0, |text| text.parse().unwrap_or(0));
        Ok(Some(Self {
            method,
            target,
            path,
            query,
            headers,
            body: Vec::new(),
            length,
            hashes: None,
        }))
    }

    /// Reads the body, and keeps it or not; `arrived` is called with its first bytes. One that is shorter than its length
    /// is an error.
    pub(super) fn read_body(
        &mut self,
        connection: &mut impl Read,
        bodies: &mut Bodies,
        keep: bool,
        arrived: impl Fn(),
    ) -> Result<()> {
        let begin = Instant::now();
        let (mut sha256, mut crc32) = (Sha256::new(), crc32fast::Hasher::new());
        if keep {
            self.body.reserve_exact(self.length);
        }
        let mut left = self.length;
        while left > 0 {
            let room = left.min(BLOCK);
            let count = connection.read(&mut bodies.block[..room])?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if left == self.length {
                arrived();
            }
            let bytes = &bodies.block[..count];
            if bodies.hashes {
                sha256.update(bytes);
                crc32.update(bytes);
            }
            if keep {
                self.body.extend_from_slice(bytes);
            }
            left -= count;
            bodies.bandwidth.wait(begin, self.length - left);
        }
        self.hashes = bodies.hashes.then(|| Hashes {
            sha256: hex(&sha256.finalize()),
            crc32: crc32.finalize(),
        });
        Ok(())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn has(&self, parameter: &str) -> bool {
        self.query.contains_key(parameter)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What is sent instead.
    pub(super) raw: Option<Raw>,
}

/// Sends something else than the answer, which may be a part of it; an error closes the connection.
pub(crate) type Raw = Arc<dyn Fn(&mut dyn Write, &Answer) -> Result<()> + Send + Sync>;

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            raw: None,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn write(&self, connection: &mut impl Write, request: &Request) -> Result<()> {
        if let Some(raw) = &self.raw {
            return raw(connection, self);
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let has = |wanted| self.headers.iter().any(|(name, _)| name == wanted);
        if !has("date") {
            let now = jiff::Timestamp::now();
            let date = jiff::fmt::rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&now)
                .expect("the year has four digits");
            head.push_str(&format!("date: {date}\r\n"));
        }
        if !has("x-amz-request-id") {
            head.push_str("x-amz-request-id: FAKE\r\n");
        }
        if !has("content-length") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        // In one piece: a second small write would wait for the client's delayed acknowledgement.
        let mut bytes = head.into_bytes();
        if request.method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        connection.write_all(&bytes)?;
        connection.flush()
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Percent-decoded; a plus is a plus.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Text for the inside of an XML element.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The texts of every element of this name, in order, unescaped; for the flat documents that clients send.
pub(crate) fn elements(document: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    document
        .split(&open)
        .skip(1)
        .filter_map(|rest| rest.split(&close).next())
        .map(|text| {
            text.replace("&quot;", "\"")
                .replace("&#34;", "\"")
                .replace("&apos;", "'")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&")
        })
        .collect()
}
