//! Objects, member by member: which column a key belongs to, and what becomes of its value.

use crate::json::scan::{AFTER_MEMBER, Fault, Inside, Scanner};
use crate::json::span;
use crate::json::text::unquote_into;
use crate::row::calendar::{Moment, Written};
use crate::row::encode::{Encoder, Fit, Missed, UNKNOWN};
use crate::row::splice::Mark;
use crate::row::step::{Form, Members, Step};
use crate::row::verbatim;

/// For how many objects it is noted what was written where, once members came out of order. Without the notes one that
/// has its members out of order is read twice, with them all others cost more.
const NOTED: u32 = 1000;

/// What becomes of members that do not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// The record itself: each is noted by itself.
    Record,
    /// An object inside of a member: it fits only partly.
    Inner,
}

/// How far the walk through an object has come, and what was found.
#[derive(Clone, Copy)]
struct Walk {
    /// The step whose key is likely the next.
    guess: u32,
    /// The step of the member before, or `UNKNOWN`.
    before: u32,
    /// The least step that may follow in order.
    lowest: u32,
    /// Something was written.
    any: bool,
    ordered: bool,
    fit: Fit,
}

impl Walk {
    fn from(members: &Members) -> Self {
        Self {
            guess: members.first,
            before: UNKNOWN,
            lowest: 0,
            any: false,
            ordered: true,
            fit: Fit::Whole,
        }
    }

    #[inline]
    fn pass(&mut self, step: u32, then: u32) {
        self.before = step;
        self.guess = then;
        self.lowest = self.lowest.max(step + 1);
    }
}

#[inline]
fn separator(any: bool) -> u8 {
    if any { b',' } else { b'{' }
}

/// What becomes of a value whose key was the one that was guessed.
enum Fate {
    /// It stands in the row as it is.
    Kept,
    Null,
    Moment(Written),
}

/// Where a value ends that does not stand in the row as it is, if it is one of the other usual ones.
#[inline(never)]
fn other(form: &Form, text: &[u8], at: usize) -> Option<(usize, Fate)> {
    match form {
        Form::Struct(members) => Some((verbatim::object(members, text, at)?, Fate::Kept)),
        Form::Timestamp if text.get(at) == Some(&b'"') => {
            let end = span::plain(text, at + 1);
            let moment = Moment::read(&text[at + 1..end])?;
            let is_whole = text.get(end) == Some(&b'"');
            is_whole.then(|| (end + 1, Fate::Moment(moment.timestamp())))
        }
        _ => None,
    }
}

/// Where an object begins, in all that is written while it is walked through.
#[derive(Clone, Copy)]
struct Begin {
    at: usize,
    row: Mark,
    written: usize,
    missed: usize,
}

/// The place of the next byte that is no space.
#[inline]
fn after_space(text: &[u8], at: usize) -> usize {
    let mut scan = Scanner { text, at };
    scan.space();
    scan.at
}

/// A key of an object.
#[derive(Clone, Copy)]
struct Key {
    /// Or `UNKNOWN`.
    step: u32,
    /// Where it stands, with its quotes.
    from: usize,
    to: usize,
    /// Where its value begins.
    value: usize,
    /// Its bytes, and that of the colon behind it, are the step's.
    verbatim: bool,
}

impl Encoder<'_> {
    /// Walks over an object and writes the members of the row that are in it, with an opening brace and no closing one.
    /// Says how it fits, and whether anything was written.
    pub(super) fn members(
        &mut self,
        members: &mut Members,
        level: Level,
    ) -> Result<(Fit, bool), Fault> {
        let text = self.scan.text;
        let begin = self.begin();
        let mut walk = Walk::from(members);
        let mut at = after_space(text, self.scan.at + 1);
        if text.get(at) == Some(&b'}') {
            self.scan.at = at + 1;
            self.row.put(b"{");
            return Ok((walk.fit, walk.any));
        }
        let mut in_vain = 0; // looks for members that can be kept, in a row
        loop {
            if members.noted == 0 && in_vain < 2 {
                let (end, is_closed) = self.keep_members(members, &mut walk, at);
                in_vain = if end == at { in_vain + 1 } else { 0 };
                at = end;
                if is_closed {
                    break;
                }
                at = after_space(text, at);
            }
            let key = match members.steps.get(walk.guess as usize) {
                Some(step) if step.key.begins(text, at) => Key {
                    step: walk.guess,
                    from: at,
                    to: at + step.key.len() - 1,
                    value: after_space(text, at + step.key.len()),
                    verbatim: true,
                },
                _ => self.find(members, at)?,
            };
            let late = key.step < walk.lowest; // behind one that it belongs before, or there already
            if late && members.noted == 0 {
                // What was written where was not noted. For a while it is now.
                members.noted = NOTED;
                self.back_to(begin);
                return self.members(members, level);
            }
            if key.step != walk.guess && key.step != UNKNOWN {
                members.learn(walk.before, key.step);
            }
            let noted = members.noted > 0;
            let from = if noted { self.row.len() + 1 } else { 0 }; // behind what separates it
            let (end, fit) = match members.steps.get_mut(key.step as usize) {
                None => self.unknown(key)?,
                Some(step) => {
                    walk.pass(key.step, step.then);
                    match step.verbatim.end(text, key.value) {
                        Some(end) => {
                            self.keep_member(step, key, walk.any, end);
                            (end, Some(Fit::Whole))
                        }
                        None => self.member(step, key, walk.any)?,
                    }
                }
            };
            walk.any |= matches!(fit, Some(Fit::Whole | Fit::Partly));
            match (level, fit) {
                (Level::Record, Some(Fit::Partly | Fit::No)) => self.miss(key, end),
                (Level::Inner, Some(Fit::Partly | Fit::No)) => walk.fit = Fit::Partly,
                (Level::Record, _) if late || key.step == UNKNOWN => self.miss(key, key.value),
                _ => {}
            }
            if noted && key.step != UNKNOWN {
                walk.ordered &= !late;
                self.note(key.step, from, late);
            }
            at = after_space(text, end);
            match text.get(at) {
                Some(b',') => at = after_space(text, at + 1),
                Some(b'}') => break,
                _ => {
                    self.scan.at = at;
                    return Err(Fault(AFTER_MEMBER));
                }
            }
        }
        self.scan.at = at + 1;
        members.verbatim = self.row.is_run(begin.at, at);
        members.noted = if walk.ordered {
            members.noted.saturating_sub(1)
        } else {
            NOTED
        };
        if !walk.any {
            self.row.put(b"{");
        } else if !walk.ordered {
            walk.any = self.reorder(begin.row.len(), begin.written);
        }
        self.scratch.written.truncate(begin.written);
        Ok((walk.fit, walk.any))
    }

    /// Walks over members for as long as they come as guessed and in order, and the row has them as they stand, or leaves
    /// them out for a null. Returns the place of the first one that is not so, or of the closing brace, and which it is.
    #[inline(never)] // so that all it needs is in registers
    fn keep_members(&mut self, members: &Members, walk: &mut Walk, at: usize) -> (usize, bool) {
        let text = self.scan.text;
        let mut now = *walk;
        let mut at = at;
        let (mut from, mut to) = (at, at); // what is kept since the last null
        let is_closed = loop {
            let Some(step) = members.steps.get(now.guess as usize) else {
                break false;
            };
            if now.guess < now.lowest || !step.same || !step.key.begins(text, at) {
                break false;
            }
            let value = at + step.key.len();
            let (end, fate) = match step.verbatim.end_inlined(text, value) {
                Some(end) => (end, Fate::Kept),
                None if text[value..].starts_with(b"null") => (value + 4, Fate::Null),
                None => match other(&step.form, text, value) {
                    Some(found) => found,
                    None => break false,
                },
            };
            let is_last = match text.get(end) {
                Some(b',') => false,
                Some(b'}') => true,
                _ => break false,
            };
            now.pass(now.guess, step.then);
            at = end + usize::from(!is_last);
            match fate {
                Fate::Kept => to = end,
                Fate::Null => {
                    now.any |= self.keep_run(now.any, from, to);
                    (from, to) = (at, at);
                }
                Fate::Moment(written) => {
                    now.any |= self.keep_run(now.any, from, value);
                    self.row.put(written.as_bytes());
                    (from, to) = (at, at);
                }
            }
            if is_last {
                break true;
            }
        };
        now.any |= self.keep_run(now.any, from, to);
        *walk = now;
        (at, is_closed)
    }

    /// Keeps members as they stand, with what separates the first from the one before; says whether there are any.
    fn keep_run(&mut self, any: bool, from: usize, to: usize) -> bool {
        if from < to {
            self.row.keep_behind(separator(any), from, to);
        }
        from < to
    }

    fn begin(&self) -> Begin {
        Begin {
            at: self.scan.at,
            row: self.row.mark(),
            written: self.scratch.written.len(),
            missed: self.scratch.missed.len(),
        }
    }

    /// To read an object once more.
    #[cold]
    fn back_to(&mut self, begin: Begin) {
        self.scan.at = begin.at;
        self.row.reset(begin.row);
        self.scratch.written.truncate(begin.written);
        self.scratch.missed.truncate(begin.missed);
    }

    /// Walks over the value of a key that the schema does not know; returns where it ends, and that it does not fit,
    /// unless it is null.
    #[inline(never)]
    fn unknown(&mut self, key: Key) -> Result<(usize, Option<Fit>), Fault> {
        self.scan.at = key.value;
        let fit = (self.scan.peek() != b'n').then_some(Fit::No);
        self.scan.skip()?;
        Ok((self.scan.at, fit))
    }

    /// Writes a member that is not in the row as it stands, unless its value is null or does not fit; returns where the
    /// value ends, and how it fits, unless it is null.
    #[inline(never)]
    fn member(
        &mut self,
        step: &mut Step,
        key: Key,
        any: bool,
    ) -> Result<(usize, Option<Fit>), Fault> {
        self.scan.at = key.value;
        if self.scan.peek() == b'n' {
            self.scan.literal("null")?;
            return Ok((self.scan.at, None));
        }
        let mark = self.row.mark();
        self.keep_key(step, key, any);
        let fit = self.value(&mut step.form)?;
        if fit == Fit::No {
            self.row.reset(mark);
        }
        Ok((self.scan.at, Some(fit)))
    }

    /// Keeps a member up to the end of its value, with what separates it from the one before.
    #[inline]
    fn keep_member(&mut self, step: &Step, key: Key, any: bool, end: usize) {
        if step.same && key.verbatim && key.value == key.to + 1 {
            self.row.keep_behind(separator(any), key.from, end);
        } else {
            self.keep_key(step, key, any);
            self.row.keep(key.value, end);
        }
    }

    /// Writes what separates a member from the one before, and its name.
    fn keep_key(&mut self, step: &Step, key: Key, any: bool) {
        if step.same && key.verbatim {
            self.row.keep_behind(separator(any), key.from, key.to + 1);
        } else {
            self.row.put(&[separator(any)]);
            self.row.put(&step.name);
        }
    }

    /// Walks over a key that is not the one that was guessed, and finds its step.
    #[inline(never)]
    fn find(&mut self, members: &Members, from: usize) -> Result<Key, Fault> {
        self.scan.at = from;
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
            value: self.scan.at,
            verbatim: key.inside == Inside::Plain && self.scan.text[key.to] == b':',
        })
    }

    /// Notes a member of the record that the row does not hold, up to the end of its value; or (with nothing of its
    /// value) one that takes back what an earlier one of the same key may have left.
    #[cold]
    fn miss(&mut self, key: Key, to: usize) {
        if key.value < to || !self.scratch.missed.is_empty() {
            self.scratch.missed.push(Missed {
                step: key.step,
                key: (key.from, key.to),
                value: (key.value, to),
            });
        }
    }
}
