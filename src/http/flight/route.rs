//! The way to a server: the address to dial, and what lies between that and its HTTP.

use ureq_proto::http::Uri;

use crate::http::{AGENT, Failure, Proxy};
use crate::text;

/// A way to a server. Connections of one route are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The host and the port that are dialed: the server's, or the proxy's.
    pub(super) host: String,
    pub(super) port: u16,
    /// What is passed on the way, in this order.
    pub(super) layers: Vec<Layer>,
}

/// A layer between the socket and HTTP.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Layer {
    /// TLS with this host.
    Tls(String),
    /// A tunnel that a proxy opens when it is sent this.
    Tunnel(Vec<u8>),
}

/// Never prints the tunnel's request, which may hold a password.
impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tls(host) => write!(f, "TLS with {host}"),
            Self::Tunnel(_) => f.write_str("a tunnel"),
        }
    }
}

impl Route {
    /// The route to the server of a URL. Plain HTTP is for nearby servers that the user named, so it never uses the proxy.
    pub(super) fn new(url: &str, proxy: Option<&Proxy>) -> Result<Self, Failure> {
        let malformed = || Failure::Unsendable("its URL is malformed".into());
        let uri: Uri = url.parse().map_err(|_| malformed())?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(malformed)?;
        let name = bare(host);
        let (port, mut layers) = match uri.scheme_str() {
            Some("http") => (80, Vec::new()),
            Some("https") => (443, vec![Layer::Tls(name.to_owned())]),
            _ => return Err(malformed()),
        };
        let port = uri.port_u16().unwrap_or(port);
        let Some(proxy) = proxy.filter(|proxy| !layers.is_empty() && proxy.serves(host, port))
        else {
            return Ok(Self {
                host: name.to_owned(),
                port,
                layers,
            });
        };
        layers.insert(0, Layer::Tunnel(tunnel(host, port, proxy)));
        if proxy.is_secure() {
            layers.insert(0, Layer::Tls(bare(proxy.host()).to_owned()));
        }
        Ok(Self {
            host: bare(proxy.host()).to_owned(),
            port: proxy.port(),
            layers,
        })
    }
}

/// The host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn tunnel(host: &str, port: u16, proxy: &Proxy) -> Vec<u8> {
    let mut request = format!(
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {AGENT}\r\nProxy-Connection: Keep-Alive\r\n"
    );
    if let Some(login) = proxy.login() {
        let login = text::base64(login.reveal().as_bytes());
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&login);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.into_bytes()
}
