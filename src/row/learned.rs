//! What earlier records of a stream taught, apart from the plan: which key is likely the next, and which shortcut likely
//! pays. It decides how fast a row is written and never what is in it.

use crate::row::plan::{ObjectPlan, StepCounts};

/// For each object of the plan, what to expect of the next one.
pub(super) struct Learned {
    objects: Vec<Prediction>,
}

/// What to expect of the next object under one plan.
pub(super) struct Prediction {
    /// The step whose key the last object began with.
    pub(super) first: u32,
    /// For each step, the one whose key followed its own last time.
    next: Box<[u32]>,
    /// Whether the last object was verbatim in its row, all of it.
    pub(super) is_verbatim: bool,
    /// For how many more objects the range of each member in the output is recorded, because one had its members out
    /// of order.
    pub(super) recorded: u32,
}

impl Learned {
    /// Nothing learned: each object is expected to have the members of its plan in their order.
    pub(super) fn nothing(objects: &StepCounts) -> Self {
        let expected = |steps: u32| Prediction {
            first: 0,
            next: (1..=steps).collect(),
            is_verbatim: false,
            recorded: 0,
        };
        Self {
            objects: objects.steps().map(expected).collect(),
        }
    }

    #[inline]
    pub(super) fn object(&self, plan: &ObjectPlan) -> &Prediction {
        &self.objects[plan.id]
    }

    #[inline]
    pub(super) fn object_mut(&mut self, plan: &ObjectPlan) -> &mut Prediction {
        &mut self.objects[plan.id]
    }
}

impl Prediction {
    /// The step whose key likely follows that of `step`.
    #[inline]
    pub(super) fn next(&self, step: u32) -> u32 {
        self.next[step as usize]
    }

    /// Learns that the key of `step` followed that of `previous`, or that the object began with it if that is `UNKNOWN`.
    pub(super) fn follows(&mut self, previous: u32, step: u32) {
        match self.next.get_mut(previous as usize) {
            Some(next) => *next = step,
            None => self.first = step,
        }
    }
}
