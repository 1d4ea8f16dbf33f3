//! Percent-encoding by SigV4's rule: everything but `A-Z a-z 0-9 - . _ ~` is `%XX` in upper case.
//! The URL that is sent and the text that is signed use the same functions, so that they cannot differ.

/// Encodes a key for the path: slashes separate.
pub(crate) fn path(text: &str) -> String {
    encode(text, true)
}

/// Encodes a name or a value of the query: slashes are encoded too.
pub(crate) fn component(text: &str) -> String {
    encode(text, false)
}

/// `name=value` pairs as they are sent and signed: encoded, then sorted.
pub(crate) fn query<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    let mut pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, value)| (component(name.as_ref()), component(value.as_ref())))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Decodes a key of a listing (`encoding-type=url`), where S3 writes a space as `+`.
/// Nothing where the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, tail @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = tail;
                }
                _ => bytes.push(b'%'),
            },
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

fn encode(text: &str, slashes_stay: bool) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            b'/' if slashes_stay => encoded.push('/'),
            _ => {
                encoded.push('%');
                encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
                encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_unreserved_is_encoded() {
        assert_eq!(path("a b/ü+%~._-*"), "a%20b/%C3%BC%2B%25~._-%2A");
        assert_eq!(component("a/b"), "a%2Fb");
    }

    #[test]
    fn the_query_is_sorted_by_what_is_sent() {
        assert_eq!(
            query(&[("b", "1"), ("a", "2"), ("a", "1"), ("ü", ""), ("Z", "/")]),
            "%C3%BC=&Z=%2F&a=1&a=2&b=1"
        );
    }

    #[test]
    fn decodes_what_a_listing_holds() {
        assert_eq!(decode("a+b%2Fc%C3%BC%2B").as_deref(), Some("a b/cü+"));
        assert_eq!(decode("100%").as_deref(), Some("100%"));
        assert_eq!(decode("%zz").as_deref(), Some("%zz"));
        assert_eq!(decode("%FF"), None);
    }
}
