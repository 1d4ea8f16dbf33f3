//! Infers a JSON schema from sample records: the type that all values of a property have, or text.
//!
//! It never fails: a line that is no record is passed over, because the error is reported when its row is encoded. Values are read as text, so that no digit of a number is lost.

pub(super) mod map;
mod seen;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::json::scan::Scanner;

use seen::{Look, Properties};

/// The properties of the records so far.
#[derive(Default)]
pub(crate) struct Inference {
    members: Properties,
    look: Look,
}

impl Inference {
    /// Looks at one record.
    pub(crate) fn record(&mut self, line: &[u8]) {
        let mut scan = Scanner::new(line);
        scan.space();
        if scan.peek() == b'{' {
            // A fault ends the record; what was seen before it stays, and does no harm.
            let _ = self.members.object(&mut scan, &mut self.look, 0);
        }
    }

    /// Looks at one member of a record, whose key has its quotes. Returns whether it shows what none before it did.
    pub(crate) fn member(&mut self, key: &[u8], value: &[u8]) -> bool {
        let before = self.look.news();
        // As above.
        let _ = self
            .members
            .member(key, &mut Scanner::new(value), &mut self.look);
        self.look.news() > before
    }

    /// The schema, with the properties in the order in which they were first seen.
    ///
    /// A property that was always null, or an array or object without a value inside, is left out: its type is not known,
    /// and a column cannot change it later.
    pub(crate) fn schema(&self) -> Value {
        let properties: Map<String, Value> = self.members.schemas().collect();
        json!({"type": "object", "properties": properties})
    }
}
