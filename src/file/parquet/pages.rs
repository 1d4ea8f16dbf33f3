//! Pages: values with their levels while a page is open, and its bytes once it is finished.
//! <https://parquet.apache.org/docs/file-format/data-pages/>

use std::cell::RefCell;
use std::collections::VecDeque;

use super::codec::PageCodec;
use super::dictionary::Dictionary;
use super::encodings::{self, Encoding};
use super::layout::{Kind, Leaf};
use super::levels::Levels;
use super::thrift::Thrift;
use crate::file::zstd::Content;

/// The limits of pages and dictionaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of values after which a page is finished.
    pub page_bytes: u32,
    /// Numbers of dictionary values, or levels that differ, after which a page is finished.
    pub page_entries: u32,
    /// Above so many bytes of values a column goes on without its dictionary.
    pub dictionary_bytes: u32,
    /// A longer text is kept out of the dictionary, which would hold it once more.
    pub dictionary_text: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let is_test = cfg!(test);
        Self {
            page_bytes: if is_test { 4 } else { 128 } * 1024,
            page_entries: if is_test { 1 } else { 32 } * 1024,
            dictionary_bytes: 96 * 1024,
            dictionary_text: if is_test { 80 } else { 64 * 1024 },
        }
    }
}

/// How the pages of a file are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageOptions {
    pub(super) codec: PageCodec,
    pub(super) limits: Limits,
}

/// Bytes after which a page is finished even in the middle of a row.
const HUGE: usize = 16 << 20;

/// What the memory of one page may be kept for the next.
const KEPT: usize = 256 * 1024;

/// `PageType` in the metadata.
const DATA_PAGE: i32 = 0;
const DICTIONARY_PAGE: i32 = 2;

/// The values of a page, and their levels.
#[derive(Default)]
pub(super) struct Page {
    pub(super) definitions: Levels,
    pub(super) repetitions: Levels,
    /// The values as numbers of the dictionary, while there is one.
    pub(super) indices: Vec<u32>,
    /// The values, PLAIN encoded, but that booleans are bytes.
    pub(super) plain: Vec<u8>,
    /// How many values there are that are not null.
    pub(super) values: usize,
}

/// A place in a page: levels, values and bytes before it.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) entries: usize,
    pub(super) values: usize,
    pub(super) plain: usize,
}

impl Page {
    /// Bytes of memory that are allocated.
    pub(super) fn memory(&self) -> usize {
        self.definitions.memory()
            + self.repetitions.memory()
            + self.indices.capacity() * 4
            + self.plain.capacity()
    }

    /// About what it takes encoded, without compression.
    pub(super) fn size(&self) -> usize {
        let levels = self.definitions.stored() + self.repetitions.stored();
        self.plain.len() + self.indices.len() + levels / 8
    }

    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        let entries = self.indices.len().max(self.definitions.stored());
        self.plain.len() >= limits.page_bytes as usize || entries >= limits.page_entries as usize
    }

    #[inline]
    pub(super) fn is_huge(&self) -> bool {
        let entries = self.indices.len() * 2 + self.definitions.stored();
        self.plain.len() + entries * 2 >= HUGE
    }

    /// The place after the last value.
    pub(super) fn end(&self) -> Place {
        Place {
            entries: self.definitions.len(),
            values: self.values,
            plain: self.plain.len(),
        }
    }

    /// Keeps what is before the place, and returns the rest.
    pub(super) fn split_off(&mut self, at: Place) -> Self {
        let repetitions = at.entries.min(self.repetitions.len());
        let rest = Self {
            definitions: self.definitions.split_off(at.entries),
            repetitions: self.repetitions.split_off(repetitions),
            indices: self.indices.split_off(at.values.min(self.indices.len())),
            plain: self.plain.split_off(at.plain),
            values: self.values - at.values,
        };
        self.values = at.values;
        rest
    }

    /// Encodes the page and empties it.
    pub(super) fn finish(
        &mut self,
        leaf: &Leaf,
        dictionary: Option<&Dictionary>,
        codec: PageCodec,
    ) -> Finished {
        let entries = self.definitions.len();
        let dictionary = dictionary.filter(|_| self.values > 0);
        let encoding = match dictionary {
            Some(_) => Encoding::RleDictionary,
            None => Encoding::Plain,
        };
        let finished = SCRATCH.with_borrow_mut(|scratch| {
            let is_large = self.plain.len() > KEPT && leaf.kind != Kind::Boolean;
            let body = &mut scratch.body;
            self.repetitions.encode(leaf.repetition, body);
            self.definitions.encode(leaf.definition, body);
            match dictionary {
                Some(dictionary) => {
                    let greatest = u32::try_from(dictionary.len() - 1).unwrap_or(u32::MAX);
                    // A width of zero is allowed, and some readers do not expect it.
                    let width = encodings::width(greatest).max(1);
                    body.push(width.to_le_bytes()[0]);
                    encodings::hybrid(&self.indices, width, body);
                }
                None if leaf.kind == Kind::Boolean => encodings::booleans(&self.plain, body),
                None if is_large => {
                    // Without a copy: such values may be as large as a record.
                    self.plain.splice(0..0, body.drain(..));
                    *body = std::mem::take(&mut self.plain);
                }
                None => body.extend_from_slice(&self.plain),
            }
            scratch.finish(DATA_PAGE, encoding, entries, (codec, content_of(leaf)))
        });
        if self.memory() > KEPT {
            *self = Self::default();
        } else {
            self.definitions.clear();
            self.repetitions.clear();
            self.indices.clear();
            self.plain.clear();
            self.values = 0;
        }
        finished
    }
}

/// A finished page, with its header.
pub(super) struct Finished {
    pub(super) bytes: Box<[u8]>,
    /// How many bytes it would be without compression.
    pub(super) uncompressed: usize,
    /// How many levels it has.
    pub(super) entries: usize,
    pub(super) encoding: Encoding,
}

/// Finished pages of closed row groups, in the order of the file.
#[derive(Default)]
pub(super) struct Pages {
    waiting: VecDeque<Box<[u8]>>,
    pub(super) bytes: usize,
}

impl Pages {
    pub(super) fn push(&mut self, page: Box<[u8]>) {
        self.bytes += page.len();
        self.waiting.push_back(page);
    }

    pub(super) fn take(&mut self) -> Option<Box<[u8]>> {
        let page = self.waiting.pop_front()?;
        self.bytes -= page.len();
        Some(page)
    }
}

/// The page of a dictionary.
pub(super) fn of_dictionary(dictionary: &Dictionary, leaf: &Leaf, codec: PageCodec) -> Finished {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.body.extend_from_slice(&dictionary.values);
        let count = dictionary.len();
        scratch.finish(
            DICTIONARY_PAGE,
            Encoding::Plain,
            count,
            (codec, content_of(leaf)),
        )
    })
}

thread_local! {
    /// One for all columns.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// A page on its way.
#[derive(Default)]
struct Scratch {
    body: Vec<u8>,
    compressed: Vec<u8>,
}

impl Scratch {
    /// Compresses the body, and puts its header in front.
    fn finish(
        &mut self,
        page_type: i32,
        encoding: Encoding,
        entries: usize,
        (codec, content): (PageCodec, Content),
    ) -> Finished {
        let uncompressed = self.body.len();
        if codec == PageCodec::Plain {
            std::mem::swap(&mut self.body, &mut self.compressed);
        } else {
            codec.compress(&self.body, content, &mut self.compressed);
            self.body.clear();
            self.body.shrink_to(KEPT);
        }
        let mut header = Thrift::default();
        header.i32(1, page_type);
        header.i32(2, size(uncompressed));
        header.i32(3, size(self.compressed.len()));
        header.i32(4, crc32fast::hash(&self.compressed).cast_signed());
        header.begin(if page_type == DATA_PAGE { 5 } else { 7 });
        header.i32(1, size(entries));
        header.i32(2, encoding as i32);
        if page_type == DATA_PAGE {
            header.i32(3, Encoding::Rle as i32);
            header.i32(4, Encoding::Rle as i32);
        }
        header.end();
        header.end();
        let uncompressed = header.bytes.len() + uncompressed;
        let bytes = if self.compressed.len() > KEPT {
            let mut page = std::mem::take(&mut self.compressed);
            page.splice(0..0, header.bytes);
            page
        } else {
            [&*header.bytes, &self.compressed].concat()
        };
        self.compressed.clear();
        Finished {
            bytes: bytes.into(),
            uncompressed,
            entries,
            encoding,
        }
    }
}

fn content_of(leaf: &Leaf) -> Content {
    match leaf.kind {
        Kind::Text => Content::Texts,
        _ => Content::Values,
    }
}

/// A size in a page's header, where a row is shorter than 2 GiB.
fn size(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
