//! Definition and repetition levels: how deep a value is defined, and at which level its list goes on.
//! <https://parquet.apache.org/docs/file-format/nestedencoding/>

use super::encodings;

/// The levels of a page, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    count: usize,
    /// All of them, as long as they are the same.
    same: u16,
    /// Each of them, once they differ.
    each: Vec<u16>,
}

impl Levels {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Removes all of them, and keeps their room.
    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.each.clear();
    }

    /// How many of them take memory.
    pub(super) fn stored(&self) -> usize {
        self.each.len()
    }

    /// Bytes of memory that are allocated.
    pub(super) fn memory(&self) -> usize {
        self.each.capacity() * 2
    }

    #[inline]
    pub(super) fn push(&mut self, level: u16) {
        if level == self.same && self.each.is_empty() && self.count > 0 {
            self.count += 1;
        } else {
            self.push_run(level, 1);
        }
    }

    pub(super) fn push_run(&mut self, level: u16, length: usize) {
        if self.count == 0 {
            self.same = level;
        }
        if self.each.is_empty() && level != self.same {
            self.each.resize(self.count, self.same);
        }
        self.count += length;
        if !self.each.is_empty() {
            self.each.resize(self.count, level);
        }
    }

    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let rest = Self {
            count: self.count - at,
            same: self.same,
            each: self.each.split_off(at.min(self.each.len())),
        };
        self.count = at;
        rest
    }

    /// Appends them with their length in front, as data pages have them; nothing where all levels are zero.
    pub(super) fn encode(&self, greatest: u16, out: &mut Vec<u8>) {
        if greatest == 0 {
            return;
        }
        let width = encodings::width(greatest.into());
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        if self.each.is_empty() {
            encodings::run_of(self.same.into(), self.count, width, out);
        } else {
            encodings::hybrid(&self.each, width, out);
        }
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
}
