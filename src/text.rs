//! Bytes as text, and text for terminals.

use std::borrow::Cow;

/// The two lower-case hexadecimal digits of a byte.
#[inline]
pub(crate) fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)])
}

/// Two lower-case hexadecimal digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().copied().flat_map(hex_digits);
    digits.map(char::from).collect()
}

/// The text with control characters, and those that change the direction of writing, as escapes: names of files, of
/// columns and what services say come from outside, and a terminal obeys such characters.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return text.into();
    }
    let mut printable = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_command(character) {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable.into()
}

/// Whether a terminal may obey the character instead of showing it: <https://trojansource.codes> has the last ones.
pub(crate) fn is_command(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The candidate of which the word is most likely a slip: one letter in three may be missing, added, another, or swapped
/// with the next one.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = (word.len() / 3).max(1);
    let near = |candidate: &'a str| {
        let distance = distance(word.as_bytes(), candidate.as_bytes());
        (distance <= most && distance < candidate.len()).then_some((distance, candidate))
    };
    let found = candidates.into_iter().filter_map(near);
    found
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many edits lead from one word to the other (optimal string alignment), over three rows of the table.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let replaced = row[j] + usize::from(a != b);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            let is_padding = place > three.len();
            text.push(if is_padding { '=' } else { char::from(digit) });
        }
    }
    text
}

/// The text with every `%XX` decoded; nothing where the result is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let is_hex = |digits: &&[u8]| digits.iter().all(u8::is_ascii_hexdigit);
        let escaped = tail.get(..2).filter(|_| *byte == b'%').filter(is_hex);
        let digits = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(decoded.unwrap_or(*byte));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let text = "a\u{1b}[2J\u{7}b\r\nc\u{9b}31m\u{202e}\u{7f}é日";
        assert_eq!(
            super::printable(text),
            "a\\u{1b}[2J\\u{7}b\\r\\nc\\u{9b}31m\\u{202e}\\u{7f}é日"
        );
        assert!(matches!(
            super::printable("plain é"),
            std::borrow::Cow::Borrowed(_)
        ));
    }

    #[test]
    fn a_slip_finds_the_word_that_was_meant_and_another_word_finds_none() {
        let words = [
            "table",
            "mode",
            "region",
            "checkpoint-interval",
            "json",
            "spec",
            "sync",
        ];
        for (word, meant) in [
            ("tabel", Some("table")),
            ("tables", Some("table")),
            ("regoin", Some("region")),
            ("mod", Some("mode")),
            ("checkpoint-intervall", Some("checkpoint-interval")),
            ("checkpont-intreval", Some("checkpoint-interval")),
            ("jsno", Some("json")),
            ("bucket", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(super::nearest(word, words), meant, "{word}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_lower_case() {
        assert_eq!(super::hex(&[0, 0x1f, 0xab]), "001fab");
    }

    #[test]
    fn base64_is_that_of_the_specification() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(super::base64(bytes.as_bytes()), text);
        }
        assert_eq!(super::base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn only_what_is_encoded_is_decoded() {
        for (text, decoded) in [
            ("p%40ss", Some("p@ss")),
            ("%", Some("%")),
            ("100%", Some("100%")),
            ("%4", Some("%4")),
            ("%zz+%c3%BC", Some("%zz+ü")),
            ("%+4", Some("%+4")),
            ("%ff", None),
        ] {
            assert_eq!(super::percent_decoded(text).as_deref(), decoded, "{text}");
        }
    }
}
