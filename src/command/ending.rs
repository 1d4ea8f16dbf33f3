//! How a command ends: what becomes of the sink, what is told, and the exit code.

use crate::error::{Error, Result};
use crate::feedback::{Feedback, Outcome};
use crate::input::Signal;
use crate::out::{self, Reader};
use crate::sink::Sink;

/// How a command that did not fail has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    /// The error was printed already, in the command's own form.
    Told(u8),
}

/// Why the reading of input ended before its end.
pub(super) enum Stop {
    Failed(Error),
    Signal(Signal),
    /// Nobody reads stdout any more.
    Closed,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Makes durable what may be, after the input was read as far as `read` says, and tells what was done.
pub(super) fn conclude(
    read: Result<(), Stop>,
    sink: &mut Sink<'_>,
    feedback: &mut Feedback,
    bytes_in: u64,
    reader: Reader,
) -> Result<Ending> {
    let ended = end(read, sink, reader);
    let outcome = match &ended {
        Ok((Ending::Done, _)) => Outcome::Done,
        Ok((Ending::Told(_), _)) => Outcome::Stopped,
        Err(error) => Outcome::Failed(error.to_string()),
    };
    feedback.end(sink.tally(), bytes_in, outcome);
    let (ending, last_word) = ended?;
    if let Some(error) = last_word {
        out::failure(reader, &error);
    }
    Ok(ending)
}

/// How it ends, and what is to be said last.
fn end(
    read: Result<(), Stop>,
    sink: &mut Sink<'_>,
    reader: Reader,
) -> Result<(Ending, Option<Error>)> {
    match read {
        Ok(()) => sink.finish().map(|()| (Ending::Done, None)),
        Err(Stop::Failed(error)) => {
            sink.fail();
            Err(error)
        }
        Err(Stop::Closed) => {
            sink.abandon();
            Ok((Ending::Told(1), None))
        }
        Err(Stop::Signal(signal)) => {
            sink.abandon();
            let what = match reader {
                Reader::Platform => "what was not acknowledged was discarded",
                Reader::Person => "what was not shown yet was discarded",
            };
            let error = Error::transient(format!("stopped by {signal:?}; {what}"));
            Ok((Ending::Told(signal.exit_code()), Some(error)))
        }
    }
}
