//! How long a value is, by its brackets alone: that is faster than reading it, which is done later anyway.

use crate::json::scan;
use crate::json::span::{self, Brackets};

/// So many bytes before the end of what was read, a fault may be that the rest is missing: of a word, or of a character.
const CUT: usize = 8;

/// How far a value was looked through.
#[derive(Clone, Copy, Default)]
pub(super) struct Value {
    /// From the value's beginning.
    at: usize,
    depth: usize,
    is_in_string: bool,
    /// The length at which it is checked next while its end is not found. Without that, a brace that is missing would let
    /// one value take all that follows.
    next_check: usize,
}

/// How many brackets are looked for together.
const BLOCK_OF_BRACKETS: usize = 64;

/// A string goes on after the end of its line.
struct LineFeedInString;

impl Value {
    /// The length of the value that begins the text; `None` if it goes on after the text.
    pub(super) fn length(&mut self, text: &[u8]) -> Option<usize> {
        if self.at == 0 && matches!(text.first(), Some(b'{' | b'[')) {
            (self.at, self.depth) = (1, 1);
        }
        loop {
            let block = self.at + BLOCK_OF_BRACKETS;
            match span::brackets(text, self.at) {
                // Strings that are values by themselves, escapes and lines that are cut off are seldom.
                Some(found) if self.depth > 0 && found.backslashes == 0 => {
                    match self.brackets(found) {
                        Ok(None) => self.at = block,
                        Ok(length) => return length,
                        Err(LineFeedInString) => return self.length_before(text, block),
                    }
                }
                Some(_) => {
                    if let Some(length) = self.length_before(text, block) {
                        return Some(length);
                    }
                }
                None => return self.length_before(text, text.len()),
            }
        }
    }

    /// The length of the value, if it ends in the block at `at` that has these brackets. After an error nothing has changed.
    #[inline]
    fn brackets(&mut self, found: Brackets) -> Result<Option<usize>, LineFeedInString> {
        // A bit is set from a quote to before the next one: the bits are summed up without a carry.
        let mut inside = found.quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        if self.is_in_string {
            inside = !inside;
        }
        if found.line_feeds & inside != 0 {
            return Err(LineFeedInString);
        }
        self.is_in_string = inside >> 63 == 1;
        let mut brackets = (found.open | found.closed) & !inside;
        while brackets != 0 {
            let bit = brackets.trailing_zeros();
            brackets &= brackets - 1;
            if found.open >> bit & 1 == 1 {
                self.depth += 1;
            } else {
                self.depth -= 1;
                if self.depth == 0 {
                    return Ok(Some(self.at + bit as usize + 1));
                }
            }
        }
        Ok(None)
    }

    /// The length of the value, looked at byte by byte up to about `until`.
    fn length_before(&mut self, text: &[u8], until: usize) -> Option<usize> {
        while self.at < until {
            if self.is_in_string {
                self.at = span::in_string(text, self.at);
                match text.get(self.at)? {
                    b'"' => {
                        self.is_in_string = false;
                        self.at += 1;
                        if self.depth == 0 {
                            return Some(self.at);
                        }
                    }
                    // A string has no line end: the line was cut off.
                    b'\n' => return Some(self.at),
                    _ => match text.get(self.at + 1)? {
                        b'\n' => return Some(self.at + 1),
                        _ => self.at += 2,
                    },
                }
                continue;
            }
            self.at = span::without_brackets(text, self.at);
            let byte = *text.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => self.is_in_string = true,
                b'{' | b'[' => self.depth += 1,
                _ => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.at);
                    }
                }
            }
        }
        None
    }

    /// The length up to the end of the line on which the unfinished value has a fault, if it has one.
    pub(super) fn fault(&mut self, text: &[u8]) -> Option<usize> {
        if text.len() < self.next_check {
            return None;
        }
        self.next_check = text.len() * 2;
        let (scan, _) = scan::check_object(text).err()?;
        let rest = &text[scan.at..];
        let line_end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        (rest.len() > CUT).then_some(scan.at + line_end)
    }
}
