//! What a row can not hold: one JSON object of the values as they came, as the text of one column.

use std::borrow::Cow;

use crate::json::text::{quote_into, unquoted};
use crate::row::encode::{Missed, UNKNOWN};

/// Leaves of members with the same key the last, and of these the ones that need rescue, as they came.
pub(super) fn settle(missed: &mut Vec<Missed>, record: &[u8]) {
    if missed.len() > 1 {
        missed.sort_unstable_by(|one, other| {
            let step = one.step.cmp(&other.step);
            let key = step.then_with(|| match one.step {
                UNKNOWN => key(record, one).cmp(&key(record, other)),
                _ => step,
            });
            key.then(other.key.cmp(&one.key)) // the last one first: it is kept
        });
        missed.dedup_by(|later, kept| {
            later.step == kept.step
                && (later.step != UNKNOWN || key(record, later) == key(record, kept))
        });
        missed.sort_unstable_by_key(|member| member.key);
    }
    missed.retain(|member| member.value.0 < member.value.1);
}

/// Appends `"{\"key\":value,…}"`.
pub(super) fn write(missed: &[Missed], record: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"{");
    for (index, member) in missed.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quote_into(&record[member.key.0..member.key.1], out);
        out.push(b':');
        quote_into(&record[member.value.0..member.value.1], out);
    }
    out.extend_from_slice(b"}\"");
}

fn key<'a>(record: &'a [u8], member: &Missed) -> Cow<'a, [u8]> {
    unquoted(&record[member.key.0 + 1..member.key.1 - 1])
}
