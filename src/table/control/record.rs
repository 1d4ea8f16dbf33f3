//! The record of a run: the objects that it has completed, or may have, and the tables that it has swapped to a new
//! generation, or may have, and not acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::interrupt::{self, Work};
use crate::lake::{Lake, Listed, Objects};
use crate::table::control::fields::{
    FromFields, Unexpected, optional_object, optional_text, texts,
};
use crate::table::control::{Owner, Place, Swap, read};
use crate::table::layout;
use crate::time::{Clock, Millis};

/// How often a run in the middle of a checkpoint shows that it is alive.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long objects that were taken back are looked for: a run that was taken for dead may complete one still.
const LOOKED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Content {
    #[serde(flatten)]
    owner: Owner,
    /// Counts the writes, so that no two have the same bytes.
    sequence: u64,
    /// The run that takes the objects back. From then on the owner acknowledges nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_back_by: Option<String>,
    /// Keys of objects by table (`database.table`).
    unacknowledged: BTreeMap<String, Vec<String>>,
    /// Those of the same tables that are swapped.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    swaps: BTreeMap<String, Swap>,
}

impl FromFields for Content {
    fn from_fields(fields: &Map<String, Value>) -> std::result::Result<Self, Unexpected> {
        let name = "unacknowledged";
        let mut unacknowledged = BTreeMap::new();
        for (table, keys) in optional_object(fields, name)?.ok_or(name)? {
            unacknowledged.insert(table.clone(), texts(keys, name)?);
        }
        let mut swaps = BTreeMap::new();
        for (table, swap) in optional_object(fields, "swaps")?.into_iter().flatten() {
            let swap = swap.as_object().ok_or("swaps")?;
            swaps.insert(table.clone(), Swap::from_fields(swap)?);
        }
        Ok(Self {
            owner: Owner::from_fields(fields)?,
            sequence: fields
                .get("sequence")
                .and_then(Value::as_u64)
                .ok_or("sequence")?,
            taken_back_by: optional_text(fields, "taken_back_by")?,
            unacknowledged,
            swaps,
        })
    }
}

impl Content {
    /// Nothing of the table is unacknowledged any more.
    fn forget(&mut self, table: &str) {
        self.unacknowledged.remove(table);
        self.swaps.remove(table);
    }

    /// Takes the table's swap back, and then deletes the objects, as far as they may be.
    fn undo(&self, lake: &Lake, table: &str, keys: &[String]) -> Result<bool> {
        let may_delete = match self.swaps.get(table) {
            Some(swap) => swap.take_back(lake, keys)?,
            None => true,
        };
        if may_delete {
            lake.objects.delete(keys)?;
        }
        Ok(may_delete)
    }
}

/// This run's record.
pub(crate) struct RunRecord {
    place: Place,
    content: Content,
    /// When it was last written.
    written: Option<Instant>,
    /// Whether it named objects then.
    names_objects: bool,
}

impl RunRecord {
    pub(super) fn new(key: String, owner: Owner) -> Self {
        Self {
            place: Place { key, etag: None },
            content: Content {
                owner,
                sequence: 0,
                taken_back_by: None,
                unacknowledged: BTreeMap::new(),
                swaps: BTreeMap::new(),
            },
            written: None,
            names_objects: false,
        }
    }

    /// Notes keys of objects of a table that are about to be completed; [`write`](Self::write) makes it known.
    pub(crate) fn note(&mut self, table: &str, keys: impl Iterator<Item = String>) {
        let noted = self.content.unacknowledged.entry(table.to_owned());
        noted.or_default().extend(keys);
    }

    /// Notes the swap of a table; [`write`](Self::write) makes it known.
    pub(crate) fn note_swap(&mut self, name: &str, swap: Swap) {
        self.note(name, std::iter::empty());
        self.content.swaps.insert(name.to_owned(), swap);
    }

    /// The swap of the table that is noted.
    pub(crate) fn swap(&self, name: &str) -> Option<&Swap> {
        self.content.swaps.get(name)
    }

    /// Whether it names anything.
    pub(crate) fn is_open(&self) -> bool {
        !self.content.unacknowledged.is_empty()
    }

    /// Writes the record. After an error none of the objects may be acknowledged.
    pub(crate) fn write(&mut self, objects: &dyn Objects, clock: &Clock) -> Result<()> {
        self.content.sequence += 1;
        let is_written = self.place.write(objects, &self.content)? || {
            // Another run may have removed the record as one of a dead run. As it named nothing, nothing was taken back.
            let is_removed = !self.names_objects && objects.read(&self.place.key)?.is_none();
            self.place.etag = self.place.etag.take().filter(|_| !is_removed);
            is_removed && self.place.write(objects, &self.content)?
        };
        if !is_written {
            return Err(Error::transient(format!(
                "another run took this one for dead and takes its unacknowledged rows back (see {}{})",
                objects.root(),
                self.place.key
            ))
            .hint("run it again; nothing is lost"));
        }
        self.written = Some(clock.instant());
        self.names_objects = self.is_open();
        Ok(())
    }

    /// Writes the record without what is noted of the tables, if, as it was last written, it names anything. After an error
    /// all of it is noted as before.
    pub(crate) fn settle(
        &mut self,
        tables: &[String],
        objects: &dyn Objects,
        clock: &Clock,
    ) -> Result<()> {
        let before = self.content.clone();
        for table in tables {
            self.content.forget(table);
        }
        if !self.names_objects {
            return Ok(());
        }
        let written = self.write(objects, clock);
        if written.is_err() {
            self.content = before;
        }
        written
    }

    /// Shows that the run is alive, if it did not lately.
    pub(crate) fn touch(&mut self, objects: &dyn Objects, clock: &Clock) -> Result<()> {
        match self.written {
            Some(written) if self.is_open() && clock.elapsed(written) >= HEARTBEAT => {
                self.write(objects, clock)
            }
            _ => Ok(()),
        }
    }

    /// Takes the swap of the table back that is noted, and deletes its objects. Where that fails they stay noted, for a
    /// later run.
    pub(crate) fn take_back(&mut self, table: &str, lake: &Lake) {
        let Some(keys) = self.content.unacknowledged.get(table) else {
            return;
        };
        let _work = interrupt::begin(Work::CleanUp);
        match self.content.undo(lake, table, keys) {
            Ok(true) => self.content.forget(table),
            Ok(false) => log::warn!(
                "rows that nobody acknowledged are left, because the table is not located where this run left it table={table} objects={}",
                keys.len()
            ),
            Err(error) => log::warn!(
                "rows of a checkpoint that failed may be visible until a later run deletes them table={table} objects={}: {error}",
                keys.len()
            ),
        }
    }

    /// Nothing of the table was begun.
    pub(crate) fn forget(&mut self, table: &str) {
        self.content.forget(table);
    }

    /// Removes the record at the end of the run. Where its last write failed, it first says that what it names is taken
    /// back, so that no other run waits for this one. A failure is only logged: a later run removes it.
    pub(crate) fn remove(&mut self, objects: &dyn Objects) {
        let removed = self.close(objects).and_then(|is_closed| {
            if is_closed {
                objects.delete(std::slice::from_ref(&self.place.key))
            } else {
                Ok(())
            }
        });
        if let Err(error) = removed {
            log::warn!("the record of this run is left for a later one: {error}");
        }
    }

    /// Whether the record as it is stored names nothing, at the end of the run.
    fn close(&mut self, objects: &dyn Objects) -> Result<bool> {
        if self.names_objects {
            let stored: Option<(Place, Content)> = read(objects, &self.place.key)?;
            match stored {
                Some((place, content)) if content.taken_back_by.is_none() => self.place = place,
                _ => return Ok(false),
            }
            let owner = &self.content.owner;
            self.content.taken_back_by = self.is_open().then(|| owner.run.clone());
            self.content.sequence += 1;
            self.names_objects = !self.place.write(objects, &self.content)?;
        }
        Ok(self.place.etag.is_some() && !self.names_objects && !self.is_open())
    }
}

/// The record of another run.
pub(super) struct Other {
    place: Place,
    content: Content,
    /// When it was last written, by the store's clock.
    written: Millis,
}

impl Other {
    /// Reads one that a listing found; nothing where it is gone.
    pub(super) fn found(
        objects: &dyn Objects,
        listed: &Listed,
        now: Millis,
    ) -> Result<Option<Self>> {
        Self::read(objects, &listed.key, listed.modified.unwrap_or(now))
    }

    /// Reads it; nothing where it is gone.
    fn read(objects: &dyn Objects, key: &str, written: Millis) -> Result<Option<Self>> {
        Ok(read(objects, key)?.map(|(place, content)| Self {
            place,
            content,
            written,
        }))
    }

    /// Reads it again; one that is gone names nothing.
    pub(super) fn reread(&mut self, objects: &dyn Objects) -> Result<()> {
        match Self::read(objects, &self.place.key, self.written)? {
            Some(again) if again.place.etag == self.place.etag => {}
            Some(again) => {
                *self = again;
                self.written = objects.now()?;
            }
            None => self.content.unacknowledged.clear(),
        }
        Ok(())
    }

    pub(super) fn key(&self) -> &str {
        &self.place.key
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.content.owner
    }

    pub(super) fn run(&self) -> &str {
        &self.content.owner.run
    }

    /// Whether it names objects that its run may yet acknowledge.
    pub(super) fn is_open(&self) -> bool {
        !self.is_taken_back() && !self.content.unacknowledged.is_empty()
    }

    pub(super) fn is_taken_back(&self) -> bool {
        self.content.taken_back_by.is_some()
    }

    /// Whether nothing more needs to be done about it.
    pub(super) fn is_done(&self, now: Millis) -> bool {
        self.content.unacknowledged.is_empty()
            || self.is_taken_back() && self.written < now.minus(LOOKED_FOR)
    }

    pub(super) fn is_dead(&self, this: &Owner, now: Millis, grace: Duration) -> bool {
        self.content.owner.is_dead(this) || self.written <= now.minus(grace)
    }

    /// Whether it names objects of the table.
    pub(super) fn names(&self, table: &str) -> bool {
        self.content.unacknowledged.contains_key(table)
    }

    pub(super) fn swaps(&self) -> impl Iterator<Item = &Swap> {
        self.content.swaps.values()
    }

    pub(super) fn names_key(&self, key: &str) -> bool {
        self.keys().any(|named| named == key)
    }

    /// The tables whose objects it names, each with their number.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, usize)> {
        let tables = self.content.unacknowledged.iter();
        tables.map(|(table, keys)| (table.as_str(), keys.len()))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.content.unacknowledged.values().flatten()
    }

    pub(super) fn set_written(&mut self, now: Millis) {
        self.written = now;
    }

    /// Says that its objects and swaps are taken back, and then does it. Where its run was quicker, it is as the run left it.
    pub(super) fn take_back(&mut self, lake: &Lake, this: &Owner) -> Result<()> {
        let mut content = self.content.clone();
        content.taken_back_by = Some(this.run.clone());
        if !self.place.write(&*lake.objects, &content)? {
            return self.reread(&*lake.objects);
        }
        self.content = content;
        log::info!(
            "taking back the rows that a run which died did not acknowledge run={} objects={}",
            self.run(),
            self.keys().count()
        );
        self.undo(lake)
    }

    /// Takes back its swaps, and then deletes the objects that it names, of those that carry its run's name.
    pub(super) fn undo(&self, lake: &Lake) -> Result<()> {
        for (table, keys) in &self.content.unacknowledged {
            let is_its_own = |key: &&String| {
                let name = key.rsplit('/').next().unwrap_or_default();
                layout::run_of_object(name) == Some(self.run())
            };
            let keys: Vec<String> = keys.iter().filter(is_its_own).cloned().collect();
            self.content.undo(lake, table, &keys)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_field_of_another_kind_is_named() {
        let definition = Map::from_iter([("Name".to_owned(), Value::from("orders"))]);
        let swap = |before| Swap {
            database: "shop".to_owned(),
            table: "orders".to_owned(),
            folder: "raw/orders-generations/a/".to_owned(),
            mark: "raw/_datalake/generations/shop/orders/a.json".to_owned(),
            before,
            after: definition.clone(),
            partitions: vec![definition.clone()],
        };
        let content = Content {
            owner: Owner::this("run", None, None),
            sequence: 3,
            taken_back_by: Some("other".to_owned()),
            unacknowledged: BTreeMap::from([("shop.orders".to_owned(), vec!["a".to_owned()])]),
            swaps: BTreeMap::from([
                ("shop.orders".to_owned(), swap(Some(definition.clone()))),
                ("shop.new".to_owned(), swap(None)),
            ]),
        };
        let Ok(Value::Object(written)) = serde_json::to_value(&content) else {
            unreachable!("a record is an object");
        };
        assert_eq!(Content::from_fields(&written), Ok(content));
        for name in written.keys() {
            let mut broken = written.clone();
            broken.insert(name.clone(), serde_json::json!([1]));
            assert_eq!(Content::from_fields(&broken).unwrap_err(), name);
        }
    }
}
