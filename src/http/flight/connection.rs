//! One connection: it is made as its route asks, and then carries one exchange after another.
//! It moves as far as it can without waiting.

use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;

use crate::http::flight::exchange::{Exchange, ResponseProgress};
use crate::http::flight::network::Network;
use crate::http::flight::pipe::Pipe;
use crate::http::flight::route::Route;
use crate::http::flight::setup::{Setup, failure};
use crate::http::{Failure, Response, Timeouts};

/// Bytes that one read takes at most.
const BLOCK: usize = 16 * 1024;

/// A connection, and the exchange that it carries.
pub(super) struct Connection<S> {
    pub(super) route: Rc<Route>,
    stage: ConnectionStage<S>,
    exchange: Option<Box<Exchange>>,
    timeouts: Timeouts,
    /// When the exchange began.
    began: Instant,
    /// When the next byte must have moved, in either direction.
    silent_at: Instant,
    /// Since when it carries nothing.
    pub(super) idle_since: Instant,
}

enum ConnectionStage<S> {
    Setup(Setup<S>),
    Made {
        pipe: Pipe<S>,
        /// Whether output waits for room in the socket.
        is_full: bool,
    },
    Closed,
}

impl<S: Read + Write> Connection<S> {
    /// Begins a connection, which carries this exchange first.
    pub(super) fn new(
        route: Rc<Route>,
        setup: Setup<S>,
        exchange: Box<Exchange>,
        timeouts: Timeouts,
        now: Instant,
    ) -> Self {
        Self {
            route,
            stage: ConnectionStage::Setup(setup),
            exchange: Some(exchange),
            timeouts,
            began: now,
            silent_at: now,
            idle_since: now,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.exchange.is_none()
    }

    /// Whether it carries a long request.
    pub(super) fn is_long(&self) -> bool {
        self.exchange.as_deref().is_some_and(Exchange::is_long)
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.stage, ConnectionStage::Closed)
    }

    pub(super) fn close(&mut self) {
        self.stage = ConnectionStage::Closed;
        self.exchange = None;
    }

    /// Whether it is idle and the server has not closed it. A server that speaks unasked is not trusted any more.
    pub(super) fn is_usable(&mut self) -> bool {
        if !self.is_idle() {
            return false;
        }
        let ConnectionStage::Made { pipe, .. } = &mut self.stage else {
            return false;
        };
        let is_quiet = match pipe.read(&mut [0]) {
            Err(error) => error.kind() == ErrorKind::WouldBlock,
            Ok(_) => false,
        };
        if !is_quiet {
            self.close();
        }
        is_quiet
    }

    /// Gives a usable connection another exchange.
    pub(super) fn carry(&mut self, exchange: Box<Exchange>, now: Instant) {
        self.exchange = Some(exchange);
        self.began = now;
        self.silent_at = now + self.timeouts.silence;
    }

    /// When it must be driven although its socket is not ready.
    pub(super) fn due(&self) -> Option<Instant> {
        let exchange = self.exchange.as_ref()?;
        match &self.stage {
            ConnectionStage::Setup(setup) => Some(setup.due()),
            ConnectionStage::Made { .. } => {
                let bounds = [self.silent_at, self.slow_at(exchange)];
                bounds.into_iter().chain(exchange.continues_at()).min()
            }
            ConnectionStage::Closed => None,
        }
    }

    /// The socket to wait for, and whether for room in it.
    pub(super) fn socket(&self) -> Option<(&S, bool)> {
        match &self.stage {
            ConnectionStage::Setup(setup) => setup.socket(),
            ConnectionStage::Made { pipe, is_full } => {
                Some((pipe.socket(), *is_full || pipe.is_full()))
            }
            ConnectionStage::Closed => None,
        }
    }

    /// Moves as far as it can; returns what came of the exchange once that is known.
    pub(super) fn drive<N: Network<Socket = S>>(
        &mut self,
        network: &N,
        tls: &Arc<ClientConfig>,
    ) -> Option<Result<Response, Failure>> {
        let outcome = self.advance(network, tls).transpose()?;
        self.idle_since = network.now();
        self.exchange = None;
        if outcome.is_err() {
            self.stage = ConnectionStage::Closed;
        }
        Some(outcome)
    }

    fn advance<N: Network<Socket = S>>(
        &mut self,
        network: &N,
        tls: &Arc<ClientConfig>,
    ) -> Result<Option<Response>, Failure> {
        if self.exchange.is_none() {
            return Ok(None);
        }
        if let ConnectionStage::Setup(setup) = &mut self.stage {
            let Some(pipe) = setup.drive(network, &self.route, tls)? else {
                return Ok(None);
            };
            self.stage = ConnectionStage::Made {
                pipe,
                is_full: false,
            };
            self.began = network.now();
            self.silent_at = self.began + self.timeouts.silence;
        }
        let (moved, progress) = self.exchange_bytes(network)?;
        if let ResponseProgress::Whole { is_reusable } = progress {
            if !is_reusable {
                self.stage = ConnectionStage::Closed;
            }
            return Ok(self
                .exchange
                .take()
                .map(|exchange| exchange.into_response()));
        }
        let now = network.now();
        if moved {
            self.silent_at = now + self.timeouts.silence;
        } else if now >= self.silent_at {
            return Err(Failure::Lost("the server went silent".into()));
        }
        let slow_at = self
            .exchange
            .as_ref()
            .map(|exchange| self.slow_at(exchange));
        if slow_at.is_some_and(|time| now >= time) {
            return Err(Failure::Lost(
                "the server is too slow: a few bytes now and then".into(),
            ));
        }
        Ok(None)
    }

    /// When the exchange must have come to its end, as far as it is now.
    fn slow_at(&self, exchange: &Exchange) -> Instant {
        self.began + self.timeouts.allowance(exchange.passed())
    }

    /// Writes and reads until neither goes on. Says whether a byte moved.
    fn exchange_bytes<N: Network<Socket = S>>(
        &mut self,
        network: &N,
    ) -> Result<(bool, ResponseProgress), Failure> {
        let (ConnectionStage::Made { pipe, is_full }, Some(exchange)) =
            (&mut self.stage, &mut self.exchange)
        else {
            return Ok((false, ResponseProgress::Unfinished));
        };
        let mut block = [0; BLOCK];
        let mut moved = false;
        loop {
            let written = write(pipe, exchange, network);
            *is_full = matches!(written, Ok(Written::Full(_)));
            // What the server said before it closed says more than the error of writing.
            match pipe.read(&mut block) {
                Ok(0) => {
                    exchange.end()?;
                    return Ok((true, ResponseProgress::Whole { is_reusable: false }));
                }
                Ok(count) => {
                    moved = true;
                    let progress = exchange.read(&block[..count])?;
                    if matches!(progress, ResponseProgress::Whole { .. }) {
                        return Ok((true, progress));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    moved |= match written.map_err(|error| failure(&error))? {
                        Written::All(moved) | Written::Full(moved) => moved,
                    };
                    return Ok((moved, ResponseProgress::Unfinished));
                }
                Err(error) => return Err(failure(&error)),
            }
        }
    }
}

/// What a round of writing came to, and whether a byte moved.
enum Written {
    All(bool),
    /// The socket takes no more for now.
    Full(bool),
}

fn write<N: Network>(
    pipe: &mut Pipe<N::Socket>,
    exchange: &mut Exchange,
    network: &N,
) -> std::io::Result<Written> {
    let mut moved = false;
    loop {
        let now = network.now();
        let output = exchange.output(now);
        let outcome = if output.is_empty() {
            return match pipe.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Written::Full(moved)),
                flushed => flushed.map(|()| Written::All(moved)),
            };
        } else {
            pipe.write(output)
        };
        match outcome {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                moved = true;
                exchange.wrote(count, now);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Written::Full(moved)),
            Err(error) => return Err(error),
        }
    }
}
