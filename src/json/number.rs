//! The text of a JSON number taken apart, and written again without an exponent; exact, never through a float.

use crate::json::scan::{Scanner, Shape};

/// A number's text and its form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) shape: Shape,
}

impl<'a> Number<'a> {
    /// The whole text as one number, if it is one by JSON's grammar: `007`, `+1`, `1.` and ` 1` are not.
    pub(crate) fn read(text: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::new(text);
        let shape = scanner.number().ok()?;
        (scanner.at == text.len()).then_some(Self { text, shape })
    }

    /// As a string slice, for the parsers of the standard library.
    #[inline]
    pub(crate) fn as_str(&self) -> &'a str {
        std::str::from_utf8(self.text).expect("a number is ASCII")
    }

    /// Whether every digit before the exponent is a zero.
    pub(crate) fn is_zero(&self) -> bool {
        !self
            .mantissa()
            .iter()
            .any(|byte| matches!(byte, b'1'..=b'9'))
    }

    /// The digits before the exponent.
    pub(crate) fn mantissa(&self) -> &'a [u8] {
        let exponent = |byte: &u8| matches!(byte, b'e' | b'E');
        self.text.split(exponent).next().unwrap_or_default()
    }

    /// Appends the number as digits with at most one point, if it has no more than `whole` digits before
    /// the point and `fraction` after it; else appends nothing and returns false.
    ///
    /// A text that is such already is copied, but for the minus of a zero; any other one is written with
    /// as few digits as it needs.
    pub(crate) fn write_plain(&self, whole: usize, fraction: usize, out: &mut Vec<u8>) -> bool {
        let parts = self.parts();
        let digits = parts.whole.len() - usize::from(parts.whole == b"0");
        if self.shape != Shape::Exponent
            && digits <= whole
            && parts.fraction.len() <= fraction
            && !(parts.negative && self.is_zero())
        {
            out.extend_from_slice(self.text);
            return true;
        }
        parts.write(whole, fraction, out)
    }

    fn parts(&self) -> Parts<'a> {
        let (negative, text) = match self.text {
            [b'-', rest @ ..] => (true, rest),
            text => (false, text),
        };
        let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match exponent_at {
            Some(at) => (&text[..at], exponent(&text[at + 1..])),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
            None => (mantissa, &[][..]),
        };
        Parts {
            negative,
            whole,
            fraction,
            exponent,
        }
    }
}

/// Exponents beyond this are as good as infinite: no line is that long.
const FAR: i64 = i64::MAX / 4;

fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    };
    let size = digits.iter().fold(0_i64, |sum, digit| {
        (sum.saturating_mul(10)
            .saturating_add(i64::from(digit - b'0')))
        .min(FAR)
    });
    if negative { -size } else { size }
}

struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl Parts<'_> {
    fn write(&self, whole: usize, fraction: usize, out: &mut Vec<u8>) -> bool {
        let all = || self.whole.iter().chain(self.fraction).copied();
        let count = self.whole.len() + self.fraction.len();
        let Some(leading) = all().position(|digit| digit != b'0') else {
            out.push(b'0');
            return true;
        };
        let trailing = all()
            .rev()
            .position(|digit| digit != b'0')
            .unwrap_or_default();
        let digits = || all().take(count - trailing).skip(leading);
        // The number is 0.DIGITS times ten to the power of `point`.
        let length = length(count - trailing - leading);
        let point = length_before(self.whole.len(), leading) + self.exponent;
        let fits =
            |digits: i64, limit: usize| usize::try_from(digits.max(0)).is_ok_and(|d| d <= limit);
        if !fits(point, whole) || !fits(length - point, fraction) {
            return false;
        }
        if self.negative {
            out.push(b'-');
        }
        if point <= 0 {
            out.extend_from_slice(b"0.");
            out.extend((point..0).map(|_| b'0'));
        }
        for (index, digit) in (0..).zip(digits()) {
            if index == point && point > 0 {
                out.push(b'.');
            }
            out.push(digit);
        }
        out.extend((length..point).map(|_| b'0'));
        true
    }
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(FAR)
}

fn length_before(whole: usize, leading: usize) -> i64 {
    length(whole) - length(leading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, whole: usize, fraction: usize, expected: Option<&str>) {
        let mut out = b"<".to_vec();
        let number = Number::read(text.as_bytes()).expect("a number");
        let written = number.write_plain(whole, fraction, &mut out);
        let found = written.then(|| String::from_utf8(out[1..].to_vec()).unwrap());
        assert_eq!(
            found.as_deref(),
            expected,
            "{text} as ({whole}, {fraction})"
        );
        assert!(written || out == b"<", "{text} left digits in the output");
    }

    #[test]
    fn writes_numbers_without_an_exponent_and_without_loss() {
        check("12", 2, 0, Some("12"));
        check("12", 1, 0, None);
        check("-0", 1, 0, Some("0"));
        check("-0.00", 1, 1, Some("0"));
        check("0.5", 0, 1, Some("0.5"));
        check("1.50", 1, 2, Some("1.50"));
        check("1.50", 1, 1, Some("1.5"));
        check("1.55", 1, 1, None);
        check("1.50e1", 2, 0, Some("15"));
        check("1e3", 4, 0, Some("1000"));
        check("1e3", 3, 0, None);
        check("-12.5E-3", 1, 4, Some("-0.0125"));
        check("-12.5E-3", 1, 3, None);
        check("123e-2", 1, 2, Some("1.23"));
        check("100e-2", 1, 0, Some("1"));
        check("0.001e3", 1, 0, Some("1"));
        check("0e99999999999999999999", 1, 0, Some("0"));
        check("1e99999999999999999999", 38, 0, None);
        check("1e-99999999999999999999", 38, 38, None);
    }

    #[test]
    fn reads_nothing_but_numbers() {
        for text in [
            "", "-", "+1", "01", "1.", ".5", "1e", " 1", "1 ", "0x1", "NaN", "1e+",
        ] {
            assert!(Number::read(text.as_bytes()).is_none(), "{text:?}");
        }
    }
}
