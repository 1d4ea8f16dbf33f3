//! Where a value ends that is verbatim in its row, as most are. Every other value, and every fault, is left to `walk`.

use crate::json::scan::{Inside, Scanner, Shape};
use crate::json::span;
use crate::row::learned::Learned;
use crate::row::plan::{ObjectPlan, Scalar, ValuePlan, Verbatim};
use crate::time::calendar;

/// Integers with more digits may not fit 64 bits.
const LONGEST_INTEGER: usize = 18;

/// Integers of this length are exact in a double (2^53 has 16 digits).
const LONGEST_EXACT: usize = 15;

/// Fractions of this length without an exponent are far from the edges of a double: 10^300 and 10^-300.
const LONGEST_DOUBLE: usize = 300;

impl Verbatim {
    /// The end of the value that begins at `at`, if it is verbatim; a null is not, because rows leave it out.
    pub(super) fn end(self, text: &[u8], at: usize) -> Option<usize> {
        self.end_inlined(text, at)
    }

    /// The same, for where values are most of the work.
    #[allow(clippy::inline_always)] // a call would cost as much as most values
    #[inline(always)]
    pub(super) fn end_inlined(self, text: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Scalar(scalar) => scalar.end(text, at),
            Self::Array(element) => array(element, text, at),
            Self::None => None,
        }
    }
}

impl Scalar {
    #[allow(clippy::inline_always)] // as above
    #[inline(always)]
    fn end(self, text: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::String => string(text, at),
            Self::Integer | Self::Double => number(self, text, at),
            Self::Boolean => boolean(text, at),
            Self::Date => calendar::begins_with_date(text.get(at..)?).then_some(at + 12),
        }
    }
}

#[inline]
fn string(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let end = span::plain(text, at + 1);
    if text.get(end) == Some(&b'"') {
        return Some(end + 1);
    }
    let mut scan = Scanner { text, at: end };
    match scan.rest_of_string() {
        Ok(Inside::Plain | Inside::Escaped) => Some(scan.at),
        Ok(Inside::Broken) | Err(_) => None,
    }
}

#[allow(clippy::inline_always)] // as above
#[inline(always)]
fn number(scalar: Scalar, text: &[u8], at: usize) -> Option<usize> {
    let mut scan = Scanner { text, at };
    let shape = scan.number_inlined().ok()?;
    let length = scan.at - at;
    let fits = match shape {
        Shape::Integer if scalar == Scalar::Integer => {
            length <= LONGEST_INTEGER && !text[at..].starts_with(b"-0")
        }
        Shape::Integer => scalar == Scalar::Double && length <= LONGEST_EXACT,
        Shape::Fraction => scalar == Scalar::Double && length <= LONGEST_DOUBLE,
        Shape::Exponent => false,
    };
    fits.then_some(scan.at)
}

#[inline]
fn boolean(text: &[u8], at: usize) -> Option<usize> {
    let mut words = [&b"true"[..], b"false"].into_iter();
    let word = words.find(|word| text[at..].starts_with(word))?;
    Some(at + word.len())
}

/// An array of scalars and nulls, with no space between them.
fn array(element: Scalar, text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    if text[at..].starts_with(b"[]") {
        return Some(at + 2);
    }
    let mut before = b'[';
    while text.get(at) == Some(&before) {
        at = match text.get(at + 1) {
            Some(b'n') if text[at + 1..].starts_with(b"null") => at + 5,
            _ => element.end(text, at + 1)?,
        };
        before = b',';
    }
    (before == b',' && text.get(at) == Some(&b']')).then_some(at + 1)
}

/// The end of an object whose members have the expected keys, are in order with no space between them, and are all
/// verbatim. It is tried only if the last object under the plan was so.
pub(super) fn object(
    plan: &ObjectPlan,
    learned: &Learned,
    text: &[u8],
    at: usize,
) -> Option<usize> {
    let expected = learned.object(plan);
    if !expected.is_verbatim || text.get(at) != Some(&b'{') {
        return None;
    }
    let (mut at, mut index, mut lowest) = (at, expected.first, 0);
    loop {
        let step = plan.steps.get(index as usize)?;
        if index < lowest || !step.key_is_name || !step.key.is_at(text, at + 1) {
            return None;
        }
        let value = at + 1 + step.key.len();
        let end = match &step.value {
            ValuePlan::Struct(plan) => object(plan, learned, text, value),
            _ => step.verbatim.end(text, value),
        };
        at = end?;
        match text.get(at)? {
            b',' => {}
            b'}' => return Some(at + 1),
            _ => return None,
        }
        (lowest, index) = (index + 1, expected.next(index));
    }
}
