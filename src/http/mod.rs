//! The HTTP client: the only module that opens sockets.
//! It knows no AWS: what a response means, and whether to retry, is decided by its callers.

mod bounds;
mod cryptography;
mod proxy;
mod resolver;
pub(crate) mod retry;
mod roots;
mod socket;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
mod tls;

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::Body;
use ureq::config::{AutoHeaderValue, Config};
use ureq::http::{HeaderMap, HeaderValue, Request as WireRequest, Uri};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector};

use crate::interrupt::{self, Stopped};
use crate::time::Clock;

pub(crate) use bounds::Timeouts;
pub(crate) use proxy::Proxy;
pub(crate) use roots::RootCertificates;

use resolver::BlockingResolver;
use socket::SocketConnector;

/// How long to wait for a requested `100 Continue`; then the body is sent anyway, for servers that do not support it.
const AWAIT_CONTINUE: Duration = Duration::from_millis(500);

/// A request method; AWS needs no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Delete,
    Get,
    Head,
    Post,
    Put,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// A request, sent as it is: the URL is not encoded again.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: String,
    /// Without `host` and `content-length`, which follow from the URL and the body.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
    /// The longest body of a response in bytes; a longer one is an error.
    pub(crate) limit: usize,
}

/// A server's response, of any status.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The header's value; nothing where it is absent or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why a request got no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection was made in time, so nothing was sent: the server is down, or a firewall is in between.
    ConnectTimeout(String),
    /// No connection was made, so nothing was sent.
    Unreachable(String),
    /// The response did not arrive, or not whole; the server may have carried the request out.
    Lost(String),
    /// The server's certificate is not trusted, or the proxy wants other credentials: no retry will help.
    Forbidden(String),
    /// The response's body is longer than the request allowed.
    TooLong(usize),
    /// The request is malformed and cannot be sent.
    Unsendable(String),
    /// A signal asked the run to end.
    Stopped(Stopped),
}

impl Failure {
    /// Adds the server's name, which the network's own message leaves out.
    #[must_use]
    pub(crate) fn at(mut self, authority: &str) -> Self {
        match &mut self {
            Self::ConnectTimeout(why)
            | Self::Unreachable(why)
            | Self::Lost(why)
            | Self::Forbidden(why) => why.insert_str(0, &format!("{authority}: ")),
            Self::TooLong(_) | Self::Unsendable(_) | Self::Stopped(_) => {}
        }
        self
    }
}

/// The longest head of a response, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// The HTTP client: an agent for direct connections, and one for the proxy, each with its pool of connections.
pub(crate) struct Client {
    timeouts: Timeouts,
    direct: ureq::Agent,
    proxied: Option<(Proxy, ureq::Agent)>,
}

impl Client {
    pub(crate) fn new(timeouts: Timeouts, roots: &RootCertificates, proxy: Option<Proxy>) -> Self {
        let agent = |proxy| {
            // No resolve, call or global timeout: ureq's resolver starts a thread for those.
            let config = Config::builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(proxy)
                .tls_config(roots.tls())
                .timeout_connect(Some(timeouts.connect))
                .timeout_await_100(Some(AWAIT_CONTINUE))
                .timeout_per_read(Some(timeouts.silence))
                .timeout_per_write(Some(timeouts.silence))
                .timeout_send_request(Some(timeouts.attempt))
                .timeout_recv_response(Some(timeouts.attempt))
                .max_response_header_size(LONGEST_HEAD)
                .user_agent(concat!(
                    "destination-aws-datalake/",
                    env!("CARGO_PKG_VERSION")
                ))
                .accept(AutoHeaderValue::None)
                .accept_encoding(AutoHeaderValue::None)
                .build();
            let connector = ConnectProxyConnector::default()
                .chain(SocketConnector)
                .chain(RustlsConnector::default());
            ureq::Agent::with_parts(config, connector, BlockingResolver::default())
        };
        Self {
            timeouts,
            direct: agent(None),
            proxied: proxy.map(|proxy| {
                let agent = agent(Some(proxy.ureq()));
                (proxy, agent)
            }),
        }
    }

    /// The agent for this URL. Plain HTTP is for nearby servers that the user named, so it never uses the proxy.
    fn agent(&self, uri: &Uri) -> &ureq::Agent {
        match &self.proxied {
            Some((proxy, agent)) if uri.scheme_str() == Some("https") => {
                let host = uri.host().unwrap_or("");
                if proxy.serves(host, uri.port_u16().unwrap_or(443)) {
                    agent
                } else {
                    &self.direct
                }
            }
            _ => &self.direct,
        }
    }

    /// Sends the request once and reads the whole response; nothing is sent once a signal has ended the run's time.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Response, Failure> {
        let uri: Uri = request
            .url
            .parse()
            .map_err(|_| Failure::Unsendable("its URL is malformed".into()))?;
        let agent = self.agent(&uri);
        interrupt::check().map_err(Failure::Stopped)?;
        let started = Clock::System.instant();
        // A body of no bytes still has a length where the method has a body.
        let response = match request.method {
            Method::Post | Method::Put => {
                self.run(agent, request, wire(request, uri, request.body)?)
            }
            Method::Delete | Method::Get | Method::Head => {
                self.run(agent, request, wire(request, uri, ())?)
            }
        };
        let response = response.map_err(|error| failure(&error))?;
        let (parts, body) = response.into_parts();
        Ok(Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: self.read(body, request, started)?,
        })
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        agent: &ureq::Agent,
        request: &Request<'_>,
        wire: WireRequest<B>,
    ) -> Result<ureq::http::Response<Body>, ureq::Error> {
        let (sent, read) = (request.body.len(), request.limit);
        let wire = agent
            .configure_request(wire)
            .timeout_send_body(Some(self.timeouts.allowance(sent)))
            // For chunks that never yield a byte; `read` is stricter with those that do.
            .timeout_recv_body(Some(self.timeouts.allowance(read)));
        agent.run(wire.build())
    }

    /// Reads the body of a response, within the request's limit and the attempt's time.
    fn read(
        &self,
        body: Body,
        request: &Request<'_>,
        started: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let mut reader = body.into_reader();
        let mut whole = Vec::new();
        let mut block = [0; 16 * 1024];
        loop {
            let read = reader
                .read(&mut block)
                .map_err(|error| failure(&ureq::Error::from(error)))?;
            if read == 0 {
                return Ok(whole);
            }
            whole.extend_from_slice(&block[..read]);
            if whole.len() > request.limit {
                return Err(Failure::TooLong(request.limit));
            }
            let allowance = self.timeouts.allowance(request.body.len() + whole.len());
            if Clock::System.elapsed(started) > allowance {
                return Err(Failure::Lost(TOO_SLOW.into()));
            }
        }
    }
}

fn wire<B>(request: &Request<'_>, uri: Uri, body: B) -> Result<WireRequest<B>, Failure> {
    let mut wire = WireRequest::builder()
        .method(request.method.as_str())
        .uri(uri);
    for (name, value) in &request.headers {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Failure::Unsendable(format!(
                "its header {name} holds characters that HTTP forbids"
            ))
        })?;
        wire = wire.header(name.as_str(), value);
    }
    wire.body(body)
        .map_err(|error| Failure::Unsendable(error.to_string()))
}

const TOO_SLOW: &str = "the server is too slow: a few bytes now and then";

fn failure(error: &ureq::Error) -> Failure {
    use ureq::{Error as E, Timeout};
    if let Err(stopped) = interrupt::check() {
        return Failure::Stopped(stopped);
    }
    let text = error.to_string();
    match error {
        E::Timeout(Timeout::Connect | Timeout::Resolve) => {
            Failure::ConnectTimeout("no connection in time".into())
        }
        E::Timeout(Timeout::PerRead | Timeout::PerWrite) => {
            Failure::Lost("the server went silent".into())
        }
        E::Timeout(_) => Failure::Lost(TOO_SLOW.into()),
        E::LargeResponseHeader(..) => Failure::TooLong(LONGEST_HEAD),
        E::ConnectProxyFailed(_) if text.contains("responded 407") => {
            Failure::Forbidden("the proxy refused the user name or password of HTTPS_PROXY".into())
        }
        E::ConnectProxyFailed(_) | E::HostNotFound | E::ConnectionFailed => {
            Failure::Unreachable(text)
        }
        E::Rustls(cause) => refused(cause),
        E::Tls(_) => Failure::Forbidden(text),
        // ureq passes rustls's errors of a handshake on inside of I/O errors.
        E::Io(cause) if of_tls(cause).is_some() => {
            of_tls(cause).map_or(Failure::Lost(text), refused)
        }
        E::Io(cause) => match cause.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable => Failure::Unreachable(cause.to_string()),
            _ if text.contains("lookup") => Failure::Unreachable(cause.to_string()),
            _ => Failure::Lost(cause.to_string()),
        },
        E::BadUri(_) | E::Http(_) => Failure::Unsendable("its URL or headers are malformed".into()),
        _ => Failure::Lost(text),
    }
}

/// The error of TLS in an I/O error, where one is.
fn of_tls(error: &std::io::Error) -> Option<&rustls::Error> {
    let cause = error.get_ref()?;
    match cause.downcast_ref::<std::io::Error>() {
        Some(inner) => of_tls(inner),
        None => cause.downcast_ref(),
    }
}

fn refused(error: &rustls::Error) -> Failure {
    match tls::refusal(error) {
        Some(why) => Failure::Forbidden(why),
        None => Failure::Lost(error.to_string()),
    }
}
