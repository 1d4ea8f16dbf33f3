//! The sink: where records become durable, and states acknowledged.
//!
//! The left half of the program (schemas, rows, files) and the right half (catalog, objects) meet only here.
//! Records are *accepted* into open objects that nobody sees; a *checkpoint* completes objects up to the marks of
//! the waiting states, which makes those rows *durable*, and then prints the states: they are *acknowledged*.

mod arrival;
mod end;
pub(crate) mod forecast;
mod ledger;
mod leftovers;
mod object;
mod opening;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::file::Format;
use crate::json::scan::ReadToEnd;
use crate::lake::Lake;
use crate::out;
use crate::protocol::StreamKey;
use crate::protocol::message::{Record, RecordView, Status};
use crate::protocol::state::{Scope, State};
use crate::row::Envelope;
use crate::schema::Numbers;
use crate::table::layout::Run;
use crate::time::Clock;

use ledger::{Ledger, StreamIndex};
use object::FRESH;
use stream::Stream;
pub(crate) use tally::{StreamTally, Tally};
use writer::{Extent, Partition};

/// Records between two looks at the clock, for a source that is never silent.
const RECORDS_BETWEEN_LOOKS: u32 = 1024;

/// What the configuration says of the sink.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The folder of the bucket under which everything lies.
    pub(crate) prefix: String,
    /// The database of streams without a namespace.
    pub(crate) database: String,
    pub(crate) format: Format,
    pub(crate) numbers: Numbers,
    /// The column for what does not fit.
    pub(crate) rescued: Option<String>,
    /// Whether Airbyte's own columns are added.
    pub(crate) metadata: bool,
    /// Encoded bytes at which an object is full, and after which a waiting state has its checkpoint.
    pub(crate) target_file_size: usize,
    /// Bytes that rows on their way may hold.
    pub(crate) memory_budget: usize,
    pub(crate) checkpoint_interval: Duration,
    /// A run that began longer ago and has not finished is taken for dead.
    pub(crate) leftover_age: Duration,
    pub(crate) new_tables: NewTables,
}

/// When a table is made that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewTables {
    /// Before the first record: also a sync that fails leaves it, empty, with what the platform declared.
    AtTheStart,
    /// By the first checkpoint that has rows for it, or at the end: a load that fails before leaves none.
    AtTheFirstCheckpoint,
}

/// All streams of a sync, and the states that wait.
pub(crate) struct Sink<'a> {
    lake: &'a Lake,
    clock: Clock,
    run: Run,
    options: Options,
    streams: Vec<Stream>,
    by_key: HashMap<Vec<u8>, StreamIndex>,
    /// The streams of the records with a number, by that number.
    by_number: Vec<Option<StreamIndex>>,
    /// The stream of the last record without one, which is likely that of the next.
    recent: StreamIndex,
    scratch: Vec<u8>,
    ledger: Ledger,
    /// Databases that are ready.
    databases: Vec<String>,
    /// Bytes that the writers hold, kept up to date row by row.
    memory: usize,
    /// Encoded bytes since the last checkpoint.
    grown: usize,
    last_checkpoint: Instant,
    checkpoints: u64,
    /// States that were printed.
    states: u64,
    until_look: u32,
}

/// A stream's key as bytes that a record's key can be compared with, without building a `StreamKey`.
fn write_key(namespace: Option<&str>, name: &str, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(namespace.unwrap_or_default().as_bytes());
    // No UTF-8 text holds this byte, so no two keys are written alike.
    out.push(0xff);
    out.extend_from_slice(name.as_bytes());
}

impl Sink<'_> {
    /// Accepts a record. Errors name the stream and never the data.
    pub(crate) fn record(&mut self, record: &Record<'_>) -> Result<()> {
        let partition = Partition::default();
        let (index, length, is_full) =
            record.read_with(|record| self.append_row(record, &partition))?;
        let stream = &mut self.streams[index];
        let is_block = is_full && stream.writer.collect(&partition);
        self.memory += length;
        self.ledger.count(index);
        if is_block {
            self.settle(index, &partition)?;
        }
        if self.memory > self.options.memory_budget {
            self.park_the_largest()?;
        }
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = RECORDS_BETWEEN_LOOKS;
            self.tick()?;
        }
        Ok(())
    }

    /// Appends the record's row to its stream's fresh rows: the stream, the length of the row, and whether the fresh
    /// rows fill a block. On an error nothing was appended or counted.
    #[inline]
    fn append_row(
        &mut self,
        record: &RecordView<'_>,
        partition: &Partition,
    ) -> Result<((StreamIndex, usize, bool), ReadToEnd)> {
        let index = self.stream_of(record)?;
        let stream = &mut self.streams[index];
        if stream.is_complete() {
            return Err(Error::system(format!(
                "stream {}: a record came after its status COMPLETE",
                stream.key
            )));
        }
        let envelope = Envelope {
            emitted_at: record.emitted_at,
            changes: record.changes,
        };
        let rows = stream.writer.rows(partition);
        let before = rows.len();
        let read_to_end = stream
            .encoder
            .encode(record.data, &envelope, rows)
            .map_err(|error| error.while_doing(format_args!("stream {}", stream.key)))?;
        let length = rows.len() - before;
        let is_full = rows.len() >= FRESH;
        stream.counts.records += 1;
        stream.counts.bytes_in += record.data.len() as u64;
        Ok(((index, length, is_full), read_to_end))
    }

    #[inline]
    fn stream_of(&mut self, record: &RecordView<'_>) -> Result<StreamIndex> {
        let Some(number) = record.prefix_id else {
            return self.stream_by_name(record);
        };
        if let Some(Some(index)) = self.by_number.get(number) {
            return Ok(*index);
        }
        let index = self.find(record)?;
        self.by_number
            .resize(self.by_number.len().max(number + 1), None);
        self.by_number[number] = Some(index);
        Ok(index)
    }

    fn stream_by_name(&mut self, record: &RecordView<'_>) -> Result<StreamIndex> {
        let is_of = |stream: &Stream| {
            stream.key.name == record.stream
                && stream.key.namespace.as_deref() == record.namespace.as_deref()
        };
        if !self.streams.get(self.recent).is_some_and(is_of) {
            self.recent = self.find(record)?;
        }
        Ok(self.recent)
    }

    fn find(&mut self, record: &RecordView<'_>) -> Result<StreamIndex> {
        let namespace = record.namespace.as_deref();
        write_key(namespace, &record.stream, &mut self.scratch);
        self.by_key.get(&self.scratch).copied().ok_or_else(|| {
            let key = StreamKey::new(namespace, &record.stream);
            Error::config(format!(
                "a record of the stream {key}, which is not in the configured catalog"
            ))
        })
    }

    fn settle(&mut self, index: StreamIndex, partition: &Partition) -> Result<()> {
        let stream = &mut self.streams[index];
        // Its rows were counted one by one; what they became is counted anew.
        self.memory -= stream.writer.memory();
        let grown = stream.writer.settle(partition, &*self.lake.objects);
        self.memory += stream.writer.memory();
        self.grown += stream.judge(grown)?;
        if self.ledger.waits() && self.grown >= self.options.target_file_size {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn count_memory(&mut self) {
        self.memory = self
            .streams
            .iter()
            .map(|stream| stream.writer.memory())
            .sum();
    }

    /// Turns the largest open objects into uploads until the budget holds; rows become no more visible by it.
    fn park_the_largest(&mut self) -> Result<()> {
        self.count_memory();
        while self.memory > self.options.memory_budget {
            let largest = self
                .streams
                .iter_mut()
                .max_by_key(|stream| stream.writer.memory());
            let Some(stream) = largest.filter(|stream| stream.writer.memory() > 0) else {
                return Ok(());
            };
            log::debug!(
                "memory is short: parking the stream {} bytes={}",
                stream.key,
                stream.writer.memory()
            );
            let parked = stream.writer.park(&*self.lake.objects);
            stream.judge(parked)?;
            self.count_memory();
        }
        Ok(())
    }

    /// Takes a state: it is printed once all that it covers is durable, which may be now.
    pub(crate) fn state(&mut self, line: &[u8]) -> Result<()> {
        let state = State::read(line)?;
        let stream = match &state.scope {
            Scope::Stream(key) => {
                write_key(key.namespace.as_deref(), &key.name, &mut self.scratch);
                let index = self.by_key.get(&self.scratch).copied();
                if index.is_none() {
                    log::warn!(
                        "a state of the stream {key}, which is not in the configured catalog; it is echoed"
                    );
                }
                index
            }
            Scope::Global | Scope::Legacy => None,
        };
        match (&state.scope, stream) {
            (Scope::Stream(_), Some(index)) => self.streams[index].mark(state.is_empty),
            (Scope::Stream(_), None) => {}
            _ => self
                .streams
                .iter_mut()
                .for_each(|stream| stream.mark_by_global(state.is_empty)),
        }
        let streams = &self.streams;
        if let Some(acknowledgement) = self
            .ledger
            .enter(&state, stream, |index| streams[index].is_durable())?
        {
            self.states += 1;
            return out::line(&acknowledgement);
        }
        self.tick()
    }

    /// Takes a line that is to be printed once every row so far is durable, which may be now.
    pub(crate) fn mark(&mut self, line: Vec<u8>) -> Result<()> {
        self.streams
            .iter_mut()
            .for_each(|stream| stream.mark_by_global(false));
        let streams = &self.streams;
        match self
            .ledger
            .enter_line(line, |index| streams[index].is_durable())
        {
            Some(line) => {
                self.states += 1;
                out::line(&line)
            }
            None => self.tick(),
        }
    }

    /// Whether the stream's rows go to the folder that its table shows.
    pub(crate) fn is_on_show(&mut self, key: &StreamKey) -> bool {
        write_key(key.namespace.as_deref(), &key.name, &mut self.scratch);
        self.by_key.get(&self.scratch).is_some_and(|index| {
            let stream = &self.streams[*index];
            stream.shown.as_deref() == Some(&*stream.folder)
        })
    }

    /// Takes what the platform says of a stream.
    pub(crate) fn status(&mut self, key: &StreamKey, status: Status) -> Result<()> {
        write_key(key.namespace.as_deref(), &key.name, &mut self.scratch);
        match self.by_key.get(&self.scratch) {
            Some(index) => self.streams[*index].set_status(status),
            None => Ok(()),
        }
    }

    /// When the next checkpoint must be looked for although the source is silent.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.has_something_to_acknowledge()
            .then(|| self.last_checkpoint + self.options.checkpoint_interval)
    }

    /// Whether a checkpoint would make a waiting state's rows durable.
    fn has_something_to_acknowledge(&self) -> bool {
        self.ledger.waits()
            && self
                .streams
                .iter()
                .any(|stream| stream.takes_checkpoints() && stream.writer.has_covered_rows())
    }

    /// Does the checkpoint that time, the rows written, or the memory of waiting states ask for.
    pub(crate) fn tick(&mut self) -> Result<()> {
        if !self.has_something_to_acknowledge() {
            return Ok(());
        }
        let is_due = self.grown >= self.options.target_file_size
            || self.ledger.memory() > self.options.memory_budget / 4
            || self.clock.instant() >= self.last_checkpoint + self.options.checkpoint_interval;
        if is_due { self.checkpoint() } else { Ok(()) }
    }

    /// Makes durable what the waiting states cover, and prints them.
    fn checkpoint(&mut self) -> Result<()> {
        let outcome = self.commit(|stream| stream.takes_checkpoints().then_some(Extent::Covered));
        // What did become durable is acknowledged although another stream failed.
        let printed = self.acknowledge()?;
        log::info!("checkpoint states={printed} objects={}", outcome.objects);
        outcome.result
    }

    /// Makes durable every row that was accepted, as if a state covered it: for sources that send none.
    pub(crate) fn show_all(&mut self) -> Result<()> {
        let outcome = self.commit(|stream| stream.takes_checkpoints().then_some(Extent::All));
        log::info!("checkpoint objects={}", outcome.objects);
        outcome.result
    }

    /// Completes objects of the streams, as far as `extent` says of each.
    fn commit(&mut self, extent: impl Fn(&Stream) -> Option<Extent>) -> Commit {
        self.last_checkpoint = self.clock.instant();
        self.checkpoints += 1;
        self.grown = 0;
        let objects = &*self.lake.objects;
        let mut outcome = Commit {
            objects: 0,
            result: Ok(()),
        };
        let mut taken = Vec::new();
        // First all last parts are sent, which takes long; then all objects become visible, one right after the other.
        for stream in &mut self.streams {
            let Some(extent) = extent(stream) else {
                continue;
            };
            match stream.writer.take(extent, objects) {
                Ok(sealed) => taken.push((stream, sealed)),
                Err(error) => outcome.fail(stream, error),
            }
        }
        for (stream, sealed) in taken {
            let mut sealed = sealed.into_iter();
            let mut shown = Vec::new();
            let before = stream.counts.clone();
            for object in sealed.by_ref() {
                shown.push(object.key().to_owned());
                match object.complete(objects) {
                    Ok(bytes) => {
                        stream.counts.objects += 1;
                        stream.counts.bytes_out += bytes as u64;
                    }
                    Err(error) => {
                        outcome.fail(stream, error);
                        writer::abort(object.into_upload().into_iter(), objects);
                        // No state will be printed for those before it: they would come twice.
                        writer::take_back(&shown, objects);
                        stream.counts = before.clone();
                        break;
                    }
                }
            }
            if !shown.is_empty()
                && !stream.has_failed()
                && let Err(error) = stream.arrive(self.lake, &shown)
            {
                outcome.fail(stream, error);
                stream.counts = before.clone();
            }
            outcome.objects += stream.counts.objects - before.objects;
            writer::abort(sealed.filter_map(object::Sealed::into_upload), objects);
        }
        self.count_memory();
        outcome
    }

    /// Prints the states whose rows are durable; returns how many.
    fn acknowledge(&mut self) -> Result<usize> {
        let streams = &self.streams;
        let released = self.ledger.release(|index| streams[index].is_durable());
        for acknowledgement in &released {
            out::line(acknowledgement)?;
            self.states += 1;
        }
        Ok(released.len())
    }

    /// Frees what nobody will complete.
    pub(crate) fn abandon(&mut self) {
        for stream in &mut self.streams {
            stream.writer.abandon(&*self.lake.objects);
        }
    }
}

/// What a commit did, and the first error of any stream.
struct Commit {
    objects: u64,
    result: Result<()>,
}

impl Commit {
    fn fail(&mut self, stream: &mut Stream, error: Error) {
        stream.fail();
        let error = error.while_doing(format_args!("stream {}", stream.key));
        if self.result.is_ok() {
            self.result = Err(error);
        } else {
            log::error!("{error}");
        }
    }
}
