//! How many rows have a value in each column.

/// The columns of which one row has a value, by their steps.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) first: StepSet,
    /// Those that a set has no room for.
    pub(super) others: Vec<u32>,
}

/// A set of the first steps of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StepSet(u64);

impl StepSet {
    /// How many steps there is room for.
    const ROOM: u32 = u64::BITS;

    /// Whether there is room for the step.
    #[inline]
    pub(super) fn insert(&mut self, step: u32) -> bool {
        let has_room = step < Self::ROOM;
        if has_room {
            self.0 |= 1 << step;
        }
        has_room
    }

    pub(super) fn remove(&mut self, step: u32) {
        if step < Self::ROOM {
            self.0 &= !(1 << step);
        }
    }
}

impl Filled {
    pub(super) fn clear(&mut self) {
        self.first = StepSet::default();
        self.others.clear();
    }

    /// Takes back a step that was noted.
    pub(super) fn remove(&mut self, step: u32) {
        self.others.retain(|other| *other != step);
    }
}

/// Counts rows by column. Most rows have the same columns as the one before, which costs no more than a comparison.
pub(super) struct FilledCounts {
    /// What the last rows had in common, and how many there were of them.
    last: StepSet,
    rows: u64,
    counts: Vec<u64>,
}

impl FilledCounts {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            last: StepSet::default(),
            rows: 0,
            counts: vec![0; steps],
        }
    }

    /// Counts one row.
    #[inline]
    pub(super) fn add(&mut self, filled: &Filled) {
        if filled.first != self.last {
            self.begin(filled.first);
        }
        self.rows += 1;
        for step in &filled.others {
            self.counts[*step as usize] += 1;
        }
    }

    #[inline(never)]
    fn begin(&mut self, filled: StepSet) {
        self.counts = self.counts();
        self.last = filled;
        self.rows = 0;
    }

    /// Undoes the last `add`.
    pub(super) fn take_back(&mut self, filled: &Filled) {
        self.rows -= 1;
        for step in &filled.others {
            self.counts[*step as usize] -= 1;
        }
    }

    /// How many rows have a value, by step.
    pub(super) fn counts(&self) -> Vec<u64> {
        let mut counts = self.counts.clone();
        for (step, count) in counts.iter_mut().take(StepSet::ROOM as usize).enumerate() {
            *count += self.rows * (self.last.0 >> step & 1);
        }
        counts
    }
}
