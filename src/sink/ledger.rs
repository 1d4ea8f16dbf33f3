//! The ledger: which states wait, what each covers, and how many records came before it.

use crate::error::{Error, Result};
use crate::protocol::state::{Scope, State};
use crate::sink::streams::StreamIndex;
use crate::sink::waiting::{Covers, WaitingStates};

/// The states of a sync from their arrival to their printing.
///
/// The contract with the checkpoint: a state that `release` hands out may be printed, because the caller has said
/// of every stream that it covers that all rows before it are durable. Each state is handed out once. States of
/// one stream keep their order, and those that cover all streams keep theirs. Each is echoed with the number of
/// records that came since the state before it: of its stream, or of all.
pub(super) struct Ledger {
    /// The one type of states in this sync, once it is known.
    type_name: Option<&'static str>,
    /// Records of each stream since the last state that covers them.
    counts: Vec<u64>,
    waiting: WaitingStates,
    /// Whether a state came that covers all streams: then all do.
    covers_all: bool,
    /// Bytes of memory that waiting states may take.
    limit: usize,
    /// Bytes of memory that they took after the last release.
    kept: usize,
}

impl Ledger {
    /// One without a stream. Its states may take three quarters of the memory budget: rows are uploaded in smaller objects
    /// then, while a sync that gives up after hours has done nothing.
    pub(super) fn new(budget: usize) -> Self {
        let limit = budget / 4 * 3;
        Self {
            type_name: None,
            counts: Vec::new(),
            waiting: WaitingStates::new(limit),
            covers_all: false,
            limit,
            kept: 0,
        }
    }

    /// The states may take three quarters of this memory.
    pub(super) fn set_budget(&mut self, budget: usize) {
        self.limit = budget / 4 * 3;
    }

    /// One stream more.
    pub(super) fn add_stream(&mut self) {
        self.counts.push(0);
    }

    /// A record was accepted.
    pub(super) fn count(&mut self, stream: StreamIndex) {
        self.counts[stream] += 1;
    }

    /// A state arrived. `stream` is the place of the stream that it names, if it is in the catalog.
    ///
    /// It waits until it is released, unless all that it covers is `durable` already: then it is handed out at once.
    /// No other state of the same scope can be waiting then, so the order is kept.
    pub(super) fn enter(
        &mut self,
        state: &State<'_>,
        stream: Option<StreamIndex>,
        durable: impl Fn(StreamIndex) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        let type_name = state.scope.type_name();
        let first = *self.type_name.get_or_insert(type_name);
        if first != type_name {
            return Err(Error::system(format!(
                "a state of type {type_name} after states of type {first}; expected one type in a sync"
            )));
        }
        let (covers, count) = match (&state.scope, stream) {
            (Scope::Stream(_), Some(stream)) => (
                Covers::Stream(stream),
                std::mem::take(&mut self.counts[stream]),
            ),
            (Scope::Stream(_), None) => (Covers::Nothing, 0),
            (Scope::Global | Scope::Legacy, _) => (
                Covers::All,
                self.counts.iter_mut().map(std::mem::take).sum(),
            ),
        };
        Ok(self.wait(covers, state.acknowledgement(count)?, durable))
    }

    /// A line arrived that is to be printed once all rows so far are durable.
    pub(super) fn enter_line(
        &mut self,
        line: Vec<u8>,
        durable: impl Fn(StreamIndex) -> bool,
    ) -> Option<Vec<u8>> {
        self.wait(Covers::All, line, durable)
    }

    fn wait(
        &mut self,
        covers: Covers,
        acknowledgement: Vec<u8>,
        durable: impl Fn(StreamIndex) -> bool,
    ) -> Option<Vec<u8>> {
        self.covers_all |= covers == Covers::All;
        if self.is_durable(covers, durable) {
            return Some(acknowledgement);
        }
        self.waiting.push(covers, &acknowledgement);
        None
    }

    /// An error where the waiting states take more memory than they may.
    pub(super) fn refuse_too_many(&self) -> Result<()> {
        if self.memory() <= self.limit {
            return Ok(());
        }
        Err(Error::config(format!(
            "the states that wait for their rows take more than {} MiB, three quarters of what the input leaves of memory_budget_mb, although they are compressed",
            self.limit >> 20
        ))
        .hint("raise memory_budget_mb; states of a table that is replaced wait for the end of the sync"))
    }

    fn is_durable(&self, covers: Covers, durable: impl Fn(StreamIndex) -> bool) -> bool {
        match covers {
            Covers::Stream(stream) => durable(stream),
            Covers::All => (0..self.counts.len()).all(durable),
            Covers::Nothing => true,
        }
    }

    /// Whether the states of this sync cover all streams.
    pub(super) fn covers_all(&self) -> bool {
        self.covers_all
    }

    /// Whether a state waits.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Bytes of memory that the waiting states take.
    pub(super) fn memory(&self) -> usize {
        self.waiting.memory()
    }

    /// Whether the states that came since the last release fill half of the room that it left. What it kept, another one
    /// would likely keep too.
    pub(super) fn presses_for_a_checkpoint(&self) -> bool {
        let room = self.limit.saturating_sub(self.kept);
        self.memory().saturating_sub(self.kept) > room / 2
    }

    /// Hands out, in order of arrival, every waiting state whose streams are all `durable`.
    pub(super) fn release(
        &mut self,
        durable: impl Fn(StreamIndex) -> bool,
        hand_out: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let streams: Vec<bool> = (0..self.counts.len()).map(durable).collect();
        let all = streams.iter().all(|durable| *durable);
        let may = |covers| match covers {
            Covers::Stream(stream) => streams[stream],
            Covers::All => all,
            Covers::Nothing => true,
        };
        let released = self.waiting.release(may, hand_out);
        self.kept = self.memory();
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(streams: usize) -> Ledger {
        let mut ledger = Ledger::new(1 << 20);
        (0..streams).for_each(|_| ledger.add_stream());
        ledger
    }

    fn line(state: &str) -> String {
        format!(r#"{{"type":"STATE","state":{state}}}"#)
    }

    fn stream_state(name: &str) -> String {
        line(&format!(
            r#"{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"{name}"}},"stream_state":{{"a":1}}}}}}"#
        ))
    }

    #[track_caller]
    fn enter(ledger: &mut Ledger, text: &str, stream: Option<usize>) {
        let waits = ledger
            .enter(&State::read(text.as_bytes()).unwrap(), stream, |_| false)
            .unwrap();
        assert_eq!(waits, None);
    }

    /// The record counts of the states that are released.
    fn release(ledger: &mut Ledger, durable: impl Fn(usize) -> bool) -> Vec<f64> {
        let mut released = Vec::new();
        let done = ledger.release(durable, |line| {
            released.push(line.to_vec());
            Ok(())
        });
        done.unwrap();
        let count = |line: &Vec<u8>| {
            let value: serde_json::Value = serde_json::from_slice(line).unwrap();
            value["state"]["destinationStats"]["recordCount"]
                .as_f64()
                .unwrap()
        };
        released.iter().map(count).collect()
    }

    #[test]
    fn stream_states_count_their_own_records_and_wait_for_their_own_stream() {
        let mut ledger = ledger(2);
        for stream in [0, 0, 1] {
            ledger.count(stream);
        }
        enter(&mut ledger, &stream_state("a"), Some(0));
        enter(&mut ledger, &stream_state("b"), Some(1));
        ledger.count(0);
        enter(&mut ledger, &stream_state("a"), Some(0));
        assert_eq!(release(&mut ledger, |stream| stream == 0), [2.0, 1.0]);
        assert!(ledger.waits());
        assert_eq!(release(&mut ledger, |_| true), [1.0]);
        assert!(!ledger.waits());
        assert!(release(&mut ledger, |_| true).is_empty());
    }

    #[test]
    fn global_states_count_all_records_and_wait_for_all_streams() {
        let mut ledger = ledger(2);
        ledger.count(0);
        ledger.count(1);
        enter(
            &mut ledger,
            &line(r#"{"type":"GLOBAL","global":{"shared_state":{"lsn":1}}}"#),
            None,
        );
        enter(
            &mut ledger,
            &line(r#"{"type":"GLOBAL","global":{"shared_state":{"lsn":2}}}"#),
            None,
        );
        assert!(release(&mut ledger, |stream| stream == 0).is_empty());
        assert_eq!(release(&mut ledger, |_| true), [2.0, 0.0]);
    }

    #[test]
    fn a_state_that_covers_nothing_new_is_handed_out_at_once() {
        let mut ledger = ledger(2);
        let state = stream_state("a");
        let state = State::read(state.as_bytes()).unwrap();
        assert!(
            ledger
                .enter(&state, Some(0), |stream| stream == 0)
                .unwrap()
                .is_some()
        );
        assert!(ledger.enter(&state, None, |_| false).unwrap().is_some());
        assert!(!ledger.waits());
    }

    #[test]
    fn types_of_states_do_not_mix() {
        let mut ledger = ledger(1);
        enter(&mut ledger, &stream_state("a"), Some(0));
        let legacy = line(r#"{"data":{"a":1}}"#);
        let error = ledger
            .enter(&State::read(legacy.as_bytes()).unwrap(), None, |_| false)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("LEGACY after states of type STREAM"),
            "{error}"
        );
    }
}
