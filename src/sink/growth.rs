//! Columns that a stream without a declared schema gets while its rows are written: those of its first records are not
//! all, and a table has the union.
//!
//! Rows are JSON text, so that those of before are right under the columns of after, in the same object. A row that lacks
//! nothing of its record is never looked at.

use std::collections::HashSet;

use crate::row::{ExtraColumns, RowEncoder};
use crate::schema::Note;
use crate::schema::infer::Inference;

/// How many new columns are logged one by one.
const MOST_LOGGED: usize = 20;

/// What was seen of a stream's values that its columns do not hold.
pub(super) struct Growth {
    /// The columns beyond those of its records.
    pub(super) rows: ExtraColumns,
    seen: Inference,
    /// Whether the table has all the columns that it may have.
    is_full: bool,
    /// Whether it was reported that a struct has all the fields that it may have.
    has_full_struct: bool,
    /// The structs of which it was reported that they get no fields for the keys of maps.
    maps: HashSet<String>,
    /// How many changes were logged.
    logged: usize,
}

impl Growth {
    pub(super) fn new(rows: ExtraColumns) -> Self {
        Self {
            rows,
            seen: Inference::default(),
            is_full: false,
            has_full_struct: false,
            maps: HashSet::new(),
            logged: 0,
        }
    }

    /// What the misfits of the last row show, if that is more than those of earlier rows did.
    pub(super) fn news(&mut self, record: &[u8], encoder: &RowEncoder) -> Option<Inference> {
        let mut has_news = false;
        let misfits = || {
            let all = encoder.last_misfits(record);
            all.filter(|misfit| misfit.has_column || !self.is_full)
        };
        for misfit in misfits() {
            has_news |= self.seen.member(misfit.key, misfit.value);
        }
        // By itself: what earlier values showed has brought in all that it could.
        let mut now = Inference::default();
        if has_news {
            for misfit in misfits() {
                now.member(misfit.key, misfit.value);
            }
        }
        has_news.then_some(now)
    }

    /// The notes that are to be logged: each limit and each map once, and not all of the columns.
    pub(super) fn news_of(&mut self, notes: Vec<Note>) -> Vec<Note> {
        let is_news = |note: &Note| match note {
            Note::Limited { path, .. } => {
                let is_known = if path == "$" {
                    &mut self.is_full
                } else {
                    &mut self.has_full_struct
                };
                !std::mem::replace(is_known, true)
            }
            Note::Keys { path } => self.maps.insert(path.clone()),
            Note::Added { .. } | Note::Widened { .. } | Note::Text { .. } | Note::Frozen { .. } => {
                self.logged += 1;
                self.logged <= MOST_LOGGED
            }
            _ => false,
        };
        notes.into_iter().filter(is_news).collect()
    }
}
