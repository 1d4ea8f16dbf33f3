//! The sizes of blocks and parts, and how the buffers for them grow.

use crate::file::Format;

/// A buffer of rows grows from this size on, and never by less.
pub(super) const STEP: usize = 16 * 1024;

/// Bytes of rows between two looks at whether they are a block.
const LOOK: usize = 8 * 1024;

/// How many bytes make a block, and a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Rows are encoded in blocks of this size. The file is cut at a boundary only where a block or more of rows
    /// follows it, so that frequent states do not spoil the compression.
    pub(super) block: usize,
    /// Bytes of rows between two looks at whether they are a block.
    pub(super) look: usize,
    /// Encoded bytes of a part.
    pub(super) part: usize,
    /// The least size of a part that is not the last.
    pub(super) least_part: usize,
}

impl Sizes {
    /// 5 MiB is S3's least: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
    pub(super) fn for_format(format: Format) -> Self {
        Self {
            block: format.block().unwrap_or(LOOK),
            look: LOOK,
            part: 8 * 1024 * 1024,
            least_part: 5 * 1024 * 1024,
        }
    }

    /// Makes room for `more` bytes of rows: capacities double up to a block with some room.
    pub(super) fn reserve_rows(&self, rows: &mut Vec<u8>, more: usize) {
        let needed = rows.len() + more;
        if needed > rows.capacity() {
            let most = self.block + STEP;
            let capacity = (2 * rows.capacity())
                .clamp(STEP, most.max(STEP))
                .max(needed);
            rows.reserve_exact(capacity - rows.len());
        }
    }

    /// Makes room for an encoded block of `more` bytes of rows, which in the worst case are stored as they are. Capacities
    /// grow by a quarter, because all that is allocated counts against the budget.
    pub(super) fn reserve_encoded(&self, encoded: &mut Vec<u8>, more: usize) {
        let needed = encoded.len() + more;
        if needed > encoded.capacity() {
            let most = self.part + self.block + STEP;
            let capacity = (encoded.capacity() + encoded.capacity() / 4 + STEP).min(most);
            encoded.reserve_exact(capacity.max(needed) - encoded.len());
        }
    }
}
