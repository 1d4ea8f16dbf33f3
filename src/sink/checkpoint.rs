//! The checkpoint: objects are completed and published, and then the states that cover them are acknowledged.

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::interrupt::{self, Work};
use crate::lake::Lake;
use crate::sink::Sink;
use crate::sink::object::Object;
use crate::sink::stream::Stream;
use crate::sink::streams::StreamIndex;
use crate::sink::writer::Extent;
use crate::table::control::RunRecord;
use crate::table::{DataFile, TableChange, uploads};
use crate::time::Clock;

/// What a commit did, and the first error of any stream.
pub(super) struct Commit {
    pub(super) objects: u64,
    pub(super) result: Result<()>,
}

impl Sink<'_> {
    /// Makes the rows durable that waiting states cover, and acknowledges those states.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        let _work = interrupt::begin(Work::Checkpoint);
        let outcome = self.commit(|stream| stream.takes_checkpoints().then_some(Extent::Covered));
        // What did become durable is acknowledged although another stream failed.
        let states = self.acknowledge()?;
        log::info!("checkpoint states={states} objects={}", outcome.objects);
        outcome.result
    }

    /// Makes every accepted row durable, as if a state covered it: for sources that send none.
    pub(crate) fn publish_all(&mut self) -> Result<()> {
        let _work = interrupt::begin(Work::Checkpoint);
        let outcome = self.commit(|stream| stream.takes_checkpoints().then_some(Extent::All));
        log::info!("checkpoint objects={}", outcome.objects);
        outcome.result
    }

    /// Completes and publishes objects of the streams, as far as `extent` says of each. A stream that fails keeps none of
    /// its objects of this commit, and does not keep the others from theirs.
    pub(super) fn commit(&mut self, extent: impl Fn(&Stream) -> Option<Extent>) -> Commit {
        self.progress.begin_checkpoint(self.clock.instant());
        let objects = &*self.lake.objects;
        let mut outcome = Commit {
            objects: 0,
            result: Ok(()),
        };
        let mut taken = Vec::new();
        // First all last parts are sent, which takes long; then all objects become visible, one right after the other.
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let Some(extent) = extent(stream) else {
                continue;
            };
            match stream.writer.take(extent, objects) {
                Ok(sealed) if sealed.is_empty() => {}
                Ok(sealed) => taken.push((index, sealed)),
                Err(error) => outcome.fail(stream, error),
            }
        }
        if !taken.is_empty() {
            self.publish_taken(taken, &mut outcome);
        }
        self.budget.recount(&self.streams);
        outcome
    }

    /// Completes the objects and publishes them, between two writes of the run's record: the first names them, so that
    /// they can be taken back; after the second, which does not, they may be acknowledged.
    fn publish_taken(&mut self, taken: Vec<(StreamIndex, Vec<Object>)>, outcome: &mut Commit) {
        let (lake, objects) = (self.lake, &*self.lake.objects);
        let record = &mut self.control.record;
        let mut begun = Vec::with_capacity(taken.len());
        for (index, sealed) in taken {
            let stream = &mut self.streams[index];
            match stream.table.begin(lake) {
                Ok(changes) => stream.counts.changes.extend(changes),
                Err(error) => {
                    uploads::abort(sealed.into_iter().filter_map(Object::abort), objects);
                    outcome.fail(stream, error);
                    continue;
                }
            }
            if stream.table.takes_checkpoints() {
                let keys = sealed.iter().map(|object| object.key().to_owned());
                record.note(&stream.table.name(), keys);
            }
            begun.push((index, sealed));
        }
        if record.is_open()
            && let Err(error) = record.write(objects, &self.clock)
        {
            for (index, sealed) in begun {
                uploads::abort(sealed.into_iter().filter_map(Object::abort), objects);
                let stream = &mut self.streams[index];
                record.settle(&stream.table.name());
                stream.fail();
            }
            outcome.note(error);
            return;
        }
        let mut published = Vec::with_capacity(begun.len());
        for (index, sealed) in begun {
            let stream = &mut self.streams[index];
            match publish(lake, stream, sealed, record, &self.clock) {
                Ok((files, changes)) => published.push((index, files, changes)),
                Err(error) => {
                    record.take_back(&stream.table.name(), objects);
                    outcome.fail(stream, error);
                }
            }
        }
        let streams = &self.streams;
        let looks = lake.together(&published, |(index, ..)| streams[*index].table.look(lake));
        let mut settled = Vec::with_capacity(published.len());
        for ((index, files, changes), look) in published.into_iter().zip(looks) {
            let stream = &mut self.streams[index];
            let name = stream.table.name();
            match look {
                Ok(()) => settled.push((index, record.settle(&name), files, changes)),
                Err(error) => {
                    record.take_back(&name, objects);
                    outcome.fail(stream, error);
                }
            }
        }
        if let Err(error) = record.write_if_named(objects, &self.clock) {
            for (index, keys, ..) in settled {
                let stream = &mut self.streams[index];
                if stream.table.takes_checkpoints() {
                    let name = stream.table.name();
                    record.note(&name, keys.into_iter());
                    record.take_back(&name, objects);
                    stream.fail();
                }
            }
            outcome.note(error);
            return;
        }
        for (index, _, files, changes) in settled {
            self.streams[index].counts.publish(&files, changes);
            outcome.objects += files.len() as u64;
        }
    }

    /// Acknowledges the states whose rows are durable; returns how many.
    pub(super) fn acknowledge(&mut self) -> Result<usize> {
        let streams = &self.streams;
        let mut count = 0;
        let released = self.ledger.release(
            |index| streams[index].is_durable(),
            |acknowledgement| {
                self.acknowledgements.acknowledge(acknowledgement)?;
                count += 1;
                Ok(())
            },
        );
        self.progress.states += count as u64;
        self.budget.set_states(self.ledger.memory());
        released.map(|()| count)
    }

    /// Aborts whatever nobody will complete.
    pub(crate) fn abandon(&mut self) {
        let _work = interrupt::begin(Work::CleanUp);
        for stream in &mut *self.streams {
            stream.writer.abandon(&*self.lake.objects);
        }
    }
}

/// Completes the objects of one stream and publishes them. After an error those that were completed are to be taken back.
fn publish(
    lake: &Lake,
    stream: &mut Stream,
    sealed: Vec<Object>,
    record: &mut RunRecord,
    clock: &Clock,
) -> Result<(Vec<DataFile>, Vec<TableChange>)> {
    let objects = &*lake.objects;
    let mut files = Vec::with_capacity(sealed.len());
    let mut sealed = sealed.into_iter();
    while let Some(mut object) = sealed.next() {
        let completed = record
            .touch(objects, clock)
            .and_then(|()| object.complete(objects));
        match completed {
            Ok(file) => files.push(file),
            Err(error) => {
                let _work = interrupt::begin(Work::CleanUp);
                uploads::abort(object.abort().into_iter(), objects);
                uploads::abort(sealed.filter_map(Object::abort), objects);
                return Err(error);
            }
        }
    }
    let changes = stream.table.publish(lake, &files, record, clock)?;
    Ok((files, changes))
}

impl Commit {
    fn fail(&mut self, stream: &mut Stream, error: Error) {
        stream.fail();
        self.note(error.while_doing(format_args!("stream {}", stream.key)));
    }

    fn note(&mut self, error: Error) {
        if self.result.is_ok() {
            self.result = Err(error);
        } else {
            log::error!("{error}");
        }
    }
}
