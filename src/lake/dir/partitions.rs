//! The partitions of a table of a local lake: a list in a file beside the table's, under the lock of the catalog.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Dir, files};
use crate::error::{Error, Result};
use crate::lake::PartitionChange;

impl Dir {
    pub(super) fn partitions_file(&self, database: &str, table: &str) -> Result<PathBuf> {
        let folder = self.database_folder(database)?;
        files::entry(&folder, &format!("{table}.partitions"))
    }

    pub(super) fn read_partitions(
        &self,
        database: &str,
        table: &str,
    ) -> Result<Vec<Map<String, Value>>> {
        let all = match self.read_json(&self.partitions_file(database, table)?)? {
            Some((Value::Array(all), _)) => all,
            _ => Vec::new(),
        };
        let object = |partition: Value| match partition {
            Value::Object(partition) => Some(partition),
            _ => None,
        };
        Ok(all.into_iter().filter_map(object).collect())
    }

    pub(super) fn change_list(
        &self,
        change: PartitionChange,
        database: &str,
        table: &str,
        inputs: &[Map<String, Value>],
    ) -> Result<()> {
        let _lock = self.lock()?;
        let mut all = self.read_partitions(database, table)?;
        for input in inputs {
            let place = all
                .iter()
                .position(|other| other["Values"] == input["Values"]);
            match (change, place) {
                (PartitionChange::Create, None) => all.push(input.clone()),
                (PartitionChange::Update, Some(place)) => {
                    drop(std::mem::replace(&mut all[place], input.clone()));
                }
                (PartitionChange::Delete, Some(place)) => drop(all.swap_remove(place)),
                _ => {}
            }
        }
        let all = all.into_iter().map(Value::Object).collect();
        self.write_json(&self.partitions_file(database, table)?, &all)
    }
}

pub(super) fn not_json(path: &Path) -> Error {
    Error::config(format!(
        "{} is not a table's definition, or a list of partitions, in JSON",
        path.display()
    ))
}
