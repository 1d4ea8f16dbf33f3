//! Scalars: a value of any JSON form under a column's type, or a misfit where something would be lost.
//! Verbatim values never get here.

use std::borrow::Cow;
use std::num::FpCategory;

use crate::json::number::Number;
use crate::json::scan::{Fault, Inside, Shape};
use crate::json::text::{quote_into, unquoted};
use crate::row::walk::{Fit, Walker};
use crate::schema::Padding;
use crate::time::calendar::{Formatted, Moment};

/// Longer numbers do not fit a float or a double: some readers of JSON take no longer ones
/// (Jackson's StreamReadConstraints: 1000).
const LONGEST_FLOAT: usize = 1000;

/// Integers of more digits do not fit a double, although some powers of two would be exact.
const LONGEST_EXACT: usize = 38;

/// Whether a number that is an integer is this value exactly; a fraction need not be. Integers of more than 38 digits make
/// some readers refuse the file.
fn is_exact(number: &Number, value: f64) -> bool {
    #[allow(clippy::cast_possible_truncation)] // 38 digits are less than 2^127
    let whole = value as i128;
    let digits = number.text.len() - usize::from(number.text.starts_with(b"-"));
    number.shape != Shape::Integer
        || (digits <= LONGEST_EXACT && number.as_str().parse() == Ok(whole))
}

impl<'a> Walker<'a> {
    /// Under `string`: anything but a string, as its JSON text. A string gets here only if it does not stand for
    /// characters.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Fit, Fault> {
        let from = self.scan.at;
        if self.scan.peek() == b'"' {
            self.scan.string()?;
            return Ok(Fit::Misfit);
        }
        self.scan.skip()?;
        Ok(self.quoted(from))
    }

    /// Under JSON text: any value, a string with its quotes.
    pub(super) fn json_text(&mut self) -> Result<Fit, Fault> {
        let from = self.scan.at;
        if self.scan.peek() == b'"' {
            if self.scan.string()? == Inside::Broken {
                return Ok(Fit::Misfit);
            }
        } else {
            self.scan.skip()?;
        }
        Ok(self.quoted(from))
    }

    /// Under `varchar` and `char`: as under `string`, if it has no more characters. Readers of `char` drop spaces at the end.
    pub(super) fn bounded(&mut self, length: usize, padding: Padding) -> Result<Fit, Fault> {
        let from = self.scan.at;
        let is_string = self.scan.peek() == b'"';
        let content = if is_string {
            self.content()?
        } else {
            self.scan.skip()?;
            Some(Cow::Borrowed(&self.scan.text[from..self.scan.at]))
        };
        let fits = |content: &[u8]| {
            // Every byte of a character but its first one is like that.
            let is_first = |byte: &&u8| **byte & 0xC0 != 0x80;
            content.iter().filter(is_first).count() <= length
                && !(padding == Padding::Spaces && content.ends_with(b" "))
        };
        if !content.is_some_and(|content| fits(&content)) {
            return Ok(Fit::Misfit);
        }
        if !is_string {
            return Ok(self.quoted(from));
        }
        self.row.put_verbatim(from, self.scan.at);
        Ok(Fit::Whole)
    }

    /// Writes the record's text from `from` on as a string.
    fn quoted(&mut self, from: usize) -> Fit {
        let out = self.row.out();
        out.push(b'"');
        quote_into(&self.scan.text[from..self.scan.at], out);
        out.push(b'"');
        Fit::Whole
    }

    /// Under `boolean`: strings of exactly its two words.
    pub(super) fn boolean(&mut self) -> Result<Fit, Fault> {
        if self.scan.peek() != b'"' {
            self.scan.skip()?;
            return Ok(Fit::Misfit);
        }
        let word = self.content()?;
        Ok(match word.as_deref() {
            Some(word @ (b"true" | b"false")) => self.put(word),
            _ => Fit::Misfit,
        })
    }

    /// Under the integer types: whole numbers in any notation, also in strings, written as digits.
    pub(super) fn integer(&mut self, least: i64, greatest: i64) -> Result<Fit, Fault> {
        self.number(|this, number| this.whole(number, least, greatest))
    }

    fn whole(&mut self, number: &Number<'_>, least: i64, greatest: i64) -> Fit {
        let digits = &mut self.scratch.converted;
        digits.clear();
        let fits = number.write_plain(19, 0, digits)
            && std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse::<i64>().ok())
                .is_some_and(|value| (least..=greatest).contains(&value));
        if !fits {
            return Fit::Misfit;
        }
        self.row.put(digits);
        Fit::Whole
    }

    /// Under `decimal`: numbers that need no rounding, written without an exponent.
    pub(super) fn decimal(&mut self, whole: usize, fraction: usize) -> Result<Fit, Fault> {
        self.number(|this, number| {
            if number.write_plain(whole, fraction, this.row.out()) {
                Fit::Whole
            } else {
                Fit::Misfit
            }
        })
    }

    /// Under `double`: numbers with their digits, if the nearest double is finite, is zero only for a zero, and is the number
    /// itself if that is an integer: identifiers must not become those of others.
    pub(super) fn double(&mut self) -> Result<Fit, Fault> {
        self.number(Self::in_double)
    }

    fn in_double(&mut self, number: &Number) -> Fit {
        let nearest: f64 = number.as_str().parse().unwrap_or(f64::NAN);
        self.floating(number, nearest.classify(), nearest)
    }

    /// Under `float`: as under `double`, within its range.
    pub(super) fn float(&mut self) -> Result<Fit, Fault> {
        self.number(|this, number| {
            let nearest: f32 = number.as_str().parse().unwrap_or(f32::NAN);
            this.floating(number, nearest.classify(), nearest.into())
        })
    }

    /// Writes a number, given the category of its nearest value in the column's type, and that value.
    fn floating(&mut self, number: &Number, category: FpCategory, nearest: f64) -> Fit {
        let is_finite = !matches!(category, FpCategory::Infinite | FpCategory::Nan);
        let is_zero = category == FpCategory::Zero;
        if !is_finite
            || is_zero != number.is_zero()
            || number.text.len() > LONGEST_FLOAT
            || !is_exact(number, nearest)
        {
            return Fit::Misfit;
        }
        // Arrow takes `0e400` for too large, and the whole file for malformed: it looks at the exponent first.
        self.put(if is_zero {
            number.mantissa()
        } else {
            number.text
        })
    }

    /// Under `date`: days, also as the midnight (in UTC) that begins them.
    pub(super) fn date(&mut self) -> Result<Fit, Fault> {
        self.moment(|moment| moment.is_midnight().then(|| moment.date()))
    }

    /// Under `timestamp`: dates and times, brought to UTC.
    pub(super) fn timestamp(&mut self) -> Result<Fit, Fault> {
        self.moment(|moment| Some(moment.timestamp()))
    }

    fn moment(&mut self, format: impl FnOnce(Moment) -> Option<Formatted>) -> Result<Fit, Fault> {
        if self.scan.peek() != b'"' {
            self.scan.skip()?;
            return Ok(Fit::Misfit);
        }
        let content = self.content()?;
        let moment = content.as_deref().and_then(Moment::read);
        Ok(match moment.and_then(format) {
            Some(formatted) => self.put(formatted.as_bytes()),
            None => Fit::Misfit,
        })
    }

    /// Calls `write` with a number, also one in a string; any other value is a misfit.
    fn number(&mut self, write: impl FnOnce(&mut Self, &Number<'_>) -> Fit) -> Result<Fit, Fault> {
        let from = self.scan.at;
        match self.scan.peek() {
            b'-' | b'0'..=b'9' => {
                let shape = self.scan.number()?;
                let text = &self.scan.text[from..self.scan.at];
                Ok(write(self, &Number { text, shape }))
            }
            b'"' => {
                let content = self.content()?;
                Ok(match content.as_deref().and_then(Number::read) {
                    Some(number) => write(self, &number),
                    None => Fit::Misfit,
                })
            }
            _ => {
                self.scan.skip()?;
                Ok(Fit::Misfit)
            }
        }
    }

    /// Walks over a string; returns the characters that it stands for, unless they are no Unicode text.
    fn content(&mut self) -> Result<Option<Cow<'a, [u8]>>, Fault> {
        let from = self.scan.at;
        let text = self.scan.text;
        let inside = self.scan.string()?;
        let content = &text[from + 1..self.scan.at - 1];
        Ok(match inside {
            Inside::Plain => Some(Cow::Borrowed(content)),
            Inside::Escaped => Some(unquoted(content)),
            Inside::Broken => None,
        })
    }

    fn put(&mut self, text: &[u8]) -> Fit {
        self.row.put(text);
        Fit::Whole
    }
}
