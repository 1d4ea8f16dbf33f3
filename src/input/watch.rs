//! Waiting for input with a deadline, while watching for signals and for the closing of stdout by its reader.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Result};
use crate::input::Signal;
use crate::time::Clock;

/// Whether stdout must have a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// States are printed, so a run without a reader is pointless.
    Needed,
    /// Nothing is printed.
    Unused,
}

/// The events that end a wait, besides input.
pub(super) struct Watch {
    stdout: Option<OwnedFd>,
    interrupts: UnixStream,
    terminations: UnixStream,
    clock: Clock,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    Input,
    Deadline,
    Signal(Signal),
    StdoutClosed,
}

impl Watch {
    /// From here on signals are events and do not kill the process.
    pub(super) fn new(stdout: Stdout, clock: Clock) -> Result<Self> {
        let fail = |error: std::io::Error| {
            Error::system("cannot watch for signals and for the closing of stdout").because(error)
        };
        let stdout = match stdout {
            Stdout::Needed => Some(
                std::io::stdout()
                    .as_fd()
                    .try_clone_to_owned()
                    .map_err(fail)?,
            ),
            Stdout::Unused => None,
        };
        Ok(Self {
            stdout,
            interrupts: pipe_of(SIGINT).map_err(fail)?,
            terminations: pipe_of(SIGTERM).map_err(fail)?,
            clock,
        })
    }

    /// Waits until the file is readable or another event happens; without a deadline, without limit.
    pub(super) fn wait(&self, file: &File, deadline: Option<Instant>) -> Result<Wake> {
        let timeout =
            deadline.map(|deadline| deadline.saturating_duration_since(self.clock.instant()));
        self.poll(Some(file), timeout)
    }

    /// Returns an event that has already happened, without waiting; `Deadline` if none has.
    pub(super) fn look(&self) -> Result<Wake> {
        self.poll(None, Some(Duration::ZERO))
    }

    fn poll(&self, file: Option<&File>, timeout: Option<Duration>) -> Result<Wake> {
        let mut waiting = vec![
            PollFd::new(&self.interrupts, PollFlags::IN),
            PollFd::new(&self.terminations, PollFlags::IN),
        ];
        let mut wakes = vec![
            Wake::Signal(Signal::Interrupt),
            Wake::Signal(Signal::Terminate),
        ];
        if let Some(stdout) = &self.stdout {
            // poll reports a closed pipe even if no flag is requested.
            waiting.push(PollFd::new(stdout, PollFlags::empty()));
            wakes.push(Wake::StdoutClosed);
        }
        if let Some(file) = file {
            waiting.push(PollFd::new(file, PollFlags::IN));
            wakes.push(Wake::Input);
        }
        loop {
            match poll(&mut waiting, timeout.map(timespec).as_ref()) {
                Ok(0) => return Ok(Wake::Deadline),
                Ok(_) => {
                    let mut ready = waiting.iter().map(|fd| !fd.revents().is_empty());
                    let index = ready.position(|is_ready| is_ready).unwrap_or_default();
                    return Ok(wakes[index]);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    return Err(
                        Error::system("cannot wait for input").because(std::io::Error::from(error))
                    );
                }
            }
        }
    }
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
