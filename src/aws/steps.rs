//! Steps whose calls overlap: the same piece of work for many streams, tables or objects.
//!
//! # The contract
//!
//! A step is plain code that makes calls and reads from top to bottom; it knows nothing of other steps. It runs until its
//! first call that has no answer yet. That call fails, the step ends early, and whatever it returned is forgotten. The
//! calls of all steps that wait are in flight together; once one is answered, its step runs again from its beginning,
//! with the answers that it has got so far, up to the next call without one. What it returns once all of its calls are
//! answered is its outcome.
//!
//! - A step must make the same calls each time it runs, given the same answers; one that does not is an error. So it
//!   changes nothing but by calls: it is given what it works on by shared reference, and returns what is new.
//! - Each call is sent once, as outside of steps: with its retries, and its response read by its operation.
//! - The calls of one step are made in order, one after the other. Those of different steps have no order, but steps begin
//!   in the order of their numbers, and a call is in flight before any of a later step's.
//! - At most two steps for each connection that there may be have begun and not ended: that bounds the requests and the
//!   answers in memory.
//! - What is logged is logged once: while a step catches up, and after it has made a call that is not answered, its logs
//!   are dropped.
//! - Uploads of parts are no calls in this sense: steps send none. They go on meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::DefaultHasher;
use std::future::{Future, poll_fn};
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::aws::operation::{BadResponse, Call, OperationInfo};
use crate::aws::sender::{Caller, Sender};
use crate::error::{Error, Result};
use crate::http::Response;
use crate::out;
use crate::time::Millis;

/// The step that runs now, if one does.
#[derive(Default)]
pub(super) struct Steps {
    running: RefCell<Option<Running>>,
    /// The time by S3's clock when the steps began: a step that runs again must not find another one.
    time: Cell<Option<Millis>>,
}

/// A step that has begun and not ended.
#[derive(Default)]
struct Running {
    answers: Vec<Answer>,
    /// How many of them this run has been given.
    given: usize,
    /// The call that has no answer yet.
    asks: Option<(OperationInfo<'static>, Call)>,
    /// What the operation says of the last answer, which is new.
    verdict: Option<Result<(), BadResponse>>,
    is_new: bool,
    /// Whether it has ended, and no further step is to begin.
    is_last: bool,
}

impl Running {
    /// Whether all of its calls are answered.
    fn is_whole(&self) -> bool {
        self.asks.is_none() && !matches!(self.verdict, Some(Err(_)))
    }
}

/// The answer to a call.
struct Answer {
    /// Tells its call from others.
    print: u64,
    outcome: Result<Response>,
}

/// What a call is given.
pub(super) enum Given {
    /// No step runs: the call is to be sent.
    Nothing,
    Response(Response),
    Error(Error),
}

/// A call in flight, and the step that waits for it.
struct Waiting<'a> {
    step: usize,
    running: Running,
    print: u64,
    flight: Pin<Box<dyn Future<Output = Result<()>> + 'a>>,
    slot: Rc<Slot>,
}

/// Where a flight leaves a response, and finds what its operation says of it.
#[derive(Default)]
struct Slot {
    response: Cell<Option<Response>>,
    verdict: Cell<Option<Result<(), BadResponse>>>,
}

impl Steps {
    pub(super) fn is_running(&self) -> bool {
        self.running.borrow().is_some()
    }

    /// The time by S3's clock that a step finds.
    pub(super) fn time(&self) -> Option<Millis> {
        self.time.get().filter(|_| self.is_running())
    }

    /// What is known of a call of the step that runs.
    pub(super) fn given(&self, asked: &OperationInfo<'_>, call: &dyn Fn() -> Call) -> Given {
        let mut running = self.running.borrow_mut();
        let Some(running) = &mut *running else {
            return Given::Nothing;
        };
        if !running.is_whole() {
            return Given::Error(unanswered());
        }
        let call = call();
        let Some(answer) = running.answers.get(running.given) else {
            running.asks = Some((asked.without_secret(), call));
            out::hush(true);
            return Given::Error(unanswered());
        };
        if answer.print != print(asked, &call) {
            return Given::Error(Error::system(format!(
                "internal error: a step made another call than before: {}",
                asked.name
            )));
        }
        running.given += 1;
        out::hush(running.given < running.answers.len());
        match &answer.outcome {
            Ok(response) => Given::Response(response.clone()),
            Err(error) => Given::Error(error.again()),
        }
    }

    /// Takes what the operation of the last call says of its answer: a bad one is asked for again.
    pub(super) fn judge(&self, outcome: Result<(), BadResponse>) {
        let mut running = self.running.borrow_mut();
        let Some(running) = &mut *running else {
            return;
        };
        // Earlier answers were judged in an earlier run.
        if running.is_new && running.given == running.answers.len() {
            running.is_new = false;
            if outcome.is_err() {
                running.answers.pop();
                running.given -= 1;
                out::hush(true);
            }
            running.verdict = Some(outcome);
        }
    }

    /// Runs the steps from 0 to `count` to their ends. Once one has ended with false, no further one begins.
    pub(super) fn run(
        &self,
        count: usize,
        run: &mut dyn FnMut(usize) -> bool,
        sender: &Sender,
        caller: &dyn Caller,
    ) {
        self.time.set(sender.store_time());
        let most = 2 * sender.client().connections();
        let mut steps = 0..count;
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        loop {
            while waiting.len() < most
                && let Some(step) = steps.next()
            {
                let running = self.go_on(step, Running::default(), run);
                if running.is_last {
                    steps = 0..0;
                }
                waiting.extend(Waiting::send(step, running, sender, caller));
            }
            if waiting.is_empty() {
                return;
            }
            let (place, outcome) = sender.client().wait(poll_fn(|_| poll_all(&mut waiting)));
            let answered = &mut waiting[place];
            let mut running = std::mem::take(&mut answered.running);
            running.is_new = outcome.is_ok();
            let print = answered.print;
            running.answers.push(Answer { print, outcome });
            let mut running = self.go_on(answered.step, running, run);
            if running.is_last {
                steps = 0..0;
            }
            match running.verdict.take() {
                // The flight goes on with another attempt.
                Some(Err(bad)) => {
                    let again = &mut waiting[place];
                    again.running = running;
                    again.slot.verdict.set(Some(Err(bad)));
                }
                verdict => {
                    let Waiting {
                        step, flight, slot, ..
                    } = waiting.remove(place);
                    if verdict.is_some() {
                        slot.verdict.set(verdict);
                        // It ends at once.
                        let _ = sender.client().wait(flight);
                    }
                    waiting.extend(Waiting::send(step, running, sender, caller));
                }
            }
        }
    }

    /// Runs a step with the answers that it has got.
    fn go_on(
        &self,
        step: usize,
        mut running: Running,
        run: &mut dyn FnMut(usize) -> bool,
    ) -> Running {
        running.given = 0;
        out::hush(!running.answers.is_empty());
        *self.running.borrow_mut() = Some(running);
        let goes_on = run(step);
        out::hush(false);
        let running = self.running.borrow_mut().take();
        let mut running = running.expect("nobody else takes it");
        running.is_last = !goes_on && running.is_whole();
        running
    }
}

impl<'a> Waiting<'a> {
    /// Sends the call that the step waits for; nothing where it has ended.
    fn send(
        step: usize,
        mut running: Running,
        sender: &'a Sender,
        caller: &'a dyn Caller,
    ) -> Option<Self> {
        let (asked, call) = running.asks.take()?;
        let print = print(&asked, &call);
        let slot = Rc::new(Slot::default());
        let place = Rc::clone(&slot);
        let flight = async move {
            let mut read = |response: &mut Option<Response>| {
                if let Some(response) = response.take() {
                    place.response.set(Some(response));
                    return Poll::Pending;
                }
                place.verdict.take().map_or(Poll::Pending, Poll::Ready)
            };
            sender.attempts(&asked, &call, caller, &mut read).await
        };
        Some(Self {
            step,
            running,
            print,
            flight: Box::pin(flight),
            slot,
        })
    }
}

/// Moves all flights; the place of the first that has an answer.
fn poll_all(waiting: &mut [Waiting<'_>]) -> Poll<(usize, Result<Response>)> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for (place, waiting) in waiting.iter_mut().enumerate() {
        // One that has left a response does not end before there is a verdict, and then it is waited for.
        match waiting.flight.as_mut().poll(&mut context) {
            Poll::Ready(Err(error)) => return Poll::Ready((place, Err(error))),
            Poll::Ready(Ok(())) => {}
            Poll::Pending => {
                if let Some(response) = waiting.slot.response.take() {
                    return Poll::Ready((place, Ok(response)));
                }
            }
        }
    }
    Poll::Pending
}

fn print(asked: &OperationInfo<'_>, call: &Call) -> u64 {
    let mut hasher = DefaultHasher::new();
    (asked.name, &call.path, &call.query, call.body.len()).hash(&mut hasher);
    hasher.finish()
}

/// What a call without an answer returns. Nobody sees it: the outcome of its step is forgotten.
pub(super) fn unanswered() -> Error {
    Error::transient("internal error: the call is not answered yet")
}
