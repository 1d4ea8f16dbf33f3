//! The two places a lake can live, behind two small traits: objects and the catalog.
//! The sink and the tables speak only to these; `aws` is S3 and Glue, `dir` is a local folder.

pub(crate) mod aws;
pub(crate) mod dir;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A lake: where objects go, and the catalog that says which of them a table shows.
pub(crate) struct Lake {
    pub(crate) objects: Box<dyn Objects>,
    pub(crate) catalog: Box<dyn Catalog>,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: String,
    /// Bytes.
    pub(crate) size: u64,
}

/// A multipart upload that was begun and is neither completed nor aborted: nobody can see its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) key: String,
    /// The store's name for the upload.
    pub(crate) id: String,
    /// What the store answered for each part so far (S3: its ETag), in order; the first is part 1.
    pub(crate) parts: Vec<String>,
}

/// An unfinished upload that a listing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) upload: Upload,
    pub(crate) begun: crate::time::Millis,
}

/// Keys and the bytes behind them. A key has no leading slash; a prefix ends with one, or is empty.
///
/// Every call is whole: it either happened, or the error says so. Retries are the implementor's.
pub(crate) trait Objects {
    /// The location of the empty key, with a trailing slash: `s3://bucket/`.
    fn root(&self) -> String;

    /// Whether the bucket is there and the folder in it may be used, as far as a look at it tells.
    fn find(&self, folder: &str) -> Result<()>;

    /// Makes the object visible with these bytes; an object of that key is replaced.
    fn put(&self, key: &str, body: &[u8]) -> Result<()>;

    /// The object's bytes, or nothing where there is none; for small objects only (64 MiB at most).
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Calls `visit` for every object below the prefix, in key order, page by page.
    fn list(&self, prefix: &str, visit: &mut dyn FnMut(Listed) -> Result<()>) -> Result<()>;

    /// The folders right below the prefix, each with the prefix before it and a slash at its end.
    fn folders(&self, prefix: &str) -> Result<Vec<String>>;

    /// Deletes the objects, any number of them; keys that are absent are no error.
    fn delete(&self, keys: &[String]) -> Result<()>;

    /// Copies inside the store, without the bytes passing through here.
    fn copy(&self, from: &str, to: &str) -> Result<()>;

    /// Begins an invisible object.
    fn begin(&self, key: &str) -> Result<Upload>;

    /// Adds a part. Every part but the last holds 5 MiB or more (S3's limit); at most 10,000 parts.
    fn part(&self, upload: &mut Upload, body: &[u8]) -> Result<()>;

    /// Makes the object visible, whole. A lost answer is resolved by looking.
    fn complete(&self, upload: &Upload) -> Result<()>;

    /// Gives the upload up and frees its parts; one that is gone already is no error.
    fn abort(&self, upload: &Upload) -> Result<()>;

    /// The unfinished uploads below the prefix.
    fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>>;
}

/// A table as the catalog holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
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

/// What became of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It was made now.
    Now,
    /// Somebody had made it before.
    Before,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updated {
    /// The catalog now holds the new definition.
    Done,
    /// The table changed since it was read: read it again and merge.
    Conflict,
}

/// Databases and tables.
pub(crate) trait Catalog {
    /// Looks whether the database exists.
    fn database(&self, database: &str) -> Result<Lookup<()>>;

    fn create_database(&self, database: &str) -> Result<Created>;

    /// Puts the configured Lake Formation tag on the database, where one is configured.
    fn tag_database(&self, database: &str) -> Result<()>;

    fn table(&self, database: &str, table: &str) -> Result<Lookup<Table>>;

    fn create_table(&self, database: &str, input: &Map<String, Value>) -> Result<Created>;

    /// Replaces the definition if it is still at `version` (unconditionally when that is none).
    fn update_table(
        &self,
        database: &str,
        input: &Map<String, Value>,
        version: Option<&str>,
    ) -> Result<Updated>;

    /// Deletes the table's entry, not its objects; an absent one is no error.
    fn delete_table(&self, database: &str, table: &str) -> Result<()>;
}
