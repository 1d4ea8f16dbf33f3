//! Runs: what each sends, and what its states and its end say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::book::Name;
use super::source::Id;
use super::steps::{Kind, Run};
use super::view::{View, ids};
use super::world::{Course, GRACE, HERE, hours_of};
use crate::support::fake::Fake;
use crate::support::fake::journal::Journal;

/// A run under way.
#[allow(clippy::struct_excessive_bools)] // independent facts, each with its own moment
pub(super) struct Flight {
    pub(super) client: usize,
    pub(super) region: String,
    /// Its source finishes.
    pub(super) is_complete: bool,
    pub(super) replaces: bool,
    pub(super) job: u64,
    pub(super) beginning: usize,
    /// All rows of each stream since the source began anew.
    pub(super) rows: Vec<Vec<Id>>,
    /// The first of them that it sends.
    pub(super) begin: Vec<usize>,
    pub(super) journal: Journal,
    /// How much of its output was taken.
    pub(super) taken: usize,
    /// What its own swap replaced of each stream's table.
    pub(super) swapped: Vec<Option<BTreeSet<Id>>>,
    /// Others acted where it cannot know of it: between its look at a table and its states.
    pub(super) is_undecided: bool,
    /// Others acted meanwhile.
    pub(super) is_disturbed: bool,
    /// It was killed after a checkpoint was done and before its states were printed.
    pub(super) is_cut: bool,
}

impl Course {
    /// A run begins; the first row that it sends of each stream.
    pub(super) fn begin(&mut self, run: &Run, journal: &Journal, fake: &Fake) -> Vec<usize> {
        let client = &mut self.clients[run.client];
        let kind = client.plan.kind;
        let goes_on =
            client.is_unfinished && run.again && !client.is_over && !kind.is_always_the_first();
        if client.is_unfinished && !(goes_on && kind.is_of_a_platform()) {
            let pause = if run.hasty { GRACE } else { hours_of(30) };
            fake.clock().forward(pause);
        }
        if goes_on {
            client.attempt += 1;
        } else {
            self.jobs += 1;
            self.new_job(run);
        }
        let client = &self.clients[run.client];
        let begin: Vec<usize> = client
            .streams
            .iter()
            .map(|stream| if kind.resumes() { stream.printed } else { 0 })
            .collect();
        let again: Vec<Id> = client
            .streams
            .iter()
            .zip(&begin)
            .flat_map(|(stream, begin)| &stream.rows[*begin..])
            .copied()
            .collect();
        let view = self.read.view(fake);
        let there: BTreeSet<Id> = view.by_key.values().flatten().copied().collect();
        let is_beside = self
            .flights
            .iter()
            .any(|flight| flight.client == run.client);
        self.book
            .resent
            .extend(again.iter().filter(|id| there.contains(id)));
        if is_beside {
            // Two runs send the same rows, and neither can know.
            self.book.twice.extend(&again);
            self.book.resent.extend(&again);
        }
        let region = if run.elsewhere { "eu-west-1" } else { HERE };
        let client = &mut self.clients[run.client];
        if client
            .region
            .replace(region)
            .is_some_and(|last| last != region)
        {
            // A run leaves to those in another region what these have not finished.
            // A table above its own folders shows both.
            let rows = client.streams.iter().flat_map(|stream| &stream.rows);
            self.book.loose.extend(rows.clone());
            self.book.twice.extend(rows);
        }
        let client = &self.clients[run.client];
        self.story.push(format!(
            "{kind:?} of client {} job {} attempt {} generation {} replaces={} rows {again:?}",
            run.client,
            client.job,
            client.attempt,
            client.generation,
            client.replaces()
        ));
        self.flights.push(Flight {
            client: run.client,
            region: region.to_owned(),
            is_complete: kind.is_complete(run.end),
            replaces: client.replaces(),
            job: client.job,
            beginning: client.beginnings,
            rows: client
                .streams
                .iter()
                .map(|stream| stream.rows.clone())
                .collect(),
            begin: begin.clone(),
            journal: journal.clone(),
            taken: 0,
            swapped: vec![None; begin.len()],
            is_undecided: false,
            is_disturbed: false,
            is_cut: false,
        });
        begin
    }

    fn new_job(&mut self, run: &Run) {
        let client = &mut self.clients[run.client];
        let kind = client.plan.kind;
        // A new job that truncates has a new generation.
        let gives_up = client.is_unfinished && client.truncates && !client.is_over;
        client.generation += i64::from(gives_up);
        client.job = self.jobs;
        client.attempt = 0;
        client.is_over = false;
        let forgets = kind.begins_anew() || (kind == Kind::Load) || gives_up;
        if forgets {
            client.forget();
        }
        match kind {
            Kind::Renewed => client.generation += 1,
            Kind::Replace => client.generation = 1,
            _ => {}
        }
        let count = run.rows * run.batches;
        for index in 0..self.clients[run.client].streams.len() {
            for _ in 0..count {
                let id = self.next_row();
                self.clients[run.client].streams[index].rows.push(id);
            }
        }
    }

    /// Takes what the run at work has done so far.
    pub(super) fn absorb(&mut self, fake: &Fake) {
        let view = self.read.view(fake);
        let Some(mut flight) = self.flights.pop() else {
            return;
        };
        let swaps = std::mem::take(&mut fake.store().swaps);
        for swap in swaps {
            let rows: Vec<Id> = swap.objects.iter().flat_map(|body| ids(body)).collect();
            let streams = &self.clients[flight.client].plan.streams;
            let name = (swap.region, swap.table);
            let stream = streams.iter().position(|stream| **stream == name.1);
            if self.is_taken_back(&name, &swap.from, swap.to.as_deref(), &rows, &view) {
                continue;
            }
            let replaced = self.book.swap(&name, &swap.from, &rows, &view);
            let done = (name.clone(), swap.from, swap.to, replaced.clone());
            self.swaps.push(done);
            let of_client = &self.clients[flight.client].streams;
            let is_its = |id: &&Id| {
                of_client
                    .iter()
                    .any(|stream| stream.rows.contains(id) || stream.earlier.contains(id))
            };
            let others: Vec<Id> = self
                .book
                .hidden
                .iter()
                .filter(|id| !is_its(id))
                .copied()
                .collect();
            self.book.loose.extend(others);
            let table = self.book.known(&name, &view);
            let writer = table.and_then(|table| self.book.tables[table].writer.take());
            let kind = self.clients[flight.client].plan.kind;
            // To a table that it does not know as its own the first generation is a new one.
            let begins = kind == Kind::Follow && writer != Some(flight.client);
            match stream {
                Some(stream) if (flight.replaces || begins) && flight.is_complete => {
                    self.clients[flight.client].streams[stream].swapped = Some(flight.job);
                    let known = flight.swapped[stream].get_or_insert_default();
                    known.extend(replaced);
                }
                _ => self.book.fault(format!("swapped: {name:?} by a run that replaces nothing, or whose source did not finish")),
            }
        }
        let output = flight.journal.stdout();
        let end = output
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&output[flight.taken.min(end)..end]).into_owned();
        flight.taken = end;
        for line in text.lines() {
            let message: Value = serde_json::from_str(line).unwrap_or_default();
            for (stream, position) in self.clients[flight.client].covered(&message) {
                self.acknowledge(&flight, stream, position, &view);
            }
        }
        // What the exit code alone acknowledges counts from the write that settles it: then old rows are deleted.
        let plan = &self.clients[flight.client].plan;
        let last = self
            .swaps
            .iter()
            .rev()
            .find(|(name, ..)| name.0 == flight.region && name.1 == plan.streams[0]);
        let folder = last.and_then(|(_, _, to, _)| to.as_deref());
        let is_settled = folder.is_some_and(|folder| fake.is_settled(folder));
        if plan.kind == Kind::LoadOverwrite && flight.swapped[0].is_some() && is_settled {
            self.acknowledge(&flight, 0, flight.rows[0].len(), &view);
            self.clients[flight.client].is_over = true;
        }
        self.flights.push(flight);
    }

    /// Whether the update takes the last swap of the table back, whose rows nobody acknowledged.
    fn is_taken_back(
        &mut self,
        name: &Name,
        from: &str,
        to: Option<&str>,
        rows: &[Id],
        view: &View,
    ) -> bool {
        let last = self.swaps.iter().rposition(|(of, ..)| of == name);
        let is_it = |index: &usize| {
            let (_, before, after, _) = &self.swaps[*index];
            Some(before.as_str()) == to && after.as_deref() == Some(from)
        };
        let is_acknowledged = rows.iter().any(|id| self.book.acknowledged.contains(id));
        let Some(index) = last.filter(is_it).filter(|_| !is_acknowledged) else {
            return false;
        };
        let (.., replaced) = self.swaps.remove(index);
        if let Some(table) = self.book.known(name, view) {
            let table = &mut self.book.tables[table];
            table.replaced.retain(|id| !replaced.contains(id));
        }
        true
    }

    /// States of the stream were printed up to this position.
    fn acknowledge(&mut self, flight: &Flight, stream: usize, position: usize, view: &View) {
        let client = &mut self.clients[flight.client];
        let progress = &mut client.streams[stream];
        if flight.beginning == client.beginnings {
            progress.printed = progress.printed.max(position);
        }
        let all = &flight.rows[stream];
        let sent = all.get(flight.begin[stream]..position);
        let kind = client.plan.kind;
        let name = (
            flight.region.clone(),
            client.plan.streams[stream].to_owned(),
        );
        let visible = view.of_table(&name);
        let waits_for_its_swap = (flight.replaces || kind == Kind::Follow) && kind.is_numbered();
        for id in sent.unwrap_or_default().iter().copied() {
            let is_new = self.book.acknowledged.insert(id);
            if visible.contains_key(&id) {
                self.book.show(id, &name, view);
            } else if is_new && waits_for_its_swap {
                self.book.hidden.insert(id);
            } else if is_new && !flight.is_undecided && !self.book.is_replaced(id) {
                self.book.fault(format!("unseen: the state of the row {id} of {name:?} was printed, and no reader sees it"));
            }
        }
        // What an acknowledged overwrite replaced.
        if let Some(replaced) = &flight.swapped[stream] {
            let gone = replaced.iter().filter(|id| !all.contains(id));
            self.book.gone.extend(gone);
            let earlier = std::mem::take(&mut client.streams[stream].earlier);
            for id in earlier {
                if self.book.hidden.remove(&id) {
                    self.book.gone.insert(id);
                }
            }
        }
    }

    /// Whether the run at work has no reason to fail: its source finishes, nobody acted meanwhile, and its tables are where
    /// programs like it put them.
    pub(super) fn must_succeed(&mut self) -> bool {
        let Some(flight) = self.flights.last() else {
            return false;
        };
        let book = &self.book;
        let streams = self.clients[flight.client].plan.streams.iter();
        let mut tables = streams.filter_map(|stream| {
            let name = (flight.region.clone(), (*stream).to_owned());
            book.by_name.get(&name)
        });
        let is_in_place = tables.all(|table| !book.tables[*table].is_wild);
        flight.is_complete && !flight.is_disturbed && self.flights.len() == 1 && is_in_place
    }

    /// Whether the other run has a table of the run at work.
    pub(super) fn shares(&self, run: &Run) -> bool {
        let at_work = self
            .flights
            .last()
            .map(|flight| &self.clients[flight.client]);
        let streams = &self.clients[run.client].plan.streams;
        at_work.is_some_and(|client| {
            let mut own = client.plan.streams.iter();
            own.any(|stream| streams.contains(stream))
        })
    }

    /// The run has ended.
    pub(super) fn end(&mut self, is_success: bool, fake: &Fake) {
        self.absorb(fake);
        let view = self.read.view(fake);
        let flight = self.flights.pop().expect("the run that ends");
        let client = &mut self.clients[flight.client];
        if flight.job == client.job {
            client.is_unfinished = !is_success;
            client.truncates &= !is_success;
        }
        for (stream, rows) in flight.rows.iter().enumerate() {
            if is_success {
                self.acknowledge(&flight, stream, rows.len(), &view);
                self.check_success(&flight, stream, &view);
                let stream = self.clients[flight.client].plan.streams[stream];
                let name = (flight.region.clone(), stream.to_owned());
                if let Some(table) = self.book.known(&name, &view) {
                    self.book.tables[table].writer = Some(flight.client);
                }
            }
            if flight.is_cut {
                let unknown = rows
                    .iter()
                    .filter(|id| !self.book.acknowledged.contains(id));
                self.book.twice.extend(unknown);
            }
        }
    }

    /// What a run that succeeded undisturbed leaves visible.
    fn check_success(&mut self, flight: &Flight, stream: usize, view: &View) {
        if flight.is_disturbed {
            return;
        }
        let client = &self.clients[flight.client];
        let name = (
            flight.region.clone(),
            client.plan.streams[stream].to_owned(),
        );
        let visible = view.of_table(&name);
        let rows: BTreeSet<Id> = flight.rows[stream].iter().copied().collect();
        // An attempt that goes on with what an earlier one has published adds to it, as others may have meanwhile.
        let goes_on =
            flight.swapped[stream].is_none() && client.streams[stream].swapped == Some(flight.job);
        if flight.replaces && !goes_on {
            let others: Vec<_> = visible.keys().filter(|id| !rows.contains(id)).collect();
            if !others.is_empty() {
                self.book.fault(format!("kept: an overwrite of {name:?} succeeded, and readers see older rows {others:?}"));
            }
        }
        for id in rows {
            if !self.book.hidden.contains(&id) {
                continue;
            }
            if visible.contains_key(&id) {
                self.book.show(id, &name, view);
            } else if !self.book.loose.contains(&id) {
                self.book.fault(format!("hidden: the acknowledged row {id} of {name:?} is not seen after a run that succeeded"));
            }
        }
    }
}
