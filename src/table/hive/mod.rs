//! A table as Hive knows it: a definition in the catalog, whose location is the folder that its rows are read from.

mod definition;
mod entry;
mod generations;
mod growth;
mod look;
mod partition_swap;
mod partitions;
mod publish;
mod rules;
mod serde;
mod settings;
mod superseded;
mod swap;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::file::Format;
use crate::lake::{self, Catalog, Lake, Lookup};
use crate::protocol::catalog::Refresh;
use crate::schema::{Column, SchemaChanges, readable};
use crate::table::control::{Control, MarkObject, RunRecord, Stage};
use crate::table::layout::{self, Folders, folder_of_location};
use crate::table::locations::Locations;
use crate::table::plan::Planned;
use crate::table::{Creation, DataFile, Opened, Opening, Table, TableChange, TableTarget};
use crate::time::Clock;

use generations::{Asked, Generations, Numbered, Stored};
use partitions::Partitions;
use publish::Next;

/// A Hive table that a stream is written to.
pub(crate) struct HiveTable {
    target: TableTarget,
    folders: Folders,
    /// The columns that rows are written under.
    columns: Vec<Column>,
    /// Those of the table whose rows a swap is to replace.
    before: Vec<Column>,
    /// Whether the Python connector made the table, so that its types are kept.
    is_adopted: bool,
    /// Whether rows have columns that the catalog may lack.
    has_grown: bool,
    /// The folder that rows go to.
    folder: String,
    visibility: Visibility,
    /// Whether the table showed the folder that rows go to when it was opened.
    is_published: bool,
    /// The folder that the table showed when the swap of this run replaced it.
    replaced: Option<String>,
    /// The platform's numbers of this sync, where it gives any.
    numbers: Option<Numbered>,
    asked: Asked,
    /// The swap that the record of this run names.
    next: Option<Next>,
    generations: Generations,
    /// Those that rows have come for; none where the table has no partitions.
    partitions: Option<Partitions>,
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
    Swap,
    /// The swap of this run has replaced the other generation.
    Swapped,
}

impl HiveTable {
    pub(super) fn open(planned: &Planned, opening: &Opening<'_>) -> Result<Opened> {
        let Opening { lake, options, .. } = opening;
        let target = &planned.target;
        target.finish_swap(lake, None)?;
        let is_listed = target.keys.is_empty();
        let known = || opening.known.look(target).filter(|_| is_listed);
        match planned.configured.refresh {
            Refresh::Append { .. }
                if options.creation == Creation::AtTheFirstCheckpoint
                    && is_absent(&*lake.catalog, target, known())? =>
            {
                let mut table = Self::new(planned, opening);
                // A table of this run's own has no columns that others rely on.
                table.target.policy.schema_changes = SchemaChanges::Extend;
                let generation = layout::generation(opening.run.name(), None);
                table.folder = table.folders.place(&generation, None);
                Ok(table.opened(target.wanted.clone(), Vec::new()))
            }
            Refresh::Append { .. } => Self::open_to_append(planned, opening, known()),
            Refresh::Truncate { .. } | Refresh::Overwrite | Refresh::Version(_) => {
                let entry = target.find(&*lake.catalog, known())?;
                let asked = Asked::of(&planned.configured, opening.control);
                if asked.adds_to_published(entry.as_ref()) {
                    return Self::open_to_append(planned, opening, entry.map(Lookup::Found));
                }
                // Refused now, not after hours of writing.
                target.refuse_replacing(entry.as_ref())?;
                Self::open_to_replace(planned, opening, entry.as_ref())
            }
        }
    }

    fn new(planned: &Planned, opening: &Opening<'_>) -> Self {
        let target = &planned.target;
        Self {
            folders: Folders::new(
                &opening.options.prefix,
                opening.options.generations_prefix.as_deref(),
                &target.database,
                &target.name,
            ),
            target: target.clone(),
            columns: Vec::new(),
            before: Vec::new(),
            is_adopted: false,
            has_grown: false,
            folder: String::new(),
            visibility: Visibility::Create,
            is_published: false,
            replaced: None,
            numbers: Numbered::of(&planned.configured, opening.control),
            asked: Asked::of(&planned.configured, opening.control),
            next: None,
            generations: Generations::default(),
            partitions: Partitions::new(target.keys.clone()),
        }
    }

    fn open_to_append(
        planned: &Planned,
        opening: &Opening<'_>,
        known: Option<Lookup<lake::CatalogTable>>,
    ) -> Result<Opened> {
        let Opening { lake, control, .. } = opening;
        let target = &planned.target;
        let root = lake.objects.root();
        let mut table = Self::new(planned, opening);
        let generation = layout::generation(opening.run.name(), None);
        let location = format!("{root}{}", table.folders.place(&generation, None));
        let published = target.ensure(&*lake.catalog, &location, known)?;
        table.folder = folder_of(&published.location, &root, target)?;
        table.is_published = true;
        table.visibility = Visibility::Published;
        let marks = control.marks(&*lake.objects, &target.database, &target.name)?;
        table.generations = Generations::found(marks);
        let adopted = table.generations.adopt_cancelled(
            planned,
            published.numbers,
            &table.folder,
            &Stored {
                format: target.format,
                columns: &published.columns,
            },
            lake,
            control,
        )?;
        if !adopted.is_empty() {
            let values: Vec<Vec<String>> = adopted.into_iter().collect();
            partitions::create(target, &values, lake, &table.folder)?;
        }
        Ok(table.opened(published.columns, published.changes))
    }

    fn open_to_replace(
        planned: &Planned,
        opening: &Opening<'_>,
        entry: Option<&lake::CatalogTable>,
    ) -> Result<Opened> {
        let Opening { lake, control, .. } = opening;
        let (configured, target) = (&planned.configured, &planned.target);
        let objects = &*lake.objects;
        let mut table = Self::new(planned, opening);
        table.visibility = Visibility::Swap;
        let marks = control.marks(objects, &target.database, &target.name)?;
        table.generations = Generations::found(marks);
        let shown = entry.and_then(|entry| folder_of_location(location(entry), &objects.root()));
        if !matches!(configured.refresh, Refresh::Truncate { .. }) {
            table.numbers = None;
        }
        let columns = target.columns_of_a_new_generation(entry);
        let stored = Stored {
            format: target.format,
            columns: &columns,
        };
        if let Some(numbers) = table.numbers
            && let Some(folder) = table.generations.resume(
                configured,
                numbers,
                shown.as_deref(),
                &stored,
                objects,
                control,
            )?
        {
            table.folder = folder;
        } else {
            table.folder = table.new_folder(opening.run.name(), shown.as_deref());
            table.refuse_shown(shown.as_deref())?;
            let mark =
                generations::mark(configured, table.numbers, &table.folder, &stored, control);
            let mark = control.new_mark(&target.database, &target.name, mark);
            table.generations.own = Some(mark);
        }
        if entry.is_none() {
            table.target.policy.schema_changes = SchemaChanges::Extend;
        }
        table.before = entry.map(self::columns).unwrap_or_default();
        table.refuse_shown(shown.as_deref())?;
        table.is_adopted = entry.is_some_and(|entry| definition::is_adopted(&entry.input));
        Ok(table.opened(columns, Vec::new()))
    }

    /// The folder of a generation that the run begins, while the table shows `shown`.
    fn new_folder(&self, run: &str, shown: Option<&str>) -> String {
        let number = self.numbers.map(|numbers| numbers.generation);
        let generation = layout::generation(run, number);
        let folder = self.folders.place(&generation, shown);
        if Some(&*folder) == shown {
            // This run has made the table, before the stream began anew.
            return self.folders.place(&format!("{generation}-2"), shown);
        }
        folder
    }

    /// An error where readers of the folder `shown` see the generation before its swap.
    fn refuse_shown(&self, shown: Option<&str>) -> Result<()> {
        match shown {
            Some(shown) if layout::is_seen(&self.folder, shown) => Err(Error::config(format!(
                "the table {} is located at {shown}, which holds its own unfinished generation {}",
                self.name(),
                self.folder
            ))
            .hint("set the table's location to a folder of its own, or set generations_prefix to another folder")),
            _ => Ok(()),
        }
    }

    fn opened(mut self, columns: Vec<Column>, changes: Vec<TableChange>) -> Opened {
        self.columns.clone_from(&columns);
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

    /// The folder that readers of the table see, or will see.
    fn shown_folder(&self) -> &str {
        match &self.visibility {
            Visibility::Move(folder) => folder,
            _ => &self.folder,
        }
    }

    fn is_swapped(&self) -> bool {
        self.visibility == Visibility::Swapped
    }

    /// Whether the rows of its objects are acknowledged by checkpoints, and not by a swap.
    pub(super) fn takes_checkpoints(&self) -> bool {
        !matches!(self.visibility, Visibility::Swap) || self.numbers.is_some()
    }

    /// The mark of the folder where no table shows it, once it is written.
    fn mark(&self, lake: &Lake) -> Result<Option<MarkObject>> {
        let is_new = |own: &&MarkObject| !own.is_stored();
        let Some(own) = self.generations.own.as_ref().filter(is_new) else {
            return Ok(None);
        };
        let objects = &*lake.objects;
        // States of these rows are acknowledged before the swap looks at the table again.
        if self.takes_checkpoints() {
            let entry = self.target.find(&*lake.catalog, None)?;
            self.refuse_added(entry.as_ref())?;
            let shown = entry.as_ref().map(location);
            let shown = shown.and_then(|at| folder_of_location(at, &objects.root()));
            self.refuse_shown(shown.as_deref())?;
        }
        let mut own = own.clone();
        let owner = own.mark.owner.clone();
        own.claim(objects, &owner, Stage::Unpublished)?;
        Ok(Some(own))
    }

    pub(super) fn publish(
        &mut self,
        lake: &Lake,
        files: &[DataFile],
        record: &mut RunRecord,
        clock: &Clock,
    ) -> Result<Vec<TableChange>> {
        let changes = self.find_or_create(lake)?;
        if let Visibility::Move(to) = &self.visibility
            && !files.is_empty()
        {
            let copies = || files.iter().map(|file| copy_of(file, &self.folder, to));
            record.note(&self.name(), copies());
            record.write(&*lake.objects, clock)?;
            for (file, copy) in files.iter().zip(copies()) {
                lake.objects.copy(&file.key, &copy)?;
            }
            let keys: Vec<String> = files.iter().map(|file| file.key.clone()).collect();
            if let Err(error) = lake.objects.delete(&keys) {
                log::warn!(
                    "objects that no table shows are left folder={}: {error}",
                    self.folder
                );
            }
        }
        let folder = self.shown_folder().to_owned();
        let is_shown = self.visibility != Visibility::Swap;
        if let Some(partitions) = self.partitions.as_mut().filter(|_| is_shown) {
            partitions.register(&self.target, files, lake, &folder)?;
        }
        Ok(changes)
    }

    /// `database.table`.
    pub(super) fn name(&self) -> String {
        self.target.full_name()
    }

    /// Creates the table where it did not exist, or goes along with the one that another writer created meanwhile.
    fn find_or_create(&mut self, lake: &Lake) -> Result<Vec<TableChange>> {
        if self.visibility != Visibility::Create {
            return Ok(Vec::new());
        }
        let root = lake.objects.root();
        let location = format!("{root}{}", self.folder);
        let published = self.target.ensure(&*lake.catalog, &location, None)?;
        let folder = folder_of(&published.location, &root, &self.target)?;
        self.has_grown = false;
        if folder == self.folder {
            self.visibility = Visibility::Published;
        } else {
            // Its columns were not known when the rows were written.
            if !readable::reads(
                &published.columns,
                &self.target.wanted,
                self.target.format.rules(),
            ) {
                return Err(Error::transient(format!(
                    "another writer created the table {} during this load, with column types these rows do not fit",
                    self.name()
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

    pub(super) fn reshape(
        &mut self,
        lake: &Lake,
        mut target: TableTarget,
    ) -> Result<(Vec<Column>, Vec<TableChange>)> {
        target.policy = self.target.policy;
        // The catalog cannot change them.
        target.keys.clone_from(&self.target.keys);
        target.wanted = target.reconcile_with(&self.target.wanted).columns;
        let reshaped = match self.visibility {
            Visibility::Create => (target.wanted.clone(), Vec::new()),
            Visibility::Published | Visibility::Move(_) | Visibility::Swapped => {
                let location = format!("{}{}", lake.objects.root(), self.folder);
                let published = target.ensure(&*lake.catalog, &location, None)?;
                (published.columns, published.changes)
            }
            Visibility::Swap => {
                let entry = target.find(&*lake.catalog, None)?;
                target.refuse_replacing(entry.as_ref())?;
                let columns = target.columns_of_a_new_generation(entry.as_ref());
                (columns, Vec::new())
            }
        };
        self.columns.clone_from(&reshaped.0);
        self.target = target;
        Ok(reshaped)
    }

    pub(super) fn tidy(&self, lake: &Lake, control: &Control, locations: &mut Locations) {
        self.log_left(self.delete_superseded(lake, control, locations));
    }

    pub(super) fn tidy_few(&self, lake: &Lake, locations: &mut Locations) -> bool {
        self.log_left(self.delete_few(lake, locations))
            .unwrap_or(true)
    }

    fn log_left<T>(&self, outcome: Result<T>) -> Option<T> {
        if let Err(error) = &outcome {
            log::warn!(
                "table {}: objects of superseded generations are left, which no table shows: {error}",
                self.name()
            );
        }
        outcome.ok()
    }
}

/// Whether the stream has no table, so that it needs none before its first checkpoint.
///
/// One that exists gets its new columns at once: other writers then know of them before there are rows of their types,
/// and a column that a failed load leaves without rows reads as NULL. One that may exist and be hidden is asked for at
/// once too, so that a missing permission is reported before hours of work.
fn is_absent(
    catalog: &dyn Catalog,
    target: &TableTarget,
    known: Option<Lookup<lake::CatalogTable>>,
) -> Result<bool> {
    Ok(matches!(target.look(catalog, known)?, (None, None)))
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

/// The key of the file's copy in another folder.
fn copy_of(file: &DataFile, from: &str, to: &str) -> String {
    format!("{to}{}", &file.key[from.len()..])
}

pub(in crate::table) use definition::{
    has_partitions, is_number, is_of_a_swap, is_resumable, publishing,
};
pub(in crate::table) use partition_swap::{finish, move_back};
pub(super) use superseded::{Foreseen, replaces};
pub(super) use swap::{Begun, Replaced};

/// Where the rows of the catalog's entry are stored.
pub(super) fn location(entry: &lake::CatalogTable) -> &str {
    definition::location(&entry.input)
}

/// Whether the catalog's entry is as the Python connector made it.
pub(super) fn is_of_the_python_connector(entry: &lake::CatalogTable) -> bool {
    definition::is_of_the_python_connector(&entry.input)
}

/// The name in the catalog's entry.
pub(super) fn name(entry: &lake::CatalogTable) -> &str {
    let name = entry.input.get("Name").and_then(Value::as_str);
    name.unwrap_or_default()
}

/// The settings of the catalog's entry that a new generation is published without.
pub(super) fn dropped_settings(entry: &lake::CatalogTable, format: Format) -> Vec<String> {
    settings::dropped(&entry.input, format)
}

/// The columns of the catalog's entry.
pub(super) fn columns(entry: &lake::CatalogTable) -> Vec<Column> {
    definition::columns(&entry.input)
}
