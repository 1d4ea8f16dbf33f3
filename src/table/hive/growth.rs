//! Columns that rows get while they are written. The catalog learns of them before readers see such rows.

use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::schema::evolve::SchemaOrigin;
use crate::schema::{Column, ColumnPolicy, SchemaChanges, evolve, readable};
use crate::table::hive::{HiveTable, Visibility};
use crate::table::{Grown, TableChange, TableTarget};

impl HiveTable {
    /// Brings in columns that were seen in records. Rows of before are right under those of after.
    pub(in crate::table) fn grow(&mut self, seen: &[Column]) -> Result<Grown> {
        let terms = self.target.terms();
        let is_no_key = |column: &&Column| {
            let keys = &mut self.target.keys.iter();
            !keys.any(|key| key.name.eq_ignore_ascii_case(&column.field.name))
        };
        let seen: Vec<Column> = seen.iter().filter(is_no_key).cloned().collect();
        let seen = &*seen;
        let is_free = terms.policy.schema_changes == SchemaChanges::Extend;
        let (mut grown, wanted) = if self.visibility == Visibility::Swap && is_free {
            // No row of the old generation stays, whatever types it has.
            let mut grown = evolve::reconcile(&self.target.wanted, seen, terms);
            let wanted = grown.columns;
            grown.columns = self
                .target
                .replaced_columns(&self.before, &wanted, self.is_adopted);
            (grown, Some(wanted))
        } else {
            let grown = evolve::reconcile(&self.columns, seen, terms);
            let is_new = self.visibility == Visibility::Create;
            let wanted = is_new.then(|| grown.columns.clone());
            (grown, wanted)
        };
        if let Some(forbidden) = grown.forbidden.take() {
            return Err(self.target.forbidden(&forbidden));
        }
        let mut columns = None;
        if grown.changed {
            self.columns.clone_from(&grown.columns);
            columns = Some(grown.columns);
            self.has_grown = true;
            if let Some(wanted) = wanted {
                self.target.wanted = wanted;
            }
        }
        Ok(Grown {
            columns,
            notes: grown.notes,
        })
    }

    /// Gives the table that shows the rows the columns that these have. One that is gone is left to
    /// [`look`](HiveTable::look).
    pub(super) fn publish_columns(&mut self, lake: &Lake) -> Result<Vec<TableChange>> {
        let shows = matches!(self.visibility, Visibility::Published | Visibility::Move(_));
        if !self.has_grown || !shows {
            return Ok(Vec::new());
        }
        let rules = self.target.format.rules();
        // What may change was decided when the columns grew.
        let grown = TableTarget {
            wanted: self.columns.clone(),
            origin: SchemaOrigin::Declared,
            policy: ColumnPolicy::default(),
            ..self.target.clone()
        };
        let Some(published) = grown.extend(&*lake.catalog)? else {
            return Ok(Vec::new());
        };
        if !readable::reads(&published.columns, &self.columns, rules) {
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
