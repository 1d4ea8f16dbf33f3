//! The network under the connections: sockets that never wait, and one wait for all of them.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::interrupt::{self, Stopped};
use crate::time::Clock;

/// A network: the system's, or one that a test simulates.
///
/// Reads and writes of its sockets never wait: they fail with `WouldBlock` instead. The only wait is `wait`.
pub(in crate::http) trait Network {
    type Socket: Read + Write;

    fn now(&self) -> Instant;

    /// Fails once nothing more is to be sent or waited for.
    fn check(&self) -> Result<(), Stopped>;

    /// The addresses of a host. This may wait for a name server.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// Begins a connection; the socket becomes writable once it is made, or has failed.
    fn dial(&self, address: SocketAddr) -> io::Result<Self::Socket>;

    /// Whether a connection that was begun is made now.
    fn is_made(&self, socket: &Self::Socket) -> io::Result<bool>;

    /// Waits until one of the sockets is ready for what is wanted of it, or the time has passed, and notes which are. It
    /// may return early.
    fn wait(
        &self,
        sockets: &mut [Wanted<'_, Self::Socket>],
        time: Option<Duration>,
    ) -> io::Result<()>;
}

/// What is wanted of a socket: always bytes to read, and sometimes room to write.
pub(in crate::http) struct Wanted<'a, S> {
    pub(super) socket: &'a S,
    pub(super) room: bool,
    pub(super) is_ready: bool,
}

/// The system's network.
pub(in crate::http) struct System(pub(in crate::http) Clock);

impl Network for System {
    type Socket = TcpStream;

    fn now(&self) -> Instant {
        self.0.instant()
    }

    fn check(&self) -> Result<(), Stopped> {
        interrupt::check()
    }

    /// Nothing ends the system's look-up of a name. So a signal during one ends the process at once, and after a signal
    /// none is looked up.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![(address, port).into()]);
        }
        if let Some(signal) = interrupt::signal() {
            return Err(Stopped(signal).into());
        }
        let addresses = interrupt::unattended(|| (host, port).to_socket_addrs())?;
        Ok(addresses.collect())
    }

    fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket: OwnedFd = socket_with(family, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    fn is_made(&self, socket: &TcpStream) -> io::Result<bool> {
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn wait(
        &self,
        sockets: &mut [Wanted<'_, TcpStream>],
        time: Option<Duration>,
    ) -> io::Result<()> {
        let mut waiting: Vec<PollFd<'_>> = sockets
            .iter()
            .map(|wanted| {
                let mut flags = PollFlags::IN;
                flags.set(PollFlags::OUT, wanted.room);
                PollFd::new(wanted.socket, flags)
            })
            .collect();
        interrupt::wait(&mut waiting, time)?;
        let ready: Vec<bool> = waiting.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (wanted, is_ready) in sockets.iter_mut().zip(ready) {
            wanted.is_ready = is_ready;
        }
        Ok(())
    }
}
