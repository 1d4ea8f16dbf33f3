//! Futures that go on beside the caller's own work.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::http::flight::asked;

/// The futures that are kept. One that waits itself, within its turn, does not wait for the others.
#[derive(Clone, Default)]
pub(super) struct Tasks(Rc<Kept>);

#[derive(Default)]
struct Kept {
    next: Cell<u64>,
    futures: RefCell<Vec<(u64, Task)>>,
    /// Those that were dropped while they had their turn.
    dropped: RefCell<Vec<u64>>,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The outcome of a future that is kept, once it is there. Dropping this ends the future.
pub(crate) struct Spawned<T> {
    tasks: Tasks,
    number: u64,
    outcome: Rc<RefCell<Option<T>>>,
}

impl Tasks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.futures.borrow().is_empty()
    }

    pub(super) fn spawn<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Spawned<T> {
        let number = self.0.next.get();
        self.0.next.set(number + 1);
        let outcome = Rc::new(RefCell::new(None));
        let place = Rc::clone(&outcome);
        let task = async move {
            let output = future.await;
            *place.borrow_mut() = Some(output);
        };
        let mut futures = self.0.futures.borrow_mut();
        futures.push((number, Box::pin(task)));
        Spawned {
            tasks: self.clone(),
            number,
            outcome,
        }
    }

    /// Asks every future whether it has ended; says whether one has.
    pub(super) fn ask(&self) -> bool {
        // While they run, the list is empty: a future that waits in its turn finds none to ask.
        let mut futures = self.0.futures.take();
        let count = futures.len();
        futures.retain_mut(|(_, task)| asked(task.as_mut()) == Poll::Pending);
        let has_news = futures.len() < count;
        let dropped = self.0.dropped.take();
        futures.retain(|(number, _)| !dropped.contains(number));
        let mut spawned = self.0.futures.borrow_mut();
        futures.append(&mut spawned);
        *spawned = futures;
        has_news
    }
}

impl<T> Spawned<T> {
    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// The outcome, once it has ended; it is given away once.
    pub(crate) fn outcome(&self) -> Option<T> {
        self.outcome.take()
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        let kept = &self.tasks.0;
        let mut futures = kept.futures.borrow_mut();
        let place = futures
            .iter()
            .position(|(number, _)| *number == self.number);
        let task = place.map(|place| futures.remove(place));
        drop(futures);
        if task.is_none() && self.outcome.borrow().is_none() {
            kept.dropped.borrow_mut().push(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn an_outcome_is_there_after_the_futures_turn() {
        let tasks = Tasks::default();
        let spawned = tasks.spawn(ready(7));
        assert!(!spawned.has_ended());
        assert!(tasks.ask());
        assert!(spawned.has_ended() && tasks.is_empty());
        assert_eq!(spawned.outcome(), Some(7));
        assert_eq!(spawned.outcome(), None);
    }

    #[test]
    fn a_future_ends_with_its_handle_also_within_a_turn() {
        let tasks = Tasks::default();
        let (held, other) = (Rc::new(()), Rc::new(()));
        let keep = |thing: &Rc<()>| {
            let thing = Rc::clone(thing);
            tasks.spawn(async move {
                pending::<()>().await;
                drop(thing);
            })
        };
        drop(keep(&held));
        assert_eq!(Rc::strong_count(&held), 1);
        // The second ends the first, which had its turn already and is not in the list.
        let first = keep(&other);
        let second = tasks.spawn(async move { drop(first) });
        assert!(tasks.ask());
        assert!(second.has_ended() && tasks.is_empty());
        assert_eq!(Rc::strong_count(&other), 1);
    }
}
