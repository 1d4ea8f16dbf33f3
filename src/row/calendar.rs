//! Dates and timestamps: read from the ISO 8601 forms that sources write, written as the query engines read them.

use jiff::civil;
use jiff::{SignedDuration, Timestamp};

/// A day and a time of day in UTC; years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    micros: u32,
    /// What is finer than a microsecond was cut off: no engine keeps it.
    cut: bool,
}

/// `"YYYY-MM-DD HH:MM:SS.ffffff"` at most, quotes included.
const LONGEST: usize = 28;

/// A quoted text on the stack.
pub(super) struct Written {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Written {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn digits(&mut self, mut number: u32, count: usize) {
        for index in (self.length..self.length + count).rev() {
            self.bytes[index] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.length += count;
    }
}

impl Moment {
    /// Reads `YYYY-MM-DD`, alone or followed by `T`, `t` or a space and `HH:MM[:SS[.f…]]` and an optional
    /// zone: `Z`, `z`, `UTC`, `±HH`, `±HHMM`, `±HH:MM` or `±HH:MM:SS`, with or without a space before it.
    /// Without a zone the time is UTC; without a time it is midnight.
    ///
    /// Nothing is guessed and nothing rolls over: a 30th of February, a 24th hour, a 60th second, a fifth
    /// digit of the year are none.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut text = Text(text);
        let (year, month, day) = text.day()?;
        let mut moment = Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
            cut: false,
        };
        if text.0.is_empty() {
            return Some(moment);
        }
        if !(text.take(b'T') || text.take(b't') || text.take(b' ')) {
            return None;
        }
        (moment.hour, moment.minute) = (text.two(23)?, text.colon()?.two(59)?);
        if text.take(b':') {
            moment.second = text.two(59)?;
            if text.take(b'.') {
                (moment.micros, moment.cut) = text.fraction()?;
            }
        }
        match text.zone()? {
            0 => Some(moment),
            east => Some(Self {
                cut: moment.cut,
                ..moment.minus(east)?
            }),
        }
    }

    /// From milliseconds since 1970.
    pub(super) fn from_millis(millis: i64) -> Option<Self> {
        let time = Timestamp::from_millisecond(millis).ok()?;
        Self::from_civil(time.to_zoned(jiff::tz::TimeZone::UTC).datetime())
    }

    /// Whether it is a whole day.
    pub(super) fn is_midnight(self) -> bool {
        (self.hour, self.minute, self.second, self.micros) == (0, 0, 0, 0) && !self.cut
    }

    /// `"YYYY-MM-DD"`.
    pub(super) fn date(self) -> Written {
        let mut out = self.begin();
        out.push(b'"');
        out
    }

    /// `"YYYY-MM-DD HH:MM:SS"`, and three or six digits of the second where they say something.
    pub(super) fn timestamp(self) -> Written {
        let mut out = self.begin();
        out.push(b' ');
        out.digits(self.hour.into(), 2);
        out.push(b':');
        out.digits(self.minute.into(), 2);
        out.push(b':');
        out.digits(self.second.into(), 2);
        if self.micros != 0 {
            out.push(b'.');
            if self.micros.is_multiple_of(1000) {
                out.digits(self.micros / 1000, 3);
            } else {
                out.digits(self.micros, 6);
            }
        }
        out.push(b'"');
        out
    }

    fn begin(self) -> Written {
        let mut out = Written {
            bytes: [0; LONGEST],
            length: 0,
        };
        out.push(b'"');
        out.digits(self.year.into(), 4);
        out.push(b'-');
        out.digits(self.month.into(), 2);
        out.push(b'-');
        out.digits(self.day.into(), 2);
        out
    }

    /// The moment in UTC of a local time so many seconds east of it.
    fn minus(self, east: i64) -> Option<Self> {
        let small = |number: u8| i8::try_from(number).ok();
        let local = civil::DateTime::new(
            i16::try_from(self.year).ok()?,
            small(self.month)?,
            small(self.day)?,
            small(self.hour)?,
            small(self.minute)?,
            small(self.second)?,
            i32::try_from(self.micros * 1000).ok()?,
        )
        .ok()?;
        Self::from_civil(local.checked_sub(SignedDuration::from_secs(east)).ok()?)
    }

    fn from_civil(time: civil::DateTime) -> Option<Self> {
        let year = u16::try_from(time.year()).ok()?;
        (1..=9999).contains(&year).then_some(())?;
        Some(Self {
            year,
            month: time.month().unsigned_abs(),
            day: time.day().unsigned_abs(),
            hour: time.hour().unsigned_abs(),
            minute: time.minute().unsigned_abs(),
            second: time.second().unsigned_abs(),
            micros: time.subsec_nanosecond().unsigned_abs() / 1000,
            cut: false,
        })
    }
}

/// What is left to read.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn take(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn colon(&mut self) -> Option<&mut Self> {
        self.take(b':').then_some(self)
    }

    /// Two digits, up to a greatest number.
    #[inline]
    fn two(&mut self, greatest: u8) -> Option<u8> {
        let [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] = self.0 else {
            return None;
        };
        let number = (tens - b'0') * 10 + (ones - b'0');
        self.0 = rest;
        (number <= greatest).then_some(number)
    }

    fn day(&mut self) -> Option<(u16, u8, u8)> {
        let century = self.two(99)?;
        let year = u16::from(century) * 100 + u16::from(self.two(99)?);
        self.take(b'-').then_some(())?;
        let month = self.two(12)?;
        self.take(b'-').then_some(())?;
        let day = self.two(31)?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (year > 0 && month > 0 && day > 0 && day <= days).then_some((year, month, day))
    }

    /// Microseconds, from one digit or more; and whether there was more to it.
    fn fraction(&mut self) -> Option<(u32, bool)> {
        let count = self
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        let micros = digits
            .iter()
            .map(|digit| u32::from(digit - b'0'))
            .chain(std::iter::repeat(0))
            .take(6)
            .fold(0, |micros, digit| micros * 10 + digit);
        let cut = digits.iter().skip(6).any(|&digit| digit != b'0');
        (count > 0).then_some((micros, cut))
    }

    /// Seconds east of UTC; nothing may follow.
    fn zone(&mut self) -> Option<i64> {
        if self.0.is_empty() {
            return Some(0);
        }
        self.take(b' ');
        if matches!(self.0, b"Z" | b"z" | b"UTC") {
            return Some(0);
        }
        let sign = match self.0.first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        let hours = i64::from(self.two(23)?);
        let (mut minutes, mut seconds) = (0, 0);
        if !self.0.is_empty() {
            let colon = self.take(b':');
            minutes = i64::from(self.two(59)?);
            if colon && self.take(b':') {
                seconds = i64::from(self.two(59)?);
            }
        }
        self.0
            .is_empty()
            .then_some(sign * (hours * 3600 + minutes * 60 + seconds))
    }
}
