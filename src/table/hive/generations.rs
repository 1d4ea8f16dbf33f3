//! Generations that a table does not show: what a cancelled refresh left, and what a swap has replaced.
//!
//! Absence from the catalog is no reason to delete: a table may have been dropped, renamed, moved, or looked for in
//! another region. So the only objects that are deleted are those that this run's own swap has replaced, and of those
//! only the ones that carry our names (see `table::layout`) directly in the folder.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::lake::{Lake, Objects};
use crate::protocol::catalog::{Completion, Refresh};
use crate::table::hive::HiveTable;
use crate::table::layout::{self, Generation};

/// Publishes the acknowledged rows of a refresh that was cancelled, before the first row of an append.
///
/// The platform's contract: a refresh without COMPLETE leaves its acknowledged rows in a folder of their own, and the
/// next append makes them visible. The newest such generation is meant; a refresh begins from nothing, so older ones are
/// superseded. Objects are copied under their names and stay where they were, so a second run finds them copied.
pub(super) fn publish_cancelled(
    lake: &Lake,
    table: &HiveTable,
    refresh: Refresh,
    generation_id: Option<i64>,
    last_published: Option<i64>,
) -> Result<()> {
    let Refresh::Append {
        completion: Completion::Status,
    } = refresh
    else {
        return Ok(());
    };
    let objects = &*lake.objects;
    let last_published = last_published.unwrap_or(-1);
    let newest = unpublished(objects, table)?
        .into_iter()
        .filter_map(|(generation, folder)| match generation {
            Generation::Numbered(id) if Some(id) <= generation_id && id > last_published => {
                Some((id, folder))
            }
            _ => None,
        })
        .max();
    let Some((id, from)) = newest else {
        return Ok(());
    };
    let copied: BTreeSet<String> = ours(objects, table.folder())?.into_iter().collect();
    let missing: Vec<(String, String)> = ours(objects, &from)?
        .into_iter()
        .map(|key| {
            let copy = format!("{}{}", table.folder(), &key[from.len()..]);
            (key, copy)
        })
        .filter(|(_, copy)| !copied.contains(copy))
        .collect();
    if !missing.is_empty() {
        log::info!(
            "publishing the acknowledged rows of a refresh that was cancelled generation={id} folder={from} objects={}",
            missing.len()
        );
    }
    for (key, copy) in &missing {
        objects.copy(key, copy)?;
    }
    Ok(())
}

/// Generations in the table's folders that it does not show.
fn unpublished(objects: &dyn Objects, table: &HiveTable) -> Result<BTreeSet<(Generation, String)>> {
    let mut found = BTreeSet::new();
    for base in table.folders.all() {
        for folder in objects.folders(base)? {
            let name = folder[base.len()..].trim_end_matches('/');
            if let Some(generation) = Generation::of_folder(name).filter(|_| folder != table.folder)
            {
                found.insert((generation, folder));
            }
        }
    }
    Ok(found)
}

/// Deletes the objects of the folder that this run's swap has replaced.
pub(super) fn delete_replaced(lake: &Lake, replaced: &str) -> Result<()> {
    let objects = &*lake.objects;
    let keys = ours(objects, replaced)?;
    if !keys.is_empty() {
        log::info!(
            "deleting the replaced generation folder={replaced} objects={}",
            keys.len()
        );
    }
    objects.delete(&keys)
}

/// Objects directly in the folder that this program or the Python connector has named. What is in folders below may
/// belong to other tables.
fn ours(objects: &dyn Objects, folder: &str) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    objects.list(folder, &mut |listed| {
        let name = &listed.key[folder.len()..];
        if layout::is_object(name) || layout::is_object_of_the_python_connector(name) {
            keys.push(listed.key);
        }
        Ok(())
    })?;
    Ok(keys)
}
