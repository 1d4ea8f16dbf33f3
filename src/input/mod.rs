//! Input as lines or as JSON objects, read with a deadline; only this module waits for input.
//!
//! Between lines it also watches for signals, and for the closing of stdout by its reader.

mod compressed;
mod objects;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::interrupt::{self, Signal};
use crate::time::Clock;

pub(crate) use objects::BadRecord;
pub(crate) use watch::Stdout;

use compressed::Compression;
use objects::Objects;
use watch::{Wake, Watch};

/// Bytes per read: at least a pipe's default capacity (64 KiB) and a file's read-ahead.
const BLOCK: usize = 256 * 1024;

/// The requested capacity of a pipe on stdin: the most that Linux allows an unprivileged process (default 64 KiB).
const PIPE: usize = 1 << 20;

/// The mark that some programs of Windows begin UTF-8 files with.
const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// What `Lines::next` returned for.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A line that is not blank, without its line end (`\n` or `\r\n`), or an object of [`Lines::objects`]. Each input's
    /// lines are numbered from 1, blank lines included.
    Line {
        /// The name of the input.
        input: &'a str,
        /// The number of the line, or of that on which the object begins.
        number: u64,
        text: &'a [u8],
    },
    /// The deadline has passed and no line has arrived.
    Deadline,
    /// A signal has arrived that asks the run to end.
    Signal(Signal),
    /// The reader of stdout is gone.
    StdoutClosed,
    /// The end of input.
    End,
}

/// The lines of one input after another.
pub(crate) struct Lines {
    content: CurrentInput,
    /// The name of the current input.
    name: String,
    /// The inputs after the current one.
    waiting: VecDeque<PathBuf>,
    watch: Rc<Watch>,
    /// Bytes read and not yet handed out are `buffer[start..end]`; no line end is in `buffer[start..searched]`.
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
    /// How many lines of the current input end before `start`.
    number: u64,
    /// How the input is split where it is more than lines.
    objects: Option<Objects>,
    /// Bytes of text read so far, over all inputs.
    read: u64,
    /// The same when the current input began.
    read_before: u64,
    /// The most bytes that a line may have.
    longest: usize,
    decompression: Decompression,
    after_signal: AfterSignal,
}

/// The memory of decompression, in bytes.
#[derive(Clone, Copy, Debug)]
struct Decompression {
    most: u64,
    taken: u64,
}

/// The lines that are still handed out after a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterSignal {
    None,
    /// Those that were read, and those that are in the pipe when the signal is noticed.
    WhatIsThere,
    /// Those that were read, and so many more bytes of the pipe.
    Rest(u64),
}

/// The current input, by how its bytes are encoded.
enum CurrentInput {
    /// Too little was read to tell whether it is compressed.
    Undetected(File),
    Plain(File),
    Compressed(Box<dyn Read>),
    Ended,
}

impl Lines {
    /// Reads stdin, whose lines may have `longest` bytes.
    pub(crate) fn stdin(longest: usize, stdout: Stdout, clock: Clock) -> Result<Self> {
        Self::files(vec![PathBuf::from("-")], longest, stdout, clock)
    }

    /// Reads these files in order; `-` is stdin.
    pub(crate) fn files(
        paths: Vec<PathBuf>,
        longest: usize,
        stdout: Stdout,
        clock: Clock,
    ) -> Result<Self> {
        // All are checked now, not after hours of reading the first ones.
        for path in paths.iter().filter(|path| !is_stdin(path)) {
            let found = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
            if found.is_dir() {
                return Err(Error::config(format!(
                    "{} is a directory; expected a file of JSON",
                    path.display()
                ))
                .hint("name the files in it, as in DIR/*.jsonl"));
            }
        }
        Ok(Self {
            content: CurrentInput::Ended,
            name: String::new(),
            waiting: paths.into(),
            watch: Rc::new(Watch::new(stdout, clock)?),
            buffer: vec![0; BLOCK],
            start: 0,
            searched: 0,
            end: 0,
            number: 0,
            objects: None,
            read: 0,
            read_before: 0,
            longest,
            decompression: Decompression {
                most: u64::MAX,
                taken: 0,
            },
            after_signal: AfterSignal::None,
        })
    }

    /// Hands out what a pipe holds before the signal that ends the run: it can be read only once.
    pub(crate) fn take_what_is_there(&mut self) {
        self.after_signal = AfterSignal::WhatIsThere;
    }

    /// Lets decompression take half of the memory budget, and no more.
    #[must_use]
    pub(crate) fn within(mut self, memory_budget: usize) -> Self {
        self.decompression.most = memory_budget as u64 / 2;
        self
    }

    /// The memory that decompression takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        usize::try_from(self.decompression.taken).unwrap_or(usize::MAX)
    }

    /// Bytes of text read so far, after decompression.
    pub(crate) fn bytes(&self) -> u64 {
        self.read
    }

    /// Waits for the next line, or for another event. `deadline` is called only if no line is buffered; `None` means to
    /// wait without limit.
    pub(crate) fn next(&mut self, deadline: impl Fn() -> Option<Instant>) -> Result<Event<'_>> {
        let (from, to) = loop {
            if let Some(signal) = interrupt::signal()
                && self.after_signal == AfterSignal::None
            {
                return Ok(Event::Signal(signal));
            }
            let found = match self.objects {
                None => self.line(),
                Some(_) => self.object()?,
            };
            if let Some(found) = found {
                break found;
            }
            if self.is_ended() && !self.open_next()? {
                return Ok(Event::End);
            }
            if self.end - self.start > self.longest {
                return Err(self.too_long());
            }
            if let Some(signal) = interrupt::signal() {
                if self.rest() == 0 {
                    return Ok(Event::Signal(signal));
                }
                self.fill()?;
                continue;
            }
            match self.wait(deadline())? {
                Wake::Input => self.fill()?,
                Wake::Deadline => return Ok(Event::Deadline),
                Wake::Signal => {}
                Wake::StdoutClosed => return Ok(Event::StdoutClosed),
            }
        };
        if to - from > self.longest {
            return Err(self.too_long());
        }
        Ok(Event::Line {
            input: &self.name,
            number: self.objects.as_ref().map_or(self.number, Objects::line),
            text: &self.buffer[from..to],
        })
    }

    /// The range of the next line that is not blank; `None` if more must be read.
    #[inline]
    fn line(&mut self) -> Option<(usize, usize)> {
        loop {
            let (end, next) = match self.line_end() {
                Some(end) => (end, end + 1),
                None if self.is_ended() && self.start < self.end => (self.end, self.end),
                None => return None,
            };
            let mut line = (self.start, end);
            self.number += 1;
            if self.number == 1 && self.buffer[self.start..end].starts_with(&BOM) {
                line.0 += BOM.len();
            }
            self.start = next;
            self.searched = next;
            if let Some(line) = self.trimmed(line) {
                return Some(line);
            }
        }
    }

    /// The place of the first line end; `None` if it was not read yet.
    #[inline]
    fn line_end(&mut self) -> Option<usize> {
        let searched = &self.buffer[self.searched..self.end];
        if let Some(offset) = memchr::memchr(b'\n', searched) {
            self.searched += offset;
            return Some(self.searched);
        }
        self.searched = self.end;
        None
    }

    fn is_ended(&self) -> bool {
        matches!(self.content, CurrentInput::Ended)
    }

    fn too_long(&self) -> Error {
        let what = match self.objects {
            None => "lines",
            Some(_) => "records",
        };
        // A line is counted once its end is found, so an unfinished line that exceeds the limit is the next one.
        Error::config(format!(
            "{} near line {}: expected {what} of at most {} MiB, found a longer one",
            self.name,
            self.number + 1,
            self.longest >> 20
        ))
        .hint("raise max_record_mb in the configuration")
    }

    /// The line without its `\r`; `None` if it is blank.
    #[inline]
    fn trimmed(&self, (from, mut to): (usize, usize)) -> Option<(usize, usize)> {
        let line = &self.buffer[from..to];
        if line.ends_with(b"\r") {
            to -= 1;
        }
        (!line.iter().all(u8::is_ascii_whitespace)).then_some((from, to))
    }

    /// Opens the next input; returns false if there is none.
    fn open_next(&mut self) -> Result<bool> {
        let Some(path) = self.waiting.pop_front() else {
            return Ok(false);
        };
        let file = if is_stdin(&path) {
            "stdin".clone_into(&mut self.name);
            let stdin = std::io::stdin().as_fd().try_clone_to_owned();
            if let Ok(pipe) = &stdin {
                // Fewer context switches. Failure is harmless: stdin may be no pipe, and the system's limit may be lower.
                let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
            }
            stdin.map(File::from)
        } else {
            self.name = path.display().to_string();
            // Opening a FIFO must not wait for its writer; the wait for input does.
            interrupt::options().read(true).open(&path)
        };
        self.content = CurrentInput::Undetected(file.map_err(|error| unreadable(&path, error))?);
        self.decompression.taken = 0;
        self.number = 0;
        self.read_before = self.read;
        if self.objects.is_some() {
            self.objects = Some(Objects::default());
        }
        Ok(true)
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<Wake> {
        match &self.content {
            CurrentInput::Undetected(file) | CurrentInput::Plain(file) => {
                self.watch.wait(file, deadline)
            }
            CurrentInput::Compressed(_) | CurrentInput::Ended => Ok(match self.watch.look()? {
                Wake::Deadline => Wake::Input,
                other => other,
            }),
        }
    }

    /// Bytes that are still to be read after a signal.
    fn rest(&mut self) -> u64 {
        match &self.content {
            CurrentInput::Undetected(file) | CurrentInput::Plain(file) => {
                if self.after_signal == AfterSignal::WhatIsThere {
                    let kind = file.metadata().map(|metadata| metadata.file_type());
                    let is_pipe = kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket());
                    let there = is_pipe.then(|| rustix::io::ioctl_fionread(file));
                    let there = there.and_then(std::result::Result::ok);
                    self.after_signal = AfterSignal::Rest(there.unwrap_or_default());
                }
            }
            // What is compressed is no live source.
            CurrentInput::Compressed(_) | CurrentInput::Ended => return 0,
        }
        match self.after_signal {
            AfterSignal::Rest(rest) => rest,
            AfterSignal::None | AfterSignal::WhatIsThere => 0,
        }
    }

    /// Moves what is not yet handed out to the beginning of the buffer, and gives back the memory of a very long line.
    pub(crate) fn compact(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
            if self.end <= BLOCK / 2 && self.buffer.len() > 4 * BLOCK {
                self.buffer.truncate(BLOCK);
                self.buffer.shrink_to_fit();
            }
        }
    }

    /// Reads available bytes into the buffer, which is grown if needed.
    fn fill(&mut self) -> Result<()> {
        self.compact();
        if self.buffer.len() - self.end < BLOCK / 2 {
            // A line longer than the buffer: grow by an eighth, for all of it is written. Large buffers grow without a copy.
            let longer = self.buffer.len() + (self.buffer.len() / 8).max(BLOCK);
            self.buffer.resize(longer, 0);
        }
        let mut room = &mut self.buffer[self.end..];
        if let AfterSignal::Rest(rest) = self.after_signal {
            let rest = usize::try_from(rest).unwrap_or(usize::MAX);
            let length = room.len().min(rest);
            room = &mut room[..length];
        }
        let count = match &mut self.content {
            CurrentInput::Undetected(file) | CurrentInput::Plain(file) => file.read(room),
            CurrentInput::Compressed(text) => text.read(room),
            CurrentInput::Ended => Ok(0),
        };
        let count = match count {
            Ok(count) => count,
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                return Ok(());
            }
            // An event interrupted the read; the next wait returns it.
            Err(_) if self.watch.look()? != Wake::Deadline => return Ok(()),
            Err(error) => return Err(self.read_error(error)),
        };
        self.end += count;
        if let AfterSignal::Rest(rest) = &mut self.after_signal {
            *rest = rest.saturating_sub(count as u64);
        }
        if let CurrentInput::Undetected(file) = &self.content {
            // The buffer holds only bytes of this input.
            let beginning = &self.buffer[self.start..self.end];
            if count > 0 && Compression::is_undecided(beginning) {
                return Ok(());
            }
            let file = file.try_clone();
            let file = file.map_err(|error| unreadable(Path::new(&self.name), error))?;
            let codec = Compression::detect(beginning);
            let beginning = beginning.to_vec();
            self.content = match codec {
                Some(codec) => CurrentInput::Compressed(self.decompressed(codec, beginning, file)?),
                None => CurrentInput::Plain(file),
            };
            if matches!(self.content, CurrentInput::Compressed(_)) {
                self.end = self.start;
                self.searched = self.start;
                return Ok(());
            }
            self.read += (self.end - self.start - count) as u64;
        }
        if count == 0 {
            self.content = CurrentInput::Ended;
        }
        self.read += count as u64;
        Ok(())
    }

    /// The text of the current input, of whose file `beginning` was read.
    fn decompressed(
        &mut self,
        codec: Compression,
        beginning: Vec<u8>,
        file: File,
    ) -> Result<Box<dyn Read>> {
        let most = self.decompression.most;
        match compressed::open(codec, beginning, file, &self.watch, most) {
            Ok(opened) => {
                self.decompression.taken = opened.memory;
                let refused = || self.window_too_large(opened.memory);
                opened.text.ok_or_else(refused)
            }
            // An event interrupted the read: the next wait returns it, and nothing more is read.
            Err(_) if self.watch.look()? != Wake::Deadline => Ok(Box::new(std::io::empty())),
            Err(error) => Err(unreadable(Path::new(&self.name), error)),
        }
    }

    fn window_too_large(&self, window: u64) -> Error {
        Error::config(format!(
            "{}: expected a zstd window of at most {} MiB, half of memory_budget_mb, found one of {} MiB",
            self.name,
            self.decompression.most >> 20,
            window.div_ceil(1 << 20),
        ))
        .hint(format!(
            "raise memory_budget_mb to {}, or compress again without --long and --ultra",
            window.div_ceil(1 << 20) * 2
        ))
    }

    /// The window of the first frame counts in the memory budget, so no later one may have a larger one.
    fn later_window_too_large(&self) -> Error {
        Error::config(format!(
            "{}: expected zstd windows of at most {} MiB in all frames, as in the first, found a larger one",
            self.name,
            self.decompression.taken.div_ceil(1 << 20),
        ))
        .hint("compress it again as one frame, or without --long and --ultra")
    }

    fn read_error(&self, error: std::io::Error) -> Error {
        let name = &self.name;
        match self.content {
            CurrentInput::Compressed(_) if compressed::is_window_too_large(&error) => {
                return self.later_window_too_large();
            }
            CurrentInput::Compressed(_) => {
                let fault = match error.kind() {
                    ErrorKind::UnexpectedEof => "is truncated",
                    _ => "is corrupt",
                };
                Error::config(format!("{name}: the compressed data {fault}"))
                    .hint("download or recompress the file, then load it again")
            }
            _ => Error::system(format!("cannot read {name}")),
        }
        .because(error)
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!("cannot read {}", path.display())).because(error)
}
