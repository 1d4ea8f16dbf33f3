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
    fn hexadecimal_digits_are_lower_case() {
        assert_eq!(super::hex(&[0, 0x1f, 0xab]), "001fab");
    }
}
