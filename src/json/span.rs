//! How far bytes of one kind go on in a text: sixteen are looked at together.

use wide::u8x16;

/// The end of the run of plain characters that begins at `at`: before a quote, a backslash, a control character, a
/// character outside ASCII, or the end of the text.
#[inline]
pub(crate) fn plain(text: &[u8], at: usize) -> usize {
    span(text, at, |bytes| {
        let control = bytes.min(u8x16::splat(0x1F)).simd_eq(bytes);
        let quote = bytes.simd_eq(u8x16::splat(b'"'));
        let backslash = bytes.simd_eq(u8x16::splat(b'\\'));
        // The highest bit of a byte is what counts: that of those outside ASCII is set already.
        (control | quote | backslash | bytes).to_bitmask()
    })
}

/// The end of the run of decimal digits that begins at `at`.
#[inline]
pub(super) fn digits(text: &[u8], at: usize) -> usize {
    span(text, at, |bytes| {
        let digits = bytes ^ u8x16::splat(b'0');
        digits.max(u8x16::splat(10)).simd_eq(digits).to_bitmask()
    })
}

/// The end of the run of bytes that begins at `at` without a quote or a bracket of any kind.
#[inline]
pub(crate) fn without_brackets(text: &[u8], at: usize) -> usize {
    span(text, at, |bytes| {
        // The bit that tells braces from square brackets is set.
        let brackets = bytes | u8x16::splat(0x20);
        let open = brackets.simd_eq(u8x16::splat(b'{'));
        let closed = brackets.simd_eq(u8x16::splat(b'}'));
        let quote = bytes.simd_eq(u8x16::splat(b'"'));
        (open | closed | quote).to_bitmask()
    })
}

/// The end of the run of bytes that begins at `at` without a quote, a backslash or a line feed.
#[inline]
pub(crate) fn in_string(text: &[u8], at: usize) -> usize {
    span(text, at, |bytes| {
        let quote = bytes.simd_eq(u8x16::splat(b'"'));
        let backslash = bytes.simd_eq(u8x16::splat(b'\\'));
        let line_feed = bytes.simd_eq(u8x16::splat(b'\n'));
        (quote | backslash | line_feed).to_bitmask()
    })
}

/// A bit for each of 64 bytes, the lowest for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Brackets {
    pub(crate) open: u64,
    pub(crate) closed: u64,
    pub(crate) quotes: u64,
    pub(crate) backslashes: u64,
    pub(crate) line_feeds: u64,
}

/// What bounds values, of the 64 bytes that begin at `at`; nothing where there are fewer.
#[inline]
pub(crate) fn brackets(text: &[u8], at: usize) -> Option<Brackets> {
    let block = text.get(at..)?.first_chunk::<{ 4 * WIDTH }>()?;
    let mut found = Brackets::default();
    for (index, bytes) in block.as_chunks::<WIDTH>().0.iter().enumerate() {
        let bytes = u8x16::new(*bytes);
        let set = |mask: &mut u64, byte: u8, bytes: u8x16| {
            let bits = bytes.simd_eq(u8x16::splat(byte)).to_bitmask();
            *mask |= u64::from(bits) << (index * WIDTH);
        };
        // The bit that tells braces from square brackets is set.
        let brackets = bytes | u8x16::splat(0x20);
        set(&mut found.open, b'{', brackets);
        set(&mut found.closed, b'}', brackets);
        set(&mut found.quotes, b'"', bytes);
        set(&mut found.backslashes, b'\\', bytes);
        set(&mut found.line_feeds, b'\n', bytes);
    }
    Some(found)
}

/// How many bytes are looked at together.
const WIDTH: usize = 16;

/// The end of the run that begins at `at`. `stops` has a bit for each byte that ends it, the lowest for the first.
#[inline]
fn span(text: &[u8], mut at: usize, stops: impl Fn(u8x16) -> u32) -> usize {
    while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<WIDTH>) {
        let stops = stops(u8x16::new(*bytes));
        if stops != 0 {
            return at + stops.trailing_zeros() as usize;
        }
        at += WIDTH;
    }
    last(text, at, stops)
}

/// The same where fewer than sixteen bytes are left: those before them are looked at too, where there are as many.
#[inline(never)]
fn last(text: &[u8], at: usize, stops: impl Fn(u8x16) -> u32) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let stops = if let Some(bytes) = text.last_chunk::<WIDTH>() {
        stops(u8x16::new(*bytes)) >> (WIDTH - rest.len())
    } else {
        let mut bytes = [0; WIDTH];
        bytes[..rest.len()].copy_from_slice(rest);
        stops(u8x16::new(bytes))
    };
    at + rest.len().min(stops.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place of a text of each length, after and before bytes that go on.
    fn check(goes_on: u8, span: impl Fn(&[u8], usize) -> usize, ends: impl Fn(u8) -> bool) {
        for byte in 0..=u8::MAX {
            for length in 0..40 {
                for place in 0..length {
                    let mut text = vec![goes_on; length];
                    text[place] = byte;
                    for at in [0, 1, place, length] {
                        let is_ahead = at <= place && ends(byte);
                        assert_eq!(
                            span(&text, at),
                            if is_ahead { place } else { length },
                            "{byte:x} at {place} of {length}, from {at}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_run_ends_at_the_first_byte_that_is_not_plain() {
        check(
            b'~',
            plain,
            |byte| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x80..),
        );
    }

    #[test]
    fn the_bytes_that_bound_values_end_a_run() {
        check(b':', without_brackets, |byte| b"\"{}[]".contains(&byte));
        check(b'{', in_string, |byte| b"\"\\\n".contains(&byte));
    }

    #[test]
    fn each_byte_that_bounds_values_has_its_bit() {
        for byte in 0..=u8::MAX {
            for place in 0..64 {
                let mut text = [b' '; 70];
                text[place + 3] = byte;
                let bit = |bytes: &[u8]| u64::from(bytes.contains(&byte)) << place;
                let expected = Brackets {
                    open: bit(b"{["),
                    closed: bit(b"}]"),
                    quotes: bit(b"\""),
                    backslashes: bit(b"\\"),
                    line_feeds: bit(b"\n"),
                };
                assert_eq!(brackets(&text, 3), Some(expected));
                assert_eq!(brackets(&text, 7), None);
            }
        }
    }

    #[test]
    fn digits_end_at_the_first_byte_that_is_not_one() {
        check(b'0', digits, |byte| !byte.is_ascii_digit());
        check(b'9', digits, |byte| !byte.is_ascii_digit());
    }
}
