//! The HTTP client: the only module that opens sockets.
//! It knows no AWS: what a response means, and whether to retry, is decided by its callers.

mod bounds;
mod cryptography;
mod flight;
pub(crate) mod pace;
mod proxy;
pub(crate) mod retry;
mod roots;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
mod tls;
mod verifier;

use std::future::Future;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use ureq_proto::http::HeaderMap;

use crate::interrupt::Stopped;
use crate::time::Clock;

pub(crate) use bounds::Timeouts;
pub(crate) use proxy::Proxy;
pub(crate) use roots::RootCertificates;

pub(crate) use flight::Spawned;

use flight::{Flights, System};

/// The name that the program has for servers.
const AGENT: &str = concat!("destination-aws-datalake/", env!("CARGO_PKG_VERSION"));

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
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    /// Without `host` and `content-length`, which follow from the URL and the body.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// The longest body of a response in bytes; a longer one is an error.
    pub(crate) limit: usize,
}

/// The bytes of a request's body. A copy is another name for the same bytes, so that attempts share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes(Rc<Vec<u8>>);

impl Bytes {
    /// Lends the bytes of a buffer, which gets them back with its room.
    pub(crate) fn lend<T>(buffer: &mut Vec<u8>, to: impl FnOnce(Self) -> T) -> T {
        let bytes = Self::from(std::mem::take(buffer));
        let outcome = to(bytes.clone());
        *buffer = Rc::try_unwrap(bytes.0).unwrap_or_default();
        outcome
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Rc::new(bytes))
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl<const N: usize> From<&[u8; N]> for Bytes {
    fn from(bytes: &[u8; N]) -> Self {
        bytes.to_vec().into()
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A server's response, of any status.
#[derive(Clone, Debug, Default)]
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

/// The HTTP client: requests in flight, and the connections that carry them.
pub(crate) struct Client {
    flights: Flights<System>,
    connections: usize,
}

impl Client {
    /// With one connection to a server at a time.
    pub(crate) fn new(timeouts: Timeouts, roots: &RootCertificates, proxy: Option<Proxy>) -> Self {
        Self::with(timeouts, roots, proxy, 1)
    }

    /// With so many connections to a server at a time.
    pub(crate) fn with(
        timeouts: Timeouts,
        roots: &RootCertificates,
        proxy: Option<Proxy>,
        connections: usize,
    ) -> Self {
        let options = flight::Options {
            timeouts,
            roots: roots.clone(),
            proxy,
            connections,
        };
        Self {
            flights: Flights::new(System(Clock::System), options),
            connections,
        }
    }

    /// Sends the request once and reads the whole response; nothing is sent once a signal has ended the run's time.
    pub(crate) fn send(&self, request: &Request) -> Result<Response, Failure> {
        self.wait(self.fly(request))
    }

    /// Sends the request as `send` does; others are in flight meanwhile.
    pub(crate) fn fly(&self, request: &Request) -> impl Future<Output = Result<Response, Failure>> {
        self.flights.send(request)
    }

    /// Ends after this time.
    pub(crate) fn rest(&self, span: Duration) -> impl Future<Output = ()> {
        self.flights.rest(span)
    }

    /// The most connections to one server that carry long requests.
    pub(crate) fn connections(&self) -> usize {
        self.connections
    }

    /// Runs the future to its end, and moves what is in flight meanwhile.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.flights.wait(future)
    }

    /// Keeps a future beside the caller's own work.
    pub(crate) fn spawn<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Spawned<T> {
        self.flights.spawn(future)
    }

    /// Moves what is kept beside the caller's work, without waiting.
    pub(crate) fn turn(&self) {
        self.flights.turn();
    }
}
