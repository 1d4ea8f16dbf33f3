//! The short way of a line that begins as another one did and ends as most do: only the record's object and its time are
//! new.

use std::collections::HashMap;

use crate::protocol::StreamKey;
use crate::protocol::envelope::{self, Ends};

/// Longer beginnings are not kept, nor more of them: both bound the memory, and sources have few and short ones.
const LONGEST: usize = 1024;
const MOST: usize = 1024;

/// What stands behind the record's object, as the platform and as Python write it; then come digits and two braces.
const ENDINGS: [&[u8]; 2] = [b",\"emitted_at\":", b", \"emitted_at\": "];

/// What lines begin with, up to the record's object: one head for each stream, mostly.
#[derive(Debug, Default)]
pub(super) struct Heads {
    known: Vec<Head>,
    /// Which of them begins so; nothing for beginnings that are no use.
    by_text: HashMap<Box<[u8]>, Option<usize>>,
    /// The one that was found last.
    recent: usize,
}

#[derive(Debug)]
pub(super) struct Head {
    text: Box<[u8]>,
    pub(super) stream: StreamKey,
    /// Which head another line had behind one with this.
    then: usize,
}

/// What is new in a line.
#[derive(Debug)]
pub(super) struct News<'a> {
    /// Which head it has: lines with one number begin alike.
    pub(super) head: usize,
    /// The text of the record's object, if it is one; if not, the line must be read with care.
    pub(super) data: &'a [u8],
    /// Milliseconds since 1970.
    pub(super) emitted_at: i64,
}

impl Heads {
    /// What is new in a line that is known but for that.
    #[inline]
    pub(super) fn news<'a>(&mut self, line: &'a [u8]) -> Option<News<'a>> {
        let mut head = self.known.get(self.recent)?;
        if !line.starts_with(&head.text) {
            // Streams mostly come in turns, or many records of one come together.
            let then = head.then;
            head = &self.known[then];
            if line.starts_with(&head.text) {
                self.recent = then;
            } else {
                head = self.find(line)?;
            }
        }
        let rest = line[head.text.len()..].strip_suffix(b"}}")?;
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let count = rest.iter().rev().take_while(is_digit).count();
        let (rest, digits) = rest.split_at(rest.len() - count);
        // Eighteen digits fit 64 bits; more, none, and a zero in front are not usual.
        if !(1..=18).contains(&count) || (digits[0] == b'0' && count > 1) {
            return None;
        }
        let mut endings = ENDINGS.iter();
        let data = endings.find_map(|ending| rest.strip_suffix(*ending))?;
        data.ends_with(b"}").then_some(())?;
        Some(News {
            head: self.recent,
            data,
            emitted_at: digits
                .iter()
                .fold(0, |number, digit| number * 10 + i64::from(digit - b'0')),
        })
    }

    #[inline(never)]
    fn find(&mut self, line: &[u8]) -> Option<&Head> {
        let found = (*self.by_text.get(beginning(line)?)?)?;
        self.known[self.recent].then = found;
        self.recent = found;
        self.known.get(found)
    }

    /// The head of the line that has this news.
    pub(super) fn head(&self, news: &News<'_>) -> &Head {
        &self.known[news.head]
    }

    /// Takes what a line begins with, up to its record's object; it says nothing that counts but the stream.
    pub(super) fn learn(&mut self, text: &[u8]) {
        if self.by_text.len() == MOST || text.len() > LONGEST || self.by_text.contains_key(text) {
            return;
        }
        let head = understand(text);
        let place = head.is_some().then_some(self.known.len());
        self.by_text.insert(text.into(), place);
        self.known.extend(head);
    }
}

/// A line up to what follows `"data":`, if that stands near its beginning. It may be another `"data"` than the record's,
/// but no head ends there then.
fn beginning(line: &[u8]) -> Option<&[u8]> {
    let near = &line[..line.len().min(LONGEST)];
    let mut colons = memchr::memchr_iter(b':', near);
    let colon = colons.find(|colon| near[..*colon].ends_with(b"\"data\""))?;
    let spaces = near[colon + 1..].iter().take_while(|byte| **byte == b' ');
    Some(&near[..=colon + spaces.count()])
}

/// Whatever a head says that does not concern us: a record and its time behind it make a valid message of the stream if
/// they do so here.
fn understand(text: &[u8]) -> Option<Head> {
    let line = [text, b"{}", ENDINGS[0], b"1}}"].concat();
    let envelope = envelope::read(&line, Ends::Walked).ok()?;
    let record = envelope.record.filter(|_| envelope.kind == "RECORD")?;
    Some(Head {
        text: text.into(),
        stream: StreamKey::new(record.namespace.as_deref(), &record.stream),
        then: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_no_more_heads_than_it_may() {
        let mut heads = Heads::default();
        let head = |stream| {
            format!(r#"{{"type":"RECORD","record":{{"stream":"{stream}","data":"#).into_bytes()
        };
        for stream in 0..2 * MOST {
            heads.learn(&head(stream));
        }
        heads.learn(&head(0));
        assert_eq!((heads.known.len(), heads.by_text.len()), (MOST, MOST));
        let line = |stream| [&*head(stream), br#"{},"emitted_at":12}}"#].concat();
        let news =
            |heads: &mut Heads, stream| heads.news(&line(stream)).map(|news| news.emitted_at);
        assert_eq!(news(&mut heads, MOST - 1), Some(12));
        assert_eq!(news(&mut heads, MOST), None);
        heads.learn(&[b' '; LONGEST + 1]);
        assert_eq!(heads.by_text.len(), MOST);
    }
}
