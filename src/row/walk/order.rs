//! The order of a row's members is that of the columns, whatever the record's is.

use crate::row::splice::Separator;

/// A member of the row, as a range of the output; an empty one takes back an earlier one.
#[derive(Clone, Copy)]
pub(super) struct OutputRange {
    pub(super) step: u32,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The longest object that is put together in another buffer. A longer one is rotated in place: slower, without a copy.
const LARGE: usize = if cfg!(test) { 64 } else { 1 << 20 };

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
    if out.len() - start > LARGE {
        return reorder_in_place(ranges, start, out);
    }
    reordered.clear();
    let mut separator = Separator::Open;
    for member in kept(ranges) {
        reordered.push(separator as u8);
        reordered.extend_from_slice(&out[member.from..member.to]);
        separator = Separator::Comma;
    }
    out.truncate(start);
    if separator == Separator::Open {
        reordered.push(b'{');
    }
    out.extend_from_slice(reordered);
    separator
}

/// The members that stay, in the order of the ranges: of those with one step the last, unless it is empty.
fn kept(ranges: &[OutputRange]) -> impl Iterator<Item = OutputRange> {
    let is_last = |index: usize| {
        let next = ranges.get(index + 1);
        next.is_none_or(|next| next.step != ranges[index].step)
    };
    let stays =
        move |(index, member): &(usize, &OutputRange)| is_last(*index) && member.from < member.to;
    let kept = ranges.iter().enumerate().filter(stays);
    kept.map(|(_, member)| *member)
}

/// The same in place. Each member moves together with the byte before it, which separates it from what was before.
fn reorder_in_place(ranges: &[OutputRange], start: usize, out: &mut Vec<u8>) -> Separator {
    let mut members: Vec<OutputRange> = kept(ranges).collect();
    let mut separator = Separator::Open;
    let mut end = start;
    for index in 0..members.len() {
        let OutputRange { from, to, .. } = members[index];
        let length = to - (from - 1);
        out[end..to].rotate_right(length);
        out[end] = separator as u8;
        separator = Separator::Comma;
        end += length;
        for later in &mut members[index + 1..] {
            if later.from < from {
                later.from += length;
                later.to += length;
            }
        }
    }
    out.truncate(end);
    if separator == Separator::Open {
        out.push(b'{');
    }
    separator
}
