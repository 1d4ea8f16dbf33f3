//! The slow walk: runs the plan over the whole text of a record, in one scan and without a tree. It decides what a row
//! holds; shortcuts only spare it work.

mod map;
mod member;
mod object;
mod order;
mod scalar;

use crate::json::scan::{AFTER_ELEMENT, Fault, RECORD, ReadToEnd, Scanner};
use crate::row::filled::Lacked;
use crate::row::learned::Learned;
use crate::row::misfit::Misfit;
use crate::row::plan::{ObjectPlan, ValuePlan, Verbatim};
use crate::row::splice::{Separator, Splice};

use order::OutputRange;

/// One record on its way to its row.
pub(super) struct Walker<'a> {
    pub(super) scan: Scanner<'a>,
    pub(super) row: Splice<'a>,
    pub(super) learned: &'a mut Learned,
    pub(super) scratch: &'a mut Scratch,
}

/// Buffers that outlive the record, so that a warm encoder allocates nothing.
#[derive(Default)]
pub(super) struct Scratch {
    /// What the row cannot hold.
    pub(super) misfits: Vec<Misfit>,
    /// What was written of the objects that are open, innermost last; only while that is recorded.
    ranges: Vec<OutputRange>,
    /// An object whose members are in another order than the columns.
    reordered: Vec<u8>,
    /// What a value was converted to.
    converted: Vec<u8>,
    /// The columns of which the row has no value.
    pub(super) lacked: Lacked,
}

impl Scratch {
    /// Makes room for the next record. The memory that a huge one needed is freed.
    pub(super) fn clear(&mut self) {
        const KEPT: usize = 1 << 20;
        if self.reordered.capacity() + self.converted.capacity() > KEPT {
            *self = Self::default();
        }
        self.ranges.clear();
        self.misfits.clear();
        self.lacked.clear();
    }

    /// Notes that the row has no value of these steps, if they are of the record.
    #[inline(never)] // so that the loops over members keep their registers
    fn lacks(&mut self, level: Level, from: u32, to: u32) {
        if level == Level::Record && from < to {
            self.lacked.add(from, to);
        }
    }
}

/// How a value fits its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// All of it is in the row.
    Whole,
    /// Something inside of it is not.
    Partly,
    /// It does not fit, and nothing was written.
    Misfit,
    /// There is nothing to write.
    Null,
}

/// Where an object is, which decides what becomes of members that do not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// It is the record: each such member is a misfit.
    Record,
    /// It is inside of a member of the record: that fits only partly.
    Inner,
}

impl Walker<'_> {
    /// Reads the whole text, a record. Writes the opening brace and the members of its row, not the closing brace.
    /// Returns what separates a further member.
    pub(super) fn record(&mut self, plan: &ObjectPlan) -> Result<(Separator, ReadToEnd), Fault> {
        self.scan.space();
        if self.scan.peek() != b'{' {
            return Err(Fault(RECORD));
        }
        let (_, separator) = self.object(plan, Level::Record)?;
        let end = self.scan.end()?;
        self.row.out();
        Ok((separator, end))
    }

    /// Reads and writes any value that is neither null nor verbatim.
    #[inline]
    pub(super) fn value(&mut self, plan: &ValuePlan) -> Result<Fit, Fault> {
        match plan {
            ValuePlan::Text => self.text(),
            ValuePlan::Json => self.json_text(),
            ValuePlan::Integer(least, greatest) => self.integer(*least, *greatest),
            ValuePlan::Double => self.double(),
            ValuePlan::Boolean => self.boolean(),
            ValuePlan::Timestamp => self.timestamp(),
            ValuePlan::Date => self.date(),
            ValuePlan::Decimal(whole, fraction) => self.decimal(*whole, *fraction),
            ValuePlan::Float => self.float(),
            ValuePlan::Array(element) if self.scan.peek() == b'[' => self.array(element),
            ValuePlan::Struct(plan) if self.scan.peek() == b'{' => {
                let (fit, _) = self.object(plan, Level::Inner)?;
                self.row
                    .put_verbatim_after(b'}', self.scan.at, self.scan.at);
                Ok(fit)
            }
            ValuePlan::Bounded(length, padding) => self.bounded(*length, *padding),
            ValuePlan::Map(element) if self.scan.peek() == b'{' => self.map(element),
            ValuePlan::Array(_) | ValuePlan::Struct(_) | ValuePlan::Map(_) | ValuePlan::Foreign => {
                self.scan.skip()?;
                Ok(Fit::Misfit)
            }
        }
    }

    fn array(&mut self, element: &ValuePlan) -> Result<Fit, Fault> {
        let mut fit = Fit::Whole;
        let verbatim = Verbatim::new(element);
        self.put_byte();
        self.scan.space();
        if self.scan.peek() == b']' {
            self.put_byte();
            return Ok(fit);
        }
        loop {
            let from = self.scan.at;
            if self.scan.peek() == b'n' {
                self.scan.literal("null")?;
                self.row.put_verbatim(from, self.scan.at);
            } else if let Some(end) = verbatim.end(self.scan.text, from) {
                self.scan.at = end;
                self.row.put_verbatim(from, end);
            } else {
                let before = self.row.savepoint();
                let found = self.value(element)?;
                if found == Fit::Misfit {
                    self.row.roll_back(before);
                    self.row.put(b"null");
                }
                if found != Fit::Whole {
                    fit = Fit::Partly;
                }
            }
            self.scan.space();
            match self.scan.peek() {
                b',' => {
                    self.put_byte();
                    self.scan.space();
                }
                b']' => {
                    self.put_byte();
                    return Ok(fit);
                }
                _ => return Err(Fault(AFTER_ELEMENT)),
            }
        }
    }

    /// Walks over a bracket or comma of an array, which is verbatim in the row.
    #[inline]
    fn put_byte(&mut self) {
        self.scan.at += 1;
        self.row.put_verbatim(self.scan.at - 1, self.scan.at);
    }
}
