//! Standard input as lines, with a deadline: the only place that waits for the source.
//!
//! Between lines it also watches for SIGTERM and SIGINT, and for a reader of stdout that went away.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Result};
use crate::time::Clock;

/// How much is asked of the kernel at once; the pipe's 64 KiB or a file's read-ahead arrive whole.
const BLOCK: usize = 256 * 1024;

/// What came next.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A line that is not blank, without its line end (`\n`, or `\r\n`). Lines are numbered from 1, blank ones too.
    Line { number: u64, text: &'a [u8] },
    /// The deadline passed while the source was silent.
    Due,
    /// A signal asks to stop.
    Stop(Signal),
    /// Whoever read stdout is gone.
    Closed,
    /// The end of input.
    End,
}

/// The signals that ask to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// 128 plus the signal's number, as shells report it.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Reads lines from a file descriptor.
pub(crate) struct Lines {
    file: File,
    stdout: OwnedFd,
    interrupts: UnixStream,
    terminations: UnixStream,
    clock: Clock,
    /// Bytes read and not yet handed out are `buffer[start..end]`; no line end is in `buffer[start..searched]`.
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
    number: u64,
    longest: usize,
    at_end: bool,
}

impl Lines {
    /// Lines of stdin, none longer than `longest` bytes. From here on signals stop the run instead of killing it.
    pub(crate) fn stdin(longest: usize, clock: Clock) -> Result<Self> {
        let fail = |error: std::io::Error| Error::system("stdin can not be read").because(error);
        let file = File::from(
            std::io::stdin()
                .as_fd()
                .try_clone_to_owned()
                .map_err(fail)?,
        );
        let stdout = std::io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map_err(fail)?;
        Ok(Self {
            file,
            stdout,
            interrupts: pipe_of(SIGINT).map_err(fail)?,
            terminations: pipe_of(SIGTERM).map_err(fail)?,
            clock,
            buffer: vec![0; BLOCK],
            start: 0,
            searched: 0,
            end: 0,
            number: 0,
            longest,
            at_end: false,
        })
    }

    /// The next line, or what came instead of one by the deadline (none means to wait for ever).
    pub(crate) fn next(&mut self, deadline: Option<Instant>) -> Result<Event<'_>> {
        let (from, to) = loop {
            let searched = &self.buffer[self.searched..self.end];
            if let Some(offset) = memchr::memchr(b'\n', searched) {
                let line_end = self.searched + offset;
                let line = (self.start, line_end);
                self.number += 1;
                self.start = line_end + 1;
                self.searched = self.start;
                if let Some(line) = self.trimmed(line) {
                    break line;
                }
                continue;
            }
            self.searched = self.end;
            if self.at_end {
                if self.start == self.end {
                    return Ok(Event::End);
                }
                let line = (self.start, self.end);
                self.number += 1;
                self.start = self.end;
                match self.trimmed(line) {
                    Some(line) => break line,
                    None => return Ok(Event::End),
                }
            }
            if self.end - self.start > self.longest {
                return Err(self.too_long());
            }
            match self.wait(deadline)? {
                Wake::Input => self.fill()?,
                Wake::Due => return Ok(Event::Due),
                Wake::Stop(signal) => return Ok(Event::Stop(signal)),
                Wake::Closed => return Ok(Event::Closed),
            }
        };
        if to - from > self.longest {
            return Err(self.too_long());
        }
        Ok(Event::Line {
            number: self.number,
            text: &self.buffer[from..to],
        })
    }

    fn too_long(&self) -> Error {
        // A line is counted when its end is found; a line that grows past the limit is the next one.
        Error::config(format!(
            "a line of stdin near line {} is longer than {} MiB",
            self.number + 1,
            self.longest >> 20
        ))
        .hint("raise max_record_mb in the configuration")
    }

    /// The line without its `\r`, or nothing where it is blank.
    fn trimmed(&self, (from, mut to): (usize, usize)) -> Option<(usize, usize)> {
        let line = &self.buffer[from..to];
        if line.ends_with(b"\r") {
            to -= 1;
        }
        (!line.iter().all(u8::is_ascii_whitespace)).then_some((from, to))
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<Wake> {
        loop {
            let timeout =
                deadline.map(|deadline| deadline.saturating_duration_since(self.clock.instant()));
            let mut waiting = [
                PollFd::new(&self.interrupts, PollFlags::IN),
                PollFd::new(&self.terminations, PollFlags::IN),
                // No flag is asked for: poll reports a closed pipe unasked.
                PollFd::new(&self.stdout, PollFlags::empty()),
                PollFd::new(&self.file, PollFlags::IN),
            ];
            let ready = match poll(&mut waiting, timeout.map(timespec).as_ref()) {
                Ok(ready) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => {
                    return Err(Error::system("waiting for stdin failed")
                        .because(std::io::Error::from(error)));
                }
            };
            if ready == 0 {
                return Ok(Wake::Due);
            }
            let is_ready = |index: usize| !waiting[index].revents().is_empty();
            return Ok(if is_ready(0) {
                Wake::Stop(Signal::Interrupt)
            } else if is_ready(1) {
                Wake::Stop(Signal::Terminate)
            } else if is_ready(2) {
                Wake::Closed
            } else {
                Wake::Input
            });
        }
    }

    /// Reads what is there, making room for a block first.
    fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
        if self.end == 0 && self.buffer.len() > 4 * BLOCK {
            // A giant line went by: give its memory back.
            self.buffer = vec![0; BLOCK];
        }
        if self.buffer.len() - self.end < BLOCK / 2 {
            // A line longer than the buffer: grow by half, so that copying stays cheap.
            let longer = self.buffer.len() + (self.buffer.len() / 2).max(BLOCK);
            self.buffer.resize(longer, 0);
        }
        match self.file.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.at_end = true,
            Ok(count) => self.end += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::system("stdin can not be read").because(error)),
        }
        Ok(())
    }
}

enum Wake {
    Input,
    Due,
    Stop(Signal),
    Closed,
}

/// A socket that becomes readable when the signal arrives.
fn pipe_of(signal: i32) -> std::io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal, write)?;
    Ok(read)
}

fn timespec(span: Duration) -> Timespec {
    // Rounded up, so that the deadline has passed when poll says so.
    let span = span + Duration::from_micros(999);
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    }
}
