//! Maps of tables that others made: objects whose keys are data.

use std::collections::HashSet;

use crate::json::scan::{AFTER_MEMBER, Fault, Inside};
use crate::json::text::unquoted;
use crate::row::plan::{ValuePlan, Verbatim};
use crate::row::splice::Separator;
use crate::row::walk::{Fit, Walker};

impl Walker<'_> {
    /// Under `map<string,…>`: an object, each of whose values is written under the plan. Where a key is there twice nothing
    /// is: some readers take the last value, and others refuse the file.
    pub(super) fn map(&mut self, element: &ValuePlan) -> Result<Fit, Fault> {
        let text = self.scan.text;
        let verbatim = Verbatim::new(element);
        let mut keys = HashSet::new();
        let mut is_distinct = true;
        let mut fit = Fit::Whole;
        let mut separator = Separator::Open;
        self.scan.at += 1;
        self.scan.space();
        let mut is_empty = self.scan.peek() == b'}';
        while !is_empty {
            let key = self.scan.key()?;
            is_distinct &= keys.insert(unquoted(key.content(text)));
            let before = self.row.savepoint();
            self.row
                .put_verbatim_after(separator as u8, key.from, key.to);
            self.row.put(b":");
            let from = self.scan.at;
            let found = if self.scan.peek() == b'n' {
                self.scan.literal("null")?;
                self.row.put_verbatim(from, self.scan.at);
                Fit::Whole
            } else if let Some(end) = verbatim.end(text, from) {
                self.scan.at = end;
                self.row.put_verbatim(from, end);
                Fit::Whole
            } else {
                self.value(element)?
            };
            if found == Fit::Misfit || key.inside == Inside::Broken {
                self.row.roll_back(before);
            } else {
                separator = Separator::Comma;
            }
            if found != Fit::Whole || key.inside == Inside::Broken {
                fit = Fit::Partly;
            }
            self.scan.space();
            match self.scan.peek() {
                b',' => {
                    self.scan.at += 1;
                    self.scan.space();
                }
                b'}' => is_empty = true,
                _ => return Err(Fault(AFTER_MEMBER)),
            }
        }
        self.scan.at += 1;
        if separator == Separator::Open {
            self.row.put(b"{");
        }
        self.row.put(b"}");
        Ok(if is_distinct { fit } else { Fit::Misfit })
    }
}
