//! Waits that a signal ends.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::interrupt::{ENDING, HANDLERS, Stopped, check, left, signal};
use crate::time::Clock;

/// Waits until one of the files is ready or the timeout has passed; false for the latter. `None` waits without limit.
/// Fails with `Stopped` once the work under way must end.
pub(crate) fn wait(files: &mut Vec<PollFd<'_>>, timeout: Option<Duration>) -> io::Result<bool> {
    let until = timeout.map(|timeout| Clock::System.instant() + timeout);
    loop {
        check()?;
        let rest = shorter(until.map(rest), left());
        if poll_once(files, rest)? {
            return Ok(true);
        }
        if has_passed(until) {
            return Ok(false);
        }
    }
}

/// Waits as `wait` does, but for input of the run: it fails with `Stopped` as soon as there is a signal.
pub(crate) fn wait_for_input(
    files: &mut Vec<PollFd<'_>>,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let until = timeout.map(|timeout| Clock::System.instant() + timeout);
    loop {
        if let Some(signal) = signal() {
            return Err(Stopped(signal).into());
        }
        if poll_once(files, until.map(rest))? {
            return Ok(true);
        }
        if has_passed(until) {
            return Ok(false);
        }
    }
}

/// Fails where the work under way must end before this time has passed.
pub(crate) fn allow(span: Duration) -> Result<(), Stopped> {
    match (signal(), left()) {
        (Some(signal), Some(left)) if left <= span => Err(Stopped(signal)),
        _ => Ok(()),
    }
}

/// Waits for a time. Fails at once if the work under way must end before that.
pub(crate) fn sleep(clock: &Clock, span: Duration) -> Result<(), Stopped> {
    if clock.skips(span) {
        return check();
    }
    let until = Clock::System.instant() + span;
    loop {
        let rest = rest(until);
        allow(rest)?;
        if rest.is_zero() {
            return Ok(());
        }
        // It fails only for want of memory, and then the time is looked at again.
        let _ = poll_once(&mut Vec::new(), Some(rest));
    }
}

/// Waits for a time that no signal shortens.
pub(super) fn pause(span: Duration) {
    let until = Clock::System.instant() + span;
    while !has_passed(Some(until)) {
        let _ = poll(&mut [], Some(&timespec(rest(until))));
    }
}

/// Polls once, until a file is ready, the timeout has passed, or a signal arrives; true for the first.
/// A signal that was noticed before ends nothing.
pub(super) fn poll_once(
    files: &mut Vec<PollFd<'_>>,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let is_noticed = ENDING.with(|ending| ending.noticed.get().is_some());
    let count = files.len();
    if let Some(handlers) = HANDLERS.get().filter(|_| !is_noticed) {
        files.push(PollFd::new(&handlers.wake, PollFlags::IN));
    }
    let polled = poll(files, timeout.map(timespec).as_ref());
    files.truncate(count);
    match polled {
        Ok(_) => Ok(files.iter().any(|file| !file.revents().is_empty())),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn rest(until: Instant) -> Duration {
    until.saturating_duration_since(Clock::System.instant())
}

fn has_passed(until: Option<Instant>) -> bool {
    until.is_some_and(|until| rest(until).is_zero())
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

fn timespec(span: Duration) -> Timespec {
    // Rounded up, so that the deadline has passed when poll says so.
    let span = span.saturating_add(Duration::from_micros(999));
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    }
}
