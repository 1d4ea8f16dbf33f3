//! The sizes of blocks and parts.

use crate::file::Format;

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
    /// Encoded bytes of a row group, where the format has them.
    pub(super) group: usize,
    /// Encoded bytes of a part.
    pub(super) part: usize,
    /// The least size of a part that is not the last.
    pub(super) least_part: usize,
}

impl Sizes {
    /// 5 MiB is S3's least: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
    pub(super) fn new(format: Format, memory_budget: usize) -> Self {
        Self {
            block: format.block().unwrap_or(LOOK),
            look: LOOK,
            // As large as readers like it, as long as the group before it can be on its way meanwhile.
            group: (memory_budget / 2).min(64 * 1024 * 1024),
            part: 8 * 1024 * 1024,
            least_part: 5 * 1024 * 1024,
        }
    }
}
