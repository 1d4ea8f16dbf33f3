//! The lake as traits: its objects, its catalog, and the access to them.
//! The sink and the tables use only these; `aws` implements them with S3 and Glue, `dir` in a local folder.

pub(crate) mod aws;
pub(crate) mod dir;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::time::Millis;

pub(crate) use crate::aws::glue::PartitionChange;
pub(crate) use crate::aws::s3::Part;
pub(crate) use crate::http::Bytes;

/// A lake: its objects, and the catalog of the tables that publish them.
pub(crate) struct Lake {
    pub(crate) access: Box<dyn Access>,
    pub(crate) objects: Box<dyn Objects>,
    pub(crate) catalog: Box<dyn Catalog>,
    pub(crate) steps: Box<dyn Steps>,
}

impl Lake {
    /// Does the same for each of the items, and continues when all of it is done. The calls overlap where the lake is far
    /// away: those for one item are made in order, and those for different items have none.
    ///
    /// A step may be begun several times before it is done; only its last outcome counts. So it changes nothing but by
    /// calls to the lake, of which it sends no parts, and makes the same calls whenever it gets the same answers.
    pub(crate) fn together<T, R>(&self, items: &[T], step: impl Fn(&T) -> R) -> Vec<R> {
        let mut outcomes: Vec<Option<R>> = items.iter().map(|_| None).collect();
        self.steps.run(items.len(), &mut |place| {
            outcomes[place] = Some(step(&items[place]));
            true
        });
        outcomes.into_iter().flatten().collect()
    }

    /// Does the same for each of the items as [`together`](Self::together) does, and begins no more of it after an error.
    pub(crate) fn try_together<T, R>(
        &self,
        items: &[T],
        step: impl Fn(&T) -> Result<R>,
    ) -> Result<Vec<R>> {
        let mut outcomes: Vec<Option<Result<R>>> = items.iter().map(|_| None).collect();
        self.steps.run(items.len(), &mut |place| {
            let outcome = step(&items[place]);
            let is_done = outcome.is_ok();
            outcomes[place] = Some(outcome);
            is_done
        });
        outcomes.into_iter().flatten().collect()
    }
}

/// Runs steps, so that their calls overlap where that is of use.
pub(crate) trait Steps {
    /// Runs the steps from 0 to `count`, each until it is done. Once one says false, no further one is begun.
    fn run(&self, count: usize, step: &mut dyn FnMut(usize) -> bool);
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: String,
    /// When it was last written, by the store's clock, where the store says so.
    pub(crate) modified: Option<Millis>,
}

/// The store's name for one state of an object (S3's ETag). Any write of other bytes changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ETag(pub(crate) String);

/// What must hold of a key for a conditional write to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected<'a> {
    /// No object has the key.
    Absent,
    /// The object is as it was when it had this ETag.
    Unchanged(&'a ETag),
}

/// A small object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) body: Vec<u8>,
    pub(crate) etag: ETag,
}

/// A multipart upload that was begun and is neither completed nor aborted; readers do not see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) key: String,
    /// The store's name for the upload.
    pub(crate) id: String,
    /// The parts that the store has taken so far, in order; the first is part 1.
    pub(crate) parts: Vec<Part>,
}

/// An unfinished upload that a listing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) upload: Upload,
    /// When it was begun, by the store's clock.
    pub(crate) begun: Millis,
}

/// What is asked before anything is written.
pub(crate) trait Access {
    /// An error where the credentials belong to another account than the configured one.
    fn verify_account(&self) -> Result<()>;

    /// Signs in; the caller's name where there is one.
    fn sign_in(&self) -> Result<Option<String>>;

    /// Looks whether the bucket exists and its folder may be listed.
    fn find(&self, folder: &str) -> Result<()>;
}

/// The objects of a lake, by key. A key has no leading slash; a prefix ends with one, or is empty.
///
/// A call that returns an error may have taken effect. Retries are the implementor's.
pub(crate) trait Objects {
    /// The location of the empty key, with a trailing slash: `s3://bucket/`.
    fn root(&self) -> String;

    /// The time by the store's own clock, which dates objects and uploads: ages are taken from it. It is not early.
    fn now(&self) -> Result<Millis>;

    /// Writes an object, visible at once; an object of that key is replaced.
    fn put(&self, key: &str, body: Bytes) -> Result<()>;

    /// Writes an object if the key is as expected, in one step; returns its new ETag, or nothing where the key was not
    /// as expected. Two writers that expect the same are never both right.
    ///
    /// The bytes must differ from all that the key ever held: an attempt whose response was lost is recognized by them.
    /// In a store without conditional writes it looks first, and others may write between the look and the write; that is
    /// logged.
    fn put_if(&self, key: &str, body: &[u8], expected: Expected<'_>) -> Result<Option<ETag>>;

    /// The object, or nothing where it is absent; for small objects only (64 MiB at most).
    fn read(&self, key: &str) -> Result<Option<Stored>>;

    /// The object's bytes, as [`read`](Self::read) finds them.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.read(key)?.map(|stored| stored.body))
    }

    /// Calls `visit` for every object below the prefix, in key order, page by page.
    fn list(&self, prefix: &str, visit: &mut dyn FnMut(Listed) -> Result<()>) -> Result<()>;

    /// Deletes any number of objects; absent keys are not an error.
    fn delete(&self, keys: &[String]) -> Result<()>;

    /// Copies an object inside the store.
    fn copy(&self, from: &str, to: &str) -> Result<()>;

    /// Begins an upload.
    fn begin(&self, key: &str) -> Result<Upload>;

    /// Adds a part. Every part but the last holds 5 MiB or more (S3's limit); at most 10,000 parts.
    /// The part may be on its way while the caller goes on: a later call for the upload fails then where it is refused.
    fn part(&self, upload: &mut Upload, body: Bytes) -> Result<()>;

    /// Waits until every part of the upload is taken.
    fn settle(&self, _upload: &mut Upload) -> Result<()> {
        Ok(())
    }

    /// Moves parts that are on their way, without waiting. It is to be called now and then.
    fn turn(&self) {}

    /// Bytes of parts that are on their way.
    fn in_flight(&self) -> usize {
        0
    }

    /// Waits until no part is on its way, whatever comes of them.
    fn wait_for_parts(&self) {}

    /// Makes the object visible as a whole. After a lost response the implementor looks whether it is.
    fn complete(&self, upload: &mut Upload) -> Result<()>;

    /// Aborts the upload and frees its parts; one that no longer exists is not an error.
    fn abort(&self, upload: &Upload) -> Result<()>;

    /// The unfinished uploads below the prefix.
    fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>>;
}

/// A table in the catalog.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CatalogTable {
    /// The fields that CreateTable and UpdateTable take (Glue's TableInput), and no others.
    pub(crate) input: Map<String, Value>,
    /// Glue's VersionId: an update that names it fails when the table has changed since.
    pub(crate) version: Option<String>,
}

/// What the catalog answers to the question for a database or a table.
#[derive(Debug)]
pub(crate) enum Lookup<T> {
    Found(T),
    Absent,
    /// The catalog does not say whether it exists: under Lake Formation an absent table or database is refused like a
    /// forbidden one. Creating it is the way to find out; where that fails too, this refusal is the error to report.
    Hidden(Error),
}

/// The outcome of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It was created now.
    Now,
    /// It existed before.
    Before,
}

/// The outcome of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updated {
    /// The catalog now holds the new definition.
    Done,
    /// The table changed since it was read, or was dropped: read it again and merge.
    Conflict,
}

/// The databases and tables of a lake.
pub(crate) trait Catalog {
    /// Tells it from other catalogs whose tables may be stored in the same bucket; nothing where there is no other.
    fn name(&self) -> Option<String> {
        None
    }

    /// Looks whether the database exists.
    fn database(&self, database: &str) -> Result<Lookup<()>>;

    /// Whether the database exists and may be seen. One that may not even be looked for is not there, for this.
    fn shows_database(&self, database: &str) -> Result<bool> {
        Ok(matches!(self.database(database)?, Lookup::Found(())))
    }

    /// Creates a database, whose tables are located below `location`: with that, principals need no permission of Lake
    /// Formation for the location of each.
    fn create_database(&self, database: &str, location: &str) -> Result<Created>;

    /// Deletes a database, in which nobody else may have tables: the catalog deletes those too. An absent one is not an
    /// error.
    fn delete_database(&self, database: &str) -> Result<()>;

    /// Tries each call for a table in a database that was not found, and leaves nothing. An error where a permission is
    /// missing, which services look for before they look for the database.
    fn probe_absent(&self, database: &str, input: &Map<String, Value>) -> Result<()>;

    /// Puts the configured Lake Formation tag on the database, where one is configured. On a database that was there
    /// before, a tag of that key stays as it is: whoever governs the lake has set it.
    fn tag_database(&self, database: &str, created: Created) -> Result<()>;

    fn table(&self, database: &str, table: &str) -> Result<Lookup<CatalogTable>>;

    /// Calls `visit` with tables of the database that may be seen, where they can be had in fewer calls than one for each:
    /// at most `pages` pages of at most `most` tables. Returns whether those were all.
    fn tables(
        &self,
        _database: &str,
        _most: usize,
        _pages: usize,
        _visit: &mut dyn FnMut(CatalogTable),
    ) -> Result<bool> {
        Ok(false)
    }

    fn create_table(&self, database: &str, input: &Map<String, Value>) -> Result<Created>;

    /// Replaces the definition if it is still at `version` (unconditionally when that is none).
    fn update_table(
        &self,
        database: &str,
        input: &Map<String, Value>,
        version: Option<&str>,
    ) -> Result<Updated>;

    /// Calls `visit` with each page of the table's partitions, as inputs of the calls that write partitions.
    fn partitions(
        &self,
        database: &str,
        table: &str,
        visit: &mut dyn FnMut(Vec<Map<String, Value>>) -> Result<()>,
    ) -> Result<()>;

    /// Those of the partitions with these values that exist.
    fn find_partitions(
        &self,
        database: &str,
        table: &str,
        values: &[Vec<String>],
    ) -> Result<Vec<Map<String, Value>>>;

    /// Adds partitions to a table, of which those that exist are left as they are; replaces the definitions of partitions,
    /// which must exist; or deletes entries of partitions, of which some may be absent.
    fn change_partitions(
        &self,
        change: PartitionChange,
        database: &str,
        table: &str,
        inputs: &[Map<String, Value>],
    ) -> Result<()>;

    /// Deletes the table's entry, not its objects; an absent one is not an error.
    fn delete_table(&self, database: &str, table: &str) -> Result<()>;

    /// Calls `visit` with the location of every table of every database that may be seen; views have none.
    fn locations(&self, visit: &mut dyn FnMut(Located)) -> Result<()>;
}

/// Whether the partition has these values.
pub(crate) fn has_values(partition: &Map<String, Value>, values: &[String]) -> bool {
    let own = partition.get("Values").and_then(Value::as_array);
    own.is_some_and(|own| own.iter().eq(values))
}

/// Where a table of the catalog is located.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) location: String,
}
