//! File formats: what an object is made of, between rows and bytes. It knows no stream and no store.

mod gzip;
mod zstd;

use gzip::Gzip;
use zstd::Zstd;

/// How the rows of an object are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object per line.
    Jsonl(Codec),
}

/// The compression of a text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Plain,
    Gzip,
    Zstd,
}

impl Format {
    /// The end of the object's name. Engines choose the codec by the last extension, whatever the catalog says.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Jsonl(Codec::Plain) => ".jsonl",
            Self::Jsonl(Codec::Gzip) => ".jsonl.gz",
            Self::Jsonl(Codec::Zstd) => ".jsonl.zst",
        }
    }

    /// An encoder for one open object.
    pub(crate) fn encoder(self) -> Encoder {
        match self {
            Self::Jsonl(Codec::Plain) => Encoder::Plain,
            Self::Jsonl(Codec::Gzip) => Encoder::Gzip(Gzip::default()),
            Self::Jsonl(Codec::Zstd) => Encoder::Zstd(Zstd::new()),
        }
    }

    /// How many bytes of rows are best encoded at once, where it matters: a block of gzip knows nothing of those before
    /// it, and 37.9 MB of the benchmark stream's rows become 7.46 MB in one, 7.55 MB in blocks of 256 KiB, 7.65 MB in
    /// blocks of 128 KiB (zlib, level 5; 2026-11-22).
    pub(crate) fn block(self) -> Option<usize> {
        match self {
            Self::Jsonl(Codec::Plain) => None,
            Self::Jsonl(Codec::Gzip | Codec::Zstd) => Some(256 * 1024),
        }
    }

    /// Bytes of memory that an encoder holds on to.
    pub(crate) fn encoder_cost(self) -> usize {
        match self {
            Self::Jsonl(Codec::Plain | Codec::Gzip) => 0,
            Self::Jsonl(Codec::Zstd) => zstd::COST,
        }
    }
}

/// Turns rows into an object's bytes.
///
/// A checkpoint may end an object in the middle of what was encoded, and that is known only afterwards. So there are
/// cuts: at the last one, the file can still be split in two.
pub(crate) enum Encoder {
    Plain,
    Gzip(Gzip),
    Zstd(Zstd),
}

/// What both sides of a cut need to be files of their own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seam {
    /// Goes behind the bytes before the cut.
    pub(crate) ending: Vec<u8>,
    /// Goes before the bytes behind the cut.
    pub(crate) beginning: Vec<u8>,
}

impl Encoder {
    /// Appends the encoded form of whole rows to `out`, as far as the encoder lets go of it.
    pub(crate) fn write(&mut self, rows: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Plain => out.extend_from_slice(rows),
            Self::Gzip(gzip) => gzip.write(rows, out),
            Self::Zstd(zstd) => zstd.write(rows, out),
        }
    }

    /// Whether rows were written since the last cut. The encoder may hold all of them, so that `out` does not tell.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Plain | Self::Gzip(_) => false,
            Self::Zstd(zstd) => zstd.is_open(),
        }
    }

    /// Appends all that was written, so that the file can be split here. It goes on as if nothing had been, else.
    pub(crate) fn cut(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Plain => {}
            Self::Gzip(gzip) => gzip.cut(),
            Self::Zstd(zstd) => zstd.cut(out),
        }
    }

    /// Splits the file at the last cut. What was appended since then begins a new file, which is the open one now.
    pub(crate) fn split(&mut self) -> Seam {
        match self {
            Self::Plain | Self::Zstd(_) => Seam::default(),
            Self::Gzip(gzip) => gzip.split(),
        }
    }

    /// Appends what is missing for the bytes so far to be a whole file. The next row begins another.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Plain => {}
            Self::Gzip(gzip) => gzip.end(out),
            Self::Zstd(zstd) => zstd.cut(out),
        }
    }
}
