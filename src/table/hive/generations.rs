//! Generations that a table does not show: what earlier runs left unpublished, and what a swap has replaced.
//!
//! Only objects that carry our names (see `table::layout`) are deleted, in folders of the table. The work of a run that
//! may still be alive is spared by its age.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::lake::{Lake, Objects};
use crate::protocol::catalog::{Completion, Refresh};
use crate::table::hive::HiveTable;
use crate::table::layout::{self, Generation};
use crate::time::Millis;

/// Reconciles the generations that the table does not show, before the stream's first row.
///
/// A generation that a run made for itself is removed once the run must be dead. A numbered one holds acknowledged
/// rows of a refresh that was cancelled: the next append of the platform makes them visible.
pub(super) fn reconcile(
    lake: &Lake,
    table: &HiveTable,
    refresh: Refresh,
    generation_id: Option<i64>,
    last_published: Option<i64>,
    horizon: Millis,
) -> Result<()> {
    let objects = &*lake.objects;
    let unpublished = unpublished(objects, table)?;
    if unpublished.is_empty() {
        return Ok(());
    }
    for (generation, folder) in &unpublished {
        if generation.is_of_a_run_before(horizon) {
            log::info!("deleting a generation that was never published folder={folder}");
            delete_folder(objects, folder, None)?;
        }
    }
    let Refresh::Append {
        completion: Completion::Status,
    } = refresh
    else {
        return Ok(());
    };
    let last_published = last_published.unwrap_or(-1);
    let mut older: Vec<(i64, &String)> = unpublished
        .iter()
        .filter_map(|(generation, folder)| match generation {
            Generation::Numbered(id) if Some(*id) <= generation_id => Some((*id, folder)),
            _ => None,
        })
        .collect();
    older.sort_unstable();
    if let Some((id, folder)) = older.pop_if(|(id, _)| *id > last_published) {
        log::info!(
            "publishing the acknowledged rows of a refresh that was cancelled generation={id} folder={folder}"
        );
        adopt(objects, folder, table.folder())?;
    }
    for (_, folder) in older {
        // Superseded: the refresh after it began from nothing.
        delete_folder(objects, folder, None)?;
    }
    Ok(())
}

/// Copies our objects of one folder to another, then deletes them there. Names are kept, so that a second try,
/// after a crash in the middle, doubles nothing.
fn adopt(objects: &dyn Objects, from: &str, to: &str) -> Result<()> {
    let keys = ours(objects, from)?;
    for key in &keys {
        objects.copy(key, &format!("{to}{}", &key[from.len()..]))?;
    }
    objects.delete(&keys)
}

/// Generations in the table's folders that it does not show, and that this sync does not write.
fn unpublished(objects: &dyn Objects, table: &HiveTable) -> Result<BTreeSet<(Generation, String)>> {
    let mut found = BTreeSet::new();
    for base in table.folders.all() {
        for folder in objects.folders(base)? {
            let name = folder[base.len()..].trim_end_matches('/');
            let is_in_use = folder == table.folder || table.shown.as_deref() == Some(&*folder);
            if let Some(generation) = Generation::of_folder(name).filter(|_| !is_in_use) {
                found.insert((generation, folder));
            }
        }
    }
    Ok(found)
}

/// Deletes what the table showed before the swap, and every older numbered generation.
pub(super) fn delete_replaced(lake: &Lake, table: &HiveTable, horizon: Millis) -> Result<()> {
    let objects = &*lake.objects;
    if let Some(shown) = table
        .shown
        .as_deref()
        .filter(|shown| *shown != table.folder)
    {
        delete_folder(objects, shown, Some(&table.folder))?;
    }
    for (generation, folder) in unpublished(objects, table)? {
        let is_older = match (&generation, table.generation()) {
            (Generation::Numbered(id), Some(Generation::Numbered(now))) => id < now,
            (Generation::Numbered(_), _) => true,
            (Generation::OfRun(_), _) => generation.is_of_a_run_before(horizon),
        };
        if is_older {
            delete_folder(objects, &folder, None)?;
        }
    }
    Ok(())
}

/// Deletes our objects below the folder, and the Python connector's, but for those below `spared`.
fn delete_folder(objects: &dyn Objects, folder: &str, spared: Option<&str>) -> Result<()> {
    let mut keys = ours(objects, folder)?;
    if let Some(spared) = spared {
        keys.retain(|key| !key.starts_with(spared));
    }
    if !keys.is_empty() {
        log::info!("deleting objects folder={folder} objects={}", keys.len());
    }
    objects.delete(&keys)
}

fn ours(objects: &dyn Objects, folder: &str) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    objects.list(folder, &mut |listed| {
        let name = listed.key.rsplit('/').next().unwrap_or_default();
        if layout::is_object(name) || layout::is_object_of_the_python_connector(name) {
            keys.push(listed.key);
        }
        Ok(())
    })?;
    Ok(keys)
}
