//! Compressed input, detected by its first bytes, whatever the file's name.

use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use crate::input::watch::{Wake, Watch};

/// Bytes per read of a compressed file.
const BLOCK: usize = 64 * 1024;

/// The compression of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The magic numbers, with which no text begins (RFC 1952, RFC 8878).
    const ALL: [(Self, &[u8]); 2] = [
        (Self::Gzip, &[0x1f, 0x8b]),
        (Self::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
    ];

    pub(super) fn detect(beginning: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(compression, magic)| beginning.starts_with(magic).then_some(compression))
    }

    /// Whether more bytes are needed to detect the compression: a pipe may deliver one byte at a time.
    pub(super) fn is_undecided(beginning: &[u8]) -> bool {
        let is_prefix =
            |magic: &[u8]| beginning.len() < magic.len() && magic.starts_with(beginning);
        Self::ALL.iter().any(|(_, magic)| is_prefix(magic))
    }

    /// The memory that decompression takes, by the beginning of the input.
    fn memory(self, beginning: &[u8]) -> u64 {
        match self {
            // 32 KiB by RFC 1951, and the tables of the decoder.
            Self::Gzip => 64 << 10,
            Self::Zstd => window(beginning).unwrap_or_default().max(USUAL_WINDOW),
        }
    }
}

/// The largest window that zstd uses unless it is asked for more (`--long`, `--ultra`).
const USUAL_WINDOW: u64 = 8 << 20;

/// The length of the longest header of a frame, with its magic number.
const LONGEST_ZSTD_HEADER: usize = 18;

/// The window of a zstd frame: how far back it refers, which is kept in memory. Nothing where the header is cut.
/// <https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1>
fn window(frame: &[u8]) -> Option<u64> {
    let descriptor = *frame.get(4)?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let window = *frame.get(5)?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The window is the whole content.
    let at = 5 + [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = 1 << (descriptor >> 6);
    let mut size = [0; 8];
    size[..length].copy_from_slice(frame.get(at..at + length)?);
    let more = if length == 2 { 256 } else { 0 };
    Some(u64::from_le_bytes(size).saturating_add(more))
}

/// Whether the error is that of a later frame whose window is larger than that of the first, which counts.
pub(super) fn is_window_too_large(error: &io::Error) -> bool {
    error.to_string().contains("requires too much memory")
}

/// A compressed input, opened.
pub(super) struct CompressedInput {
    /// The decompressed text; nothing where it would take more memory than there is.
    pub(super) text: Option<Box<dyn Read>>,
    /// The memory that decompression takes.
    pub(super) memory: u64,
}

/// Opens a file of which `beginning` was already read; decompression may take `most` bytes.
///
/// Reads wait without a deadline: a compressed file is not a live source.
pub(super) fn open(
    compression: Compression,
    mut beginning: Vec<u8>,
    file: File,
    watch: &Rc<Watch>,
    most: u64,
) -> io::Result<CompressedInput> {
    let mut file = Watched {
        file,
        watch: Rc::clone(watch),
    };
    let missing = LONGEST_ZSTD_HEADER.saturating_sub(beginning.len()) as u64;
    (&mut file).take(missing).read_to_end(&mut beginning)?;
    let memory = compression.memory(&beginning);
    let compressed = io::BufReader::with_capacity(BLOCK, io::Cursor::new(beginning).chain(file));
    let text: Option<Box<dyn Read>> = match compression {
        _ if memory > most => None,
        Compression::Gzip => Some(Box::new(MultiGzDecoder::new(compressed))),
        Compression::Zstd => Some(decode_zstd(compressed, memory)?),
    };
    Ok(CompressedInput { text, memory })
}

/// A file whose reads are interrupted by the events of a `Watch`.
struct Watched {
    file: File,
    watch: Rc<Watch>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.watch.wait(&self.file, None) {
                Ok(Wake::Input) => {}
                // The caller's next wait finds the same event.
                Ok(_) => return Err(io::Error::other("interrupted")),
                Err(error) => return Err(io::Error::other(error)),
            }
            match self.file.read(buffer) {
                // A FIFO without bytes, after all.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

fn decode_zstd(
    compressed: impl io::BufRead + 'static,
    largest_window: u64,
) -> io::Result<Box<dyn Read>> {
    let mut decoder = zstd::Decoder::with_buffer(compressed)?;
    // The library knows windows from 1 KiB to 2 GiB, by powers of two.
    let power = largest_window.checked_next_power_of_two();
    decoder.window_log_max(power.map_or(31, u64::ilog2).clamp(10, 31))?;
    Ok(Box::new(decoder))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_frame_s_window_is_read_from_its_header() {
        let text = vec![b'x'; 300_000];
        for log in [10, 17, 20, 27] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(&text).unwrap();
            let frame = encoder.finish().unwrap();
            assert_eq!(window(&frame), Some(1 << log));
            for cut in 0..6 {
                assert_eq!(window(&frame[..cut]), None);
            }
        }
        for length in [0, 1, 255, 256, 65_791, 65_792, 1_000_000] {
            let frame = zstd::bulk::compress(&vec![b'x'; length], 1).unwrap();
            let found = window(&frame).unwrap();
            assert!(
                found >= (length as u64).min(512 << 10) && found <= 2 << 20,
                "{length}: {found}"
            );
        }
    }
}
