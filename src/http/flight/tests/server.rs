//! The servers of the simulated network: HTTP over TLS where the port says so, behind a proxy where the address does.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::http::flight::tests::world::Weather;

/// A server at the end of a line. It writes down what it does in the answers: each names its request and the bytes of
/// its body that came.
pub(super) struct Server {
    /// What the bytes pass on their way, from the outside.
    layers: Vec<Layer>,
    random: Rng,
    weather: Weather,
    /// Bytes of HTTP that came and were not read yet.
    input: Vec<u8>,
    /// Bytes that are sent when their time comes.
    output: Vec<(Instant, Vec<u8>)>,
    interim: bool,
    end: End,
}

/// How far the server is with the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// Once its output is sent.
    Closes,
    /// The same, but in the middle of an answer.
    Breaks,
    Closed,
    Reset,
}

enum Layer {
    Tls(Box<ServerConnection>),
    /// A proxy that has not answered yet, or has.
    Tunnel {
        is_open: bool,
        input: Vec<u8>,
    },
}

impl Server {
    pub(super) fn new(address: SocketAddr, random: Rng, weather: Weather) -> Self {
        let is_proxy = address.ip().to_string().ends_with('3');
        let tls = || Layer::Tls(Box::new(ServerConnection::new(config()).unwrap()));
        let layers = match (is_proxy, address.port()) {
            (true, 443) => vec![tls(), tunnel(), tls()],
            (true, _) => vec![tunnel(), tls()],
            (false, 443) => vec![tls()],
            (false, _) => Vec::new(),
        };
        Self {
            layers,
            random,
            weather,
            input: Vec::new(),
            output: Vec::new(),
            interim: false,
            end: End::Open,
        }
    }

    pub(super) fn has_closed(&self) -> bool {
        self.end == End::Closed
    }

    pub(super) fn has_reset(&self) -> bool {
        self.end == End::Reset
    }

    /// When it does something by itself.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let dues = self.output.iter().map(|(time, _)| *time);
        dues.filter(|time| *time > now).min()
    }

    /// Takes bytes of the line.
    pub(super) fn take(&mut self, bytes: &[u8], now: Instant) {
        let mut bytes = bytes.to_vec();
        for layer in &mut self.layers {
            match layer {
                Layer::Tls(tls) => bytes = decrypted(tls, &bytes),
                Layer::Tunnel { is_open: true, .. } => {}
                Layer::Tunnel { is_open, input } => {
                    input.extend(std::mem::take(&mut bytes));
                    if input.ends_with(b"\r\n\r\n") {
                        assert!(input.starts_with(b"CONNECT far.test:443 HTTP/1.1\r\n"));
                        *is_open = true;
                        let answer = b"HTTP/1.1 200 Connected\r\nx: y\r\n\r\n".to_vec();
                        self.output.push((now, answer));
                    }
                    break;
                }
            }
        }
        // The tunnel's own answer passes only the layers outside of it; `give` knows by whether the inner ones spoke.
        self.input.extend(bytes);
        if self.end == End::Open {
            self.serve(now);
        }
    }

    /// The bytes for the line that are due.
    pub(super) fn give(&mut self, now: Instant) -> Vec<u8> {
        let (due, later) = std::mem::take(&mut self.output)
            .into_iter()
            .partition::<Vec<_>, _>(|(time, _)| *time <= now);
        self.output = later;
        let mut bytes: Vec<u8> = due.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let is_of_tunnel = bytes.starts_with(b"HTTP/1.1 200 Connected");
        let is_over = self.output.is_empty();
        let says_goodbye = is_over && self.end == End::Closes;
        for layer in self.layers.iter_mut().rev() {
            match layer {
                Layer::Tunnel { .. } => {}
                Layer::Tls(tls) if is_of_tunnel && tls.is_handshaking() => {}
                Layer::Tls(tls) => {
                    if says_goodbye {
                        tls.writer().write_all(&bytes).unwrap();
                        tls.send_close_notify();
                        bytes.clear();
                    }
                    bytes = encrypted(tls, &bytes);
                }
            }
        }
        if is_over && matches!(self.end, End::Closes | End::Breaks) {
            self.end = End::Closed;
        }
        bytes
    }

    fn serve(&mut self, now: Instant) {
        while let Some(end) = find(&self.input, b"\r\n\r\n") {
            let head = String::from_utf8(self.input[..end].to_vec()).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            let fate = match self.weather {
                Weather::Calm => 99,
                Weather::Storm => self.random.u8(..30),
            };
            if !self.interim {
                self.interim = true;
                if fate == 0 {
                    // Refuses before it has read the body.
                    return self.answer(now, &format!("{target} refused"), 403, true);
                }
                let expects = head.contains("expect: 100-continue");
                if expects && self.random.bool() || self.random.u8(..10) == 0 {
                    self.send(now, b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
                }
            }
            if self.input.len() < end + length {
                return;
            }
            self.interim = false;
            let body: Vec<u8> = self.input.drain(..end + length).skip(end).collect();
            let text = format!("{target} {} {}", body.len(), crc32fast::hash(&body));
            match fate {
                1 => self.end = End::Breaks,
                2 => self.end = End::Reset,
                // Never answers.
                3 => return,
                4 => {
                    self.answer(now, &text, 200, true);
                    self.cut();
                }
                _ => {
                    let closes = self.random.u8(..8) == 0;
                    self.answer(now, &text, 200, closes);
                }
            }
            if self.end != End::Open {
                return;
            }
        }
    }

    fn answer(&mut self, now: Instant, text: &str, status: u16, closes: bool) {
        if closes {
            self.end = End::Closes;
        }
        let connection = if closes { "connection: close\r\n" } else { "" };
        let answer = match self.random.u8(..3) {
            0 if closes => format!("HTTP/1.1 {status} X\r\n{connection}\r\n{text}"),
            1 => {
                let (one, two) = text.split_at(text.len() / 2);
                format!(
                    "HTTP/1.1 {status} X\r\n{connection}transfer-encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
                    one.len(),
                    two.len()
                )
            }
            _ => format!(
                "HTTP/1.1 {status} X\r\n{connection}content-length: {}\r\n\r\n{text}",
                text.len()
            ),
        };
        let wait = Duration::from_millis(self.random.u64(0..60));
        self.send(now + wait, answer.into_bytes());
    }

    /// Cuts the last answer off; the client must notice, unless only the end of the connection tells where it ends.
    fn cut(&mut self) {
        let (_, last) = self.output.last_mut().unwrap();
        let has_length = |what: &[u8]| find(last, what).is_some();
        let end_says = !has_length(b"chunked") && !has_length(b"content-length");
        if !self.layers.is_empty() || !end_says {
            last.truncate(self.random.usize(..last.len()));
            self.end = End::Breaks;
        }
    }

    fn send(&mut self, at: Instant, bytes: Vec<u8>) {
        let last = self.output.last().map_or(at, |(time, _)| at.max(*time));
        self.output.push((last, bytes));
    }
}

fn tunnel() -> Layer {
    Layer::Tunnel {
        is_open: false,
        input: Vec::new(),
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let place = bytes.windows(what.len()).position(|window| window == what);
    place.map(|place| place + what.len())
}

fn decrypted(tls: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !bytes.is_empty() {
        tls.read_tls(&mut bytes).unwrap();
        tls.process_new_packets().unwrap();
        let mut block = [0; 4096];
        while let Ok(count @ 1..) = tls.reader().read(&mut block) {
            plain.extend(&block[..count]);
        }
    }
    plain
}

fn encrypted(tls: &mut ServerConnection, plain: &[u8]) -> Vec<u8> {
    tls.writer().write_all(plain).unwrap();
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).unwrap();
    }
    bytes
}

fn config() -> Arc<ServerConfig> {
    static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
        let certificate = include_bytes!("../../../../fixtures/tls/server.pem");
        let key = include_bytes!("../../../../fixtures/tls/server.key.pem");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate).unwrap()],
                PrivateKeyDer::from_pem_slice(key).unwrap(),
            )
            .unwrap();
        Arc::new(config)
    });
    Arc::clone(&CONFIG)
}
