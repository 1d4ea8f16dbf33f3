//! The process environment as a value: `command` reads it once and hands it on.

use std::collections::BTreeMap;

/// Environment variables; an empty value counts as absent, as AWS's tools have it.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// From pairs, as `std::env::vars_os` gives them (names and values that are no UTF-8 are left out).
    pub(crate) fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The variable's value, unless it is absent or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}
