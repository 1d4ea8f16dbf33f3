//! The partitions of tables in the Glue Data Catalog, in batches of which each item may fail by itself.

use serde_json::{Map, Value};

use crate::aws::Pages;
use crate::aws::glue;
use crate::error::{Error, Result};
use crate::lake::aws::catalog::Glue;
use crate::lake::aws::permissions::perform;
use crate::lake::{PartitionChange, has_values};

/// How often items of a batch are tried that failed for a reason that passes.
const ATTEMPTS: usize = 5;

impl Glue {
    pub(super) fn visit_partitions(
        &self,
        database: &str,
        table: &str,
        visit: &mut dyn FnMut(Vec<Map<String, Value>>) -> Result<()>,
    ) -> Result<()> {
        let listing = |error: Error| {
            error.while_doing(format_args!("listing the partitions of {database}.{table}"))
        };
        let mut pages = Pages::default();
        let mut next = None;
        loop {
            let get = glue::GetPartitions {
                database,
                table,
                next: next.as_deref(),
            };
            let page = perform(&self.aws, &get).map_err(listing)?;
            if let Some(marker) = &page.next {
                let first = page
                    .found
                    .first()
                    .map(|partition| partition["Values"].to_string());
                pages.turn(marker, first.as_ref()).map_err(listing)?;
            }
            visit(page.found)?;
            if page.next.is_none() {
                return Ok(());
            }
            next = page.next;
        }
    }

    pub(super) fn get_partitions(
        &self,
        database: &str,
        table: &str,
        values: &[Vec<String>],
    ) -> Result<Vec<Map<String, Value>>> {
        let mut all = Vec::new();
        for batch in values.chunks(glue::MOST_GOT) {
            let mut values = batch.to_vec();
            for _ in 0..ATTEMPTS {
                let get = glue::BatchGetPartition {
                    database,
                    table,
                    values: &values,
                };
                let found = perform(&self.aws, &get).map_err(|error| {
                    error.while_doing(format_args!("looking for partitions of {database}.{table}"))
                })?;
                all.extend(found.found);
                values = found.unprocessed;
                if values.is_empty() {
                    break;
                }
            }
            if !values.is_empty() {
                return Err(Error::transient(format!(
                    "the catalog did not answer for {} partitions of {database}.{table}",
                    values.len()
                )));
            }
        }
        Ok(all)
    }

    /// Sends items in batches, and those again that failed for a reason that passes.
    pub(super) fn change_in_batches(
        &self,
        change: PartitionChange,
        database: &str,
        table: &str,
        inputs: &[Map<String, Value>],
    ) -> Result<()> {
        let doing = || format!("changing partitions of {database}.{table}");
        for batch in inputs.chunks(change.most()) {
            let mut batch = batch.to_vec();
            for attempt in 1.. {
                let batch_of_partitions = glue::BatchChangePartition {
                    change,
                    database,
                    table,
                    inputs: &batch,
                };
                let mut failed = perform(&self.aws, &batch_of_partitions)
                    .map_err(|error| error.while_doing(doing()))?;
                failed.retain(|item| !change.is_done(&item.code));
                let Some(item) = failed.first() else {
                    break;
                };
                let lasting = failed.iter().find(|item| !item.passes());
                if attempt == ATTEMPTS || lasting.is_some() {
                    let count = failed.len();
                    return Err(lasting.unwrap_or(item).error().while_doing(format_args!(
                        "{}: {count} failed, the first is {:?}",
                        doing(),
                        item.values.join("/")
                    )));
                }
                batch.retain(|sent| failed.iter().any(|item| has_values(sent, &item.values)));
            }
        }
        Ok(())
    }
}
