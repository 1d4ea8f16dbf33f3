//! The checkpoint: objects are completed and published, and then the states that cover them are acknowledged.

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::interrupt::{self, Work};
use crate::lake::Lake;
use crate::sink::Sink;
use crate::sink::object::Object;
use crate::sink::stream::Stream;
use crate::sink::writer::Extent;
use crate::table::{take_back, uploads};

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
        for stream in &mut *self.streams {
            let Some(extent) = extent(stream) else {
                continue;
            };
            match stream.writer.take(extent, objects) {
                Ok(sealed) => taken.push((stream, sealed)),
                Err(error) => outcome.fail(stream, error),
            }
        }
        for (stream, sealed) in taken {
            match publish(self.lake, stream, sealed) {
                Ok(published) => outcome.objects += published,
                Err(error) => outcome.fail(stream, error),
            }
        }
        self.budget.recount(&self.streams);
        outcome
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

/// Completes the objects of one stream and publishes them; returns how many. After an error none of them is left.
fn publish(lake: &Lake, stream: &mut Stream, sealed: Vec<Object>) -> Result<u64> {
    let objects = &*lake.objects;
    let mut files = Vec::with_capacity(sealed.len());
    let mut sealed = sealed.into_iter();
    while let Some(mut object) = sealed.next() {
        match object.complete(objects) {
            Ok(file) => files.push(file),
            Err(error) => {
                let _work = interrupt::begin(Work::CleanUp);
                // No state will be acknowledged for those before it: they would come twice. Whether this one is
                // visible is not known.
                let key = object.key().to_owned();
                uploads::abort(object.abort().into_iter(), objects);
                let keys = files.iter().map(|file| file.key.as_str());
                take_back(keys.chain([key.as_str()]), objects);
                uploads::abort(sealed.filter_map(Object::abort), objects);
                return Err(error);
            }
        }
    }
    if files.is_empty() {
        return Ok(0);
    }
    let changes = stream.table.publish(lake, &files)?;
    stream.counts.publish(&files, changes);
    Ok(files.len() as u64)
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
