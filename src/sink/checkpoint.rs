//! The checkpoint: objects are completed and published, and then the states that cover them are acknowledged.

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::interrupt::{self, Work};
use crate::sink::Sink;
use crate::sink::object::Object;
use crate::sink::stream::Stream;
use crate::sink::streams::StreamIndex;
use crate::sink::writer::Extent;
use crate::table::listing::Shown;
use crate::table::{DataFile, Replaced, TableChange, uploads};

/// The most streams, and objects of each, that are completed between two looks at whether the record must show that the
/// run is alive.
const GROUP: usize = 64;
const ROUND: usize = 16;

/// How often a table that others keep changing is read again before its swap is given up.
const CONFLICTS: usize = 20;

/// What a commit did, and the first error of any stream.
pub(super) struct Commit {
    pub(super) objects: u64,
    pub(super) result: Result<()>,
}

/// What a commit takes of a stream.
#[derive(Clone, Copy)]
pub(super) struct Taking {
    pub(super) extent: Extent,
    /// Its table is swapped.
    pub(super) swaps: bool,
}

/// A stream in a commit.
struct Member {
    index: StreamIndex,
    swaps: bool,
    /// Only the success of the run acknowledges some of its rows, which another attempt would add once more.
    is_uncovered: bool,
    /// Objects that are to be completed.
    sealed: Vec<Object>,
    /// Those that are.
    files: Vec<DataFile>,
    changes: Vec<TableChange>,
}

/// Takes what states cover, of the streams that checkpoints make durable.
pub(super) fn covered(stream: &Stream) -> Option<Taking> {
    taking(stream, Extent::Covered)
}

fn taking(stream: &Stream, extent: Extent) -> Option<Taking> {
    let swaps = false;
    stream
        .takes_checkpoints()
        .then_some(Taking { extent, swaps })
}

impl Sink<'_> {
    /// Makes the rows durable that waiting states cover, and acknowledges those states.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        if self.waits_for_swaps() {
            return Ok(());
        }
        let _work = interrupt::begin(Work::Checkpoint);
        let outcome = self.commit(&covered);
        // What did become durable is acknowledged although another stream failed.
        let states = self.acknowledge()?;
        log::info!("checkpoint states={states} objects={}", outcome.objects);
        outcome.result
    }

    /// Makes every accepted row durable, as if a state covered it: for sources that send none.
    pub(crate) fn publish_all(&mut self) -> Result<()> {
        let _work = interrupt::begin(Work::Checkpoint);
        let outcome = self.commit(&|stream| taking(stream, Extent::All));
        log::info!("checkpoint objects={}", outcome.objects);
        outcome.result
    }

    /// Whether no state can be acknowledged before the end, because all of them cover a stream whose rows are published
    /// then: what a checkpoint made visible would be sent again if this run died.
    pub(super) fn waits_for_swaps(&self) -> bool {
        self.ledger.covers_all() && self.streams.iter().any(Stream::waits_for_its_swap)
    }

    /// Completes and publishes objects of the streams, and swaps tables, as far as `take` says of each. A stream that fails
    /// keeps none of its objects of this commit, and does not keep the others from theirs, unless states cover all streams.
    pub(super) fn commit(&mut self, take: &dyn Fn(&Stream) -> Option<Taking>) -> Commit {
        self.progress.begin_checkpoint(self.clock.instant());
        let mut outcome = Commit {
            objects: 0,
            result: Ok(()),
        };
        // None of their states can be acknowledged.
        let is_lost = |stream: &Stream| {
            let swaps = take(stream).is_some_and(|taking| taking.swaps);
            stream.has_failed() || stream.waits_for_its_swap() && !swaps
        };
        if self.ledger.covers_all() && self.streams.iter().any(is_lost) {
            self.streams.iter_mut().for_each(Stream::fail);
            return outcome;
        }
        let objects = &*self.lake.objects;
        let mut members = Vec::new();
        // First all last parts are sent, which takes long; then all objects become visible, one right after the other.
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let Some(Taking { extent, swaps }) = take(stream) else {
                continue;
            };
            let is_uncovered = extent == Extent::All && stream.has_uncovered_rows_to_add();
            match stream.writer.take(extent, objects) {
                Ok(sealed) if sealed.is_empty() && !swaps => {}
                Ok(sealed) => members.push(Member {
                    index,
                    swaps,
                    is_uncovered,
                    sealed,
                    files: Vec::new(),
                    changes: Vec::new(),
                }),
                Err(error) => outcome.fail(stream, error),
            }
        }
        if !members.is_empty() {
            let members = self.announce(members, &mut outcome);
            let members = self.complete(members, &mut outcome);
            let members = self.publish(members, &mut outcome);
            let members = self.look(members, &mut outcome);
            self.settle(members, &mut outcome);
        }
        for stream in &mut *self.streams {
            // There may be ever new ones.
            if stream.table.has_partitions() && stream.writer.forget_partitions() {
                stream.table.forget_partitions();
            }
        }
        self.budget.recount(&self.streams);
        outcome
    }

    /// Whether a failure of one stream keeps all from being acknowledged.
    fn is_lost(&self, outcome: &Commit) -> bool {
        self.ledger.covers_all() && outcome.result.is_err()
    }

    /// Marks the streams' folders and reads the tables that are swapped, side by side, and notes in the record what the
    /// commit does.
    fn begin(&mut self, members: Vec<Member>, outcome: &mut Commit) -> Vec<Member> {
        let (lake, objects) = (self.lake, &*self.lake.objects);
        let streams = &self.streams;
        let outcomes = lake.together(&members, |member| {
            let stream = &streams[member.index];
            let swap = member.swaps.then(|| stream.is_covered());
            let has_objects = !member.sealed.is_empty();
            stream.table.begin(lake, has_objects, swap)
        });
        let record = &mut self.control.record;
        let mut begun = Vec::with_capacity(members.len());
        for (member, prepared) in members.into_iter().zip(outcomes) {
            let stream = &mut self.streams[member.index];
            let name = stream.table.name();
            let taken = prepared.and_then(|begun| stream.table.has_begun(lake, begun));
            match taken {
                Ok((changes, swap)) => {
                    stream.counts.changes.extend(changes);
                    if let Some(swap) = swap {
                        record.note_swap(&name, swap);
                    }
                    if !member.sealed.is_empty() {
                        let keys = member.sealed.iter().map(|object| object.key().to_owned());
                        record.note(&name, keys);
                    }
                    begun.push(member);
                }
                Err(error) => {
                    record.forget(&name);
                    let sealed = member.sealed.into_iter();
                    uploads::abort(sealed.filter_map(Object::abort), objects);
                    outcome.fail(stream, error);
                }
            }
        }
        begun
    }

    /// Writes the run's record, so that what the commit does can be taken back from here on.
    fn announce(&mut self, members: Vec<Member>, outcome: &mut Commit) -> Vec<Member> {
        let objects = &*self.lake.objects;
        let begun = self.begin(members, outcome);
        if begun.is_empty() {
            return begun;
        }
        if !self.is_lost(outcome) {
            match self.control.record.write(objects, &self.clock) {
                Ok(()) => return begun,
                Err(error) => outcome.note(error),
            }
        }
        for member in begun {
            uploads::abort(member.sealed.into_iter().filter_map(Object::abort), objects);
            let stream = &mut self.streams[member.index];
            self.control.record.forget(&stream.table.name());
            stream.fail();
        }
        Vec::new()
    }

    /// Completes the objects of all streams side by side, those of one in order. What a stream has completed is taken back
    /// where another of its objects failed.
    fn complete(&mut self, members: Vec<Member>, outcome: &mut Commit) -> Vec<Member> {
        let (lake, objects) = (self.lake, &*self.lake.objects);
        let mut completed = Vec::with_capacity(members.len());
        let mut members = members.into_iter();
        loop {
            let group: Vec<Member> = members.by_ref().take(GROUP).collect();
            if group.is_empty() {
                return completed;
            }
            let record = &mut self.control.record;
            let longest = group.iter().map(|member| member.sealed.len()).max();
            let mut done: Vec<Result<()>> = group.iter().map(|_| Ok(())).collect();
            for start in (0..longest.unwrap_or_default()).step_by(ROUND) {
                let alive = record.touch(objects, &self.clock);
                let going: Vec<usize> = (0..group.len()).filter(|at| done[*at].is_ok()).collect();
                let outcomes = lake.together(&going, |at| match &alive {
                    Ok(()) => {
                        let mut round = group[*at].sealed.iter().skip(start).take(ROUND);
                        round.try_for_each(|object| object.complete(objects))
                    }
                    Err(error) => Err(error.again()),
                });
                for (at, outcome) in going.into_iter().zip(outcomes) {
                    done[at] = outcome;
                }
            }
            for (mut member, done) in group.into_iter().zip(done) {
                let sealed = std::mem::take(&mut member.sealed).into_iter();
                if let Err(error) = done {
                    let _work = interrupt::begin(Work::CleanUp);
                    uploads::abort(sealed.filter_map(Object::abort), objects);
                    let stream = &mut self.streams[member.index];
                    record.take_back(&stream.table.name(), lake);
                    outcome.fail(stream, error);
                    continue;
                }
                member.files = sealed.map(Object::completed).collect();
                completed.push(member);
            }
        }
    }

    /// Publishes the objects, and swaps tables.
    fn publish(&mut self, members: Vec<Member>, outcome: &mut Commit) -> Vec<Member> {
        let record = &mut self.control.record;
        let mut published = Vec::with_capacity(members.len());
        for mut member in members {
            let stream = &mut self.streams[member.index];
            let files = &member.files;
            let changes = if files.is_empty() {
                Ok(Vec::new())
            } else {
                stream.table.publish(self.lake, files, record, &self.clock)
            };
            match changes {
                Ok(changes) => {
                    member.changes = changes;
                    published.push(member);
                }
                Err(error) => {
                    record.take_back(&stream.table.name(), self.lake);
                    outcome.fail(stream, error);
                }
            }
        }
        if self.is_lost(outcome) {
            return self.withdraw(published);
        }
        let mut published = self.withdraw_uncovered(published, outcome);
        let swapping: Vec<StreamIndex> = published
            .iter()
            .filter(|member| member.swaps)
            .map(|member| member.index)
            .collect();
        let mut replaced = self.replaced(&swapping).into_iter();
        published.retain_mut(|member| {
            let stream = &mut self.streams[member.index];
            let swapped = if member.swaps { replaced.next() } else { None };
            match swapped.unwrap_or(Ok(Vec::new())) {
                Ok(changes) => {
                    member.changes.extend(changes);
                    true
                }
                Err(error) => {
                    let record = &mut self.control.record;
                    record.take_back(&stream.table.name(), self.lake);
                    outcome.fail(stream, error);
                    false
                }
            }
        });
        published
    }

    /// Swaps the tables of these streams, side by side; how each has changed.
    pub(super) fn replaced(&mut self, swapping: &[StreamIndex]) -> Vec<Result<Vec<TableChange>>> {
        let (lake, streams, record) = (self.lake, &self.streams, &self.control.record);
        let replaced = lake.together(swapping, |index| {
            let stream = &streams[*index];
            stream.table.replace(lake, stream.is_covered(), record)
        });
        let outcomes = swapping.iter().zip(replaced);
        outcomes
            .map(|(index, replaced)| self.taken_over(*index, replaced?))
            .collect()
    }

    /// Takes what came of a swap; where others changed the table meanwhile, the record is written and it is tried again.
    fn taken_over(
        &mut self,
        index: StreamIndex,
        mut replaced: Replaced,
    ) -> Result<Vec<TableChange>> {
        let stream = &mut self.streams[index];
        let record = &mut self.control.record;
        for _ in 0..CONFLICTS {
            if let Some(changes) = stream.table.has_replaced(self.lake, replaced, record)? {
                return Ok(changes);
            }
            record.write(&*self.lake.objects, &self.clock)?;
            let is_resumable = stream.is_covered();
            replaced = stream.table.replace(self.lake, is_resumable, record)?;
        }
        Err(stream.table.contended())
    }

    /// Looks at the tables, side by side: each must show what was published.
    fn look(&mut self, members: Vec<Member>, outcome: &mut Commit) -> Vec<Member> {
        let (lake, streams) = (self.lake, &self.streams);
        let is_swap = |change: &TableChange| matches!(change, TableChange::Published(_));
        // A swap was done at the version of the table that it was read at.
        let is_swapped = |member: &Member| member.changes.iter().any(is_swap);
        let looked_for = members
            .iter()
            .filter(|member| !is_swapped(member))
            .filter_map(|member| streams[member.index].table.looked_for());
        let shown = Shown::list(&*lake.catalog, looked_for);
        let looks = lake.together(&members, |member| {
            if is_swapped(member) {
                Ok(())
            } else {
                streams[member.index].table.look(lake, &shown)
            }
        });
        let mut seen = Vec::with_capacity(members.len());
        for (member, look) in members.into_iter().zip(looks) {
            if let Err(error) = look {
                let stream = &mut self.streams[member.index];
                self.control.record.take_back(&stream.table.name(), lake);
                outcome.fail(stream, error);
            } else {
                seen.push(member);
            }
        }
        if self.is_lost(outcome) {
            return self.withdraw(seen);
        }
        seen
    }

    /// Writes the record without what may be acknowledged from here on.
    fn settle(&mut self, members: Vec<Member>, outcome: &mut Commit) {
        let members = self.withdraw_uncovered(members, outcome);
        let name = |member: &Member| self.streams[member.index].table.name();
        let tables: Vec<String> = members.iter().map(name).collect();
        let record = &mut self.control.record;
        if let Err(error) = record.settle(&tables, &*self.lake.objects, &self.clock) {
            self.withdraw(members);
            outcome.note(error);
            return;
        }
        for member in members {
            let stream = &mut self.streams[member.index];
            if member.swaps {
                stream.set_replaced();
            }
            stream.counts.publish(&member.files, member.changes);
            outcome.objects += member.files.len() as u64;
        }
    }

    /// Takes back what streams have published that will be sent again, because another one has failed, and the run with it.
    /// Returns the others.
    fn withdraw_uncovered(&mut self, members: Vec<Member>, outcome: &Commit) -> Vec<Member> {
        if outcome.result.is_ok() {
            return members;
        }
        let (uncovered, others) = members.into_iter().partition(|member| member.is_uncovered);
        self.withdraw(uncovered);
        others
    }

    /// Takes back what the streams have published in this commit.
    fn withdraw(&mut self, members: Vec<Member>) -> Vec<Member> {
        for member in members {
            let stream = &mut self.streams[member.index];
            self.control
                .record
                .take_back(&stream.table.name(), self.lake);
            stream.fail();
        }
        Vec::new()
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
