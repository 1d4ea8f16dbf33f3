//! How a command ends: what happens to the rows that are not durable, the summary, and the exit code.

use crate::error::{Error, Result};
use crate::feedback::{Feedback, Outcome};
use crate::input::Signal;
use crate::out::{self, Audience};
use crate::sink::Sink;
use crate::source::Interruption;

/// How a command that returned no error exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Success,
    /// With this code; the reason was already printed in the command's own form.
    Reported(u8),
}

/// Finishes the sink after reading, as far as the way reading ended permits, and reports the outcome.
pub(super) fn conclude(
    read: Result<(), Interruption>,
    sink: &mut Sink<'_>,
    feedback: &mut Feedback,
    bytes_in: u64,
    audience: Audience,
) -> Result<Exit> {
    let ended = end(read, sink, audience);
    let outcome = match &ended {
        Ok((Exit::Success, _)) => Outcome::Done,
        Ok((Exit::Reported(_), _)) => Outcome::Stopped,
        Err(error) => Outcome::Failed(error.to_string()),
    };
    feedback.end(sink.tally(), bytes_in, outcome);
    let (exit, last_error) = ended?;
    if let Some(error) = last_error {
        out::failure(audience, &error);
    }
    Ok(exit)
}

/// Returns the exit, and the error to print after the summary.
fn end(
    read: Result<(), Interruption>,
    sink: &mut Sink<'_>,
    audience: Audience,
) -> Result<(Exit, Option<Error>)> {
    match read {
        Ok(()) => sink.finish().map(|()| (Exit::Success, None)),
        Err(Interruption::Error(error)) => {
            sink.fail();
            Err(error)
        }
        Err(Interruption::StdoutClosed) => {
            sink.abandon();
            Ok((Exit::Reported(1), None))
        }
        Err(Interruption::Signal(signal)) => {
            sink.abandon();
            let discarded = match audience {
                Audience::Platform => "rows that no printed state covers were discarded",
                Audience::Person => "rows that were not yet published were discarded",
            };
            let error = Error::transient(format!("stopped by {signal}; {discarded}"));
            Ok((Exit::Reported(exit_code(signal)), Some(error)))
        }
    }
}

/// 128 plus the signal's number, as shells report it.
fn exit_code(signal: Signal) -> u8 {
    match signal {
        Signal::Interrupt => 130,
        Signal::Terminate => 143,
    }
}
