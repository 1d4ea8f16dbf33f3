//! Signals: SIGTERM and SIGINT ask the run to end. Whatever waits for something outside of the process waits here, so
//! that the run ends in time.
//!
//! Before a signal a wait is as long as its timeout. After one it also ends at a deadline, which depends on the work
//! under way ([`Work`]), and reports that it was [`Stopped`]. A second signal ends the process at once.

mod file;
#[cfg(test)]
mod tests;
mod wait;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::error::{Error, Result};
use crate::time::Clock;

pub(crate) use file::{options, read_file, read_text, write_all};
pub(crate) use wait::{allow, sleep, wait, wait_for_input};

/// A signal that asks the run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    const ALL: [Self; 2] = [Self::Interrupt, Self::Terminate];

    fn number(self) -> i32 {
        match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
        }
    }

    /// The exit code of a process that it ended: 128 plus its number, as shells report it.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// A wait that a signal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped(pub(crate) Signal);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by {}", self.0)
    }
}

impl std::error::Error for Stopped {}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        Self::transient(stopped.to_string())
    }
}

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        Self::other(stopped)
    }
}

/// The work under way, by how long it may go on after a signal.
///
/// Kubernetes kills 30 seconds after its SIGTERM, Docker 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// One more second: enough for a call to a healthy service.
    #[default]
    Any,
    /// A checkpoint: three seconds without an answer from a service, twenty in all.
    Checkpoint,
    /// What removes that which nobody will use, such as unfinished uploads: a second and a half more than a checkpoint.
    CleanUp,
}

impl Work {
    /// How long it may go on without an answer, and in all.
    fn patience(self, rows: Rereading) -> (Duration, Duration) {
        let (short, long) = (Duration::from_secs(3), Duration::from_secs(20));
        let patience = match (self, rows) {
            (Self::Any, Rereading::Repeatable) => {
                return (Duration::from_secs(1), Duration::from_secs(1));
            }
            (_, Rereading::Repeatable) => short,
            (_, Rereading::OnlyHere) => long,
        };
        let more = match self {
            Self::CleanUp => Duration::from_millis(1500),
            _ => Duration::ZERO,
        };
        (patience + more, long + more)
    }
}

/// Whether the rows that were read can be read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rereading {
    #[default]
    Repeatable,
    /// They are nowhere else, so that all work is as patient as it can be.
    OnlyHere,
}

/// What the handlers of the signals share with the program.
struct Handlers {
    /// The number of the signal that arrived last; 0 while none has.
    arrived: Arc<AtomicUsize>,
    /// Whether a signal ends the process at once.
    is_fatal: Arc<AtomicBool>,
    /// Readable once a signal has arrived; nobody reads it.
    wake: UnixStream,
}

static HANDLERS: OnceLock<Handlers> = OnceLock::new();

/// The end of the run, as its thread sees it.
#[derive(Default)]
struct Ending {
    /// The first signal, and when it was noticed.
    noticed: Cell<Option<(Signal, Instant)>>,
    /// When a service last answered during a checkpoint.
    answered: Cell<Option<Instant>>,
    work: Cell<Work>,
    rows: Cell<Rereading>,
}

thread_local! {
    static ENDING: Ending = Ending::default();
}

/// How long a second signal is ignored: timeout(1) sends its signal to the process and again to the process's group.
const DOUBLE: Duration = Duration::from_millis(50);

/// From here on SIGTERM and SIGINT do not end the process, but the waits of this module.
pub(crate) fn install() -> Result<()> {
    let handlers = handlers()
        .map_err(|error| Error::system("cannot watch for SIGTERM and SIGINT").because(error))?;
    // A second call (tests in one process) keeps the first handlers.
    let _ = HANDLERS.set(handlers);
    Ok(())
}

fn handlers() -> io::Result<Handlers> {
    let (wake, write) = UnixStream::pair()?;
    let handlers = Handlers {
        arrived: Arc::default(),
        is_fatal: Arc::default(),
        wake,
    };
    for signal in Signal::ALL {
        let number = signal.number();
        // In the order in which they happen.
        let code = i32::from(signal.exit_code());
        flag::register_conditional_shutdown(number, code, Arc::clone(&handlers.is_fatal))?;
        let value = usize::try_from(number).unwrap_or_default();
        flag::register_usize(number, Arc::clone(&handlers.arrived), value)?;
        low_level::pipe::register(number, write.try_clone()?)?;
    }
    Ok(handlers)
}

/// The first signal that has arrived.
#[inline]
pub(crate) fn signal() -> Option<Signal> {
    #[cfg(not(test))]
    if HANDLERS.get()?.arrived.load(Ordering::Relaxed) == 0 {
        return None;
    }
    // A test makes one for its thread.
    ENDING.with(Ending::signal)
}

impl Ending {
    #[cold]
    fn signal(&self) -> Option<Signal> {
        if let Some((signal, _)) = self.noticed.get() {
            return Some(signal);
        }
        let handlers = HANDLERS.get()?;
        let number = handlers.arrived.load(Ordering::SeqCst);
        let signal = Signal::ALL
            .into_iter()
            .find(|signal| usize::try_from(signal.number()) == Ok(number))?;
        let now = Clock::System.instant();
        self.noticed.set(Some((signal, now)));
        wait::pause(DOUBLE);
        handlers.is_fatal.store(true, Ordering::SeqCst);
        Some(signal)
    }

    /// When the work under way must end; nothing while there is no signal.
    fn deadline(&self) -> Option<Instant> {
        let (_, arrived) = self.noticed.get()?;
        let (patience, longest) = self.work.get().patience(self.rows.get());
        let since = self
            .answered
            .get()
            .map_or(arrived, |answered| answered.max(arrived));
        Some((since + patience).min(arrived + longest))
    }
}

/// The time that the work under way still has; nothing while there is no signal.
fn left() -> Option<Duration> {
    signal()?;
    let deadline = ENDING.with(Ending::deadline)?;
    Some(deadline.saturating_duration_since(Clock::System.instant()))
}

/// Fails once the work under way must end.
pub(crate) fn check() -> Result<(), Stopped> {
    match (signal(), left()) {
        (Some(signal), Some(Duration::ZERO)) => Err(Stopped(signal)),
        _ => Ok(()),
    }
}

/// A service has answered, so a checkpoint under way makes progress.
pub(crate) fn answered() {
    ENDING.with(|ending| {
        if ending.work.get() == Work::Checkpoint {
            ending.answered.set(Some(Clock::System.instant()));
        }
    });
}

/// The rows that are read from here on are nowhere else: a signal leaves more time to publish them.
pub(crate) fn keep_rows() {
    ENDING.with(|ending| ending.rows.set(Rereading::OnlyHere));
}

/// Begins a piece of work, which lasts until the guard is dropped. A piece of work within another has the patience of the
/// more patient one.
#[must_use]
pub(crate) fn begin(work: Work) -> Begun {
    ENDING.with(|ending| {
        let outer = ending.work.get();
        ending.work.set(work.max(outer));
        Begun { outer }
    })
}

/// A piece of work under way.
pub(crate) struct Begun {
    outer: Work,
}

impl Drop for Begun {
    fn drop(&mut self) {
        ENDING.with(|ending| ending.work.set(self.outer));
    }
}

/// Runs what waits where this module cannot end it. A signal meanwhile ends the process at once, as a crash would, unless
/// rows would be lost with it.
pub(crate) fn unattended<T>(wait: impl FnOnce() -> T) -> T {
    let rows = ENDING.with(|ending| ending.rows.get());
    let Some(handlers) = HANDLERS.get().filter(|_| rows == Rereading::Repeatable) else {
        return wait();
    };
    if signal().is_some() {
        return wait();
    }
    handlers.is_fatal.store(true, Ordering::SeqCst);
    let result = wait();
    handlers.is_fatal.store(false, Ordering::SeqCst);
    result
}
