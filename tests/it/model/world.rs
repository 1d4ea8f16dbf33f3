//! A lake with its clients, and the steps that happen to it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::book::{Book, Name};
use super::flight::Flight;
use super::source::{Client, Id};
use super::steps::{Kind, Run, Sequence, Step, TABLES, What};
use super::view::Read;
use crate::support::fake::journal::Journal;
use crate::support::fake::wire::Request;
use crate::support::fake::{Fake, Fault, unpoisoned};

pub(super) const HERE: &str = "us-east-1";

/// A run that is silent for so long in the middle of a checkpoint is taken for dead.
pub(super) const GRACE: Duration = Duration::from_secs(150);

/// A run that waits for another one's checkpoint reads its record every second: a third of the time after which the other
/// is taken for dead.
const READING: Duration = Duration::from_secs(45);

/// The lake.
pub(super) struct World {
    pub(super) fake: Fake,
    course: Mutex<Course>,
}

/// What happened so far.
pub(super) struct Course {
    pub(super) clients: Vec<Client>,
    pub(super) book: Book,
    pub(super) read: Read,
    /// Runs under way; the last one is at work.
    pub(super) flights: Vec<Flight>,
    pub(super) jobs: u64,
    pub(super) rows: Id,
    /// Tables that were dropped, with their number in the book.
    pub(super) dropped: Vec<(&'static str, Value, Option<usize>)>,
    /// Locations that tables had.
    pub(super) locations: Vec<(&'static str, String)>,
    /// Swaps that were not taken back: the table, its folders before and after, and the rows that it replaced.
    pub(super) swaps: Vec<(Name, String, Option<String>, BTreeSet<Id>)>,
    /// What happened, for the report.
    pub(super) story: Vec<String>,
}

impl World {
    pub(super) fn new(sequence: &Sequence) -> Arc<Self> {
        let world = Arc::new(Self {
            fake: Fake::start(),
            course: Mutex::new(Course {
                clients: sequence.clients.iter().cloned().map(Client::new).collect(),
                book: Book::default(),
                read: Read::default(),
                flights: Vec::new(),
                jobs: 100,
                rows: 0,
                dropped: Vec::new(),
                locations: Vec::new(),
                swaps: Vec::new(),
                story: Vec::new(),
            }),
        });
        world.fake.hasten(READING);
        if sequence.is_old {
            world.course().make_old_table(TABLES[0], &world.fake);
        }
        world
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        unpoisoned(&self.course)
    }

    /// Does the step; what is wrong after it.
    pub(super) fn step(self: &Arc<Self>, step: &Step) -> Vec<String> {
        match step {
            Step::Run(run) => self.run(run),
            Step::Hand(hand) => self.course().hand(*hand, &self.fake),
            Step::Hours(hours) => self.fake.clock().forward(hours_of(*hours)),
            Step::Refresh(client) => self.course().refresh(*client),
            Step::Cancel(client) => self.course().cancel(*client),
        }
        let mut course = self.course();
        let view = course.read.view(&self.fake);
        course.book.check(&view);
        std::mem::take(&mut course.book.faults)
    }

    pub(super) fn story(&self) -> Vec<String> {
        self.course().story.clone()
    }

    fn run(self: &Arc<Self>, run: &Run) {
        let (program, journal) = {
            let mut course = self.course();
            let journal = if course.flights.is_empty() {
                self.fake.journal().clone()
            } else {
                Journal::default()
            };
            let begin = course.begin(run, &journal, &self.fake);
            let program = course.clients[run.client].program(run, &begin, &self.fake);
            (program, journal)
        };
        if let Some(trouble) = &run.trouble {
            let (call, world) = (trouble.call, Arc::downgrade(self));
            let hook = hook(world, trouble.what.clone(), trouble.after);
            match trouble.what {
                What::Stale => {
                    let refused = Fault::Reject(400, "EntityNotFoundException");
                    self.fake.fault("GetTable", call, refused);
                }
                What::Conflict => {
                    let conflict = Fault::Reject(409, "ConditionalRequestConflict");
                    let control = "/_datalake/";
                    self.fake.fault_on("PutObject", control, call, conflict);
                }
                What::Refuse => self.fake.fault_at(call, Fault::Reject(403, "AccessDenied")),
                _ if trouble.after => self.fake.fault_at(call, Fault::After(hook)),
                _ => self.fake.fault_at(call, Fault::Before(hook)),
            }
        }
        let output = program.journal(&journal).run();
        if run.is_buried {
            self.fake.bury_runs();
        }
        if self.course().flights.len() == 1 {
            self.fake.forgive();
        }
        let code = output.status.code();
        let mut course = self.course();
        if !matches!(code, None | Some(0 | 1)) || output.stdout.contains("panicked") {
            let report = output.report();
            course
                .book
                .fault(format!("broken: exit {code:?}\n{report}"));
        }
        let said = if code == Some(1) {
            last_words(&output.stdout, &output.stderr)
        } else {
            String::new()
        };
        course.story.push(format!("exit {code:?} {said}"));
        let trouble = run.trouble.as_ref().map(|trouble| &trouble.what);
        let must_succeed = !matches!(trouble, Some(What::Kill | What::Refuse | What::Stale))
            && course.must_succeed();
        if must_succeed && code == Some(1) {
            course
                .book
                .fault(format!("refused: nothing was in its way: {said}"));
        }
        course.end(code == Some(0), &self.fake);
    }
}

/// What the trouble does at its call; whether the call goes on.
fn hook(
    world: Weak<World>,
    what: What,
    after: bool,
) -> Arc<dyn Fn(&Request) -> bool + Send + Sync> {
    Arc::new(move |request: &Request| {
        let Some(world) = world.upgrade() else {
            return false;
        };
        let calls = world.fake.journal().traced();
        let is_done = world.fake.is_done(request);
        let looks = |call: &String| call.starts_with("GetTable");
        let is_seen = after && world.fake.has_open_record() && calls.last().is_some_and(looks);
        // A swap is the last look at its table.
        let is_record = |call: &&String| call.starts_with("PutObject") && call.contains("/runs/");
        let is_swap =
            |call: &String| call.starts_with("UpdateTable") || call.starts_with("CreateTable");
        let mut since_the_record = calls.iter().rev().take_while(|call| !is_record(call));
        let is_swapped = world.fake.has_open_record() && since_the_record.any(is_swap);
        let is_between_looks = is_seen || is_swapped || calls.iter().rev().take(2).all(looks);
        {
            let mut course = world.course();
            course.absorb(&world.fake);
            let at = calls.last().map_or("", |call| &call[..call.len().min(90)]);
            course
                .story
                .push(format!("  {what:?} after={after} at {at}"));
            let is_disturbed = match &what {
                What::Hand(_) => true,
                What::Meanwhile(run) => course.shares(run) || world.fake.has_open_record(),
                _ => false,
            };
            let flight = course.flights.last_mut().expect("a run is under way");
            flight.is_disturbed |= is_disturbed;
            flight.is_undecided |= is_done || is_between_looks;
            if matches!(what, What::Kill) {
                flight.is_cut = after && is_done;
                kill(&flight.journal);
            }
        }
        match &what {
            What::Hand(hand) => world.course().hand(*hand, &world.fake),
            What::Hours(hours) => world.fake.clock().forward(hours_of(*hours)),
            What::Meanwhile(run) => {
                world.fake.clock().forward(GRACE);
                world.run(run);
            }
            _ => return false,
        }
        true
    })
}

fn kill(journal: &Journal) {
    let pid = journal
        .pid()
        .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    kill_process(pid.expect("the program runs"), Signal::KILL).unwrap();
}

pub(super) fn hours_of(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// The reason of a failure.
fn last_words(stdout: &str, stderr: &str) -> String {
    let last = stdout.lines().rev().find(|line| line.contains("\"ERROR\""));
    let line = last.or(stderr.lines().last()).unwrap_or_default();
    let message: Value = serde_json::from_str(line).unwrap_or_default();
    let text = message["trace"]["error"]["message"]
        .as_str()
        .unwrap_or(line);
    text.chars().take(300).collect()
}

impl Course {
    pub(super) fn next_row(&mut self) -> Id {
        self.rows += 1;
        self.rows
    }

    fn refresh(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.plan.kind != Kind::Numbered {
            return;
        }
        client.generation += 1;
        client.truncates = true;
        client.is_over = true;
        client.forget();
    }

    fn cancel(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.plan.kind == Kind::Numbered && client.is_unfinished {
            client.truncates = false;
            client.is_over = true;
        }
    }
}
