//! The progress of a run, as a line that fits the terminal or as a message.

use std::time::Duration;

use crate::feedback::figures::{bytes, grouped, span, speed};
use crate::sink::Tally;

/// The figures at one moment.
pub(super) struct Progress<'a> {
    pub(super) tally: &'a Tally,
    pub(super) bytes_in: u64,
    pub(super) elapsed: Duration,
    pub(super) since_checkpoint: Option<Duration>,
}

impl Progress<'_> {
    /// One line of fewer than `width` characters: the least important figures are left out first.
    pub(super) fn line(&self, width: usize) -> String {
        // In the order of the line, each with its rank (0 is the most important).
        let uncommitted = self.tally.uncommitted;
        let mut parts = vec![
            (0, counted(self.records(), "row")),
            (1, format!("{} in", bytes(self.bytes_in))),
            (3, format!("{} out", bytes(self.bytes_out() + uncommitted))),
            (2, speed(self.bytes_in, self.elapsed)),
            (4, counted(self.objects(), "object")),
        ];
        if let Some(since) = self.since_checkpoint {
            parts.push((5, format!("checkpoint {} ago", span(since))));
        }
        loop {
            let texts: Vec<&str> = parts.iter().map(|(_, text)| text.as_str()).collect();
            let line = texts.join("  ");
            // The last column stays free, so that no terminal wraps.
            if line.len() < width || parts.len() == 1 {
                return line.chars().take(width.saturating_sub(1)).collect();
            }
            let least = parts.iter().map(|(rank, _)| *rank).max();
            parts.retain(|(rank, _)| Some(*rank) != least);
        }
    }

    pub(super) fn message(&self) -> String {
        let since = self
            .since_checkpoint
            .map_or_else(|| "none".to_owned(), |since| format!("{} ago", span(since)));
        format!(
            "progress: records={} bytes_in={} bytes_out={} speed={:?} objects={} last_checkpoint={since:?}",
            self.records(),
            self.bytes_in,
            self.bytes_out(),
            speed(self.bytes_in, self.elapsed),
            self.objects(),
        )
    }

    fn records(&self) -> u64 {
        self.tally.sum(|stream| stream.records)
    }

    fn bytes_out(&self) -> u64 {
        self.tally.sum(|stream| stream.bytes_out)
    }

    fn objects(&self) -> u64 {
        self.tally.sum(|stream| stream.objects)
    }
}

/// `1 object`, `2 objects`.
fn counted(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(number))
}
