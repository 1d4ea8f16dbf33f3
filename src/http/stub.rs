//! An HTTP server for tests: answers with a function or a script, and records the requests.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.0 == name);
        header.map(|header| header.1.as_str())
    }
}

/// A reply to a request, or a failure in its place.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Say {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The reply, after this long.
    Late(Duration, Box<Self>),
    /// Closes the connection without a reply.
    Lose,
    /// Promises this many bytes more than it sends, then closes.
    CutShort(u16, &'static str),
    /// Sends nothing for this long, then closes.
    Hold(Duration),
    /// Sends a beginning, then a piece again and again as fast as it is read.
    Flood(&'static str, &'static str),
}

impl Reply {
    pub(crate) fn say(status: u16, body: impl Into<String>) -> Self {
        Self::Say {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Say { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

/// The server; it ends with the test's process.
pub(crate) struct Server {
    pub(crate) authority: String,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<Mutex<usize>>,
}

impl Server {
    /// Answers with the function's replies.
    #[allow(clippy::disallowed_methods)] // a server needs a thread of its own
    pub(crate) fn start(answer: impl FnMut(&Received) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            authority: listener.local_addr().unwrap().to_string(),
            received: Arc::default(),
            connections: Arc::default(),
        };
        let received = Arc::clone(&server.received);
        let connections = Arc::clone(&server.connections);
        let answer = Arc::new(Mutex::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                *connections.lock().unwrap() += 1;
                let (answer, received) = (Arc::clone(&answer), Arc::clone(&received));
                std::thread::spawn(move || serve(&stream.unwrap(), &*answer, &received));
            }
        });
        server
    }

    /// Answers with these replies in order, then with the last one again and again.
    pub(crate) fn script(replies: Vec<Reply>) -> Self {
        let mut at = 0;
        Self::start(move |_| {
            let reply = replies[at.min(replies.len() - 1)].clone();
            at += 1;
            reply
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// Answers the requests of one connection.
fn serve(
    stream: &TcpStream,
    answer: &Mutex<impl FnMut(&Received) -> Reply>,
    received: &Mutex<Vec<Received>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read(&mut reader) {
        let reply = (answer.lock().unwrap())(&request);
        received.lock().unwrap().push(request.clone());
        if !reply.send(stream, request.method == "HEAD") {
            break;
        }
    }
}

impl Reply {
    /// Sends the reply; false where the connection ends.
    fn send(&self, mut stream: &TcpStream, is_head: bool) -> bool {
        let text = match self {
            Self::Say {
                status,
                headers,
                body,
            } => {
                let mut text = format!("HTTP/1.1 {status} X\r\n");
                if !headers.iter().any(|header| header.0 == "content-length") {
                    let _ = write!(text, "content-length: {}\r\n", body.len());
                }
                for (name, value) in headers {
                    for piece in [name, ": ", value, "\r\n"] {
                        text.push_str(piece);
                    }
                }
                text.push_str("\r\n");
                if !is_head {
                    text.push_str(body);
                }
                return stream.write_all(text.as_bytes()).is_ok();
            }
            Self::Late(span, reply) => {
                #[allow(clippy::disallowed_methods)] // the server's time, not the program's
                std::thread::sleep(*span);
                return reply.send(stream, is_head);
            }
            Self::Lose => String::new(),
            Self::CutShort(more, body) => {
                let length = body.len() + usize::from(*more);
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
            }
            Self::Flood(beginning, piece) => {
                let _ = stream.write_all(beginning.as_bytes());
                let pieces = piece.repeat(1000);
                while stream.write_all(pieces.as_bytes()).is_ok() {}
                String::new()
            }
            Self::Hold(span) => {
                #[allow(clippy::disallowed_methods)] // the server's time, not the program's
                std::thread::sleep(*span);
                String::new()
            }
        };
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.shutdown(Shutdown::Both);
        false
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut received = Received {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    let length = received.header("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    received.body.resize(length, 0);
    reader.read_exact(&mut received.body).ok()?;
    Some(received)
}
