//! A table as Hive knows it: a definition in the catalog, whose location is the folder that its rows are read from.

mod definition;
mod generations;
mod publish;
mod rules;
mod serde;
mod settings;

use crate::error::{Error, Result};
use crate::lake::{self, Catalog, Lake, Objects};
use crate::protocol::catalog::Refresh;
use crate::schema::{Field, evolve};
use crate::table::layout::{Folders, Generation, folder_of_location};
use crate::table::plan::Planned;
use crate::table::{
    Creation, DataFile, Opened, Opening, Table, TableChange, TableTarget, take_back,
};

/// A Hive table that a stream is written to.
pub(crate) struct HiveTable {
    target: TableTarget,
    folders: Folders,
    /// Whether the table showed the folder that rows go to when it was opened.
    is_published: bool,
    /// The folder that the table showed when the swap of this run replaced it.
    replaced: Option<String>,
    /// The folder that rows go to.
    folder: String,
    visibility: Visibility,
}

/// How objects in the folder become visible.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Visibility {
    /// The table shows the folder, so an object is visible once it is complete.
    Published,
    /// The table does not exist; the first publication creates it at the folder.
    Create,
    /// Another writer created the table first, and it shows this folder: each publication moves the objects there.
    Move(String),
    /// The table shows another generation until a swap replaces it with this one.
    Swap(Generation),
}

impl HiveTable {
    pub(super) fn open(planned: &Planned, opening: &Opening<'_>) -> Result<Opened> {
        let Opening { lake, options, .. } = opening;
        let target = &planned.target;
        let folders = Folders::new(&options.prefix, &target.database, &target.name);
        match planned.configured.refresh {
            Refresh::Append { .. }
                if is_created_later(&*lake.catalog, target, options.creation)? =>
            {
                let folder = folders.place(&Generation::of_run(opening.run), None);
                let table = Self {
                    target: target.clone(),
                    folders,
                    is_published: false,
                    replaced: None,
                    folder,
                    visibility: Visibility::Create,
                };
                Ok(table.opened(target.wanted.clone(), Vec::new()))
            }
            Refresh::Append { .. } => Self::open_to_append(planned, opening, folders),
            Refresh::Version(version) if shows_version(&*lake.catalog, target, version)? => {
                Self::open_to_append(planned, opening, folders)
            }
            Refresh::Truncate { .. } | Refresh::Overwrite | Refresh::Version(_) => {
                Self::open_to_replace(planned, opening, folders)
            }
        }
    }

    fn open_to_append(
        planned: &Planned,
        opening: &Opening<'_>,
        folders: Folders,
    ) -> Result<Opened> {
        let target = &planned.target;
        let root = opening.lake.objects.root();
        let generation = planned
            .configured
            .generation_id
            .map_or_else(|| Generation::of_run(opening.run), Generation::Numbered);
        let location = format!("{root}{}", folders.place(&generation, None));
        let published = target.ensure(&*opening.lake.catalog, &location)?;
        let folder = folder_of(&published.location, &root, target)?;
        let table = Self {
            target: target.clone(),
            folders,
            is_published: true,
            replaced: None,
            folder,
            visibility: Visibility::Published,
        };
        // A table that is new shows nothing that a refresh could have been of: what is in its folders is not known.
        if !published.changes.contains(&TableChange::Created) {
            generations::publish_cancelled(
                opening.lake,
                &table,
                planned.configured.refresh,
                planned.configured.generation_id,
                published.generation,
            )?;
        }
        Ok(table.opened(published.fields, published.changes))
    }

    fn open_to_replace(
        planned: &Planned,
        opening: &Opening<'_>,
        folders: Folders,
    ) -> Result<Opened> {
        let target = &planned.target;
        let entry = target.find(&*opening.lake.catalog)?;
        // Refused now, not after hours of writing.
        target.refuse_replacing(entry.as_ref())?;
        let root = opening.lake.objects.root();
        let shown = entry
            .as_ref()
            .and_then(|entry| folder_of_location(location(entry), &root));
        let generation = match planned.configured.refresh {
            Refresh::Truncate { generation } => Generation::Numbered(generation),
            _ => Generation::of_run(opening.run),
        };
        let folder = folders.place(&generation, shown.as_deref());
        let table = Self {
            target: target.clone(),
            folders,
            is_published: shown.as_deref() == Some(&*folder),
            folder,
            replaced: None,
            visibility: Visibility::Swap(generation),
        };
        Ok(table.opened(
            target.fields_of_a_new_generation(entry.as_ref()),
            Vec::new(),
        ))
    }

    fn opened(self, columns: Vec<Field>, changes: Vec<TableChange>) -> Opened {
        Opened {
            table: Table::Hive(self),
            columns,
            changes,
        }
    }

    pub(super) fn target(&self) -> &TableTarget {
        &self.target
    }

    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) fn is_published(&self) -> bool {
        self.is_published
    }

    /// The generation that a swap is to publish, or has published.
    fn generation(&self) -> Option<&Generation> {
        match &self.visibility {
            Visibility::Swap(generation) => Some(generation),
            _ => None,
        }
    }

    pub(super) fn publish(&mut self, lake: &Lake, files: &[DataFile]) -> Result<Vec<TableChange>> {
        let published = self.find_or_create(lake).and_then(|changes| {
            if let Visibility::Move(folder) = &self.visibility {
                move_to(folder, &self.folder, files, &*lake.objects)?;
            }
            Ok(changes)
        });
        if published.is_err() {
            take_back(files.iter().map(|file| file.key.as_str()), &*lake.objects);
        }
        published
    }

    /// Creates the table where it did not exist, or goes along with the one that another writer created meanwhile.
    fn find_or_create(&mut self, lake: &Lake) -> Result<Vec<TableChange>> {
        if self.visibility != Visibility::Create {
            return Ok(Vec::new());
        }
        let root = lake.objects.root();
        let location = format!("{root}{}", self.folder);
        let published = self.target.ensure(&*lake.catalog, &location)?;
        let folder = folder_of(&published.location, &root, &self.target)?;
        if folder == self.folder {
            self.visibility = Visibility::Published;
        } else {
            // Its columns were not known when the rows were written.
            if !evolve::reads(
                &published.fields,
                &self.target.wanted,
                self.target.format.rules(),
            ) {
                return Err(Error::transient(format!(
                    "another writer created the table {}.{} during this load, with column types these rows do not fit",
                    self.target.database, self.target.name
                ))
                .hint("load them again"));
            }
            log::info!(
                "another writer created the table first; its folder is used folder={folder}"
            );
            self.visibility = Visibility::Move(folder);
        }
        Ok(published.changes)
    }

    pub(super) fn replace(&mut self, lake: &Lake) -> Result<Vec<TableChange>> {
        let root = lake.objects.root();
        let location = format!("{root}{}", self.folder);
        let swapped = self
            .target
            .swap(&*lake.catalog, &location, self.generation())?;
        self.replaced = swapped
            .replaced
            .and_then(|location| folder_of_location(&location, &root))
            .filter(|folder| *folder != self.folder);
        Ok(swapped.changes)
    }

    pub(super) fn reshape(
        &mut self,
        lake: &Lake,
        mut target: TableTarget,
    ) -> Result<(Vec<Field>, Vec<TableChange>)> {
        target.wanted = target.reconcile_with(&self.target.wanted).fields;
        let reshaped = match self.visibility {
            Visibility::Create => (target.wanted.clone(), Vec::new()),
            Visibility::Published | Visibility::Move(_) => {
                let location = format!("{}{}", lake.objects.root(), self.folder);
                let published = target.ensure(&*lake.catalog, &location)?;
                (published.fields, published.changes)
            }
            Visibility::Swap(_) => {
                let entry = target.find(&*lake.catalog)?;
                let fields = target.fields_of_a_new_generation(entry.as_ref());
                (fields, Vec::new())
            }
        };
        self.target = target;
        Ok(reshaped)
    }

    pub(super) fn tidy(&self, lake: &Lake) {
        let Some(replaced) = &self.replaced else {
            return;
        };
        if let Err(error) = generations::delete_replaced(lake, replaced) {
            log::warn!(
                "table {}.{}: objects of the replaced generation are left, invisible to readers folder={replaced}: {error}",
                self.target.database,
                self.target.name
            );
        }
    }
}

/// Whether the rows of the table are of this version of the source.
fn shows_version(catalog: &dyn Catalog, target: &TableTarget, version: i64) -> Result<bool> {
    Ok(target.find(catalog)?.is_some_and(|table| {
        // Version 0.2.0 of this program named the folder by it instead.
        let folder = location(&table).trim_end_matches('/');
        definition::version(&table.input) == Some(version)
            || folder.ends_with(&format!("/g{version}"))
    }))
}

/// Whether the stream has no table, and needs none before its first checkpoint.
///
/// One that exists gets its new columns at once: other writers then know of them before there are rows of their types,
/// and a column that a failed load leaves without rows reads as NULL. One that may exist and be hidden is asked for at
/// once too, so that a missing permission is reported before hours of work.
fn is_created_later(
    catalog: &dyn Catalog,
    target: &TableTarget,
    creation: Creation,
) -> Result<bool> {
    Ok(creation == Creation::AtTheFirstCheckpoint && matches!(target.look(catalog)?, (None, None)))
}

/// The folder of a table's location; an error where it is not in this lake.
fn folder_of(location: &str, root: &str, target: &TableTarget) -> Result<String> {
    folder_of_location(location, root).ok_or_else(|| {
        Error::config(format!(
            "the table {}.{} is located at {location}, which is not a folder of {root}",
            target.database, target.name
        ))
        .hint("set bucket_name to the table's bucket, or write to another database")
    })
}

/// Moves objects out of the folder `from`. Either all of them are in the folder `to` then, or none is.
fn move_to(to: &str, from: &str, files: &[DataFile], objects: &dyn Objects) -> Result<()> {
    let mut copies = Vec::new();
    for file in files {
        let copy = format!("{to}{}", &file.key[from.len()..]);
        let done = objects.copy(&file.key, &copy);
        copies.push(copy);
        if let Err(error) = done {
            take_back(copies.iter().map(String::as_str), objects);
            return Err(error);
        }
    }
    let keys: Vec<String> = files.iter().map(|file| file.key.clone()).collect();
    if let Err(error) = objects.delete(&keys) {
        log::warn!("objects that no table shows are left folder={from}: {error}");
    }
    Ok(())
}

/// Where the rows of the catalog's entry are stored.
pub(super) fn location(entry: &lake::CatalogTable) -> &str {
    definition::location(&entry.input)
}

/// The settings of the catalog's entry that a new generation is published without.
pub(super) fn dropped_settings(entry: &lake::CatalogTable) -> Vec<String> {
    settings::dropped(&entry.input)
}

/// The columns of the catalog's entry.
pub(super) fn columns(entry: &lake::CatalogTable) -> Vec<Field> {
    definition::fields(&entry.input)
}
