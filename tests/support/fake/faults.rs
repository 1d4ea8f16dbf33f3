//! What goes wrong with calls, and when.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::unpoisoned;
use super::wire::{Raw, Request};

/// What goes wrong with a call.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Refused with this status and code; nothing happens.
    Reject(u16, &'static str),
    /// It happens, and the connection closes instead of an answer.
    Lose,
    /// It happens, and the answer waits for the gate.
    Hold(Gate),
    /// The connection closes and nothing happens.
    Drop,
    /// The program is killed before the call takes effect.
    KillBefore,
    /// The program is killed after the call took effect, before the answer.
    KillAfter,
    /// Others act before the call takes effect.
    Before(Hook),
    /// Others act after the call took effect, before the answer.
    After(Hook),
    /// It happens, and something else than its answer is sent.
    Raw(Raw),
}

/// What others do meanwhile; then whether the call goes on, else the connection closes. After an object was stored its
/// body is no longer in the request.
pub(crate) type Hook = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// Where a held call waits.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Gate {
    /// Waits until the call has happened and its answer waits.
    pub(crate) fn wait_until_reached(&self) {
        drop(self.wait(|(reached, _)| *reached));
    }

    /// Lets the answer go.
    pub(crate) fn release(&self) {
        unpoisoned(&self.0.0).1 = true;
        self.0.1.notify_all();
    }

    pub(super) fn pass(&self) {
        unpoisoned(&self.0.0).0 = true;
        self.0.1.notify_all();
        drop(self.wait(|(_, released)| *released));
    }

    fn wait(&self, done: impl Fn(&(bool, bool)) -> bool) -> MutexGuard<'_, (bool, bool)> {
        let limit = std::time::Duration::from_secs(60);
        let waited = self
            .0
            .1
            .wait_timeout_while(unpoisoned(&self.0.0), limit, |state| !done(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "a held call was not reached or not released"
        );
        state
    }
}

/// The faults to come.
#[derive(Default)]
pub(super) struct Rules(Mutex<Vec<Rule>>);

/// A fault to come: at the `left`-th call from now whose name and resource fit.
pub(super) struct Rule {
    pub(super) operation: String,
    pub(super) resource: String,
    pub(super) left: usize,
    pub(super) fault: Fault,
    pub(super) always: bool,
    pub(super) met: bool,
}

impl Rules {
    pub(super) fn add(&self, rule: Rule) {
        unpoisoned(&self.0).push(rule);
    }

    /// Forgets all rules; true if there were any whose fault has not come.
    pub(super) fn clear(&self) -> bool {
        let mut rules = unpoisoned(&self.0);
        let left = rules.iter().any(|rule| !rule.met);
        rules.clear();
        left
    }

    /// The calls whose faults have not come.
    pub(super) fn unmet(&self) -> Vec<String> {
        unpoisoned(&self.0)
            .iter()
            .filter(|rule| !rule.met)
            .map(|rule| format!("{} {}", rule.operation, rule.resource))
            .collect()
    }

    /// Counts the call, and returns its fault if one is due.
    pub(super) fn due(&self, operation: &str, resource: &str) -> Option<Fault> {
        let mut rules = unpoisoned(&self.0);
        let mut chosen = None;
        for rule in rules.iter_mut() {
            let fits = (rule.operation.is_empty() || rule.operation == operation)
                && resource.contains(&rule.resource);
            if !fits || (rule.met && !rule.always) {
                continue;
            }
            rule.left = rule.left.saturating_sub(1);
            if rule.left == 0 {
                rule.met = true;
                chosen = chosen.or(Some(rule.fault.clone()));
            }
        }
        chosen
    }
}
