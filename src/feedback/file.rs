//! A report file: a regular one is replaced in one step, anything else is written to.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};

use crate::interrupt;
use crate::out;
use crate::time::Clock;

/// How long a FIFO is waited for to have a reader.
const READER: Duration = Duration::from_secs(10);

/// The time between two looks for a reader.
const LOOK: Duration = Duration::from_millis(50);

/// What a report file is.
enum ReportFile {
    /// A regular file, or none yet, by a path that is no symbolic link: a collector may read it at any moment, so it is
    /// replaced as a whole.
    Regular(PathBuf),
    /// A FIFO, a terminal, or a device such as `/dev/null`.
    Special(PathBuf),
    /// What stdout or stderr is: replacing it would take the other lines away.
    Stream(File),
}

/// Fails if the file cannot be written; changes nothing.
pub(super) fn probe(path: &Path) -> io::Result<()> {
    match target(path)? {
        ReportFile::Regular(path) => {
            let temporary = temporary(&path);
            fs::write(&temporary, "")?;
            fs::remove_file(&temporary)
        }
        // Opening a FIFO would show its reader an end.
        ReportFile::Special(path) => Ok(access(&path, Access::WRITE_OK)?),
        ReportFile::Stream(_) => Ok(()),
    }
}

/// Replaces the file by the text, or writes the text to it.
pub(super) fn write(path: &Path, text: &str, clock: &Clock) -> io::Result<()> {
    match target(path)? {
        ReportFile::Regular(path) => {
            let temporary = temporary(&path);
            let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &path));
            written.inspect_err(|_| drop(fs::remove_file(&temporary)))
        }
        ReportFile::Special(path) => {
            let file = open(&path, clock)?;
            interrupt::write_all(file.as_fd(), text.as_bytes())
        }
        ReportFile::Stream(file) => interrupt::write_all(file.as_fd(), text.as_bytes()),
    }
}

fn target(path: &Path) -> io::Result<ReportFile> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link that leads to no file yet. Links in a ring are another error.
            return match fs::read_link(path) {
                Ok(leads_to) => target(&path.with_file_name("").join(leads_to)),
                Err(_) => Ok(ReportFile::Regular(path.to_owned())),
            };
        }
        Err(error) => return Err(error),
    };
    if let Some(stream) = out::stream(&found) {
        return Ok(ReportFile::Stream(stream));
    }
    refuse(&found)?;
    if found.is_file() {
        Ok(ReportFile::Regular(fs::canonicalize(path)?))
    } else {
        Ok(ReportFile::Special(path.to_owned()))
    }
}

/// Fails for what holds no text.
fn refuse(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_block_device() {
        "a block device"
    } else if kind.is_socket() {
        "a socket"
    } else {
        return Ok(());
    };
    Err(io::Error::other(format!(
        "expected a file, a FIFO or a character device, found {what}"
    )))
}

/// Opens what is no regular file; a FIFO once it has a reader.
fn open(path: &Path, clock: &Clock) -> io::Result<File> {
    let began = clock.instant();
    loop {
        match interrupt::options().write(true).open(path) {
            // The answer for a FIFO without a reader.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                if clock.elapsed(began) >= READER {
                    return Err(io::Error::other(format!(
                        "expected a reader within {} seconds, found none",
                        READER.as_secs()
                    )));
                }
                interrupt::sleep(clock, LOOK)?;
            }
            opened => return opened,
        }
    }
}

/// A temporary name in the same folder. Prometheus's textfile collector ignores it: it reads only `*.prom`.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}
