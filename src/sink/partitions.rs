//! The partitions that rows of a stream come for, which are open until their rows are in complete objects.

use crate::error::{Error, Result};
use crate::sink::Sink;
use crate::sink::streams::StreamIndex;
use crate::table::PartitionId;

/// What an open partition takes beside its rows, in bytes: its object, its number, its values and its folder.
pub(super) const ROOM_OF_PARTITION: usize = 2048;

impl Sink<'_> {
    /// The partition of the row that was just encoded.
    #[inline(never)]
    pub(super) fn find_partition(
        &mut self,
        index: StreamIndex,
        extracted_at: Option<i64>,
    ) -> Result<PartitionId> {
        let stream = &mut self.streams[index];
        let Some(partitioner) = &mut stream.partitioner else {
            return Ok(PartitionId::default());
        };
        let values = &mut self.partition_values;
        values.clear();
        partitioner
            .find(&mut self.row, extracted_at, values)
            .map_err(|error| error.while_doing(format_args!("stream {}", stream.key)))?;
        let most = self.options.memory_budget / 2 / ROOM_OF_PARTITION;
        let Some((partition, new)) = stream.table.partition(values, most) else {
            return Err(Error::config(format!(
                "stream {}: rows of more than {most} partitions wait for a checkpoint, which is one for each 4 KiB of memory_budget_mb",
                stream.key
            ))
            .hint("partition by larger units, or raise memory_budget_mb"));
        };
        if let Some(folder) = new {
            stream.writer.add_partition(folder);
        }
        Ok(partition)
    }
}
