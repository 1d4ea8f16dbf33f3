//! Runs the steps over the text of a record: one scan, no tree.

use crate::json::scan::{AFTER_ELEMENT, Fault, Scanner};
use crate::row::members::Level;
use crate::row::order::Written;
use crate::row::splice::Splice;
use crate::row::step::{Form, Members};
use crate::row::verbatim::Verbatim;

/// Where one record is being turned into its row.
pub(super) struct Encoder<'a> {
    pub(super) scan: Scanner<'a>,
    pub(super) row: Splice<'a>,
    pub(super) scratch: &'a mut Scratch,
}

/// Buffers that outlive the record, so that a warm plan allocates nothing.
#[derive(Default)]
pub(super) struct Scratch {
    /// What was written of the objects that are open, innermost last.
    pub(super) written: Vec<Written>,
    /// An object whose members came in another order than the columns'.
    pub(super) reordered: Vec<u8>,
    /// What a value was converted to.
    pub(super) converted: Vec<u8>,
    /// What the row can not hold.
    pub(super) missed: Vec<Missed>,
}

impl Scratch {
    /// For the next record. What a huge one needed is given back.
    pub(super) fn clear(&mut self) {
        const KEPT: usize = 1 << 20;
        if self.reordered.capacity() + self.converted.capacity() > KEPT {
            *self = Self::default();
        }
        self.written.clear();
        self.missed.clear();
    }
}

/// A member of the record whose value the row does not hold, as ranges of the record's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missed {
    /// `UNKNOWN`, or the column.
    pub(super) step: u32,
    /// With its quotes.
    pub(super) key: (usize, usize),
    /// Empty for a value that needs no rescue but takes back an earlier one of the same key.
    pub(super) value: (usize, usize),
}

/// In place of a step: the schema does not know the key.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// How a value fits its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// All of it is in the row.
    Whole,
    /// Something inside of it is not.
    Partly,
    /// Nothing was written.
    No,
}

impl Encoder<'_> {
    /// Reads the whole text, a record. Writes the opening brace and the members of its row, not the closing one;
    /// says whether there are any members.
    pub(super) fn record(&mut self, members: &mut Members) -> Result<bool, Fault> {
        self.scan.space();
        let any = match self.scan.peek() {
            b'{' => self.members(members, Level::Record)?.1,
            b'n' => {
                self.scan.literal("null")?;
                self.row.put(b"{");
                false
            }
            _ => return Err(Fault("a record, which is a JSON object")),
        };
        self.scan.end()?;
        self.row.out();
        Ok(any)
    }

    /// Writes any value that is not null and does not stand in the row as it is.
    #[inline]
    pub(super) fn value(&mut self, form: &mut Form) -> Result<Fit, Fault> {
        match form {
            Form::Text => self.text(),
            Form::Integer(least, greatest) => self.integer(*least, *greatest),
            Form::Double => self.double(),
            Form::Boolean => self.boolean(),
            Form::Timestamp => self.timestamp(),
            Form::Date => self.date(),
            Form::Decimal(whole, fraction) => self.decimal(*whole, *fraction),
            Form::Float => self.float(),
            Form::Array(element) if self.scan.peek() == b'[' => self.array(element),
            Form::Struct(members) if self.scan.peek() == b'{' => {
                let (fit, _) = self.members(members, Level::Inner)?;
                self.row.keep_behind(b'}', self.scan.at, self.scan.at);
                Ok(fit)
            }
            Form::Array(_) | Form::Struct(_) | Form::Foreign => {
                self.scan.skip()?;
                Ok(Fit::No)
            }
        }
    }

    fn array(&mut self, element: &mut Form) -> Result<Fit, Fault> {
        let mut fit = Fit::Whole;
        let verbatim = Verbatim::of(element);
        self.bracket();
        self.scan.space();
        if self.scan.peek() == b']' {
            self.bracket();
            return Ok(fit);
        }
        loop {
            let from = self.scan.at;
            if self.scan.peek() == b'n' {
                self.scan.literal("null")?;
                self.row.keep(from, self.scan.at);
            } else if let Some(end) = verbatim.end(self.scan.text, from) {
                self.scan.at = end;
                self.row.keep(from, end);
            } else {
                let mark = self.row.mark();
                let found = self.value(element)?;
                if found == Fit::No {
                    self.row.reset(mark);
                    self.row.put(b"null");
                }
                if found != Fit::Whole {
                    fit = Fit::Partly;
                }
            }
            self.scan.space();
            match self.scan.peek() {
                b',' => {
                    self.bracket();
                    self.scan.space();
                }
                b']' => {
                    self.bracket();
                    return Ok(fit);
                }
                _ => return Err(Fault(AFTER_ELEMENT)),
            }
        }
    }

    /// Keeps one byte of an array's own.
    #[inline]
    fn bracket(&mut self) {
        self.scan.at += 1;
        self.row.keep(self.scan.at - 1, self.scan.at);
    }
}
