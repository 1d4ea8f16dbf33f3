//! Zstandard (RFC 8878) as a sequence of frames, each by itself: any run of frames is a whole file.

use std::cell::RefCell;

use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::CParameter;

use crate::file::{Output, WINDOW};

/// Smaller than level 3 on rows, and 1.5 times as fast: in one go 37.0 MB of the benchmark stream's become 7.88 MB in
/// 0.08 s of CPU, with level 3 7.95 MB in 0.13 s (2026-11-22). Where gzip is too slow one wants speed; where its size is
/// too large, Parquet.
const LEVEL: i32 = 1;

thread_local! {
    /// One for all streams, since each write resets it: it takes 1.3 MB.
    static FRAMES: RefCell<Frames> = RefCell::new(Frames {
        encoder: encoder(),
        window: Vec::with_capacity(WINDOW),
    });
    /// The same for pages of values.
    static PAGES: RefCell<Frames> = RefCell::new(Frames {
        encoder: encoder_of_pages(),
        window: Vec::with_capacity(WINDOW),
    });
}

struct Frames {
    encoder: Encoder<'static>,
    /// What it has written and nobody has taken yet.
    window: Vec<u8>,
}

fn encoder() -> Encoder<'static> {
    let mut encoder = Encoder::new(LEVEL).expect("the level is one of the library's");
    // A reader can detect damage, as with gzip.
    let set = encoder.set_parameter(CParameter::ChecksumFlag(true));
    set.expect("every build of the library has checksums");
    encoder
}

/// What a page has mostly: texts, or values of a few bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Texts,
    Values,
}

fn encoder_of_pages() -> Encoder<'static> {
    let mut encoder = Encoder::new(LEVEL).expect("the level is one of the library's");
    // A slot for each second byte of a page: a tenth less for doubles, beside the level's 14 bits (2026-12-01).
    let set = encoder.set_parameter(CParameter::HashLog(16));
    set.expect("a size that the library has");
    encoder
}

/// Appends the page as a frame.
pub(super) fn write_page(page: &[u8], content: Content, out: &mut dyn Output) {
    // What values of eight bytes share is shorter than that; texts share words, and chance matches of four bytes cost them
    // 7 % (2026-12-01).
    let shortest = match content {
        Content::Texts => 7,
        Content::Values => 4,
    };
    PAGES.with_borrow_mut(|pages| {
        let reset = pages.encoder.reinit();
        reset.expect("a frame that has ended can be followed by another");
        let set = pages.encoder.set_parameter(CParameter::MinMatch(shortest));
        set.expect("a length that the library has");
        pages.write(page, out);
    });
}

/// Appends the rows as a frame.
pub(super) fn write(rows: &[u8], out: &mut dyn Output) {
    if !rows.is_empty() {
        FRAMES.with_borrow_mut(|frames| frames.write(rows, out));
    }
}

impl Frames {
    fn write(&mut self, rows: &[u8], out: &mut dyn Output) {
        let reset = self.encoder.reinit();
        reset.expect("a frame that has ended can be followed by another");
        let mut input = InBuffer::around(rows);
        while input.pos() < rows.len() {
            self.step(out, |encoder, room| encoder.run(&mut input, room));
        }
        while self.step(out, |encoder, room| encoder.finish(room, true)) > 0 {}
    }

    /// Lets the encoder append to `out`; returns how many bytes it has still to write.
    fn step(
        &mut self,
        out: &mut dyn Output,
        encode: impl FnOnce(
            &mut Encoder<'static>,
            &mut OutBuffer<'_, Vec<u8>>,
        ) -> std::io::Result<usize>,
    ) -> usize {
        self.window.clear();
        let mut room = OutBuffer::around(&mut self.window);
        let left = encode(&mut self.encoder, &mut room);
        out.append(&self.window);
        left.expect("an encoder that is fed in order has no error")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_write_is_a_whole_file_and_so_are_all_together() {
        let mut out = Vec::new();
        let first: Vec<u8> = (0..500_000u32)
            .flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes())
            .collect();
        write(&first, &mut out);
        let cut = out.len();
        write(b"", &mut out);
        write(b"second frame\n", &mut out);
        assert_eq!(zstd::decode_all(&out[..cut]).unwrap(), first);
        assert_eq!(zstd::decode_all(&out[cut..]).unwrap(), b"second frame\n");
        assert_eq!(
            zstd::decode_all(&*out).unwrap(),
            [&*first, b"second frame\n"].concat()
        );
    }

    #[test]
    fn damage_is_detected() {
        let mut out = Vec::new();
        write(&b"{\"id\":1}\n".repeat(100), &mut out);
        let last = out.len() - 1;
        out[last] ^= 1;
        assert!(zstd::decode_all(&*out).is_err());
    }
}
