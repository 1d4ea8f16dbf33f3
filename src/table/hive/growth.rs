//! Columns that rows get while they are written. The catalog learns of them before readers see such rows.

use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::schema::{Column, evolve};
use crate::table::hive::{HiveTable, Visibility};
use crate::table::{Grown, TableChange};

impl HiveTable {
    /// Brings in columns that were seen in records. Rows of before are right under those of after.
    pub(in crate::table) fn grow(&mut self, seen: &[Column]) -> Grown {
        let terms = self.target.terms();
        let wanted = evolve::reconcile(&self.target.wanted, seen, terms);
        let (columns, notes, has_changed) = if self.visibility == Visibility::Swap {
            // No row of the old generation stays, whatever types it has.
            let columns = evolve::replace(&self.before, &wanted.columns, terms.rules);
            let has_changed = wanted.changed;
            (columns, wanted.notes, has_changed)
        } else {
            let merged = evolve::reconcile(&self.columns, seen, terms);
            (merged.columns, merged.notes, merged.changed)
        };
        if !has_changed {
            return Grown {
                columns: None,
                notes,
            };
        }
        self.target.wanted = wanted.columns;
        self.columns.clone_from(&columns);
        self.has_grown = true;
        Grown {
            columns: Some(columns),
            notes,
        }
    }

    /// Gives the table that shows the rows the columns that these have. One that is gone is left to
    /// [`look`](HiveTable::look).
    pub(super) fn publish_columns(&mut self, lake: &Lake) -> Result<Vec<TableChange>> {
        let shows = matches!(self.visibility, Visibility::Published | Visibility::Move(_));
        if !self.has_grown || !shows {
            return Ok(Vec::new());
        }
        let Some(published) = self.target.extend(&*lake.catalog)? else {
            return Ok(Vec::new());
        };
        let rules = self.target.format.rules();
        if !evolve::reads(&published.columns, &self.columns, rules) {
            return Err(Error::transient(format!(
                "another writer has given the table {} columns of other types during this load, which these rows do not fit",
                self.name()
            ))
            .hint("load them again"));
        }
        self.has_grown = false;
        Ok(published.changes)
    }
}
