//! The ledger: which states wait, what each covers, and how many records came before it.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::protocol::state::{Scope, State};

/// The stream's place in the catalog.
pub(super) type StreamIndex = usize;

/// What a waiting state covers: the records before it of one stream, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covers {
    Stream(StreamIndex),
    All,
    /// A stream that is not in the catalog, of which no record can come.
    Nothing,
}

/// The states of a sync from their arrival to their printing.
///
/// The contract with the checkpoint: a state that `release` hands out may be printed, because the caller has said
/// of every stream that it covers that all rows before it are durable. Each state is handed out once. States of
/// one stream keep their order, and those that cover all streams keep theirs. Each is echoed with the number of
/// records that came since the state before it: of its stream, or of all.
#[derive(Default)]
pub(super) struct Ledger {
    /// The one type of states in this sync, once it is known.
    type_name: Option<&'static str>,
    /// Records of each stream since the last state that covers them.
    counts: Vec<u64>,
    waiting: VecDeque<Waiting>,
    /// Bytes of the waiting states.
    memory: usize,
}

struct Waiting {
    covers: Covers,
    acknowledgement: Vec<u8>,
}

impl Ledger {
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
        if self.is_durable(covers, durable) {
            return Some(acknowledgement);
        }
        self.memory += acknowledgement.len();
        self.waiting.push_back(Waiting {
            covers,
            acknowledgement,
        });
        None
    }

    fn is_durable(&self, covers: Covers, durable: impl Fn(StreamIndex) -> bool) -> bool {
        match covers {
            Covers::Stream(stream) => durable(stream),
            Covers::All => (0..self.counts.len()).all(durable),
            Covers::Nothing => true,
        }
    }

    /// Whether a state waits.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Bytes of the waiting states.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Hands out, in order of arrival, every waiting state whose streams are all `durable`.
    pub(super) fn release(&mut self, durable: impl Fn(StreamIndex) -> bool) -> Vec<Vec<u8>> {
        let streams: Vec<bool> = (0..self.counts.len()).map(durable).collect();
        let mut released = Vec::new();
        for mut waiting in std::mem::take(&mut self.waiting) {
            if self.is_durable(waiting.covers, |stream| streams[stream]) {
                self.memory -= waiting.acknowledgement.len();
                released.push(std::mem::take(&mut waiting.acknowledgement));
            } else {
                self.waiting.push_back(waiting);
            }
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(streams: usize) -> Ledger {
        let mut ledger = Ledger::default();
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

    fn counts(released: &[Vec<u8>]) -> Vec<f64> {
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
        assert_eq!(counts(&ledger.release(|stream| stream == 0)), [2.0, 1.0]);
        assert!(ledger.waits());
        assert_eq!(counts(&ledger.release(|_| true)), [1.0]);
        assert!(!ledger.waits());
        assert!(ledger.release(|_| true).is_empty());
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
        assert!(ledger.release(|stream| stream == 0).is_empty());
        assert_eq!(counts(&ledger.release(|_| true)), [2.0, 0.0]);
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
