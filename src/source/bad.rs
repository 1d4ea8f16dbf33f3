//! Bad records: texts of the input that are no records, set aside in a file up to a number.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::{Error, Result};
use crate::input::{BadRecord, Lines};
use crate::interrupt;
use crate::text::hex;

/// What becomes of bad records: the first ends the run, or so many are set aside before that.
pub(crate) struct BadRecords {
    most: u64,
    file: Option<(PathBuf, File)>,
    count: u64,
}

impl BadRecords {
    /// Lets `most` of them be written to the file at `path`, which is made or emptied now and is none of the inputs.
    pub(crate) fn open(most: u64, path: Option<&Path>, inputs: &[PathBuf]) -> Result<Self> {
        let file = match path {
            Some(path) => Some((path.to_owned(), create(path, inputs)?)),
            None => None,
        };
        Ok(Self {
            most,
            file,
            count: 0,
        })
    }

    /// Takes what was handed out last and is no object: sets it aside, or returns its error. It may also be read again.
    pub(super) fn reject(&mut self, lines: &mut Lines) -> Result<()> {
        let Some(bad) = lines.reject() else {
            return Ok(());
        };
        self.take(&bad)
            .map_err(|error| lines.corruption().unwrap_or(error))
    }

    fn take(&mut self, bad: &BadRecord<'_>) -> Result<()> {
        let error = bad.error();
        let Some((path, file)) = self.file.as_ref().filter(|_| self.count < self.most) else {
            return Err(match self.count {
                0 => error,
                count => error.while_doing(format_args!(
                    "found more than {count} bad records, as many as --max-bad-records permits"
                )),
            });
        };
        self.count += 1;
        // As it came: what is no UTF-8 is no text.
        let (key, text) = match std::str::from_utf8(bad.text) {
            Ok(text) => ("record", text.to_owned()),
            Err(_) => ("record_hex", hex(bad.text)),
        };
        let mut line = json!({
            "number": self.count,
            "input": bad.input,
            "line": bad.line,
            "byte": bad.byte,
            "reason": error.to_string(),
        });
        line[key] = text.into();
        let line = format!("{line}\n");
        // Unbuffered: rows that follow may be published before the end.
        interrupt::write_all(file.as_fd(), line.as_bytes()).map_err(|error| unwritable(path, error))
    }

    /// How many were set aside.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Makes what was set aside durable, before the rows around it are published as the whole of the input.
    pub(crate) fn finish(&self) -> Result<()> {
        let Some((path, file)) = self.file.as_ref().filter(|_| self.count > 0) else {
            return Ok(());
        };
        if file.metadata().is_ok_and(|found| found.is_file()) {
            file.sync_all().map_err(|error| unwritable(path, error))?;
        }
        log::warn!(
            "bad records: {} were set aside in {}",
            self.count,
            path.display()
        );
        Ok(())
    }
}

fn create(path: &Path, inputs: &[PathBuf]) -> Result<File> {
    let open = || {
        let mut options = interrupt::options();
        let file = options.write(true).create(true).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Ok((file, false));
        }
        let is_it = |input: &PathBuf| {
            let other = if input == Path::new("-") {
                let stdin = std::io::stdin().as_fd().try_clone_to_owned();
                stdin.and_then(|stdin| File::from(stdin).metadata())
            } else {
                std::fs::metadata(input)
            };
            other.is_ok_and(|other| (other.dev(), other.ino()) == (found.dev(), found.ino()))
        };
        if inputs.iter().any(is_it) {
            return Ok((file, true));
        }
        file.set_len(0)?;
        Ok((file, false))
    };
    match open() {
        Ok((file, false)) => Ok(file),
        Ok((_, true)) => Err(Error::config(format!(
            "--bad-records: expected another file than the input, found {}",
            path.display()
        ))),
        Err(error) => Err(unwritable(path, error)),
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!("cannot write {}", path.display())).because(error)
}
