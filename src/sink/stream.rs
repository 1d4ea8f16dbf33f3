//! One stream of the sync: its table, its plan, its writer, and what is known of its end.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::protocol::catalog::Refresh;
use crate::protocol::message::Status;
use crate::row::RowEncoder;
use crate::sink::arrival::Way;
use crate::sink::tally::Counts;
use crate::sink::writer::Writer;
use crate::table::Target;
use crate::table::layout::{Folders, Generation};

/// A stream that records come for.
pub(super) struct Stream {
    pub(super) key: StreamKey,
    pub(super) refresh: Refresh,
    pub(super) target: Target,
    pub(super) folders: Folders,
    /// The folder that the table showed when the sync began, as a key's prefix.
    pub(super) shown: Option<String>,
    /// The folder that rows go to, as a key's prefix.
    pub(super) folder: String,
    /// How the objects there come on show, where no swap shows them.
    pub(super) way: Way,
    /// The generation of that folder, where it is a new one that a swap is to show.
    pub(super) generation: Option<Generation>,
    /// The number of the last generation that a swap has shown, as the catalog remembers it.
    pub(super) last_shown_generation: Option<i64>,
    pub(super) encoder: RowEncoder,
    /// What did not fit under schemas before this one.
    pub(super) rescued_before: BTreeMap<String, u64>,
    pub(super) writer: Writer,
    pub(super) counts: Counts,
    pub(super) fate: Fate,
}

/// What is known of the stream's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // four independent facts, each with its own moment
pub(super) struct Fate {
    status: Option<Status>,
    /// A state came that says the source got as far as this stream.
    has_state: bool,
    /// The new generation is on show.
    is_shown: bool,
    /// Something of it could not be made durable.
    has_failed: bool,
}

impl Stream {
    /// For each column with values that did not fit, how many there were.
    pub(super) fn rescued(&self) -> BTreeMap<String, u64> {
        let mut rescued = self.rescued_before.clone();
        for (column, count) in self.encoder.misfits() {
            *rescued.entry(column).or_default() += count;
        }
        rescued
    }

    /// A state of this stream: its rows so far are covered.
    pub(super) fn mark(&mut self, _is_empty: bool) {
        self.writer.set_mark();
        // Even a state that holds nothing: that is how the platform clears a stream.
        self.fate.has_state = true;
    }

    /// A state of all streams. It says nothing of one stream's source, unless it holds nothing: then all are cleared.
    pub(super) fn mark_by_global(&mut self, is_empty: bool) {
        self.writer.set_mark();
        self.fate.has_state |= is_empty;
    }

    pub(super) fn set_status(&mut self, status: Status) -> Result<()> {
        if !self.refresh.needs_complete() {
            // Only a source that is piped straight to us says anything here, and it may say it more than once.
            return Ok(());
        }
        match (self.fate.status, status) {
            (_, Status::Underway) => Ok(()),
            (Some(before), now) if before != now => Err(Error::system(format!(
                "stream {}: both COMPLETE and INCOMPLETE came",
                self.key
            ))),
            _ => {
                self.fate.status = Some(status);
                Ok(())
            }
        }
    }

    /// Whether the source has said that no record will come.
    pub(super) fn is_complete(&self) -> bool {
        self.fate.status == Some(Status::Complete)
    }

    /// Whether something shows that the source got as far as this stream.
    pub(super) fn has_evidence(&self) -> bool {
        self.counts.records > 0 || self.fate.has_state
    }

    /// Whether the rows that states cover are durable, so that the states may be printed.
    ///
    /// Rows of a generation without a number are durable only on show: a sync that is tried again could not find them.
    pub(super) fn is_durable(&self) -> bool {
        !self.fate.has_failed
            && (self.takes_checkpoints() || self.counts.records == 0)
            && !self.writer.has_covered_rows()
    }

    /// Whether a checkpoint in the middle of the sync makes rows of this stream durable.
    pub(super) fn takes_checkpoints(&self) -> bool {
        !self.fate.has_failed && (self.refresh != Refresh::Overwrite || self.fate.is_shown)
    }

    pub(super) fn set_shown(&mut self) {
        self.fate.is_shown = true;
    }

    pub(super) fn fail(&mut self) {
        self.fate.has_failed = true;
    }

    /// What a step of the writer gave. After an error rows are lost to it, so no state of the stream is printed any more.
    pub(super) fn judge<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| {
            self.fail();
            error.while_doing(format_args!("stream {}", self.key))
        })
    }

    pub(super) fn has_failed(&self) -> bool {
        self.fate.has_failed
    }
}
