//! The making of a connection: the addresses are dialed one after the other, and then the layers of the route are passed.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use ureq_proto::parser::try_parse_response;

use crate::http::flight::network::Network;
use crate::http::flight::pipe::Pipe;
use crate::http::flight::route::{Layer, Route};
use crate::http::{Failure, tls};

/// The longest answer of a proxy to CONNECT, in bytes, and the most headers of it.
const LONGEST_ANSWER: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;

/// A connection that is being made.
pub(super) struct Setup<S> {
    stage: SetupStage<S>,
    /// When the connection must be made.
    deadline: Instant,
}

enum SetupStage<S> {
    Dialing {
        socket: S,
        /// The addresses to try after this one.
        rest: VecDeque<SocketAddr>,
        until: Instant,
    },
    Layers {
        pipe: Pipe<S>,
        /// The number of the layer that is being passed.
        layer: usize,
        tunnel: Tunnel,
    },
    Failed,
}

/// How far the request for a tunnel is.
#[derive(Default)]
struct Tunnel {
    written: usize,
    /// Whether the request waits for room in the socket.
    is_full: bool,
    answer: Vec<u8>,
}

/// How far a step came.
enum StageOutcome<S> {
    Waits(SetupStage<S>),
    Goes(SetupStage<S>),
    Made(Pipe<S>),
}

impl<S: Read + Write> Setup<S> {
    /// Dials the first of the addresses.
    pub(super) fn new<N: Network<Socket = S>>(
        network: &N,
        addresses: Vec<SocketAddr>,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let stage = dial(network, addresses.into(), deadline, None)?;
        Ok(Self { stage, deadline })
    }

    /// When it must be driven although its socket is not ready.
    pub(super) fn due(&self) -> Instant {
        match &self.stage {
            SetupStage::Dialing { until, .. } => *until,
            _ => self.deadline,
        }
    }

    /// The socket to wait for, and whether for room in it.
    pub(super) fn socket(&self) -> Option<(&S, bool)> {
        match &self.stage {
            SetupStage::Dialing { socket, .. } => Some((socket, true)),
            SetupStage::Layers { pipe, tunnel, .. } => {
                Some((pipe.socket(), pipe.is_full() || tunnel.is_full))
            }
            SetupStage::Failed => None,
        }
    }

    /// Goes on as far as it can; returns the connection once it is made.
    pub(super) fn drive<N: Network<Socket = S>>(
        &mut self,
        network: &N,
        route: &Route,
        tls: &Arc<ClientConfig>,
    ) -> Result<Option<Pipe<S>>, Failure> {
        loop {
            let step = match std::mem::replace(&mut self.stage, SetupStage::Failed) {
                SetupStage::Dialing {
                    socket,
                    rest,
                    until,
                } => dialed(network, socket, rest, until, self.deadline).and_then(
                    |step| match step {
                        StageOutcome::Made(pipe) => enter(pipe, 0, route, tls),
                        step => Ok(step),
                    },
                ),
                SetupStage::Layers {
                    pipe,
                    layer,
                    tunnel,
                } => pass(pipe, layer, tunnel, route, tls),
                SetupStage::Failed => Err(Failure::Lost("the connection has failed".into())),
            };
            match step? {
                StageOutcome::Made(pipe) => return Ok(Some(pipe)),
                StageOutcome::Goes(stage) => self.stage = stage,
                StageOutcome::Waits(stage) if network.now() < self.deadline => {
                    self.stage = stage;
                    return Ok(None);
                }
                StageOutcome::Waits(_) => {
                    return Err(Failure::ConnectTimeout("no connection in time".into()));
                }
            }
        }
    }
}

/// Dials the first address that can be dialed. Each gets half of the time that is left, the last one all of it.
fn dial<N: Network>(
    network: &N,
    mut addresses: VecDeque<SocketAddr>,
    deadline: Instant,
    mut last: Option<io::Error>,
) -> Result<SetupStage<N::Socket>, Failure> {
    let now = network.now();
    while let Some(address) = addresses.pop_front() {
        match network.dial(address) {
            Ok(socket) => {
                let left = deadline.saturating_duration_since(now);
                let share = if addresses.is_empty() { left } else { left / 2 };
                return Ok(SetupStage::Dialing {
                    socket,
                    rest: addresses,
                    until: now + share,
                });
            }
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) if error.kind() == ErrorKind::TimedOut => {
            Failure::ConnectTimeout("no connection in time".into())
        }
        Some(error) => Failure::Unreachable(error.to_string()),
        None => Failure::Unreachable("the host has no address".into()),
    })
}

fn dialed<N: Network>(
    network: &N,
    socket: N::Socket,
    rest: VecDeque<SocketAddr>,
    until: Instant,
    deadline: Instant,
) -> Result<StageOutcome<N::Socket>, Failure> {
    let error = match network.is_made(&socket) {
        Ok(true) => return Ok(StageOutcome::Made(Pipe::Plain(socket))),
        Ok(false) if network.now() < until => {
            return Ok(StageOutcome::Waits(SetupStage::Dialing {
                socket,
                rest,
                until,
            }));
        }
        Ok(false) => ErrorKind::TimedOut.into(),
        Err(error) => error,
    };
    dial(network, rest, deadline, Some(error)).map(StageOutcome::Goes)
}

/// Begins to pass the layer of this number; the connection is made where there is none.
fn enter<S: Read + Write>(
    pipe: Pipe<S>,
    layer: usize,
    route: &Route,
    tls: &Arc<ClientConfig>,
) -> Result<StageOutcome<S>, Failure> {
    let pipe = match route.layers.get(layer) {
        None => return Ok(StageOutcome::Made(pipe)),
        Some(Layer::Tls(host)) => pipe.secured(tls, host).map_err(|error| failure(&error))?,
        Some(Layer::Tunnel(_)) => pipe,
    };
    Ok(StageOutcome::Goes(SetupStage::Layers {
        pipe,
        layer,
        tunnel: Tunnel::default(),
    }))
}

fn pass<S: Read + Write>(
    mut pipe: Pipe<S>,
    layer: usize,
    mut tunnel: Tunnel,
    route: &Route,
    tls: &Arc<ClientConfig>,
) -> Result<StageOutcome<S>, Failure> {
    let passed = match route.layers.get(layer) {
        Some(Layer::Tunnel(request)) => tunnel.open(&mut pipe, request),
        _ => pipe.shake_hands().map_err(|error| failure(&error)),
    };
    if passed? {
        return enter(pipe, layer + 1, route, tls);
    }
    Ok(StageOutcome::Waits(SetupStage::Layers {
        pipe,
        layer,
        tunnel,
    }))
}

impl Tunnel {
    /// True once the tunnel is open.
    fn open<S: Read + Write>(
        &mut self,
        pipe: &mut Pipe<S>,
        request: &[u8],
    ) -> Result<bool, Failure> {
        loop {
            let moved = if self.written < request.len() {
                pipe.write(&request[self.written..])
                    .inspect(|count| self.written += count)
            } else {
                // Byte by byte: what follows the answer is not the proxy's.
                let mut byte = [0];
                pipe.read(&mut byte)
                    .inspect(|count| self.answer.extend_from_slice(&byte[..*count]))
            };
            match moved {
                Ok(0) => {
                    return Err(Failure::Unreachable(
                        "the proxy closed the connection".into(),
                    ));
                }
                Ok(_) if self.answer.len() > LONGEST_ANSWER => return Err(unclear()),
                Ok(_) if self.answer.ends_with(b"\n") => {
                    if let Some(status) = self.status()? {
                        return granted(status);
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_full = self.written < request.len();
                    return Ok(false);
                }
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    /// The status of the proxy's answer, once that is whole.
    fn status(&self) -> Result<Option<u16>, Failure> {
        let parsed = try_parse_response::<MOST_HEADERS>(&self.answer).map_err(|_| unclear())?;
        Ok(parsed.map(|(_, response)| response.status().as_u16()))
    }
}

fn unclear() -> Failure {
    Failure::Unreachable("the proxy's answer is no HTTP".into())
}

fn granted(status: u16) -> Result<bool, Failure> {
    match status {
        200..=299 => Ok(true),
        407 => Err(Failure::Forbidden(
            "the proxy refused the user name or password of HTTPS_PROXY".into(),
        )),
        _ => Err(Failure::Unreachable(format!(
            "the proxy answered {status} instead of opening a tunnel"
        ))),
    }
}

/// What an error of a connection that is being made, or in use, means.
pub(super) fn failure(error: &io::Error) -> Failure {
    if let Some(error) = of_tls(error) {
        return match tls::refusal(error) {
            Some(why) => Failure::Forbidden(why),
            None => Failure::Lost(error.to_string()),
        };
    }
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable => Failure::Unreachable(error.to_string()),
        ErrorKind::InvalidInput => Failure::Forbidden(error.to_string()),
        _ => Failure::Lost(error.to_string()),
    }
}

/// The error of TLS in an I/O error, where one is; that of TLS within TLS lies deeper.
fn of_tls(error: &io::Error) -> Option<&rustls::Error> {
    let cause = error.get_ref()?;
    match cause.downcast_ref::<io::Error>() {
        Some(inner) => of_tls(inner),
        None => cause.downcast_ref(),
    }
}
