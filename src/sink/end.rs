//! The end of a sync: what becomes visible, what is discarded, and what is reported.

use crate::error::{Error, Result};
use crate::protocol::catalog::Refresh;
use crate::schema::{ColumnPolicy, OnTypeChange, SchemaChanges};
use crate::sink::checkpoint::{self, Taking};
use crate::sink::stream::Stream;
use crate::sink::streams::StreamIndex;
use crate::sink::writer::Extent;
use crate::sink::{Acknowledgement, Sink};
use crate::table::Table;
use crate::table::locations::Locations;

impl Sink<'_> {
    /// The input has ended: makes durable and publishes what may be, acknowledges it, and discards the rest.
    ///
    /// Fails where a stream's source has not said that it finished, after everything that could be done was done.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let finished = self.finish_streams();
        // Where only the exit code acknowledges, no call may come between the last checkpoint and the exit, so the record
        // of a run that succeeded is left for the next one to remove.
        if finished.is_err() || self.options.acknowledgement == Acknowledgement::States {
            self.control.record.remove(&*self.lake.objects);
        }
        finished
    }

    fn finish_streams(&mut self) -> Result<()> {
        self.judge_the_end();
        let mut first = self.create_tables_without_rows();
        let ending = self.ending();
        let outcome = self.commit(&|stream| stream.taken_at_the_end(ending));
        first = first.and(outcome.result);
        let mut acknowledged = self.acknowledge().map(drop);
        first = first.and(self.replace());
        self.report();
        acknowledged = acknowledged.and_then(|()| self.acknowledge().map(drop));
        self.abandon();
        first.and(acknowledged)?;
        self.refuse_unfinished()?;
        // A run that fails deletes nothing.
        self.tidy();
        Ok(())
    }

    /// Deletes what is superseded, side by side where it is little.
    fn tidy(&self) {
        let (lake, control) = (self.lake, &self.control);
        let mut locations = Locations::default();
        let mut tables = self.streams.iter().map(|stream| &stream.table);
        // The first that deletes anything lists where all tables are located, for all others.
        while !locations.are_listed()
            && let Some(table) = tables.next()
        {
            table.tidy(lake, control, &mut locations);
        }
        let rest: Vec<&Table> = tables.collect();
        let are_tidy = lake.together(&rest, |table| table.tidy_few(lake, &mut locations.clone()));
        for (table, is_tidy) in rest.into_iter().zip(are_tidy) {
            if !is_tidy {
                table.tidy(lake, control, &mut locations);
            }
        }
    }

    /// How the run ends, as far as is known before its last commit.
    fn ending(&self) -> Ending {
        let has_ended_well = |stream: &Stream| stream.is_finished() && !stream.has_failed();
        if !self.streams.iter().any(Stream::has_uncovered_rows_to_add) {
            Ending::Covered
        } else if self.streams.iter().all(has_ended_well) {
            Ending::Uncovered
        } else {
            Ending::Failed
        }
    }

    /// Tables of streams that end without a row.
    fn create_tables_without_rows(&mut self) -> Result<()> {
        let mut first = Ok(());
        for stream in &mut *self.streams {
            if stream.counts.records > 0 || stream.extent_at_the_end().is_none() {
                continue;
            }
            let record = &mut self.control.record;
            let published = stream.table.publish(self.lake, &[], record, &self.clock);
            match stream.note_failure(published) {
                Ok(changes) => stream.counts.changes.extend(changes),
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }

    /// Where the source has failed on one stream, the end of input is no sign that it finished others.
    fn judge_the_end(&mut self) {
        let said_so = |stream: &Stream| !stream.refresh.needs_complete() && stream.is_incomplete();
        if self.streams.iter().any(said_so) {
            let in_doubt = self
                .streams
                .iter_mut()
                .filter(|stream| !stream.is_complete());
            in_doubt.for_each(|stream| {
                stream.fail_at_the_source();
            });
        }
    }

    /// Publishes the new generations whose rows were acknowledged before that, each in place of the old one.
    fn replace(&mut self) -> Result<()> {
        let mut first = Ok(());
        // Where rows are left, which are sent again, the generation is not whole.
        let is_due = |stream: &Stream| {
            let is_whole = !stream.has_uncovered_rows_to_add();
            !stream.is_replaced() && stream.replaces_the_old_generation() && is_whole
        };
        let due: Vec<StreamIndex> = (0..self.streams.len())
            .filter(|index| is_due(&self.streams[*index]))
            .collect();
        let replaced = self.replaced(&due);
        for (index, replaced) in due.into_iter().zip(replaced) {
            let stream = &mut self.streams[index];
            match stream.note_failure(replaced) {
                Ok(changes) => {
                    stream.set_replaced();
                    stream.counts.changes.extend(changes);
                }
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }

    /// An error ends the sync: what waiting states cover is still made durable and acknowledged, the rest discarded.
    pub(crate) fn fail(&mut self) {
        let outcome = self.commit(&checkpoint::covered);
        for error in [outcome.result, self.acknowledge().map(drop)]
            .into_iter()
            .filter_map(Result::err)
        {
            log::error!("{error}");
        }
        self.report();
        self.abandon();
        self.control.record.remove(&*self.lake.objects);
    }

    fn report(&self) {
        for stream in &*self.streams {
            let rescued = stream.rescued();
            if !rescued.is_empty() {
                let kept = match &self.options.table.columns.rescued {
                    Some(column) => format!("kept in the column {column}"),
                    None => "written as null".to_owned(),
                };
                let columns: Vec<String> = rescued
                    .iter()
                    .map(|(column, count)| format!("{column}={count}"))
                    .collect();
                log::warn!(
                    "stream {}: values that do not fit their columns are {kept}: {}; correct them at the source, declare other types{}",
                    stream.key,
                    columns.join(", "),
                    way_out(&self.options.table.columns.policy)
                );
            }
            if stream.refresh == Refresh::Overwrite && !stream.has_evidence() {
                log::warn!(
                    "stream {}: neither a record nor a state came, which looks like a source that failed; the table keeps its rows",
                    stream.key
                );
            }
        }
    }

    fn refuse_unfinished(&self) -> Result<()> {
        let unfinished: Vec<String> = self
            .streams
            .iter()
            .filter(|stream| !stream.is_finished())
            .map(|stream| stream.key.to_string())
            .collect();
        if unfinished.is_empty() {
            return Ok(());
        }
        Err(Error::transient(format!(
            "the source ended before it completed {} of {} streams: {}; rows that printed states cover are kept, and tables that were to be replaced show their old rows",
            unfinished.len(),
            self.streams.len(),
            unfinished.join(", ")
        ))
        .hint("look for the source's own error"))
    }
}

/// How a run ends. Rows that no state covers are sent again if it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// States cover all rows that are added to others.
    Covered,
    /// Some are acknowledged by the run's success alone, so all that it does is settled at once, swaps too.
    Uncovered,
    /// Such rows are there, and a stream has failed.
    Failed,
}

/// What else helps against misfits.
fn way_out(policy: &ColumnPolicy) -> &'static str {
    let is_frozen = policy.schema_changes == SchemaChanges::Freeze;
    match policy.on_type_change {
        _ if is_frozen => ", or set schema_changes to extend",
        OnTypeChange::Rescue => {
            ", or set on_type_change to new_column, which gives values of another type a column of their own"
        }
        OnTypeChange::NewColumn | OnTypeChange::Fail => "",
    }
}

impl Stream {
    /// What the last commit takes of the stream.
    fn extent_at_the_end(&self) -> Option<Extent> {
        if self.has_failed() {
            return None;
        }
        match self.refresh {
            // No state of it is acknowledged, so all of it is sent again.
            Refresh::Overwrite | Refresh::Version(_) if !self.replaces_the_old_generation() => None,
            _ if !self.is_finished() => Some(Extent::Covered),
            _ => Some(Extent::All),
        }
    }

    fn taken_at_the_end(&self, ending: Ending) -> Option<Taking> {
        let extent = self.extent_at_the_end()?;
        let is_sent_again = ending == Ending::Failed && self.has_uncovered_rows_to_add();
        let is_due = self.waits_for_its_swap() || ending == Ending::Uncovered;
        Some(Taking {
            extent: if is_sent_again {
                Extent::Covered
            } else {
                extent
            },
            swaps: is_due && !is_sent_again && self.replaces_the_old_generation(),
        })
    }

    /// Whether its new generation takes the place of the old one.
    fn replaces_the_old_generation(&self) -> bool {
        !self.has_failed()
            && match self.refresh {
                Refresh::Append { .. } => false,
                Refresh::Truncate { .. } => self.is_complete(),
                Refresh::Overwrite | Refresh::Version(_) => {
                    self.has_evidence() && self.is_finished()
                }
            }
    }
}
