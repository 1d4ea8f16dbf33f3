//! Compressed input, known by its first bytes, whatever the file is called.

use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use crate::input::watch::{Wake, Watch};

/// How much is read of a compressed file at once.
const BLOCK: usize = 64 * 1024;

/// How input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Zstd,
}

impl Codec {
    /// No text begins with these bytes (RFC 1952, RFC 8878).
    const ALL: [(Self, &[u8]); 2] = [
        (Self::Gzip, &[0x1f, 0x8b]),
        (Self::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
    ];

    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(codec, mark)| beginning.starts_with(mark).then_some(codec))
    }

    /// Whether more must be read to tell: a pipe may bring one byte at a time.
    pub(super) fn may_be(beginning: &[u8]) -> bool {
        let is_less = |mark: &[u8]| beginning.len() < mark.len() && mark.starts_with(beginning);
        Self::ALL.iter().any(|(_, mark)| is_less(mark))
    }
}

/// The text of a compressed file of which `beginning` was read already.
///
/// It is waited for without a deadline: what is compressed is no live source.
pub(super) fn open(
    codec: Codec,
    beginning: Vec<u8>,
    file: File,
    watch: &Rc<Watch>,
) -> io::Result<Box<dyn Read>> {
    let file = Watched {
        file,
        watch: Rc::clone(watch),
    };
    let packed = io::BufReader::with_capacity(BLOCK, io::Cursor::new(beginning).chain(file));
    Ok(match codec {
        Codec::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Codec::Zstd => unpack_zstd(packed)?,
    })
}

/// Signals are heard between two blocks, also of a pipe that is silent.
struct Watched {
    file: File,
    watch: Rc<Watch>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.watch.wait(&self.file, None) {
            Ok(Wake::Input) => self.file.read(buffer),
            // What it was is found again by whoever waits next.
            Ok(_) => Err(io::Error::other("stopped")),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

fn unpack_zstd(packed: impl io::BufRead + 'static) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(zstd::Decoder::with_buffer(packed)?))
}
