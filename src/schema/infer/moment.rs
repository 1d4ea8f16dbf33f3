//! Recognizes texts that are days or instants, by narrow forms that are not written by chance (ISO 8601, RFC 3339).

/// The kind of time that a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temporal {
    /// `2026-11-22`.
    Day,
    /// `2026-11-22T09:15:51Z`, with a space for the T, a fraction, an offset or no zone.
    Instant,
}

/// Recognizes a text. All that is recognized can be written under the type that it becomes.
pub(super) fn recognize(text: &[u8]) -> Option<Temporal> {
    let (day, rest) = text.split_at_checked(10)?;
    if !is_day(day) {
        return None;
    }
    match rest {
        [] => Some(Temporal::Day),
        [b'T' | b' ', rest @ ..] => is_time(rest).then_some(Temporal::Instant),
        _ => None,
    }
}

/// `YYYY-MM-DD`, of a year after 0 and a month that has that day.
fn is_day(text: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return false;
    };
    let (Some(century), Some(year)) = (number(y1, y2), number(y3, y4)) else {
        return false;
    };
    let (Some(month), Some(day)) = (number(m1, m2), number(d1, d2)) else {
        return false;
    };
    let year = i16::from(century) * 100 + i16::from(year);
    let (month, day) = (month.cast_signed(), day.cast_signed());
    year > 0 && jiff::civil::Date::new(year, month, day).is_ok()
}

/// `HH:MM:SS`, then perhaps a fraction, then perhaps a zone.
fn is_time(text: &[u8]) -> bool {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else {
        return false;
    };
    let within = |tens: u8, ones: u8, most: u8| number(tens, ones).is_some_and(|it| it <= most);
    if !(within(*h1, *h2, 23) && within(*m1, *m2, 59) && within(*s1, *s2, 59)) {
        return false;
    }
    let zone = match rest {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &rest[digits..]
        }
        _ => rest,
    };
    match zone {
        [] | [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] | [b'+' | b'-', h1, h2, m1, m2] => {
            within(*h1, *h2, 23) && within(*m1, *m2, 59)
        }
        _ => false,
    }
}

fn number(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}
