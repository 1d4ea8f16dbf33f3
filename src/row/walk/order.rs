//! The order of a row's members is that of the columns, whatever the record's is.

use crate::row::splice::Separator;

/// A member of the row, as a range of the output; an empty one takes back an earlier one.
#[derive(Clone, Copy)]
pub(super) struct OutputRange {
    pub(super) step: u32,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Puts the members of an object, which begins at `start` of the output, into the order of their steps; of those with
/// one step the last stays. Returns what separates a further member.
#[cold]
pub(super) fn reorder(
    ranges: &mut [OutputRange],
    start: usize,
    out: &mut Vec<u8>,
    reordered: &mut Vec<u8>,
) -> Separator {
    ranges.sort_unstable_by_key(|member| (member.step, member.from, member.to));
    reordered.clear();
    let mut separator = Separator::Open;
    let mut rest = &*ranges;
    while let [member, tail @ ..] = rest {
        rest = tail;
        let is_last = tail.first().is_none_or(|next| next.step != member.step);
        if is_last && member.from < member.to {
            reordered.push(separator as u8);
            reordered.extend_from_slice(&out[member.from..member.to]);
            separator = Separator::Comma;
        }
    }
    out.truncate(start);
    if separator == Separator::Open {
        reordered.push(b'{');
    }
    out.extend_from_slice(reordered);
    separator
}
