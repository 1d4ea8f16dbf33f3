//! One member of an object: what is written for it.

use crate::json::scan::Fault;
use crate::row::plan::Step;
use crate::row::splice::Separator;
use crate::row::walk::{Fit, Walker};

/// A member of the record, up to its value.
#[derive(Clone, Copy)]
pub(super) struct Member {
    /// The step of its key, or `UNKNOWN`.
    pub(super) step: u32,
    /// The range of its key, quotes included.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Where its value begins.
    pub(super) value: usize,
    /// Whether the key and its colon are byte by byte those of the step.
    pub(super) is_token: bool,
}

impl Walker<'_> {
    /// Walks over the value of a key that the schema does not know.
    #[inline(never)]
    pub(super) fn unknown(&mut self, member: Member) -> Result<(usize, Fit), Fault> {
        self.scan.at = member.value;
        let fit = match self.scan.peek() {
            b'n' => Fit::Null,
            _ => Fit::Misfit,
        };
        self.scan.skip()?;
        Ok((self.scan.at, fit))
    }

    /// Walks over a value that is not verbatim, and writes the member unless it is null or a misfit.
    #[inline(never)]
    pub(super) fn convert(
        &mut self,
        step: &Step,
        member: Member,
        separator: Separator,
    ) -> Result<(usize, Fit), Fault> {
        self.scan.at = member.value;
        if self.scan.peek() == b'n' {
            self.scan.literal("null")?;
            return Ok((self.scan.at, Fit::Null));
        }
        let fit = self.write(step, member, separator)?;
        if fit == Fit::Misfit && step.variant.is_some() {
            return self.convert_to_variant(step, member, separator);
        }
        Ok((self.scan.at, fit))
    }

    /// Walks over a value, and writes the member unless it is a misfit.
    fn write(&mut self, step: &Step, member: Member, separator: Separator) -> Result<Fit, Fault> {
        self.scan.at = member.value;
        let before = self.row.savepoint();
        self.put_key(step, member, separator);
        let fit = self.value(&step.value)?;
        if fit == Fit::Misfit {
            self.row.roll_back(before);
        }
        Ok(fit)
    }

    /// Writes a value that the column of its step cannot hold to the first variant that can.
    #[cold]
    fn convert_to_variant(
        &mut self,
        step: &Step,
        member: Member,
        separator: Separator,
    ) -> Result<(usize, Fit), Fault> {
        let mut next = &step.variant;
        while let Some(variant) = next {
            let fit = if let Some(end) = variant.verbatim.end(self.scan.text, member.value) {
                self.put_member(variant, member, separator, end);
                self.scan.at = end;
                Fit::Whole
            } else {
                self.write(variant, member, separator)?
            };
            if fit != Fit::Misfit {
                self.scratch.lacked.add_variant(member.step, variant.number);
                return Ok((self.scan.at, fit));
            }
            next = &variant.variant;
        }
        Ok((self.scan.at, Fit::Misfit))
    }

    /// Writes a member whose value is verbatim and ends at `end`.
    #[inline]
    pub(super) fn put_member(
        &mut self,
        step: &Step,
        member: Member,
        separator: Separator,
        end: usize,
    ) {
        if step.key_is_name && member.is_token && member.value == member.to + 1 {
            self.row
                .put_verbatim_after(separator as u8, member.from, end);
        } else {
            self.put_key(step, member, separator);
            self.row.put_verbatim(member.value, end);
        }
    }

    /// Writes what separates a member from the one before, and its name.
    fn put_key(&mut self, step: &Step, member: Member, separator: Separator) {
        let is_separated = self.scan.text[member.from - 1] == separator as u8;
        if step.key_is_name && member.is_token && is_separated {
            self.row.put_verbatim(member.from - 1, member.to + 1);
        } else {
            self.row.put_name(separator, &step.name);
        }
    }
}
