//! File formats: how rows become the bytes of an object. It knows no streams and no store.

mod gzip;
mod parquet;
mod zstd;

use std::rc::Rc;

use crate::schema::{Field, Rules};

use gzip::Gzip;
use parquet::{LazyParquet, Parquet};

pub use parquet::Limits;
pub(crate) use parquet::PageCodec;
#[cfg(test)]
pub(crate) use parquet::reader as parquet_reader;

/// The window through which a codec writes: what a block becomes mostly fits.
const WINDOW: usize = 64 * 1024;

/// What a stream should have of the memory budget where its rows are held until their row group is closed.
const GOOD_SHARE: usize = 16 * MIB;

const MIB: usize = 1 << 20;

/// What takes the bytes of a file.
pub(crate) trait Output {
    fn append(&mut self, bytes: &[u8]);
}

impl Output for Vec<u8> {
    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// How the rows of an object are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object per line.
    Jsonl(Codec),
    /// Columns of values, in row groups.
    Parquet(PageCodec),
}

/// The compression of a text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Plain,
    Gzip,
    Zstd,
}

impl Format {
    /// The extension of the object's name. Engines choose the codec by the last extension, whatever the catalog says.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Jsonl(Codec::Plain) => ".jsonl",
            Self::Jsonl(Codec::Gzip) => ".jsonl.gz",
            Self::Jsonl(Codec::Zstd) => ".jsonl.zst",
            Self::Parquet(PageCodec::Plain) => ".parquet",
            Self::Parquet(PageCodec::Snappy) => ".snappy.parquet",
            Self::Parquet(PageCodec::Gzip) => ".gz.parquet",
            Self::Parquet(PageCodec::Zstd) => ".zstd.parquet",
        }
    }

    /// The writer of a new file whose rows have these columns. A line of JSON names its own, so they do not matter there.
    pub(crate) fn writer(self, columns: &Rc<[Field]>) -> FileWriter {
        match self {
            Self::Jsonl(Codec::Plain) => FileWriter::Plain,
            Self::Jsonl(Codec::Gzip) => FileWriter::Gzip(Gzip::default()),
            Self::Jsonl(Codec::Zstd) => FileWriter::Zstd,
            Self::Parquet(codec) => FileWriter::parquet_within(codec, Limits::default(), columns),
        }
    }

    /// Whether a row can be encoded in pieces, so that it is never held as a whole.
    pub(crate) fn takes_pieces(self) -> bool {
        match self {
            Self::Jsonl(_) => true,
            Self::Parquet(_) => false,
        }
    }

    /// What a column's type may become while older files of the table stay readable.
    pub(crate) fn rules(self) -> Rules {
        match self {
            Self::Jsonl(_) => Rules::JsonSerde,
            Self::Parquet(_) => Rules::Parquet,
        }
    }

    /// What is to be said of a memory budget that is short for so many streams, whose row groups are open side by side.
    pub(crate) fn advice(self, streams: usize, memory_budget: usize) -> Option<String> {
        let share = memory_budget / streams.max(1);
        if matches!(self, Self::Jsonl(_)) || share >= GOOD_SHARE {
            return None;
        }
        let tenths = share * 10 / MIB;
        Some(format!(
            "the records of {streams} streams may come in turn, and memory_budget_mb = {} leaves each about {}.{} MiB for its open row group; engines read large ones faster: set memory_budget_mb to {}",
            memory_budget / MIB,
            tenths / 10,
            tenths % 10,
            GOOD_SHARE / MIB * streams
        ))
    }

    /// How many bytes of rows are best encoded at once, where it matters: a block refers to nothing before it.
    /// With these sizes the benchmark stream's 37.0 MB of rows become 7.47 MB by gzip instead of 7.39 in one go, and
    /// 7.92 MB by zstd instead of 7.88 (2026-11-22).
    pub(crate) fn block(self) -> Option<usize> {
        match self {
            Self::Jsonl(Codec::Plain) => None,
            Self::Jsonl(Codec::Gzip) => Some(256 * 1024),
            Self::Jsonl(Codec::Zstd) => Some(512 * 1024),
            Self::Parquet(_) => Some(64 * 1024),
        }
    }
}

/// Turns blocks of rows into an object's bytes. Each block is encoded by itself, so that one set of the libraries'
/// tables serves all objects, and nothing but rows waits in memory.
///
/// A checkpoint may end an object in the middle of what was encoded, and that is known only afterwards. So there are
/// cuts: at the last one, the file can still be split in two.
pub(crate) enum FileWriter {
    Plain,
    Gzip(Gzip),
    Zstd,
    Parquet(LazyParquet),
}

/// Statistics of a file's rows, for manifests and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// Bytes of the rows as JSON text, before compression.
    pub(crate) text_bytes: u64,
    /// Row groups, where the format has them.
    pub(crate) groups: u64,
}

impl Statistics {
    /// What remains after the first rows are taken away.
    pub(crate) fn without(self, first: Self) -> Self {
        Self {
            text_bytes: self.text_bytes - first.text_bytes,
            groups: 0,
        }
    }
}

/// The bytes that make each side of a cut a file of its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seam {
    /// Bytes to append to those before the cut.
    pub(crate) ending: Vec<u8>,
    /// Bytes to put before those after the cut.
    pub(crate) beginning: Vec<u8>,
}

impl FileWriter {
    /// The writer of a Parquet file whose pages and dictionaries have these limits.
    pub(crate) fn parquet_within(codec: PageCodec, limits: Limits, columns: &Rc<[Field]>) -> Self {
        Self::Parquet(LazyParquet::new(codec, limits, columns.clone()))
    }

    /// Appends a block: the encoded form of whole rows.
    pub(crate) fn write(&mut self, rows: &[u8], out: &mut dyn Output) {
        match self {
            Self::Plain => out.append(rows),
            Self::Gzip(gzip) => gzip.write(rows, out),
            Self::Zstd => zstd::write(rows, out),
            Self::Parquet(parquet) => parquet.write(rows),
        }
    }

    /// Lets the rows to come have these columns; false where they need a file of their own.
    pub(crate) fn reshape(&mut self, columns: &Rc<[Field]>) -> bool {
        match self {
            Self::Parquet(parquet) => parquet.reshape(columns),
            _ => true,
        }
    }

    /// Marks the end of the last block as the place where the file can be split.
    pub(crate) fn cut(&mut self) {
        match self {
            Self::Plain | Self::Zstd => {}
            Self::Gzip(gzip) => gzip.cut(),
            Self::Parquet(parquet) => {
                if let Some(parquet) = parquet.begun_mut() {
                    parquet.cut();
                }
            }
        }
    }

    /// Whether it holds rows that are not appended yet: those of the open row group, which the last cut may be inside of.
    pub(crate) fn holds_rows(&self) -> bool {
        self.parquet().is_some_and(Parquet::has_open_rows)
    }

    /// About how many bytes the rows that it holds will take, and how many those before the last cut if that is among them.
    pub(crate) fn held(&self) -> (usize, usize) {
        self.parquet()
            .map_or((0, 0), |parquet| (parquet.size(), parquet.marked_size()))
    }

    /// Bytes of memory that the rows take that it holds.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.parquet().map_or(0, Parquet::memory)
    }

    /// Closes the open row group, but only up to the last cut where that is inside of it: then the cut is at the end of what
    /// is closed.
    pub(crate) fn close_group(&mut self) {
        if let Some(parquet) = self.parquet_mut() {
            parquet.close_group();
        }
    }

    /// How many row groups are closed, and how many of them are before the last cut.
    pub(crate) fn groups(&self) -> (u64, u64) {
        self.parquet().map_or((0, 0), Parquet::groups)
    }

    /// Bytes that are closed and not appended yet.
    pub(crate) fn closed(&self) -> usize {
        self.parquet().map_or(0, Parquet::closed)
    }

    /// Appends a piece of what is closed; false where there is none.
    pub(crate) fn append(&mut self, out: &mut dyn Output) -> bool {
        self.parquet_mut()
            .is_some_and(|parquet| parquet.append(out))
    }

    /// Whether it was given rows that the row encoder does not write.
    pub(crate) fn is_faulty(&self) -> bool {
        self.parquet().is_some_and(Parquet::is_faulty)
    }

    fn parquet(&self) -> Option<&Parquet> {
        match self {
            Self::Parquet(parquet) => parquet.begun(),
            _ => None,
        }
    }

    fn parquet_mut(&mut self) -> Option<&mut Parquet> {
        match self {
            Self::Parquet(parquet) => parquet.begun_mut(),
            _ => None,
        }
    }

    /// Splits the file at the last cut, where all that is closed is appended. What was appended since then begins a new file, which is the open one now.
    pub(crate) fn split(&mut self) -> Seam {
        match self {
            Self::Plain | Self::Zstd => Seam::default(),
            Self::Gzip(gzip) => gzip.split(),
            Self::Parquet(parquet) => parquet.begun_mut().map(Parquet::split).unwrap_or_default(),
        }
    }

    /// Appends the bytes that make a whole file of those so far. The next block begins another.
    pub(crate) fn end(&mut self, out: &mut dyn Output) {
        match self {
            Self::Plain | Self::Zstd => {}
            Self::Gzip(gzip) => gzip.end(out),
            Self::Parquet(parquet) => {
                if let Some(parquet) = parquet.begun_mut() {
                    parquet.end(out);
                }
            }
        }
    }
}
