//! File formats: what an object is made of, between rows and bytes. It knows no stream and no store.

mod gzip;

use gzip::Gzip;

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
}

impl Format {
    /// The end of the object's name. Engines choose the codec by the last extension, whatever the catalog says.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Jsonl(Codec::Plain) => ".jsonl",
            Self::Jsonl(Codec::Gzip) => ".jsonl.gz",
        }
    }

    /// An encoder for one open object.
    pub(crate) fn encoder(self) -> Encoder {
        match self {
            Self::Jsonl(Codec::Plain) => Encoder::Plain,
            Self::Jsonl(Codec::Gzip) => Encoder::Gzip(Gzip::new()),
        }
    }

    /// Bytes of memory that an encoder holds on to.
    pub(crate) fn encoder_cost(self) -> usize {
        match self {
            Self::Jsonl(Codec::Plain) => 0,
            Self::Jsonl(Codec::Gzip) => gzip::COST,
        }
    }
}

/// Turns rows into an object's bytes.
///
/// After `cut`, the bytes so far are a whole file by themselves, and so are the bytes that follow it:
/// that is what lets a checkpoint end an object in the middle of what was encoded.
pub(crate) enum Encoder {
    Plain,
    Gzip(Gzip),
}

impl Encoder {
    /// Appends the encoded form of whole rows to `out`, as far as the encoder lets go of it.
    pub(crate) fn write(&mut self, rows: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Plain => out.extend_from_slice(rows),
            Self::Gzip(gzip) => gzip.write(rows, out),
        }
    }

    /// Appends what is missing for the bytes so far to be a whole file.
    pub(crate) fn cut(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Plain => {}
            Self::Gzip(gzip) => gzip.cut(out),
        }
    }
}
