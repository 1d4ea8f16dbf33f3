//! The swap of a table with partitions. The catalog cannot move all of them in one step, so that the table says in a
//! parameter what it is to be, and whoever finds that goes on with it:
//!
//! 1. the table gets the parameter;
//! 2. partitions that stay are moved to the new generation, one after the other;
//! 3. new ones are added;
//! 4. those that the new generation does not have are removed;
//! 5. the table becomes what the parameter says, without it.
//!
//! A reader by partitions sees each of them old or new, never both and never half; between partitions it may see some old
//! and some new ones. A reader by the table's location sees the old generation until the last step, and then the new one.
//!
//! A generation's partitions are those that its folder has objects of. So a swap can be gone on with from any place, and
//! taken back from any place: what the old folder does not say of the old partitions is in the record of the run.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::file::Format;
use crate::lake::{self, Lake, PartitionChange, Updated};
use crate::table::TableTarget;
use crate::table::control::Swap;
use crate::table::hive::publish::CONFLICTS;
use crate::table::hive::{definition, partitions};
use crate::table::layout::folder_of_location;
use crate::table::partition;

/// A table's fields, or a partition's.
type Definition = Map<String, Value>;

/// The most exceptions that a record names.
const EXCEPTIONS: usize = 1000;

/// The partitions of a table as its folder says: one for each folder with objects, stored as the table is.
struct Layout<'a> {
    lake: &'a Lake,
    database: &'a str,
    table: &'a Definition,
    /// Nothing where the table is not located in this lake.
    folder: Option<String>,
    /// The partitions of which it does not say how they are.
    exceptions: &'a [Definition],
    /// Objects that do not count.
    without: &'a [String],
}

impl<'a> Layout<'a> {
    fn of(lake: &'a Lake, database: &'a str, table: &'a Definition) -> Self {
        let folder = folder_of_location(definition::location(table), &lake.objects.root());
        Self {
            lake,
            database,
            table,
            folder,
            exceptions: &[],
            without: &[],
        }
    }

    /// The values of its partitions.
    fn partitions(&self) -> Result<BTreeSet<Vec<String>>> {
        let mut found = BTreeSet::new();
        let keys = definition::partition_keys(self.table);
        let without: BTreeSet<&String> = self.without.iter().collect();
        if let Some(folder) = &self.folder {
            self.lake.objects.list(folder, &mut |listed| {
                let name = &listed.key[folder.len()..];
                let (below, name) = name.split_at(name.rfind('/').map_or(0, |slash| slash + 1));
                let keys = keys.iter().map(|(name, _)| name.as_str());
                let is_seen = !name.is_empty() && !name.starts_with(['_', '.']);
                if is_seen && !without.contains(&listed.key) {
                    found.extend(partition::values_of_folder(keys, below));
                }
                Ok(())
            })?;
        }
        for exception in self.exceptions {
            let values = partitions::values_of(exception);
            if exception.contains_key("StorageDescriptor") {
                found.insert(values);
            } else {
                found.remove(&values);
            }
        }
        Ok(found)
    }

    /// The partition with these values.
    fn partition(&self, values: &[String]) -> Definition {
        let is_it = |exception: &&Definition| lake::has_values(exception, values);
        let folder = self.folder.as_deref().unwrap_or_default();
        self.exceptions
            .iter()
            .find(is_it)
            .cloned()
            .unwrap_or_else(|| {
                partitions::input(self.table, &self.lake.objects.root(), folder, values)
            })
    }

    /// Moves those partitions of the catalog to what it says for which `moves` is true of their folder.
    fn establish(&self, moves: &dyn Fn(Option<&str>) -> bool) -> Result<()> {
        let (catalog, database) = (&*self.lake.catalog, self.database);
        let name = definition::name(self.table);
        let root = self.lake.objects.root();
        let mut new = self.partitions()?;
        let (mut staying, mut gone) = (Vec::new(), Vec::new());
        catalog.partitions(database, name, &mut |page| {
            for partition in &page {
                let values = partitions::values_of(partition);
                let stays = new.remove(&values);
                let folder = folder_of_location(definition::location(partition), &root);
                if !moves(folder.as_deref()) {
                    continue;
                }
                if !stays {
                    gone.push(values);
                } else if !is_same(partition, &self.partition(&values), &root) {
                    staying.push(values);
                }
            }
            Ok(())
        })?;
        let new: Vec<Vec<String>> = new.into_iter().collect();
        for (change, all) in [
            (PartitionChange::Update, &staying),
            (PartitionChange::Create, &new),
            (PartitionChange::Delete, &gone),
        ] {
            for some in all.chunks(partitions::SOME) {
                let inputs: Vec<Definition> =
                    some.iter().map(|values| self.partition(values)).collect();
                catalog.change_partitions(change, database, name, &inputs)?;
            }
        }
        log::info!(
            "moved partitions database={database} table={name} moved={} added={} removed={}",
            staying.len(),
            new.len(),
            gone.len()
        );
        Ok(())
    }
}

/// Whether readers find the same in both partitions.
fn is_same(one: &Definition, other: &Definition, root: &str) -> bool {
    is_stored_alike(one, other, root) && partitions::types(one) == partitions::types(other)
}

/// Whether both have one folder, and are read in one way.
fn is_stored_alike(one: &Definition, other: &Definition, root: &str) -> bool {
    let stored = |partition: &Definition| {
        let classes = ["InputFormat", "SerdeInfo"].map(|key| definition::storage(partition, key));
        (
            folder_of_location(definition::location(partition), root),
            classes[0].clone(),
            classes[1]["SerializationLibrary"].clone(),
        )
    };
    stored(one) == stored(other)
}

/// What the folder of a table does not say of its partitions: those that are located or stored otherwise, and, without a
/// storage descriptor, those that are not in the catalog although there are objects of them.
pub(super) fn exceptions(
    lake: &Lake,
    database: &str,
    table: &Definition,
) -> Result<Vec<Definition>> {
    let layout = Layout::of(lake, database, table);
    let (name, root) = (definition::name(table), lake.objects.root());
    let mut unknown = layout.partitions()?;
    let mut exceptions = Vec::new();
    lake.catalog.partitions(database, name, &mut |page| {
        for partition in page {
            let values = partitions::values_of(&partition);
            let is_alike = is_stored_alike(&partition, &layout.partition(&values), &root);
            if !(unknown.remove(&values) && is_alike) {
                exceptions.push(partition);
            }
        }
        refuse_many(exceptions.len(), database, name)
    })?;
    refuse_many(exceptions.len() + unknown.len(), database, name)?;
    let absent =
        |values: Vec<String>| Definition::from_iter([("Values".to_owned(), values.into())]);
    exceptions.extend(unknown.into_iter().map(absent));
    Ok(exceptions)
}

fn refuse_many(exceptions: usize, database: &str, table: &str) -> Result<()> {
    if exceptions <= EXCEPTIONS {
        return Ok(());
    }
    Err(Error::config(format!(
        "the table {database}.{table} cannot be overwritten: expected at most {EXCEPTIONS} partitions that are not in the folder of the table named by their values, are stored otherwise than the table, or are not in the catalog, found more"
    ))
    .hint("drop such partitions from the catalog, and register or delete the others"))
}

/// Moves the partitions that the swap has moved back to where they were. A table that it created goes on showing the rows
/// of its folder but for the objects `keys`.
pub(in crate::table) fn move_back(
    lake: &Lake,
    swap: &Swap,
    now: &Definition,
    keys: &[String],
) -> Result<()> {
    let mut layout = Layout::of(lake, &swap.database, swap.before.as_ref().unwrap_or(now));
    if swap.before.is_none() {
        layout.without = keys;
    }
    layout.exceptions = &swap.partitions;
    layout.establish(&|folder| folder.is_some_and(|folder| folder.starts_with(&swap.folder)))
}

/// The catalog's entry as it is once the swap of its partitions is gone on with that was begun.
pub(in crate::table) fn finish(entry: &mut lake::CatalogTable, format: Format) {
    if let Some(after) = definition::publishing(&entry.input) {
        entry.input = definition::published(&entry.input, &after, format);
    }
}

impl TableTarget {
    /// Goes on with a swap of partitions that was begun. It is an error where it was to end at `location` and does not.
    pub(super) fn finish_swap(&self, lake: &Lake, location: Option<&str>) -> Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let catalog = &*lake.catalog;
        for _ in 0..CONFLICTS {
            let table = self.find(catalog, None)?;
            let after = table
                .as_ref()
                .and_then(|table| definition::publishing(&table.input));
            let (Some(table), Some(after)) = (&table, after) else {
                let shown = table
                    .as_ref()
                    .map(|table| definition::location(&table.input));
                return match location {
                    Some(_) if shown != location => Err(partitions::gone(self)),
                    _ => Ok(()),
                };
            };
            Layout::of(lake, &self.database, &after).establish(&|_| true)?;
            let input = definition::published(&table.input, &after, self.format);
            let version = table.version.as_deref();
            if catalog.update_table(&self.database, &input, version)? == Updated::Done {
                return Ok(());
            }
        }
        Err(self.contended())
    }
}
