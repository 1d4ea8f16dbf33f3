//! What a sync has done so far, in numbers.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::protocol::StreamKey;
use crate::schema::Field;
use crate::sink::Sink;
use crate::sink::stream::Stream;
use crate::table::TableChange;

/// The counts of all streams, and of the sync as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) streams: Vec<StreamTally>,
    /// Encoded bytes since the last checkpoint, which nobody sees yet.
    pub(crate) uncommitted: u64,
    pub(crate) checkpoints: u64,
    /// States that were acknowledged.
    pub(crate) states: u64,
    pub(crate) last_checkpoint: Option<Instant>,
}

/// The counts of one stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamTally {
    pub(crate) stream: StreamKey,
    pub(crate) database: String,
    pub(crate) table: String,
    /// Records that were accepted, and the bytes of their JSON text.
    pub(crate) records: u64,
    pub(crate) bytes_in: u64,
    /// Objects that were published, or stored in a generation that a swap is to publish, and their bytes.
    pub(crate) objects: u64,
    pub(crate) bytes_out: u64,
    /// Row groups in them; none where the format has none.
    pub(crate) groups: u64,
    /// How many values did not fit, by column.
    pub(crate) rescued: BTreeMap<String, u64>,
    /// How the table's definition changed.
    pub(crate) changes: Vec<TableChange>,
    /// The columns that records fill; none while the sync goes on.
    pub(crate) columns: Vec<ColumnTally>,
}

/// What a sync has written to a column.
#[derive(Clone, Debug)]
pub(crate) struct ColumnTally {
    pub(crate) name: String,
    pub(crate) data_type: String,
    /// How many rows have no value in it.
    pub(crate) nulls: u64,
    /// How many values did not fit; their rows have none, or a part of it.
    pub(crate) rescued: u64,
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
        let of_stream = |stream: &Stream| StreamTally {
            stream: stream.key.clone(),
            database: stream.table.target().database.clone(),
            table: stream.table.target().name.clone(),
            records: stream.counts.records,
            bytes_in: stream.counts.bytes_in,
            objects: stream.counts.objects,
            bytes_out: stream.counts.bytes_out,
            groups: stream.counts.groups,
            rescued: stream.rescued(),
            changes: stream.counts.changes.clone(),
            columns: Vec::new(),
        };
        let progress = &self.progress;
        Tally {
            streams: self.streams.iter().map(of_stream).collect(),
            uncommitted: progress.grown as u64,
            checkpoints: progress.checkpoints,
            states: progress.states,
            last_checkpoint: (progress.checkpoints > 0).then_some(progress.last_checkpoint),
        }
    }

    /// The tally at the end of the sync, with the columns of each stream.
    pub(crate) fn final_tally(&self) -> Tally {
        let mut tally = self.tally();
        for (of_stream, stream) in tally.streams.iter_mut().zip(self.streams.iter()) {
            let filled = stream.filled();
            let column = |field: &Field| {
                let rescued = of_stream.rescued.get(&field.name);
                Some(ColumnTally {
                    name: field.name.clone(),
                    data_type: field.data_type.to_string(),
                    nulls: of_stream.records.saturating_sub(*filled.get(&field.name)?),
                    rescued: rescued.copied().unwrap_or_default(),
                })
            };
            of_stream.columns = stream.writer.columns().iter().filter_map(column).collect();
        }
        tally
    }
}
