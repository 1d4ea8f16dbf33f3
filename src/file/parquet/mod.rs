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

use std::cell::RefCell;
use std::collections::HashMap;

use crate::file::{Output, Seam};
use crate::schema::Field;

pub(crate) use codec::PageCodec;

use column::Column;
use footer::{Group, MAGIC};
use layout::Layout;
use pages::Pages;
use shred::Shredder;

thread_local! {
    /// The characters of a text with escapes: one buffer for all files.
    static UNQUOTED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a column chunk of a closed group takes until the footer is written.
const CHUNK: usize = size_of::<footer::Chunk>() + 64;

/// The memory that is kept for texts with escapes.
const KEPT: usize = 1 << 20;

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
    codec: PageCodec,
    columns: Vec<Column>,
    /// Rows of the open group.
    rows: u64,
    /// For each member of a row, how many rows of the open group its leaves have; further ones are null there.
    filled: Vec<u64>,
    /// The groups in the file.
    groups: Vec<Group>,
    /// Pages of these that are not appended to it yet.
    pages: Pages,
    /// How long the file is with them.
    length: u64,
    mark: Mark,
    /// What the columns have allocated, and about what they will take in the file; taken after each write.
    memory: usize,
    size: usize,
    /// Whether a row was not what the row encoder writes.
    is_faulty: bool,
}

impl Parquet {
    pub(super) fn new(codec: PageCodec, columns: &[Field]) -> Self {
        let layout = Layout::new(columns);
        let columns: Vec<Column> = layout
            .leaves
            .iter()
            .map(|leaf| Column::new(leaf, codec))
            .collect();
        Self {
            codec,
            columns,
            rows: 0,
            filled: vec![0; layout.members.len()],
            groups: Vec::new(),
            pages: Pages::default(),
            length: 0,
            mark: Mark::Between(0, 0),
            memory: 0,
            size: 0,
            is_faulty: false,
            layout,
        }
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
        let mut before: HashMap<Vec<String>, Column> = std::mem::take(&mut self.layout.paths)
            .into_iter()
            .zip(std::mem::take(&mut self.columns))
            .collect();
        for (leaf, path) in layout.leaves.iter().zip(&layout.paths) {
            let column = before.remove(path).unwrap_or_else(|| {
                let mut column = Column::new(leaf, self.codec);
                if marked > 0 {
                    column.nulls(0, 0, marked);
                    column.mark();
                }
                column
            });
            self.columns.push(column);
        }
        let filled_before = self.layout.members.iter().zip(&self.filled);
        let filled_before: HashMap<&[u8], u64> = filled_before
            .map(|(member, filled)| (&*member.token, *filled))
            .collect();
        let filled = |member: &layout::Member| filled_before.get(&*member.token).copied();
        self.filled = layout
            .members
            .iter()
            .map(|member| filled(member).unwrap_or(marked))
            .collect();
        self.layout = layout;
        self.measure();
        true
    }

    /// Bytes of memory that are allocated for rows.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        self.memory + self.pages.bytes
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
        self.size
    }

    /// About how many of these bytes are before the mark.
    pub(super) fn marked_size(&self) -> usize {
        match self.mark {
            Mark::Inside(rows) => {
                let part = self.size as u64 * rows / self.rows.max(1);
                usize::try_from(part).unwrap_or(self.size)
            }
            Mark::Between(..) => 0,
        }
    }

    pub(super) fn has_open_rows(&self) -> bool {
        self.rows > 0
    }

    pub(super) fn is_faulty(&self) -> bool {
        self.is_faulty
    }

    /// Adds rows to the open group.
    pub(super) fn write(&mut self, rows: &[u8]) {
        let read = UNQUOTED.with_borrow_mut(|unquoted| {
            let mut shredder = Shredder {
                layout: &self.layout,
                columns: &mut self.columns,
                filled: &mut self.filled,
                text: rows,
                unquoted,
            };
            let read = shredder.rows(self.rows);
            unquoted.shrink_to(KEPT);
            read
        });
        match read {
            Some(read) => self.rows += read,
            None => self.is_faulty = true,
        }
        self.columns.iter_mut().for_each(Column::settle);
        self.measure();
    }

    fn measure(&mut self) {
        let columns: usize = self.columns.iter().map(Column::memory).sum();
        let chunks: usize = self.groups.iter().map(|group| group.chunks.len()).sum();
        // Pieces of many sizes leave holes that fit nobody: an eighth, as 100 streams showed (2026-12-01).
        self.memory = columns + columns / 8 + chunks * CHUNK;
        self.size = self.columns.iter().map(Column::size).sum();
    }

    /// Adds the nulls that are missing at the end of columns.
    fn fill(&mut self) {
        for (member, filled) in self.layout.members.iter().zip(&mut self.filled) {
            let missing = self.rows - std::mem::replace(filled, self.rows);
            if missing > 0 {
                for column in &mut self.columns[member.node.leaves.0..member.node.leaves.1] {
                    column.nulls(0, 0, missing);
                }
            }
        }
    }

    /// Marks the place after the last row.
    pub(super) fn cut(&mut self) {
        if self.rows == 0 {
            self.mark = Mark::Between(self.groups.len(), self.length);
            return;
        }
        self.fill();
        self.columns.iter_mut().for_each(Column::mark);
        self.mark = Mark::Inside(self.rows);
    }

    /// Closes the open group: up to the mark where that is inside of it.
    pub(super) fn close_group(&mut self) {
        match self.mark {
            Mark::Inside(rows) => {
                self.end_group(rows, rows < self.rows);
                self.mark = Mark::Between(self.groups.len(), self.length);
            }
            Mark::Between(..) => self.end_group(self.rows, false),
        }
    }

    fn end_group(&mut self, rows: u64, up_to_mark: bool) {
        if rows == 0 {
            return;
        }
        self.fill();
        if self.length == 0 {
            self.pages.push(Box::new(*MAGIC));
            self.length = MAGIC.len() as u64;
        }
        let mut chunks = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let chunk = column.end(up_to_mark, self.length, &mut self.pages);
            self.length = chunk.end();
            chunks.push(chunk);
        }
        self.groups.push(Group { rows, chunks });
        self.rows -= rows;
        self.filled.fill(self.rows);
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
        let ending = footer::footer(&self.layout, &before, self.codec);
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
        Seam { ending, beginning }
    }

    /// Appends what makes the file whole; the next row begins another.
    pub(super) fn end(&mut self, out: &mut dyn Output) {
        self.mark = Mark::Between(0, 0);
        self.close_group();
        while self.append(out) {}
        let groups = std::mem::take(&mut self.groups);
        if !groups.is_empty() {
            out.append(&footer::footer(&self.layout, &groups, self.codec));
        }
        self.length = 0;
    }
}
