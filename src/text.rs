//! Bytes as text.

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

#[cfg(test)]
mod tests {
    #[test]
    fn hexadecimal_digits_are_lower_case() {
        assert_eq!(super::hex(&[0, 0x1f, 0xab]), "001fab");
    }
}
