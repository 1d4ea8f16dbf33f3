//! One stream of the sync: its table, its row plan, its writer, and what is known of its end.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::protocol::catalog::Refresh;
use crate::protocol::message::Status;
use crate::row::RowEncoder;
use crate::sink::tally::StreamCounts;
use crate::sink::writer::Writer;
use crate::table::Table;

/// A stream that records come for.
pub(super) struct Stream {
    pub(super) key: StreamKey,
    pub(super) refresh: Refresh,
    pub(super) table: Table,
    pub(super) encoder: RowEncoder,
    /// Values that did not fit under schemas before this one, by column.
    pub(super) rescued_before: BTreeMap<String, u64>,
    pub(super) writer: Writer,
    pub(super) counts: StreamCounts,
    pub(super) end: StreamEnd,
}

/// What is known of the stream's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent facts, each with its own moment
pub(super) struct StreamEnd {
    status: Option<Status>,
    /// A state says that the source got as far as this stream.
    has_state: bool,
    /// The new generation is published.
    is_replaced: bool,
    /// Some of its rows could not be made durable.
    has_failed: bool,
}

impl Stream {
    /// How many values did not fit, by column.
    pub(super) fn rescued(&self) -> BTreeMap<String, u64> {
        let mut rescued = self.rescued_before.clone();
        for (column, count) in self.encoder.misfits() {
            *rescued.entry(column).or_default() += count;
        }
        rescued
    }

    /// A state of this stream covers its rows so far.
    pub(super) fn cover(&mut self) {
        self.writer.cover();
        // Even an empty state: with it the platform clears a stream.
        self.end.has_state = true;
    }

    /// A global state covers the rows so far. It is no evidence for a single stream, unless it is empty, which resets
    /// every stream.
    pub(super) fn cover_by_global(&mut self, is_empty: bool) {
        self.writer.cover();
        self.end.has_state |= is_empty;
    }

    pub(super) fn set_status(&mut self, status: Status) -> Result<()> {
        if !self.refresh.needs_complete() {
            // Only a source that is piped straight to us says anything here, and it may say it more than once.
            return Ok(());
        }
        match (self.end.status, status) {
            (_, Status::Underway) => Ok(()),
            (Some(before), now) if before != now => Err(Error::system(format!(
                "stream {}: found both status COMPLETE and status INCOMPLETE, expected one of them",
                self.key
            ))),
            _ => {
                self.end.status = Some(status);
                Ok(())
            }
        }
    }

    /// Whether the source has said that it sends no more records.
    pub(super) fn is_complete(&self) -> bool {
        self.end.status == Some(Status::Complete)
    }

    /// Whether something shows that the source got as far as this stream.
    pub(super) fn has_evidence(&self) -> bool {
        self.counts.records > 0 || self.end.has_state
    }

    /// Whether the rows that states cover are durable, so that the states may be acknowledged.
    ///
    /// Rows of a generation without a number are durable only once it is published: a sync that is tried again could not
    /// find them.
    pub(super) fn is_durable(&self) -> bool {
        !self.end.has_failed
            && (self.takes_checkpoints() || self.counts.records == 0)
            && !self.writer.has_covered_rows()
    }

    /// Whether a checkpoint in the middle of the sync makes rows of this stream durable.
    pub(super) fn takes_checkpoints(&self) -> bool {
        !self.end.has_failed && (self.refresh != Refresh::Overwrite || self.end.is_replaced)
    }

    pub(super) fn set_replaced(&mut self) {
        self.end.is_replaced = true;
    }

    /// Rows of it are lost to this run: none of its states is acknowledged any more.
    pub(super) fn fail(&mut self) {
        self.end.has_failed = true;
    }

    /// The outcome of a step that handles its rows; an error fails the stream, and names it.
    pub(super) fn note_failure<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| {
            self.fail();
            error.while_doing(format_args!("stream {}", self.key))
        })
    }

    pub(super) fn has_failed(&self) -> bool {
        self.end.has_failed
    }
}
