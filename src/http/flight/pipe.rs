//! The bytes of a connection: a socket with any number of layers of TLS over it.
//! One to the server, one to a proxy, or one to a server within the one to its proxy.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// The most plain bytes, and as many encrypted ones, that wait in TLS for room in the socket.
const TLS_BUFFER: usize = 64 * 1024;

/// Bytes in both directions. Like those of a socket, reads and writes fail with `WouldBlock` instead of waiting.
pub(super) enum Pipe<S> {
    Plain(S),
    Tls(Box<Tls<S>>),
}

pub(super) struct Tls<S> {
    session: ClientConnection,
    below: Pipe<S>,
    /// Encrypted bytes read since the last plain one.
    barren: usize,
}

/// The most encrypted bytes that come without a plain one: certificates, tickets and new keys are much shorter. A server
/// that sends records without content is never silent.
const MOST_BARREN: usize = 256 * 1024;

impl<S: Read + Write> Pipe<S> {
    /// Adds a layer of TLS; its handshake goes on as bytes are moved.
    pub(super) fn secured(self, config: &Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "TLS knows no such host"))?;
        let mut session = ClientConnection::new(Arc::clone(config), name).map_err(invalid)?;
        session.set_buffer_limit(Some(TLS_BUFFER));
        Ok(Self::Tls(Box::new(Tls {
            session,
            below: self,
            barren: 0,
        })))
    }

    pub(super) fn socket(&self) -> &S {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.below.socket(),
        }
    }

    /// Moves the handshake of the outermost layer on; true once it is done.
    pub(super) fn shake_hands(&mut self) -> io::Result<bool> {
        let Self::Tls(tls) = self else {
            return Ok(true);
        };
        match tls.shake_hands() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Ok(!tls.session.is_handshaking())
            }
            outcome => outcome.map(|()| true),
        }
    }

    /// Whether bytes wait for room in the socket.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.session.wants_write() || tls.below.is_full(),
        }
    }
}

impl<S: Read + Write> Tls<S> {
    fn shake_hands(&mut self) -> io::Result<()> {
        while self.session.is_handshaking() {
            self.send()?;
            if self.session.is_handshaking() && self.receive()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // The last words of the handshake.
        self.send()
    }

    /// Writes the encrypted bytes that wait.
    fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.below)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.below.flush()
    }

    /// Reads and decrypts; returns how many encrypted bytes came.
    fn receive(&mut self) -> io::Result<usize> {
        let count = self.session.read_tls(&mut self.below)?;
        self.barren += count;
        if self.barren > MOST_BARREN {
            let text = "the server's TLS goes on without content";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if let Err(error) = self.session.process_new_packets() {
            // The server should learn why.
            let _ = self.send();
            return Err(invalid(error));
        }
        Ok(count)
    }
}

impl<S: Read + Write> Read for Pipe<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let tls = match self {
            Self::Plain(socket) => return again(|| socket.read(buffer)),
            Self::Tls(tls) => tls,
        };
        // What was written must leave before an answer to it can come.
        unless_full(tls.send())?;
        loop {
            match tls.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => {
                    tls.barren = 0;
                    return outcome;
                }
            }
            // The end comes from the reader, which knows whether it was announced.
            tls.receive()?;
            // An answer of TLS itself, as to a new key.
            unless_full(tls.send())?;
        }
    }
}

impl<S: Read + Write> Write for Pipe<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let tls = match self {
            Self::Plain(socket) => return again(|| socket.write(bytes)),
            Self::Tls(tls) => tls,
        };
        tls.send()?;
        let count = tls.session.writer().write(bytes)?;
        unless_full(tls.send())?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.send(),
        }
    }
}

fn unless_full(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        outcome => outcome,
    }
}

/// Calls again after an interruption by a signal.
fn again(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
