//! What feeds the sink: Airbyte's messages, a Singer tap's messages, or bare JSON records, read line by line.
//!
//! A [`Source`] gives each line its meaning in calls of the sink. [`read`] is the main loop: it hands lines over until
//! the input ends, an error occurs, or the run is to stop.

pub(crate) mod airbyte;
pub(crate) mod bad;
pub(crate) mod json;
mod sample;
pub(crate) mod singer;
#[cfg(test)]
mod tests;

use std::time::Instant;

use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::input::{Event, Lines};
use crate::interrupt::Signal;
use crate::out;
use crate::sink::Sink;

/// A format of input whose lines become calls of the sink.
///
/// `read` calls `take` for each line, `tick` whenever `deadline` has passed while no line arrived, and `end` once, after
/// the last line. After an error no method is called again, but `refused` after one of `take`.
pub(crate) trait Source {
    /// Takes one line, which is not blank and has no line end.
    fn take(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<()>;

    /// Takes the error of `take`, after which reading goes on only if this returns none.
    fn refused(&mut self, error: Error, _lines: &mut Lines) -> Result<()> {
        Err(error)
    }

    /// When to call `tick` at the latest if no line arrives; `None` means never.
    fn deadline(&self, sink: &Sink<'_>) -> Option<Instant>;

    /// Does what is due by now; nothing if nothing is.
    fn tick(&mut self, sink: &mut Sink<'_>) -> Result<()>;

    /// Takes the end of input.
    fn end(&mut self, _sink: &mut Sink<'_>) -> Result<()> {
        Ok(())
    }
}

/// Why reading stopped before the end of input.
pub(crate) enum Interruption {
    Error(Error),
    Signal(Signal),
    /// The process that read stdout has closed it.
    StdoutClosed,
}

impl From<Error> for Interruption {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Reads to the end of input, or to a signal.
pub(crate) fn read(
    lines: &mut Lines,
    source: &mut impl Source,
    sink: &mut Sink<'_>,
    feedback: &mut Feedback,
) -> Result<(), Interruption> {
    loop {
        let deadlines = || [source.deadline(sink), feedback.deadline()];
        match lines.next(|| deadlines().into_iter().flatten().min())? {
            Event::Line {
                input,
                number,
                text,
            } => {
                if let Err(error) = source.take(text, sink) {
                    let error = at_line(error, number, input);
                    source.refused(error, lines)?;
                }
                sink.set_input(lines.memory());
                feedback.line(sink, lines.bytes());
            }
            Event::Deadline => {
                source.tick(sink)?;
                feedback.tick(sink, lines.bytes());
            }
            Event::End => return Ok(source.end(sink)?),
            Event::StdoutClosed => return Err(Interruption::StdoutClosed),
            Event::Signal(signal) => return Err(Interruption::Signal(signal)),
        }
        if out::is_closed() {
            return Err(Interruption::StdoutClosed);
        }
    }
}

/// The error with the place in the input that it is about.
fn at_line(error: Error, number: u64, input: &str) -> Error {
    error.while_doing(format_args!("line {number} of {input}"))
}
