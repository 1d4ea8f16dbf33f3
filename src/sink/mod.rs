//! The sink: where records become durable, and states are acknowledged.
//!
//! The left half of the program (schemas, rows, files) and the right half (catalog, objects) meet only here.
//!
//! # The contract
//!
//! Whoever feeds the sink calls `open → (add | reshape | restart | record | state | line | status | source_failed | tick |
//! publish_all)* → finish | fail`, and then `abandon` where neither came to its end. The order of the calls is the order of
//! the input.
//!
//! | call | what its success permits | what its error leaves |
//! | --- | --- | --- |
//! | [`open`](Sink::open), [`add`](Sink::add) | records of the streams may come: their tables accept the columns | tables and databases that were made stay; nothing is deleted |
//! | [`record`](Sink::record) | nothing: the record is *accepted*, in a buffer or an upload that nobody sees | the row is not written; the sync must end with `fail` |
//! | [`state`](Sink::state), [`line`](Sink::line) | nothing: the state waits. It is handed to [`Acknowledge`] once every row before it is *durable*, which may be before the call returns | as for a checkpoint |
//! | [`restart`](Sink::restart) | the stream's records so far are superseded: those that no state covers are discarded | as for a checkpoint |
//! | [`status`](Sink::status), [`source_failed`](Sink::source_failed) | nothing | nothing was taken |
//! | [`tick`](Sink::tick) | a checkpoint that was due is done | see below |
//! | [`finish`](Sink::finish) | the run may report success: every accepted row is durable, every state acknowledged | what could be made durable is, and was acknowledged; the rest is discarded, to be sent again |
//! | [`fail`](Sink::fail) | what states covered is durable and acknowledged | the same, as far as it was possible; errors are logged |
//!
//! A *checkpoint* does, in this order:
//!
//! 1. the last parts of all objects that it takes are uploaded;
//! 2. the run's record is written with the keys of all of them, and the swaps of 4: from here on a later run takes them
//!    back if this one dies;
//! 3. each stream's objects are completed, and its table publishes them;
//! 4. at the end of the sync: the tables are swapped whose states wait for that;
//! 5. each table is looked at: it must show them;
//! 6. the record is written without the keys and swaps: from here on nobody takes them back, and if another run has begun
//!    to, this write fails;
//! 7. the states that wait for nothing else are acknowledged, in the order in which they came.
//!
//! A stream that fails at any of these keeps none of the objects of that checkpoint, acknowledges nothing from then on
//! ([`Stream::fail`](stream::Stream::fail)), and does not keep other streams from theirs; the first error is returned after
//! the others have been acknowledged ([`Commit::fail`](checkpoint::Commit)). After an error of 2 or 6 all of them fail.
//! Where states cover all streams none can be acknowledged without the other, so none keeps its objects either.
//!
//! A stream that replaces its table's rows takes part in checkpoints only where the platform numbers its generations. Its
//! rows are published at the end, after the last checkpoint, by one swap, unless the source has said that it failed. States
//! of a generation without a number, and those that ask for a table to be emptied, wait for that swap, which is a part of
//! the last checkpoint then. Where states cover all streams there is no other checkpoint in such a sync.
//!
//! [`Sink::fail`] ends the whole sync after an error of the input or of a call: it commits what states cover.

mod budget;
mod buffers;
mod checkpoint;
mod chunks;
mod end;
mod growing;
mod growth;
mod ledger;
mod object;
mod opening;
mod partitions;
mod sizes;
mod stream;
mod streams;
mod tally;
#[cfg(test)]
mod tests;
mod waiting;
mod writer;

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::json::scan::ReadToEnd;
use crate::lake::Lake;
use crate::protocol::StreamKey;
use crate::protocol::message::{Record, RecordView, Status};
use crate::protocol::state::{Scope, State};
use crate::row::RecordMetadata;
use crate::table;
use crate::table::PartitionId;
use crate::table::control::{Control, Job};
use crate::table::layout::Run;
use crate::time::Clock;

use budget::Budget;
use ledger::Ledger;
use streams::{StreamIndex, Streams};
pub(crate) use tally::{ColumnTally, StreamTally, Tally};
use writer::ObjectNumbers;

/// Records between two looks at the clock, for a source that is never silent.
const RECORDS_BETWEEN_LOOKS: u32 = 1024;

/// Encoded bytes, and time, between two turns of the parts that are on their way.
const BYTES_BETWEEN_TURNS: usize = 64 * 1024;
const TIME_BETWEEN_TURNS: Duration = Duration::from_millis(5);

/// The longest row that is collected with others; a longer one is encoded by itself, and its memory given back.
const LARGEST_ROW: usize = 1 << 20;

/// What the configuration says of the sink.
#[derive(Clone, Debug)]
pub(crate) struct SinkOptions {
    pub(crate) table: table::TableOptions,
    /// Encoded bytes at which an object is full, and after which a waiting state has its checkpoint.
    pub(crate) target_file_size: usize,
    /// Bytes that buffers of rows may allocate, over all streams.
    pub(crate) memory_budget: usize,
    pub(crate) checkpoint_interval: Duration,
    /// A run that began longer ago and has not finished is taken for dead.
    pub(crate) leftover_age: Duration,
    /// The platform's job, where it says which.
    pub(crate) job: Option<Job>,
    pub(crate) acknowledgement: Acknowledgement,
}

/// What tells a run's caller that its rows are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// States, which are printed.
    States,
    /// The exit code alone.
    ExitCode,
}

#[cfg(test)]
impl SinkOptions {
    /// A megabyte of everything, and the database `test`.
    pub(crate) fn for_tests(codec: crate::file::Codec, interval: Duration) -> Self {
        Self {
            table: table::TableOptions {
                prefix: String::new(),
                generations_prefix: None,
                database: "test".to_owned(),
                format: crate::file::Format::Jsonl(codec),
                columns: crate::schema::ColumnOptions {
                    numbers: crate::schema::Numbers::Double,
                    big_integers: crate::schema::BigIntegers::default(),
                    rescued: None,
                    metadata: false,
                    policy: crate::schema::ColumnPolicy::default(),
                },
                creation: table::Creation::AtTheStart,
                partitioning: table::partition::Partitioning::None,
            },
            target_file_size: 1 << 20,
            memory_budget: 1 << 20,
            checkpoint_interval: interval,
            leftover_age: interval,
            job: None,
            acknowledgement: Acknowledgement::States,
        }
    }
}

/// The receiver of acknowledgements: the platform that sent the states.
pub(crate) trait Acknowledge {
    /// Takes a line that says so: everything that it covers is durable. Lines come in order, each once.
    fn acknowledge(&mut self, line: &[u8]) -> Result<()>;
}

/// All streams of a sync, and the states that wait.
pub(crate) struct Sink<'a> {
    lake: &'a Lake,
    control: Control,
    clock: Clock,
    run: Run,
    numbers: ObjectNumbers,
    options: SinkOptions,
    streams: Streams,
    /// The row of the record that is being taken; empty between two records.
    row: Vec<u8>,
    /// Its partition, and the values of that.
    partition: PartitionId,
    partition_values: Vec<u8>,
    ledger: Ledger,
    /// Databases that are ready.
    databases: Vec<String>,
    budget: Budget,
    progress: SyncProgress,
    until_look: u32,
    /// Encoded bytes since the parts on their way were moved.
    unturned: usize,
    acknowledgements: Box<dyn Acknowledge + 'a>,
}

/// How far the sync is.
struct SyncProgress {
    /// Encoded bytes since the last checkpoint.
    grown: usize,
    last_checkpoint: Instant,
    checkpoints: u64,
    /// States that were acknowledged.
    states: u64,
}

impl SyncProgress {
    fn new(now: Instant) -> Self {
        Self {
            grown: 0,
            last_checkpoint: now,
            checkpoints: 0,
            states: 0,
        }
    }

    fn begin_checkpoint(&mut self, now: Instant) {
        self.last_checkpoint = now;
        self.checkpoints += 1;
        self.grown = 0;
    }
}

impl Sink<'_> {
    /// Counts what the input has allocated in the memory budget, in bytes.
    pub(crate) fn set_input(&mut self, bytes: usize) {
        self.budget.set_input(bytes);
        let rest = self.options.memory_budget.saturating_sub(bytes);
        self.ledger.set_budget(rest);
    }

    /// Accepts a record. Errors name the stream and never the data.
    pub(crate) fn record(&mut self, record: &Record<'_>) -> Result<()> {
        let index = record.read_with(|record| self.encode(record))?;
        self.ledger.count(index);
        let partition = self.partition;
        if self.row.len() > LARGEST_ROW {
            self.push_large(index, partition)?;
        } else {
            let stream = &mut self.streams[index];
            let pushed = stream.writer.push(partition, &self.row);
            let pushed = stream.note_failure(pushed)?;
            self.budget.changed(pushed.before, pushed.after);
            if pushed.is_flush_due {
                self.flush(index, partition)?;
            }
        }
        if self.budget.is_exceeded() {
            self.budget
                .relieve(&mut self.streams, &*self.lake.objects)?;
        }
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = RECORDS_BETWEEN_LOOKS;
            self.tick()?;
        }
        Ok(())
    }

    /// Writes the record's row to `self.row`; returns its stream. After an error nothing was counted.
    #[inline]
    fn encode(&mut self, record: &RecordView<'_>) -> Result<(StreamIndex, ReadToEnd)> {
        let index = self.streams.of_record(record)?;
        let stream = &mut self.streams[index];
        let is_complete = stream.is_complete();
        if is_complete && stream.refresh.needs_complete() {
            return Err(Error::system(format!(
                "stream {}: a record came after its status COMPLETE",
                stream.key
            )));
        }
        let envelope = RecordMetadata {
            emitted_at: record.emitted_at,
            changes: record.changes,
        };
        self.row.clear();
        let read_to_end = stream
            .encoder
            .encode(record.data, &envelope, &mut self.row)
            .map_err(|error| error.while_doing(format_args!("stream {}", stream.key)))?;
        if is_complete {
            stream.reopen();
        }
        if stream.growth.is_some() && stream.encoder.has_misfits() {
            self.grow(index, record, &envelope)?;
        }
        self.partition = match self.streams[index].partitioner {
            None => PartitionId::default(),
            Some(_) => self.find_partition(index, record.emitted_at)?,
        };
        let stream = &mut self.streams[index];
        stream.counts.records += 1;
        stream.counts.bytes_in += record.data.len() as u64;
        Ok((index, read_to_end))
    }

    /// Hands a large row over without a copy of it, and gives its memory back.
    #[cold]
    fn push_large(&mut self, index: StreamIndex, partition: PartitionId) -> Result<()> {
        let row = std::mem::take(&mut self.row);
        let stream = &mut self.streams[index];
        let before = stream.writer.buffers();
        let grown = stream
            .writer
            .push_large(partition, &row, &*self.lake.objects);
        drop(row);
        self.budget.changed(before, stream.writer.buffers());
        let grown = stream.note_failure(grown)?;
        self.progress.grown += grown;
        self.unturned += grown;
        if self.unturned >= BYTES_BETWEEN_TURNS {
            self.turn();
        }
        self.flush(index, partition)
    }

    fn flush(&mut self, index: StreamIndex, partition: PartitionId) -> Result<()> {
        let stream = &mut self.streams[index];
        let before = stream.writer.buffers();
        let grown = stream.writer.flush(partition, &*self.lake.objects);
        self.budget.changed(before, stream.writer.buffers());
        self.progress.grown += stream.note_failure(grown)?;
        if self.ledger.waits() && self.progress.grown >= self.options.target_file_size {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Moves the parts that are on their way.
    fn turn(&mut self) {
        self.unturned = 0;
        self.lake.objects.turn();
        self.budget.set_parts(self.lake.objects.in_flight());
    }

    /// Takes a state: it is acknowledged once all that it covers is durable, which may be now.
    pub(crate) fn state(&mut self, state: &State<'_>) -> Result<()> {
        let stream = match &state.scope {
            Scope::Stream(key) => {
                let index = self.streams.find(key);
                if index.is_none() {
                    log::warn!(
                        "state for unknown stream {key} (not in the configured catalog); acknowledging it as is"
                    );
                }
                index
            }
            Scope::Global | Scope::Legacy => None,
        };
        match (&state.scope, stream) {
            (Scope::Stream(_), Some(index)) => self.streams[index].cover(state.is_empty),
            (Scope::Stream(_), None) => {}
            _ => self
                .streams
                .iter_mut()
                .for_each(|stream| stream.cover_by_global(state.is_empty)),
        }
        let streams = &self.streams;
        let ready = self
            .ledger
            .enter(state, stream, |index| streams[index].is_durable())?;
        self.acknowledge_or_wait(ready)
    }

    /// Takes a line that is to be acknowledged once every row so far is durable, which may be now.
    pub(crate) fn line(&mut self, line: Vec<u8>) -> Result<()> {
        self.streams
            .iter_mut()
            .for_each(|stream| stream.cover_by_global(false));
        let streams = &self.streams;
        let ready = self
            .ledger
            .enter_line(line, |index| streams[index].is_durable());
        self.acknowledge_or_wait(ready)
    }

    fn acknowledge_or_wait(&mut self, ready: Option<Vec<u8>>) -> Result<()> {
        if let Some(line) = ready {
            self.progress.states += 1;
            return self.acknowledgements.acknowledge(&line);
        }
        self.budget.set_states(self.ledger.memory());
        self.tick()?;
        self.ledger.refuse_too_many()
    }

    /// Whether readers see the stream's rows as soon as their objects are complete.
    pub(crate) fn is_published(&self, key: &StreamKey) -> bool {
        self.streams
            .find(key)
            .is_some_and(|index| self.streams[index].table.is_published())
    }

    /// Takes what the platform says of a stream.
    pub(crate) fn status(&mut self, key: &StreamKey, status: Status) -> Result<()> {
        match self.streams.find(key) {
            Some(index) if self.streams[index].refresh.needs_complete() => {
                self.streams[index].set_status(status)
            }
            Some(index) => {
                self.streams[index].set_status_without_generations(status);
                Ok(())
            }
            None => {
                if status == Status::Incomplete {
                    self.source_failed(Some(key));
                }
                Ok(())
            }
        }
    }

    /// Takes an error that the source reports: of a stream, or of all. One that names no configured stream may be about
    /// any of them.
    pub(crate) fn source_failed(&mut self, key: Option<&StreamKey>) {
        let is_news = match key.and_then(|key| self.streams.find(key)) {
            Some(index) => self.streams[index].fail_at_the_source(),
            None => self.streams.iter_mut().fold(false, |is_news, stream| {
                stream.fail_at_the_source() | is_news
            }),
        };
        if is_news {
            let place = key.map_or_else(String::new, |key| format!(" in stream {key}"));
            log::warn!(
                "the source reports an error{place}; tables that it was to replace keep their rows"
            );
        }
    }

    /// When the next checkpoint is due although the source is silent.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let checkpoint = self
            .has_something_to_acknowledge()
            .then(|| self.progress.last_checkpoint + self.options.checkpoint_interval);
        // Parts on their way go on while the source is silent.
        let is_flying = self.lake.objects.in_flight() > 0;
        let turn = is_flying.then(|| self.clock.instant() + TIME_BETWEEN_TURNS);
        checkpoint.into_iter().chain(turn).min()
    }

    /// Whether a checkpoint would make a waiting state's rows durable.
    fn has_something_to_acknowledge(&self) -> bool {
        self.ledger.waits()
            && !self.waits_for_swaps()
            && self
                .streams
                .iter()
                .any(|stream| stream.takes_checkpoints() && stream.writer.has_covered_rows())
    }

    /// Does the checkpoint that is due by time, by the rows written, or by the memory of waiting states
    /// and objects.
    pub(crate) fn tick(&mut self) -> Result<()> {
        self.turn();
        if !self.has_something_to_acknowledge() {
            return Ok(());
        }
        let progress = &self.progress;
        let is_due = progress.grown >= self.options.target_file_size
            || self.ledger.presses_for_a_checkpoint()
            || self.budget.presses_for_a_checkpoint()
            || self.clock.instant() >= progress.last_checkpoint + self.options.checkpoint_interval;
        if is_due { self.checkpoint() } else { Ok(()) }
    }
}
