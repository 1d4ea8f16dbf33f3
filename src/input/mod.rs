//! Input as lines, with a deadline: the only place that waits for the source.
//!
//! Between lines it also watches for SIGTERM and SIGINT, and for a reader of stdout that went away.

mod packed;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::time::Clock;

pub(crate) use watch::Stdout;

use packed::Codec;
use watch::{Wake, Watch};

/// How much is asked of the kernel at once; the pipe's 64 KiB or a file's read-ahead arrive whole.
const BLOCK: usize = 256 * 1024;

/// How much the source may write ahead: what Linux allows everybody, instead of its usual 64 KiB.
const PIPE: usize = 1 << 20;

/// What came next.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A line that is not blank, without its line end (`\n`, or `\r\n`). The lines of each input are numbered from 1,
    /// blank ones too.
    Line {
        /// The name of the input.
        input: &'a str,
        number: u64,
        text: &'a [u8],
    },
    /// The deadline passed while the source was silent.
    Due,
    /// A signal asks to stop.
    Stop(Signal),
    /// Whoever read stdout is gone.
    Closed,
    /// The end of input.
    End,
}

/// The signals that ask to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// 128 plus the signal's number, as shells report it.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Reads the lines of one input after the other.
pub(crate) struct Lines {
    source: Source,
    /// The name of the input that is being read.
    name: String,
    waiting: VecDeque<PathBuf>,
    watch: Rc<Watch>,
    /// Bytes read and not yet handed out are `buffer[start..end]`; no line end is in `buffer[start..searched]`.
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
    number: u64,
    read: u64,
    longest: usize,
}

/// Where bytes come from.
enum Source {
    /// Nothing was read of it, so that it may be compressed.
    Unread(File),
    Plain(File),
    Packed(Box<dyn Read>),
    Ended,
}

impl Lines {
    /// Lines of stdin, none longer than `longest` bytes. From here on signals stop the run instead of killing it.
    pub(crate) fn stdin(longest: usize, stdout: Stdout, clock: Clock) -> Result<Self> {
        Self::files(vec![PathBuf::from("-")], longest, stdout, clock)
    }

    /// Lines of these files, as one input after the other; `-` is stdin.
    pub(crate) fn files(
        paths: Vec<PathBuf>,
        longest: usize,
        stdout: Stdout,
        clock: Clock,
    ) -> Result<Self> {
        // All are looked at now, not after hours of reading those before them.
        for path in paths.iter().filter(|path| !is_stdin(path)) {
            let found = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
            if found.is_dir() {
                return Err(Error::config(format!(
                    "{} is a folder; expected a file of JSON lines",
                    path.display()
                ))
                .hint("name its files, as DIR/*.jsonl"));
            }
        }
        Ok(Self {
            source: Source::Ended,
            name: String::new(),
            waiting: paths.into(),
            watch: Rc::new(Watch::new(stdout, clock)?),
            buffer: vec![0; BLOCK],
            start: 0,
            searched: 0,
            end: 0,
            number: 0,
            read: 0,
            longest,
        })
    }

    /// Bytes of text that were read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.read
    }

    /// The next line, or what came instead of one by the deadline (none means to wait for ever), which is asked for only
    /// where there is something to wait for.
    pub(crate) fn next(&mut self, deadline: impl Fn() -> Option<Instant>) -> Result<Event<'_>> {
        let (from, to) = loop {
            let searched = &self.buffer[self.searched..self.end];
            if let Some(offset) = memchr::memchr(b'\n', searched) {
                let line_end = self.searched + offset;
                let line = (self.start, line_end);
                self.number += 1;
                self.start = line_end + 1;
                self.searched = self.start;
                if let Some(line) = self.trimmed(line) {
                    break line;
                }
                continue;
            }
            self.searched = self.end;
            if matches!(self.source, Source::Ended) {
                if self.start < self.end {
                    let line = (self.start, self.end);
                    self.number += 1;
                    self.start = self.end;
                    if let Some(line) = self.trimmed(line) {
                        break line;
                    }
                }
                if !self.begin_the_next()? {
                    return Ok(Event::End);
                }
            }
            if self.end - self.start > self.longest {
                return Err(self.too_long());
            }
            match self.wait(deadline())? {
                Wake::Input => self.fill()?,
                Wake::Due => return Ok(Event::Due),
                Wake::Stop(signal) => return Ok(Event::Stop(signal)),
                Wake::Closed => return Ok(Event::Closed),
            }
        };
        if to - from > self.longest {
            return Err(self.too_long());
        }
        Ok(Event::Line {
            input: &self.name,
            number: self.number,
            text: &self.buffer[from..to],
        })
    }

    fn too_long(&self) -> Error {
        // A line is counted when its end is found; a line that grows past the limit is the next one.
        Error::config(format!(
            "a line of {} near line {} is longer than {} MiB",
            self.name,
            self.number + 1,
            self.longest >> 20
        ))
        .hint("raise max_record_mb in the configuration")
    }

    /// The line without its `\r`, or nothing where it is blank.
    #[inline]
    fn trimmed(&self, (from, mut to): (usize, usize)) -> Option<(usize, usize)> {
        let line = &self.buffer[from..to];
        if line.ends_with(b"\r") {
            to -= 1;
        }
        (!line.iter().all(u8::is_ascii_whitespace)).then_some((from, to))
    }

    /// Opens the input that comes after the one that has ended, if there is one.
    fn begin_the_next(&mut self) -> Result<bool> {
        let Some(path) = self.waiting.pop_front() else {
            return Ok(false);
        };
        let file = if is_stdin(&path) {
            "stdin".clone_into(&mut self.name);
            let stdin = std::io::stdin().as_fd().try_clone_to_owned();
            if let Ok(pipe) = &stdin {
                // Fewer turns between the source and us. Not every stdin is a pipe, and not every user may.
                let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
            }
            stdin.map(File::from)
        } else {
            self.name = path.display().to_string();
            File::open(&path)
        };
        self.source = Source::Unread(file.map_err(|error| unreadable(&path, error))?);
        self.number = 0;
        Ok(true)
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<Wake> {
        match &self.source {
            Source::Unread(file) | Source::Plain(file) => self.watch.wait(file, deadline),
            Source::Packed(_) | Source::Ended => Ok(match self.watch.look()? {
                Wake::Due => Wake::Input,
                other => other,
            }),
        }
    }

    /// Reads what is there, making room for a block first.
    fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
        if self.end == 0 && self.buffer.len() > 4 * BLOCK {
            // A giant line went by: give its memory back.
            self.buffer = vec![0; BLOCK];
        }
        if self.buffer.len() - self.end < BLOCK / 2 {
            // A line longer than the buffer: grow by half, so that copying stays cheap.
            let longer = self.buffer.len() + (self.buffer.len() / 2).max(BLOCK);
            self.buffer.resize(longer, 0);
        }
        let room = &mut self.buffer[self.end..];
        let count = match &mut self.source {
            Source::Unread(file) | Source::Plain(file) => file.read(room),
            Source::Packed(text) => text.read(room),
            Source::Ended => Ok(0),
        };
        let count = match count {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            // The reading was stopped, and not by the data: the next wait says by what.
            Err(_) if self.watch.look()? != Wake::Due => return Ok(()),
            Err(error) => return Err(self.broken(error)),
        };
        self.end += count;
        if let Source::Unread(file) = &self.source {
            // Nothing but what was read of this input is left in the buffer.
            let beginning = &self.buffer[self.start..self.end];
            if count > 0 && Codec::may_be(beginning) {
                return Ok(());
            }
            let fail = |error| unreadable(Path::new(&self.name), error);
            let file = file.try_clone().map_err(fail)?;
            self.source = match Codec::of(beginning) {
                Some(codec) => Source::Packed(
                    packed::open(codec, beginning.to_vec(), file, &self.watch).map_err(fail)?,
                ),
                None => Source::Plain(file),
            };
            if matches!(self.source, Source::Packed(_)) {
                self.end = self.start;
                self.searched = self.start;
                return Ok(());
            }
            self.read += (self.end - self.start - count) as u64;
        }
        if count == 0 {
            self.source = Source::Ended;
        }
        self.read += count as u64;
        Ok(())
    }

    fn broken(&self, error: std::io::Error) -> Error {
        let name = &self.name;
        match self.source {
            Source::Packed(_) => {
                let what = match error.kind() {
                    std::io::ErrorKind::UnexpectedEof => "ends too early",
                    _ => "is broken",
                };
                Error::config(format!("{name}: the compressed data {what}"))
                    .hint("copy it here again, or pack it again, and load it whole")
            }
            _ => Error::system(format!("{name} can not be read")),
        }
        .because(error)
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::config(format!("{} can not be read", path.display())).because(error)
}
