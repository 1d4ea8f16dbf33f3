//! Files that may let us wait: FIFOs without a writer, pipes without room.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::interrupt::wait::poll_once;
use crate::interrupt::{Stopped, left, signal, wait};

/// How long a write may take although the time is over: the last words of a run.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Bytes per write: a pipe that is ready takes a page without waiting, and no more is certain.
const PAGE: usize = 4096;

/// Writes all bytes to a file whose reader may be slow, or gone without a word. After a signal it has the time of the work
/// under way, and a moment in any case.
pub(crate) fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let time = left().map(|left| left.max(LAST_WORDS));
        let is_ready = poll_once(&mut vec![PollFd::new(&file, PollFlags::OUT)], time)?;
        if !is_ready {
            match (time, signal()) {
                (Some(_), Some(signal)) => return Err(Stopped(signal).into()),
                // A signal has just arrived.
                _ => continue,
            }
        }
        match rustix::io::write(file, &bytes[..bytes.len().min(PAGE)]) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The options that open a file without waiting: a FIFO opens to be read although nobody writes to it yet, and what cannot
/// be done at once fails with `WouldBlock`.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    options
}

/// The longest file that is read whole, in bytes: catalogs of thousands of streams have some ten million.
const LONGEST: u64 = 256 << 20;

/// Reads a whole file, which may be a FIFO; one without end, as a device may be, is an error.
pub(crate) fn read_file(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut file = options().read(true).open(path)?;
    let mut bytes = Vec::new();
    loop {
        wait(&mut vec![PollFd::new(&file, PollFlags::IN)], None)?;
        let room = LONGEST + 1 - bytes.len() as u64;
        match (&mut file).take(room).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > LONGEST => {
                let text = format!("expected at most {} MiB, found more", LONGEST >> 20);
                return Err(io::Error::new(ErrorKind::FileTooLarge, text));
            }
            Ok(_) => return Ok(bytes),
            // What came before is kept.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads a whole file of text, which may be a FIFO.
pub(crate) fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let text = String::from_utf8(read_file(path)?);
    text.map_err(|_| io::Error::new(ErrorKind::InvalidData, "expected UTF-8 text"))
}
