//! How a command ends: what happens to the rows that are not durable, the summary, and the exit code.

use crate::error::{Error, Result};
use crate::feedback::{Feedback, Outcome};
use crate::interrupt::{self, Signal, Stopped, Work};
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

/// What a signal does with rows that no state covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtSignal {
    /// They are discarded: the source sends them again.
    Discard,
    /// They are published: they cannot be read again.
    Publish,
}

/// The end of a command.
struct End {
    exit: Exit,
    outcome: Outcome,
    /// The error to print after the summary.
    error: Option<Error>,
}

/// Finishes the sink after reading, as far as the way reading ended permits, and reports the outcome.
pub(super) fn conclude(
    read: Result<(), Interruption>,
    at_signal: AtSignal,
    sink: &mut Sink<'_>,
    feedback: &mut Feedback,
    bytes_in: u64,
    audience: Audience,
) -> Exit {
    let End {
        exit,
        outcome,
        error,
    } = end(read, at_signal, sink, audience);
    feedback.end(sink.final_tally(), bytes_in, outcome);
    if let Some(error) = error {
        out::failure(audience, &error);
    }
    exit
}

fn end(
    read: Result<(), Interruption>,
    at_signal: AtSignal,
    sink: &mut Sink<'_>,
    audience: Audience,
) -> End {
    // What follows is the last checkpoint.
    let _work = interrupt::begin(Work::Checkpoint);
    let failure = match read {
        Ok(()) => match sink.finish() {
            Ok(()) => {
                return End {
                    exit: Exit::Success,
                    outcome: Outcome::Done,
                    error: None,
                };
            }
            Err(error) => match interrupt::signal() {
                Some(signal) => return stopped(signal, discarded(audience)),
                None => Some(error),
            },
        },
        // Whatever ended the reading after a signal, the signal is the reason.
        Err(interruption) => match (interruption, interrupt::signal()) {
            (Interruption::Signal(signal), _) | (_, Some(signal)) => {
                return at_signal.end(signal, sink, audience);
            }
            (Interruption::Error(error), None) => {
                sink.fail();
                Some(error)
            }
            (Interruption::StdoutClosed, None) => {
                sink.abandon();
                None
            }
        },
    };
    End {
        exit: Exit::Reported(1),
        outcome: match &failure {
            Some(error) => Outcome::Failed(error.to_string()),
            None => Outcome::Stopped,
        },
        error: failure,
    }
}

impl AtSignal {
    fn end(self, signal: Signal, sink: &mut Sink<'_>, audience: Audience) -> End {
        let rows = match self {
            Self::Discard => {
                sink.fail();
                discarded(audience).to_owned()
            }
            Self::Publish => {
                let published = sink.publish_all();
                sink.abandon();
                match published {
                    Ok(()) => "the rows that were read are published".to_owned(),
                    Err(error) => format!("not all rows that were read are published: {error}"),
                }
            }
        };
        stopped(signal, &rows)
    }
}

fn discarded(audience: Audience) -> &'static str {
    match audience {
        Audience::Platform => "rows that no printed state covers were discarded",
        Audience::Person => "rows that were not yet published were discarded",
    }
}

fn stopped(signal: Signal, rows: &str) -> End {
    End {
        exit: Exit::Reported(signal.exit_code()),
        outcome: Outcome::Stopped,
        error: Some(Error::transient(format!("{}; {rows}", Stopped(signal)))),
    }
}
