//! Superseded generations: what a run deletes of a table's folders, and what it leaves.
//!
//! Absence from the catalog is no reason to delete: a table may have been dropped, renamed, moved, or looked for in
//! another region. A folder's objects are deleted only at the end of a run that succeeded, one by one by the names that
//! this program or the Python connector gives, after all tables of the catalog were seen to be located elsewhere, and
//! only where
//!
//! - this run's own swap replaced the folder, as the table stood at the version that the swap replaced, or
//! - its mark says that it was never published, and nobody will go on with it: its rows were never acknowledged and its
//!   run is dead, or it was an earlier attempt's at the same job, under a lower number.

use crate::error::{Error, Result};
use crate::interrupt::{self, Stopped};
use crate::lake::{CatalogTable, Lake, Located, Objects};
use crate::protocol::catalog::{ConfiguredStream, Refresh};
use crate::table::control::{Control, MarkObject, Stage};
use crate::table::forecast::Deletion;
use crate::table::hive::generations::{Asked, Generations, Numbered};
use crate::table::hive::{HiveTable, Visibility, definition, location, partitions};
use crate::table::layout::{self, folder_of_location};
use crate::table::locations::Locations;
use crate::table::plan::Planned;
use crate::table::{Creation, Opening, TableTarget};

/// How many objects are deleted at once: as many as one call of S3 takes, and as one page of a listing holds.
const BATCH: usize = 1000;

/// What is said of a generation that may have been published.
const UNKNOWN: &str = "an overwrite that died while it was published, and may be deleted by hand if no table showed it,";

/// A folder whose objects no table shows, and which this run does not write.
struct Superseded<'a> {
    folder: &'a str,
    /// Its mark, which says so first and is removed with the objects.
    mark: Option<&'a MarkObject>,
    /// Why its objects are left nevertheless.
    left: Option<&'static str>,
}

/// What becomes of a generation whose mark other runs left.
#[derive(PartialEq, Eq)]
enum Fate {
    /// Its own run, or a later attempt, may go on with it; or it is not of this table.
    NotOurs,
    /// Its acknowledged rows are kept for an append that may make them visible.
    Kept,
    /// Its run died between the mark of its publication and the end, and nothing tells whether a table showed it.
    Unknown,
    Deleted,
}

impl HiveTable {
    /// Deletes what is superseded.
    pub(super) fn delete_superseded(
        &self,
        lake: &Lake,
        control: &Control,
        locations: &mut Locations,
    ) -> Result<()> {
        let objects = &*lake.objects;
        if let Some(replaced) = &self.replaced {
            self.delete_folder(replaced, lake, locations)?;
        }
        self.remove_own_mark(objects)?;
        for Superseded { folder, mark, left } in self.superseded(objects, control)? {
            if let Some(why) = left {
                log::info!("{why} is left, which no table shows folder={folder}");
                continue;
            }
            let mut mark = mark.cloned();
            if let Some(mark) = &mut mark
                && !mark.advance(objects, control.owner(), Stage::Discarded)?
            {
                // Another run goes on with it.
                continue;
            }
            if self.delete_folder(folder, lake, locations)?
                && let Some(mark) = mark
            {
                mark.remove(objects)?;
            }
        }
        Ok(())
    }

    /// What earlier runs left, in the order in which it is deleted.
    fn superseded(&self, objects: &dyn Objects, control: &Control) -> Result<Vec<Superseded<'_>>> {
        let mut found = Vec::new();
        for other in &self.generations.others {
            let mut of_other = Superseded::of(other);
            match self.fate(other, objects, control)? {
                Fate::NotOurs => continue,
                Fate::Kept => of_other.left = Some("an unfinished refresh of another job"),
                Fate::Unknown => of_other.left = Some(UNKNOWN),
                Fate::Deleted => {}
            }
            let mark = &other.mark;
            // Its run died between its swap and its end, and this run's swap replaced what it had published. Where this
            // run's swap replaced something else, nobody knows whether there was such a swap.
            if let Stage::Publishing {
                replaced: Some(replaced),
            } = &mark.stage
                && self.replaced.as_ref() == Some(&mark.folder)
                && *replaced != self.folder
            {
                found.push(Superseded {
                    folder: replaced,
                    mark: None,
                    left: None,
                });
            }
            found.push(of_other);
        }
        found.extend(self.generations.adopted.as_ref().map(Superseded::of));
        Ok(found)
    }

    /// Deleted is what nobody will go on with, if none of its rows has to become visible.
    fn fate(&self, found: &MarkObject, objects: &dyn Objects, control: &Control) -> Result<Fate> {
        let mark = &found.mark;
        if mark.folder == self.folder || !self.folders.hold(&mark.folder) {
            return Ok(Fate::NotOurs);
        }
        let is_replaced = self.replaced.as_ref() == Some(&mark.folder);
        if is_replaced || mark.stage == Stage::Discarded {
            return Ok(Fate::Deleted);
        }
        let Some(numbers) = Numbered::of_mark(mark) else {
            // Its rows are acknowledged only after its publication.
            return Ok(match (control.is_abandoned(objects, found)?, &mark.stage) {
                (true, Stage::Unpublished) => Fate::Deleted,
                (true, Stage::Publishing { .. }) => Fate::Unknown,
                _ => Fate::NotOurs,
            });
        };
        // The platform begins the stream anew under a higher number where it dropped the states of the earlier attempt.
        let is_below = |published: Numbered| {
            self.asked.is_of_the_same_job(mark) && numbers.generation < published.generation
        };
        Ok(if self.is_swapped() && self.numbers.is_some_and(is_below) {
            Fate::Deleted
        } else {
            Fate::Kept
        })
    }

    /// Deletes what this run's swap replaced, where that is few objects, and all that there is to delete; else false.
    pub(super) fn delete_few(&self, lake: &Lake, locations: &mut Locations) -> Result<bool> {
        let generations = &self.generations;
        if !generations.others.is_empty() || generations.adopted.is_some() {
            return Ok(false);
        }
        let objects = &*lake.objects;
        if let Some(folder) = &self.replaced {
            let Some(keys) = few_of_ours(objects, folder, &self.target)? else {
                return Ok(false);
            };
            if !keys.is_empty() && delete(&keys, folder, lake, locations)? {
                self.log_deleted(folder, keys.len());
            }
        }
        self.remove_own_mark(objects)?;
        Ok(true)
    }

    fn remove_own_mark(&self, objects: &dyn Objects) -> Result<()> {
        let own = self.generations.own.as_ref();
        match own.filter(|own| own.is_stored() && self.is_swapped()) {
            Some(own) => own.remove(objects),
            None => Ok(()),
        }
    }

    /// Deletes our objects directly in the folder and its partitions, page by page; not so, and false, where a table is
    /// located at, inside or above it.
    fn delete_folder(&self, folder: &str, lake: &Lake, locations: &mut Locations) -> Result<bool> {
        let mut deleted = 0;
        let outcome = visit_batches(&*lake.objects, folder, &self.target, &mut |keys| {
            let is_deleted = delete(keys, folder, lake, locations)?;
            deleted += if is_deleted { keys.len() } else { 0 };
            Ok(is_deleted)
        });
        if deleted > 0 {
            self.log_deleted(folder, deleted);
        }
        outcome
    }

    fn log_deleted(&self, folder: &str, objects: usize) {
        log::info!(
            "deleted a superseded generation database={} table={} folder={folder} objects={objects}",
            self.target.database,
            self.target.name
        );
    }

    /// What a sync deletes that succeeds, found without changing anything, and the folder that its rows go to. Nothing where
    /// that takes long listings, and `at_length` does not allow for them.
    pub(in crate::table) fn foresee(
        planned: &Planned,
        entry: Option<&CatalogTable>,
        opening: &Opening<'_>,
        locations: &mut Locations,
        at_length: bool,
    ) -> Result<Option<Foreseen>> {
        let Opening { lake, control, .. } = opening;
        let objects = &*lake.objects;
        let table = Self::after_success(planned, entry, opening)?;
        let replaced = table.replaced.iter().map(|folder| (folder.as_str(), None));
        let superseded = table.superseded(objects, control)?;
        let superseded = superseded.iter().map(|found| (found.folder, found.left));
        let moving = table.replaced.as_ref().map(|_| &table.target);
        let mut deletions = Vec::new();
        for (folder, left) in replaced.chain(superseded) {
            let mut count = 0;
            let mut visit = |key: String| {
                count += u64::from(!control.is_unacknowledged(&key));
                Ok(())
            };
            if at_length {
                each_of_ours(objects, folder, &table.target, &mut visit)?;
            } else {
                let Some(keys) = few_of_ours(objects, folder, &table.target)? else {
                    return Ok(None);
                };
                keys.into_iter().try_for_each(&mut visit)?;
            }
            if count == 0 {
                continue;
            }
            let left = match (left, locations.touching(folder, lake, moving)) {
                (Some(why), _) => Some(why.to_owned()),
                (None, Ok(other)) => other.map(because),
                // The sync leaves it too.
                (None, Err(error)) => Some(format!("other tables cannot be listed: {error}")),
            };
            deletions.push(Deletion {
                location: format!("{}{folder}", objects.root()),
                objects: count,
                left,
            });
        }
        Ok(Some((table.folder, deletions)))
    }

    /// The table as a sync leaves it that succeeds.
    fn after_success(
        planned: &Planned,
        entry: Option<&CatalogTable>,
        opening: &Opening<'_>,
    ) -> Result<Self> {
        let Opening {
            lake,
            run,
            options,
            control,
            ..
        } = opening;
        let (configured, target) = (&planned.configured, &planned.target);
        let objects = &*lake.objects;
        let mut table = Self::new(planned, opening);
        let shown = entry.and_then(|entry| folder_of_location(location(entry), &objects.root()));
        if entry.is_some() || options.creation == Creation::AtTheStart {
            let marks = control.marks(objects, &target.database, &target.name)?;
            table.generations = Generations::found(marks);
        }
        if !replaces(configured, entry, control) {
            let published = entry.and_then(|entry| definition::numbers(&entry.input));
            let new = || {
                table
                    .folders
                    .place(&layout::generation(run.name(), None), None)
            };
            table.folder = shown.unwrap_or_else(new);
            table.visibility = Visibility::Published;
            table.generations.adopted =
                table
                    .generations
                    .take_cancelled(configured, published, &table.folder, control);
            return Ok(table);
        }
        table.visibility = Visibility::Swapped;
        if !matches!(configured.refresh, Refresh::Truncate { .. }) {
            table.numbers = None;
        }
        let generations = &mut table.generations;
        let unfinished = table
            .numbers
            .and_then(|numbers| generations.take_unfinished(configured, numbers, shown.as_deref()));
        table.folder = match unfinished {
            Some(unfinished) => unfinished.mark.folder,
            None => table.new_folder(run.name(), shown.as_deref()),
        };
        table.replaced = shown.filter(|shown| *shown != table.folder);
        Ok(table)
    }
}

/// Whether a sync of the stream replaces the rows that the table shows.
pub(in crate::table) fn replaces(
    stream: &ConfiguredStream,
    entry: Option<&CatalogTable>,
    control: &Control,
) -> bool {
    !matches!(stream.refresh, Refresh::Append { .. })
        && !Asked::of(stream, control).adds_to_published(entry)
}

fn because(other: &Located) -> String {
    format!(
        "the table {}.{} is located at {}",
        other.database, other.table, other.location
    )
}

impl<'a> Superseded<'a> {
    fn of(found: &'a MarkObject) -> Self {
        Self {
            folder: &found.mark.folder,
            mark: Some(found),
            left: None,
        }
    }
}

/// The folder that a sync's rows go to, and what it deletes.
pub(in crate::table) type Foreseen = (String, Vec<Deletion>);

/// The objects of [`each_of_ours`]; nothing where the folder holds more than a page of a listing.
fn few_of_ours(
    objects: &dyn Objects,
    folder: &str,
    target: &TableTarget,
) -> Result<Option<Vec<String>>> {
    let (mut keys, mut listed) = (Vec::new(), 0);
    let outcome = objects.list(folder, &mut |found| {
        listed += 1;
        if listed > BATCH {
            return Err(Error::system("more objects than a page of a listing holds"));
        }
        if is_ours(&found.key, folder, target) {
            keys.push(found.key);
        }
        Ok(())
    });
    if listed > BATCH {
        return Ok(None);
    }
    outcome.map(|()| Some(keys))
}

/// Calls `visit` with the keys of the objects directly in the folder, or in its partitions, that this program or the Python
/// connector has named. What is in other folders below may belong to other tables.
pub(super) fn each_of_ours(
    objects: &dyn Objects,
    folder: &str,
    target: &TableTarget,
    visit: &mut dyn FnMut(String) -> Result<()>,
) -> Result<()> {
    objects.list(folder, &mut |listed| {
        if is_ours(&listed.key, folder, target) {
            visit(listed.key)?;
        }
        Ok(())
    })
}

fn is_ours(key: &str, folder: &str, target: &TableTarget) -> bool {
    let name = &key[folder.len()..];
    layout::is_object(name)
        || layout::is_object_of_the_python_connector(name)
        || partitions::values_of_object(target, name).is_some()
}

/// Deletes these objects of the folder; not so, and false, where a table is located at, inside or above it.
fn delete(keys: &[String], folder: &str, lake: &Lake, locations: &mut Locations) -> Result<bool> {
    if let Some(other) = locations.touching(folder, lake, None)? {
        log::warn!(
            "a superseded generation is left, because {} folder={folder}",
            because(other)
        );
        return Ok(false);
    }
    // A run that is to end leaves the rest to a later one.
    if let Some(signal) = interrupt::signal() {
        return Err(Stopped(signal).into());
    }
    lake.objects.delete(keys)?;
    Ok(true)
}

/// The same in batches, until `visit` returns false; whether it never did.
fn visit_batches(
    objects: &dyn Objects,
    folder: &str,
    target: &TableTarget,
    visit: &mut dyn FnMut(&[String]) -> Result<bool>,
) -> Result<bool> {
    let mut goes_on = true;
    let mut batch = Vec::new();
    each_of_ours(objects, folder, target, &mut |key| {
        if goes_on {
            batch.push(key);
        }
        if batch.len() == BATCH {
            goes_on = visit(&batch)?;
            batch.clear();
        }
        Ok(())
    })?;
    if !batch.is_empty() {
        goes_on = visit(&batch)?;
    }
    Ok(goes_on)
}
