//! One stream of the sync: its table, its row plan, its writer, and what is known of its end.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::protocol::catalog::Refresh;
use crate::protocol::message::Status;
use crate::row::RowEncoder;
use crate::row::partition::Partitioner;
use crate::sink::growth::Growth;
use crate::sink::writer::Writer;
use crate::table::{DataFile, Table, TableChange};

/// A stream that records come for.
pub(super) struct Stream {
    pub(super) key: StreamKey,
    pub(super) refresh: Refresh,
    pub(super) table: Table,
    pub(super) encoder: RowEncoder,
    /// What columns it may yet get; none where its schema was declared.
    pub(super) growth: Option<Growth>,
    /// Finds the partitions of rows; none where the table has no partitions.
    pub(super) partitioner: Option<Partitioner>,
    /// Values that did not fit under schemas before this one, by column.
    pub(super) rescued_before: BTreeMap<String, u64>,
    /// Values that the rows under schemas before this one have, by column.
    pub(super) filled_before: BTreeMap<String, u64>,
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
    /// A state covers it, perhaps with all others.
    is_covered: bool,
    /// A state that holds nothing covers it: with it the platform clears a stream.
    has_empty_state: bool,
    /// The new generation is published.
    is_replaced: bool,
    /// Some of its rows could not be made durable.
    has_failed: bool,
}

/// What is counted of a stream as it goes.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamCounts {
    pub(super) records: u64,
    pub(super) bytes_in: u64,
    pub(super) objects: u64,
    pub(super) bytes_out: u64,
    pub(super) groups: u64,
    pub(super) changes: Vec<TableChange>,
}

impl StreamCounts {
    /// A checkpoint has completed these objects.
    pub(super) fn publish(&mut self, files: &[DataFile], changes: Vec<TableChange>) {
        self.objects += files.len() as u64;
        self.bytes_out += files.iter().map(|file| file.bytes).sum::<u64>();
        self.groups += files.iter().map(|file| file.statistics.groups).sum::<u64>();
        self.changes.extend(changes);
    }
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

    /// How many rows have a value, by column.
    pub(super) fn filled(&self) -> BTreeMap<String, u64> {
        let mut filled = self.filled_before.clone();
        for (column, count) in self.encoder.filled() {
            *filled.entry(column).or_default() += count;
        }
        filled
    }

    /// Rows are encoded by another encoder from now on.
    pub(super) fn set_encoder(&mut self, encoder: RowEncoder) {
        self.rescued_before = self.rescued();
        self.filled_before = self.filled();
        self.encoder = encoder;
    }

    /// A state of this stream covers its rows so far.
    pub(super) fn cover(&mut self, is_empty: bool) {
        self.writer.cover();
        self.end.is_covered = true;
        self.end.has_state = true;
        self.end.has_empty_state |= is_empty;
    }

    /// A global state covers the rows so far. It is no evidence for a single stream, unless it is empty, which resets
    /// every stream.
    pub(super) fn cover_by_global(&mut self, is_empty: bool) {
        self.writer.cover();
        self.end.is_covered = true;
        self.end.has_state |= is_empty;
        self.end.has_empty_state |= is_empty;
    }

    /// Whether a state covers rows of it, or the lack of them.
    pub(super) fn is_covered(&self) -> bool {
        self.end.is_covered
    }

    /// Takes the status of a stream whose platform sends one.
    pub(super) fn set_status(&mut self, status: Status) -> Result<()> {
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

    /// Takes what the source says by itself, where no platform sends a status: more than once perhaps. A failure stays one.
    pub(super) fn set_status_without_generations(&mut self, status: Status) {
        if status != Status::Underway && !self.is_incomplete() {
            self.end.status = Some(status);
        }
    }

    /// Whether the source has said that it sends no more records.
    pub(super) fn is_complete(&self) -> bool {
        self.end.status == Some(Status::Complete)
    }

    /// Whether the source has said that it failed to send all records.
    pub(super) fn is_incomplete(&self) -> bool {
        self.end.status == Some(Status::Incomplete)
    }

    /// A record came after the status COMPLETE, which is taken for withdrawn.
    pub(super) fn reopen(&mut self) {
        self.end.status = None;
    }

    /// The source reports an error that this stream may have suffered from. Where the platform sends the status COMPLETE,
    /// that alone counts. Returns whether the error is news.
    pub(super) fn fail_at_the_source(&mut self) -> bool {
        let counts = !self.refresh.needs_complete() && !self.is_incomplete();
        if counts {
            self.end.status = Some(Status::Incomplete);
        }
        counts
    }

    /// At the end of input: whether the source has sent all of the stream. Without a status the end of input says so, where
    /// the platform sends none.
    pub(super) fn is_finished(&self) -> bool {
        match self.end.status {
            Some(status) => status == Status::Complete,
            None => !self.refresh.needs_complete(),
        }
    }

    /// Whether something shows that the source got as far as this stream.
    pub(super) fn has_evidence(&self) -> bool {
        let has_version = matches!(self.refresh, Refresh::Version(_));
        self.counts.records > 0 || self.end.has_state || has_version
    }

    /// Whether rows that no state covers wait to be added to rows that stay: another attempt at this sync sends them again.
    /// A generation without a number is written anew by each attempt.
    pub(super) fn has_uncovered_rows_to_add(&self) -> bool {
        let is_anew = matches!(self.refresh, Refresh::Overwrite | Refresh::Version(_));
        !is_anew && self.writer.has_uncovered_rows()
    }

    /// Whether what states say of the stream is durable, so that they may be acknowledged.
    pub(super) fn is_durable(&self) -> bool {
        !self.end.has_failed && !self.waits_for_its_swap() && !self.writer.has_covered_rows()
    }

    /// Whether what states say of the stream is durable only once its new generation is published.
    pub(super) fn waits_for_its_swap(&self) -> bool {
        !self.end.is_replaced
            && match self.refresh {
                Refresh::Append { .. } => false,
                // An empty state without a record asks for the table to be emptied.
                Refresh::Truncate { .. } => self.end.has_empty_state && self.counts.records == 0,
                // Its generation has no number: a sync that is tried again could not find the rows.
                Refresh::Overwrite | Refresh::Version(_) => self.has_evidence(),
            }
    }

    /// Whether a checkpoint in the middle of the sync makes rows of this stream durable.
    pub(super) fn takes_checkpoints(&self) -> bool {
        let waits = matches!(self.refresh, Refresh::Overwrite | Refresh::Version(_));
        !self.end.has_failed && (!waits || self.end.is_replaced)
    }

    pub(super) fn is_replaced(&self) -> bool {
        self.end.is_replaced
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
