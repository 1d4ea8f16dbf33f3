//! A buffer's bytes: in chunks of one size while they are few, in one piece once they are many.
//!
//! A thousand streams have a thousand buffers that grow side by side. If each moved to a larger piece of memory whenever
//! it grows, it would leave a hole that fits nobody: twice the memory that is in use. A chunk that one buffer gives back
//! fits every other.

use std::borrow::Cow;

use crate::error::Result;
use crate::file::Output;
use crate::lake;

/// The size of a chunk.
const CHUNK: usize = if cfg!(test) { 64 } else { 2 * 1024 };

/// What the allocator and the list of chunks take for each.
const BESIDE_CHUNK: usize = 48;

/// From so many bytes on they are in one piece. What is encoded in blocks, or sent in parts, is so soon.
const MANY: usize = if cfg!(test) { 256 } else { 128 * 1024 };

/// Bytes that are appended at the end and taken from the beginning.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// In order; none is longer than `CHUNK`. Those from `filling + 1` on are empty, for reuse.
    small: Vec<Vec<u8>>,
    /// The chunk that further bytes go to.
    filling: usize,
    /// All bytes, once they are many; there are no chunks then.
    piece: Vec<u8>,
    length: usize,
}

impl Chunks {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes of memory that are allocated.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        self.piece.capacity() + self.small.len() * (CHUNK + BESIDE_CHUNK)
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > self.piece.capacity() - self.piece.len() {
            return self.push_with_room(bytes);
        }
        self.piece.extend_from_slice(bytes);
        self.length += bytes.len();
    }

    #[inline(never)]
    fn push_with_room(&mut self, bytes: &[u8]) {
        let length = self.length + bytes.len();
        if length <= MANY && self.piece.capacity() == 0 {
            self.push_in_chunks(bytes);
        } else {
            self.reserve(bytes.len());
            self.piece.extend_from_slice(bytes);
        }
        self.length = length;
    }

    fn push_in_chunks(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.filling == self.small.len() {
                self.small.push(Vec::with_capacity(CHUNK));
            }
            let chunk = &mut self.small[self.filling];
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - chunk.len()));
            chunk.extend_from_slice(now);
            if !later.is_empty() {
                self.filling += 1;
            }
            bytes = later;
        }
    }

    /// Makes room in one piece, by a quarter or a MiB at least.
    fn reserve(&mut self, more: usize) {
        let least = (self.piece.capacity() / 4).clamp(CHUNK, 1 << 20);
        let room = more.max(least).next_multiple_of(CHUNK);
        if self.piece.capacity() == 0 {
            self.piece.reserve_exact(self.length + room);
            for chunk in std::mem::take(&mut self.small) {
                self.piece.extend_from_slice(&chunk);
            }
            self.filling = 0;
        } else {
            self.piece.reserve_exact(room);
        }
    }

    /// The first bytes, in one piece.
    pub(super) fn first(&self, length: usize) -> Cow<'_, [u8]> {
        match &self.small[..] {
            [] => Cow::Borrowed(&self.piece[..length]),
            [chunk, ..] if length <= chunk.len() => Cow::Borrowed(&chunk[..length]),
            chunks => {
                let mut bytes = Vec::with_capacity(length);
                for chunk in chunks {
                    let more = chunk.len().min(length - bytes.len());
                    bytes.extend_from_slice(&chunk[..more]);
                }
                Cow::Owned(bytes)
            }
        }
    }

    /// Lends the first bytes in one piece to `to`, and takes them away if it succeeds. Their room is kept.
    pub(super) fn send_first(
        &mut self,
        length: usize,
        to: impl FnOnce(lake::Bytes) -> Result<()>,
    ) -> Result<()> {
        if !self.small.is_empty() {
            to(self.first(length).into_owned().into())?;
            self.remove_first(length);
            return Ok(());
        }
        let rest = self.piece.split_off(length);
        let sent = lake::Bytes::lend(&mut self.piece, to);
        if sent.is_ok() {
            self.piece.clear();
        }
        self.piece.extend(rest);
        self.length = self.piece.len();
        sent
    }

    /// All bytes, in one piece that is shared.
    pub(super) fn into_bytes(self) -> lake::Bytes {
        if self.small.is_empty() {
            return self.piece.into();
        }
        self.all().into_owned().into()
    }

    /// All bytes, in one piece.
    pub(super) fn all(&self) -> Cow<'_, [u8]> {
        self.first(self.length)
    }

    /// Takes the first bytes away. What they had allocated is kept for further ones.
    pub(super) fn remove_first(&mut self, length: usize) {
        if self.small.is_empty() {
            self.piece.drain(..length);
        } else {
            let mut left = length;
            let used = self.filling + 1;
            for chunk in self.small.iter_mut().take(used) {
                let here = left.min(chunk.len());
                chunk.drain(..here);
                left -= here;
            }
            // The chunks that are empty now come last.
            let empty = self.small[..used]
                .iter()
                .take_while(|chunk| chunk.is_empty())
                .count();
            self.small.rotate_left(empty);
            self.filling = (used - empty).saturating_sub(1);
        }
        self.length -= length;
    }

    /// Splits the bytes in two, each with memory of its own: of the larger side only what it has.
    pub(super) fn split(mut self, at: usize) -> (Self, Self) {
        let mut other = Self::default();
        if at < self.length / 2 {
            other.push(&self.first(at));
            self.remove_first(at);
            (other, self)
        } else {
            other.push(&self.all()[at..]);
            self.truncate(at);
            (self, other)
        }
    }

    fn truncate(&mut self, length: usize) {
        if self.small.is_empty() {
            self.piece.truncate(length);
        } else {
            let mut left = length;
            for chunk in &mut self.small {
                chunk.truncate(left);
                left -= chunk.len();
            }
            self.filling = self
                .small
                .iter()
                .take_while(|chunk| !chunk.is_empty())
                .count()
                .saturating_sub(1);
        }
        self.length = length;
    }

    /// Puts bytes before all others.
    pub(super) fn prepend(&mut self, bytes: &[u8]) {
        if self.small.is_empty() {
            self.piece.splice(..0, bytes.iter().copied());
            self.length += bytes.len();
        } else {
            let rest = std::mem::take(self);
            self.push(bytes);
            rest.small.iter().for_each(|chunk| self.push(chunk));
        }
    }

    /// Gives back what is allocated and not needed.
    pub(super) fn shrink(&mut self) {
        if self.length <= MANY && !self.piece.is_empty() {
            let piece = std::mem::take(&mut self.piece);
            self.length = 0;
            self.push(&piece);
        }
        self.piece.shrink_to_fit();
        let used = if self.length == 0 {
            0
        } else {
            self.filling + 1
        };
        self.small.truncate(used);
    }
}

impl Output for Chunks {
    fn append(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same calls to the bytes and to a `Vec`, in random order and with lengths around the sizes that matter.
    #[test]
    fn bytes_are_those_of_one_long_buffer() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let longest = random.choice([50, CHUNK, 3 * CHUNK, MANY]).unwrap();
            let (mut bytes, mut model) = (Chunks::default(), Vec::new());
            for _ in 0..random.usize(1..60) {
                let at = random.usize(0..=model.len());
                match random.u32(0..10) {
                    0..6 => {
                        let more = vec![random.u8(..); random.usize(0..=longest)];
                        bytes.push(&more);
                        model.extend(more);
                    }
                    6 => {
                        bytes.remove_first(at);
                        model.drain(..at);
                    }
                    7 => {
                        let (before, after) = bytes.split(at);
                        assert_eq!(before.all(), &model[..at], "seed {seed}");
                        bytes = after;
                        model.drain(..at);
                    }
                    8 => {
                        let more = vec![random.u8(..); random.usize(0..20)];
                        bytes.prepend(&more);
                        model.splice(..0, more);
                    }
                    _ => {
                        bytes.shrink();
                        let most = model.len() + (model.len() / CHUNK + 2) * (CHUNK + BESIDE_CHUNK);
                        assert!(bytes.memory() <= most, "seed {seed}");
                    }
                }
                assert_eq!(bytes.len(), model.len(), "seed {seed}");
                assert_eq!(bytes.is_empty(), model.is_empty(), "seed {seed}");
                assert_eq!(bytes.all(), model, "seed {seed}");
                let at = random.usize(0..=model.len());
                assert_eq!(bytes.first(at), &model[..at], "seed {seed}");
            }
            drop(bytes.split(0));
        }
    }

    #[test]
    fn nothing_is_kept_of_bytes_that_are_gone_and_given_back() {
        for length in [1, CHUNK + 1, MANY, 2 * MANY] {
            let mut bytes = Chunks::default();
            bytes.push(&vec![7; length]);
            assert!(bytes.memory() >= length);
            bytes.remove_first(length);
            bytes.shrink();
            assert_eq!(bytes.memory(), 0, "{length}");
        }
    }
}
