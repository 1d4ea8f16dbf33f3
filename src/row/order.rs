//! The order of a row's members is that of the columns, whatever the record's is.

use crate::row::encode::{Encoder, Scratch};

/// A member of the row, as a range of the output; an empty one takes back an earlier one.
#[derive(Clone, Copy)]
pub(super) struct Written {
    step: u32,
    from: usize,
    to: usize,
}

impl Encoder<'_> {
    /// Notes what was written of a step since the output was so long. Where nothing was, that is worth a note only if it
    /// may take back something: if the member came late.
    pub(super) fn note(&mut self, step: u32, from: usize, late: bool) {
        let to = self.row.len().max(from);
        if late || from < to {
            self.scratch.written.push(Written { step, from, to });
        }
    }

    /// Puts the members of an object into the order of the steps; of those with one key the last stays.
    /// Says whether any is left.
    #[cold]
    pub(super) fn reorder(&mut self, base: usize, first: usize) -> bool {
        let Scratch {
            written, reordered, ..
        } = &mut *self.scratch;
        let out = self.row.out();
        let written = &mut written[first..];
        written.sort_unstable_by_key(|member| (member.step, member.from, member.to));
        reordered.clear();
        let mut rest = &*written;
        while let [member, tail @ ..] = rest {
            rest = tail;
            let last = tail.first().is_none_or(|next| next.step != member.step);
            if last && member.from < member.to {
                reordered.push(if reordered.is_empty() { b'{' } else { b',' });
                reordered.extend_from_slice(&out[member.from..member.to]);
            }
        }
        out.truncate(base);
        if reordered.is_empty() {
            out.push(b'{');
            return false;
        }
        out.extend_from_slice(reordered);
        true
    }
}
