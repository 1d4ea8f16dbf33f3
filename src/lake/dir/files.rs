//! Files and folders of a local lake: never outside of its folder, and there after a power failure.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

use crate::error::{Error, Result};
use crate::time::Millis;

/// How often a file is moved into a folder that another process removes because it was empty.
const ATTEMPTS: usize = 100;

pub(super) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let text = format!("{what} {} failed", path.display());
    let error_kind = error.kind();
    let made = match error_kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::transient(text),
        _ => Error::config(text),
    };
    made.because(error)
}

pub(super) fn or_absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn since_epoch(time: SystemTime) -> Millis {
    let span = time.duration_since(SystemTime::UNIX_EPOCH);
    Millis(0).plus(span.unwrap_or_default())
}

/// A random token of 12 hexadecimal digits.
pub(super) fn token() -> Result<String> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::system("the system provides no random bytes").because(error))?;
    Ok(crate::text::hex(&bytes))
}

/// The path of a key, or of a prefix, below the folder. One that could lead elsewhere is an error: keys come from the
/// configuration and from locations of tables, which anybody may have written.
pub(super) fn below(folder: &Path, key: &str) -> Result<PathBuf> {
    let stem = key.strip_suffix('/').unwrap_or(key);
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    if key.is_empty() || stem.split('/').all(is_plain) {
        return Ok(folder.join(stem));
    }
    Err(Error::config(format!(
        "the key {key:?} would leave the folder {} of the local lake",
        folder.display()
    ))
    .hint("correct bucket_prefix, or the table's location"))
}

/// The path of an entry of a folder; an error where the name is none.
pub(super) fn entry(folder: &Path, name: &str) -> Result<PathBuf> {
    if name.contains('/') || name.starts_with('.') || name.is_empty() {
        return Err(Error::config(format!(
            "{name:?} is no name of a database or a table in {}",
            folder.display()
        )));
    }
    below(folder, name)
}

/// Calls `visit` for every file below `folder`, in the order of names, with its path below `base`.
pub(super) fn walk(
    base: &Path,
    folder: &Path,
    visit: &mut dyn FnMut(&Path, String) -> Result<()>,
) -> Result<()> {
    let fail = |error| failed("listing", folder, error);
    let Some(entries) = or_absent(fs::read_dir(folder)).map_err(fail)? else {
        return Ok(());
    };
    let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().map_err(fail)?.is_dir() {
            walk(base, &path, visit)?;
        } else if let Some(name) = path.strip_prefix(base).ok().and_then(Path::to_str) {
            visit(&path, name.to_owned())?;
        }
    }
    Ok(())
}

/// Opens a file to append to it; a link is not followed.
pub(super) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .custom_flags(no_link())
        .open(path)
}

/// Opens the file of a lock, which is created where it is absent; a link is not followed.
pub(super) fn open_lock(lake: &Path, path: &Path) -> io::Result<File> {
    make_folder_of(lake, path)?;
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .custom_flags(no_link())
        .open(path)
}

fn no_link() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

/// Creates a file that does not exist, with its folder.
pub(super) fn create(lake: &Path, path: &Path) -> io::Result<File> {
    persist(|| {
        make_folder_of(lake, path)?;
        File::create_new(path)
    })
}

/// Moves a complete file to its place in one step. A power failure undoes neither the file nor the step.
pub(super) fn publish(lake: &Path, from: &Path, to: &Path) -> io::Result<()> {
    append(from)?.sync_all()?;
    persist(|| {
        make_folder_of(lake, to)?;
        fs::rename(from, to)
    })?;
    sync_above(lake, to)
}

/// Removes a file, if there is one, and the folders below `base` that are empty then: an object store has none. A power
/// failure does not undo it: what was deleted would be taken for rows, or for a record that still counts.
pub(super) fn remove(lake: &Path, base: &Path, path: &Path) -> io::Result<()> {
    refuse_links(lake, path)?;
    or_absent(fs::remove_file(path))?;
    for folder in path.ancestors().skip(1) {
        let is_base = folder == base;
        if !is_base && is_gone(fs::remove_dir(folder)) {
            continue;
        }
        // Another process may remove it now; then its entry is the one to make durable.
        if or_absent(sync_folder(folder))?.is_some() || is_base {
            break;
        }
    }
    Ok(())
}

fn is_gone(removed: io::Result<()>) -> bool {
    removed.map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}

/// Tries again where a folder went away between two steps.
fn persist<T>(mut steps: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..ATTEMPTS {
        match steps() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    steps()
}

/// Makes the folder of a file, and those above it up to the lake's.
pub(super) fn make_folder_of(lake: &Path, path: &Path) -> io::Result<()> {
    for folder in folders(lake, path)? {
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_link(&folder)?,
            made => made?,
        }
    }
    Ok(())
}

/// An error where a folder on the way from the lake's to the file is a link, which could lead out of the lake.
fn refuse_links(lake: &Path, path: &Path) -> io::Result<()> {
    for folder in folders(lake, path)? {
        or_absent(refuse_link(&folder))?;
    }
    Ok(())
}

fn refuse_link(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder)?.is_dir() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} is not a folder, and links are not followed",
        folder.display()
    )))
}

/// The folders from below the lake's to the file's, from above to below.
fn folders(lake: &Path, path: &Path) -> io::Result<Vec<PathBuf>> {
    let inside = path
        .parent()
        .and_then(|folder| folder.strip_prefix(lake).ok());
    let outside = || io::Error::other(format!("it is not in the lake {}", lake.display()));
    let mut folder = lake.to_owned();
    let mut folders = Vec::new();
    for part in inside.ok_or_else(outside)?.components() {
        if !matches!(part, Component::Normal(_)) {
            return Err(outside());
        }
        folder.push(part);
        folders.push(folder.clone());
    }
    Ok(folders)
}

/// Makes the entries durable that lead from the lake's folder to the file. Another process may have made the folders a
/// moment ago, and not have come so far.
pub(super) fn sync_above(lake: &Path, path: &Path) -> io::Result<()> {
    for folder in path.ancestors().skip(1) {
        sync_folder(folder)?;
        if folder == lake {
            break;
        }
    }
    Ok(())
}

/// Makes the entries durable that lead to the lake's own folder, as far up as this process may look.
pub(super) fn sync_lake(lake: &Path) {
    let mut above = lake.ancestors().skip(1);
    let _ = above.try_for_each(sync_folder);
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // A file system that cannot do it for folders.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}
