//! The swap of a table's location that a run has announced in its record, and how it is taken back.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::lake::{CatalogTable, Lake, Lookup, Updated};
use crate::table::control::fields::{FromFields, Unexpected, objects, optional_object, text};
use crate::table::control::{MarkObject, Stage};
use crate::table::hive;
use crate::table::layout::{self, folder_of_location};
use crate::table::locations::Locations;

/// A table's fields, as the catalog holds them.
type Definition = Map<String, Value>;

/// How often a definition that others keep changing is read again before the swap is left to a later run.
const CONFLICTS: usize = 20;

/// The update of a table that publishes a new generation in place of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Swap {
    pub(crate) database: String,
    pub(crate) table: String,
    /// The folder that it publishes, as the prefix of keys.
    pub(crate) folder: String,
    /// The key of the generation's mark.
    pub(crate) mark: String,
    /// The table as it is before the update; nothing where the update creates it.
    pub(crate) before: Option<Definition>,
    pub(crate) after: Definition,
    /// What the folder of the table as it is before does not say of its partitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) partitions: Vec<Definition>,
}

impl FromFields for Swap {
    fn from_fields(fields: &Map<String, Value>) -> std::result::Result<Self, Unexpected> {
        Ok(Self {
            database: text(fields, "database")?,
            table: text(fields, "table")?,
            folder: text(fields, "folder")?,
            mark: text(fields, "mark")?,
            before: optional_object(fields, "before")?.cloned(),
            after: optional_object(fields, "after")?.ok_or("after")?.clone(),
            partitions: objects(fields, "partitions")?,
        })
    }
}

impl Swap {
    /// Gives the table its earlier definition back, if it shows the folder. Returns whether the objects `keys` may be
    /// deleted: not so where it shows other rows of the folder too, because its earlier rows may be seen nowhere then. Where
    /// it is not found, or is located where neither of its definitions says, it may have been renamed: they may be deleted
    /// if no table of the catalog is located at, inside or above the folder.
    pub(super) fn take_back(&self, lake: &Lake, keys: &[String]) -> Result<bool> {
        let objects = &*lake.objects;
        let mark = MarkObject::read(objects, &self.mark, None)?;
        let is_unpublished =
            |mark: &MarkObject| matches!(mark.mark.stage, Stage::Unpublished | Stage::Discarded);
        if mark.as_ref().is_some_and(is_unpublished) {
            return Ok(true);
        }
        for _ in 0..CONFLICTS {
            let table = match lake.catalog.table(&self.database, &self.table)? {
                Lookup::Found(table) => table,
                Lookup::Absent => return self.unpublish_unseen(lake, mark),
                Lookup::Hidden(error) => return Err(error),
            };
            let root = objects.root();
            let folder = |input: &Definition| folder_of_location(location(input), &root);
            let before = self.before.as_ref().and_then(folder);
            let shown = folder(&table.input);
            if !self.is_begun(&table.input, &root) {
                let is_back = shown.is_some() && shown == before;
                return if is_back {
                    unpublish(lake, mark)
                } else {
                    self.unpublish_unseen(lake, mark)
                };
            }
            let has_partitions = hive::has_partitions(&table.input);
            if self.holds_others(lake, keys, mark.as_ref(), has_partitions)? {
                return Ok(false);
            }
            if has_partitions {
                hive::move_back(lake, self, &table.input, keys)?;
            }
            if self.restore(lake, &table)? == Updated::Done {
                log::info!(
                    "took back the new generation of a table, whose rows nobody acknowledged database={} table={}",
                    self.database,
                    self.table
                );
                // A table that the swap created goes on showing the folder.
                return match before {
                    Some(_) => unpublish(lake, mark),
                    None => Ok(true),
                };
            }
        }
        Ok(false)
    }

    /// Whether the table shows the folder, or its partitions are being moved there.
    fn is_begun(&self, table: &Definition, root: &str) -> bool {
        let shows = |table: &Definition| {
            folder_of_location(location(table), root).as_ref() == Some(&self.folder)
        };
        shows(table) || hive::publishing(table).is_some_and(|after| shows(&after))
    }

    /// Whether the folder holds rows that the swap's run did not name, and that were not written before the swap: those
    /// before it are acknowledged, and gone on with.
    fn holds_others(
        &self,
        lake: &Lake,
        keys: &[String],
        mark: Option<&MarkObject>,
        has_partitions: bool,
    ) -> Result<bool> {
        let named: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let mut others = false;
        lake.objects.list(&self.folder, &mut |listed| {
            let name = &listed.key[self.folder.len()..];
            let name = match name.rsplit_once('/') {
                Some((_, name)) if has_partitions => name,
                _ => name,
            };
            let run = layout::run_of_object(name);
            let is_earlier = |run| mark.is_some_and(|mark| mark.mark.is_by(run));
            others |= run.is_some_and(|run| !is_earlier(run)) && !named.contains(&*listed.key);
            Ok(())
        })?;
        if others {
            log::warn!(
                "the new generation of a run that died is left, because others have added rows to it database={} table={}",
                self.database,
                self.table
            );
        }
        Ok(others)
    }

    /// The same, if no table of the catalog shows the folder.
    fn unpublish_unseen(&self, lake: &Lake, mark: Option<MarkObject>) -> Result<bool> {
        let mut locations = Locations::default();
        let why = match locations.touching(&self.folder, lake, None) {
            Ok(None) => return unpublish(lake, mark),
            Ok(Some(other)) => format!("the table {}.{} shows it", other.database, other.table),
            Err(error) => format!("other tables cannot be listed: {error}"),
        };
        log::warn!(
            "the new generation of a run that died is left, because {why} folder={}",
            self.folder
        );
        Ok(false)
    }

    fn restore(&self, lake: &Lake, table: &CatalogTable) -> Result<Updated> {
        let version = table.version.as_deref();
        let input = self.undone(&table.input);
        lake.catalog.update_table(&self.database, &input, version)
    }

    /// The table as it is once the swap is taken back.
    pub(super) fn foresee(&self, table: &mut CatalogTable, root: &str) {
        if self.is_begun(&table.input, root) {
            table.input = self.undone(&table.input);
        }
    }

    /// The definition without what the swap changed in it; the rest is as it is.
    fn undone(&self, now: &Definition) -> Definition {
        let mut input = now.clone();
        if let Some(before) = &self.before {
            undo(&mut input, before, &self.after);
            let storage = before.get("StorageDescriptor").cloned();
            input.insert("StorageDescriptor".to_owned(), storage.unwrap_or(json!({})));
        }
        if let Some(Value::Object(parameters)) = input.get_mut("Parameters") {
            // A table that the swap created stays, without rows, and without what says whose they were. Where rows of it were
            // acknowledged before the swap, a later attempt adds to them.
            let has_numbers = self.before.is_some() || hive::is_resumable(&self.after);
            let stays = |key: &str| has_numbers && hive::is_number(key);
            parameters.retain(|key, _| !hive::is_of_a_swap(key) || stays(key));
        }
        input
    }
}

/// Notes that no table shows the generation, so that it can be gone on with or discarded.
fn unpublish(lake: &Lake, mark: Option<MarkObject>) -> Result<bool> {
    if let Some(mut mark) = mark {
        let owner = mark.mark.owner.clone();
        mark.advance(&*lake.objects, &owner, Stage::Unpublished)?;
    }
    Ok(true)
}

/// Gives the entries that are as in `after` the values of `before`.
fn undo(now: &mut Definition, before: &Definition, after: &Definition) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let found = now.get_mut(key);
        match (found, before.get(key), after.get(key)) {
            (Some(Value::Object(now)), Some(Value::Object(before)), Some(Value::Object(after))) => {
                undo(now, before, after);
            }
            (found, Some(value), after) if found.as_deref() == after => {
                now.insert(key.clone(), value.clone());
            }
            (found, None, after) if found.as_deref() == after => {
                now.remove(key);
            }
            _ => {}
        }
    }
}

fn location(input: &Definition) -> &str {
    input
        .get("StorageDescriptor")
        .and_then(|storage| storage.get("Location"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_changed_since_the_swap_stays() {
        let definition = |value: Value| value.as_object().cloned().unwrap();
        let before = definition(json!({"Owner": "a", "Retention": 1,
            "Parameters": {"singer_version": "1", "skip.header.line.count": "1", "same": "x"}}));
        let after = definition(
            json!({"Owner": "a", "Retention": 1, "TableType": "EXTERNAL_TABLE",
            "Parameters": {"singer_version": "2", "same": "x", "EXTERNAL": "TRUE", "classification": "json"}}),
        );
        let mut now = definition(
            json!({"Owner": "b", "Retention": 1, "TableType": "EXTERNAL_TABLE", "Description": "d",
            "Parameters": {"singer_version": "2", "same": "x", "EXTERNAL": "TRUE", "classification": "csv", "tag": "t"}}),
        );
        undo(&mut now, &before, &after);
        let expected = json!({"Owner": "b", "Retention": 1, "Description": "d",
            "Parameters": {"singer_version": "1", "skip.header.line.count": "1", "same": "x",
                "classification": "csv", "tag": "t"}});
        assert_eq!(Value::Object(now), expected);
    }
}
