//! S3, Glue and STS on loopback that keep no object: bodies are counted, checked against what their headers say of
//! them, and thrown away. Tables are kept, so that a sync finds what it made.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How much of a body is read at once.
const BLOCK: usize = 256 * 1024;

/// Whether bodies are compared with their hashes, which costs the server's core as much as the program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashes {
    Checked,
    Unchecked,
}

/// The servers, for as long as the process lives.
#[derive(Clone)]
pub(crate) struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    checks_hashes: AtomicBool,
    /// Bytes of objects and parts.
    stored: AtomicU64,
    /// Objects that were put or completed.
    objects: AtomicU64,
    uploads: AtomicU64,
    first_part: OnceLock<Instant>,
    /// By database, then by name: the definition and its version.
    tables: Mutex<HashMap<String, (Value, u64)>>,
    faults: Mutex<Vec<String>>,
}

struct Head {
    method: String,
    path: String,
    query: String,
    headers: HashMap<String, String>,
}

impl Head {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl StandIn {
    /// Answers from now on; every connection has a thread.
    pub(crate) fn start(hashes: Hashes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        shared
            .checks_hashes
            .store(hashes == Hashes::Checked, Ordering::Relaxed);
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                std::thread::spawn(move || drop(server.serve(&connection)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Bytes of objects that came so far.
    pub(crate) fn stored(&self) -> u64 {
        self.shared.stored.load(Ordering::Relaxed)
    }

    /// Objects that became visible so far.
    pub(crate) fn objects(&self) -> u64 {
        self.shared.objects.load(Ordering::Relaxed)
    }

    /// When the first byte of a part came, or a whole object.
    pub(crate) fn first_part(&self) -> Option<Instant> {
        self.shared.first_part.get().copied()
    }

    /// What clients sent that is not what their headers said.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.shared.faults.lock().expect("no panic").clone()
    }

    /// The program's configuration for these servers.
    pub(crate) fn config(&self, codec: &str) -> Value {
        json!({
            "credentials": {
                "credentials_title": "IAM User",
                "aws_access_key_id": KEY,
                "aws_secret_access_key": SECRET,
            },
            "region": "us-east-1",
            "bucket_name": "bench",
            "bucket_prefix": "lake",
            "lakeformation_database_name": "bench",
            "endpoint_url": self.endpoint(),
            "format": {"format_type": "JSONL", "compression_codec": codec},
        })
    }
}

/// Any would do: signatures are not checked.
pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

impl Shared {
    fn serve(&self, connection: &TcpStream) -> Result<()> {
        connection.set_nodelay(true)?;
        let mut input = BufReader::with_capacity(BLOCK, connection);
        let mut block = vec![0; BLOCK];
        while let Some(head) = read_head(&mut input)? {
            let Ok(length) = head.header("content-length").parse::<usize>() else {
                if head.headers.contains_key("transfer-encoding") {
                    self.fault(&head, "its body has no length");
                    return Ok(());
                }
                self.answer(&head, &[], connection)?;
                continue;
            };
            if head.header("expect") == "100-continue" {
                (&*connection).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            if head.method == "PUT" {
                self.take(&head, length, &mut input, &mut block)?;
                self.answer(&head, &[], connection)?;
            } else {
                let mut body = vec![0; length];
                input.read_exact(&mut body)?;
                self.check(&head, &Sha256::digest(&body));
                self.answer(&head, &body, connection)?;
            }
        }
        Ok(())
    }

    /// Reads a body that is not kept. One that is shorter than its length ends the connection.
    fn take(
        &self,
        head: &Head,
        length: usize,
        input: &mut impl Read,
        block: &mut [u8],
    ) -> Result<()> {
        let checks = self.checks_hashes.load(Ordering::Relaxed);
        let mut hash = Sha256::new();
        let mut left = length;
        while left > 0 {
            let room = left.min(block.len());
            let count = input.read(&mut block[..room])?;
            if count == 0 {
                self.fault(head, "its body is shorter than its length");
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.first_part.get_or_init(Instant::now);
            if checks {
                hash.update(&block[..count]);
            }
            left -= count;
        }
        if checks {
            self.check(head, &hash.finalize());
        }
        self.stored.fetch_add(length as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Other clients may leave the payload unsigned, or sign it in pieces.
    fn check(&self, head: &Head, hash: &[u8]) {
        let named = head.header("x-amz-content-sha256");
        if named.len() == 64 && named != hex(hash) {
            self.fault(head, "its body is not what x-amz-content-sha256 says");
        }
    }

    fn fault(&self, head: &Head, what: &str) {
        let fault = format!("{} {}?{}: {what}", head.method, head.path, head.query);
        self.faults.lock().expect("no panic").push(fault);
    }

    fn answer(&self, head: &Head, body: &[u8], mut connection: &TcpStream) -> Result<()> {
        let (status, body) = if head.headers.contains_key("x-amz-target") {
            self.glue(head.header("x-amz-target"), body)
        } else {
            (200, self.s3(head))
        };
        let answer = format!(
            "HTTP/1.1 {status} Bench\r\nx-amz-request-id: BENCH\r\netag: \"00\"\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(answer.as_bytes())
    }

    fn s3(&self, head: &Head) -> String {
        let has = |name: &str| {
            let mut names = head.query.split('&').map(|pair| pair.split('=').next());
            names.any(|found| found == Some(name))
        };
        let (root, inside) = match &*head.method {
            "PUT" => {
                if !has("partNumber") {
                    self.objects.fetch_add(1, Ordering::Relaxed);
                }
                return String::new();
            }
            "POST" if has("uploads") => {
                let id = self.uploads.fetch_add(1, Ordering::Relaxed);
                (
                    "InitiateMultipartUploadResult",
                    format!("<UploadId>upload-{id}</UploadId>"),
                )
            }
            "POST" if has("uploadId") => {
                self.objects.fetch_add(1, Ordering::Relaxed);
                (
                    "CompleteMultipartUploadResult",
                    "<ETag>\"00-1\"</ETag>".to_owned(),
                )
            }
            "POST" if has("delete") => ("DeleteResult", String::new()),
            "POST" => (
                "GetCallerIdentityResponse",
                "<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult>"
                    .to_owned(),
            ),
            "GET" if has("uploads") => (
                "ListMultipartUploadsResult",
                "<IsTruncated>false</IsTruncated>".to_owned(),
            ),
            "GET" if has("location") => ("LocationConstraint", String::new()),
            "GET" => (
                "ListBucketResult",
                "<IsTruncated>false</IsTruncated><KeyCount>0</KeyCount>".to_owned(),
            ),
            _ => return String::new(), // HEAD and DELETE
        };
        format!("<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inside}</{root}>")
    }

    fn glue(&self, target: &str, body: &[u8]) -> (u16, String) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let database = body["DatabaseName"].as_str().unwrap_or_default();
        let name = body["Name"]
            .as_str()
            .or_else(|| body["TableInput"]["Name"].as_str());
        let key = format!("{database}.{}", name.unwrap_or_default());
        let mut tables = self.tables.lock().expect("no panic");
        let answer = match operation {
            "GetDatabase" => json!({"Database": {"Name": body["Name"]}}),
            "GetTable" => {
                let Some((input, version)) = tables.get(&key) else {
                    let code = "EntityNotFoundException";
                    return (400, json!({"__type": code, "Message": key}).to_string());
                };
                let mut table = input.clone();
                table["DatabaseName"] = database.into();
                table["VersionId"] = version.to_string().into();
                json!({"Table": table})
            }
            "CreateTable" | "UpdateTable" => {
                let version = tables.get(&key).map_or(0, |(_, version)| version + 1);
                tables.insert(key, (body["TableInput"].clone(), version));
                json!({})
            }
            "GetPartitions" => json!({"Partitions": []}),
            _ => json!({}),
        };
        (200, answer.to_string())
    }
}

fn read_head(input: &mut impl BufRead) -> Result<Option<Head>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut head = Head {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: HashMap::new(),
    };
    loop {
        line.clear();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok(Some(head));
        };
        head.headers
            .insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
