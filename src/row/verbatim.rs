//! Values that a row has as they stand, which are most: where they end. Whatever asks for more thought is left to the
//! encoder.

use crate::json::scan::{Inside, Scanner, Shape};
use crate::json::span;
use crate::row::step::Form;

/// More digits than these may not fit 64 bits.
const LONGEST_INTEGER: usize = 18;

/// Numbers of this length without an exponent are far from the edges of a double: 10^300 and 10^-300.
const LONGEST_DOUBLE: usize = 300;

/// The end of the value that begins at `at`, if a row has it as it stands; null is for the caller.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(super) fn end(form: &Form, text: &[u8], at: usize) -> Option<usize> {
    match form {
        Form::Array(element) => array(element, text, at),
        _ => scalar(form, text, at),
    }
}

#[allow(clippy::inline_always)]
#[inline(always)]
fn scalar(form: &Form, text: &[u8], at: usize) -> Option<usize> {
    match form {
        Form::Text => string(text, at),
        Form::Integer(i64::MIN, i64::MAX) | Form::Double => {
            let mut scan = Scanner { text, at };
            let shape = scan.number_here().ok()?;
            let number = &text[at..scan.at];
            let fits = match form {
                Form::Double => shape != Shape::Exponent && number.len() <= LONGEST_DOUBLE,
                _ => shape == Shape::Integer && number.len() <= LONGEST_INTEGER && number != b"-0",
            };
            fits.then_some(scan.at)
        }
        Form::Boolean => [&b"true"[..], b"false"]
            .into_iter()
            .find(|word| text[at..].starts_with(word))
            .map(|word| at + word.len()),
        _ => None,
    }
}

/// A string that stands for characters.
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

/// An array of scalars with no space between them.
fn array(element: &Form, text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    if text[at..].starts_with(b"[]") {
        return Some(at + 2);
    }
    let mut before = b'[';
    while text.get(at) == Some(&before) {
        at = match text.get(at + 1) {
            Some(b'n') if text[at + 1..].starts_with(b"null") => at + 5,
            _ => scalar(element, text, at + 1)?,
        };
        before = b',';
    }
    (before == b',' && text.get(at) == Some(&b']')).then_some(at + 1)
}
