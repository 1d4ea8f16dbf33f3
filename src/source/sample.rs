//! The first records of an input without a schema: the schema is inferred from them, then they are written like all others.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::input::{Event, Lines};
use crate::json::scan;
use crate::schema::infer::Inference;
use crate::source::Interruption;
use crate::source::bad::BadRecords;
use crate::time::Clock;

/// How many bytes of records are sampled. Values of later records that do not fit are rescued.
pub(super) const SIZE: usize = 4 << 20;

/// The size of a sample of one record, for an input with a schema.
pub(super) const ONE: usize = 1;

/// Records that were read but not yet written.
#[derive(Default)]
pub(super) struct Sample {
    text: Vec<u8>,
    lines: Vec<SampleLine>,
    /// The names of the inputs that the lines were read from.
    inputs: Vec<String>,
    inference: Inference,
}

struct SampleLine {
    number: u64,
    input: usize,
    text: Range<usize>,
}

impl Sample {
    /// Reads until the sample is full, the input ends, or the first record has waited for `longest_wait`.
    pub(super) fn read(
        lines: &mut Lines,
        size: usize,
        longest_wait: Option<Duration>,
        clock: &Clock,
        bad: &mut BadRecords,
    ) -> Result<Self, Interruption> {
        let mut sample = Self::default();
        let mut deadline: Option<Instant> = None;
        while sample.text.len() < size {
            match lines.next(|| deadline)? {
                Event::Line {
                    input,
                    number,
                    text,
                } => {
                    if scan::check_object(text).is_ok() {
                        sample.add(input, number, text);
                    } else {
                        bad.reject(lines)?;
                    }
                }
                Event::Deadline | Event::End => break,
                Event::StdoutClosed => return Err(Interruption::StdoutClosed),
                // A source that is read only once: what came is written like the rest.
                Event::Signal(_) if longest_wait.is_some() && !sample.is_empty() => break,
                Event::Signal(signal) => return Err(Interruption::Signal(signal)),
            }
            if deadline.is_none() && !sample.is_empty() {
                deadline = longest_wait.map(|wait| clock.instant() + wait);
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
        self.lines.push(SampleLine {
            number,
            input: self.inputs.len() - 1,
            text: from..self.text.len(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The JSON schema inferred from the records.
    pub(super) fn schema(&self) -> Value {
        self.inference.schema()
    }

    /// The name of its input, the line number, and the text of each record.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&str, u64, &[u8])> {
        self.lines.iter().map(|line| {
            let input = self.inputs[line.input].as_str();
            (input, line.number, &self.text[line.text.clone()])
        })
    }
}
