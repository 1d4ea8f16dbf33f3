//! Secrets: text that must never be printed.

use std::fmt;

/// A secret: its `Debug` is a fixed mark, it has no `Display`, and only `reveal` gives the text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for signing and sending; never for a message.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_text_is_a_fixed_mark() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }
}
