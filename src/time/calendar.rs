//! Dates and timestamps: read from the ISO 8601 forms that sources write, written as the query engines read them.

use jiff::civil;
use jiff::{SignedDuration, Timestamp};

/// A day and a time of day in UTC; years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    micros: u32,
    /// Something finer than a microsecond was cut off: no engine keeps it.
    cut: bool,
}

/// A quoted date or timestamp on the stack: `"YYYY-MM-DD HH:MM:SS.ffffff"`, or the beginning of that and a quote.
#[derive(Default)]
pub(crate) struct Formatted {
    bytes: [u8; 28],
    length: usize,
}

impl Formatted {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Moment {
    /// Reads `YYYY-MM-DD`, alone or followed by `T`, `t` or a space and `HH:MM[:SS[.f…]]` and an optional
    /// zone: `Z`, `z`, `UTC`, `±HH`, `±HHMM`, `±HH:MM` or `±HH:MM:SS`, with or without a space before it; or a `Z` and an
    /// offset of zero, as `Z+0000`, which some services write.
    /// Without a zone the time is UTC; without a time it is midnight.
    ///
    /// Nothing is guessed and nothing rolls over: a 30th of February, a 24th hour, a 60th second and a fifth
    /// digit of the year are refused.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut text = Remaining(text);
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
        (moment.hour, moment.minute, moment.second) = text.time()?;
        if text.take(b'.') {
            (moment.micros, moment.cut) = text.fraction()?;
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
    pub(crate) fn from_millis(millis: i64) -> Option<Self> {
        let time = Timestamp::from_millisecond(millis).ok()?;
        Self::from_civil(time.to_zoned(jiff::tz::TimeZone::UTC).datetime())
    }

    /// Whether it is a whole day.
    pub(crate) fn is_midnight(self) -> bool {
        (self.hour, self.minute, self.second, self.micros) == (0, 0, 0, 0) && !self.cut
    }

    /// `"YYYY-MM-DD"`.
    pub(crate) fn date(self) -> Formatted {
        self.up_to(11)
    }

    /// `"YYYY-MM-DD HH:MM:SS"`, with three or six digits of the second if they are not zero.
    pub(crate) fn timestamp(self) -> Formatted {
        if self.micros == 0 {
            self.up_to(20)
        } else if self.micros.is_multiple_of(1000) {
            self.up_to(24)
        } else {
            self.up_to(27)
        }
    }

    /// The whole text up to this place, and a quote.
    #[inline]
    fn up_to(self, place: usize) -> Formatted {
        let mut bytes = *b"\"0000-00-00 00:00:00.000000\"";
        let mut two = |place: usize, number: u32| {
            #[allow(clippy::cast_possible_truncation)] // below 100
            let number = number as u8;
            bytes[place..place + 2].copy_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
        };
        two(1, u32::from(self.year) / 100);
        two(3, u32::from(self.year) % 100);
        two(6, self.month.into());
        two(9, self.day.into());
        two(12, self.hour.into());
        two(15, self.minute.into());
        two(18, self.second.into());
        if self.micros > 0 {
            two(21, self.micros / 10_000);
            two(23, self.micros / 100 % 100);
            two(25, self.micros % 100);
        }
        bytes[place] = b'"';
        Formatted {
            bytes,
            length: place + 1,
        }
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

/// Whether a text begins with a quoted date as rows have it, which is twelve bytes long.
#[inline]
pub(crate) fn begins_with_date(text: &[u8]) -> bool {
    match text.first_chunk::<12>() {
        Some([b'"', date @ .., b'"']) => day(date).is_some(),
        _ => false,
    }
}

/// Year, month and day of `YYYY-MM-DD`.
#[inline]
fn day(text: &[u8; 10]) -> Option<(u16, u8, u8)> {
    let [c, cc, y, yy, b'-', m, mm, b'-', d, dd] = *text else {
        return None;
    };
    let year = u16::from(two(c, cc)?) * 100 + u16::from(two(y, yy)?);
    let (month, day) = (two(m, mm)?, two(d, dd)?);
    let is_leap = || year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap() => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_day = (1..=12).contains(&month) && (1..=days).contains(&day) && year > 0;
    is_day.then_some((year, month, day))
}

/// The number of two digits.
#[inline]
fn two(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| tens * 10 + ones)
}

/// The rest of a text that is being read.
struct Remaining<'a>(&'a [u8]);

impl Remaining<'_> {
    fn take(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// Two digits, up to a greatest number.
    fn two(&mut self, greatest: u8) -> Option<u8> {
        let [tens, ones, rest @ ..] = self.0 else {
            return None;
        };
        self.0 = rest;
        two(*tens, *ones).filter(|number| *number <= greatest)
    }

    #[inline]
    fn day(&mut self) -> Option<(u16, u8, u8)> {
        let (text, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        day(text)
    }

    /// Hours, minutes, and seconds if they are given; a fraction may follow only these.
    #[inline]
    fn time(&mut self) -> Option<(u8, u8, u8)> {
        let [h, hh, b':', m, mm, rest @ ..] = self.0 else {
            return None;
        };
        let (hour, minute) = (two(*h, *hh)?, two(*m, *mm)?);
        let (second, rest) = match rest {
            [b':', s, ss, rest @ ..] => (two(*s, *ss)?, rest),
            [b':' | b'.', ..] => return None,
            _ => (0, rest),
        };
        self.0 = rest;
        (hour <= 23 && minute <= 59 && second <= 59).then_some((hour, minute, second))
    }

    /// Microseconds, from one digit or more; and whether something finer was cut off.
    #[inline]
    fn fraction(&mut self) -> Option<(u32, bool)> {
        let (mut micros, mut cut, mut place) = (0, false, 100_000);
        let mut rest = self.0;
        while let [digit @ b'0'..=b'9', tail @ ..] = rest {
            let digit = u32::from(digit - b'0');
            micros += digit * place;
            cut |= place == 0 && digit > 0;
            place /= 10;
            rest = tail;
        }
        let any = rest.len() < self.0.len();
        self.0 = rest;
        any.then_some((micros, cut))
    }

    /// Seconds east of UTC; nothing may follow.
    fn zone(&mut self) -> Option<i64> {
        if self.0.is_empty() {
            return Some(0);
        }
        self.take(b' ');
        if self.0 == b"UTC" {
            return Some(0);
        }
        let is_utc = self.take(b'Z') || self.take(b'z');
        if is_utc && self.0.is_empty() {
            return Some(0);
        }
        let east = self.offset()?;
        (!is_utc || east == 0).then_some(east)
    }

    /// Seconds east of UTC, with a sign; nothing may follow.
    fn offset(&mut self) -> Option<i64> {
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
