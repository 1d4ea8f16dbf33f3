//! What earlier runs left behind: unfinished uploads, and generations that no table shows.
//!
//! Ours, and nothing else, is removed: objects and uploads whose names this program gives (see `table::layout`),
//! in folders of a configured table. What a run that still lives may have made is spared by its age.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::Result;
use crate::lake::{Lake, Objects};
use crate::protocol::catalog::{Ends, Refresh};
use crate::sink::Options;
use crate::sink::stream::Stream;
use crate::table::layout::{self, Generation};
use crate::time::{Clock, Millis};

/// The time before which a run that has not finished is taken for dead.
fn horizon(clock: &Clock, age: Duration) -> Millis {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Millis(clock.now().0.saturating_sub(age))
}

/// Aborts uploads of dead runs below the database's folder. They cost money and show nothing, so a failure is only told.
pub(super) fn remove_uploads(lake: &Lake, options: &Options, database: &str, clock: &Clock) {
    let slash = if options.prefix.is_empty() { "" } else { "/" };
    let folder = format!("{}{slash}{database}/", options.prefix);
    let unfinished = match lake.objects.unfinished(&folder) {
        Ok(unfinished) => unfinished,
        Err(error) => {
            log::warn!(
                "unfinished uploads of earlier runs can not be listed folder={folder}: {error}"
            );
            return;
        }
    };
    let horizon = horizon(clock, options.leftover_age);
    let dead = unfinished.into_iter().filter(|unfinished| {
        let name = unfinished.upload.key.rsplit('/').next().unwrap_or_default();
        unfinished.begun <= horizon && layout::is_object(name)
    });
    let dead: Vec<_> = dead.map(|unfinished| unfinished.upload).collect();
    if !dead.is_empty() {
        log::info!(
            "removing unfinished uploads of earlier runs folder={folder} uploads={}",
            dead.len()
        );
    }
    super::writer::abort(dead.into_iter(), &*lake.objects);
}

/// Puts generations that the table does not show in order, before the stream's first row.
///
/// A generation that a run made for itself is removed once the run must be dead. A numbered one holds acknowledged
/// rows of a refresh that was cancelled: the next append of the platform makes them visible.
pub(super) fn settle_generations(
    lake: &Lake,
    stream: &Stream,
    generation_id: Option<i64>,
    options: &Options,
    clock: &Clock,
) -> Result<()> {
    let objects = &*lake.objects;
    let unshown = unshown(objects, stream)?;
    if unshown.is_empty() {
        return Ok(());
    }
    let horizon = horizon(clock, options.leftover_age);
    for (generation, folder) in &unshown {
        if generation.is_of_a_run_before(horizon) {
            log::info!("removing a generation that was never shown folder={folder}");
            remove_folder(objects, folder, None)?;
        }
    }
    let Refresh::Append {
        ends: Ends::WithComplete,
    } = stream.refresh
    else {
        return Ok(());
    };
    let last_shown = stream.last_shown_generation.unwrap_or(-1);
    let mut older: Vec<(i64, &String)> = unshown
        .iter()
        .filter_map(|(generation, folder)| match generation {
            Generation::Numbered(id) if Some(*id) <= generation_id => Some((*id, folder)),
            _ => None,
        })
        .collect();
    older.sort_unstable();
    if let Some((id, folder)) = older.pop_if(|(id, _)| *id > last_shown) {
        log::info!(
            "showing the acknowledged rows of a refresh that was cancelled generation={id} folder={folder}"
        );
        adopt(objects, folder, &stream.folder)?;
    }
    for (_, folder) in older {
        // Superseded: the refresh after it began from nothing.
        remove_folder(objects, folder, None)?;
    }
    Ok(())
}

/// Copies our objects of one folder to another, then removes them there. Names are kept, so that a second try,
/// after a crash in the middle, doubles nothing.
fn adopt(objects: &dyn Objects, from: &str, to: &str) -> Result<()> {
    let keys = ours(objects, from)?;
    for key in &keys {
        objects.copy(key, &format!("{to}{}", &key[from.len()..]))?;
    }
    objects.delete(&keys)
}

/// Generations of this table's folders that it does not show, and that this sync does not write.
fn unshown(objects: &dyn Objects, stream: &Stream) -> Result<BTreeSet<(Generation, String)>> {
    let mut found = BTreeSet::new();
    for base in stream.folders.all() {
        for folder in objects.folders(base)? {
            let name = folder[base.len()..].trim_end_matches('/');
            let is_in_use = folder == stream.folder || stream.shown.as_deref() == Some(&*folder);
            if let Some(generation) = Generation::of_folder(name).filter(|_| !is_in_use) {
                found.insert((generation, folder));
            }
        }
    }
    Ok(found)
}

/// Removes what the table showed before, and every older numbered generation, once a new one is on show.
/// The rows of the old generation are gone for every reader by then, so a failure is only told.
pub(super) fn remove_older(lake: &Lake, stream: &Stream, clock: &Clock, options: &Options) {
    let objects = &*lake.objects;
    let mut removed = Ok(());
    if let Some(shown) = stream
        .shown
        .as_deref()
        .filter(|shown| *shown != stream.folder)
    {
        removed = remove_folder(objects, shown, Some(&stream.folder));
    }
    let horizon = horizon(clock, options.leftover_age);
    removed = removed.and_then(|()| {
        for (generation, folder) in unshown(objects, stream)? {
            let is_older = match (&generation, &stream.generation) {
                (Generation::Numbered(id), Some(Generation::Numbered(now))) => id < now,
                (Generation::Numbered(_), _) => true,
                (Generation::OfRun(_), _) => generation.is_of_a_run_before(horizon),
            };
            if is_older {
                remove_folder(objects, &folder, None)?;
            }
        }
        Ok(())
    });
    if let Err(error) = removed {
        log::warn!(
            "stream {}: objects of an older generation stay, shown by no table: {error}",
            stream.key
        );
    }
}

/// Deletes our objects below the folder, and the Python connector's, but for those below `spared`.
fn remove_folder(objects: &dyn Objects, folder: &str, spared: Option<&str>) -> Result<()> {
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
