//! The envelope of a message, read in one walk that jumps over the record's object where its end can be guessed.

use std::borrow::Cow;

use crate::error::Result;
use crate::json::number::Number;
use crate::json::scan::{Fault, Inside, Scanner, Shape};
use crate::json::text::unquoted;

/// The members of a message that matter to a destination.
#[derive(Debug, PartialEq)]
pub(super) struct Envelope<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) record: Option<Payload<'a>>,
    /// JSON text.
    pub(super) trace: Option<&'a [u8]>,
}

/// The member `record`.
#[derive(Debug, PartialEq)]
pub(super) struct Payload<'a> {
    pub(super) stream: Cow<'a, str>,
    pub(super) namespace: Option<Cow<'a, str>>,
    /// JSON text.
    pub(super) data: &'a [u8],
    /// The length of the line's prefix, which ends where `data` begins, if of the members above only the stream's name
    /// and namespace are in it.
    pub(super) prefix: Option<usize>,
    pub(super) emitted_at: Option<i64>,
    /// JSON text.
    pub(super) changes: Option<&'a [u8]>,
}

/// How the end of a record's object is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndOfData {
    /// By walking over it.
    Walked,
    /// By looking from the end of the line for what mostly follows it: `emitted_at`, or nothing.
    ///
    /// Everything else is walked over, so that the line is a valid message, as read, if and only if the text found is a
    /// JSON object: no object is the beginning of another one. Reading that text verifies the guess.
    Guessed,
}

/// Reads a line.
pub(super) fn read(line: &[u8], end_of_data: EndOfData) -> Result<Envelope<'_>> {
    let mut scan = Scanner::new(line);
    let envelope = envelope(&mut scan, end_of_data);
    envelope.map_err(|fault| scan.error(fault))
}

fn envelope<'a>(scan: &mut Scanner<'a>, end_of_data: EndOfData) -> Result<Envelope<'a>, Fault> {
    let (mut kind, mut record, mut trace) = (None, None, None);
    scan.space();
    scan.object(
        "a message, which is a JSON object",
        |scan, key| match &*key.name(scan.text) {
            b"type" => once(&mut kind, string(scan)?),
            b"record" => once(&mut record, payload(scan, end_of_data)?),
            b"trace" => once(&mut trace, value(scan)?),
            _ => scan.skip(),
        },
    )?;
    scan.end()?;
    Ok(Envelope {
        kind: kind
            .flatten()
            .ok_or(Fault("a message with the key \"type\""))?,
        record: record.flatten(),
        trace: trace.flatten(),
    })
}

fn payload<'a>(
    scan: &mut Scanner<'a>,
    end_of_data: EndOfData,
) -> Result<Option<Payload<'a>>, Fault> {
    if null(scan)? {
        return Ok(None);
    }
    let (mut stream, mut namespace, mut data) = (None, None, None);
    let mut prefix = None;
    let (mut emitted_at, mut changes) = (None, None);
    scan.object(
        "a record's envelope, which is a JSON object",
        |scan, key| match &*key.name(scan.text) {
            b"stream" => once(&mut stream, string(scan)?),
            b"namespace" => once(&mut namespace, string(scan)?),
            b"data" => {
                let holds_more = emitted_at.is_some() || changes.is_some();
                prefix = (!holds_more).then_some(scan.at);
                once(&mut data, text_of_data(scan, end_of_data)?)
            }
            b"emitted_at" => once(&mut emitted_at, millis(scan)?),
            b"meta" => once(&mut changes, changes_of_meta(scan)?),
            _ => scan.skip(),
        },
    )?;
    Ok(Some(Payload {
        stream: stream
            .flatten()
            .ok_or(Fault("a record with the key \"stream\""))?,
        namespace: namespace.flatten(),
        data: data.ok_or(Fault("a record with the key \"data\""))?,
        prefix,
        emitted_at: emitted_at.flatten(),
        changes: changes.flatten(),
    }))
}

/// Walks over `meta`; returns the text of its changes.
fn changes_of_meta<'a>(scan: &mut Scanner<'a>) -> Result<Option<&'a [u8]>, Fault> {
    if null(scan)? {
        return Ok(None);
    }
    let mut changes = None;
    scan.object("an object or null", |scan, key| {
        match &*key.name(scan.text) {
            b"changes" => once(&mut changes, value(scan)?),
            _ => scan.skip(),
        }
    })?;
    Ok(changes.flatten())
}

/// Walks, or jumps, over a record's object; returns its text.
fn text_of_data<'a>(scan: &mut Scanner<'a>, end_of_data: EndOfData) -> Result<&'a [u8], Fault> {
    let from = scan.at;
    let guessed = match end_of_data {
        EndOfData::Guessed => guess_end(scan),
        EndOfData::Walked => None,
    };
    match guessed {
        Some(end) => scan.at = end,
        None => scan.skip()?,
    }
    Ok(&scan.text[from..scan.at])
}

/// Where the object that begins here seems to end: at the last brace that `,"emitted_at"` follows, or else before the
/// last two of the line.
fn guess_end(scan: &Scanner<'_>) -> Option<usize> {
    /// How many braces are looked at: those of the record, of the message, and of some changes.
    const BRACES: usize = 12;
    if scan.peek() != b'{' {
        return None;
    }
    let text = &scan.text[scan.at..];
    let mut braces = memchr::memrchr_iter(b'}', text).take(BRACES);
    let before_emitted_at = braces.find(|&at| {
        let after = text[at + 1..].trim_ascii_start();
        after
            .strip_prefix(b",")
            .is_some_and(|after| after.trim_ascii_start().starts_with(b"\"emitted_at\""))
    });
    let before_the_end = || text.trim_ascii_end().strip_suffix(b"}}}").map(<[u8]>::len);
    Some(scan.at + before_emitted_at.or_else(before_the_end)? + 1)
}

/// Walks over a null; returns whether there was one.
#[inline]
fn null(scan: &mut Scanner<'_>) -> Result<bool, Fault> {
    let is_null = scan.peek() == b'n';
    if is_null {
        scan.literal("null")?;
    }
    Ok(is_null)
}

/// Walks over a string or null.
fn string<'a>(scan: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    if null(scan)? {
        return Ok(None);
    }
    let from = scan.at;
    let inside = scan.string()?;
    let content = &scan.text[from + 1..scan.at - 1];
    let characters = "a string of Unicode characters";
    Ok(Some(match inside {
        Inside::Plain => {
            Cow::Borrowed(std::str::from_utf8(content).map_err(|_| Fault(characters))?)
        }
        _ => Cow::Owned(
            String::from_utf8(unquoted(content).into_owned()).map_err(|_| Fault(characters))?,
        ),
    }))
}

/// Walks over a number of milliseconds, of which fractions are cut off; or null.
fn millis(scan: &mut Scanner<'_>) -> Result<Option<i64>, Fault> {
    if null(scan)? {
        return Ok(None);
    }
    let from = scan.at;
    let shape = scan.number()?;
    let number = Number {
        text: &scan.text[from..scan.at],
        shape,
    };
    let whole = match shape {
        Shape::Integer => number.as_str().parse().ok(),
        _ => None,
    };
    #[allow(clippy::cast_possible_truncation)] // saturates; such a time is nonsense anyway
    Ok(whole.or_else(|| {
        number
            .as_str()
            .parse()
            .ok()
            .map(|millis: f64| millis as i64)
    }))
}

/// Walks over any value; returns its text unless it is null.
fn value<'a>(scan: &mut Scanner<'a>) -> Result<Option<&'a [u8]>, Fault> {
    let from = scan.at;
    let is_null = scan.peek() == b'n';
    scan.skip()?;
    Ok((!is_null).then(|| &scan.text[from..scan.at]))
}

/// Fills a place that is still empty: a key may appear once.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Fault> {
    if place.is_some() {
        return Err(Fault("each key once"));
    }
    *place = Some(value);
    Ok(())
}
