//! The footer of a file: its schema, and where each column chunk of each row group is.
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift> (`FileMetaData`)

use super::codec::PageCodec;
use super::encodings::Encoding;
use super::layout::{Layout, Leaf};
use super::pages::Finished;
use super::statistics::Summary;
use super::thrift::{Of, Thrift};

/// The first and the last bytes of a file.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";

const CREATED_BY: &str = concat!(
    "destination-aws-datalake version ",
    env!("CARGO_PKG_VERSION"),
    " (build 0)"
);

/// A row group in the file.
pub(super) struct Group {
    pub(super) rows: u64,
    pub(super) chunks: Vec<Chunk>,
}

/// A column chunk in the file.
pub(super) struct Chunk {
    /// Where it begins.
    start: u64,
    /// Bytes of its dictionary's page.
    dictionary: u64,
    uncompressed: u64,
    compressed: u64,
    entries: u64,
    dictionary_pages: i32,
    plain_pages: i32,
    summary: Summary,
}

impl Chunk {
    pub(super) fn new(start: u64, summary: Summary) -> Self {
        Self {
            start,
            dictionary: 0,
            uncompressed: 0,
            compressed: 0,
            entries: 0,
            dictionary_pages: 0,
            plain_pages: 0,
            summary,
        }
    }

    /// Where it ends.
    pub(super) fn end(&self) -> u64 {
        self.start + self.compressed
    }

    /// Counts the page of its dictionary, which comes first.
    pub(super) fn add_dictionary(&mut self, page: &Finished) {
        self.add_bytes(page);
        self.dictionary = self.compressed;
    }

    /// Counts a page.
    pub(super) fn add(&mut self, page: &Finished) {
        self.add_bytes(page);
        self.entries += page.entries as u64;
        match page.encoding {
            Encoding::RleDictionary => self.dictionary_pages += 1,
            _ => self.plain_pages += 1,
        }
    }

    fn add_bytes(&mut self, page: &Finished) {
        self.uncompressed += page.uncompressed as u64;
        self.compressed += page.bytes.len() as u64;
    }

    /// The file before the chunk becomes shorter by so many bytes.
    pub(super) fn moved(&mut self, shorter: u64) {
        self.start -= shorter;
    }

    fn write(&self, leaf: &Leaf, path: &[String], codec: PageCodec, out: &mut Thrift) {
        out.begin_element();
        out.i64(2, self.start.cast_signed());
        out.begin(3);
        out.i32(1, leaf.kind.physical());
        let mut encodings = vec![Encoding::Rle];
        if self.dictionary > 0 || self.plain_pages > 0 {
            encodings.push(Encoding::Plain);
        }
        if self.dictionary > 0 {
            encodings.push(Encoding::RleDictionary);
        }
        out.list(2, Of::I32, encodings.len());
        for encoding in encodings {
            out.i32_element(encoding as i32);
        }
        out.list(3, Of::Binary, path.len());
        for name in path {
            out.binary_element(name.as_bytes());
        }
        out.i32(4, codec.number());
        out.i64(5, self.entries.cast_signed());
        out.i64(6, self.uncompressed.cast_signed());
        out.i64(7, self.compressed.cast_signed());
        out.i64(9, (self.start + self.dictionary).cast_signed());
        if self.dictionary > 0 {
            out.i64(11, self.start.cast_signed());
        }
        out.begin(12);
        self.summary.write(leaf.size, out);
        out.end();
        self.write_pages(out);
        out.end();
        out.end();
    }

    /// How many pages there are of each kind: readers skip chunks by their dictionary if no page goes without.
    fn write_pages(&self, out: &mut Thrift) {
        let kinds = [
            (2, Encoding::Plain, i32::from(self.dictionary > 0)),
            (0, Encoding::RleDictionary, self.dictionary_pages),
            (0, Encoding::Plain, self.plain_pages),
        ];
        out.list(
            13,
            Of::Struct,
            kinds.iter().filter(|(.., count)| *count > 0).count(),
        );
        for (page_type, encoding, count) in kinds {
            if count > 0 {
                out.begin_element();
                out.i32(1, page_type);
                out.i32(2, encoding as i32);
                out.i32(3, count);
                out.end();
            }
        }
    }
}

/// The bytes that end a file of these row groups.
pub(super) fn footer(layout: &Layout, groups: &[Group], codec: PageCodec) -> Vec<u8> {
    let mut out = Thrift::default();
    out.i32(1, 1);
    out.list(2, Of::Struct, layout.elements);
    out.bytes.extend_from_slice(&layout.schema);
    out.i64(
        3,
        groups
            .iter()
            .map(|group| group.rows)
            .sum::<u64>()
            .cast_signed(),
    );
    out.list(4, Of::Struct, groups.len());
    for (ordinal, group) in groups.iter().enumerate() {
        out.begin_element();
        out.list(1, Of::Struct, group.chunks.len());
        for ((chunk, leaf), path) in group.chunks.iter().zip(&layout.leaves).zip(&layout.paths) {
            chunk.write(leaf, path, codec, &mut out);
        }
        let sum = |of: fn(&Chunk) -> u64| group.chunks.iter().map(of).sum::<u64>().cast_signed();
        out.i64(2, sum(|chunk| chunk.uncompressed));
        out.i64(3, group.rows.cast_signed());
        let start = group.chunks.first().map_or(0, |chunk| chunk.start);
        out.i64(5, start.cast_signed());
        out.i64(6, sum(|chunk| chunk.compressed));
        if let Ok(ordinal) = i16::try_from(ordinal) {
            out.i16(7, ordinal);
        }
        out.end();
    }
    out.binary(6, CREATED_BY.as_bytes());
    // Bounds count only where it is said by which order: that of the type.
    out.list(7, Of::Struct, layout.leaves.len());
    for _ in &layout.leaves {
        out.begin_element();
        out.empty(1);
        out.end();
    }
    out.end();
    let length = u32::try_from(out.bytes.len()).unwrap_or(u32::MAX);
    out.bytes.extend_from_slice(&length.to_le_bytes());
    out.bytes.extend_from_slice(MAGIC);
    out.bytes
}
