//! What a sync has done so far, in numbers.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::protocol::StreamKey;
use crate::sink::Sink;

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) streams: Vec<StreamTally>,
    /// Bytes that were made of rows since the last checkpoint, and that nobody sees yet.
    pub(crate) on_their_way: u64,
    pub(crate) checkpoints: u64,
    /// States that were printed.
    pub(crate) states: u64,
    pub(crate) last_checkpoint: Option<Instant>,
}

/// One stream's part.
#[derive(Clone, Debug)]
pub(crate) struct StreamTally {
    pub(crate) stream: StreamKey,
    pub(crate) database: String,
    pub(crate) table: String,
    /// Records that were accepted, and the bytes of their JSON text.
    pub(crate) records: u64,
    pub(crate) bytes_in: u64,
    /// Objects that became visible to whoever lists them, and their bytes.
    pub(crate) objects: u64,
    pub(crate) bytes_out: u64,
    /// How many values did not fit, by column.
    pub(crate) rescued: BTreeMap<String, u64>,
    /// What became of the table's definition.
    pub(crate) changes: Vec<String>,
}

/// What is counted of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) bytes_in: u64,
    pub(super) objects: u64,
    pub(super) bytes_out: u64,
    pub(super) changes: Vec<String>,
}

impl Tally {
    pub(crate) fn sum(&self, of: impl Fn(&StreamTally) -> u64) -> u64 {
        self.streams.iter().map(of).sum()
    }
}

impl StreamTally {
    pub(crate) fn rescued(&self) -> u64 {
        self.rescued.values().sum()
    }
}

impl Sink<'_> {
    pub(crate) fn tally(&self) -> Tally {
        let of_stream = |stream: &super::Stream| StreamTally {
            stream: stream.key.clone(),
            database: stream.target.database.clone(),
            table: stream.target.name.clone(),
            records: stream.counts.records,
            bytes_in: stream.counts.bytes_in,
            objects: stream.counts.objects,
            bytes_out: stream.counts.bytes_out,
            rescued: stream.rescued(),
            changes: stream.counts.changes.clone(),
        };
        Tally {
            streams: self.streams.iter().map(of_stream).collect(),
            on_their_way: self.grown as u64,
            checkpoints: self.checkpoints,
            states: self.states,
            last_checkpoint: (self.checkpoints > 0).then_some(self.last_checkpoint),
        }
    }
}
