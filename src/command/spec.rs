//! `spec`: prints the connector's specification on one line. Needs neither configuration nor network.

use crate::error::{Error, Result};
use crate::out;

/// The specification, a file of its own so that it can be compared with the Python connector's.
const SPECIFICATION: &str = include_str!("spec.json");

pub(super) fn run() -> Result<()> {
    let specification = serde_json::from_str(SPECIFICATION)
        .map_err(|error| Error::system("the specification is not valid JSON").because(error))?;
    out::line(out::spec(&specification).as_bytes())
}
