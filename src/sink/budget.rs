//! The memory budget: bytes that the writers' buffers have allocated, over all streams, and those of waiting states and
//! of the input.

use crate::error::Result;
use crate::lake::Objects;
use crate::sink::stream::Stream;

/// What may be allocated, and what is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    limit: usize,
    used: usize,
    /// Bytes of waiting states.
    states: usize,
    /// Bytes of the input's decompression.
    input: usize,
    /// Bytes of parts on their way.
    parts: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            states: 0,
            input: 0,
            parts: 0,
        }
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.used + self.states + self.input + self.parts > self.limit
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

    /// Buffers grew by this many bytes.
    pub(super) fn allocated(&mut self, bytes: usize) {
        self.used += bytes;
    }

    /// A writer's buffers took `before` bytes, and take `after`.
    pub(super) fn changed(&mut self, before: usize, after: usize) {
        self.used = (self.used + after).saturating_sub(before);
    }

    /// Counts all buffers anew.
    pub(super) fn recount(&mut self, streams: &[Stream]) {
        self.used = streams.iter().map(|stream| stream.writer.memory()).sum();
    }

    /// Frees buffers, the largest stream's first, until the budget holds: rows are encoded early, and then uploaded early.
    /// No row becomes visible by it.
    pub(super) fn relieve(&mut self, streams: &mut [Stream], objects: &dyn Objects) -> Result<()> {
        self.recount(streams);
        if self.is_exceeded() && self.parts > 0 {
            objects.wait_for_parts();
            self.parts = objects.in_flight();
        }
        while self.is_exceeded() {
            let largest = streams
                .iter_mut()
                .max_by_key(|stream| stream.writer.memory())
                .filter(|stream| stream.writer.memory() > 0);
            let Some(stream) = largest else {
                return Ok(());
            };
            let before = stream.writer.memory();
            let relieved = stream.writer.relieve(objects);
            stream.note_failure(relieved)?;
            let after = stream.writer.memory();
            log::debug!(
                "over the memory budget: flushed stream {} early bytes_before={before} bytes_after={after}",
                stream.key
            );
            self.changed(before, after);
            // What was uploaded early is freed once it has arrived.
            objects.wait_for_parts();
        }
        Ok(())
    }
}
