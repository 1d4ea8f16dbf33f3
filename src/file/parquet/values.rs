//! The scalars of rows, read from their canonical text; nothing where a text is not canonical.

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// An integer, and where it ends.
#[inline]
pub(super) fn integer(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let is_negative = text.get(at) == Some(&b'-');
    let first = at + usize::from(is_negative);
    let (mut at, mut value) = (first, 0_i64);
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        // Downwards, because the least number has no positive.
        value = value
            .checked_mul(10)?
            .checked_sub(i64::from(digit - b'0'))?;
        at += 1;
    }
    let value = if is_negative {
        value
    } else {
        value.checked_neg()?
    };
    (at > first).then_some((value, at))
}

/// The end of a number.
#[inline]
pub(super) fn end_of_number(text: &[u8], at: usize) -> usize {
    let is_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    at + text[at..].iter().take_while(is_number).count()
}

/// A decimal without an exponent as a multiple of 10^-scale, and where it ends.
pub(super) fn decimal(text: &[u8], at: usize, scale: u8) -> Option<(i128, usize)> {
    let is_negative = text.get(at) == Some(&b'-');
    let (mut at, mut value) = (at + usize::from(is_negative), 0_i128);
    let mut left = None;
    loop {
        match text.get(at) {
            Some(digit @ b'0'..=b'9') => {
                value = value.checked_mul(10)?.checked_add((digit - b'0').into())?;
                if let Some(left) = &mut left {
                    *left = u8::checked_sub(*left, 1)?;
                }
            }
            Some(b'.') if left.is_none() => left = Some(scale),
            _ => break,
        }
        at += 1;
    }
    let missing = 10_i128.checked_pow(left.unwrap_or(scale).into())?;
    value = value.checked_mul(missing)?;
    Some((if is_negative { -value } else { value }, at))
}

/// Days since 1970 of `"YYYY-MM-DD`, quote included.
#[inline]
fn day(text: &[u8], at: usize) -> Option<i64> {
    let [b'"', c, cc, y, yy, b'-', m, mm, b'-', d, dd] = *text.get(at..)?.first_chunk::<11>()?
    else {
        return None;
    };
    let year = two(c, cc)? * 100 + two(y, yy)?;
    let (month, day) = (two(m, mm)?, two(d, dd)?);
    // Years begin in March, so that a leap day is the last of one:
    // <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens * 10 + ones))
}

/// Days since 1970, and the end of the date.
#[inline]
pub(super) fn date(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let days = day(text, at)?;
    (text.get(at + 11) == Some(&b'"')).then_some((days, at + 12))
}

/// Microseconds since 1970, and the end of the timestamp.
#[inline]
pub(super) fn timestamp(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let days = day(text, at)?;
    let [b' ', h, hh, b':', m, mm, b':', s, ss] = *text.get(at + 11..)?.first_chunk::<9>()? else {
        return None;
    };
    let seconds = (two(h, hh)? * 60 + two(m, mm)?) * 60 + two(s, ss)?;
    let mut micros = seconds * 1_000_000;
    let mut at = at + 20;
    if text.get(at) == Some(&b'.') {
        let mut place = 100_000;
        at += 1;
        while let Some(digit @ b'0'..=b'9') = text.get(at) {
            micros += i64::from(digit - b'0') * place;
            place /= 10;
            at += 1;
        }
    }
    (text.get(at) == Some(&b'"')).then_some((days * DAY + micros, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_all_their_values() {
        for value in [0, 7, -7, 1_000_000, i64::MAX, i64::MIN, i64::MIN + 1] {
            let text = format!("{value},");
            assert_eq!(integer(text.as_bytes(), 0), Some((value, text.len() - 1)));
        }
        for text in ["", "-", "x", "9223372036854775808"] {
            assert_eq!(integer(text.as_bytes(), 0), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_scaled() {
        for (text, scale, value) in [
            ("0", 2, 0),
            ("-1.5", 2, -150),
            ("123.45", 2, 12345),
            ("7", 0, 7),
            (
                "99999999999999999999999999999999999999",
                0,
                10_i128.pow(38) - 1,
            ),
            ("-0.00000000000000000000000000000000000001", 38, -1),
        ] {
            assert_eq!(
                decimal(text.as_bytes(), 0, scale),
                Some((value, text.len())),
                "{text}"
            );
        }
        assert_eq!(decimal(b"1.234", 0, 2), None);
    }

    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let mut expected = -719_162;
        for year in 1..=9999 {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let lengths = [
                31,
                28 + i64::from(is_leap),
                31,
                30,
                31,
                30,
                31,
                31,
                30,
                31,
                30,
                31,
            ];
            for (month, length) in (1..).zip(lengths) {
                for day in [1, length] {
                    let text = format!("\"{year:04}-{month:02}-{day:02}\"");
                    let days = if day == 1 {
                        expected
                    } else {
                        expected + length - 1
                    };
                    assert_eq!(date(text.as_bytes(), 0), Some((days, 12)), "{text}");
                }
                expected += length;
            }
        }
        assert_eq!(date(b"\"1970-01-01\"", 0), Some((0, 12)));
    }

    #[test]
    fn timestamps_have_microseconds_or_less() {
        for (text, micros) in [
            ("\"1970-01-01 00:00:00\"", 0),
            ("\"1970-01-02 01:02:03.004\"", DAY + 3_723_004_000),
            ("\"1969-12-31 23:59:59.999999\"", -1),
            ("\"0001-01-01 00:00:00\"", -719_162 * DAY),
        ] {
            assert_eq!(
                timestamp(text.as_bytes(), 0),
                Some((micros, text.len())),
                "{text}"
            );
        }
        assert_eq!(timestamp(b"\"1970-01-01T00:00:00\"", 0), None);
    }
}
