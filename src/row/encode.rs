//! Runs the steps over the text of a record: one scan, no tree.

use crate::json::scan::{AFTER_ELEMENT, AFTER_MEMBER, Fault, Inside, Scanner};
use crate::json::text::unquote_into;
use crate::row::splice::Splice;
use crate::row::step::{Form, Members, Step};

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
    written: Vec<Written>,
    /// An object whose members came in another order than the columns'.
    reordered: Vec<u8>,
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

/// A member of the row, as a range of the output; an empty one takes back an earlier one.
#[derive(Clone, Copy)]
struct Written {
    step: u32,
    from: usize,
    to: usize,
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

/// What becomes of members that do not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The record itself: each is noted by itself.
    Record,
    /// An object inside of a member: it fits only partly.
    Inner,
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

    fn members(&mut self, members: &mut Members, level: Level) -> Result<(Fit, bool), Fault> {
        let base = self.row.len();
        let first_written = self.scratch.written.len();
        let (mut fit, mut any, mut ordered) = (Fit::Whole, false, true);
        let mut lowest = 0; // the least step that may follow in order
        let mut guess = members.first;
        let mut before = UNKNOWN;

        self.scan.at += 1;
        self.scan.space();
        if self.scan.peek() == b'}' {
            self.scan.at += 1;
            self.row.put(b"{");
            return Ok((fit, any));
        }
        loop {
            let key = self.key(members, guess)?;
            let from = self.scan.at;
            if key.step == UNKNOWN {
                let null = self.scan.peek() == b'n';
                self.scan.skip()?;
                match level {
                    Level::Record => self.miss(key, from, !null),
                    Level::Inner if null => {}
                    Level::Inner => fit = Fit::Partly,
                }
            } else {
                if key.step != guess {
                    match before {
                        UNKNOWN => members.first = key.step,
                        before => members.steps[before as usize].then = key.step,
                    }
                }
                let step = &mut members.steps[key.step as usize];
                before = key.step;
                guess = step.then;
                let again = key.step < lowest; // perhaps: out of order for certain
                ordered &= !again;
                lowest = lowest.max(key.step + 1);

                let found = self.member(step, key, any, again)?;
                any |= matches!(found, Some(Fit::Whole | Fit::Partly));
                let missed = matches!(found, Some(Fit::Partly | Fit::No));
                match level {
                    Level::Inner if missed => fit = Fit::Partly,
                    Level::Record if missed => self.miss(key, from, true),
                    Level::Record if again && !self.scratch.missed.is_empty() => {
                        self.miss(key, from, false);
                    }
                    _ => {}
                }
            }
            self.scan.space();
            match self.scan.peek() {
                b',' => {
                    self.scan.at += 1;
                    self.scan.space();
                }
                b'}' => {
                    self.scan.at += 1;
                    break;
                }
                _ => return Err(Fault(AFTER_MEMBER)),
            }
        }
        if !any {
            self.row.put(b"{");
        } else if !ordered {
            any = self.reorder(base, first_written);
        }
        self.scratch.written.truncate(first_written);
        Ok((fit, any))
    }

    /// Writes a member with what separates it from the one before, unless its value is null (then nothing
    /// is returned) or does not fit.
    #[inline]
    fn member(
        &mut self,
        step: &mut Step,
        key: Key,
        any: bool,
        again: bool,
    ) -> Result<Option<Fit>, Fault> {
        let mark = self.row.mark();
        let mut written = Written {
            step: key.step,
            from: self.row.len() + 1,
            to: self.row.len() + 1,
        };
        let mut found = None;
        if self.scan.peek() == b'n' {
            self.scan.literal("null")?;
        } else {
            let separator = if any { b',' } else { b'{' };
            if step.same && key.verbatim {
                self.row
                    .keep_behind(separator, key.from, key.from + step.key.len());
            } else {
                self.row.put(&[separator]);
                self.row.put(&step.name);
            }
            let fit = self.value(&mut step.form)?;
            found = Some(fit);
            if fit == Fit::No {
                self.row.reset(mark);
            } else {
                written.to = self.row.len();
            }
        }
        if again || written.from < written.to {
            self.scratch.written.push(written);
        }
        Ok(found)
    }

    /// Walks over a key, up to its value, and finds its step: mostly the one that was guessed.
    #[inline]
    fn key(&mut self, members: &Members, guess: u32) -> Result<Key, Fault> {
        let from = self.scan.at;
        if let Some(step) = members.steps.get(guess as usize)
            && step.key.begins(&self.scan.text[from..])
        {
            self.scan.at += step.key.len();
            let to = self.scan.at - 1;
            self.scan.space();
            return Ok(Key {
                step: guess,
                from,
                to,
                verbatim: true,
            });
        }
        self.find(members)
    }

    fn find(&mut self, members: &Members) -> Result<Key, Fault> {
        let key = self.scan.key()?;
        let mut content = key.content(self.scan.text);
        if key.inside != Inside::Plain {
            self.scratch.converted.clear();
            unquote_into(content, &mut self.scratch.converted);
            content = &self.scratch.converted;
        }
        Ok(Key {
            step: members.find(content).unwrap_or(UNKNOWN),
            from: key.from,
            to: key.to,
            verbatim: key.inside == Inside::Plain && self.scan.text[key.to] == b':',
        })
    }

    /// Notes a member of the record that the row does not hold, or (without a rescue) one that takes back
    /// what an earlier one of the same key may have left.
    fn miss(&mut self, key: Key, from: usize, rescue: bool) {
        self.scratch.missed.push(Missed {
            step: key.step,
            key: (key.from, key.to),
            value: (from, if rescue { self.scan.at } else { from }),
        });
    }

    /// Writes any value but null.
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

    /// Puts the members of an object into the order of the steps; of those with one key the last stays.
    /// Says whether any is left.
    #[cold]
    fn reorder(&mut self, base: usize, first: usize) -> bool {
        let Scratch {
            written, reordered, ..
        } = &mut *self.scratch;
        let out = self.row.out();
        let written = &mut written[first..];
        written.sort_unstable_by_key(|member| (member.step, member.from, member.to));
        reordered.clear();
        let mut rest = &*written;
        while let [member, tail @ ..] = rest {
            rest = tail;
            let last = tail.first().is_none_or(|next| next.step != member.step);
            if last && member.from < member.to {
                reordered.push(if reordered.is_empty() { b'{' } else { b',' });
                reordered.extend_from_slice(&out[member.from..member.to]);
            }
        }
        out.truncate(base);
        if reordered.is_empty() {
            out.push(b'{');
            return false;
        }
        out.extend_from_slice(reordered);
        true
    }
}

/// A key of an object: its step (or `UNKNOWN`), where it stands with its quotes, and whether its bytes and
/// those of the colon behind it are the step's.
#[derive(Clone, Copy)]
struct Key {
    step: u32,
    from: usize,
    to: usize,
    verbatim: bool,
}
