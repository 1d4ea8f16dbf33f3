//! Files and folders of a local lake: never outside of its folder, and there after a power failure.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::time::Millis;

/// How often a file is moved into a folder that another process removes because it was empty.
const ATTEMPTS: usize = 100;

/// The largest file that is read whole, in bytes: definitions of tables and control objects have a few thousand.
const SMALL: u64 = 64 << 20;

pub(super) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let text = format!("{what} {} failed", path.display());
    let error_kind = error.kind();
    let made = match error_kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::transient(text).hint("free some space, or put the lake on another disk")
        }
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

/// Calls `visit` for every file below `folder`, in the order of names, with its path below `base`. A link is a file.
pub(super) fn walk(
    lake: &Path,
    base: &Path,
    folder: &Path,
    visit: &mut dyn FnMut(&Path, String) -> Result<()>,
) -> Result<()> {
    let fail = |error| failed("listing", folder, error);
    if or_absent(Way::to(lake, folder, Missing::Fails).and_then(|way| way.open(FOLDER)))
        .map_err(fail)?
        .is_none()
    {
        return Ok(());
    }
    walk_below(base, folder, visit)
}

fn walk_below(
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
            walk_below(base, &path, visit)?;
        } else if let Some(name) = path.strip_prefix(base).ok().and_then(Path::to_str) {
            visit(&path, name.to_owned())?;
        }
    }
    Ok(())
}

const READ: OFlags = OFlags::RDONLY;
const FOLDER: OFlags = OFlags::DIRECTORY;

/// The way to an entry of the lake: the open folders from the lake's to the one that holds it, and its name there. No link
/// is followed, nor is one that takes the place of a folder later: what is open stays what it is.
struct Way {
    lake: PathBuf,
    folders: Vec<OwnedFd>,
    names: Vec<OsString>,
}

/// What becomes of folders that are absent on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fails,
    IsMade,
}

impl Way {
    fn to(lake: &Path, path: &Path, missing: Missing) -> io::Result<Self> {
        let outside = || io::Error::other(format!("it is not in the lake {}", lake.display()));
        let inside = path.strip_prefix(lake).map_err(|_| outside())?;
        let mut names = Vec::new();
        for part in inside.components() {
            match part {
                Component::Normal(name) => names.push(name.to_owned()),
                _ => return Err(outside()),
            }
        }
        let count = names.len().checked_sub(1).ok_or_else(outside)?;
        let mut way = Self {
            lake: lake.to_owned(),
            folders: vec![opened(CWD, lake.as_os_str(), FOLDER)?],
            names,
        };
        for at in 0..count {
            let above = way.folders[at].as_fd();
            if missing == Missing::IsMade {
                made(above, &way.names[at])?;
            }
            let folder = opened(above, &way.names[at], FOLDER | OFlags::NOFOLLOW);
            let folder = folder.map_err(|error| way.refused(at, error))?;
            way.folders.push(folder);
        }
        Ok(way)
    }

    fn last(&self) -> (BorrowedFd<'_>, &OsStr) {
        let at = self.names.len() - 1;
        (self.folders[at].as_fd(), &self.names[at])
    }

    /// Opens the entry; nothing that would wait, as a FIFO does.
    fn open(&self, flags: OFlags) -> io::Result<File> {
        let (folder, name) = self.last();
        let opened = opened(folder, name, flags | OFlags::NOFOLLOW | OFlags::NONBLOCK);
        let opened = opened.map_err(|error| self.refused(self.names.len() - 1, error))?;
        Ok(File::from(opened))
    }

    /// Opens the entry, which must be a file.
    fn open_file(&self, flags: OFlags) -> io::Result<File> {
        let file = self.open(flags)?;
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(self.refused(self.names.len() - 1, Errno::LOOP))
    }

    fn remove(&self, flags: AtFlags) -> io::Result<()> {
        let (folder, name) = self.last();
        Ok(unlinkat(folder, name, flags)?)
    }

    /// Makes the entries durable that lead from the lake's folder to this one. Another process may have made the folders a
    /// moment ago, and not have come so far.
    fn sync(&self) -> io::Result<()> {
        self.folders
            .iter()
            .rev()
            .try_for_each(|folder| sync(folder.as_fd()))
    }

    /// The error of the entry of this number, where it is no folder or no file.
    fn refused(&self, at: usize, error: Errno) -> io::Error {
        if !matches!(error, Errno::LOOP | Errno::NOTDIR | Errno::NXIO) {
            return error.into();
        }
        let path = self.names[..=at]
            .iter()
            .fold(self.lake.clone(), |path, name| path.join(name));
        let kind = if at + 1 < self.names.len() {
            "folder"
        } else {
            "file"
        };
        io::Error::other(format!(
            "{} is no {kind} of a lake, and links are not followed",
            path.display()
        ))
    }
}

fn opened(folder: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(
        folder,
        name,
        flags | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o666),
    )
}

/// Makes the folder, if there is none of this name.
fn made(above: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    match mkdirat(above, name, Mode::from_raw_mode(0o777)) {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

/// Reads a small file; nothing where there is none.
pub(super) fn read(lake: &Path, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = or_absent(open_to_read(lake, path))? else {
        return Ok(None);
    };
    let mut content = Vec::new();
    file.take(SMALL + 1).read_to_end(&mut content)?;
    if content.len() as u64 > SMALL {
        return Err(io::Error::other(format!(
            "expected at most {} MiB, found more",
            SMALL >> 20
        )));
    }
    Ok(Some(content))
}

pub(super) fn open_to_read(lake: &Path, path: &Path) -> io::Result<File> {
    Way::to(lake, path, Missing::Fails)?.open_file(READ)
}

/// Opens a file to append to it.
pub(super) fn append(lake: &Path, path: &Path) -> io::Result<File> {
    Way::to(lake, path, Missing::Fails)?.open_file(OFlags::WRONLY | OFlags::APPEND)
}

/// Opens the file of a lock to write to it.
pub(super) fn open_lock(lake: &Path, path: &Path, is_made: bool) -> io::Result<File> {
    if is_made {
        return Way::to(lake, path, Missing::IsMade)?.open_file(OFlags::WRONLY | OFlags::CREATE);
    }
    Way::to(lake, path, Missing::Fails)?.open_file(OFlags::WRONLY)
}

/// Creates a file that does not exist, with its folder.
pub(super) fn create(lake: &Path, path: &Path) -> io::Result<File> {
    persist(|| {
        let way = Way::to(lake, path, Missing::IsMade)?;
        way.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    })
}

/// Creates a folder that does not exist, and makes it durable.
pub(super) fn create_folder(lake: &Path, path: &Path) -> io::Result<()> {
    let way = Way::to(lake, path, Missing::Fails)?;
    let (folder, name) = way.last();
    mkdirat(folder, name, Mode::from_raw_mode(0o777))?;
    way.sync()
}

/// Whether there is such a folder.
pub(super) fn has_folder(lake: &Path, path: &Path) -> io::Result<bool> {
    let opened = Way::to(lake, path, Missing::Fails).and_then(|way| way.open(FOLDER));
    Ok(or_absent(opened)?.is_some())
}

/// Moves a complete file to its place in one step. A power failure undoes neither the file nor the step.
pub(super) fn publish(lake: &Path, from: &Path, to: &Path) -> io::Result<()> {
    let source = Way::to(lake, from, Missing::Fails)?;
    source.open_file(OFlags::WRONLY)?.sync_all()?;
    let (folder, name) = source.last();
    let target = persist(|| {
        let target = Way::to(lake, to, Missing::IsMade)?;
        let (into, new) = target.last();
        renameat(folder, name, into, new)?;
        Ok(target)
    })?;
    target.sync()
}

/// Removes a file, if there is one, and the folders below `base` that are empty then: an object store has none. A power
/// failure does not undo it: what was deleted would be taken for rows, or for a record that still counts.
pub(super) fn remove(lake: &Path, base: &Path, path: &Path) -> io::Result<()> {
    if let Some(way) = or_absent(Way::to(lake, path, Missing::Fails))? {
        or_absent(way.remove(AtFlags::empty()))?;
    }
    for folder in path.ancestors().skip(1) {
        let is_base = folder == base;
        if !is_base && is_gone(remove_folder(lake, folder)) {
            continue;
        }
        // Another process may remove it now; then its entry is the one to make durable.
        let opened = Way::to(lake, folder, Missing::Fails).and_then(|way| way.open(FOLDER));
        if let Some(opened) = or_absent(opened)? {
            sync(opened.as_fd())?;
            break;
        }
        if is_base {
            break;
        }
    }
    Ok(())
}

/// Removes an empty folder.
pub(super) fn remove_folder(lake: &Path, folder: &Path) -> io::Result<()> {
    Way::to(lake, folder, Missing::Fails)?.remove(AtFlags::REMOVEDIR)
}

/// Removes a file, if there is one.
pub(super) fn remove_file(lake: &Path, path: &Path) -> io::Result<()> {
    let removed = Way::to(lake, path, Missing::Fails).and_then(|way| way.remove(AtFlags::empty()));
    or_absent(removed).map(drop)
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

/// Makes the entries durable that lead to the lake's own folder, as far up as this process may look.
pub(super) fn sync_lake(lake: &Path) {
    let mut above = lake.ancestors().skip(1);
    let _ = above.try_for_each(|folder| {
        let folder = opened(CWD, folder.as_os_str(), FOLDER)?;
        sync(folder.as_fd())
    });
}

fn sync(folder: BorrowedFd<'_>) -> io::Result<()> {
    match fsync(folder) {
        // A file system that cannot do it for folders.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        done => Ok(done?),
    }
}
