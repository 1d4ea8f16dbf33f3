//! A scanner: walks over JSON text, validates what it passes, and returns the places of things.

use std::borrow::Cow;

use crate::error::Error;
use crate::json::span;
use crate::json::text::unquoted;

/// A fault of the text: what was expected where the scanner is. The text is not JSON, or not the JSON that was expected.
///
/// The place is the scanner's, so that a result fits into registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) &'static str);

/// What is inside a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// The characters themselves.
    Plain,
    /// Escapes, each of which stands for a character.
    Escaped,
    /// An escape of half a surrogate pair: JSON's grammar has it, Unicode does not.
    Broken,
}

/// Proof that a text was read to its end as one JSON value: only [`Scanner::end`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadToEnd(());

/// The range of a key, quotes included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) inside: Inside,
}

impl Key {
    /// The bytes between the quotes.
    pub(crate) fn content<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.from + 1..self.to - 1]
    }

    /// The characters that the key stands for.
    pub(crate) fn name<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match self.inside {
            Inside::Plain => Cow::Borrowed(self.content(text)),
            Inside::Escaped | Inside::Broken => unquoted(self.content(text)),
        }
    }
}

/// The form of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Digits, with or without a minus.
    Integer,
    /// With a point, without an exponent.
    Fraction,
    /// With an exponent.
    Exponent,
}

/// A place in a text. Every step validates what it walks over, UTF-8 included: bytes outside ASCII are
/// valid JSON only inside strings, and there they are checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte; 0 at the end, which is valid nowhere.
    #[inline]
    pub(crate) fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// The error for a fault that was found here: where, and what was expected. It holds no text.
    pub(crate) fn error(&self, fault: Fault) -> Error {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let message = format!("malformed at byte {}: expected {}", self.at, fault.0);
        match found(rest) {
            Some((found, hint)) => Error::config(message + found).hint(hint),
            None => Error::system(message),
        }
    }

    /// Walks over whitespace.
    #[inline]
    pub(crate) fn space(&mut self) {
        // The first comparison is what mostly decides, and the compiler does not find it.
        while self.peek() <= b' ' && matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Walks over one byte that must be there.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.peek() != byte {
            return Err(Fault(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// Walks over the whitespace at the end of the text; nothing else may follow the value.
    pub(crate) fn end(&mut self) -> Result<ReadToEnd, Fault> {
        self.space();
        if self.at < self.text.len() {
            return Err(Fault("the end of the record"));
        }
        Ok(ReadToEnd(()))
    }

    /// Walks over `true`, `false` or `null`.
    #[inline]
    pub(crate) fn literal(&mut self, word: &'static str) -> Result<(), Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(Fault("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Walks over a string, from its opening quote to after its closing one.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Inside, Fault> {
        self.expect(b'"', "a string")?;
        self.at = span::plain(self.text, self.at);
        if self.peek() == b'"' {
            self.at += 1;
            return Ok(Inside::Plain);
        }
        self.rest_of_string()
    }

    /// Walks over the rest of a string, after its first run of plain characters.
    pub(crate) fn rest_of_string(&mut self) -> Result<Inside, Fault> {
        let mut inside = Inside::Plain;
        loop {
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    let whole = self.escape()?;
                    if !whole {
                        inside = Inside::Broken;
                    } else if inside == Inside::Plain {
                        inside = Inside::Escaped;
                    }
                }
                0x80.. => self.characters()?,
                _ if self.at >= self.text.len() => return Err(Fault("the end of a string")),
                _ => return Err(Fault("an escape in place of a control character")),
            }
            self.at = span::plain(self.text, self.at);
        }
        self.at += 1;
        Ok(inside)
    }

    /// Walks over characters outside ASCII (The Unicode Standard, table 3-7: well-formed UTF-8).
    fn characters(&mut self) -> Result<(), Fault> {
        while self.peek() >= 0x80 {
            self.at += match &self.text[self.at..] {
                [0xC2..=0xDF, 0x80..=0xBF, ..] => 2,
                [0xE0, 0xA0..=0xBF, 0x80..=0xBF, ..]
                | [0xE1..=0xEC | 0xEE..=0xEF, 0x80..=0xBF, 0x80..=0xBF, ..]
                | [0xED, 0x80..=0x9F, 0x80..=0xBF, ..] => 3,
                [0xF0, 0x90..=0xBF, 0x80..=0xBF, 0x80..=0xBF, ..]
                | [0xF1..=0xF3, 0x80..=0xBF, 0x80..=0xBF, 0x80..=0xBF, ..]
                | [0xF4, 0x80..=0x8F, 0x80..=0xBF, 0x80..=0xBF, ..] => 4,
                _ => return Err(Fault("UTF-8")),
            };
        }
        Ok(())
    }

    /// Walks over an escape (both halves of a surrogate pair); says whether it stands for a character.
    fn escape(&mut self) -> Result<bool, Fault> {
        self.at += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.at += 1;
                Ok(true)
            }
            b'u' => match self.unit()? {
                0xD800..=0xDBFF => {
                    let after_first = *self;
                    if self.text.get(self.at..self.at + 2) == Some(b"\\u") {
                        self.at += 1;
                        if matches!(self.unit()?, 0xDC00..=0xDFFF) {
                            return Ok(true);
                        }
                        *self = after_first; // the second one is read again, as a first
                    }
                    Ok(false)
                }
                0xDC00..=0xDFFF => Ok(false),
                _ => Ok(true),
            },
            _ => Err(Fault("one of \"\\/bfnrtu after a backslash")),
        }
    }

    /// Walks over `u` and four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, Fault> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek())
                .to_digit(16)
                .and_then(|digit| u16::try_from(digit).ok())
                .ok_or(Fault("four hexadecimal digits"))?;
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// Walks over a number.
    pub(crate) fn number(&mut self) -> Result<Shape, Fault> {
        self.number_inlined()
    }

    /// The same, for where numbers are most of the work.
    #[allow(clippy::inline_always)] // a call, and a scanner in memory instead of registers, is half of its cost
    #[inline(always)]
    pub(crate) fn number_inlined(&mut self) -> Result<Shape, Fault> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        let first = self.at;
        self.digits()?;
        if self.at > first + 1 && self.text[first] == b'0' {
            self.at = first + 1;
            return Err(Fault("no digit after a leading zero"));
        }
        let mut shape = Shape::Integer;
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
            shape = Shape::Fraction;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
            shape = Shape::Exponent;
        }
        Ok(shape)
    }

    /// Walks over one digit or more.
    #[inline]
    fn digits(&mut self) -> Result<(), Fault> {
        let first = self.at;
        self.at = span::digits(self.text, first);
        if self.at == first {
            return Err(Fault("a digit"));
        }
        Ok(())
    }

    /// Walks over a key and its colon, up to the value.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<Key, Fault> {
        let from = self.at;
        if self.peek() != b'"' {
            return Err(Fault("a key in quotes"));
        }
        let inside = self.string()?;
        let to = self.at;
        self.space();
        self.expect(b':', "a colon after a key")?;
        self.space();
        Ok(Key { from, to, inside })
    }

    /// Walks over an object, and calls `member` at each value to walk over that.
    #[inline]
    pub(crate) fn object(
        &mut self,
        expected: &'static str,
        mut member: impl FnMut(&mut Self, Key) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'{', expected)?;
        self.space();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            self.space();
            match self.peek() {
                b',' => {
                    self.at += 1;
                    self.space();
                }
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Fault(AFTER_MEMBER)),
            }
        }
    }

    /// Walks over any value. Depth costs one bit per level on the heap, no stack.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        let mut open = Open::default();
        loop {
            match self.peek() {
                b'"' => {
                    self.string()?;
                }
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                b'{' => {
                    self.at += 1;
                    self.space();
                    if self.peek() != b'}' {
                        open.push(Bracket::Object);
                        self.key()?;
                        continue;
                    }
                    self.at += 1;
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if self.peek() != b']' {
                        open.push(Bracket::Array);
                        continue;
                    }
                    self.at += 1;
                }
                _ => return Err(Fault("a value")),
            }
            // After a value: close what ends here, up to a comma.
            loop {
                let Some(bracket) = open.last() else {
                    return Ok(());
                };
                self.space();
                match (self.peek(), bracket) {
                    (b',', Bracket::Object) => {
                        self.at += 1;
                        self.space();
                        self.key()?;
                        break;
                    }
                    (b',', Bracket::Array) => {
                        self.at += 1;
                        self.space();
                        break;
                    }
                    (b'}', Bracket::Object) | (b']', Bracket::Array) => {
                        self.at += 1;
                        open.pop();
                    }
                    (_, Bracket::Object) => return Err(Fault(AFTER_MEMBER)),
                    (_, Bracket::Array) => return Err(Fault(AFTER_ELEMENT)),
                }
            }
        }
    }
}

/// Checks that a text is one JSON object and nothing else; the error has the scanner where the fault is.
pub(crate) fn check_object(text: &[u8]) -> Result<(), (Scanner<'_>, Fault)> {
    let mut scan = Scanner::new(text);
    scan.space();
    let checked = match scan.peek() {
        b'{' => scan.skip().and_then(|()| scan.end().map(drop)),
        _ => Err(Fault(RECORD)),
    };
    checked.map_err(|fault| (scan, fault))
}

/// What was found where a fault is, if it is a word that JSON does not have and some programs write, and what to do.
pub(crate) fn found(rest: &[u8]) -> Option<(&'static str, &'static str)> {
    // The fault is after a minus.
    let is_word = rest.starts_with(b"NaN") || rest.starts_with(b"Infinity");
    is_word.then_some((
        ", found NaN or Infinity, which JSON does not have",
        "let the producer write null or a string instead",
    ))
}

/// What is expected where a record begins.
pub(crate) const RECORD: &str = "a record, which is a JSON object";

pub(crate) const AFTER_MEMBER: &str = "a comma or a closing brace";
pub(crate) const AFTER_ELEMENT: &str = "a comma or a closing bracket";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Object,
    Array,
}

/// The brackets that are open, one bit each: the innermost 64 in a word, those outside of them on the heap.
#[derive(Default)]
struct Open {
    depth: usize,
    word: u64,
    outer: Vec<u64>,
}

impl Open {
    fn push(&mut self, bracket: Bracket) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.word);
        }
        self.word = self.word << 1 | u64::from(bracket == Bracket::Object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.word >>= 1;
        self.depth -= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.word = self.outer.pop().unwrap_or_default();
        }
    }

    fn last(&self) -> Option<Bracket> {
        match (self.depth, self.word & 1) {
            (0, _) => None,
            (_, 1) => Some(Bracket::Object),
            _ => Some(Bracket::Array),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each class of the bytes of UTF-8 the first and the last, and ASCII.
    const EDGES: [u8; 23] = [
        b'a', 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC,
        0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5,
    ];

    #[test]
    fn what_is_no_utf_8_is_found_where_the_standard_library_finds_it() {
        for bytes in 0..EDGES.len().pow(4) {
            let edge = |place: u32| EDGES[bytes / EDGES.len().pow(place) % EDGES.len()];
            let text = [b'"', edge(0), edge(1), edge(2), edge(3), b'"'];
            let mut scan = Scanner::new(&text);
            let found = scan.string().map(|_| scan.at).map_err(|_| scan.at);
            let expected = match std::str::from_utf8(&text) {
                Ok(_) => Ok(text.len()),
                Err(error) => Err(error.valid_up_to()),
            };
            assert_eq!(found, expected, "{text:x?}");
        }
    }
}
