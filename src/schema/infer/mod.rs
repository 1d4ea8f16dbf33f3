//! A JSON schema out of sample records: what every value agrees on, and text for the rest.
//!
//! It never fails: a line that is no record is passed over, because whoever writes it to a table says what is wrong
//! with it, and where. Values are read as text, so that no digit of a number is lost.

mod moment;
mod seen;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::json::scan::Scanner;

use seen::Members;

/// What the records so far have in common.
#[derive(Default)]
pub(crate) struct Inference {
    members: Members,
}

impl Inference {
    /// Looks at one record.
    pub(crate) fn record(&mut self, line: &[u8]) {
        let mut scan = Scanner::new(line);
        scan.space();
        if scan.peek() == b'{' {
            // A fault ends the looking; what was seen before it stays, and does no harm.
            let _ = self.members.object(&mut scan, 0);
        }
    }

    /// The schema, with the properties in the order in which they were first seen.
    ///
    /// A property that was never more than null is left out: nothing is known of it.
    pub(crate) fn schema(&self) -> Value {
        let properties: Map<String, Value> = self.members.schemas().collect();
        json!({"type": "object", "properties": properties})
    }
}
