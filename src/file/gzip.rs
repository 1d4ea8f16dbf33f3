//! gzip (RFC 1952) as a sequence of members: each cut ends one, and any run of members is a whole file.

use flate2::{Compress, Compression, FlushCompress, Status};

/// What zlib-rs allocates for one stream at the default window and memory level.
pub(super) const COST: usize = 320 * 1024;

/// Member header: magic, deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// How much room the output gets at a time.
const ROOM: usize = 32 * 1024;

/// A gzip encoder; its deflate state is kept over cuts.
pub(crate) struct Gzip {
    deflate: Compress,
    crc: crc32fast::Hasher,
    /// Bytes of rows in the member so far, modulo 2^32 as the trailer wants it.
    length: u32,
    is_open: bool,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::new(6), false),
            crc: crc32fast::Hasher::new(),
            length: 0,
            is_open: false,
        }
    }

    pub(super) fn write(&mut self, rows: &[u8], out: &mut Vec<u8>) {
        if rows.is_empty() {
            return;
        }
        if !self.is_open {
            out.extend_from_slice(&HEADER);
            self.is_open = true;
        }
        self.crc.update(rows);
        #[allow(clippy::cast_possible_truncation)] // modulo 2^32 is what the trailer wants
        let length = rows.len() as u32;
        self.length = self.length.wrapping_add(length);
        let mut rest = rows;
        while !rest.is_empty() {
            let before = self.deflate.total_in();
            self.step(rest, out, FlushCompress::None);
            let taken =
                usize::try_from(self.deflate.total_in() - before).expect("no more than was given");
            rest = &rest[taken..];
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn cut(&mut self, out: &mut Vec<u8>) {
        if !self.is_open {
            return;
        }
        while self.step(&[], out, FlushCompress::Finish) != Status::StreamEnd {}
        out.extend_from_slice(&std::mem::take(&mut self.crc).finalize().to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        self.deflate.reset();
        self.length = 0;
        self.is_open = false;
    }

    fn step(&mut self, input: &[u8], out: &mut Vec<u8>, flush: FlushCompress) -> Status {
        out.reserve(ROOM);
        self.deflate
            .compress_vec(input, out, flush)
            .expect("a deflate stream that is fed in order has no error")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn unzipped(bytes: &[u8]) -> Vec<u8> {
        let mut rows = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes)
            .read_to_end(&mut rows)
            .unwrap();
        rows
    }

    #[test]
    fn each_side_of_a_cut_is_a_whole_file() {
        let mut gzip = Gzip::new();
        let mut out = Vec::new();
        let first: Vec<u8> = (0..200_000u32)
            .flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes())
            .collect();
        gzip.write(&first, &mut out);
        gzip.cut(&mut out);
        let cut = out.len();
        gzip.write(b"second ", &mut out);
        gzip.write(b"member\n", &mut out);
        gzip.cut(&mut out);
        gzip.cut(&mut out);
        assert_eq!(unzipped(&out[..cut]), first);
        assert_eq!(unzipped(&out[cut..]), b"second member\n");
        assert_eq!(unzipped(&out).len(), first.len() + 14);
    }

    #[test]
    fn nothing_written_is_nothing_at_all() {
        let mut out = Vec::new();
        Gzip::new().cut(&mut out);
        assert!(out.is_empty());
    }
}
