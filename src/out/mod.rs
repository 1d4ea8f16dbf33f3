//! Standard output and standard error: the only place that writes them.
//! Airbyte reads stdout line by line, so every line goes out whole and at once; where there is no platform, logs go to stderr.

mod message;

pub(crate) use message::{connection_status, spec};

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Who reads what we print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A platform that reads messages on stdout: logs are LOG messages.
    Platform,
    /// A person or a script: logs are lines on stderr.
    Person,
}

struct Logger {
    reader: Reader,
}

/// Whether a line of progress stands on the terminal, without a line end.
static IN_PROGRESS: AtomicBool = AtomicBool::new(false);

/// Goes to the beginning of the terminal's line and empties it (ECMA-48).
const CLEAR: &str = "\r\x1b[K";

/// Set once a write to stdout failed: whoever read it is gone.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Installs the logger and the panic hook; called once, by `command`.
pub(crate) fn start(reader: Reader, level: log::LevelFilter) {
    // A second call (tests in one process) keeps the first logger, which writes to the same place.
    if log::set_boxed_logger(Box::new(Logger { reader })).is_ok() {
        log::set_max_level(level);
    }
    std::panic::set_hook(Box::new(move |panic| {
        // The payload may quote data (a slice error does), so only the place is printed.
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let error = Error::system(format!(
            "internal error{place}; please report it with this line"
        ));
        failure(reader, &error);
    }));
}

/// Writes one protocol line to stdout.
pub(crate) fn line(text: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text)
        .and_then(|()| {
            if text.ends_with(b"\n") {
                Ok(())
            } else {
                stdout.write_all(b"\n")
            }
        })
        .and_then(|()| stdout.flush())
        .map_err(|error| {
            CLOSED.store(true, Ordering::Relaxed);
            Error::system("stdout can not be written").because(error)
        })
}

/// Whether the reader of stdout has gone away.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// How many columns the terminal has that stderr is; nothing where it is none that can write over itself.
pub(crate) fn terminal_width() -> Option<usize> {
    let stderr = io::stderr();
    if !stderr.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stderr).ok()?;
    // A terminal that does not tell has 80, as terminals had.
    Some(if size.ws_col == 0 {
        80
    } else {
        size.ws_col.into()
    })
}

/// Writes the line of progress over the one before.
pub(crate) fn progress(text: &str) {
    IN_PROGRESS.store(true, Ordering::Relaxed);
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{CLEAR}{text}").and_then(|()| stderr.flush());
}

/// Takes the line of progress away.
pub(crate) fn end_progress() {
    if IN_PROGRESS.swap(false, Ordering::Relaxed) {
        let _ = write!(io::stderr().lock(), "{CLEAR}");
    }
}

/// Text for a person who asked for it (`--help`).
pub(crate) fn text(text: &str) -> Result<()> {
    line(text.trim_end().as_bytes())
}

/// A usage error: one line on stderr.
pub(crate) fn usage(message: &str) {
    end_progress();
    let _ = writeln!(io::stderr().lock(), "destination-aws-datalake: {message}");
}

/// The last word of a run that failed: the protocol's one TRACE ERROR, or a line for a person.
pub(crate) fn failure(reader: Reader, error: &Error) {
    match reader {
        // A reader that is gone can not be told; that is no second failure.
        Reader::Platform => drop(line(
            message::trace_error(error, crate::time::Clock::System.now()).as_bytes(),
        )),
        Reader::Person => usage(&format!("{error}")),
    }
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // Libraries below log headers and addresses that nobody vetted for secrets.
        metadata.target().starts_with("destination_aws_datalake")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        match self.reader {
            Reader::Platform => drop(line(message::log(record.level(), &message).as_bytes())),
            Reader::Person => {
                end_progress();
                let level = record.level().as_str().to_lowercase();
                let _ = writeln!(io::stderr().lock(), "{level}: {message}");
            }
        }
    }

    fn flush(&self) {}
}
