//! The contents of JSON strings: unquoted to the characters that they stand for, and quoted from a text.

use std::borrow::Cow;

use crate::json::span;
use crate::text::hex_digits;

/// Appends a valid JSON text so that a string around it holds exactly that text.
pub(crate) fn quote_into(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    loop {
        let end = span::plain(text, at);
        out.extend_from_slice(&text[at..end]);
        let Some(&byte) = text.get(end) else {
            return;
        };
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x80.. => out.push(byte),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex_digits(byte));
            }
        }
        at = end + 1;
    }
}

/// The text as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> Vec<u8> {
    let mut out = vec![b'"'];
    quote_into(text.as_bytes(), &mut out);
    out.push(b'"');
    out
}

/// The bytes that a string's content (as the scanner found it valid) stands for: UTF-8, but that half a
/// surrogate pair becomes the three bytes that it would have, so that no two contents are taken for one.
#[inline]
pub(crate) fn unquoted(content: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', content).is_none() {
        return Cow::Borrowed(content);
    }
    let mut out = Vec::with_capacity(content.len());
    unquote_into(content, &mut out);
    Cow::Owned(out)
}

/// Appends what [`unquoted`] returns.
pub(crate) fn unquote_into(content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let [escape, tail @ ..] = rest else { break };
        rest = tail;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (mut code, mut tail) = (unit(rest), rest.get(4..).unwrap_or_default());
                if let (0xD800..=0xDBFF, Some(second)) = (code, tail.strip_prefix(b"\\u"))
                    && let low @ 0xDC00..=0xDFFF = unit(second)
                {
                    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                    tail = second.get(4..).unwrap_or_default();
                }
                rest = tail;
                push(code, out);
            }
            other => out.push(*other),
        }
    }
}

fn unit(digits: &[u8]) -> u32 {
    digits
        .iter()
        .take(4)
        .filter_map(|&digit| char::from(digit).to_digit(16))
        .fold(0, |unit, digit| unit << 4 | digit)
}

fn push(code: u32, out: &mut Vec<u8>) {
    if let Some(character) = char::from_u32(code) {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let low = |shift: u32| u8::try_from(0x80 | (code >> shift & 0x3F)).unwrap_or_default();
        out.extend_from_slice(&[0xED, low(6), low(0)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_a_string_may_not_hold() {
        assert_eq!(
            quoted("a\"b\\c\td\n\r\u{1}é"),
            "\"a\\\"b\\\\c\\td\\n\\r\\u0001é\"".as_bytes()
        );
        assert_eq!(
            serde_json::from_slice::<String>(&quoted("{\"long enough\":\t[1, 2]}")).unwrap(),
            "{\"long enough\":\t[1, 2]}"
        );
    }

    #[test]
    fn reads_every_escape() {
        let content = r#"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00é"#;
        assert_eq!(
            unquoted(content.as_bytes()).as_ref(),
            "\"\\/\u{8}\u{c}\n\r\té😀é".as_bytes()
        );
    }

    #[test]
    fn keeps_halves_of_surrogate_pairs_apart() {
        let texts = [
            r"\ud83d",
            r"\ude00",
            r"\ud83d\ud83d",
            r"\ud83d\u0041",
            r"\ufffd",
        ];
        let mut read: Vec<_> = texts.iter().map(|text| unquoted(text.as_bytes())).collect();
        read.sort();
        read.dedup();
        assert_eq!(read.len(), texts.len());
    }
}
