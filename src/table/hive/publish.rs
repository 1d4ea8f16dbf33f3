//! The conversation with the catalog about one table: found, created, given new columns, moved to a new generation.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::lake::{Catalog, CatalogTable, Created, Lookup, Updated};
use crate::schema::evolve::{self, Reconciled};
use crate::schema::{Column, Forbidden, Forbidding, Note, SchemaChanges, column, note, replace};
use crate::table::hive::generations::Numbered;
use crate::table::hive::{definition, partitions, settings};
use crate::table::{Change, TableChange, TableTarget, change, is_same, notes};

/// How often a definition that others keep changing is read again before we give up.
pub(super) const CONFLICTS: usize = 20;

/// The table as readers see it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::table) struct Published {
    pub(in crate::table) location: String,
    /// In the catalog's order; each with the property that fills it.
    pub(in crate::table) columns: Vec<Column>,
    /// How the definition changed.
    pub(in crate::table) changes: Vec<TableChange>,
    /// The platform's numbers of the generation that a swap has published.
    pub(in crate::table) numbers: Option<Numbered>,
}

/// What a swap did.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Swapped {
    pub(super) changes: Vec<TableChange>,
    /// The location of the table at the version that was replaced; none where the table is new.
    pub(super) replaced: Option<String>,
}

/// The table before a swap, and after it.
pub(super) struct Next {
    /// The table as it was read, where it was found.
    pub(super) table: Option<CatalogTable>,
    /// What was said of a table that may be there and hidden.
    denied: Option<Error>,
    columns: Vec<Column>,
    pub(super) input: Map<String, Value>,
}

impl TableTarget {
    /// Makes the table at `location` where there is none; else gives it the columns it lacks and keeps its location. What is
    /// known of the table is taken for the first look at it.
    pub(in crate::table) fn ensure(
        &self,
        catalog: &dyn Catalog,
        location: &str,
        mut first: Option<Lookup<CatalogTable>>,
    ) -> Result<Published> {
        for _ in 0..CONFLICTS {
            let (table, denied) = self.look(catalog, first.take())?;
            let Some(table) = table else {
                let input =
                    definition::new(&self.name, location, &self.wanted, &self.keys, self.format);
                if !self.create(catalog, &input, denied)? {
                    continue;
                }
                log::info!(
                    "created the table database={} table={}",
                    self.database,
                    self.name
                );
                return Ok(Published {
                    location: location.to_owned(),
                    columns: self.wanted.clone(),
                    changes: vec![TableChange::Created],
                    numbers: None,
                });
            };
            if let Some(published) = self.bring_in(catalog, &table)? {
                return Ok(published);
            }
        }
        Err(self.contended())
    }

    /// Gives the table that is there the columns it lacks; nothing where there is none any more.
    pub(in crate::table) fn extend(&self, catalog: &dyn Catalog) -> Result<Option<Published>> {
        for _ in 0..CONFLICTS {
            let Some(table) = self.find(catalog, None)? else {
                return Ok(None);
            };
            if let Some(published) = self.bring_in(catalog, &table)? {
                return Ok(Some(published));
            }
        }
        Err(self.contended())
    }

    /// Gives this table the columns it lacks; nothing where another has changed it meanwhile.
    fn bring_in(&self, catalog: &dyn Catalog, table: &CatalogTable) -> Result<Option<Published>> {
        let reconciled = self.preview(table)?;
        // Also where only the record of what fills a column is new.
        let input = definition::with_columns(&table.input, &reconciled.columns);
        let updated = if input == table.input {
            Updated::Done
        } else {
            partitions::grow(catalog, &self.database, &input)?;
            catalog.update_table(&self.database, &input, table.version.as_deref())?
        };
        if updated != Updated::Done {
            return Ok(None);
        }
        let is_change = |note: &&Note| matches!(note, Note::Added { .. } | Note::Widened { .. });
        notes::log(&reconciled.notes, &|note| {
            format!("{note} database={} table={}", self.database, self.name)
        });
        let location = definition::location(&table.input).to_owned();
        let numbers = definition::numbers(&table.input);
        Ok(Some(Published {
            location,
            columns: reconciled.columns,
            changes: reconciled
                .notes
                .iter()
                .filter(is_change)
                .cloned()
                .map(TableChange::Column)
                .collect(),
            numbers,
        }))
    }

    /// The columns under which a new generation is written.
    pub(in crate::table) fn columns_of_a_new_generation(
        &self,
        table: Option<&CatalogTable>,
    ) -> Vec<Column> {
        table.map_or_else(
            || self.wanted.clone(),
            |table| {
                let columns = definition::columns(&table.input);
                let is_adopted = definition::is_adopted(&table.input);
                match self.policy.schema_changes {
                    SchemaChanges::Extend => {
                        self.replaced_columns(&columns, &self.wanted, is_adopted)
                    }
                    SchemaChanges::Freeze | SchemaChanges::Fail => {
                        self.reconcile_with(&columns).columns
                    }
                }
            },
        )
    }

    /// The columns of a new generation with the wanted ones, in a table of these.
    pub(in crate::table::hive) fn replaced_columns(
        &self,
        columns: &[Column],
        wanted: &[Column],
        is_adopted: bool,
    ) -> Vec<Column> {
        if is_adopted {
            replace::replace_and_keep(columns, wanted, self.format.rules())
        } else {
            replace::replace(columns, wanted, self.format.rules())
        }
    }

    /// What `ensure` would make of the table's columns, without doing it.
    pub(in crate::table) fn preview(&self, table: &CatalogTable) -> Result<Reconciled> {
        definition::refuse_unwritable(&table.input, self)?;
        let reconciled = self.reconcile(&table.input);
        match &reconciled.forbidden {
            Some(forbidden) => Err(self.forbidden(forbidden)),
            None => Ok(reconciled),
        }
    }

    /// The columns of a table of these, with the wanted ones brought in.
    pub(in crate::table) fn reconcile_with(&self, columns: &[Column]) -> Reconciled {
        evolve::reconcile(columns, &self.wanted, self.terms())
    }

    fn reconcile(&self, input: &Map<String, Value>) -> Reconciled {
        self.reconcile_with(&definition::columns(input))
    }

    /// The table as it is now, if it is there and may be seen.
    pub(in crate::table) fn find(
        &self,
        catalog: &dyn Catalog,
        known: Option<Lookup<CatalogTable>>,
    ) -> Result<Option<CatalogTable>> {
        self.look(catalog, known).map(|(table, _)| table)
    }

    /// The table as it is known, or else as it is now, if it is there and may be seen; else what was said where it may be
    /// there and hidden.
    ///
    /// Under Lake Formation an absent table may look like a forbidden one, as databases do.
    pub(in crate::table) fn look(
        &self,
        catalog: &dyn Catalog,
        known: Option<Lookup<CatalogTable>>,
    ) -> Result<(Option<CatalogTable>, Option<Error>)> {
        let looked = known.map_or_else(|| catalog.table(&self.database, &self.name), Ok);
        Ok(match looked? {
            Lookup::Found(table) => (Some(table), None),
            Lookup::Absent => (None, None),
            Lookup::Hidden(error) => (None, Some(error)),
        })
    }

    /// Creates a table that was not seen; not so where another was quicker. One that is there and hidden is an error.
    fn create(
        &self,
        catalog: &dyn Catalog,
        input: &Map<String, Value>,
        denied: Option<Error>,
    ) -> Result<bool> {
        match (catalog.create_table(&self.database, input)?, denied) {
            (Created::Now, _) => Ok(true),
            (Created::Before, None) => Ok(false),
            (Created::Before, Some(error)) => Err(error),
        }
    }

    /// The table as it was read, and as it would be with the objects below `location`, and no others.
    pub(super) fn next(
        &self,
        catalog: &dyn Catalog,
        location: &str,
        numbers: Option<&Numbered>,
    ) -> Result<Next> {
        let (table, denied) = self.look(catalog, None)?;
        let columns = self.columns_of_a_new_generation(table.as_ref());
        let input = match &table {
            None => definition::new(&self.name, location, &columns, &self.keys, self.format),
            Some(table) => {
                definition::refuse_replacing(&table.input, self)?;
                self.refuse_beside(&table.input)?;
                definition::at(&table.input, location, &columns, self.format)
            }
        };
        let input = definition::with_numbers(input, numbers);
        Ok(Next {
            input: definition::with_version(input, self.version),
            columns,
            table,
            denied,
        })
    }

    /// An error where a swap of partitions is under way.
    pub(super) fn refuse_beside(&self, input: &Map<String, Value>) -> Result<()> {
        if self.keys.is_empty() || definition::publishing(input).is_none() {
            return Ok(());
        }
        Err(Error::transient(format!(
            "an overwrite that runs beside this one is moving the partitions of the table {}",
            self.full_name()
        ))
        .hint("run it again, and let one run at a time write the table"))
    }

    /// Publishes the objects below `location`, and no others, in one step; with partitions, begins it. Before each attempt
    /// `announce` is called with what the attempt would replace; nothing is swapped once it says no. The first attempt takes
    /// the table as it was read before, where it was.
    pub(super) fn swap(
        &self,
        catalog: &dyn Catalog,
        location: &str,
        numbers: Option<&Numbered>,
        first: Option<&Next>,
        announce: &mut dyn FnMut(&Next) -> Result<bool>,
    ) -> Result<Option<Swapped>> {
        if let Some(next) = first {
            if !announce(next)? {
                return Ok(None);
            }
            if let Some(swapped) = self.swap_to(catalog, location, next)? {
                return Ok(Some(swapped));
            }
        }
        for _ in 0..CONFLICTS {
            let next = self.next(catalog, location, numbers)?;
            if !announce(&next)? {
                return Ok(None);
            }
            if let Some(swapped) = self.swap_to(catalog, location, &next)? {
                return Ok(Some(swapped));
            }
        }
        Err(self.contended())
    }

    /// Swaps the table, as it was read; nothing where another has changed it meanwhile.
    fn swap_to(
        &self,
        catalog: &dyn Catalog,
        location: &str,
        next: &Next,
    ) -> Result<Option<Swapped>> {
        let mut changes = vec![TableChange::Published(location.to_owned())];
        let before = next.table.as_ref().map(|table| &table.input);
        let replaced = before.map(|input| definition::location(input).to_owned());
        let publishing;
        let input = if self.keys.is_empty() {
            &next.input
        } else {
            let now = before.unwrap_or(&next.input).clone();
            publishing = definition::with_publishing(now, &next.input)?;
            &publishing
        };
        let done = match &next.table {
            None => {
                changes.push(TableChange::Created);
                let denied = next.denied.as_ref().map(Error::again);
                self.create(catalog, input, denied)?
            }
            Some(table) => {
                let dropped = settings::dropped(&table.input, self.format);
                if !dropped.is_empty() {
                    changes.push(TableChange::Dropped(dropped));
                }
                let differences =
                    self.differences(&definition::columns(&table.input), &next.columns);
                self.warn_of_adoption(table, location, &differences);
                changes.extend(differences.into_iter().map(TableChange::Column));
                *input == table.input
                    || catalog.update_table(&self.database, input, table.version.as_deref())?
                        == Updated::Done
            }
        };
        if !done {
            return Ok(None);
        }
        for change in &changes {
            if matches!(change, TableChange::Dropped(_)) {
                log::info!("{change} database={} table={}", self.database, self.name);
            }
        }
        log::info!(
            "published a new generation database={} table={} location={location}",
            self.database,
            self.name
        );
        Ok(Some(Swapped { changes, replaced }))
    }

    /// Warns of what an overwrite changes that users of a table of the Python connector rely on.
    fn warn_of_adoption(&self, table: &CatalogTable, location: &str, differences: &[Note]) {
        if !definition::is_adopted(&table.input) {
            return;
        }
        let (database, name) = (&self.database, &self.name);
        if definition::is_of_the_python_connector(&table.input) {
            log::warn!(
                "the rows of a table of the Python connector move from {} to {location}, where that connector cannot go on with them database={database} table={name}",
                definition::location(&table.input)
            );
        }
        for note in differences {
            if matches!(note, Note::Retyped { .. }) {
                log::warn!("{note} database={database} table={name}");
            }
        }
    }

    /// What differs in the columns of a new generation. None is dropped: one that the stream does not have any more
    /// stays, without a value.
    fn differences(&self, before: &[Column], now: &[Column]) -> Vec<Note> {
        let before = column::fields(before);
        let mut notes = Vec::new();
        for field in column::fields(now) {
            let path = note::place(&field.name);
            match change(&before, &field) {
                Some(Change::Added { to: data_type, .. }) => {
                    notes.push(Note::Added { path, data_type });
                }
                Some(Change::Retyped { from, to, .. }) => {
                    notes.push(Note::Retyped { path, from, to });
                }
                None if !self
                    .wanted
                    .iter()
                    .any(|wanted| is_same(&wanted.field, &field)) =>
                {
                    notes.push(Note::Gone { path });
                }
                None => {}
            }
        }
        notes
    }

    /// An error where a new generation could not take the table's place.
    pub(in crate::table) fn refuse_replacing(&self, table: Option<&CatalogTable>) -> Result<()> {
        let Some(table) = table else { return Ok(()) };
        definition::refuse_replacing(&table.input, self)?;
        if self.policy.schema_changes != SchemaChanges::Fail {
            return Ok(());
        }
        let reconciled = self.reconcile(&table.input);
        // Types that would be others in a new generation.
        let is_kept = |note: &Note| matches!(note, Note::Kept { .. });
        let kept = reconciled.notes.into_iter().find(is_kept);
        let kept = kept.map(|change| Forbidden {
            change,
            by: Forbidding::SchemaChanges,
        });
        match reconciled.forbidden.or(kept) {
            Some(forbidden) => Err(self.forbidden(&forbidden)),
            None => Ok(()),
        }
    }

    /// The error of a change that the configuration forbids.
    pub(in crate::table) fn forbidden(&self, forbidden: &Forbidden) -> Error {
        Error::config(format!(
            "the table {}.{} may not change, because {}: {}",
            self.database,
            self.name,
            forbidden.by.setting(),
            forbidden.change
        ))
        .hint(forbidden.by.hint())
    }

    pub(in crate::table) fn contended(&self) -> Error {
        Error::transient(format!(
            "gave up updating the table {}.{} after {CONFLICTS} conflicting updates by other writers",
            self.database, self.name
        ))
    }
}
