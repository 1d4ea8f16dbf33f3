//! Sequences of steps, drawn from a seed. A step holds all that was drawn for it, so that others can be left out.

use fastrand::Rng;

/// The tables that there are, each the only one of its stream.
pub(super) const TABLES: [&str; 2] = ["people", "orders"];

/// Whose rows come how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A platform without generations: append.
    Append,
    /// A platform without generations: overwrite.
    Overwrite,
    /// A platform that numbers generations: append, and refreshes where one is asked for.
    Numbered,
    /// The same: a new generation in every job.
    Renewed,
    /// A program that numbers every generation and every job 1, and replaces.
    Replace,
    /// The same program: appends, after the states that were printed.
    Follow,
    /// `load` that appends.
    Load,
    /// `load` that replaces.
    LoadOverwrite,
    /// A Singer tap whose rows are appended.
    Tap,
    /// A Singer tap with a new version in every job, whose rows replace.
    TapOverwrite,
}

const KINDS: [Kind; 10] = [
    Kind::Append,
    Kind::Overwrite,
    Kind::Numbered,
    Kind::Renewed,
    Kind::Replace,
    Kind::Follow,
    Kind::Load,
    Kind::LoadOverwrite,
    Kind::Tap,
    Kind::TapOverwrite,
];

impl Kind {
    pub(super) fn is_load(self) -> bool {
        matches!(self, Self::Load | Self::LoadOverwrite)
    }

    pub(super) fn is_tap(self) -> bool {
        matches!(self, Self::Tap | Self::TapOverwrite)
    }

    /// Whether later attempts say that they are.
    pub(super) fn is_of_a_platform(self) -> bool {
        !self.is_load() && !self.is_tap() && !self.is_always_the_first()
    }

    /// Whether all its generations and jobs have the number 1.
    pub(super) fn is_always_the_first(self) -> bool {
        matches!(self, Self::Replace | Self::Follow)
    }

    /// Whether the platform numbers its generations.
    pub(super) fn is_numbered(self) -> bool {
        matches!(
            self,
            Self::Numbered | Self::Renewed | Self::Replace | Self::Follow
        )
    }

    /// Whether an input that ends so is complete.
    pub(super) fn is_complete(self, end: End) -> bool {
        match end {
            End::Complete => true,
            End::Silent => !self.is_numbered() && self != Self::TapOverwrite,
            End::Broken => false,
        }
    }

    /// Whether each job begins from nothing.
    pub(super) fn begins_anew(self) -> bool {
        matches!(
            self,
            Self::Overwrite
                | Self::Renewed
                | Self::Replace
                | Self::LoadOverwrite
                | Self::TapOverwrite
        )
    }

    /// Whether a later attempt goes on after the last printed state; else it sends all of the job again.
    pub(super) fn resumes(self) -> bool {
        matches!(
            self,
            Self::Append
                | Self::Numbered
                | Self::Renewed
                | Self::Follow
                | Self::Tap
                | Self::TapOverwrite
        )
    }
}

/// A source with its connection.
#[derive(Clone, Debug)]
pub(super) struct ClientPlan {
    pub(super) kind: Kind,
    pub(super) streams: Vec<&'static str>,
    /// A checkpoint at every state, or one at the end.
    pub(super) checkpoints: bool,
    /// Whether its rows are Parquet; all clients of a sequence agree.
    pub(super) is_parquet: bool,
    /// Its states cover all streams.
    pub(super) is_global: bool,
    /// The number of its first generation.
    pub(super) generation: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) clients: Vec<ClientPlan>,
    /// The first table exists, as the Python connector makes it, with rows.
    pub(super) is_old: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Run(Run),
    Hand(Hand),
    Hours(u64),
    /// A refresh is asked for.
    Refresh(usize),
    /// The refresh that did not finish is cancelled.
    Cancel(usize),
}

/// A run of the program.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // each drawn for itself
pub(super) struct Run {
    pub(super) client: usize,
    /// A job that did not finish is attempted again; else a new job begins.
    pub(super) again: bool,
    /// After one that did not finish it begins within minutes; else more than a day later.
    pub(super) hasty: bool,
    /// Its machine ends with it.
    pub(super) is_buried: bool,
    pub(super) batches: u64,
    /// Rows of each batch and stream.
    pub(super) rows: u64,
    pub(super) end: End,
    pub(super) width: Width,
    /// Its catalog is that of another region.
    pub(super) elsewhere: bool,
    pub(super) trouble: Option<Trouble>,
}

/// How large rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Small,
    /// Each is an object by itself.
    Object,
    /// The first is larger than a part.
    Part,
}

impl Width {
    /// Bytes of a row.
    pub(super) fn of(self, is_first: bool) -> usize {
        match self {
            Self::Part if is_first => 9 << 20,
            Self::Object => 9000,
            Self::Small | Self::Part => 100,
        }
    }
}

/// How the input ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    /// Without the word that it is complete, where the source has one.
    Silent,
    /// A line that is no message.
    Broken,
}

/// What happens at a call of the run.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) call: usize,
    /// After the call took effect; else before.
    pub(super) after: bool,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Kill,
    /// The connection closes.
    Lose,
    /// The call is refused for good.
    Refuse,
    /// The catalog does not know the table: the n-th time that it is asked.
    Stale,
    /// Another write was under way: at the n-th control object.
    Conflict,
    Hand(Hand),
    Hours(u64),
    /// Another run begins and ends.
    Meanwhile(Box<Run>),
}

/// What others do to the catalog and the bucket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hand {
    Drop(&'static str),
    /// The table that was dropped last comes back as it was.
    Recreate(&'static str),
    Rename(&'static str),
    /// To the location that it had before.
    MoveBack(&'static str),
    MoveAway(&'static str),
    /// To the location of the other table.
    Share(&'static str),
    /// To the folder of the database, with all that is in it.
    MoveAbove(&'static str),
    /// Every second object of the table is deleted.
    Delete(&'static str),
}

pub(super) fn draw(seed: u64) -> Sequence {
    let mut draw = Draw(Rng::with_seed(seed));
    let mut clients: Vec<_> = (0..draw.0.usize(2..=3)).map(|_| draw.client()).collect();
    let count = draw.0.usize(3..=10);
    let steps = (0..count).map(|_| draw.step(&clients)).collect();
    let is_old = draw.one_in(4);
    for client in &mut clients {
        // Old tables are JSON lines.
        client.is_parquet = !is_old && !seed.is_multiple_of(2);
    }
    Sequence {
        clients,
        is_old,
        steps,
    }
}

struct Draw(Rng);

impl Draw {
    fn one_in(&mut self, count: u32) -> bool {
        self.0.u32(0..count) == 0
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.0.usize(0..list.len())].clone()
    }

    fn client(&mut self) -> ClientPlan {
        let kind = self.of(&KINDS);
        let mut streams = vec![TABLES[usize::from(self.one_in(4))]];
        if !kind.is_load() && self.one_in(3) {
            streams = TABLES.to_vec();
        }
        ClientPlan {
            is_parquet: false,
            kind,
            streams,
            checkpoints: !self.one_in(3),
            is_global: self.one_in(3),
            generation: self.0.i64(0..4),
        }
    }

    fn step(&mut self, clients: &[ClientPlan]) -> Step {
        match self.0.u32(0..20) {
            0..=12 => {
                let trouble = self.one_in(2).then(|| self.trouble(clients));
                Step::Run(self.run(clients, trouble))
            }
            13 | 14 => Step::Hand(self.hand()),
            15 => Step::Hours(self.of(&[1, 30, 1000])),
            16..=18 => Step::Refresh(self.0.usize(0..clients.len())),
            _ => Step::Cancel(self.0.usize(0..clients.len())),
        }
    }

    fn run(&mut self, clients: &[ClientPlan], trouble: Option<Trouble>) -> Run {
        Run {
            client: self.0.usize(0..clients.len()),
            again: !self.one_in(4),
            hasty: self.one_in(6),
            is_buried: self.0.bool(),
            batches: self.0.u64(1..=3),
            rows: self.0.u64(1..=4),
            end: match self.0.u32(0..8) {
                0 => End::Silent,
                1 => End::Broken,
                _ => End::Complete,
            },
            width: match self.0.u32(0..40) {
                0 => Width::Part,
                1..=13 => Width::Object,
                _ => Width::Small,
            },
            elsewhere: self.one_in(15),
            trouble,
        }
    }

    fn trouble(&mut self, clients: &[ClientPlan]) -> Trouble {
        let what = match self.0.u32(0..13) {
            0..=4 => What::Kill,
            5 => What::Lose,
            6 => What::Refuse,
            7 => What::Stale,
            8 | 9 => What::Hand(self.hand()),
            10 => What::Hours(self.of(&[1, 30])),
            11 => What::Conflict,
            _ => {
                let kill = self.one_in(3).then(|| Trouble {
                    call: self.0.usize(1..=20),
                    after: self.0.bool(),
                    what: What::Kill,
                });
                What::Meanwhile(Box::new(self.run(clients, kill)))
            }
        };
        let most = match what {
            What::Stale | What::Conflict => 4,
            _ => 30,
        };
        Trouble {
            call: self.0.usize(1..=most),
            after: self.0.bool(),
            what,
        }
    }

    fn hand(&mut self) -> Hand {
        let table = self.of(&TABLES);
        match self.0.u32(0..10) {
            0 | 1 => Hand::Drop(table),
            2 => Hand::Recreate(table),
            3 | 4 => Hand::Rename(table),
            5 => Hand::MoveBack(table),
            6 => Hand::MoveAway(table),
            7 => Hand::Share(table),
            8 => Hand::MoveAbove(table),
            _ => Hand::Delete(table),
        }
    }
}
