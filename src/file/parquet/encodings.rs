//! The encodings of values in pages: RLE and bit packing, and booleans.
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>

use super::thrift::varint;

/// The numbers of encodings in the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain = 0,
    Rle = 3,
    RleDictionary = 8,
}

/// How many bits the numbers up to this one need.
pub(super) fn width(greatest: u32) -> u32 {
    u32::BITS - greatest.leading_zeros()
}

/// Appends numbers of `width` bits as runs of equal ones and as packed groups of eight.
pub(super) fn hybrid<T: Copy + PartialEq + Into<u32>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    // Where the values begin that are not written yet.
    let mut from = 0;
    let mut at = 0;
    while let Some(first) = values.get(at) {
        let run = values[at..]
            .iter()
            .take_while(|value| *value == first)
            .count();
        // A packed group has eight numbers: the run lends what the last one lacks.
        let lent = (at - from).next_multiple_of(8) - (at - from);
        if run < lent + 8 {
            at += run;
            continue;
        }
        packed(&values[from..at + lent], width, out);
        run_of((*first).into(), run - lent, width, out);
        at += run;
        from = at;
    }
    packed(&values[from..], width, out);
}

/// Appends a run of one number.
pub(super) fn run_of(value: u32, length: usize, width: u32, out: &mut Vec<u8>) {
    varint((length as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Appends groups of eight numbers; the last one is filled with zeros.
fn packed<T: Copy + Into<u32>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    let (mut bits, mut count) = (0_u64, 0);
    for value in values {
        bits |= u64::from((*value).into()) << count;
        count += width;
        if count >= 32 {
            out.extend_from_slice(&bits.to_le_bytes()[..4]);
            bits >>= 32;
            count -= 32;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes());
    out.resize(end, 0);
}

/// Appends booleans, which are bytes of 0 and 1, as bits.
pub(super) fn booleans(values: &[u8], out: &mut Vec<u8>) {
    for eight in values.chunks(8) {
        let bits = eight.iter().rev().fold(0, |bits, value| bits << 1 | value);
        out.push(bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what [`hybrid`] wrote, by the specification.
    fn read(bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        let mut at = 0;
        while values.len() < count {
            let (mut header, mut shift) = (0_u64, 0);
            loop {
                header |= u64::from(bytes[at] & 0x7F) << shift;
                shift += 7;
                at += 1;
                if bytes[at - 1] & 0x80 == 0 {
                    break;
                }
            }
            let length = usize::try_from(header >> 1).unwrap();
            if header & 1 == 0 {
                let size = width.div_ceil(8) as usize;
                let mut value = [0; 4];
                value[..size].copy_from_slice(&bytes[at..at + size]);
                values.extend(vec![u32::from_le_bytes(value); length]);
                at += size;
            } else {
                let bit = |place: usize| u32::from(bytes[at + place / 8] >> (place % 8) & 1);
                for value in 0..length * 8 {
                    let first = value * width as usize;
                    let bits = (0..width).map(|place| bit(first + place as usize) << place);
                    values.push(bits.sum());
                }
                at += length * width as usize;
            }
        }
        assert_eq!(at, bytes.len(), "bytes that no value has");
        assert!(values.len() < count + 8, "a run that is too long");
        values.truncate(count);
        values
    }

    #[test]
    fn what_was_written_is_read_again() {
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let width = random.u32(1..=32);
            let mut values = Vec::new();
            for _ in 0..random.usize(0..20) {
                let value = random.u32(..) >> (32 - width);
                let run = random.usize(1..random.clone().usize(2..30));
                values.extend(vec![value; run]);
            }
            let mut out = Vec::new();
            hybrid(&values, width, &mut out);
            assert_eq!(read(&out, width, values.len()), values, "seed {seed}");
        }
    }

    #[test]
    fn a_long_run_takes_a_few_bytes() {
        let mut out = Vec::new();
        hybrid(&vec![3_u16; 100_000], 2, &mut out);
        assert!(out.len() <= 4, "{out:?}");
        out.clear();
        hybrid(&[[1_u16; 3].as_slice(), &[0; 1000]].concat(), 1, &mut out);
        assert!(out.len() <= 5, "{out:?}");
    }

    #[test]
    fn the_first_boolean_is_the_lowest_bit() {
        let mut out = Vec::new();
        booleans(&[1, 0, 1, 1, 0, 0, 0, 0, 1], &mut out);
        assert_eq!(out, [0b1101, 1]);
    }
}
