//! Parquet: rows in columns, and these in row groups. <https://parquet.apache.org/docs/file-format/>
//!
//! ```text
//! rows ─ shred ─ columns of the open row group: levels, dictionary, pages ─ closed: pages in the order of the file ─ file
//!                                                                            footer: where they are, and statistics
//! ```
//!
//! A row group stays open in memory until it is closed, because in the file its columns come one after the other. A mark
//! is a place between two rows: in the open group, or between the groups in the file. There the file can be split; a group
//! that is closed with a mark inside of it becomes two.

mod codec;
mod column;
mod dictionary;
mod encodings;
mod footer;
mod group;
mod layout;
mod levels;
mod pages;
#[cfg(test)]
pub(crate) mod reader;
mod shred;
mod statistics;
#[cfg(test)]
mod tests;
mod thrift;
mod values;

use std::rc::Rc;

use crate::file::{Output, Seam};
use crate::schema::Field;

pub(crate) use codec::PageCodec;
pub use pages::Limits;

use column::Column;
use footer::{Group, MAGIC};
use group::OpenGroup;
use layout::Layout;
use pages::{PageOptions, Pages};

/// What a column chunk of a closed group takes until the footer is written.
const CHUNK: usize = size_of::<footer::Chunk>() + 64;

/// What a leaf takes in the layout: its names on the way, and its elements of the schema.
const LEAF: usize = 256;

/// Where the file can be split.
#[derive(Clone, Copy)]
enum Mark {
    /// Between row groups: after so many of them, where the file had this length.
    Between(usize, u64),
    /// In the open group, after so many of its rows.
    Inside(u64),
}

/// A file of row groups.
pub(crate) struct Parquet {
    layout: Layout,
    options: PageOptions,
    open: OpenGroup,
    /// The groups in the file.
    groups: Vec<Group>,
    /// Pages of these that are not appended to it yet.
    pages: Pages,
    /// How long the file is with them.
    length: u64,
    mark: Mark,
    /// What the layout and the groups in the file take.
    beside: usize,
    /// Whether a row was not what the row encoder writes.
    is_faulty: bool,
}

impl Parquet {
    pub(super) fn new(codec: PageCodec, limits: Limits, columns: &[Field]) -> Self {
        let layout = Layout::new(columns);
        let options = PageOptions { codec, limits };
        let mut parquet = Self {
            open: OpenGroup::new(&layout, options),
            layout,
            options,
            groups: Vec::new(),
            pages: Pages::default(),
            length: 0,
            mark: Mark::Between(0, 0),
            beside: 0,
            is_faulty: false,
        };
        parquet.measure();
        parquet
    }

    fn measure(&mut self) {
        let chunks: usize = self.groups.iter().map(|group| group.chunks.len()).sum();
        self.beside = self.layout.leaves.len() * LEAF + chunks * CHUNK;
    }

    /// Lets the rows to come have these columns, if the file can still have others: before the first row group is closed new
    /// ones may come. False where it cannot.
    pub(super) fn reshape(&mut self, columns: &[Field]) -> bool {
        let layout = Layout::new(columns);
        if self.length > 0 || !layout.extends(&self.layout) {
            return false;
        }
        let marked = match self.mark {
            Mark::Inside(rows) => rows,
            Mark::Between(..) => 0,
        };
        let before = std::mem::replace(&mut self.layout, layout);
        self.open
            .reshape(before, &self.layout, self.options, marked);
        self.measure();
        true
    }

    /// Bytes of memory that are allocated for rows.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        self.open.memory + self.pages.bytes + self.beside
    }

    /// How many groups are closed, and how many of them are before the mark.
    pub(super) fn groups(&self) -> (u64, u64) {
        let marked = match self.mark {
            Mark::Between(count, _) => count,
            Mark::Inside(_) => self.groups.len(),
        };
        (self.groups.len() as u64, marked as u64)
    }

    /// Bytes of closed groups that are not appended yet.
    pub(super) fn closed(&self) -> usize {
        self.pages.bytes
    }

    /// Appends a piece of the closed groups; false where there is none.
    pub(super) fn append(&mut self, out: &mut dyn Output) -> bool {
        let page = self.pages.take();
        if let Some(page) = &page {
            out.append(page);
        }
        page.is_some()
    }

    /// About how many bytes the open group will take in the file.
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.open.size
    }

    /// About how many of these bytes are before the mark.
    pub(super) fn marked_size(&self) -> usize {
        match self.mark {
            Mark::Inside(rows) => {
                let part = self.open.size as u64 * rows / self.open.rows.max(1);
                usize::try_from(part).unwrap_or(self.open.size)
            }
            Mark::Between(..) => 0,
        }
    }

    pub(super) fn has_open_rows(&self) -> bool {
        self.open.rows > 0
    }

    pub(super) fn is_faulty(&self) -> bool {
        self.is_faulty
    }

    /// Adds rows to the open group.
    pub(super) fn write(&mut self, rows: &[u8]) {
        self.is_faulty |= !self.open.write(&self.layout, rows);
    }

    /// Marks the place after the last row.
    pub(super) fn cut(&mut self) {
        if self.open.rows == 0 {
            self.mark = Mark::Between(self.groups.len(), self.length);
            return;
        }
        self.open.fill(&self.layout);
        self.open.columns.iter_mut().for_each(Column::mark);
        self.mark = Mark::Inside(self.open.rows);
    }

    /// Closes the open group: up to the mark where that is inside of it.
    pub(super) fn close_group(&mut self) {
        match self.mark {
            Mark::Inside(rows) => {
                self.end_group(rows, rows < self.open.rows);
                self.mark = Mark::Between(self.groups.len(), self.length);
            }
            Mark::Between(..) => self.end_group(self.open.rows, false),
        }
    }

    fn end_group(&mut self, rows: u64, up_to_mark: bool) {
        if rows == 0 {
            return;
        }
        self.open.fill(&self.layout);
        if self.length == 0 {
            self.pages.push(Box::new(*MAGIC));
            self.length = MAGIC.len() as u64;
        }
        let mut chunks = Vec::with_capacity(self.open.columns.len());
        for column in &mut self.open.columns {
            let chunk = column.end(up_to_mark, self.length, &mut self.pages);
            self.length = chunk.end();
            chunks.push(chunk);
        }
        self.groups.push(Group { rows, chunks });
        self.open.remove(rows);
        self.measure();
    }

    /// Splits the file at the mark, which must be between row groups. All that is closed must be appended.
    pub(super) fn split(&mut self) -> Seam {
        let Mark::Between(count, length) = self.mark else {
            return Seam::default();
        };
        let after = self.groups.split_off(count);
        let before = std::mem::replace(&mut self.groups, after);
        self.mark = Mark::Between(0, 0);
        if before.is_empty() {
            return Seam::default();
        }
        let ending = footer::footer(&self.layout, &before, self.options.codec);
        let mut beginning = Vec::new();
        self.length -= length;
        if !self.groups.is_empty() {
            beginning.extend_from_slice(MAGIC);
            self.length += MAGIC.len() as u64;
        }
        let shorter = length - MAGIC.len() as u64;
        for chunk in self.groups.iter_mut().flat_map(|group| &mut group.chunks) {
            chunk.moved(shorter);
        }
        self.measure();
        Seam { ending, beginning }
    }

    /// Appends what makes the file whole; the next row begins another.
    pub(super) fn end(&mut self, out: &mut dyn Output) {
        self.mark = Mark::Between(0, 0);
        self.close_group();
        while self.append(out) {}
        let groups = std::mem::take(&mut self.groups);
        if !groups.is_empty() {
            out.append(&footer::footer(&self.layout, &groups, self.options.codec));
        }
        self.length = 0;
        self.measure();
    }
}

/// A file that takes memory from its first row on: a thousand streams, or partitions, may wait for theirs.
pub(crate) struct LazyParquet {
    codec: PageCodec,
    limits: Limits,
    columns: Rc<[Field]>,
    begun: Option<Box<Parquet>>,
}

impl LazyParquet {
    pub(super) fn new(codec: PageCodec, limits: Limits, columns: Rc<[Field]>) -> Self {
        Self {
            codec,
            limits,
            columns,
            begun: None,
        }
    }

    #[inline]
    pub(super) fn begun(&self) -> Option<&Parquet> {
        self.begun.as_deref()
    }

    pub(super) fn begun_mut(&mut self) -> Option<&mut Parquet> {
        self.begun.as_deref_mut()
    }

    /// Adds rows to the open group.
    pub(super) fn write(&mut self, rows: &[u8]) {
        let begin = || Box::new(Parquet::new(self.codec, self.limits, &self.columns));
        self.begun.get_or_insert_with(begin).write(rows);
    }

    /// Lets the rows to come have these columns; false where the file cannot have others any more.
    pub(super) fn reshape(&mut self, columns: &Rc<[Field]>) -> bool {
        // Rows that wait for the first write were encoded for the columns so far.
        let can = match self.begun_mut() {
            Some(parquet) => parquet.reshape(columns),
            None => Layout::new(columns).extends(&Layout::new(&self.columns)),
        };
        if can {
            self.columns = columns.clone();
        }
        can
    }
}
