//! What is wrong with an input that cannot be read on.

use std::io::ErrorKind;

use crate::error::Error;
use crate::input::{CurrentInput, Lines, compressed};

impl Lines {
    pub(super) fn window_too_large(&self, window: u64) -> Error {
        Error::config(format!(
            "{}: expected a zstd window of at most {} MiB, half of memory_budget_mb, found one of {} MiB",
            self.current.name,
            self.decompression.most >> 20,
            window.div_ceil(1 << 20),
        ))
        .hint(format!(
            "raise memory_budget_mb to {}, or compress again without --long and --ultra",
            window.div_ceil(1 << 20) * 2
        ))
    }

    /// The window of the first frame counts in the memory budget, so no later one may have a larger one.
    fn later_window_too_large(&self) -> Error {
        Error::config(format!(
            "{}: expected zstd windows of at most {} MiB in all frames, as in the first, found a larger one",
            self.current.name,
            self.decompression.taken.div_ceil(1 << 20),
        ))
        .hint("compress it again as one frame, or without --long and --ultra")
    }

    pub(super) fn read_error(&self, error: std::io::Error) -> Error {
        let name = &self.current.name;
        match self.current.content {
            CurrentInput::Compressed(_) if compressed::is_window_too_large(&error) => {
                return self.later_window_too_large();
            }
            CurrentInput::Compressed(_) => {
                let fault = match error.kind() {
                    ErrorKind::UnexpectedEof => "is truncated",
                    _ => "is corrupt",
                };
                Error::config(format!("{name}: the compressed data {fault}"))
                    .hint("download or recompress the file, then load it again")
            }
            _ => Error::system(format!("cannot read {name}")),
        }
        .because(error)
    }
}
