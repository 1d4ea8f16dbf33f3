//! The memory budget: the writers' buffers, over all streams, give way to all else that counts in it.

use std::cmp::Reverse;

use crate::error::Result;
use crate::lake::Objects;
use crate::sink::stream::Stream;
use crate::sink::writer::Writer;

/// What streams may take for themselves without counting: with the program it stays below what is promised beside the
/// budget.
const UNCOUNTED: usize = 4 << 20;

/// What a stream takes for itself, and for each of its columns and their fields (measured on 2026-12-01).
const STREAM: usize = 4 << 10;
const FIELD: usize = 1 << 10;

/// What may be allocated, and what is, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    limit: usize,
    /// The streams themselves: their tables and their plans.
    streams: usize,
    /// The buffers of rows.
    buffers: usize,
    /// Objects that wait for their checkpoint.
    objects: usize,
    /// States that wait for theirs.
    states: usize,
    /// The decompression of the input.
    input: usize,
    /// Parts on their way.
    parts: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// What buffers may take: what the others leave. Streams and objects leave half, and all together a quarter of what
    /// the input leaves, because less room would mean smaller objects, and the more of them.
    #[inline]
    fn room(&self) -> usize {
        let limit = self.limit.saturating_sub(self.input);
        let streams = self.streams.saturating_sub(UNCOUNTED);
        let others = (streams + self.objects).min(limit / 2) + self.states + self.parts;
        limit.saturating_sub(others).max(limit / 4)
    }

    /// Whether so many objects wait that they should be completed now.
    pub(super) fn presses_for_a_checkpoint(&self) -> bool {
        self.objects > self.limit / 4
    }

    #[inline]
    pub(super) fn is_exceeded(&self) -> bool {
        self.buffers > self.room()
    }

    /// One stream more has this many fields.
    pub(super) fn add_stream(&mut self, fields: usize) {
        self.streams += STREAM + fields * FIELD;
    }

    /// A stream has this many fields more.
    pub(super) fn add_fields(&mut self, fields: usize) {
        self.streams += fields * FIELD;
    }

    /// The input takes this many bytes.
    pub(super) fn set_input(&mut self, bytes: usize) {
        self.input = bytes;
    }

    /// Parts on their way take this many bytes.
    pub(super) fn set_parts(&mut self, bytes: usize) {
        self.parts = bytes;
    }

    /// Waiting states take this many bytes.
    pub(super) fn set_states(&mut self, bytes: usize) {
        self.states = bytes;
    }

    /// Some buffers took `before` bytes, and take `after`.
    #[inline]
    pub(super) fn changed(&mut self, before: usize, after: usize) {
        self.buffers = (self.buffers + after).saturating_sub(before);
    }

    /// Counts all that writers take anew.
    pub(super) fn recount(&mut self, streams: &[Stream]) {
        let writers = || streams.iter().map(|stream| &stream.writer);
        self.buffers = writers().map(Writer::buffers).sum();
        self.objects = writers().map(Writer::waiting).sum();
    }

    /// Frees buffers, the largest first, until an eighth of their room is free: rows are encoded early, and then uploaded
    /// early. No row becomes visible by it.
    pub(super) fn relieve(&mut self, streams: &mut [Stream], objects: &dyn Objects) -> Result<()> {
        self.recount(streams);
        if self.is_exceeded() && self.parts > 0 {
            objects.wait_for_parts();
            self.parts = objects.in_flight();
        }
        let mut enough = self.room();
        while self.buffers > enough {
            // Streams often grow together: to free the largest one each time would mean to look at all of them each time.
            enough = self.room() - self.room() / 8;
            let mut largest: Vec<&mut Stream> = streams.iter_mut().collect();
            largest.sort_unstable_by_key(|stream| Reverse(stream.writer.buffers()));
            for stream in largest {
                if self.buffers <= enough {
                    break;
                }
                let before = stream.writer.buffers();
                let relieved = stream.writer.relieve(objects);
                stream.note_failure(relieved)?;
                let after = stream.writer.buffers();
                self.changed(before, after);
                log::debug!(
                    "over the memory budget: flushed stream {} early bytes_before={before} bytes_after={after}",
                    stream.key
                );
            }
            // What was uploaded early is freed once it has arrived.
            objects.wait_for_parts();
            self.recount(streams);
        }
        Ok(())
    }
}
