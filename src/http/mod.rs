//! HTTP: one agent, its timeouts, and nothing else that opens a socket.
//! It knows no AWS: what an answer means, and whether to try again, is decided above.

mod cryptography;
mod proxy;
pub(crate) mod retry;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
mod trust;

use std::io::{ErrorKind, Read};
use std::time::Duration;

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::{HeaderMap, HeaderValue, Request as WireRequest, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

pub(crate) use proxy::Proxy;
pub(crate) use trust::Trust;

/// How long to wait for a connection (TLS included) and for the next byte in either direction.
/// A body that moves may take as long as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) silence: Duration,
}

/// How long to wait for `100 Continue` where it was asked for; then the body goes anyway, for servers that know no such thing.
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

/// A request, ready to be sent as it stands: the URL is not encoded again.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: String,
    /// Without `host` and `content-length`, which follow from the URL and the body.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
    /// An answer with a longer body is an error.
    pub(crate) limit: usize,
}

/// What the server said, whatever its status.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The header's value, or nothing where it is absent or no text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection was made in time, so nothing was sent: the server is down, or a firewall is in between.
    ConnectTimeout(String),
    /// No connection was made, so nothing was sent.
    Unreachable(String),
    /// The server may have carried the request out.
    Lost(String),
    /// The certificate does not prove that it is the server, or the proxy wants other credentials:
    /// no later try will help.
    Forbidden(String),
    /// The answer's body is longer than the request allowed.
    TooLong(usize),
    /// The request can not be sent as it stands.
    Unsendable(String),
}

impl Failure {
    /// Names the server, which the network's own words leave out.
    #[must_use]
    pub(crate) fn at(mut self, authority: &str) -> Self {
        match &mut self {
            Self::ConnectTimeout(why)
            | Self::Unreachable(why)
            | Self::Lost(why)
            | Self::Forbidden(why) => why.insert_str(0, &format!("{authority}: ")),
            Self::TooLong(_) | Self::Unsendable(_) => {}
        }
        self
    }
}

/// The agents, each with its pool of connections.
pub(crate) struct Client {
    direct: ureq::Agent,
    proxied: Option<(Proxy, ureq::Agent)>,
}

impl Client {
    pub(crate) fn new(timeouts: Timeouts, trust: &Trust, proxy: Option<Proxy>) -> Self {
        let agent = |proxy| {
            // No resolve, call or global timeout: ureq's resolver starts a thread for those.
            let config = Config::builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(proxy)
                .tls_config(trust.tls())
                .timeout_connect(Some(timeouts.connect))
                .timeout_await_100(Some(AWAIT_CONTINUE))
                .timeout_per_read(Some(timeouts.silence))
                .timeout_per_write(Some(timeouts.silence))
                .max_response_header_size(64 * 1024)
                .user_agent(concat!(
                    "destination-aws-datalake/",
                    env!("CARGO_PKG_VERSION")
                ))
                .accept(AutoHeaderValue::None)
                .accept_encoding(AutoHeaderValue::None)
                .build();
            ureq::Agent::with_parts(config, DefaultConnector::default(), Patient::default())
        };
        Self {
            direct: agent(None),
            proxied: proxy.map(|proxy| {
                let agent = agent(Some(proxy.ureq()));
                (proxy, agent)
            }),
        }
    }

    /// Plain HTTP is for servers nearby that the user named, so it goes there directly.
    fn agent(&self, uri: &Uri) -> &ureq::Agent {
        match &self.proxied {
            Some((proxy, agent)) if uri.scheme_str() == Some("https") => {
                let host = uri.host().unwrap_or("");
                if proxy.serves(host) {
                    agent
                } else {
                    &self.direct
                }
            }
            _ => &self.direct,
        }
    }

    /// Sends the request once and reads the whole answer.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let uri: Uri = request
            .url
            .parse()
            .map_err(|_| Failure::Unsendable("its URL is malformed".into()))?;
        let agent = self.agent(&uri);
        // A body of no bytes still has a length where the method has a body.
        let response = match request.method {
            Method::Post | Method::Put => agent.run(wire(request, uri, request.body)?),
            Method::Delete | Method::Get | Method::Head => agent.run(wire(request, uri, ())?),
        };
        let response = response.map_err(|error| failure(&error))?;
        let (parts, body) = response.into_parts();
        let mut answer = Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: Vec::new(),
        };
        let bound = u64::try_from(request.limit)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        body.into_reader()
            .take(bound)
            .read_to_end(&mut answer.body)
            .map_err(|error| Failure::Lost(error.to_string()))?;
        if answer.body.len() > request.limit {
            return Err(Failure::TooLong(request.limit));
        }
        Ok(answer)
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

fn failure(error: &ureq::Error) -> Failure {
    use ureq::{Error as E, Timeout};
    let text = error.to_string();
    match error {
        E::Timeout(Timeout::Connect | Timeout::Resolve) => {
            Failure::ConnectTimeout("no connection in time".into())
        }
        E::Timeout(_) => Failure::Lost("the server went silent".into()),
        E::ConnectProxyFailed(_) if text.contains("responded 407") => Failure::Forbidden(
            "the proxy asks for another user name or password than HTTPS_PROXY gives".into(),
        ),
        E::ConnectProxyFailed(_) | E::HostNotFound | E::ConnectionFailed => {
            Failure::Unreachable(text)
        }
        E::Rustls(_) | E::Tls(_) => Failure::Forbidden(text),
        // What rustls finds during a handshake comes as an I/O error.
        E::Io(cause) if cause.kind() == ErrorKind::InvalidData => match cause.to_string() {
            why if why.contains("invalid peer certificate") => Failure::Forbidden(why),
            why if why.contains("InvalidContentType") => {
                Failure::Forbidden("the server does not speak TLS".into())
            }
            why => Failure::Lost(why),
        },
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

/// ureq's own resolver, but never in a thread: it starts one to keep a deadline,
/// also for a proxy's name under the connect timeout.
#[derive(Debug, Default)]
struct Patient(DefaultResolver);

impl Resolver for Patient {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, NextTimeout::default())
    }
}
