//! gzip (RFC 1952) in one member for each file, whatever cuts it has.
//!
//! A run of members is a whole file by the standard, and `gzip -d` reads it; Java's reader may stop after any of
//! them without an error (<https://bugs.openjdk.org/browse/JDK-7036144>), and with it the engines that are built on it.
//! So a cut leaves nothing in the file: each write ends at the end of a byte and refers to nothing before it.

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress};

use crate::file::{Output, Seam, WINDOW};

/// Half the time of level 6: in one go the benchmark stream's 37.0 MB of rows take 0.30 s of CPU instead of 0.61 and
/// become 7.38 MB instead of 6.97 (`gzip -6` makes 7.58 MB of its messages), other rows 0.1 to 1.2 % more (2026-11-22).
const LEVEL: u32 = 5;

/// Member header: magic, deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A last block of deflate without content.
const LAST_BLOCK: [u8; 2] = [3, 0];

thread_local! {
    /// One for all streams, since each write resets it: its tables, 320 KiB, stay in the processor's cache
    /// where those of a hundred streams would not.
    static DEFLATE: RefCell<Deflate> = RefCell::new(Deflate {
        encoder: Compress::new(Compression::new(LEVEL), false),
        window: Vec::with_capacity(WINDOW),
    });
}

struct Deflate {
    encoder: Compress,
    /// What it has written and nobody has taken yet.
    window: Vec<u8>,
}

/// A gzip encoder.
#[derive(Default)]
pub(crate) struct Gzip {
    /// Rows of the file up to the last cut, and since then.
    before: Checked,
    since: Checked,
}

/// The checksum and length of rows, as the trailer holds them.
#[derive(Default)]
struct Checked {
    crc: crc32fast::Hasher,
    length: u64,
}

impl Checked {
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn add(&mut self, rows: &[u8]) {
        self.crc.update(rows);
        self.length += rows.len() as u64;
    }

    fn append(&mut self, other: &Self) {
        self.crc.combine(&other.crc);
        self.length += other.length;
    }

    /// The bytes that end a member after these rows.
    fn ending(self) -> Vec<u8> {
        let mut ending = LAST_BLOCK.to_vec();
        ending.extend(self.crc.finalize().to_le_bytes());
        // The length is stored modulo 2^32.
        ending.extend(&self.length.to_le_bytes()[..4]);
        ending
    }
}

impl Gzip {
    pub(super) fn write(&mut self, rows: &[u8], out: &mut dyn Output) {
        if rows.is_empty() {
            return;
        }
        if self.is_empty() {
            out.append(&HEADER);
        }
        self.since.add(rows);
        DEFLATE.with_borrow_mut(|deflate| deflate.write(rows, out));
    }

    fn is_empty(&self) -> bool {
        self.before.is_empty() && self.since.is_empty()
    }

    pub(super) fn cut(&mut self) {
        self.before.append(&std::mem::take(&mut self.since));
    }

    pub(super) fn split(&mut self) -> Seam {
        let before = std::mem::take(&mut self.before);
        if before.is_empty() {
            return Seam::default();
        }
        let beginning = if self.since.is_empty() {
            Vec::new()
        } else {
            HEADER.to_vec()
        };
        Seam {
            ending: before.ending(),
            beginning,
        }
    }

    pub(super) fn end(&mut self, out: &mut dyn Output) {
        self.cut();
        if !self.before.is_empty() {
            out.append(&std::mem::take(&mut self.before).ending());
        }
    }
}

impl Deflate {
    /// Appends blocks of deflate that end with a byte and refer to nothing before them; none is the last.
    fn write(&mut self, rows: &[u8], out: &mut dyn Output) {
        self.encoder.reset();
        loop {
            self.window.clear();
            let taken = usize::try_from(self.encoder.total_in()).expect("no more than was given");
            self.encoder
                .compress_vec(&rows[taken..], &mut self.window, FlushCompress::Sync)
                .expect("a deflate stream that is fed in order has no error");
            out.append(&self.window);
            // If all of the window is used up there may be more output.
            if self.window.len() < self.window.capacity() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// The rows of a file of one member.
    #[track_caller]
    fn unzipped(bytes: &[u8]) -> Vec<u8> {
        let mut rows = Vec::new();
        let mut decoder = flate2::bufread::GzDecoder::new(bytes);
        decoder.read_to_end(&mut rows).unwrap();
        assert!(decoder.into_inner().is_empty(), "more than one member");
        rows
    }

    fn numbers() -> Vec<u8> {
        (0..200_000u32)
            .flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes())
            .collect()
    }

    #[test]
    fn each_side_of_a_cut_can_become_a_file_of_one_member() {
        let mut gzip = Gzip::default();
        let mut out = Vec::new();
        gzip.write(&numbers(), &mut out);
        gzip.cut();
        let cut = out.len();
        // The compressor would find this in the block before, if it were not reset.
        gzip.write(&numbers()[..1000], &mut out);
        gzip.write(b"second\n", &mut out);
        let seam = gzip.split();
        gzip.end(&mut out);
        gzip.end(&mut out);
        let first = [&out[..cut], &seam.ending].concat();
        let second = [&seam.beginning, &out[cut..]].concat();
        assert_eq!(unzipped(&first), numbers());
        assert_eq!(
            unzipped(&second),
            [&numbers()[..1000], b"second\n"].concat()
        );
    }

    #[test]
    fn a_file_that_is_not_split_has_one_member_too() {
        let mut gzip = Gzip::default();
        for _ in 0..2 {
            let mut out = Vec::new();
            let mut rows = Vec::new();
            for number in 0..50u8 {
                let row = [number, b'\n'].repeat(usize::from(number) * 100);
                gzip.write(&row, &mut out);
                rows.extend(row);
                gzip.cut();
                gzip.cut();
            }
            gzip.end(&mut out);
            assert_eq!(unzipped(&out), rows);
        }
    }

    #[test]
    fn a_split_with_nothing_after_the_cut_begins_a_new_file() {
        let mut gzip = Gzip::default();
        let mut out = Vec::new();
        gzip.write(b"first\n", &mut out);
        gzip.cut();
        let seam = gzip.split();
        assert_eq!(seam.beginning, b"");
        out.extend(seam.ending);
        assert_eq!(unzipped(&out), b"first\n");
        out.clear();
        gzip.write(b"second\n", &mut out);
        gzip.end(&mut out);
        assert_eq!(unzipped(&out), b"second\n");
    }

    #[test]
    fn nothing_written_is_nothing_at_all() {
        let mut out = Vec::new();
        let mut gzip = Gzip::default();
        gzip.cut();
        assert_eq!(gzip.split(), Seam::default());
        gzip.end(&mut out);
        assert!(out.is_empty());
    }
}
