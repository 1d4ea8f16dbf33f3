//! The partitions of a table of a local lake: a list in a file beside the table's, under the lock of the catalog.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::Dir;
use super::files::{self, failed, or_absent, token};
use crate::error::{Error, Result};

/// Partitions as inputs of the calls that write them.
type Inputs = Vec<Map<String, Value>>;

impl Dir {
    fn partitions_file(&self, database: &str, table: &str) -> Result<PathBuf> {
        files::entry(
            &self.database_folder(database)?,
            &format!("{table}.partitions"),
        )
    }

    pub(super) fn read_partitions(
        &self,
        database: &str,
        table: &str,
    ) -> Result<Vec<Map<String, Value>>> {
        let path = self.partitions_file(database, table)?;
        let read = or_absent(fs::read(&path)).map_err(|error| failed("reading", &path, error))?;
        let Some(text) = read else {
            return Ok(Vec::new());
        };
        serde_json::from_slice(&text).map_err(|error| {
            Error::config(format!(
                "{} is not a list of partitions in JSON",
                path.display()
            ))
            .because(error)
        })
    }

    pub(super) fn add_partitions(
        &self,
        database: &str,
        table: &str,
        inputs: &[Map<String, Value>],
    ) -> Result<()> {
        self.change_partitions(database, table, &mut |all| {
            for input in inputs {
                if !all.iter().any(|other| other["Values"] == input["Values"]) {
                    all.push(input.clone());
                }
            }
        })
    }

    /// Changes the list of a table's partitions.
    pub(super) fn change_partitions(
        &self,
        database: &str,
        table: &str,
        change: &mut dyn FnMut(&mut Inputs),
    ) -> Result<()> {
        let _lock = self.lock()?;
        let before = self.read_partitions(database, table)?;
        let mut all = before.clone();
        change(&mut all);
        if all == before {
            return Ok(());
        }
        let path = self.partitions_file(database, table)?;
        let temporary = path.with_extension(format!("{}.new", token()?));
        let text = serde_json::to_string_pretty(&all).expect("JSON values are JSON");
        files::create(&self.folder, &temporary)
            .and_then(|mut file| file.write_all((text + "\n").as_bytes()))
            .and_then(|()| files::publish(&self.folder, &temporary, &path))
            .map_err(|error| failed("writing", &path, error))
    }
}

/// Whether the partition has these values.
pub(super) fn is_of(input: &Map<String, Value>, values: &[String]) -> bool {
    let own = input.get("Values").and_then(Value::as_array);
    own.is_some_and(|own| own.iter().eq(values))
}
