//! A lake in a local folder: `objects/` is the bucket, `catalog/` holds the definitions of tables, `uploads/` the
//! unfinished uploads. A rename stands for CompleteMultipartUpload, a lock on the catalog for VersionId.

mod files;
mod partitions;
#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::interrupt;
use crate::lake::{
    Access, Bytes, Catalog, CatalogTable, Created, ETag, Expected, Lake, Listed, Located, Lookup,
    Objects, Part, PartitionChange, Steps, Stored, Unfinished, Updated, Upload, has_values,
};
use crate::time::{Clock, Millis};

use files::{below, failed, or_absent, since_epoch, token, walk};

/// Opens the lake in this folder, which is created where it is absent.
pub(crate) fn open(folder: &Path) -> Result<Lake> {
    let fail = |error| failed("opening the local lake", folder, error);
    fs::create_dir_all(folder).map_err(fail)?;
    let folder = folder.canonicalize().map_err(fail)?;
    files::sync_lake(&folder);
    Ok(lake(folder))
}

/// Opens the lake in this folder to look at it; the folder is not created.
pub(crate) fn look(folder: &Path) -> Result<Lake> {
    let folder = std::path::absolute(folder)
        .map_err(|error| failed("looking at the local lake", folder, error))?;
    Ok(lake(folder))
}

fn lake(folder: PathBuf) -> Lake {
    let dir = Dir { folder };
    Lake {
        access: Box::new(dir.clone()),
        objects: Box::new(dir.clone()),
        catalog: Box::new(dir.clone()),
        steps: Box::new(dir),
    }
}

/// The time between two looks at a lock that another process has: it keeps one for a few milliseconds.
const LOOK: Duration = Duration::from_millis(10);

/// A lake in a local folder.
#[derive(Clone)]
struct Dir {
    folder: PathBuf,
}

impl Dir {
    /// The folder of all objects.
    fn objects(&self) -> PathBuf {
        self.folder.join("objects")
    }

    fn object(&self, key: &str) -> Result<PathBuf> {
        below(&self.objects(), key)
    }

    /// The folder of a key's uploads, of which there may be any number.
    fn uploads_to(&self, key: &str) -> Result<PathBuf> {
        below(&self.folder.join("uploads"), key)
    }

    fn upload(&self, upload: &Upload) -> Result<PathBuf> {
        below(&self.uploads_to(&upload.key)?, &upload.id)
    }

    fn database_folder(&self, database: &str) -> Result<PathBuf> {
        files::entry(&self.folder.join("catalog"), database)
    }

    fn table_file(&self, database: &str, table: &str) -> Result<PathBuf> {
        files::entry(&self.database_folder(database)?, &format!("{table}.json"))
    }

    fn lock_file(&self) -> PathBuf {
        self.folder.join("catalog").join(".lock")
    }
}

/// Waits until no other process has the file's lock, and takes it.
fn wait_for_lock(file: &File) -> io::Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => interrupt::sleep(&Clock::System, LOOK)?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn name(input: &Map<String, Value>) -> &str {
    input.get("Name").and_then(Value::as_str).unwrap_or("")
}

/// The hash of the bytes stands for their ETag.
fn etag(bytes: &[u8]) -> ETag {
    ETag(crate::text::hex(&Sha256::digest(bytes)))
}

/// When the file was last written, by the file system's clock; nothing where it is gone.
fn modified(path: &Path) -> Result<Option<Millis>> {
    let time = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    let time = or_absent(time).map_err(|error| failed("reading", path, error))?;
    Ok(time.map(since_epoch))
}

/// Everything is near.
impl Steps for Dir {
    fn run(&self, count: usize, step: &mut dyn FnMut(usize) -> bool) {
        let _ = (0..count).all(step);
    }
}

impl Access for Dir {
    fn verify_account(&self) -> Result<()> {
        Ok(())
    }

    fn sign_in(&self) -> Result<Option<String>> {
        Ok(None)
    }

    fn find(&self, folder: &str) -> Result<()> {
        let folder = self.object(folder)?;
        files::has_folder(&self.folder, &folder)
            .map(drop)
            .map_err(|error| failed("reading", &folder, error))
    }
}

impl Objects for Dir {
    fn root(&self) -> String {
        format!("file://{}/", self.folder.join("objects").display())
    }

    /// The file system's own clock, which may be another machine's: it dates the lock's file anew.
    fn now(&self) -> Result<Millis> {
        let path = self.lock_file();
        let opened = or_absent(files::open_lock(&self.folder, &path, false));
        let fail = |error| failed("dating", &path, error);
        let Some(file) = opened.map_err(fail)? else {
            // Every lake has it, so there is no lake yet, and nothing that has an age.
            return Ok(Clock::System.now());
        };
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        rustix::fs::futimens(&file, &times)
            .map_err(io::Error::from)
            .and_then(|()| file.metadata()?.modified())
            .map(since_epoch)
            .map_err(fail)
    }

    fn put(&self, key: &str, body: Bytes) -> Result<()> {
        let mut upload = self.begin(key)?;
        self.part(&mut upload, body)?;
        self.complete(&mut upload)
    }

    fn put_if(&self, key: &str, body: &[u8], expected: Expected<'_>) -> Result<Option<ETag>> {
        let _lock = self.lock()?;
        let stored = self.read(key)?;
        let holds = match (&stored, expected) {
            (None, Expected::Absent) => true,
            (Some(stored), Expected::Unchanged(etag)) => stored.etag == *etag,
            _ => false,
        };
        if !holds {
            return Ok(None);
        }
        self.put(key, body.into())?;
        Ok(Some(etag(body)))
    }

    fn read(&self, key: &str) -> Result<Option<Stored>> {
        let path = self.object(key)?;
        let body =
            files::read(&self.folder, &path).map_err(|error| failed("reading", &path, error))?;
        Ok(body.map(|body| Stored {
            etag: etag(&body),
            body,
        }))
    }

    fn list(&self, prefix: &str, visit: &mut dyn FnMut(Listed) -> Result<()>) -> Result<()> {
        let base = self.objects();
        walk(
            &self.folder,
            &base,
            &below(&base, prefix)?,
            &mut |path, key| {
                let modified = modified(path)?;
                visit(Listed { key, modified })
            },
        )
    }

    fn delete(&self, keys: &[String]) -> Result<()> {
        for key in keys {
            let path = self.object(key)?;
            files::remove(&self.folder, &self.objects(), &path)
                .map_err(|error| failed("deleting", &path, error))?;
        }
        Ok(())
    }

    fn copy(&self, from: &str, to: &str) -> Result<()> {
        let path = self.object(from)?;
        let mut file = files::open_to_read(&self.folder, &path)
            .map_err(|error| failed("reading", &path, error))?;
        let mut upload = self.begin(to)?;
        let temporary = self.upload(&upload)?;
        files::append(&self.folder, &temporary)
            .and_then(|mut copy| io::copy(&mut file, &mut copy))
            .map_err(|error| failed("copying to", &temporary, error))?;
        self.complete(&mut upload)
    }

    fn begin(&self, key: &str) -> Result<Upload> {
        let upload = Upload {
            key: key.to_owned(),
            id: token()?,
            parts: Vec::new(),
        };
        let path = self.upload(&upload)?;
        files::create(&self.folder, &path).map_err(|error| failed("writing", &path, error))?;
        Ok(upload)
    }

    fn part(&self, upload: &mut Upload, body: Bytes) -> Result<()> {
        let path = self.upload(upload)?;
        files::append(&self.folder, &path)
            .and_then(|mut file| file.write_all(&body))
            .map_err(|error| failed("writing", &path, error))?;
        upload.parts.push(Part::default());
        Ok(())
    }

    fn complete(&self, upload: &mut Upload) -> Result<()> {
        let (from, to) = (self.upload(upload)?, self.object(&upload.key)?);
        files::publish(&self.folder, &from, &to).map_err(|error| failed("writing", &to, error))?;
        let _ = files::remove_folder(&self.folder, &self.uploads_to(&upload.key)?);
        Ok(())
    }

    fn abort(&self, upload: &Upload) -> Result<()> {
        let path = self.upload(upload)?;
        files::remove_file(&self.folder, &path)
            .map_err(|error| failed("deleting", &path, error))?;
        let _ = files::remove_folder(&self.folder, &self.uploads_to(&upload.key)?);
        Ok(())
    }

    fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let base = self.folder.join("uploads");
        let mut found = Vec::new();
        walk(
            &self.folder,
            &base,
            &below(&base, prefix)?,
            &mut |path, name| {
                // One that is gone by now was completed or aborted meanwhile.
                let Some(begun) = modified(path)? else {
                    return Ok(());
                };
                if let Some((key, id)) = name.rsplit_once('/') {
                    let upload = Upload {
                        key: key.to_owned(),
                        id: id.to_owned(),
                        parts: Vec::new(),
                    };
                    found.push(Unfinished { upload, begun });
                }
                Ok(())
            },
        )?;
        Ok(found)
    }
}

impl Dir {
    /// Locks the catalog, so that one process at a time reads and writes a table's file.
    fn lock(&self) -> Result<File> {
        let path = self.lock_file();
        files::open_lock(&self.folder, &path, true)
            .and_then(|file| wait_for_lock(&file).map(|()| file))
            .map_err(|error| failed("locking", &path, error))
    }

    fn has_folder(&self, path: &Path) -> Result<bool> {
        files::has_folder(&self.folder, path).map_err(|error| failed("reading", path, error))
    }

    fn read_table(&self, database: &str, table: &str) -> Result<Option<CatalogTable>> {
        let path = self.table_file(database, table)?;
        let Some((input, version)) = self.read_json(&path)? else {
            return Ok(None);
        };
        let Value::Object(input) = input else {
            return Err(partitions::not_json(&path));
        };
        let version = Some(version);
        Ok(Some(CatalogTable { input, version }))
    }

    /// A file of the catalog, with its version; nothing where it is absent.
    fn read_json(&self, path: &Path) -> Result<Option<(Value, String)>> {
        let read =
            files::read(&self.folder, path).map_err(|error| failed("reading", path, error))?;
        let Some(text) = read else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&text)
            .map_err(|error| partitions::not_json(path).because(error))?;
        Ok(Some((value, etag(&text).0)))
    }

    fn write_table(&self, database: &str, input: &Map<String, Value>) -> Result<()> {
        let name = name(input);
        self.write_json(&self.table_file(database, name)?, &input.clone().into())
    }

    fn write_json(&self, path: &Path, value: &Value) -> Result<()> {
        let temporary = path.with_extension(format!("{}.new", token()?));
        let text = format!("{value:#}\n");
        files::create(&self.folder, &temporary)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| files::publish(&self.folder, &temporary, path))
            .map_err(|error| failed("writing", path, error))
    }
}

impl Catalog for Dir {
    fn database(&self, database: &str) -> Result<Lookup<()>> {
        let path = self.database_folder(database)?;
        Ok(if self.has_folder(&path)? {
            Lookup::Found(())
        } else {
            Lookup::Absent
        })
    }

    fn create_database(&self, database: &str, _: &str) -> Result<Created> {
        let _lock = self.lock()?;
        let path = self.database_folder(database)?;
        if self.has_folder(&path)? {
            return Ok(Created::Before);
        }
        files::create_folder(&self.folder, &path)
            .map_err(|error| failed("creating", &path, error))?;
        Ok(Created::Now)
    }

    fn delete_database(&self, database: &str) -> Result<()> {
        let _lock = self.lock()?;
        let path = self.database_folder(database)?;
        // It fails where there are tables.
        or_absent(files::remove_folder(&self.folder, &path))
            .map_err(|error| failed("deleting", &path, error))?;
        Ok(())
    }

    /// A folder asks for no permissions by name.
    fn probe_absent(&self, _: &str, _: &Map<String, Value>) -> Result<()> {
        Ok(())
    }

    fn tag_database(&self, _: &str, _: Created) -> Result<()> {
        Ok(())
    }

    fn table(&self, database: &str, table: &str) -> Result<Lookup<CatalogTable>> {
        Ok(match self.read_table(database, table)? {
            Some(table) => Lookup::Found(table),
            None => Lookup::Absent,
        })
    }

    fn create_table(&self, database: &str, input: &Map<String, Value>) -> Result<Created> {
        let _lock = self.lock()?;
        let name = name(input);
        if self.read_table(database, name)?.is_some() {
            return Ok(Created::Before);
        }
        self.write_table(database, input)?;
        Ok(Created::Now)
    }

    fn update_table(
        &self,
        database: &str,
        input: &Map<String, Value>,
        version: Option<&str>,
    ) -> Result<Updated> {
        let _lock = self.lock()?;
        let name = name(input);
        let current = self.read_table(database, name)?;
        if version.is_some() && current.and_then(|table| table.version).as_deref() != version {
            return Ok(Updated::Conflict);
        }
        self.write_table(database, input)?;
        Ok(Updated::Done)
    }

    fn partitions(
        &self,
        database: &str,
        table: &str,
        visit: &mut dyn FnMut(Vec<Map<String, Value>>) -> Result<()>,
    ) -> Result<()> {
        visit(self.read_partitions(database, table)?)
    }

    fn find_partitions(
        &self,
        database: &str,
        table: &str,
        values: &[Vec<String>],
    ) -> Result<Vec<Map<String, Value>>> {
        let mut found = self.read_partitions(database, table)?;
        found.retain(|input| values.iter().any(|values| has_values(input, values)));
        Ok(found)
    }

    fn change_partitions(
        &self,
        change: PartitionChange,
        database: &str,
        table: &str,
        inputs: &[Map<String, Value>],
    ) -> Result<()> {
        self.change_list(change, database, table, inputs)
    }

    fn delete_table(&self, database: &str, table: &str) -> Result<()> {
        let _lock = self.lock()?;
        let base = self.database_folder(database)?;
        for path in [
            self.partitions_file(database, table)?,
            self.table_file(database, table)?,
        ] {
            files::remove(&self.folder, &base, &path)
                .map_err(|error| failed("deleting", &path, error))?;
        }
        Ok(())
    }

    fn locations(&self, visit: &mut dyn FnMut(Located)) -> Result<()> {
        let base = self.folder.join("catalog");
        walk(&self.folder, &base, &base, &mut |_, name| {
            let table = name
                .strip_suffix(".json")
                .and_then(|name| name.split_once('/'));
            let Some((database, table)) = table else {
                return Ok(());
            };
            if let Some(entry) = self.read_table(database, table)? {
                visit(Located {
                    database: database.to_owned(),
                    table: table.to_owned(),
                    location: entry.input["StorageDescriptor"]["Location"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                });
            }
            Ok(())
        })
    }
}
