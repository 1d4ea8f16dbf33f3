//! The open row group: its columns, and how many rows each of them has.

use std::cell::RefCell;
use std::collections::HashMap;

use super::column::Column;
use super::layout::{self, Layout};
use super::pages::PageOptions;
use super::shred::Shredder;

thread_local! {
    /// The characters of a text with escapes: one buffer for all files.
    static UNQUOTED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The memory that is kept for texts with escapes.
const KEPT: usize = 1 << 20;

/// A row group that rows are added to.
pub(super) struct OpenGroup {
    pub(super) columns: Vec<Column>,
    pub(super) rows: u64,
    /// For each member of a row, how many rows its leaves have; further ones are null there.
    filled: Vec<u64>,
    /// What the columns have allocated, and about what they will take in the file; taken after each write.
    pub(super) memory: usize,
    pub(super) size: usize,
}

impl OpenGroup {
    pub(super) fn new(layout: &Layout, options: PageOptions) -> Self {
        let column = |leaf| Column::new(leaf, options);
        let mut group = Self {
            columns: layout.leaves.iter().map(column).collect(),
            rows: 0,
            filled: vec![0; layout.members.len()],
            memory: 0,
            size: 0,
        };
        group.measure();
        group
    }

    /// Goes on under another layout, which extends the one so far. Rows before the mark are null in new columns at once.
    pub(super) fn reshape(
        &mut self,
        before: Layout,
        layout: &Layout,
        options: PageOptions,
        marked: u64,
    ) {
        let filled_before = before.members.iter().zip(&self.filled);
        let filled_before: HashMap<&[u8], u64> = filled_before
            .map(|(member, filled)| (&*member.token, *filled))
            .collect();
        let filled = |member: &layout::Member| filled_before.get(&*member.token).copied();
        self.filled = layout
            .members
            .iter()
            .map(|member| filled(member).unwrap_or(marked))
            .collect();
        let columns = std::mem::take(&mut self.columns);
        let mut columns: HashMap<Vec<String>, Column> =
            before.paths.into_iter().zip(columns).collect();
        for (leaf, path) in layout.leaves.iter().zip(&layout.paths) {
            let column = columns.remove(path).unwrap_or_else(|| {
                let mut column = Column::new(leaf, options);
                if marked > 0 {
                    column.nulls(0, 0, marked);
                    column.mark();
                }
                column
            });
            self.columns.push(column);
        }
        self.measure();
    }

    /// Adds rows. False where they are not what the row encoder writes.
    pub(super) fn write(&mut self, layout: &Layout, rows: &[u8]) -> bool {
        let read = UNQUOTED.with_borrow_mut(|unquoted| {
            let mut shredder = Shredder {
                layout,
                columns: &mut self.columns,
                filled: &mut self.filled,
                text: rows,
                unquoted,
            };
            let read = shredder.rows(self.rows);
            unquoted.shrink_to(KEPT);
            read
        });
        self.rows += read.unwrap_or_default();
        self.columns.iter_mut().for_each(Column::settle);
        self.measure();
        read.is_some()
    }

    /// Adds the nulls that are missing at the end of columns.
    pub(super) fn fill(&mut self, layout: &Layout) {
        for (member, filled) in layout.members.iter().zip(&mut self.filled) {
            let missing = self.rows - std::mem::replace(filled, self.rows);
            if missing > 0 {
                for column in &mut self.columns[member.node.leaves.0..member.node.leaves.1] {
                    column.nulls(0, 0, missing);
                }
            }
        }
    }

    /// Forgets so many rows, which were ended. All columns must be filled.
    pub(super) fn remove(&mut self, rows: u64) {
        self.rows -= rows;
        self.filled.fill(self.rows);
        self.measure();
    }

    fn measure(&mut self) {
        let columns: usize = self.columns.iter().map(Column::memory).sum();
        // Pieces of many sizes leave holes that fit nobody: an eighth, as 100 streams showed (2026-12-01).
        self.memory = columns + columns / 8;
        self.size = self.columns.iter().map(Column::size).sum();
    }
}
