//! Airbyte's protocol: the configured catalog, messages in, states in and out; and Singer's messages.
//! It knows no tables and no AWS. Specification: <https://docs.airbyte.com/platform/understanding-airbyte/airbyte-protocol>.

pub(crate) mod catalog;
mod envelope;
pub(crate) mod message;
mod prefix;
pub(crate) mod singer;
pub(crate) mod state;

use std::fmt;

/// A stream's key: its namespace and its name. An empty namespace counts as none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamKey {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl StreamKey {
    pub(crate) fn new(namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace
            .filter(|namespace| !namespace.is_empty())
            .map(str::to_owned);
        Self {
            namespace,
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace:?}.{:?}", self.name),
            None => write!(f, "{:?}", self.name),
        }
    }
}
