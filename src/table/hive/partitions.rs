//! The partitions of a table: numbered as rows come, registered in the catalog before anything is acknowledged, and kept
//! in step with the table's columns.
//!
//! The catalog has no compare-and-swap for partitions, so that each step here can be repeated: what exists is left alone,
//! or is set to what it should be.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::lake::{self, Catalog, Lake, PartitionChange};
use crate::table::hive::{HiveTable, definition};
use crate::table::layout::{self, folder_of_location};
use crate::table::partition::{self, PartitionKey};
use crate::table::{DataFile, PartitionId, TableTarget};

/// How many definitions of partitions are held at a time, each with all columns of the table.
pub(super) const SOME: usize = 100;

/// The partitions of one table that rows have come for.
pub(super) struct Partitions {
    keys: Vec<PartitionKey>,
    ids: HashMap<Box<[u8]>, PartitionId>,
    /// By their ids.
    known: Vec<Known>,
}

/// A partition that rows have come for.
struct Known {
    values: Vec<String>,
    is_registered: bool,
    /// Whether objects of this checkpoint are in it.
    is_touched: bool,
}

impl Partitions {
    pub(super) fn new(keys: Vec<PartitionKey>) -> Option<Self> {
        (!keys.is_empty()).then(|| Self {
            keys,
            ids: HashMap::new(),
            known: Vec::new(),
        })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }

    /// The number of the partition with these values, and its folder where it is new; nothing where it would be one more
    /// than `most`.
    pub(super) fn find(
        &mut self,
        list: &[u8],
        most: usize,
    ) -> Option<(PartitionId, Option<String>)> {
        if let Some(id) = self.ids.get(list) {
            return Some((*id, None));
        }
        if self.known.len() >= most {
            return None;
        }
        let id = PartitionId(u32::try_from(self.known.len()).expect("fewer than 2^32 partitions"));
        let values = partition::values(list);
        let folder = partition::folder(self.names(), &values);
        self.known.push(Known {
            values,
            is_registered: false,
            is_touched: false,
        });
        self.ids.insert(list.into(), id);
        Some((id, Some(folder)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Forgets all of them. Their numbers are given to others.
    pub(super) fn forget(&mut self) {
        self.ids = HashMap::new();
        self.known = Vec::new();
    }

    /// Registers the partitions of these objects, which are in the folder that the table shows.
    pub(super) fn register(
        &mut self,
        target: &TableTarget,
        files: &[DataFile],
        lake: &Lake,
        folder: &str,
    ) -> Result<()> {
        for known in &mut self.known {
            known.is_touched = false;
        }
        for file in files {
            self.known[file.partition.index()].is_touched = true;
        }
        let new = |known: &&Known| known.is_touched && !known.is_registered;
        create(target, &self.values(&new), lake, folder)?;
        for known in &mut self.known {
            known.is_registered |= known.is_touched;
        }
        Ok(())
    }

    fn values(&self, which: &dyn Fn(&&Known) -> bool) -> Vec<Vec<String>> {
        let found = self.known.iter().filter(which);
        found.map(|known| known.values.clone()).collect()
    }

    /// Looks whether the catalog shows the partitions of this checkpoint in the folder.
    pub(super) fn look(&self, target: &TableTarget, lake: &Lake, folder: &str) -> Result<()> {
        let (database, table) = (&*target.database, &*target.name);
        let root = lake.objects.root();
        for some in self.values(&|known| known.is_touched).chunks(SOME) {
            let found = lake.catalog.find_partitions(database, table, some)?;
            for values in some {
                let is_it = |input: &&Map<String, Value>| lake::has_values(input, values);
                let location = found.iter().find(is_it).map(definition::location);
                let expected = format!("{folder}{}", partition::folder(self.names(), values));
                let is_there =
                    |location| folder_of_location(location, &root).as_deref() == Some(&*expected);
                if location.is_some_and(is_there) {
                    continue;
                }
                let place = location.unwrap_or("no place, because somebody dropped it");
                return Err(Error::transient(format!(
                    "the partition {} of the table {database}.{table} is located at {place}, and its rows are written to {root}{expected}; they are taken back",
                    values.join("/")
                ))
                .hint("run it again; set the partition's location to that folder, or drop the partition from the catalog, if that happens again"));
            }
        }
        Ok(())
    }
}

impl HiveTable {
    pub(in crate::table) fn partition(
        &mut self,
        values: &[u8],
        most: usize,
    ) -> Option<(PartitionId, Option<String>)> {
        match &mut self.partitions {
            Some(partitions) => partitions.find(values, most),
            None => Some((PartitionId::default(), None)),
        }
    }

    pub(in crate::table) fn has_partitions(&self) -> bool {
        self.partitions
            .as_ref()
            .is_some_and(|partitions| !partitions.is_empty())
    }

    pub(in crate::table) fn forget_partitions(&mut self) {
        self.partitions.iter_mut().for_each(Partitions::forget);
    }
}

/// Registers the partitions with these values below the folder; those that exist are left alone.
pub(super) fn create(
    target: &TableTarget,
    values: &[Vec<String>],
    lake: &Lake,
    folder: &str,
) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let table = target
        .find(&*lake.catalog, None)?
        .ok_or_else(|| gone(target))?;
    let root = lake.objects.root();
    for some in values.chunks(SOME) {
        let input = |values: &Vec<String>| input(&table.input, &root, folder, values);
        let inputs: Vec<Map<String, Value>> = some.iter().map(input).collect();
        let (database, table) = (&target.database, &target.name);
        lake.catalog
            .change_partitions(PartitionChange::Create, database, table, &inputs)?;
    }
    log::info!(
        "registered partitions database={} table={} partitions={}",
        target.database,
        target.name,
        values.len()
    );
    Ok(())
}

pub(super) fn gone(target: &TableTarget) -> Error {
    Error::transient(format!(
        "the table {}.{} was dropped by somebody else during this run",
        target.database, target.name
    ))
    .hint("run it again")
}

/// A partition of the table below the folder.
pub(super) fn input(
    table: &Map<String, Value>,
    root: &str,
    folder: &str,
    values: &[String],
) -> Map<String, Value> {
    let keys = definition::partition_keys(table);
    let keys = keys.iter().map(|(name, _)| name.as_str());
    let mut storage = table.get("StorageDescriptor").cloned().unwrap_or_default();
    storage["Location"] = format!("{root}{folder}{}", partition::folder(keys, values)).into();
    let input = json!({ "Values": values, "StorageDescriptor": storage, "Parameters": {} });
    match input {
        Value::Object(input) => input,
        _ => Map::new(),
    }
}

pub(super) fn values_of(input: &Map<String, Value>) -> Vec<String> {
    let values = input.get("Values").and_then(Value::as_array);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    values.into_iter().flatten().map(text).collect()
}

/// Gives the partitions that exist the columns that the table is about to have. Before the table, so that a run that dies
/// in between is gone on with by the next one, which finds the table unchanged.
pub(super) fn grow(
    catalog: &dyn Catalog,
    database: &str,
    table: &Map<String, Value>,
) -> Result<()> {
    if definition::partition_keys(table).is_empty() {
        return Ok(());
    }
    let columns = types(table);
    let name = table
        .get("Name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let wanted = &table["StorageDescriptor"]["Columns"];
    let mut count = 0;
    catalog.partitions(database, name, &mut |page| {
        let differs = |partition: &Map<String, Value>| types(partition) != columns;
        let mut behind: Vec<Map<String, Value>> = page.into_iter().filter(differs).collect();
        for partition in &mut behind {
            let storage = partition
                .entry("StorageDescriptor")
                .or_insert_with(|| json!({}));
            storage["Columns"] = wanted.clone();
        }
        count += behind.len();
        if behind.is_empty() {
            return Ok(());
        }
        catalog.change_partitions(PartitionChange::Update, database, name, &behind)
    })?;
    if count > 0 {
        log::info!(
            "gave partitions the columns of their table database={database} table={name} partitions={count}"
        );
    }
    Ok(())
}

/// The names and types of the columns.
pub(super) fn types(input: &Map<String, Value>) -> Vec<(String, String)> {
    let columns = input
        .get("StorageDescriptor")
        .and_then(|storage| storage["Columns"].as_array());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pair = |column: &Value| (text(&column["Name"]), text(&column["Type"]));
    columns.into_iter().flatten().map(pair).collect()
}

/// The values of the partition that the object is in, by its name below the folder of its table; none where it is not an
/// object of ours in a partition.
pub(super) fn values_of_object(target: &TableTarget, name: &str) -> Option<Vec<String>> {
    let (folder, object) = name.split_at(name.rfind('/')? + 1);
    let is_ours = layout::is_object(object) || layout::is_object_of_the_python_connector(object);
    let keys = target.keys.iter().map(|key| key.name.as_str());
    partition::values_of_folder(keys, folder).filter(|_| is_ours)
}
