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
}

/// The decompressed text of a file of which `beginning` was already read.
///
/// Reads wait without a deadline: a compressed file is not a live source.
pub(super) fn open(
    compression: Compression,
    beginning: Vec<u8>,
    file: File,
    watch: &Rc<Watch>,
) -> io::Result<Box<dyn Read>> {
    let file = Watched {
        file,
        watch: Rc::clone(watch),
    };
    let compressed = io::BufReader::with_capacity(BLOCK, io::Cursor::new(beginning).chain(file));
    Ok(match compression {
        Compression::Gzip => Box::new(MultiGzDecoder::new(compressed)),
        Compression::Zstd => decode_zstd(compressed)?,
    })
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

fn decode_zstd(compressed: impl io::BufRead + 'static) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(zstd::Decoder::with_buffer(compressed)?))
}
