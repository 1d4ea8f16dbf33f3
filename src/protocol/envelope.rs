//! The envelope of a message, read in one walk that jumps over a record's object where its end is plain to see.

use std::borrow::Cow;

use crate::error::Result;
use crate::json::number::Number;
use crate::json::scan::{AFTER_MEMBER, Fault, Inside, Scanner, Shape};
use crate::json::text::unquoted;

/// The members of a message that concern us.
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
    /// Its place in the line, if nothing stands before it that concerns us but the stream.
    pub(super) head: Option<usize>,
    pub(super) emitted_at: Option<i64>,
    /// JSON text.
    pub(super) changes: Option<&'a [u8]>,
}

/// How the end of a record's object is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// By walking over it.
    Walked,
    /// By looking from the end of the line for what mostly follows it: `emitted_at`, or nothing.
    ///
    /// Everything else is walked over, so that such a line is a valid message if and only if the text found is
    /// a JSON object: no object is the beginning of another one. Whoever reads that text notices, and has the
    /// line read once more by walking.
    Guessed,
}

/// Reads a line.
pub(super) fn read(line: &[u8], ends: Ends) -> Result<Envelope<'_>> {
    let mut reader = Reader {
        scan: Scanner::new(line),
        ends,
    };
    let envelope = reader.envelope();
    envelope.map_err(|fault| reader.scan.error(fault))
}

struct Reader<'a> {
    scan: Scanner<'a>,
    ends: Ends,
}

impl<'a> Reader<'a> {
    fn envelope(&mut self) -> Result<Envelope<'a>, Fault> {
        let (mut kind, mut record, mut trace) = (None, None, None);
        self.scan.space();
        self.object("a message, which is a JSON object", |this, key| {
            match key {
                b"type" => once(&mut kind, this.string()?),
                b"record" => once(&mut record, this.payload()?),
                b"trace" => once(&mut trace, this.value()?),
                _ => {
                    this.scan.skip()?;
                    true
                }
            }
            .then_some(())
            .ok_or(Fault("each key once"))
        })?;
        self.scan.end()?;
        Ok(Envelope {
            kind: kind
                .flatten()
                .ok_or(Fault("a message with the key \"type\""))?,
            record: record.flatten(),
            trace: trace.flatten(),
        })
    }

    fn payload(&mut self) -> Result<Option<Payload<'a>>, Fault> {
        if self.null()? {
            return Ok(None);
        }
        let (mut stream, mut namespace, mut data) = (None, None, None);
        let mut head = None;
        let (mut emitted_at, mut changes) = (None, None);
        self.object(
            "a record's envelope, which is a JSON object",
            |this, key| {
                match key {
                    b"stream" => once(&mut stream, this.string()?),
                    b"namespace" => once(&mut namespace, this.string()?),
                    b"data" => {
                        let says_more = emitted_at.is_some() || changes.is_some();
                        head = (!says_more).then_some(this.scan.at);
                        once(&mut data, this.data()?)
                    }
                    b"emitted_at" => once(&mut emitted_at, this.millis()?),
                    b"meta" => once(&mut changes, this.changes()?),
                    _ => {
                        this.scan.skip()?;
                        true
                    }
                }
                .then_some(())
                .ok_or(Fault("each key once"))
            },
        )?;
        Ok(Some(Payload {
            stream: stream
                .flatten()
                .ok_or(Fault("a record with the key \"stream\""))?,
            namespace: namespace.flatten(),
            data: data.ok_or(Fault("a record with the key \"data\""))?,
            head,
            emitted_at: emitted_at.flatten(),
            changes: changes.flatten(),
        }))
    }

    /// The changes of `meta`.
    fn changes(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        if self.null()? {
            return Ok(None);
        }
        let mut changes = None;
        self.object("an object or null", |this, key| match key {
            b"changes" if once(&mut changes, this.value()?) => Ok(()),
            b"changes" => Err(Fault("each key once")),
            _ => this.scan.skip(),
        })?;
        Ok(changes.flatten())
    }

    /// The text of a record's data.
    fn data(&mut self) -> Result<&'a [u8], Fault> {
        let from = self.scan.at;
        match self.guess() {
            Some(end) => self.scan.at = end,
            None => self.scan.skip()?,
        }
        Ok(&self.scan.text[from..self.scan.at])
    }

    /// Where the object that begins here seems to end: at the last brace that `,"emitted_at"` follows, or
    /// before the last two of the line.
    fn guess(&self) -> Option<usize> {
        /// How many braces are looked at: those of the record, of the message, and of some changes.
        const BRACES: usize = 12;
        if self.ends == Ends::Walked || self.scan.peek() != b'{' {
            return None;
        }
        let text = &self.scan.text[self.scan.at..];
        let mut braces = memchr::memrchr_iter(b'}', text).take(BRACES);
        let before_emitted_at = braces.find(|&at| {
            let after = text[at + 1..].trim_ascii_start();
            after
                .strip_prefix(b",")
                .is_some_and(|after| after.trim_ascii_start().starts_with(b"\"emitted_at\""))
        });
        let before_the_end = || text.trim_ascii_end().strip_suffix(b"}}}").map(<[u8]>::len);
        Some(self.scan.at + before_emitted_at.or_else(before_the_end)? + 1)
    }

    /// Walks over an object and calls `member` at each value with its key, to walk over the value.
    #[inline]
    fn object(
        &mut self,
        expected: &'static str,
        mut member: impl FnMut(&mut Self, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.scan.expect(b'{', expected)?;
        self.scan.space();
        if self.scan.peek() == b'}' {
            self.scan.at += 1;
            return Ok(());
        }
        loop {
            let key = self.scan.key()?;
            let content = key.content(self.scan.text);
            match key.inside {
                Inside::Plain => member(self, content)?,
                _ => member(self, &unquoted(content))?,
            }
            self.scan.space();
            match self.scan.peek() {
                b',' => {
                    self.scan.at += 1;
                    self.scan.space();
                }
                b'}' => {
                    self.scan.at += 1;
                    return Ok(());
                }
                _ => return Err(Fault(AFTER_MEMBER)),
            }
        }
    }

    /// Walks over null, if it is there.
    #[inline]
    fn null(&mut self) -> Result<bool, Fault> {
        let null = self.scan.peek() == b'n';
        if null {
            self.scan.literal("null")?;
        }
        Ok(null)
    }

    /// A string or null.
    fn string(&mut self) -> Result<Option<Cow<'a, str>>, Fault> {
        if self.null()? {
            return Ok(None);
        }
        let text = self.scan.text;
        let from = self.scan.at;
        let inside = self.scan.string()?;
        let content = &text[from + 1..self.scan.at - 1];
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

    /// Milliseconds, whole ones; or null.
    fn millis(&mut self) -> Result<Option<i64>, Fault> {
        if self.null()? {
            return Ok(None);
        }
        let from = self.scan.at;
        let shape = self.scan.number()?;
        let number = Number {
            text: &self.scan.text[from..self.scan.at],
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

    /// The text of any value but null.
    fn value(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        let from = self.scan.at;
        let null = self.scan.peek() == b'n';
        self.scan.skip()?;
        Ok((!null).then(|| &self.scan.text[from..self.scan.at]))
    }
}

/// Fills a place that is still empty; says whether it was.
fn once<T>(place: &mut Option<T>, value: T) -> bool {
    let empty = place.is_none();
    place.get_or_insert(value);
    empty
}
