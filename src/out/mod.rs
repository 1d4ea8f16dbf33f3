//! Standard output and standard error; only this module writes them.
//! A platform reads stdout line by line, so every line is written whole and flushed; without a platform, logs go to stderr.

mod message;

pub(crate) use message::{connection_status, spec};

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::error::{Error, Result};
use crate::interrupt;
use crate::text::printable;

/// Who reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A platform, which reads messages from stdout: logs are LOG messages.
    Platform,
    /// A person or a script: logs are lines on stderr.
    Person,
}

/// How a person's output looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether the words before messages have colors.
    pub(crate) has_color: bool,
    /// Whether each message is a line of JSON.
    pub(crate) is_json: bool,
    /// Whether progress is left out.
    pub(crate) is_quiet: bool,
}

struct Logger {
    audience: Audience,
}

/// The style: a bit each for color, JSON and quiet. Panics are reported in it too.
static STYLE: AtomicU8 = AtomicU8::new(0);

fn style() -> Style {
    let bits = STYLE.load(Ordering::Relaxed);
    Style {
        has_color: bits & 1 != 0,
        is_json: bits & 2 != 0,
        is_quiet: bits & 4 != 0,
    }
}

/// Sets the style of what a person reads.
pub(crate) fn set_style(style: Style) {
    let bits =
        u8::from(style.has_color) | u8::from(style.is_json) << 1 | u8::from(style.is_quiet) << 2;
    STYLE.store(bits, Ordering::Relaxed);
}

/// Whether the terminal's current line is a progress line, without a line end.
static IN_PROGRESS: AtomicBool = AtomicBool::new(false);

/// Returns to the start of the terminal's line and erases it (ECMA-48).
const CLEAR: &str = "\r\x1b[K";

/// Set once a write to stdout has failed, because its reader is gone.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Set while logs are dropped.
static IS_HUSHED: AtomicBool = AtomicBool::new(false);

/// Set once a write to stderr has failed.
static IS_STDERR_LOST: AtomicBool = AtomicBool::new(false);

/// Installs the logger and the panic hook; called once, by `command`.
pub(crate) fn start(audience: Audience, level: log::LevelFilter) {
    // A second call (tests in one process) keeps the first logger, which writes to the same streams.
    if log::set_boxed_logger(Box::new(Logger { audience })).is_ok() {
        log::set_max_level(level);
    }
    std::panic::set_hook(Box::new(move |panic| {
        // The payload may quote data (a slice error does), so only the location is printed.
        let location = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let error = Error::system(format!(
            "internal error{location}; please report it with this line"
        ));
        failure(audience, &error);
    }));
}

/// Writes one protocol line to stdout.
pub(crate) fn line(text: &[u8]) -> Result<()> {
    let written = if is_closed() {
        Err(io::ErrorKind::BrokenPipe.into())
    } else if text.ends_with(b"\n") {
        write(&io::stdout(), text)
    } else {
        write(&io::stdout(), &[text, b"\n"].concat())
    };
    written.map_err(|error| {
        CLOSED.store(true, Ordering::Relaxed);
        Error::system("cannot write to stdout").because(error)
    })
}

/// Writes a line, or a part of one, whole: nothing is kept in a buffer.
fn write(stream: &impl AsFd, text: &[u8]) -> io::Result<()> {
    interrupt::write_all(stream.as_fd(), text)
}

/// Writes to stderr. If nobody reads it, that is nobody's failure; after a signal it is then not waited for again.
fn write_stderr(text: &str) {
    if !IS_STDERR_LOST.load(Ordering::Relaxed) && write(&io::stderr(), text.as_bytes()).is_err() {
        IS_STDERR_LOST.store(true, Ordering::Relaxed);
    }
}

/// stdout or stderr, if it is this file.
pub(crate) fn stream(file: &Metadata) -> Option<File> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    [stdout.as_fd(), stderr.as_fd()]
        .into_iter()
        .find_map(|stream| {
            let stream = File::from(stream.try_clone_to_owned().ok()?);
            let found = stream.metadata().ok()?;
            (found.dev() == file.dev() && found.ino() == file.ino()).then_some(stream)
        })
}

/// Whether the reader of stdout is gone.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Whether stderr is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// The width of the terminal on which progress is shown; `None` if stderr is no terminal, or progress is left out.
pub(crate) fn terminal_width() -> Option<usize> {
    let stderr = io::stderr();
    if !is_terminal() || style().is_quiet || style().is_json {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stderr).ok()?;
    // Some terminals report no width; 80 columns is the traditional default.
    Some(if size.ws_col == 0 {
        80
    } else {
        size.ws_col.into()
    })
}

/// Replaces the progress line.
pub(crate) fn progress(text: &str) {
    IN_PROGRESS.store(true, Ordering::Relaxed);
    write_stderr(&format!("{CLEAR}{}", printable(text)));
}

/// Removes the progress line.
pub(crate) fn end_progress() {
    if IN_PROGRESS.swap(false, Ordering::Relaxed) {
        write_stderr(CLEAR);
    }
}

/// Text of several lines for a person who asked for it (`--help`, `plan`).
pub(crate) fn text(text: &str) -> Result<()> {
    let lines: Vec<_> = text.trim_end().split('\n').map(printable).collect();
    line(lines.join("\n").as_bytes())
}

/// A line for a person: `warn: …`, or JSON.
fn tell(level: &str, text: &str) {
    end_progress();
    let style = style();
    let text = printable(text);
    let line = if style.is_json {
        let now = crate::time::Clock::System.now();
        message::json_line(level, &text, now)
    } else if style.has_color {
        let color = match level {
            "error" => "1;31",
            "warn" => "1;33",
            "help" => "1;36",
            _ => "2",
        };
        format!("\x1b[{color}m{level}:\x1b[0m {text}\n")
    } else {
        format!("{level}: {text}\n")
    };
    write_stderr(&line);
}

/// The last line of a run that failed: one TRACE ERROR for a platform; `error:` and the reason for a person, after a line
/// with what can be done.
pub(crate) fn failure(audience: Audience, error: &Error) {
    match audience {
        // If the reader is gone, the error cannot be delivered; that is not a second failure.
        Audience::Platform => drop(line(
            message::trace_error(error, crate::time::Clock::System.now()).as_bytes(),
        )),
        Audience::Person => {
            if let Some(hint) = error.hint_text() {
                tell("help", hint);
            }
            tell("error", &error.reason());
        }
    }
}

/// Drops logs, or takes them again: of work that is done once more only what is new is logged.
pub(crate) fn hush(is_hushed: bool) {
    IS_HUSHED.store(is_hushed, Ordering::Relaxed);
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // Libraries log headers and addresses, which may hold secrets.
        metadata.target().starts_with("destination_aws_datalake")
    }

    fn log(&self, record: &log::Record<'_>) {
        if IS_HUSHED.load(Ordering::Relaxed) || !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        match self.audience {
            Audience::Platform => drop(line(message::log(record.level(), &message).as_bytes())),
            Audience::Person => tell(&record.level().as_str().to_lowercase(), &message),
        }
    }

    fn flush(&self) {}
}
