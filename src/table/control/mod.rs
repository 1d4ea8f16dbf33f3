//! Control objects: what runs write, outside of every table, about objects that readers must not rely on yet.
//!
//! They are stored below `{prefix}/_datalake/`, which engines hide, and are JSON:
//!
//! | key | written | what it permits |
//! | --- | --- | --- |
//! | `runs/{run}.json`: a [`RunRecord`] | before the first object of a checkpoint is completed: the keys of all of them, and the [`Swap`]s of tables that follow; after the last one, once the tables were seen to show them: without the keys and swaps | what it names was never acknowledged: where the run is dead, the swaps may be taken back and the objects deleted |
//! | `generations/{database}/{table}/{folder}.json`: a [`Mark`] | before the first object of a generation that no table shows | the generation was never published: where nothing can be resumed from it, it may be deleted |
//!
//! Each names its run's catalog. One bucket may hold tables of several catalogs, and a run leaves alone what runs of another
//! one have written: it cannot find out what the tables there show.
//!
//! Whether a run is dead is a matter of politeness (see [`Owner::is_dead`]). Who is right where two runs disagree is
//! decided by conditional writes: a run may acknowledge only after it has written its record without the keys, and
//! another may delete those keys, and swap tables back, only after it has written that it takes them back. The store lets only one of them
//! write, because each expects the record as it last was, and the other one leaves everything as it is. So no timing can
//! lose an acknowledged row. A store without conditional writes leaves this to politeness.

mod fields;
mod mark;
mod owner;
mod record;
mod swap;

pub(crate) use mark::{Mark, MarkObject, Stage};
pub(crate) use owner::{Job, Owner};
pub(crate) use record::RunRecord;
pub(crate) use swap::Swap;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::interrupt;
use crate::lake::{CatalogTable, ETag, Expected, Lake, Listed, Objects};
use crate::table::layout;
use crate::time::{Clock, Millis};

use fields::FromFields;
use record::Other;

/// How long a record of a run with unfinished work stays as it is before the run is taken for dead. A run that is at
/// work rewrites its record at least every [`record::HEARTBEAT`].
const GRACE: Duration = Duration::from_secs(120);

/// The control objects of a lake, as one listing at the start of the run found them, and this run's own.
pub(crate) struct Control {
    /// `{prefix}/_datalake/`.
    folder: String,
    owner: Owner,
    leftover_age: Duration,
    /// Records of other runs: those that may be alive, and those whose objects were taken back.
    others: Vec<Other>,
    /// Where marks are stored.
    marks: Vec<Listed>,
    is_listed: bool,
    /// The swaps that a run would take back, where they were foreseen.
    undone: Vec<Swap>,
    pub(crate) record: RunRecord,
}

/// Objects of a table that a run completed, died, and did not acknowledge.
pub(crate) struct TakenBack {
    pub(crate) run: String,
    /// `database.table`.
    pub(crate) table: String,
    pub(crate) objects: usize,
}

/// A control object: where it is stored, and how it was when it was last read or written.
#[derive(Clone, Debug)]
struct Place {
    key: String,
    etag: Option<ETag>,
}

impl Place {
    /// Writes it, if nobody else has meanwhile; false where somebody has.
    fn write(&mut self, objects: &dyn Objects, value: &impl Serialize) -> Result<bool> {
        let body = serde_json::to_vec(value).expect("a control object is JSON");
        let expected = self
            .etag
            .as_ref()
            .map_or(Expected::Absent, Expected::Unchanged);
        let written = objects.put_if(&self.key, &body, expected)?;
        let is_written = written.is_some();
        if is_written {
            self.etag = written;
        }
        Ok(is_written)
    }
}

/// Reads a control object; nothing where it is gone.
fn read<T: FromFields>(objects: &dyn Objects, key: &str) -> Result<Option<(Place, T)>> {
    let Some((place, fields)) = read_fields(objects, key)? else {
        return Ok(None);
    };
    let value = T::from_fields(&fields)
        .map_err(|field| not_ours(objects, key).because(format!("the field `{field}`")))?;
    Ok(Some((place, value)))
}

fn read_fields(objects: &dyn Objects, key: &str) -> Result<Option<(Place, Map<String, Value>)>> {
    let Some(stored) = objects.read(key)? else {
        return Ok(None);
    };
    let fields = serde_json::from_slice(&stored.body)
        .map_err(|error| not_ours(objects, key).because(error))?;
    let place = Place {
        key: key.to_owned(),
        etag: Some(stored.etag),
    };
    Ok(Some((place, fields)))
}

fn not_ours(objects: &dyn Objects, key: &str) -> Error {
    Error::config(format!(
        "{}{key} is not a control object of this program",
        objects.root()
    ))
    .hint("if no other program wrote it, a later version did: use that version")
}

impl Control {
    /// The control objects below the prefix, none of which has been looked for yet.
    pub(crate) fn new(prefix: &str, owner: Owner, leftover_age: Duration) -> Self {
        let folder = layout::folder(prefix, layout::CONTROL);
        Self {
            record: RunRecord::new(format!("{folder}runs/{}.json", owner.run), owner.clone()),
            leftover_age,
            owner,
            others: Vec::new(),
            marks: Vec::new(),
            is_listed: false,
            undone: Vec::new(),
            folder,
        }
    }

    /// Lists the control objects, once, which proves that the bucket may be listed, and takes back what dead runs left
    /// unacknowledged.
    pub(crate) fn reconcile(&mut self, lake: &Lake) -> Result<()> {
        if self.is_listed {
            return Ok(());
        }
        let objects = &*lake.objects;
        let (records, now) = self.list(objects)?;
        let mut settled = Vec::new();
        for listed in records {
            if let Some(other) = self.found(objects, &listed, now)? {
                self.judge(lake, other, now, &mut settled)?;
            }
        }
        objects.delete(&settled)
    }

    /// Finds what [`reconcile`](Self::reconcile) would take back, and leaves it as it is.
    pub(crate) fn foresee(&mut self, objects: &dyn Objects) -> Result<Vec<TakenBack>> {
        let (records, now) = self.list(objects)?;
        let mut taken = Vec::new();
        for listed in records {
            let Some(other) = self.found(objects, &listed, now)? else {
                continue;
            };
            if other.is_open() && other.is_dead(&self.owner, now, GRACE) {
                self.undone.extend(other.swaps().cloned());
                taken.extend(other.tables().map(|(table, objects)| TakenBack {
                    run: other.run().to_owned(),
                    table: table.to_owned(),
                    objects,
                }));
            }
            self.others.push(other);
        }
        Ok(taken)
    }

    /// The table as a run finds it that has taken back what [`foresee`](Self::foresee) has found.
    pub(crate) fn as_taken_back(
        &self,
        database: &str,
        name: &str,
        root: &str,
        table: &mut CatalogTable,
    ) {
        for swap in &self.undone {
            if swap.database == database && swap.table == name {
                swap.foresee(table, root);
            }
        }
    }

    /// Lists the control objects: keeps the marks, and returns the records of other runs with the time, if there are any.
    fn list(&mut self, objects: &dyn Objects) -> Result<(Vec<Listed>, Millis)> {
        let [runs, marks] = ["runs/", "generations/"].map(|name| format!("{}{name}", self.folder));
        let mut records = Vec::new();
        objects.list(&self.folder, &mut |listed| {
            // Other tools leave objects that stand for folders, and people leave notes.
            if listed.key.strip_suffix(".json").is_none() {
                return Ok(());
            }
            if listed.key.starts_with(&runs) {
                records.push(listed);
            } else if listed.key.starts_with(&marks) {
                self.marks.push(listed);
            }
            Ok(())
        })?;
        self.is_listed = true;
        let now = if records.is_empty() {
            Millis(0)
        } else {
            objects.now()?
        };
        Ok((records, now))
    }

    /// The record of another run that writes tables of the same catalog.
    fn found(&self, objects: &dyn Objects, listed: &Listed, now: Millis) -> Result<Option<Other>> {
        let other = Other::found(objects, listed, now)?;
        Ok(other.filter(|other| other.owner().shares_catalog(&self.owner)))
    }

    /// Takes back the other run's objects if it is dead; else keeps it in mind.
    fn judge(
        &mut self,
        lake: &Lake,
        mut other: Other,
        now: Millis,
        settled: &mut Vec<String>,
    ) -> Result<()> {
        let is_dead = other.is_dead(&self.owner, now, GRACE);
        if is_dead && other.is_open() {
            other.take_back(lake, &self.owner)?;
            other.set_written(now);
        } else if other.is_taken_back() {
            // Whoever took it for dead may have erred, and it may have completed an object since.
            other.undo(lake)?;
        }
        // The record of a run that may be between two checkpoints is not touched.
        let is_abandoned = other.is_dead(&self.owner, now, self.leftover_age.max(GRACE));
        if other.is_done(now) && (is_abandoned || other.is_taken_back()) {
            settled.push(other.key().to_owned());
        } else {
            self.others.push(other);
        }
        Ok(())
    }

    /// Waits until no other run is in the middle of a checkpoint of the table: for seconds where it is alive, for the
    /// grace at most where it is not, and then takes its objects back.
    pub(crate) fn wait_for(&mut self, lake: &Lake, table: &str) -> Result<()> {
        const PAUSE: Duration = Duration::from_secs(1);
        let objects = &*lake.objects;
        for other in &mut self.others {
            if !other.is_open() || !other.names(table) {
                continue;
            }
            log::info!(
                "waiting for another run's checkpoint of the table {table} run={}",
                other.run()
            );
            while other.is_open() {
                interrupt::sleep(&Clock::System, PAUSE)?;
                other.reread(objects)?;
                if other.is_open() && other.is_dead(&self.owner, objects.now()?, GRACE) {
                    other.take_back(lake, &self.owner)?;
                }
            }
        }
        Ok(())
    }

    /// Whether an object was never acknowledged, as far as the records of other runs say.
    pub(crate) fn is_unacknowledged(&self, key: &str) -> bool {
        self.others.iter().any(|other| other.names_key(key))
    }

    /// Objects directly in the folder that were taken back, and are there yet: where a table was not found, for example,
    /// nobody could tell what shows them.
    pub(crate) fn taken_back_in(&self, folder: &str) -> Vec<String> {
        let taken_back = self.others.iter().filter(|other| other.is_taken_back());
        let keys = taken_back.flat_map(Other::keys);
        keys.filter(|key| key.strip_prefix(folder).is_some_and(layout::is_object))
            .cloned()
            .collect()
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The marks of a table's generations, but for those that are gone by now, and those of a table of this name in another
    /// catalog: that one may show them.
    pub(crate) fn marks(
        &self,
        objects: &dyn Objects,
        database: &str,
        table: &str,
    ) -> Result<Vec<MarkObject>> {
        let folder = self.marks_of(database, table);
        let mut marks = Vec::new();
        for listed in &self.marks {
            if listed.key.starts_with(&folder) {
                let found = MarkObject::read(objects, &listed.key, listed.modified)?;
                marks.extend(found.filter(|found| found.mark.owner.shares_catalog(&self.owner)));
            }
        }
        Ok(marks)
    }

    /// A mark of a generation of this run, which is not written yet.
    pub(crate) fn new_mark(&self, database: &str, table: &str, mark: Mark) -> MarkObject {
        let name = mark.folder.trim_end_matches('/');
        let name = name.rsplit('/').next().unwrap_or(name);
        MarkObject::new(
            format!("{}{name}.json", self.marks_of(database, table)),
            mark,
        )
    }

    fn marks_of(&self, database: &str, table: &str) -> String {
        format!("{}generations/{database}/{table}/", self.folder)
    }

    /// Whether nobody will go on with the generation: its run is dead, or is taken for dead by its age.
    pub(crate) fn is_abandoned(&self, objects: &dyn Objects, mark: &MarkObject) -> Result<bool> {
        if mark.mark.owner.is_dead(&self.owner) {
            return Ok(true);
        }
        let horizon = objects.now()?.minus(self.leftover_age);
        Ok(mark.written.is_some_and(|written| written <= horizon))
    }
}
