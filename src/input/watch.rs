//! Waiting for input with a deadline, while watching for signals and for the closing of stdout by its reader.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::error::{Error, Result};
use crate::interrupt;
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
    clock: Clock,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    Input,
    Deadline,
    Signal,
    StdoutClosed,
}

impl Watch {
    pub(super) fn new(stdout: Stdout, clock: Clock) -> Result<Self> {
        let stdout = match stdout {
            Stdout::Needed => {
                let stdout = std::io::stdout().as_fd().try_clone_to_owned();
                Some(stdout.map_err(|error| {
                    Error::system("cannot watch for the closing of stdout").because(error)
                })?)
            }
            Stdout::Unused => None,
        };
        Ok(Self { stdout, clock })
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
        // poll reports a closed pipe even if no flag is requested.
        let stdout = self.stdout.as_ref();
        let mut waiting: Vec<_> = stdout
            .map(|stdout| PollFd::new(stdout, PollFlags::empty()))
            .into_iter()
            .chain(file.map(|file| PollFd::new(file, PollFlags::IN)))
            .collect();
        match interrupt::wait_for_input(&mut waiting, timeout) {
            Ok(false) => Ok(Wake::Deadline),
            Ok(true) => {
                let is_closed = stdout.is_some() && !waiting[0].revents().is_empty();
                Ok(if is_closed {
                    Wake::StdoutClosed
                } else {
                    Wake::Input
                })
            }
            Err(error) => match interrupt::signal() {
                Some(_) => Ok(Wake::Signal),
                None => Err(Error::system("cannot wait for input").because(error)),
            },
        }
    }
}
