//! Input as lines or as JSON objects, read with a deadline; only this module waits for input.
//!
//! Between lines it also watches for signals, and for the closing of stdout by its reader.

mod compressed;
mod faults;
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
    current: Current,
    /// The inputs after the current one.
    waiting: VecDeque<PathBuf>,
    watch: Rc<Watch>,
    text: Window,
    /// How the input is split where it is more than lines.
    objects: Option<Objects>,
    /// Bytes of text read so far, over all inputs.
    read: u64,
    /// The most bytes that a line may have.
    longest: usize,
    decompression: Decompression,
    after_signal: AfterSignal,
}

/// The input that is being read.
struct Current {
    content: CurrentInput,
    name: String,
    /// How many lines of it end before what is not yet handed out.
    number: u64,
    /// The bytes of text that were read before it.
    read_before: u64,
}

/// Text that was read: `buffer[start..end]` is not yet handed out, and no line end is in `buffer[start..searched]`.
struct Window {
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
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
            current: Current {
                content: CurrentInput::Ended,
                name: String::new(),
                number: 0,
                read_before: 0,
            },
            waiting: paths.into(),
            watch: Rc::new(Watch::new(stdout, clock)?),
            text: Window {
                buffer: vec![0; BLOCK],
                start: 0,
                searched: 0,
                end: 0,
            },
            objects: None,
            read: 0,
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
            if self.text.end - self.text.start > self.longest {
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
            input: &self.current.name,
            number: self
                .objects
                .as_ref()
                .map_or(self.current.number, Objects::line),
            text: &self.text.buffer[from..to],
        })
    }

    /// The range of the next line that is not blank; `None` if more must be read.
    #[inline]
    fn line(&mut self) -> Option<(usize, usize)> {
        loop {
            let (end, next) = match self.line_end() {
                Some(end) => (end, end + 1),
                None if self.is_ended() && self.text.start < self.text.end => {
                    (self.text.end, self.text.end)
                }
                None => return None,
            };
            let mut line = (self.text.start, end);
            self.current.number += 1;
            if self.current.number == 1 && self.text.buffer[self.text.start..end].starts_with(&BOM)
            {
                line.0 += BOM.len();
            }
            self.text.start = next;
            self.text.searched = next;
            if let Some(line) = self.trimmed(line) {
                return Some(line);
            }
        }
    }

    /// The place of the first line end; `None` if it was not read yet.
    #[inline]
    fn line_end(&mut self) -> Option<usize> {
        let searched = &self.text.buffer[self.text.searched..self.text.end];
        if let Some(offset) = memchr::memchr(b'\n', searched) {
            self.text.searched += offset;
            return Some(self.text.searched);
        }
        self.text.searched = self.text.end;
        None
    }

    fn is_ended(&self) -> bool {
        matches!(self.current.content, CurrentInput::Ended)
    }

    fn too_long(&self) -> Error {
        let what = match self.objects {
            None => "lines",
            Some(_) => "records",
        };
        // A line is counted once its end is found, so an unfinished line that exceeds the limit is the next one.
        Error::config(format!(
            "{} near line {}: expected {what} of at most {} MiB, found a longer one",
            self.current.name,
            self.current.number + 1,
            self.longest >> 20
        ))
        .hint("raise max_record_mb in the configuration")
    }

    /// The line without its `\r`; `None` if it is blank.
    #[inline]
    fn trimmed(&self, (from, mut to): (usize, usize)) -> Option<(usize, usize)> {
        let line = &self.text.buffer[from..to];
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
            "stdin".clone_into(&mut self.current.name);
            let stdin = std::io::stdin().as_fd().try_clone_to_owned();
            if let Ok(pipe) = &stdin {
                // Fewer context switches. Failure is harmless: stdin may be no pipe, and the system's limit may be lower.
                let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
            }
            stdin.map(File::from)
        } else {
            self.current.name = path.display().to_string();
            // Opening a FIFO must not wait for its writer; the wait for input does.
            interrupt::options().read(true).open(&path)
        };
        self.current.content =
            CurrentInput::Undetected(file.map_err(|error| unreadable(&path, error))?);
        self.decompression.taken = 0;
        self.current.number = 0;
        self.current.read_before = self.read;
        if self.objects.is_some() {
            self.objects = Some(Objects::default());
        }
        Ok(true)
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<Wake> {
        match &self.current.content {
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
        match &self.current.content {
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
        if self.text.start > 0 {
            self.text
                .buffer
                .copy_within(self.text.start..self.text.end, 0);
            self.text.end -= self.text.start;
            self.text.searched -= self.text.start;
            self.text.start = 0;
            if self.text.end <= BLOCK / 2 && self.text.buffer.len() > 4 * BLOCK {
                self.text.buffer.truncate(BLOCK);
                self.text.buffer.shrink_to_fit();
            }
        }
    }

    /// Reads available bytes into the buffer, which is grown if needed.
    fn fill(&mut self) -> Result<()> {
        self.compact();
        if self.text.buffer.len() - self.text.end < BLOCK / 2 {
            // A line longer than the buffer: grow by an eighth, for all of it is written. Large buffers grow without a copy.
            let longer = self.text.buffer.len() + (self.text.buffer.len() / 8).max(BLOCK);
            self.text.buffer.resize(longer, 0);
        }
        let mut room = &mut self.text.buffer[self.text.end..];
        if let AfterSignal::Rest(rest) = self.after_signal {
            let rest = usize::try_from(rest).unwrap_or(usize::MAX);
            let length = room.len().min(rest);
            room = &mut room[..length];
        }
        let count = match &mut self.current.content {
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
        self.text.end += count;
        if let AfterSignal::Rest(rest) = &mut self.after_signal {
            *rest = rest.saturating_sub(count as u64);
        }
        if let CurrentInput::Undetected(file) = &self.current.content {
            // The buffer holds only bytes of this input.
            let beginning = &self.text.buffer[self.text.start..self.text.end];
            if count > 0 && Compression::is_undecided(beginning) {
                return Ok(());
            }
            let file = file.try_clone();
            let file = file.map_err(|error| unreadable(Path::new(&self.current.name), error))?;
            let codec = Compression::detect(beginning);
            let beginning = beginning.to_vec();
            self.current.content = match codec {
                Some(codec) => CurrentInput::Compressed(self.decompressed(codec, beginning, file)?),
                None => CurrentInput::Plain(file),
            };
            if matches!(self.current.content, CurrentInput::Compressed(_)) {
                self.text.end = self.text.start;
                self.text.searched = self.text.start;
                return Ok(());
            }
            self.read += (self.text.end - self.text.start - count) as u64;
        }
        if count == 0 {
            self.current.content = CurrentInput::Ended;
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
            Err(error) => Err(unreadable(Path::new(&self.current.name), error)),
        }
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!("cannot read {}", path.display())).because(error)
}
