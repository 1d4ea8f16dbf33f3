//! What the catalog should say of a stream's table: made, kept in step with the schema, moved to a new generation.
//! It speaks to the catalog through `lake`, and knows no rows.

mod definition;
pub(crate) mod layout;

use serde_json::{Map, Value};

use crate::error::{Error, Refusal, Result};
use crate::file::Format;
use crate::lake::{Catalog, Created, Table, Updated};
use crate::schema::evolve::{self, Claim, Reconciled};
use crate::schema::{Field, Note, Type, note};
use crate::table::layout::Generation;

/// How often a definition that others keep changing is read again before we give up.
const CONFLICTS: usize = 20;

/// The table that a stream asks for.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) database: String,
    pub(crate) name: String,
    /// The columns of the stream's schema, and ours behind them.
    pub(crate) wanted: Vec<Field>,
    /// Where the types of those columns come from.
    pub(crate) claim: Claim,
    pub(crate) format: Format,
}

/// The table as readers see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) location: String,
    /// In the catalog's order; each with the property that fills it.
    pub(crate) fields: Vec<Field>,
    /// What became of the definition, a sentence each.
    pub(crate) changes: Vec<String>,
    /// The number of the last generation that a swap has shown.
    pub(crate) generation: Option<i64>,
}

/// Whether the database is there, as far as that is told.
pub(crate) fn has_database(catalog: &dyn Catalog, database: &str) -> Result<bool> {
    match catalog.has_database(database) {
        Ok(is_there) => Ok(is_there),
        // Lake Formation refuses to say whether a database that is absent is there: creating it tells.
        Err(error) if is_denied(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the database where it is absent, and puts its tag on it.
pub(crate) fn ensure_database(catalog: &dyn Catalog, database: &str) -> Result<()> {
    let is_there = has_database(catalog, database)?;
    if !is_there && catalog.create_database(database)? == Created::Now {
        log::info!("created the database database={database}");
    }
    catalog.tag_database(database)
}

impl Target {
    /// Makes the table at `location` where there is none; else gives it the columns it lacks and keeps its location.
    pub(crate) fn ensure(&self, catalog: &dyn Catalog, location: &str) -> Result<Shown> {
        for _ in 0..CONFLICTS {
            let (table, denied) = self.look(catalog)?;
            let Some(table) = table else {
                let input = definition::new(&self.name, location, &self.wanted, self.format);
                if !self.create(catalog, &input, denied)? {
                    continue;
                }
                log::info!(
                    "created the table database={} table={}",
                    self.database,
                    self.name
                );
                return Ok(Shown {
                    location: location.to_owned(),
                    fields: self.wanted.clone(),
                    changes: vec!["the table is new".to_owned()],
                    generation: None,
                });
            };
            let reconciled = self.preview(&table)?;
            let updated = if reconciled.changed {
                let input = definition::with_fields(&table.input, &reconciled.fields);
                catalog.update_table(&self.database, &input, table.version.as_deref())?
            } else {
                Updated::Done
            };
            if updated == Updated::Done {
                let is_change =
                    |note: &&Note| matches!(note, Note::Added { .. } | Note::Widened { .. });
                for note in &reconciled.notes {
                    log::info!("{note} database={} table={}", self.database, self.name);
                }
                let location = definition::location(&table.input).to_owned();
                let generation = definition::generation(&table.input);
                return Ok(Shown {
                    location,
                    fields: reconciled.fields,
                    changes: reconciled
                        .notes
                        .iter()
                        .filter(is_change)
                        .map(ToString::to_string)
                        .collect(),
                    generation,
                });
            }
        }
        Err(self.contended())
    }

    /// The columns under which a new generation is written: those of the stream, in the order of the table that is
    /// there. Columns that vanished stay, so that views on them keep working.
    pub(crate) fn fields_of_a_new_generation(&self, table: Option<&Table>) -> Vec<Field> {
        let Some(table) = table else {
            return self.wanted.clone();
        };
        let mut fields = self.reconcile(&table.input).fields;
        for field in &mut fields {
            // No row of the old types will remain, so the stream's own type holds.
            if let Some(wanted) = self.wanted.iter().find(|wanted| wanted.name == field.name) {
                field.clone_from(wanted);
            }
        }
        fields
    }

    /// What `ensure` would make of the table's columns, without doing it.
    pub(crate) fn preview(&self, table: &Table) -> Result<Reconciled> {
        definition::refuse_unwritable(&table.input, self)?;
        Ok(self.reconcile(&table.input))
    }

    fn reconcile(&self, input: &Map<String, Value>) -> Reconciled {
        evolve::reconcile(&definition::fields(input), &self.wanted, self.claim)
    }

    /// The table as it is now, if it is there and may be seen.
    pub(crate) fn find(&self, catalog: &dyn Catalog) -> Result<Option<Table>> {
        self.look(catalog).map(|(table, _)| table)
    }

    /// The table, if it is there and may be seen; else what was said where it may be there and hidden.
    ///
    /// Under Lake Formation an absent table may look like a forbidden one, as databases do.
    pub(crate) fn look(&self, catalog: &dyn Catalog) -> Result<(Option<Table>, Option<Error>)> {
        match catalog.table(&self.database, &self.name) {
            Ok(table) => Ok((table, None)),
            Err(error) if is_denied(&error) => Ok((None, Some(error))),
            Err(error) => Err(error),
        }
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

    /// Shows the objects below `location`, and no others, in one step. Returns what became of the definition, a
    /// sentence each.
    pub(crate) fn show(
        &self,
        catalog: &dyn Catalog,
        location: &str,
        generation: Option<&Generation>,
    ) -> Result<Vec<String>> {
        let shows = format!("the table shows a new generation at {location}");
        for _ in 0..CONFLICTS {
            let (table, denied) = self.look(catalog)?;
            let fields = self.fields_of_a_new_generation(table.as_ref());
            let mut changes = vec![shows.clone()];
            let done = match table {
                None => {
                    let input = definition::new(&self.name, location, &fields, self.format);
                    let input = definition::with_generation(input, generation);
                    changes.push("the table is new".to_owned());
                    self.create(catalog, &input, denied)?
                }
                Some(table) => {
                    definition::refuse_replacing(&table.input, self)?;
                    let input = definition::at(&table.input, location, &fields, self.format);
                    let input = definition::with_generation(input, generation);
                    changes.extend(self.differences(&table.input, &input));
                    input == table.input
                        || catalog.update_table(&self.database, &input, table.version.as_deref())?
                            == Updated::Done
                }
            };
            if done {
                log::info!(
                    "the table shows a new generation database={} table={} location={location}",
                    self.database,
                    self.name
                );
                return Ok(changes);
            }
        }
        Err(self.contended())
    }

    /// What differs in the columns of a new generation. None is dropped: one that the stream does not have any more
    /// stays, without a value.
    fn differences(&self, before: &Map<String, Value>, now: &Map<String, Value>) -> Vec<String> {
        let before = definition::fields(before);
        let mut notes = Vec::new();
        for field in definition::fields(now) {
            let path = note::place(&field.name);
            match change(&before, &field) {
                Some(Change::Added { to: of, .. }) => notes.push(Note::Added { path, of }),
                Some(Change::Retyped { from, to, .. }) => {
                    notes.push(Note::Retyped { path, from, to });
                }
                None if !self.wanted.iter().any(|wanted| is_same(wanted, &field)) => {
                    notes.push(Note::Gone { path });
                }
                None => {}
            }
        }
        notes.iter().map(ToString::to_string).collect()
    }

    /// An error where a new generation could not take the table's place.
    pub(crate) fn refuse_replacing(&self, table: Option<&Table>) -> Result<()> {
        table.map_or(Ok(()), |table| {
            definition::refuse_replacing(&table.input, self)
        })
    }

    fn contended(&self) -> Error {
        Error::transient(format!(
            "the table {}.{} was changed by others each of the {CONFLICTS} times we tried to update it",
            self.database, self.name
        ))
    }
}

/// Whether Lake Formation refuses to say whether something is there. IAM's refusals say which permission lacks: those
/// are told as they are.
fn is_denied(error: &Error) -> bool {
    let is_of_iam = |refusal: &Refusal| refusal.message.contains("not authorized to perform");
    matches!(error.code(), "AccessDeniedException" | "AccessDenied")
        && !error.refusal().is_some_and(is_of_iam)
}

/// Where the table's rows are.
pub(crate) fn location(table: &Table) -> &str {
    definition::location(&table.input)
}

/// A difference of a column to the table as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added {
        column: String,
        to: Type,
    },
    Retyped {
        column: String,
        from: Type,
        to: Type,
    },
}

/// What becomes of a column, given those that there were; the catalog knows types by their texts.
pub(crate) fn change(before: &[Field], field: &Field) -> Option<Change> {
    let column = field.name.clone();
    let to = field.of.clone();
    match before.iter().find(|old| is_same(old, field)) {
        None => Some(Change::Added { column, to }),
        Some(old) if old.of.to_string() == to.to_string() => None,
        Some(old) => Some(Change::Retyped {
            column,
            from: old.of.clone(),
            to,
        }),
    }
}

/// The catalog's names have no case.
fn is_same(one: &Field, other: &Field) -> bool {
    one.name.eq_ignore_ascii_case(&other.name)
}

/// The table's columns.
pub(crate) fn columns(table: &Table) -> Vec<Field> {
    definition::fields(&table.input)
}
