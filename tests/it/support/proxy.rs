//! What may stand between the program and the servers that play AWS: a proxy that opens tunnels (CONNECT), the
//! TLS of the servers that it leads to, roles whose credentials end within seconds, and faults at any call.
//!
//! The servers themselves speak plain HTTP. So the proxy ends TLS where a tunnel begins, with a certificate of the
//! tests' own authority; the program cannot tell them apart.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::authority::Authority;
use super::fake::wire::{Answer, Request, elements};
use super::fake::{named, refusal, unpoisoned};

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(crate) enum Verb {
    /// Refused with this status and code; nothing happens.
    Reject(u16, &'static str),
    /// Refused with a sentence that quotes the request, headers and all.
    Quote(u16, &'static str),
    /// It happens, and the connection closes instead of an answer.
    Lose,
    /// It happens, and the answer waits for so long.
    Hold(Duration),
    /// The connection closes and nothing happens.
    Drop,
}

/// What a proxy does beyond passing requests on.
#[derive(Default)]
pub(crate) struct Rules {
    /// Where requests go that come without a tunnel, and those for AWS's own names: the `host:port` of S3 and that
    /// of all else.
    pub(crate) servers: [String; 2],
    /// The user and the password that tunnels need, in the form of the URL.
    pub(crate) login: Option<Login>,
    /// The credentials of a role end after so long.
    pub(crate) life: Option<Duration>,
    /// Decides what goes wrong with a call of this name.
    pub(crate) judge: Option<Judge>,
    /// The TLS inside tunnels, where it differs from the default.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

pub(crate) type Judge = Box<dyn Fn(&str) -> Option<Verb> + Send + Sync>;

/// `user:password`, and the header that says the same.
#[derive(Clone, Copy)]
pub(crate) struct Login {
    pub(crate) user_info: &'static str,
    pub(crate) header: &'static str,
}

/// What a proxy saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Where tunnels led: `host:port`.
    pub(crate) tunnels: Vec<String>,
    /// The names of the calls, and the access keys that signed them.
    pub(crate) calls: Vec<(String, String)>,
}

/// The proxy; it ends with the test.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    rules: Rules,
    seen: Mutex<Seen>,
    /// When the access keys of roles end.
    ends: Mutex<HashMap<String, Instant>>,
    closing: AtomicBool,
}

impl Proxy {
    pub(crate) fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            rules,
            seen: Mutex::default(),
            ends: Mutex::default(),
            closing: AtomicBool::new(false),
        });
        let proxy = shared.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if proxy.closing.load(Ordering::SeqCst) {
                    break;
                }
                let (proxy, connection) = (proxy.clone(), connection.unwrap());
                // A connection that breaks is the program's affair.
                std::thread::spawn(move || drop(proxy.serve(connection)));
            }
        });
        Self { address, shared }
    }

    /// An endpoint in plain HTTP, for requests without a tunnel.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For `HTTPS_PROXY`.
    pub(crate) fn url(&self) -> String {
        match self.shared.rules.login {
            Some(login) => format!("http://{}@{}", login.user_info, self.address),
            None => self.endpoint(),
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        unpoisoned(&self.shared.seen)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener
    }
}

impl Shared {
    fn serve(&self, connection: TcpStream) -> Result<()> {
        connection.set_nodelay(true)?;
        let mut requests = BufReader::new(connection);
        let Some(first) = Request::read(&mut requests)? else {
            return Ok(());
        };
        if first.method != "CONNECT" {
            return self.converse(&mut requests, None, Some(first));
        }
        let login = self.rules.login.map_or("", |login| login.header);
        if first.header("proxy-authorization") != login {
            return Answer::new(407, "who are you?").write(requests.get_mut(), &first);
        }
        unpoisoned(&self.seen).tunnels.push(first.target.clone());
        requests
            .get_mut()
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        let tls = self.rules.tls.as_ref();
        let tls = ServerConnection::new(tls.unwrap_or(&Authority::get().server).clone())
            .map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))?;
        let mut requests = BufReader::new(StreamOwned::new(tls, requests.into_inner()));
        let place = Some(&*first.target).filter(|target| !target.ends_with(".amazonaws.com:443"));
        self.converse(&mut requests, place, None)
    }

    /// Answers the requests of one connection until a fault, or until the program closes it.
    fn converse<S: Read + Write>(
        &self,
        requests: &mut BufReader<S>,
        place: Option<&str>,
        mut first: Option<Request>,
    ) -> Result<()> {
        while let Some(request) = match first.take() {
            Some(request) => Some(request),
            None => Request::read(requests)?,
        } {
            let (operation, _) = named(&request);
            let key = access_key(&request).to_owned();
            let is_over = unpoisoned(&self.ends)
                .get(&key)
                .is_some_and(|end| *end <= Instant::now());
            unpoisoned(&self.seen).calls.push((operation.clone(), key));
            let fault = self
                .rules
                .judge
                .as_ref()
                .and_then(|judge| judge(&operation));
            let answer = match &fault {
                Some(Verb::Drop) => return Ok(()),
                _ if is_over => refusal(&request, 400, "ExpiredToken", "they have ended"),
                Some(Verb::Reject(status, code)) => refusal(&request, *status, code, "scripted"),
                Some(Verb::Quote(status, code)) => {
                    refusal(&request, *status, code, &quoted(&request))
                }
                _ => self.shorten(
                    &operation,
                    forward(place.unwrap_or(self.place_of(&request)), &request)?,
                ),
            };
            match fault {
                Some(Verb::Lose) => return Ok(()),
                Some(Verb::Hold(time)) => std::thread::sleep(time),
                _ => {}
            }
            answer.write(requests.get_mut(), &request)?;
        }
        Ok(())
    }

    /// Where the service is that the request is for.
    fn place_of(&self, request: &Request) -> &str {
        let [s3, rest] = &self.rules.servers;
        if request.header("authorization").contains("/s3/aws4_request") {
            s3
        } else {
            rest
        }
    }

    /// Lets the credentials in the answer end soon.
    fn shorten(&self, operation: &str, mut answer: Answer) -> Answer {
        let Some(life) = self
            .rules
            .life
            .filter(|_| operation.starts_with("AssumeRole"))
        else {
            return answer;
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let keys = elements(&text, "AccessKeyId");
        let ends = elements(&text, "Expiration");
        if let ([key], [end]) = (&keys[..], &ends[..]) {
            unpoisoned(&self.ends).insert(key.clone(), Instant::now() + life);
            let soon = (jiff::Timestamp::now() + life).to_string();
            answer.body = text.replace(end, &soon).into_bytes();
        }
        answer
    }
}

/// The access key that signed the request.
fn access_key(request: &Request) -> &str {
    let (_, rest) = request
        .header("authorization")
        .split_once("Credential=")
        .unwrap_or_default();
    rest.split('/').next().unwrap_or_default()
}

/// The request as some services quote it in a refusal; what is secret in it comes first, lest it is cut off.
fn quoted(request: &Request) -> String {
    let mut text = request.header("x-amz-security-token").to_owned();
    text.push_str(&format!(" {} {}", request.text(), request.target));
    for (name, value) in &request.headers {
        text.push_str(&format!(" {name}: {value}"));
    }
    text
}

/// Passes the request on, over a connection of its own, as it came.
fn forward(place: &str, request: &Request) -> Result<Answer> {
    let mut connection = TcpStream::connect(place)?;
    connection.set_nodelay(true)?;
    // A server that knows HTTP/1.0 answers with a length, or closes at the end.
    let mut bytes = format!("{} {} HTTP/1.0\r\n", request.method, request.target).into_bytes();
    for (name, value) in &request.headers {
        if name != "expect" {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&request.body);
    connection.write_all(&bytes)?;
    let mut lines = BufReader::new(connection);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let mut answer = Answer::new(status.ok_or(ErrorKind::UnexpectedEof)?, "");
    let mut length = None;
    loop {
        line.clear();
        lines.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse::<u64>().ok();
        }
        if name != "connection" {
            answer.headers.push((name, value));
        }
    }
    if request.method != "HEAD" {
        lines
            .take(length.unwrap_or(u64::MAX))
            .read_to_end(&mut answer.body)?;
        answer.headers.retain(|(name, _)| name != "content-length");
    }
    Ok(answer)
}
