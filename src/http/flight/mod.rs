//! Requests in flight: several at a time, in one thread.
//!
//! # The contract
//!
//! [`Flights::send`] hands a request over and is a future of its response; [`Flights::rest`] is one of the passing of
//! time. [`Flights::wait`] runs a future to its end, and moves everything that is in flight meanwhile. [`Flights::spawn`]
//! keeps a future beside the caller's own work: it goes on in every wait, and with [`Flights::turn`], which does not wait.
//! There is no other executor, no waker and no thread: a future is how the compiler writes the states of a call down, and
//! it is asked again after every turn.
//!
//! - A request is written at most once. What it came to is known exactly once: a response, or a [`Failure`] that says
//!   whether the server may have carried it out. A future that is dropped takes its flight down with it: its connection
//!   is closed, as nobody knows how far the server got.
//! - A request waits for a connection of its route: it takes one that is idle, else opens another, else waits until one of
//!   the most that there may be is free. So there is one connection while that keeps up, and there are more when requests
//!   wait. They are served in the order in which they came, but for long requests, of which half as many may be in flight:
//!   short ones pass those that wait. What a long one costs is its bytes, and what a short one costs is its way.
//! - A connection that the server closed, or on which it said something unasked, is not used again. Whatever came of a
//!   request on a connection that was used before is reported like any other: whether to send it again is the caller's
//!   to decide, as is everything about what responses mean.
//! - Times are bounded: a connection is made (proxy and TLS included) within [`Timeouts::connect`], a byte moves, in either
//!   direction, within [`Timeouts::silence`], and the whole takes no longer than [`Timeouts::allowance`] of what has moved.
//!   Time in which nobody called counts, but what arrived in it is read before anything is given up.
//! - Once a signal has ended the run's time ([`crate::interrupt`]), whatever is in flight comes to [`Failure::Stopped`],
//!   rests end, and nothing more is sent.
//! - Sizes are bounded: a response's head by 64 KiB, its body by the request's limit.
//! - A server may answer before it has read a long request; that is its answer, and the rest is not written. With
//!   `expect: 100-continue` the body is held back for half a second, or until the server says that it goes on.
//! - Names are resolved by the system, which waits: once for a route, and again after a connection could not be made, or
//!   after a minute. Servers with more than one address are dialed one address after the other.
//!
//! # Layers
//!
//! [`network`] is sockets; [`pipe`] their bytes, through TLS where asked; [`route`] the way to a server; [`setup`] the
//! making of a connection; [`exchange`] a request and its response; [`connection`] what carries one after the other;
//! [`carried`] all of those; [`tasks`] the futures that are kept.
//! Tests put a simulated network under the same code.

mod carried;
mod connection;
mod exchange;
mod network;
mod pipe;
mod route;
mod setup;
mod tasks;
#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::http::{Failure, Proxy, Request, Response, RootCertificates, Timeouts};
use crate::interrupt::Stopped;

use carried::Carried;
use connection::Connection;
use exchange::Exchange;
use network::Network;
use route::Route;
use setup::Setup;

pub(super) use network::System;
pub(crate) use tasks::Spawned;

use tasks::Tasks;

/// How long the addresses of a host are used before they are asked for again.
const ADDRESSES_AGE: Duration = Duration::from_secs(60);

/// How long a connection is kept that carries nothing; servers close theirs after a while.
const IDLE_AGE: Duration = Duration::from_secs(15);

/// What flights are made with.
pub(super) struct Options {
    pub(super) timeouts: Timeouts,
    pub(super) roots: RootCertificates,
    pub(super) proxy: Option<Proxy>,
    /// The most connections of one route that carry long requests; more of them carry short ones.
    pub(super) connections: usize,
}

/// All requests in flight, and the connections that carry them.
pub(super) struct Flights<N: Network> {
    network: N,
    options: Options,
    tls: OnceCell<Arc<ClientConfig>>,
    air: RefCell<Air<N::Socket>>,
    tasks: Tasks,
}

/// What is in the air. It is never borrowed while a future runs.
struct Air<S> {
    next: Number,
    /// Requests that wait for a connection, in order.
    waiting: VecDeque<WaitingExchange>,
    carried: Vec<Carried<S>>,
    /// What is known, and nobody has asked for yet.
    landed: BTreeMap<Number, Result<Response, Failure>>,
    rests: BTreeMap<Number, Instant>,
    addresses: Vec<Resolved>,
}

type Number = u64;

struct WaitingExchange {
    number: Number,
    route: Rc<Route>,
    exchange: Box<Exchange>,
}

struct Resolved {
    host: String,
    port: u16,
    addresses: Vec<SocketAddr>,
    /// Nothing where a connection to them could not be made.
    fresh_until: Option<Instant>,
}

impl Resolved {
    fn is_of(&self, route: &Route) -> bool {
        self.host == route.host && self.port == route.port
    }
}

impl<N: Network> Flights<N> {
    pub(super) fn new(network: N, options: Options) -> Self {
        Self {
            network,
            options,
            tls: OnceCell::new(),
            air: RefCell::new(Air {
                next: 0,
                waiting: VecDeque::new(),
                carried: Vec::new(),
                landed: BTreeMap::new(),
                rests: BTreeMap::new(),
                addresses: Vec::new(),
            }),
            tasks: Tasks::default(),
        }
    }

    /// Sends a request once, and reads the whole response.
    pub(super) fn send(&self, request: &Request) -> Flight<'_, N> {
        let number = self.air.borrow_mut().number();
        match self.prepared(request) {
            Ok((route, exchange)) => self.air.borrow_mut().waiting.push_back(WaitingExchange {
                number,
                route: Rc::new(route),
                exchange,
            }),
            Err(failure) => {
                let mut air = self.air.borrow_mut();
                air.landed.insert(number, Err(failure));
            }
        }
        Flight {
            flights: self,
            number,
        }
    }

    fn prepared(&self, request: &Request) -> Result<(Route, Box<Exchange>), Failure> {
        let route = Route::new(&request.url, self.options.proxy.as_ref())?;
        Ok((route, Box::new(Exchange::new(request)?)))
    }

    /// Ends after this time.
    pub(super) fn rest(&self, span: Duration) -> Sleep<'_, N> {
        let until = self.network.now() + span;
        let mut air = self.air.borrow_mut();
        let number = air.number();
        air.rests.insert(number, until);
        Sleep {
            flights: self,
            number,
            until,
        }
    }

    /// Runs the future to its end, and moves what is in flight meanwhile.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = asked(future.as_mut()) {
                return output;
            }
            // What it waits for may be one of them.
            let most = self.tasks.ask().then_some(Duration::ZERO);
            self.advance(most);
        }
    }

    /// Keeps a future beside the caller's own work. It ends with what is returned, if that is dropped before.
    pub(super) fn spawn<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Spawned<T> {
        self.tasks.spawn(future)
    }

    /// Moves what is kept beside the caller's work as far as it goes without waiting.
    pub(super) fn turn(&self) {
        if !self.tasks.is_empty() {
            self.advance(Some(Duration::ZERO));
            self.tasks.ask();
        }
    }

    /// Moves what is in flight. Waits until something can move, this long at most.
    fn advance(&self, most: Option<Duration>) {
        if let Err(stopped) = self.network.check() {
            self.ground(stopped);
            return;
        }
        let has_news = self.launch();
        let now = self.network.now();
        let time = {
            let air = self.air.borrow();
            let busy = air.carried.iter().map(|carried| &carried.connection);
            let dues = busy.filter_map(Connection::due);
            let due = dues.chain(air.rests.values().copied()).min();
            due.map(|due| due.saturating_duration_since(now))
        };
        assert!(
            time.is_some() || most.is_some() || has_news,
            "a future waits for what is not in flight"
        );
        let most = if has_news { Some(Duration::ZERO) } else { most };
        self.drive([time, most].into_iter().flatten().min());
    }

    /// Gives waiting requests a connection, as far as there are any. Says whether one came to its end.
    fn launch(&self) -> bool {
        let now = self.network.now();
        let air = &mut *self.air.borrow_mut();
        air.carried.retain_mut(|Carried { connection, .. }| {
            // An idle one that is not usable holds bytes that nobody asked for, or its end.
            let is_spent = connection.is_idle()
                && (now >= connection.idle_since + IDLE_AGE || !connection.is_usable());
            !(connection.is_closed() || is_spent)
        });
        let mut has_news = false;
        for waiting in std::mem::take(&mut air.waiting) {
            match self.launched(air, waiting, now) {
                Launch::Carried => {}
                Launch::Waits(waiting) => air.waiting.push_back(waiting),
                Launch::Landed(number, outcome) => {
                    has_news = true;
                    air.landed.insert(number, outcome);
                }
            }
        }
        has_news
    }

    fn launched(&self, air: &mut Air<N::Socket>, waiting: WaitingExchange, now: Instant) -> Launch {
        let WaitingExchange {
            number,
            route,
            exchange,
        } = waiting;
        let (is_long, most) = (exchange.is_long(), self.options.connections);
        if !carried::has_room(&air.carried, &route, is_long, most) {
            return Launch::Waits(WaitingExchange {
                number,
                route,
                exchange,
            });
        }
        let usable = air.carried.iter_mut().position(|carried| {
            *carried.connection.route == *route && carried.connection.is_usable()
        });
        let carried = if let Some(place) = usable {
            let carried = &mut air.carried[place];
            carried.number = number;
            carried.connection.carry(exchange, now);
            carried
        } else {
            match self.begun(air, route, exchange, now) {
                Ok(connection) => {
                    air.carried.push(Carried { number, connection });
                    air.carried.last_mut().expect("it was pushed")
                }
                Err(failure) => return Launch::Landed(number, Err(failure)),
            }
        };
        match carried.connection.drive(&self.network, self.tls()) {
            None => Launch::Carried,
            Some(outcome) => Launch::Landed(number, outcome),
        }
    }

    fn begun(
        &self,
        air: &mut Air<N::Socket>,
        route: Rc<Route>,
        exchange: Box<Exchange>,
        now: Instant,
    ) -> Result<Connection<N::Socket>, Failure> {
        let timeouts = self.options.timeouts;
        let addresses = self.resolved(air, &route)?;
        let setup = Setup::new(&self.network, addresses, now + timeouts.connect)?;
        Ok(Connection::new(route, setup, exchange, timeouts, now))
    }

    /// The addresses of the route's host. Old ones are better than none.
    fn resolved(
        &self,
        air: &mut Air<N::Socket>,
        route: &Route,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let now = self.network.now();
        let known = air.addresses.iter().position(|known| known.is_of(route));
        if let Some(known) = known.map(|place| &air.addresses[place])
            && known.fresh_until.is_some_and(|end| now < end)
        {
            return Ok(known.addresses.clone());
        }
        let addresses = match self.network.resolve(&route.host, route.port) {
            Ok(addresses) => addresses,
            Err(error) => {
                let known = known.map(|place| air.addresses[place].addresses.clone());
                return known.ok_or_else(|| match error.downcast() {
                    Ok(stopped) => Failure::Stopped(stopped),
                    Err(error) => Failure::Unreachable(error.to_string()),
                });
            }
        };
        air.addresses.retain(|known| !known.is_of(route));
        air.addresses.push(Resolved {
            host: route.host.clone(),
            port: route.port,
            addresses: addresses.clone(),
            fresh_until: Some(self.network.now() + ADDRESSES_AGE),
        });
        Ok(addresses)
    }

    /// Waits until a socket is ready, this long at most, and drives the connections that can move.
    fn drive(&self, time: Option<Duration>) {
        let air = &mut *self.air.borrow_mut();
        let ready = carried::ready(&self.network, &air.carried, time);
        let now = self.network.now();
        for (carried, is_ready) in air.carried.iter_mut().zip(ready) {
            let connection = &mut carried.connection;
            let is_due = connection.due().is_some_and(|due| due <= now);
            if !is_ready && !is_due {
                continue;
            }
            let Some(outcome) = connection.drive(&self.network, self.tls()) else {
                continue;
            };
            if let Err(Failure::ConnectTimeout(_) | Failure::Unreachable(_)) = outcome {
                let mut known = air.addresses.iter_mut();
                if let Some(known) = known.find(|known| known.is_of(&connection.route)) {
                    known.fresh_until = None;
                }
            }
            air.landed.insert(carried.number, outcome);
        }
    }

    fn tls(&self) -> &Arc<ClientConfig> {
        self.tls.get_or_init(|| self.options.roots.tls())
    }

    /// Ends whatever is in flight, and all rests.
    fn ground(&self, stopped: Stopped) {
        let air = &mut *self.air.borrow_mut();
        air.rests.clear();
        let waiting = std::mem::take(&mut air.waiting);
        let mut numbers: Vec<Number> = waiting.iter().map(|waiting| waiting.number).collect();
        for carried in &mut air.carried {
            if !carried.connection.is_idle() {
                numbers.push(carried.number);
                carried.connection.close();
            }
        }
        for number in numbers {
            air.landed.insert(number, Err(Failure::Stopped(stopped)));
        }
    }

    /// Nobody waits for the flight any more.
    fn drop_flight(&self, number: Number) {
        let air = &mut *self.air.borrow_mut();
        air.landed.remove(&number);
        air.waiting.retain(|waiting| waiting.number != number);
        for carried in &mut air.carried {
            if carried.number == number && !carried.connection.is_idle() {
                carried.connection.close();
            }
        }
    }
}

/// What came of a request that waited for a connection.
enum Launch {
    Carried,
    Waits(WaitingExchange),
    Landed(Number, Result<Response, Failure>),
}

impl<S> Air<S> {
    fn number(&mut self) -> Number {
        self.next += 1;
        self.next
    }
}

/// Asks a future whether it has ended.
fn asked<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A request in flight: the future of its response.
pub(super) struct Flight<'a, N: Network> {
    flights: &'a Flights<N>,
    number: Number,
}

impl<N: Network> Future for Flight<'_, N> {
    type Output = Result<Response, Failure>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let landed = self.flights.air.borrow_mut().landed.remove(&self.number);
        landed.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<N: Network> Drop for Flight<'_, N> {
    fn drop(&mut self) {
        self.flights.drop_flight(self.number);
    }
}

/// A future that ends at a time.
pub(super) struct Sleep<'a, N: Network> {
    flights: &'a Flights<N>,
    number: Number,
    until: Instant,
}

impl<N: Network> Future for Sleep<'_, N> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let is_over = self.flights.network.now() >= self.until;
        if is_over || !self.flights.air.borrow().rests.contains_key(&self.number) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<N: Network> Drop for Sleep<'_, N> {
    fn drop(&mut self) {
        self.flights.air.borrow_mut().rests.remove(&self.number);
    }
}
