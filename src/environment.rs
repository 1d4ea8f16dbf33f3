//! The process environment as a value: `command` reads it once and passes it on.

use std::collections::BTreeMap;

/// Environment variables; an empty value counts as absent, as for AWS's tools.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// From pairs, as `std::env::vars_os` gives them (names and values that are not UTF-8 are left out).
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

    /// The names that begin with this and have a value.
    pub(crate) fn names<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.0.iter().filter(|(_, value)| !value.is_empty());
        names
            .map(|(name, _)| name.as_str())
            .filter(move |name| name.starts_with(beginning))
    }

    /// Whether the variable has this value; case does not matter.
    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name)
            .is_some_and(|found| found.eq_ignore_ascii_case(value))
    }
}
