//! What a run tells while it works and when it is done: a line on a terminal or a message a minute, a summary, and files.

mod figures;
mod memory;
mod progress;
mod prometheus;
mod summary;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::out::{self, Reader};
use crate::sink::{Sink, Tally};
use crate::time::{Clock, Millis};

use summary::Summary;

pub(crate) use summary::Outcome;

/// Between two messages of progress to a platform.
const MESSAGES: Duration = Duration::from_secs(60);

/// Between two looks of a progress line.
const FRAMES: Duration = Duration::from_millis(250);

/// Lines between two looks at the clock.
const LINES_BETWEEN_LOOKS: u32 = 1024;

/// Files to be written at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// The summary, in JSON.
    pub(crate) summary: Option<PathBuf>,
    /// The same numbers as a Prometheus text file.
    pub(crate) metrics: Option<PathBuf>,
}

/// Watches a run.
pub(crate) struct Feedback {
    files: Files,
    clock: Clock,
    /// What is told while it works, and how often.
    telling: Option<(Telling, Duration)>,
    began: Instant,
    began_at: Millis,
    next: Instant,
    until_look: u32,
    has_ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// A LOG message.
    Message,
    /// A line of a terminal that is written over and over.
    Line,
}

impl Feedback {
    /// Watches the work. Also a run that fails before it has a sink leaves its files.
    pub(crate) fn over<T>(
        reader: Reader,
        files: &Files,
        environment: &Environment,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut feedback = Self::begin(reader, files.clone(), environment, Clock::System)?;
        let result = work(&mut feedback);
        if let Err(error) = &result
            && !feedback.has_ended
        {
            let outcome = Outcome::Failed(error.to_string());
            feedback.write_files(&feedback.summary(Tally::default(), 0, outcome));
        }
        result
    }

    /// Files that can not be written are an error now, not after hours of work.
    pub(crate) fn begin(
        reader: Reader,
        files: Files,
        environment: &Environment,
        clock: Clock,
    ) -> Result<Self> {
        for path in [&files.summary, &files.metrics].into_iter().flatten() {
            refuse_unwritable(path)?;
        }
        let telling = match reader {
            Reader::Platform => Some((Telling::Message, MESSAGES)),
            // Nothing is told to a pipe or a file before the end.
            Reader::Person if environment.get("TERM") == Some("dumb") => None,
            Reader::Person => out::terminal_width().map(|_| (Telling::Line, FRAMES)),
        };
        let began = clock.instant();
        let every = telling.map_or(Duration::ZERO, |(_, every)| every);
        Ok(Self {
            files,
            telling,
            began,
            began_at: clock.now(),
            next: began + every,
            until_look: LINES_BETWEEN_LOOKS,
            has_ended: false,
            clock,
        })
    }

    /// When something is to be told although the source is silent.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.telling.map(|_| self.next)
    }

    /// A line of input was taken.
    #[inline]
    pub(crate) fn line(&mut self, sink: &Sink<'_>, bytes_in: u64) {
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = LINES_BETWEEN_LOOKS;
            self.tick(sink, bytes_in);
        }
    }

    /// Tells what there is to tell, if it is time.
    pub(crate) fn tick(&mut self, sink: &Sink<'_>, bytes_in: u64) {
        let Some((telling, every)) = self.telling else {
            return;
        };
        let now = self.clock.instant();
        if now < self.next {
            return;
        }
        self.next = now + every;
        let tally = sink.tally();
        let since = |instant: Instant| now.saturating_duration_since(instant);
        let progress = progress::Progress {
            tally: &tally,
            bytes_in,
            elapsed: since(self.began),
            since_checkpoint: tally.last_checkpoint.map(since),
        };
        match telling {
            Telling::Message => log::info!("{}", progress.message()),
            Telling::Line => {
                if let Some(width) = out::terminal_width() {
                    out::progress(&progress.line(width));
                }
            }
        }
    }

    /// The run is over. That a file can not be written is only told: the rows are where they are.
    pub(crate) fn end(&mut self, tally: Tally, bytes_in: u64, outcome: Outcome) {
        self.has_ended = true;
        out::end_progress();
        let summary = self.summary(tally, bytes_in, outcome);
        summary.log();
        self.write_files(&summary);
    }

    fn summary(&self, tally: Tally, bytes_in: u64, outcome: Outcome) -> Summary {
        Summary {
            outcome,
            began: self.began_at,
            ended: self.clock.now(),
            elapsed: self.clock.instant().saturating_duration_since(self.began),
            bytes_in,
            retries: crate::http::retry::retries(),
            peak_memory: memory::peak(),
            tally,
        }
    }

    fn write_files(&self, summary: &Summary) {
        let write = |path: &Option<PathBuf>, text: String| {
            if let Some(path) = path
                && let Err(error) = replace(path, &text)
            {
                log::warn!("{} can not be written: {error}", path.display());
            }
        };
        write(&self.files.summary, format!("{:#}\n", summary.to_json()));
        write(&self.files.metrics, prometheus::text(summary));
    }
}

fn refuse_unwritable(path: &Path) -> Result<()> {
    let fail = |error: std::io::Error| {
        Error::config(format!("{} can not be written", path.display())).because(error)
    };
    let beside = beside(path);
    std::fs::write(&beside, "").map_err(fail)?;
    std::fs::remove_file(&beside).map_err(fail)
}

/// Whole or not at all: a collector may read at any moment.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = beside(path);
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

/// The textfile collector reads only names that end in `.prom`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}
