//! Sockets for ureq whose waits end in time when the run is to end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use ureq::unversioned::transport::time::Duration as Span;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use crate::interrupt;

/// Opens a connection, unless a proxy's is there already.
#[derive(Debug)]
pub(super) struct SocketConnector;

impl<In: Transport> Connector<In> for SocketConnector {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if chained.is_some() {
            return Ok(chained.map(Either::A));
        }
        let config = details.config;
        let stream = first(&details.addrs, limit(details.timeout))?;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Socket { stream, buffers })))
    }
}

/// A connection to the first address that takes one. Each address has half of the time that is left, the last one all.
fn first(addresses: &[SocketAddr], mut time: Option<Duration>) -> Result<TcpStream, Error> {
    let mut last = Error::HostNotFound;
    for (number, address) in addresses.iter().enumerate() {
        let is_last = number + 1 == addresses.len();
        let share = time.map(|time| if is_last { time } else { time / 2 });
        time = time.map(|time| time.saturating_sub(share.unwrap_or_default()));
        match dial(*address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
        if interrupt::check().is_err() {
            break;
        }
    }
    Err(last)
}

fn dial(address: SocketAddr, time: Option<Duration>) -> Result<TcpStream, Error> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None).map_err(io)?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            if !interrupt::wait(&mut vec![PollFd::new(&socket, PollFlags::OUT)], time)? {
                return Err(Error::Timeout(Timeout::Connect));
            }
            sockopt::socket_error(&socket).map_err(io)?.map_err(io)?;
        }
        Err(error) => return Err(io(error)),
    }
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn io(error: Errno) -> Error {
    Error::Io(error.into())
}

fn limit(timeout: NextTimeout) -> Option<Duration> {
    match timeout.after {
        Span::Exact(span) => Some(span),
        Span::NotHappening => None,
    }
}

/// A connection. Its reads and writes never wait; `interrupt` does.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Socket {
    fn wait(&self, flags: PollFlags, timeout: NextTimeout) -> Result<(), Error> {
        let mut files = vec![PollFd::new(&self.stream, flags)];
        if interrupt::wait(&mut files, limit(timeout))? {
            Ok(())
        } else {
            Err(Error::Timeout(timeout.reason))
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let mut written = 0;
        while written < amount {
            let output = &self.buffers.output()[written..amount];
            match self.stream.write(output) {
                Ok(0) => return Err(Error::Io(ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    // A reader that takes a little at a time, and goes on doing so, is stopped here.
                    interrupt::check().map_err(std::io::Error::from)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT, timeout)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        loop {
            self.wait(PollFlags::IN, timeout)?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(count) => {
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Bytes that nobody asked for are as bad as an end.
        let peeked = self.stream.peek(&mut [0]);
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
