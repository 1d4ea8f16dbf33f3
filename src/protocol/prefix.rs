//! Line prefixes: a line that begins as an earlier one did, and ends as most do, is read without a walk over it. Only
//! the record's object and its time are new.

use std::collections::HashMap;

use crate::protocol::StreamKey;
use crate::protocol::envelope::{self, EndOfData};

/// The length of the longest prefix that is remembered, and how many are: both bound the memory, and sources have few
/// and short ones.
const LONGEST: usize = 1024;
const MOST: usize = 1024;

/// What follows the record's object, as the platform and as Python write it; digits and two braces come after it.
const ENDINGS: [&[u8]; 2] = [b",\"emitted_at\":", b", \"emitted_at\": "];

/// The known prefixes: what lines begin with, up to the record's object. Mostly there is one for each stream.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    known: Vec<Prefix>,
    /// The index of each prefix in `known`; `None` for one that is of no use.
    by_text: HashMap<Box<[u8]>, Option<usize>>,
    /// The index of the prefix that matched last.
    recent: usize,
}

#[derive(Debug)]
pub(super) struct Prefix {
    text: Box<[u8]>,
    pub(super) stream: StreamKey,
    /// The index of the prefix that followed this one last time.
    next: usize,
}

/// A line that a known prefix matched.
#[derive(Debug)]
pub(super) struct Match<'a> {
    /// The index of the prefix: lines with the same one are of the same stream.
    pub(super) prefix_id: usize,
    /// The text of the record's object, if that is one JSON object; if not, the line must be walked over.
    pub(super) data: &'a [u8],
    /// Milliseconds since 1970.
    pub(super) emitted_at: i64,
}

impl Prefixes {
    /// Matches a line that consists of a known prefix, an object, and a usual ending.
    #[inline]
    pub(super) fn find<'a>(&mut self, line: &'a [u8]) -> Option<Match<'a>> {
        let mut prefix = self.known.get(self.recent)?;
        if !line.starts_with(&prefix.text) {
            // Mostly streams take turns, or many records of one follow each other.
            let next = prefix.next;
            prefix = &self.known[next];
            if line.starts_with(&prefix.text) {
                self.recent = next;
            } else {
                prefix = self.look_up(line)?;
            }
        }
        let rest = line[prefix.text.len()..].strip_suffix(b"}}")?;
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let count = rest.iter().rev().take_while(is_digit).count();
        let (rest, digits) = rest.split_at(rest.len() - count);
        // Eighteen digits fit 64 bits; more of them, none, and a leading zero are unusual.
        if !(1..=18).contains(&count) || (digits[0] == b'0' && count > 1) {
            return None;
        }
        let mut endings = ENDINGS.iter();
        let data = endings.find_map(|ending| rest.strip_suffix(*ending))?;
        data.ends_with(b"}").then_some(())?;
        Some(Match {
            prefix_id: self.recent,
            data,
            emitted_at: digits
                .iter()
                .fold(0, |number, digit| number * 10 + i64::from(digit - b'0')),
        })
    }

    #[inline(never)]
    fn look_up(&mut self, line: &[u8]) -> Option<&Prefix> {
        let found = (*self.by_text.get(up_to_data(line)?)?)?;
        self.known[self.recent].next = found;
        self.recent = found;
        self.known.get(found)
    }

    /// The prefix that matched.
    pub(super) fn prefix_of(&self, found: &Match<'_>) -> &Prefix {
        &self.known[found.prefix_id]
    }

    /// Remembers what a line begins with, up to its record's object. Of what it holds only the stream is used.
    pub(super) fn learn(&mut self, text: &[u8]) {
        if self.by_text.len() == MOST || text.len() > LONGEST || self.by_text.contains_key(text) {
            return;
        }
        let prefix = understand(text);
        let index = prefix.is_some().then_some(self.known.len());
        self.by_text.insert(text.into(), index);
        self.known.extend(prefix);
    }
}

/// The line up to the value of `"data":`, if that stands near its beginning. It may be another `"data"` than the
/// record's, but no prefix ends there then.
fn up_to_data(line: &[u8]) -> Option<&[u8]> {
    let near = &line[..line.len().min(LONGEST)];
    let mut colons = memchr::memchr_iter(b':', near);
    let colon = colons.find(|colon| near[..*colon].ends_with(b"\"data\""))?;
    let spaces = near[colon + 1..].iter().take_while(|byte| **byte == b' ');
    Some(&near[..=colon + spaces.count()])
}

/// Reads a prefix. With any object and time after it, it is a valid message of the stream if it is one with an empty
/// object and some time, whatever else it holds.
fn understand(text: &[u8]) -> Option<Prefix> {
    let line = [text, b"{}", ENDINGS[0], b"1}}"].concat();
    let envelope = envelope::read(&line, EndOfData::Walked).ok()?;
    let record = envelope.record.filter(|_| envelope.kind == "RECORD")?;
    Some(Prefix {
        text: text.into(),
        stream: StreamKey::new(record.namespace.as_deref(), &record.stream),
        next: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_no_more_prefixes_than_it_may() {
        let mut prefixes = Prefixes::default();
        let prefix = |stream| {
            format!(r#"{{"type":"RECORD","record":{{"stream":"{stream}","data":"#).into_bytes()
        };
        for stream in 0..2 * MOST {
            prefixes.learn(&prefix(stream));
        }
        prefixes.learn(&prefix(0));
        assert_eq!((prefixes.known.len(), prefixes.by_text.len()), (MOST, MOST));
        let line = |stream| [&*prefix(stream), br#"{},"emitted_at":12}}"#].concat();
        let emitted_at = |prefixes: &mut Prefixes, stream| {
            prefixes.find(&line(stream)).map(|found| found.emitted_at)
        };
        assert_eq!(emitted_at(&mut prefixes, MOST - 1), Some(12));
        assert_eq!(emitted_at(&mut prefixes, MOST), None);
        prefixes.learn(&[b' '; LONGEST + 1]);
        assert_eq!(prefixes.by_text.len(), MOST);
    }
}
