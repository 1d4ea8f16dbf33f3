//! Feedback on a run: progress as a terminal line or a log message a minute, a summary at the end, and report files.

mod figures;
mod file;
mod memory;
mod progress;
mod prometheus;
mod summary;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::out::{self, Audience};
use crate::sink::{Sink, Tally};
use crate::time::{Clock, Millis};

use summary::Summary;

pub(crate) use summary::Outcome;

/// The time between two progress messages to a platform.
const MESSAGE_INTERVAL: Duration = Duration::from_secs(60);

/// The time between two updates of a terminal's progress line.
const LINE_INTERVAL: Duration = Duration::from_millis(250);

/// Input lines between two looks at the clock.
const LINES_BETWEEN_LOOKS: u32 = 1024;

/// Report files, written at the end of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportFiles {
    /// The summary, in JSON.
    pub(crate) summary: Option<PathBuf>,
    /// The same numbers as a Prometheus text file.
    pub(crate) metrics: Option<PathBuf>,
}

/// Reports on one run.
pub(crate) struct Feedback {
    audience: Audience,
    files: ReportFiles,
    clock: Clock,
    /// `None` if progress is not shown.
    progress: Option<Schedule>,
    /// Lines of input until the next look at the clock.
    until_look: u32,
    began: Instant,
    began_at: Millis,
    /// Bad records of the input that were set aside.
    bad_records: u64,
    has_ended: bool,
}

/// How progress is shown, and when.
struct Schedule {
    style: Style,
    interval: Duration,
    next: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Log messages.
    Message,
    /// One line of the terminal, rewritten in place.
    Line,
}

impl Feedback {
    /// Reports on `work`. The report files are written even if it fails before it has a sink.
    pub(crate) fn during<T>(
        audience: Audience,
        files: &ReportFiles,
        environment: &Environment,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut feedback = Self::begin(audience, files.clone(), environment, Clock::System)?;
        let result = work(&mut feedback);
        if let Err(error) = &result
            && !feedback.has_ended
        {
            let outcome = match interrupt::signal() {
                Some(_) => Outcome::Stopped,
                None => Outcome::Failed(error.to_string()),
            };
            feedback.write_files(&feedback.summary(Tally::default(), 0, outcome));
        }
        result
    }

    /// Fails now, not after hours of work, if a report file cannot be written.
    pub(crate) fn begin(
        audience: Audience,
        files: ReportFiles,
        environment: &Environment,
        clock: Clock,
    ) -> Result<Self> {
        for path in [&files.summary, &files.metrics].into_iter().flatten() {
            file::probe(path).map_err(|error| {
                Error::config(format!("cannot write {}", path.display())).because(error)
            })?;
        }
        let progress = match audience {
            Audience::Platform => Some((Style::Message, MESSAGE_INTERVAL)),
            // A pipe or a file gets the summary only.
            Audience::Person if environment.get("TERM") == Some("dumb") => None,
            Audience::Person => out::terminal_width().map(|_| (Style::Line, LINE_INTERVAL)),
        };
        let began = clock.instant();
        let progress = progress.map(|(style, interval)| Schedule {
            style,
            interval,
            next: began + interval,
        });
        Ok(Self {
            audience,
            files,
            progress,
            began,
            began_at: clock.now(),
            until_look: LINES_BETWEEN_LOOKS,
            bad_records: 0,
            has_ended: false,
            clock,
        })
    }

    /// Takes the number of bad records that were set aside, for the summary.
    pub(crate) fn set_bad_records(&mut self, count: u64) {
        self.bad_records = count;
    }

    /// When progress is due next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.progress.as_ref().map(|schedule| schedule.next)
    }

    /// Counts a line of input.
    #[inline]
    pub(crate) fn line(&mut self, sink: &Sink<'_>, bytes_in: u64) {
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = LINES_BETWEEN_LOOKS;
            self.tick(sink, bytes_in);
        }
    }

    /// Shows progress if it is due.
    pub(crate) fn tick(&mut self, sink: &Sink<'_>, bytes_in: u64) {
        let Some(schedule) = &mut self.progress else {
            return;
        };
        let now = self.clock.instant();
        if now < schedule.next {
            return;
        }
        schedule.next = now + schedule.interval;
        let tally = sink.tally();
        let since = |instant: Instant| now.saturating_duration_since(instant);
        let current = progress::Progress {
            tally: &tally,
            bytes_in,
            elapsed: since(self.began),
            since_checkpoint: tally.last_checkpoint.map(since),
        };
        match schedule.style {
            Style::Message => log::info!("{}", current.message()),
            Style::Line => {
                if let Some(width) = out::terminal_width() {
                    out::progress(&current.line(width));
                }
            }
        }
    }

    /// Logs the summary and writes the report files. A failure to write one is only logged: the rows are stored.
    pub(crate) fn end(&mut self, tally: Tally, bytes_in: u64, outcome: Outcome) {
        self.has_ended = true;
        out::end_progress();
        let summary = self.summary(tally, bytes_in, outcome);
        if self.audience == Audience::Person {
            summary.log_columns();
        }
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
            bad_records: self.bad_records,
            retries: crate::http::retry::retries(),
            peak_memory: memory::peak(),
            tally,
        }
    }

    fn write_files(&self, summary: &Summary) {
        // Each text is made only where it has a file: with 1,000 streams it takes more memory than all of their rows.
        let write = |path: &Option<PathBuf>, text: &dyn Fn() -> String| {
            if let Some(path) = path
                && let Err(error) = file::write(path, &text(), &self.clock)
            {
                log::warn!("cannot write {}: {error}", path.display());
            }
        };
        write(&self.files.summary, &|| {
            format!("{:#}\n", summary.to_json())
        });
        write(&self.files.metrics, &|| prometheus::text(summary));
    }
}
