//! CRC32 checksums of uploads in S3's spelling: Base64 of four bytes, big-endian.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

/// The header and the XML element that hold it.
pub(crate) const HEADER: &str = "x-amz-checksum-crc32";
pub(crate) const ELEMENT: &str = "ChecksumCRC32";

pub(crate) fn crc32(bytes: &[u8]) -> String {
    base64(crc32fast::hash(bytes))
}

/// The checksum of a multipart object: that of its parts' checksums, and their number.
/// Nothing where a part has no valid checksum.
pub(crate) fn composite<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    let number = parts.len();
    let mut bytes = Vec::with_capacity(number * 4);
    for part in parts {
        bytes.extend(from_base64(part)?);
    }
    Some(format!("{}-{number}", crc32(&bytes)))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(crc32: u32) -> String {
    let number = u64::from(crc32) << 4;
    let digits = (0..6_u64).rev().map(|place| {
        let six = usize::try_from(number >> (place * 6) & 63).expect("six bits");
        char::from(DIGITS[six])
    });
    digits.chain(['=', '=']).collect()
}

fn from_base64(text: &str) -> Option<[u8; 4]> {
    let digits = text.strip_suffix("==").filter(|digits| digits.len() == 6)?;
    let mut number = 0_u64;
    for digit in digits.bytes() {
        let six = DIGITS.iter().position(|known| *known == digit)?;
        number = number << 6 | u64::try_from(six).ok()?;
    }
    u32::try_from(number >> 4).ok().map(u32::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_s3_documents() {
        // CRC32 of "123456789" is cbf43926.
        assert_eq!(crc32(b"123456789"), "y/Q5Jg==");
        assert_eq!(crc32(b""), "AAAAAA==");
        assert_eq!(from_base64("y/Q5Jg=="), Some([0xcb, 0xf4, 0x39, 0x26]));
        assert_eq!(from_base64("y/Q5"), None);
        assert_eq!(from_base64("!!!!!!=="), None);
    }

    #[test]
    fn a_composite_is_the_checksum_of_checksums() {
        let parts = [crc32(b"a"), crc32(b"b")];
        let mut bytes = crc32fast::hash(b"a").to_be_bytes().to_vec();
        bytes.extend(crc32fast::hash(b"b").to_be_bytes());
        assert_eq!(
            composite(parts.iter().map(String::as_str)),
            Some(format!("{}-2", crc32(&bytes)))
        );
        assert_eq!(composite(["", "y/Q5Jg=="].into_iter()), None);
    }
}
