//! Objects, member by member: which step a key belongs to, and what is written for its value.

use crate::json::scan::{AFTER_MEMBER, Fault, Inside, Scanner};
use crate::json::span;
use crate::json::text::unquote_into;
use crate::row::learned::{Learned, Prediction};
use crate::row::misfit::Misfit;
use crate::row::plan::{ObjectPlan, Step, UNKNOWN, ValuePlan};
use crate::row::splice::{Savepoint, Separator};
use crate::row::verbatim;
use crate::row::walk::member::Member;
use crate::row::walk::order::{OutputRange, reorder};
use crate::row::walk::{Fit, Level, Walker};
use crate::time::calendar::{Formatted, Moment};

/// After an object with its members out of order, for how many objects to record which member was written where.
/// Without the record such an object is read twice; with it all others cost more.
const RECORDED: u32 = 1000;

/// How many attempts in a row to find verbatim members may fail before an object is walked through without more.
const MISSES: u32 = 2;

/// How far the walk through an object has come, and what was found.
#[derive(Clone, Copy)]
struct ObjectWalk {
    /// The step whose key is likely the next.
    predicted: u32,
    /// The step of the member before, or `UNKNOWN`.
    previous: u32,
    /// The least step that may follow in order.
    lowest: u32,
    /// What separates the next member of the row from those that were written.
    separator: Separator,
    /// Whether the output range of each member is recorded, so that they can be put in order.
    records: bool,
    is_ordered: bool,
    fit: Fit,
    level: Level,
}

impl ObjectWalk {
    fn new(expected: &Prediction, level: Level) -> Self {
        Self {
            predicted: expected.first,
            previous: UNKNOWN,
            lowest: 0,
            separator: Separator::Open,
            records: expected.recorded > 0,
            is_ordered: true,
            fit: Fit::Whole,
            level,
        }
    }

    #[inline]
    fn pass(&mut self, step: u32, next: u32) {
        self.previous = step;
        self.predicted = next;
        self.lowest = self.lowest.max(step + 1);
    }
}

/// The beginning of an object, in the text and in all that is written while it is walked through.
#[derive(Clone, Copy)]
struct Start {
    at: usize,
    row: Savepoint,
    ranges: usize,
    misfits: usize,
}

/// What to do with the value when the predicted key matched; a timestamp is formatted apart, as it is large.
enum Taken {
    Verbatim,
    /// It is null: the row leaves the member out.
    Null,
    Timestamp,
}

impl Walker<'_> {
    /// Walks through an object. Writes an opening brace and the members that the row has of it, no closing brace.
    /// Returns how it fits, and what separates a further member.
    pub(super) fn object(
        &mut self,
        plan: &ObjectPlan,
        level: Level,
    ) -> Result<(Fit, Separator), Fault> {
        let text = self.scan.text;
        let start = self.start();
        let mut progress = ObjectWalk::new(self.learned.object(plan), level);
        let mut at = after_space(text, self.scan.at + 1);
        if text.get(at) == Some(&b'}') {
            self.scan.at = at + 1;
            self.row.put(b"{");
            self.scratch.lacks(level, 0, plan.end());
            return Ok((Fit::Whole, Separator::Open));
        }
        let mut misses = 0;
        let mut is_spaced = false;
        loop {
            if progress.records {
                // Each member by itself.
            } else if is_spaced {
                let (end, is_closed) = self.spaced_members(plan, &mut progress, at);
                at = end;
                if is_closed {
                    break;
                }
            } else if misses < MISSES {
                let (end, is_closed) = self.verbatim_members(plan, &mut progress, at);
                misses = if end == at { misses + 1 } else { 0 };
                at = end;
                if is_closed {
                    break;
                }
                at = after_space(text, at);
            }
            let member = self.key(plan, &progress, at)?;
            is_spaced |= member.value > member.to + 1;
            if member.step < progress.lowest && !progress.records {
                return self.read_again(plan, level, start);
            }
            at = after_space(text, self.member(plan, level, &mut progress, member)?);
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
        Ok(self.finish(plan, start, progress))
    }

    /// Walks over members for as long as each has the predicted key, is in order, and is verbatim in the row, or null,
    /// or a timestamp. Returns the place of the first that is not so, or of the closing brace, and whether it is this.
    #[inline(never)] // so that all it needs is in registers
    fn verbatim_members(
        &mut self,
        plan: &ObjectPlan,
        progress: &mut ObjectWalk,
        at: usize,
    ) -> (usize, bool) {
        let text = self.scan.text;
        let expected = self.learned.object(plan);
        let mut now = *progress;
        let mut at = at;
        let mut timestamp = Formatted::default();
        let (mut from, mut to) = (at, at); // the verbatim members since the last other one
        let is_closed = loop {
            let Some(step) = plan.steps.get(now.predicted as usize) else {
                break false;
            };
            if now.predicted < now.lowest || !step.key_is_name || !step.key.is_at(text, at) {
                break false;
            }
            let value = at + step.key.len();
            let Some((end, taken)) = usual(step, self.learned, text, value, &mut timestamp) else {
                break false;
            };
            let is_last = match text.get(end) {
                Some(b',') => false,
                Some(b'}') => true,
                _ => break false,
            };
            let step = now.predicted;
            if step != now.lowest {
                self.scratch.lacks(now.level, now.lowest, step);
            }
            now.lowest = step + 1;
            now.predicted = expected.next(step);
            at = end + usize::from(!is_last);
            match taken {
                Taken::Verbatim => to = end,
                Taken::Null => {
                    self.scratch.lacks(now.level, step, step + 1);
                    now.separator = self.row.put_members(now.separator, from, to);
                    (from, to) = (at, at);
                }
                Taken::Timestamp => {
                    now.separator = self.row.put_members(now.separator, from, value);
                    self.row.put(timestamp.as_bytes());
                    (from, to) = (at, at);
                }
            }
            if is_last {
                break true;
            }
        };
        now.separator = self.row.put_members(now.separator, from, to);
        if now.lowest > progress.lowest {
            now.previous = now.lowest - 1;
        }
        *progress = now;
        (at, is_closed)
    }

    /// The same of members that have whitespace between them or after their colons: each is copied by itself.
    #[inline(never)] // as above
    fn spaced_members(
        &mut self,
        plan: &ObjectPlan,
        progress: &mut ObjectWalk,
        at: usize,
    ) -> (usize, bool) {
        let text = self.scan.text;
        let expected = self.learned.object(plan);
        let mut now = *progress;
        let mut at = at;
        let mut timestamp = Formatted::default();
        let is_closed = loop {
            let Some(step) = plan.steps.get(now.predicted as usize) else {
                break false;
            };
            if now.predicted < now.lowest || !step.key.is_at(text, at) {
                break false;
            }
            let value = after_space(text, at + step.key.len());
            let Some((end, taken)) = usual(step, self.learned, text, value, &mut timestamp) else {
                break false;
            };
            let next = after_space(text, end);
            let is_last = match text.get(next) {
                Some(b',') => false,
                Some(b'}') => true,
                _ => break false,
            };
            if now.predicted != now.lowest {
                self.scratch.lacks(now.level, now.lowest, now.predicted);
            }
            now.previous = now.predicted;
            now.lowest = now.predicted + 1;
            now.predicted = expected.next(now.predicted);
            match taken {
                Taken::Null => self.scratch.lacks(now.level, now.previous, now.lowest),
                Taken::Verbatim | Taken::Timestamp => {
                    self.row.put_name(now.separator, &step.name);
                    now.separator = Separator::Comma;
                    match taken {
                        Taken::Timestamp => self.row.put(timestamp.as_bytes()),
                        _ => self.row.put_verbatim(value, end),
                    }
                }
            }
            if is_last {
                at = next;
                break true;
            }
            at = after_space(text, next + 1);
        };
        *progress = now;
        (at, is_closed)
    }

    /// Walks over a key: the predicted one, or any other.
    #[inline]
    fn key(
        &mut self,
        plan: &ObjectPlan,
        progress: &ObjectWalk,
        at: usize,
    ) -> Result<Member, Fault> {
        match plan.steps.get(progress.predicted as usize) {
            Some(step) if step.key.is_at(self.scan.text, at) => Ok(Member {
                step: progress.predicted,
                from: at,
                to: at + step.key.len() - 1,
                value: after_space(self.scan.text, at + step.key.len()),
                is_token: true,
            }),
            _ => self.other_key(plan, at),
        }
    }

    #[inline(never)]
    fn other_key(&mut self, plan: &ObjectPlan, at: usize) -> Result<Member, Fault> {
        self.scan.at = at;
        let key = self.scan.key()?;
        let mut content = key.content(self.scan.text);
        if key.inside != Inside::Plain {
            self.scratch.converted.clear();
            unquote_into(content, &mut self.scratch.converted);
            content = &self.scratch.converted;
        }
        Ok(Member {
            step: plan.find(content).unwrap_or(UNKNOWN),
            from: key.from,
            to: key.to,
            value: self.scan.at,
            is_token: key.inside == Inside::Plain && self.scan.text[key.to] == b':',
        })
    }

    /// Walks over a member's value, writes what the row has of the member, and notes what it lacks. Learns where the
    /// member stood. Returns where the value ends.
    #[inline]
    fn member(
        &mut self,
        plan: &ObjectPlan,
        level: Level,
        progress: &mut ObjectWalk,
        member: Member,
    ) -> Result<usize, Fault> {
        let is_known = member.step != UNKNOWN;
        let is_late = member.step < progress.lowest; // after one that it belongs before, or there already
        if is_known && member.step != progress.predicted {
            let expected = self.learned.object_mut(plan);
            expected.follows(progress.previous, member.step);
        }
        if is_known {
            if is_late && level == Level::Record {
                self.scratch.lacked.remove(member.step);
            }
            self.scratch.lacks(level, progress.lowest, member.step);
        }
        let from = self.row.len() + 1; // after what separates it
        let (end, fit) = match plan.steps.get(member.step as usize) {
            None => self.unknown(member)?,
            Some(step) => {
                let next = self.learned.object(plan).next(member.step);
                progress.pass(member.step, next);
                match step.verbatim.end(self.scan.text, member.value) {
                    Some(end) => {
                        self.put_member(step, member, progress.separator, end);
                        (end, Fit::Whole)
                    }
                    None => self.convert(step, member, progress.separator)?,
                }
            }
        };
        if matches!(fit, Fit::Whole | Fit::Partly) {
            progress.separator = Separator::Comma;
        } else if is_known {
            self.scratch.lacks(level, member.step, member.step + 1);
        }
        match (level, fit) {
            (Level::Record, Fit::Partly | Fit::Misfit) => self.misfit(member, end),
            (Level::Inner, Fit::Partly | Fit::Misfit) => progress.fit = Fit::Partly,
            (Level::Record, _) if is_late || !is_known => self.misfit(member, member.value),
            _ => {}
        }
        if progress.records && is_known {
            progress.is_ordered &= !is_late;
            self.record_range(member.step, from, is_late);
        }
        Ok(end)
    }

    /// Notes a misfit, a member of the record up to the end of its value; or (with nothing of its value) a member that
    /// takes back the misfit of an earlier one with the same key.
    #[cold]
    fn misfit(&mut self, member: Member, end: usize) {
        if member.value < end || !self.scratch.misfits.is_empty() {
            self.scratch.misfits.push(Misfit {
                step: member.step,
                key: (member.from, member.to),
                value: (member.value, end),
            });
        }
    }

    /// Records the output range that a step wrote, from `from` on. An empty one is of use only where it takes back an
    /// earlier one: if the member came late.
    fn record_range(&mut self, step: u32, from: usize, is_late: bool) {
        let to = self.row.len().max(from);
        if is_late || from < to {
            self.scratch.ranges.push(OutputRange { step, from, to });
        }
    }

    fn start(&self) -> Start {
        Start {
            at: self.scan.at,
            row: self.row.savepoint(),
            ranges: self.scratch.ranges.len(),
            misfits: self.scratch.misfits.len(),
        }
    }

    /// Walks through the object once more from its start: a member is out of order, and what was written where was not
    /// recorded. From now on it is for a while.
    #[cold]
    fn read_again(
        &mut self,
        plan: &ObjectPlan,
        level: Level,
        start: Start,
    ) -> Result<(Fit, Separator), Fault> {
        self.learned.object_mut(plan).recorded = RECORDED;
        if level == Level::Record {
            self.scratch.lacked.clear();
        }
        self.scan.at = start.at;
        self.row.roll_back(start.row);
        self.scratch.ranges.truncate(start.ranges);
        self.scratch.misfits.truncate(start.misfits);
        self.object(plan, level)
    }

    /// Puts the members in order where they are not, and learns from the object, which ends here.
    #[inline]
    fn finish(
        &mut self,
        plan: &ObjectPlan,
        start: Start,
        progress: ObjectWalk,
    ) -> (Fit, Separator) {
        let expected = self.learned.object_mut(plan);
        expected.is_verbatim = self.row.is_run(start.at, self.scan.at - 1);
        expected.recorded = if progress.is_ordered {
            expected.recorded.saturating_sub(1)
        } else {
            RECORDED
        };
        let mut separator = progress.separator;
        if separator == Separator::Open {
            self.row.put(b"{");
        } else if !progress.is_ordered {
            separator = reorder(
                &mut self.scratch.ranges[start.ranges..],
                start.row.len(),
                self.row.out(),
                &mut self.scratch.reordered,
            );
        }
        self.scratch.ranges.truncate(start.ranges);
        self.scratch
            .lacks(progress.level, progress.lowest, plan.end());
        (progress.fit, separator)
    }
}

/// The end of a value, if it is one of the usual ones.
#[allow(clippy::inline_always)] // a call would cost as much as most values
#[inline(always)]
fn usual(
    step: &Step,
    learned: &Learned,
    text: &[u8],
    at: usize,
    timestamp: &mut Formatted,
) -> Option<(usize, Taken)> {
    match step.verbatim.end_inlined(text, at) {
        Some(end) => Some((end, Taken::Verbatim)),
        None if text[at..].starts_with(b"null") => Some((at + 4, Taken::Null)),
        None => other(&step.value, learned, text, at, timestamp),
    }
}

/// The end of a value that is not verbatim by itself, if it is one of the other usual ones.
#[inline(never)]
fn other(
    plan: &ValuePlan,
    learned: &Learned,
    text: &[u8],
    at: usize,
    timestamp: &mut Formatted,
) -> Option<(usize, Taken)> {
    match plan {
        ValuePlan::Struct(plan) => {
            Some((verbatim::object(plan, learned, text, at)?, Taken::Verbatim))
        }
        ValuePlan::Timestamp if text.get(at) == Some(&b'"') => {
            let end = span::plain(text, at + 1);
            let moment = Moment::read(&text[at + 1..end])?;
            let is_whole = text.get(end) == Some(&b'"');
            *timestamp = moment.timestamp();
            is_whole.then_some((end + 1, Taken::Timestamp))
        }
        _ => None,
    }
}

/// The place of the next byte that is no space.
#[inline]
fn after_space(text: &[u8], at: usize) -> usize {
    let mut scan = Scanner { text, at };
    scan.space();
    scan.at
}
