//! The main loop: one line of input after the other to whoever takes them, until the input ends or something stops it.

#[cfg(test)]
mod tests;

use std::time::Instant;

use crate::command::ending::Stop;
use crate::error::Result;
use crate::feedback::Feedback;
use crate::input::{Event, Lines};
use crate::out;
use crate::sink::Sink;

/// Takes lines.
pub(super) trait Taker<'lake> {
    fn take(&mut self, line: &[u8]) -> Result<()>;

    /// When it wants to be called although no line came.
    fn deadline(&self) -> Option<Instant>;

    /// Does what time asks for, if it does.
    fn tick(&mut self) -> Result<()>;

    fn sink(&self) -> &Sink<'lake>;
}

pub(super) fn read<'lake>(
    lines: &mut Lines,
    taker: &mut impl Taker<'lake>,
    feedback: &mut Feedback,
) -> Result<(), Stop> {
    loop {
        let deadlines = || [taker.deadline(), feedback.deadline()];
        match lines.next(|| deadlines().into_iter().flatten().min())? {
            Event::Line {
                input,
                number,
                text,
            } => {
                taker
                    .take(text)
                    .map_err(|error| error.while_doing(format_args!("line {number} of {input}")))?;
                feedback.line(taker.sink(), lines.bytes());
            }
            Event::Due => {
                taker.tick()?;
                feedback.tick(taker.sink(), lines.bytes());
            }
            Event::End => return Ok(()),
            Event::Closed => return Err(Stop::Closed),
            Event::Stop(signal) => return Err(Stop::Signal(signal)),
        }
        if out::is_closed() {
            return Err(Stop::Closed);
        }
    }
}
