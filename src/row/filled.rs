//! How many rows have a value in each column.

/// The columns of which one row has no value, and those that have one of another column's property, by their steps.
///
/// Rows have a value of most columns, so that it costs less to note the others.
#[derive(Default)]
pub(super) struct Lacked {
    first: StepSet,
    /// Ranges of steps that a set has no room for.
    others: Vec<(u32, u32)>,
    /// The steps whose value is in a variant, and the number of that.
    variants: Vec<(u32, u32)>,
}

/// A set of the first steps of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct StepSet(u64);

impl StepSet {
    /// How many steps there is room for.
    const ROOM: u32 = u64::BITS;

    /// The steps of a range, of which the first has room.
    fn new(from: u32, to: u32) -> Self {
        let below = match to {
            0..Self::ROOM => (1 << to) - 1,
            _ => u64::MAX,
        };
        Self(below & u64::MAX << from)
    }

    fn steps(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let step = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (step < Self::ROOM).then_some(step as usize)
        })
    }
}

impl Lacked {
    pub(super) fn clear(&mut self) {
        self.first = StepSet::default();
        self.others.clear();
        self.variants.clear();
    }

    /// Notes that the row has no value of these steps, one at least, which was not noted yet.
    #[inline(never)]
    pub(super) fn add(&mut self, from: u32, to: u32) {
        if from < StepSet::ROOM {
            self.first.0 |= StepSet::new(from, to).0;
        }
        if to > StepSet::ROOM {
            self.others.push((from.max(StepSet::ROOM), to));
        }
    }

    /// Notes that the value of a step is in the variant of this number.
    pub(super) fn add_variant(&mut self, step: u32, number: u32) {
        self.variants.push((step, number));
    }

    /// Takes back all that was noted of a step.
    pub(super) fn remove(&mut self, step: u32) {
        self.variants.retain(|(other, _)| *other != step);
        if step < StepSet::ROOM {
            self.first.0 &= !(1 << step);
            return;
        }
        for index in 0..self.others.len() {
            let (from, to) = self.others[index];
            if (from..to).contains(&step) {
                self.others[index].1 = step;
                self.others.push((step + 1, to));
            }
        }
    }
}

/// Counts rows by column. Most rows have the same columns as the one before, which costs no more than a comparison.
pub(super) struct FilledCounts {
    rows: u64,
    /// What the last rows lack in common, and how many there are of them.
    last: StepSet,
    alike: u64,
    /// How many of the rows before those lack each of the first steps.
    first: [u64; StepSet::ROOM as usize],
    /// Of all rows and the other steps: how many more lack a step than lack the one before, modulo 2^64.
    others: Vec<u64>,
    /// How many values of a step are in the variant of a number, both in the key.
    variants: Vec<((u32, u32), u64)>,
}

impl FilledCounts {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            rows: 0,
            last: StepSet::default(),
            alike: 0,
            first: [0; StepSet::ROOM as usize],
            others: vec![0; steps + 1],
            variants: Vec::new(),
        }
    }

    /// Counts one row.
    #[inline]
    pub(super) fn add(&mut self, lacked: &Lacked) {
        self.rows += 1;
        if lacked.first != self.last {
            self.begin(lacked.first);
        }
        self.alike += 1;
        if !(lacked.others.is_empty() && lacked.variants.is_empty()) {
            self.others(lacked, 1);
        }
    }

    #[inline(never)]
    fn begin(&mut self, lacked: StepSet) {
        for step in self.last.steps() {
            self.first[step] += self.alike;
        }
        self.last = lacked;
        self.alike = 0;
    }

    #[inline(never)]
    fn others(&mut self, lacked: &Lacked, by: u64) {
        for (from, to) in &lacked.others {
            let (first, end) = (*from as usize, *to as usize);
            self.others[first] = self.others[first].wrapping_add(by);
            self.others[end] = self.others[end].wrapping_sub(by);
        }
        for variant in &lacked.variants {
            let counted = self.variants.iter_mut().find(|(key, _)| key == variant);
            match counted {
                Some((_, count)) => *count = count.wrapping_add(by),
                None => self.variants.push((*variant, 1)),
            }
        }
    }

    /// Undoes the last `add`.
    pub(super) fn take_back(&mut self, lacked: &Lacked) {
        self.rows -= 1;
        self.alike -= 1;
        self.others(lacked, u64::MAX);
    }

    /// How many rows have a value in the column of each step, and in each variant by its number.
    pub(super) fn counts(&self, variants: usize) -> (Vec<u64>, Vec<u64>) {
        let mut lacked = 0_u64;
        let of_others = self.others[..self.others.len() - 1].iter().map(|more| {
            lacked = lacked.wrapping_add(*more);
            self.rows - lacked
        });
        let mut filled: Vec<u64> = of_others.collect();
        for (filled, lacked) in filled.iter_mut().zip(self.first) {
            *filled -= lacked;
        }
        for step in self.last.steps() {
            filled[step] -= self.alike;
        }
        let mut of_variants = vec![0; variants];
        for ((step, number), count) in &self.variants {
            filled[*step as usize] -= count;
            of_variants[*number as usize] += count;
        }
        (filled, of_variants)
    }
}
