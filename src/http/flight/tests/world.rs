//! A simulated network with its own time: bytes pass in pieces of any length, sockets are ready in any order, and servers
//! and lines fail as the seed says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::http::flight::network::{Network, Wanted};
use crate::http::flight::tests::server::Server;
use crate::interrupt::Stopped;
use crate::time::Clock;

/// Rounds of the network after which a run is taken for one that never ends.
const MOST_ROUNDS: usize = 200_000;

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Nothing, but time passes and bytes come in pieces.
    Calm,
    /// Servers and lines fail.
    Storm,
}

/// The network: a handle that the test keeps beside the flights.
#[derive(Clone)]
pub(super) struct World(pub(super) Rc<RefCell<Sea>>);

/// All lines, and the time.
pub(super) struct Sea {
    pub(super) random: Rng,
    pub(super) weather: Weather,
    now: Instant,
    pub(super) lines: Vec<Line>,
    rounds: usize,
    /// The most lines that were open at a time, to one address.
    pub(super) most_open: usize,
    pub(super) dialed: usize,
}

/// One connection: the bytes on their way, and the server at its end.
pub(super) struct Line {
    address: SocketAddr,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// When it is made; never where there is none.
    made_at: Option<Instant>,
    is_refused: bool,
    pub(super) is_left: bool,
    is_reset: bool,
    /// Bytes to move until it is reset.
    until_reset: Option<usize>,
    server: Server,
}

/// The client's end of a line; dropping it leaves the line.
pub(super) struct Socket {
    sea: Rc<RefCell<Sea>>,
    line: usize,
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        Self(Rc::new(RefCell::new(Sea {
            random: Rng::with_seed(seed),
            weather,
            now: Clock::System.instant(),
            lines: Vec::new(),
            rounds: 0,
            most_open: 0,
            dialed: 0,
        })))
    }
}

impl Network for World {
    type Socket = Socket;

    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    fn check(&self) -> Result<(), Stopped> {
        Ok(())
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        // The first address of a far host is down now and then.
        let last = match host {
            "near.test" => 1,
            "far.test" => 2,
            "proxy.test" => 3,
            _ => return Err(io::Error::other("no such host")),
        };
        let addresses = [(last, port), (last + 10, port)];
        Ok(addresses
            .map(|(last, port)| SocketAddr::from(([10, 0, 0, last], port)))
            .to_vec())
    }

    fn dial(&self, address: SocketAddr) -> io::Result<Socket> {
        let sea = &mut *self.0.borrow_mut();
        sea.dialed += 1;
        let is_stormy = sea.weather == Weather::Storm;
        let fate = if is_stormy { sea.random.u8(..12) } else { 9 };
        if fate == 0 {
            return Err(ErrorKind::NetworkUnreachable.into());
        }
        let wait = Duration::from_millis(sea.random.u64(0..80));
        let until_reset = sea.random.usize(0..40_000);
        let server = Server::new(address, sea.random.fork(), sea.weather);
        sea.lines.push(Line {
            address,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            made_at: (fate != 1).then(|| sea.now + wait),
            is_refused: fate == 2,
            is_left: false,
            is_reset: false,
            until_reset: (is_stormy && fate > 9).then_some(until_reset),
            server,
        });
        let open = sea.lines.iter().filter(|line| !line.is_left);
        let open = open.filter(|line| line.address == address).count();
        sea.most_open = sea.most_open.max(open);
        Ok(Socket {
            sea: Rc::clone(&self.0),
            line: sea.lines.len() - 1,
        })
    }

    fn is_made(&self, socket: &Socket) -> io::Result<bool> {
        let sea = &*self.0.borrow();
        let line = &sea.lines[socket.line];
        let is_made = line.made_at.is_some_and(|time| time <= sea.now);
        if is_made && line.is_refused {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        Ok(is_made)
    }

    fn wait(&self, sockets: &mut [Wanted<'_, Socket>], time: Option<Duration>) -> io::Result<()> {
        let sea = &mut *self.0.borrow_mut();
        let end = time.map(|time| sea.now + time);
        loop {
            sea.rounds += 1;
            assert!(sea.rounds < MOST_ROUNDS, "it goes round and round");
            sea.work();
            let (mut is_any, mut is_missed) = (false, false);
            for wanted in &mut *sockets {
                let is_ready = sea.is_ready(wanted.socket.line, wanted.room);
                // Not all that are ready are noticed at once, and some are noticed that are not.
                wanted.is_ready = if is_ready {
                    sea.random.u8(..4) > 0
                } else {
                    sea.random.u8(..50) == 0
                };
                is_any |= wanted.is_ready;
                is_missed |= is_ready && !wanted.is_ready;
            }
            if is_any || end.is_some_and(|end| sea.now >= end) {
                return Ok(());
            }
            sea.pass(end, is_missed);
        }
    }
}

impl Sea {
    /// Every server does what it can with the bytes that have come.
    fn work(&mut self) {
        let now = self.now;
        for line in &mut self.lines {
            if line.is_left || line.is_reset || line.made_at.is_none_or(|time| time > now) {
                continue;
            }
            let count = self.random.usize(0..=line.to_server.len());
            let bytes: Vec<u8> = line.to_server.drain(..count).collect();
            line.server.take(&bytes, now);
            line.to_client.extend(line.server.give(now));
            if line.server.has_reset() {
                line.is_reset = true;
            }
        }
    }

    fn is_ready(&self, line: usize, room: bool) -> bool {
        let line = &self.lines[line];
        let is_made = line.made_at.is_some_and(|time| time <= self.now);
        let has_input = !line.to_client.is_empty() || line.server.has_closed() || line.is_reset;
        is_made && (has_input || line.is_refused || (room && line.to_server.len() < WINDOW))
    }

    /// Time passes, to the next moment at which something may happen.
    fn pass(&mut self, end: Option<Instant>, is_missed: bool) {
        let step = self.now + Duration::from_millis(self.random.u64(1..30));
        let lines = self.lines.iter().filter(|line| !line.is_left);
        let dues = lines.filter_map(|line| {
            let made_at = line.made_at.filter(|time| *time > self.now);
            let soon = (!line.to_server.is_empty()).then_some(step);
            made_at.or(soon).or_else(|| line.server.due(self.now))
        });
        let dues = dues.chain(is_missed.then_some(step));
        let next = dues.chain(end).min().unwrap_or(step);
        self.now = next.max(self.now + Duration::from_millis(1));
    }

    /// How many of so many bytes pass now; an error where none does.
    fn passing(&mut self, line: usize, most: usize) -> io::Result<usize> {
        let is_blocked = self.random.u8(..5) == 0;
        let line = &mut self.lines[line];
        if let Some(left) = &mut line.until_reset {
            if *left == 0 {
                line.is_reset = true;
            }
            *left = left.saturating_sub(most.min(500));
        }
        if line.is_reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if is_blocked || most == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let longest = [1, 7, 100, usize::MAX][self.random.usize(..4)];
        Ok(self.random.usize(1..=most.min(longest)))
    }
}

/// Bytes that a line takes before the server has read any.
const WINDOW: usize = 3000;

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let sea = &mut *self.sea.borrow_mut();
        let line = &sea.lines[self.line];
        if line.to_client.is_empty() && line.server.has_closed() && !line.is_reset {
            return Ok(0);
        }
        let most = line.to_client.len().min(buffer.len());
        let count = sea.passing(self.line, most)?;
        for (place, byte) in buffer
            .iter_mut()
            .zip(sea.lines[self.line].to_client.drain(..count))
        {
            *place = byte;
        }
        Ok(count)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sea = &mut *self.sea.borrow_mut();
        let line = &sea.lines[self.line];
        if line.server.has_closed() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let most = bytes.len().min(WINDOW - line.to_server.len());
        let count = sea.passing(self.line, most)?;
        sea.lines[self.line].to_server.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.sea.borrow_mut().lines[self.line].is_left = true;
    }
}
