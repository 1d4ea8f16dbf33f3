//! The first records, from which a schema is guessed, and which are then written like all others.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::ending::Stop;
use crate::input::{Event, Lines};
use crate::schema::infer::Inference;
use crate::time::Clock;

/// Bytes of records that decide. What comes later is rescued where it does not fit.
const SIZE: usize = 4 << 20;

/// Records that were read and not yet written.
#[derive(Default)]
pub(super) struct Sample {
    text: Vec<u8>,
    lines: Vec<Line>,
    /// The names of the inputs that they came from.
    inputs: Vec<String>,
    inference: Inference,
}

struct Line {
    number: u64,
    input: usize,
    text: Range<usize>,
}

impl Sample {
    /// Reads until enough has come, or the input ends, or the first record has waited for so long.
    pub(super) fn read(
        lines: &mut Lines,
        patience: Option<Duration>,
        clock: &Clock,
    ) -> Result<Self, Stop> {
        let mut sample = Self::default();
        let mut deadline: Option<Instant> = None;
        while sample.text.len() < SIZE {
            match lines.next(|| deadline)? {
                Event::Line {
                    input,
                    number,
                    text,
                } => sample.add(input, number, text),
                Event::Due | Event::End => break,
                Event::Closed => return Err(Stop::Closed),
                Event::Stop(signal) => return Err(Stop::Signal(signal)),
            }
            if deadline.is_none() {
                deadline = patience.map(|patience| clock.instant() + patience);
            }
        }
        Ok(sample)
    }

    fn add(&mut self, input: &str, number: u64, text: &[u8]) {
        self.inference.record(text);
        if self.inputs.last().is_none_or(|last| last != input) {
            self.inputs.push(input.to_owned());
        }
        let from = self.text.len();
        self.text.extend_from_slice(text);
        self.lines.push(Line {
            number,
            input: self.inputs.len() - 1,
            text: from..self.text.len(),
        });
    }

    /// The JSON schema of what was read.
    pub(super) fn schema(&self) -> Value {
        self.inference.schema()
    }

    /// The records: the name of the input of each, its line number, and its text.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&str, u64, &[u8])> {
        self.lines.iter().map(|line| {
            let input = self.inputs[line.input].as_str();
            (input, line.number, &self.text[line.text.clone()])
        })
    }
}
