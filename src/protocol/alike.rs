//! The short way of a line that begins like the one before it and ends as most do: only the record's object and its time
//! are new.

use crate::protocol::envelope::{self, Ends};

/// Longer beginnings are not compared.
const LONGEST: usize = 1024;

/// What stands behind the record's object, as the platform and as Python write it; then come digits and two braces.
const ENDINGS: [&[u8]; 2] = [b",\"emitted_at\":", b", \"emitted_at\": "];

/// What lines begin with, up to the record's object.
#[derive(Debug, Default)]
pub(super) struct Head {
    text: Vec<u8>,
    meaning: Meaning,
}

/// What a head says.
#[derive(Debug, Default)]
enum Meaning {
    /// Only one line began so.
    #[default]
    Unknown,
    /// Which stream the record is of, and nothing else that counts.
    Stream {
        name: String,
        namespace: Option<String>,
    },
    /// Something else too.
    Other,
}

/// What is new in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct News<'a> {
    /// The text of the record's object, if it is one; if not, the line must be read with care.
    pub(super) data: &'a [u8],
    /// Milliseconds since 1970.
    pub(super) emitted_at: i64,
}

impl Head {
    /// What is new in a line that is known but for that.
    #[inline]
    pub(super) fn news<'a>(&self, line: &'a [u8]) -> Option<News<'a>> {
        let Meaning::Stream { .. } = self.meaning else {
            return None;
        };
        let rest = line.strip_prefix(&*self.text)?.strip_suffix(b"}}")?;
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let count = rest.iter().rev().take_while(is_digit).count();
        let (rest, digits) = rest.split_at(rest.len() - count);
        // Eighteen digits fit 64 bits; more, none, and a zero in front are not usual.
        if !(1..=18).contains(&count) || (digits[0] == b'0' && count > 1) {
            return None;
        }
        let data = ENDINGS.iter().find_map(|ending| rest.strip_suffix(*ending));
        Some(News {
            data: data?,
            emitted_at: digits
                .iter()
                .fold(0, |number, digit| number * 10 + i64::from(digit - b'0')),
        })
    }

    /// The stream of a line that has news, and its namespace.
    pub(super) fn stream(&self) -> (&str, Option<&str>) {
        match &self.meaning {
            Meaning::Stream { name, namespace } => (name, namespace.as_deref()),
            Meaning::Unknown | Meaning::Other => ("", None),
        }
    }

    /// Takes the beginning of a line that is a record. It is understood when a second line in a row begins so.
    pub(super) fn learn(&mut self, text: &[u8]) {
        if text != self.text {
            self.text.clear();
            if text.len() <= LONGEST {
                self.text.extend_from_slice(text);
            }
            self.meaning = Meaning::Unknown;
        } else if matches!(self.meaning, Meaning::Unknown) {
            self.meaning = understand(text);
        }
    }
}

/// Whatever a head says beside the stream, a record and its time behind it make a valid message of that stream if they
/// do so here.
fn understand(text: &[u8]) -> Meaning {
    let line = [text, b"{}", ENDINGS[0], b"1}}"].concat();
    let record = match envelope::read(&line, Ends::Walked) {
        Ok(envelope) if envelope.kind == "RECORD" => envelope.record,
        _ => None,
    };
    match record {
        Some(record) if record.emitted_at == Some(1) && record.changes.is_none() => {
            Meaning::Stream {
                name: record.stream.into(),
                namespace: record.namespace.map(Into::into),
            }
        }
        _ => Meaning::Other,
    }
}
