//! Misfits: members of a record that its row cannot hold. They are counted, and rescued as one JSON object, which is
//! the text of the rescue column.

use std::borrow::Cow;

use crate::json::scan::Scanner;
use crate::json::text::{quote_into, unquoted};
use crate::row::plan::UNKNOWN;

/// A member of the record whose value the row does not hold, as ranges of the record's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Misfit {
    /// The step of its key, or `UNKNOWN`.
    pub(super) step: u32,
    /// Quotes included.
    pub(super) key: (usize, usize),
    /// Empty for a value that needs no rescue, but takes back the misfit of an earlier member with the same key.
    pub(super) value: (usize, usize),
}

/// How many misfits there were.
pub(super) struct MisfitCounts {
    /// By the step of the column.
    pub(super) by_step: Vec<u64>,
    /// Members that the schema does not know.
    pub(super) unknown: u64,
}

impl MisfitCounts {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            by_step: vec![0; steps],
            unknown: 0,
        }
    }

    /// Counts a misfit of a record.
    pub(super) fn add(&mut self, misfit: &Misfit, record: &[u8]) {
        if let Some(count) = self.of(misfit, record) {
            *count += 1;
        }
    }

    /// Undoes an `add`.
    pub(super) fn take_back(&mut self, misfit: &Misfit, record: &[u8]) {
        if let Some(count) = self.of(misfit, record) {
            *count -= 1;
        }
    }

    /// No count for what says nothing of a column that is yet to come: it is rescued, and no fault of anybody.
    fn of(&mut self, misfit: &Misfit, record: &[u8]) -> Option<&mut u64> {
        match self.by_step.get_mut(misfit.step as usize) {
            None if says_nothing(&record[misfit.value.0..misfit.value.1]) => None,
            None => Some(&mut self.unknown),
            of_step => of_step,
        }
    }
}

/// Of misfits with the same key only the last counts; leaves those of them that need rescue, in the record's order.
pub(super) fn dedup(misfits: &mut Vec<Misfit>, record: &[u8]) {
    if misfits.len() > 1 {
        misfits.sort_unstable_by(|one, other| {
            let step = one.step.cmp(&other.step);
            let key = step.then_with(|| match one.step {
                UNKNOWN => key(record, one).cmp(&key(record, other)),
                _ => step,
            });
            key.then(other.key.cmp(&one.key)) // the last one first: dedup_by leaves that
        });
        misfits.dedup_by(|later, left| {
            later.step == left.step
                && (later.step != UNKNOWN || key(record, later) == key(record, left))
        });
        misfits.sort_unstable_by_key(|misfit| misfit.key);
    }
    misfits.retain(|misfit| misfit.value.0 < misfit.value.1);
}

/// Appends the text of the rescue column: `"{\"key\":value,…}"`.
pub(super) fn rescue(misfits: &[Misfit], record: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"{");
    for (index, misfit) in misfits.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quote_into(&record[misfit.key.0..misfit.key.1], out);
        out.push(b':');
        quote_into(&record[misfit.value.0..misfit.value.1], out);
    }
    out.extend_from_slice(b"}\"");
}

/// Whether a value, which is valid JSON, is an array or an object without a value inside but nulls, and such ones.
fn says_nothing(value: &[u8]) -> bool {
    let mut scan = Scanner::new(value);
    loop {
        match scan.peek() {
            _ if scan.at == value.len() => return true,
            b'{' | b'}' | b'[' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r' => scan.at += 1,
            b'n' => scan.at += b"null".len(),
            // Only keys.
            b'"' => {
                if scan.key().is_err() {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

fn key<'a>(record: &'a [u8], misfit: &Misfit) -> Cow<'a, [u8]> {
    unquoted(&record[misfit.key.0 + 1..misfit.key.1 - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_says_nothing() {
        for value in [
            "[]",
            "{}",
            "[ null,\n[{}]]",
            "{\"a\":{\"b\\\"\" : [null]},\"c\":null}",
        ] {
            assert!(says_nothing(value.as_bytes()), "{value}");
        }
        for value in [
            "0",
            "\"\"",
            "false",
            "[[],\"\"]",
            "{\"a\":\"n\"}",
            "{\"a\":[{},1]}",
            "[\"a\",null]",
        ] {
            assert!(!says_nothing(value.as_bytes()), "{value}");
        }
    }
}
