//! Input as JSON objects in any arrangement: one a line, one after the other, over several lines, or in an array.
//!
//! A line that begins with an opening brace and ends with a closing one is handed out without a look inside: whoever takes
//! it reads every byte anyway, and [rejects](Lines::reject) it if it is no object. Only then, and where lines do not look
//! like that, brackets are counted to find where a value ends. That says nothing about faults inside.

#[cfg(test)]
mod tests;
mod value;

use std::io::Read;

use crate::error::{Error, Result};
use crate::input::{BLOCK, BOM, CurrentInput, Lines};
use crate::interrupt;
use crate::json::scan::{self, Fault, RECORD, Scanner};

use value::Value;

/// So many bytes of text after malformed ones are looked through for the reason.
const MOST_LOOKED_THROUGH: u64 = 64 << 20;

/// How the current input is split, and how far.
#[derive(Default)]
pub(super) struct Objects {
    form: Form,
    /// Whether what begins at `start` was tried as a line, or does not begin one.
    is_inside_line: bool,
    /// How far the value that begins at `start` was looked through.
    value: Value,
    last: Item,
}

/// The arrangement of the objects.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    /// Nothing was read yet.
    #[default]
    Undecided,
    /// One after the other, on lines or not.
    Sequence,
    /// Elements of arrays.
    Array(Expected),
}

/// What comes next in an array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// An element, or the closing bracket.
    FirstElement,
    Element,
    /// A comma or the closing bracket.
    Separator,
    /// The end of the input, or another array.
    End,
}

/// The text that was handed out last, as a range of the buffer.
#[derive(Clone, Copy, Default)]
struct Item {
    from: usize,
    to: usize,
    /// How many lines end before it.
    lines_before: u64,
    /// Whether it was handed out as a line, without a look inside.
    is_line: bool,
}

impl Objects {
    /// The number of the line on which the last object begins.
    pub(super) fn line(&self) -> u64 {
        self.last.lines_before + 1
    }
}

/// A text that should be an object and is none.
pub(crate) struct BadRecord<'a> {
    /// The name of its input.
    pub(crate) input: &'a str,
    /// The number of the line on which it begins.
    pub(crate) line: u64,
    /// Its place in the input, in bytes.
    pub(crate) byte: u64,
    pub(crate) text: &'a [u8],
    fault: Fault,
    /// Where the fault is in the text.
    at: usize,
}

impl BadRecord<'_> {
    /// The error: where, what was expected, and what to do. It holds no text.
    pub(crate) fn error(&self) -> Error {
        let before = memchr::memchr_iter(b'\n', &self.text[..self.at]).count();
        let rest = &self.text[self.at..];
        let (found, hint) = scan::found(rest).unwrap_or_else(|| found(rest, self.at, self.fault));
        Error::config(format!(
            "line {} of {}: malformed at byte {} of the record (byte {} of the input): expected {}{found}",
            self.line + before as u64,
            self.input,
            self.at,
            self.byte + self.at as u64,
            self.fault.0,
        ))
        .hint(hint)
    }
}

/// What was found in place of what was expected, where that can be said without showing data, and what to do.
fn found(rest: &[u8], at: usize, fault: Fault) -> (&'static str, &'static str) {
    if rest.starts_with(&[0xFF, 0xFE]) || rest.starts_with(&[0xFE, 0xFF]) {
        return (
            ", found UTF-16",
            "convert it to UTF-8, as with iconv -f UTF-16 -t UTF-8",
        );
    }
    match rest.first() {
        None => (
            ", found the end",
            "it is cut off: let the producer write it again",
        ),
        Some(b',') if at == 0 => (
            ", found a comma",
            "remove the commas between objects, or put all of them between [ and ]",
        ),
        Some(b'n') if at == 0 && rest.starts_with(b"null") => (
            ", found null",
            "remove it, or set such records aside with --max-bad-records and --bad-records",
        ),
        Some(b'\'') => (", found a single quote", "JSON has double quotes only"),
        _ if at == 0 && fault == Fault(RECORD) => (
            "",
            "load reads JSON objects: one a line, one after the other, or in an array; convert other formats first",
        ),
        _ => (
            "",
            "correct it, or set such records aside with --max-bad-records and --bad-records",
        ),
    }
}

/// Where a text that has a fault was cut off: before a line on which another object begins.
fn cut(text: &[u8], fault: usize) -> Option<usize> {
    let next = text.windows(2).position(|bytes| bytes == b"\n{");
    next.or_else(|| {
        // Indented, no object can begin where a key or a comma is expected.
        let before = &text[..text.len().min(fault + 1)];
        let line_end = memchr::memrchr(b'\n', before)?;
        let is_first = before[line_end..].trim_ascii_start() == b"{";
        is_first.then_some(line_end)
    })
}

impl Lines {
    /// Splits each input into JSON objects: lines, objects one after the other or over several lines, or arrays of them.
    #[must_use]
    pub(crate) fn objects(mut self) -> Self {
        self.objects = Some(Objects::default());
        self
    }

    /// The range of the next object, or of what stands in its place; `None` if more must be read.
    pub(super) fn object(&mut self) -> Result<Option<(usize, usize)>> {
        loop {
            self.skip_space();
            let (start, is_ended) = (self.text.start, self.is_ended());
            let Some(objects) = &mut self.objects else {
                return Ok(None);
            };
            let text = &self.text.buffer[start..self.text.end];
            let Some(&first) = text.first() else {
                let Form::Array(expected) = objects.form else {
                    return Ok(None);
                };
                if is_ended && expected != Expected::End {
                    return Err(self.misplaced("the closing bracket of the array, found the end"));
                }
                return Ok(None);
            };
            if first == BOM[0] {
                // Files that begin with it may be read one after the other through one pipe.
                if text.starts_with(&BOM) {
                    self.text.start += BOM.len();
                    self.text.searched = self.text.searched.max(self.text.start);
                    continue;
                }
                if text.len() < BOM.len() && !is_ended {
                    return Ok(None);
                }
            }
            if objects.form == Form::Undecided {
                objects.form = match first {
                    b'[' => Form::Array(Expected::End),
                    _ => Form::Sequence,
                };
            }
            let expected = match objects.form {
                Form::Undecided | Form::Sequence => return Ok(self.of_sequence(first)),
                Form::Array(expected) => expected,
            };
            let next = match (expected, first) {
                (Expected::FirstElement | Expected::Separator, b']') => Expected::End,
                (Expected::Separator, b',') => Expected::Element,
                (Expected::End, b'[') => Expected::FirstElement,
                (Expected::FirstElement | Expected::Element, b',' | b']') => {
                    return Err(self.misplaced("an object in the array"));
                }
                (Expected::FirstElement | Expected::Element, _) => {
                    return Ok(self.element(first));
                }
                (Expected::Separator, _) => {
                    return Err(self.misplaced("a comma or the closing bracket of the array"));
                }
                (Expected::End, _) => {
                    return Err(self.misplaced("the end of the input after the array"));
                }
            };
            objects.form = Form::Array(next);
            self.text.start += 1;
            self.text.searched = self.text.searched.max(self.text.start);
        }
    }

    /// Walks over whitespace between values.
    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') =
            self.text.buffer[..self.text.end].get(self.text.start)
        {
            if self.text.buffer[self.text.start] == b'\n' {
                self.current.number += 1;
                if let Some(objects) = &mut self.objects {
                    objects.is_inside_line = false;
                }
            }
            self.text.start += 1;
        }
        self.text.searched = self.text.searched.max(self.text.start);
    }

    /// The next value, of which this is the first byte, or the line that stands in its place.
    fn of_sequence(&mut self, first: u8) -> Option<(usize, usize)> {
        let is_inside_line = self.objects.as_ref()?.is_inside_line;
        if !is_inside_line || first != b'{' {
            let line_end = self.line_end();
            let text = &self.text.buffer[self.text.start..line_end.unwrap_or(self.text.end)];
            let text = text.trim_ascii_end();
            let has_end = line_end.is_some() || self.is_ended();
            let is_closed = text.ends_with(b"}");
            if has_end && (is_closed || first != b'{') {
                let is_line = !is_inside_line;
                return Some(self.hand_out(text.len(), is_line));
            }
            // Objects may come without a line end for a long time, or for ever.
            if first != b'{' || !(has_end || is_closed || text.len() > BLOCK / 2) {
                return None;
            }
            self.objects.as_mut()?.is_inside_line = true;
        }
        let length = self.bracketed()?;
        Some(self.hand_out(length, false))
    }

    /// The next element of an array, of which this is the first byte.
    fn element(&mut self, first: u8) -> Option<(usize, usize)> {
        let length = if matches!(first, b'{' | b'[' | b'"') {
            self.bracketed()?
        } else {
            let text = &self.text.buffer[self.text.start..self.text.end];
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            match text.iter().position(ends) {
                None if !self.is_ended() => return None,
                end => end.unwrap_or(text.len()).max(1),
            }
        };
        self.objects.as_mut()?.form = Form::Array(Expected::Separator);
        Some(self.hand_out(length, false))
    }

    /// The length of the value that begins at `start`; of one that is cut off by the end of input, what there is of it.
    fn bracketed(&mut self) -> Option<usize> {
        let is_ended = self.is_ended();
        let value = &mut self.objects.as_mut()?.value;
        let text = &self.text.buffer[self.text.start..self.text.end];
        let length = value.length(text).or_else(|| value.fault(text));
        length.or_else(|| is_ended.then_some(text.len()))
    }

    /// The range of the text of this length that begins at `start`, which is then after it.
    fn hand_out(&mut self, length: usize, is_line: bool) -> (usize, usize) {
        let (from, to) = (self.text.start, self.text.start + length);
        let lines_before = self.current.number;
        if !is_line {
            self.current.number +=
                memchr::memchr_iter(b'\n', &self.text.buffer[from..to]).count() as u64;
        }
        self.go_on_from(to, !is_line);
        if let Some(objects) = &mut self.objects {
            objects.last = Item {
                from,
                to,
                lines_before,
                is_line,
            };
        }
        (from, to)
    }

    fn go_on_from(&mut self, start: usize, is_inside_line: bool) {
        self.text.start = start;
        self.text.searched = start;
        if let Some(objects) = &mut self.objects {
            objects.is_inside_line = is_inside_line;
            objects.value = Value::default();
        }
    }

    /// Takes back the text that was handed out last, before anything else is asked for. Returns `None` if it is an object
    /// or will be read again as something else than a line, else what is wrong.
    pub(crate) fn reject(&mut self) -> Option<BadRecord<'_>> {
        let item = self.objects.as_ref()?.last;
        let text = &self.text.buffer[item.from..item.to];
        let (Scanner { at, .. }, fault) = scan::check_object(text).err()?;
        // More than one object on the line, or less.
        if item.is_line && text[0] == b'{' && matches!(text.get(at), None | Some(b'{')) {
            self.current.number = item.lines_before;
            self.go_on_from(item.from, true);
            return None;
        }
        let mut to = item.to;
        if self.objects.as_ref()?.form == Form::Sequence
            && let Some(line_end) = cut(text, at)
        {
            to = item.from + line_end;
            let lines = memchr::memchr_iter(b'\n', &text[..line_end]).count();
            self.current.number = item.lines_before + lines as u64;
            self.go_on_from(to, true);
        }
        let text = &self.text.buffer[item.from..to];
        Some(BadRecord {
            input: &self.current.name,
            line: item.lines_before + 1,
            byte: self.offset(item.from),
            text,
            fault,
            at: at.min(text.len()),
        })
    }

    /// The error of compressed data that is corrupt, where that shows soon: it is the reason for malformed text. The input
    /// cannot be read any more then.
    pub(crate) fn corruption(&mut self) -> Option<Error> {
        let CurrentInput::Compressed(text) = &mut self.current.content else {
            return None;
        };
        let read = std::io::copy(&mut text.take(MOST_LOOKED_THROUGH), &mut std::io::sink());
        match read {
            Err(error) if interrupt::signal().is_none() => Some(self.read_error(error)),
            _ => None,
        }
    }

    /// Whether what was handed out last is an object.
    pub(crate) fn is_object(&self) -> bool {
        self.objects.as_ref().is_some_and(|objects| {
            let text = &self.text.buffer[objects.last.from..objects.last.to];
            scan::check_object(text).is_ok()
        })
    }

    /// The place in the input of a place in the buffer.
    fn offset(&self, at: usize) -> u64 {
        self.read - self.current.read_before - (self.text.end - at) as u64
    }

    fn misplaced(&self, expected: &str) -> Error {
        Error::config(format!(
            "line {} of {}, byte {} of the input: expected {expected}",
            self.current.number + 1,
            self.current.name,
            self.offset(self.text.start)
        ))
        .hint(
            "load reads JSON objects: one a line, one after the other, or all of them in an array",
        )
    }
}
