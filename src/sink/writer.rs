//! A stream's writer: its open objects, one for each partition, and those that wait for their checkpoint.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::Result;
use crate::file::Format;
use crate::lake::Objects;
use crate::schema::Field;
use crate::sink::object::{Flushed, Object};
use crate::sink::partitions::ROOM_OF_PARTITION;
use crate::sink::sizes::Sizes;
use crate::table::PartitionId;
use crate::table::layout::{self, Run};
use crate::table::uploads;

/// Which rows a checkpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those that a state covers.
    Covered,
    All,
}

/// Numbers the objects of a run, over all streams: two tables may have one location. A clone goes on with the same numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct ObjectNumbers(Rc<Cell<u64>>);

impl ObjectNumbers {
    fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

/// What the objects of a stream are made with.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    /// Keys begin with it; a slash at its end.
    pub(super) folder: String,
    pub(super) run: Run,
    pub(super) numbers: ObjectNumbers,
    pub(super) format: Format,
    pub(super) columns: Rc<[Field]>,
    pub(super) sizes: Sizes,
    /// Encoded bytes at which an object is full.
    pub(super) target_size: usize,
    /// The folders of partitions below `folder`, by their numbers; none where the table has no partitions.
    pub(super) partitions: Vec<String>,
}

/// Writes the objects of one stream.
///
/// Rows are pushed; when a push says so, `flush` is due for the partition. `cover` says that a state covers all rows so
/// far. A checkpoint takes objects with `take`, and completes them; until then nothing is visible.
pub(super) struct Writer {
    naming: Naming,
    /// The open objects, by the number of their partition.
    open: Vec<Option<Object>>,
    /// Objects that have their last row.
    closed: Vec<Closed>,
    /// Bytes of memory that the buffers of all of them have allocated.
    buffers: usize,
}

/// Bytes of memory that an object takes while it waits for its checkpoint: itself, its key, and its upload.
const WAITING: usize = 1024;

/// An object that had its last row before its checkpoint came.
struct Closed {
    object: Object,
    is_covered: bool,
}

/// What a push changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pushed {
    /// Bytes of memory that the object's buffers took before it, and take now.
    pub(super) before: usize,
    pub(super) after: usize,
    /// Whether the partition has a block of rows to flush.
    pub(super) is_flush_due: bool,
}

impl Writer {
    pub(super) fn new(naming: Naming) -> Self {
        Self {
            naming,
            open: Vec::new(),
            closed: Vec::new(),
            buffers: 0,
        }
    }

    /// Adds a row, with its line feed, to the partition's open object.
    #[inline]
    pub(super) fn push(&mut self, partition: PartitionId, row: &[u8]) -> Result<Pushed> {
        let object = self.open_or_begin(partition);
        let before = object.memory();
        let is_flush_due = object.push(row)?;
        let after = object.memory();
        self.buffers = self.buffers + after - before;
        Ok(Pushed {
            before,
            after,
            is_flush_due,
        })
    }

    /// Adds a large row, with its line feed, without holding it once more. Returns the bytes by which the encoded rows have
    /// grown.
    pub(super) fn push_large(
        &mut self,
        partition: PartitionId,
        row: &[u8],
        objects: &dyn Objects,
    ) -> Result<usize> {
        self.open_or_begin(partition).begin_row(row.len())?;
        if !self.naming.format.takes_pieces() {
            let grown = self.open_or_begin(partition).push_whole(row)?;
            self.recount();
            return Ok(grown);
        }
        let mut all_grown = 0;
        for piece in row.chunks(self.naming.sizes.block) {
            let (grown, next) = self.open_or_begin(partition).push_piece(piece, objects)?;
            all_grown += grown;
            if next == Flushed::Split {
                self.park_covered(partition, objects)?;
            }
            // A huge row has taken the memory of parts on their way: its own go one after the other.
            if row.len() > self.naming.sizes.part {
                objects.wait_for_parts();
            }
        }
        self.recount();
        Ok(all_grown)
    }

    /// The partition's open object.
    #[inline]
    fn open_or_begin(&mut self, partition: PartitionId) -> &mut Object {
        let index = partition.index();
        if index >= self.open.len() {
            self.open.resize_with(index + 1, || None);
        }
        match &mut self.open[index] {
            Some(object) => object,
            none => none.insert(self.naming.object(partition)),
        }
    }

    fn open_mut(&mut self, partition: PartitionId) -> Option<&mut Object> {
        self.open.get_mut(partition.index())?.as_mut()
    }

    fn open_memory(&self, partition: PartitionId) -> usize {
        let object = self.open.get(partition.index()).and_then(Option::as_ref);
        object.map_or(0, Object::memory)
    }

    fn all_open(&self) -> impl Iterator<Item = &Object> {
        self.open.iter().flatten()
    }

    /// The next partition is in this folder.
    pub(super) fn add_partition(&mut self, folder: String) {
        self.naming.partitions.push(folder);
    }

    /// Forgets the partitions, unless rows of them are here; says whether it did.
    pub(super) fn forget_partitions(&mut self) -> bool {
        let is_empty = self.closed.is_empty() && self.open.iter().all(Option::is_none);
        if is_empty {
            self.open = Vec::new();
            self.naming.partitions = Vec::new();
        }
        is_empty
    }

    /// A state covers every row so far.
    pub(super) fn cover(&mut self) {
        for closed in &mut self.closed {
            closed.is_covered = true;
        }
        self.open.iter_mut().flatten().for_each(Object::cover);
    }

    /// Whether a state covers rows that are not in complete objects.
    pub(super) fn has_covered_rows(&self) -> bool {
        self.closed.iter().any(|closed| closed.is_covered)
            || self.all_open().any(Object::is_covered)
    }

    /// Whether rows that no state covers are not in complete objects.
    pub(super) fn has_uncovered_rows(&self) -> bool {
        self.closed.iter().any(|closed| !closed.is_covered)
            || self.all_open().any(Object::has_uncovered_rows)
    }

    /// Whether rows are accepted and not in complete objects.
    #[cfg(test)]
    pub(super) fn has_rows(&self) -> bool {
        !self.closed.is_empty() || self.all_open().any(|object| !object.is_empty())
    }

    /// Bytes of memory that the buffers of rows have allocated.
    pub(super) fn buffers(&self) -> usize {
        self.buffers
    }

    /// Bytes of memory that the objects take which wait for their checkpoint.
    pub(super) fn waiting(&self) -> usize {
        self.closed.len() * WAITING + self.naming.partitions.len() * ROOM_OF_PARTITION
    }

    fn recount(&mut self) {
        let open: usize = self.all_open().map(Object::memory).sum();
        let closed = self.closed.iter().map(|closed| closed.object.memory());
        self.buffers = open + closed.sum::<usize>();
    }

    /// The columns of the rows.
    pub(super) fn columns(&self) -> &[Field] {
        &self.naming.columns
    }

    /// The rows to come have these columns.
    pub(super) fn reshape(&mut self, columns: Rc<[Field]>, objects: &dyn Objects) -> Result<()> {
        for partition in self.partitions() {
            let object = self.open_mut(partition);
            if object.is_some_and(|object| !object.reshape(&columns)) {
                self.park_covered(partition, objects)?;
                self.park_all(partition, objects)?;
            }
        }
        self.naming.columns = columns;
        self.recount();
        Ok(())
    }

    /// Encodes the partition's blocks, sends full parts, closes full objects. Returns the bytes by which the encoded rows
    /// have grown.
    pub(super) fn flush(&mut self, partition: PartitionId, objects: &dyn Objects) -> Result<usize> {
        let (closed, before) = (self.closed.len(), self.open_memory(partition));
        let grown = self.flush_open(partition, objects);
        if self.closed.len() == closed {
            self.buffers = self.buffers + self.open_memory(partition) - before;
        } else {
            self.recount();
        }
        grown
    }

    fn flush_open(&mut self, partition: PartitionId, objects: &dyn Objects) -> Result<usize> {
        let Some(object) = self.open_mut(partition) else {
            return Ok(0);
        };
        let before = object.encoded();
        loop {
            let target_size = self.naming.target_size;
            let Some(object) = self.open_mut(partition) else {
                return Ok(0);
            };
            let next = object.flush(objects)?;
            let grown = object.encoded().saturating_sub(before);
            let is_full = object.encoded() >= target_size;
            if next == Flushed::Continue && !is_full {
                return Ok(grown);
            }
            if object.is_covered() {
                self.park_covered(partition, objects)?;
            } else {
                self.park_all(partition, objects)?;
            }
            if is_full {
                return Ok(grown);
            }
        }
    }

    /// Closes the open object at its boundary and uploads it; the rest goes on in a new one.
    fn park_covered(&mut self, partition: PartitionId, objects: &dyn Objects) -> Result<()> {
        let covered = self.split(partition)?;
        self.park_closed(covered, true, objects)
    }

    /// Closes the open object after its last row and uploads it.
    fn park_all(&mut self, partition: PartitionId, objects: &dyn Objects) -> Result<()> {
        let all = self.close(partition)?;
        self.park_closed(all, false, objects)
    }

    /// Uploads a closed object, so that it waits for its checkpoint without memory.
    fn park_closed(
        &mut self,
        object: Option<Object>,
        is_covered: bool,
        objects: &dyn Objects,
    ) -> Result<()> {
        let Some(mut object) = object else {
            return Ok(());
        };
        let parked = object.park(objects);
        self.closed.push(Closed { object, is_covered });
        parked
    }

    /// Takes the open object, closed after its last row; nothing where it has none.
    fn close(&mut self, partition: PartitionId) -> Result<Option<Object>> {
        let open = self.open.get_mut(partition.index()).and_then(Option::take);
        let Some(mut object) = open.filter(|object| !object.is_empty()) else {
            return Ok(None);
        };
        object.close()?;
        Ok(Some(object))
    }

    /// Takes the covered rows out of the open object, as an object of their own that is closed.
    fn split(&mut self, partition: PartitionId) -> Result<Option<Object>> {
        let Some(open) = self.open.get_mut(partition.index()) else {
            return Ok(None);
        };
        let Some(mut object) = open.take_if(|object| object.is_covered()) else {
            return Ok(None);
        };
        *open = object.split(|| self.naming.key(partition))?;
        Ok(Some(object))
    }

    fn partitions(&self) -> Vec<PartitionId> {
        self.all_open().map(Object::partition).collect()
    }

    /// Uploads whatever is open, so that it waits for its checkpoint without memory.
    #[cfg(test)]
    pub(super) fn park(&mut self, objects: &dyn Objects) -> Result<()> {
        for partition in self.partitions() {
            self.park_covered(partition, objects)?;
            self.park_all(partition, objects)?;
        }
        self.recount();
        Ok(())
    }

    /// Frees memory of the largest open object: encodes its rows where that frees a quarter of it, else uploads it. Rows
    /// that no state covers stay where they are few: with those to come they make a larger object.
    pub(super) fn relieve(&mut self, objects: &dyn Objects) -> Result<()> {
        let done = self.relieve_largest(objects);
        self.recount();
        done
    }

    fn relieve_largest(&mut self, objects: &dyn Objects) -> Result<()> {
        let largest = self
            .open
            .iter_mut()
            .flatten()
            .max_by_key(|object| object.memory());
        let Some(object) = largest else {
            return Ok(());
        };
        let partition = object.partition();
        let before = object.memory();
        object.compact();
        if object.memory() <= before - before / 4 {
            return Ok(());
        }
        object.close_group();
        self.flush_open(partition, objects)?;
        let Some(object) = self.open_mut(partition) else {
            return Ok(());
        };
        if object.memory() <= before - before / 4 {
            return Ok(());
        }
        let is_mostly_covered = object.is_mostly_covered();
        self.park_covered(partition, objects)?;
        if is_mostly_covered {
            return Ok(());
        }
        self.park_all(partition, objects)
    }

    /// Closes the objects that the checkpoint takes, and sends what is left of their uploads. Nothing is visible yet. After
    /// an error their uploads are aborted.
    pub(super) fn take(&mut self, extent: Extent, objects: &dyn Objects) -> Result<Vec<Object>> {
        let mut taken: Vec<Object> = self
            .closed
            .extract_if(.., |closed| closed.is_covered || extent == Extent::All)
            .map(|closed| closed.object)
            .collect();
        let mut sealed = Ok(());
        let already_sealed = taken.len();
        for partition in self.partitions() {
            match extent {
                Extent::Covered => taken.extend(self.split(partition)?),
                Extent::All => taken.extend(self.close(partition)?),
            }
        }
        for object in &mut taken[already_sealed..] {
            sealed = object.seal(objects);
            if sealed.is_err() {
                break;
            }
        }
        // The last parts of all are on their way together.
        let settled = taken
            .iter_mut()
            .try_for_each(|object| object.settle(objects));
        sealed = sealed.and(settled);
        self.recount();
        if let Err(error) = sealed {
            uploads::abort(taken.into_iter().filter_map(Object::abort), objects);
            return Err(error);
        }
        Ok(taken)
    }

    /// Gives up whatever is not complete.
    pub(super) fn abandon(&mut self, objects: &dyn Objects) {
        let open = std::mem::take(&mut self.open).into_iter().flatten();
        let closed = std::mem::take(&mut self.closed).into_iter();
        let all = open.chain(closed.map(|closed| closed.object));
        uploads::abort(all.filter_map(Object::abort), objects);
        self.recount();
    }
}

impl Naming {
    fn object(&self, partition: PartitionId) -> Object {
        let file = self.format.writer(&self.columns);
        Object::new(self.key(partition), partition, file, self.sizes)
    }

    fn key(&self, partition: PartitionId) -> String {
        let object = layout::object(&self.run, self.numbers.next(), self.format.extension());
        let partition = self.partitions.get(partition.index());
        format!(
            "{}{}{object}",
            self.folder,
            partition.map_or("", String::as_str)
        )
    }
}
