//! The pages of a listing: a service that does not turn them would be asked for ever.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::error::{Error, Result};

/// What a loop over the pages of a listing has seen. It refuses a listing that does not advance: one whose marker for the
/// next page, or whose first entry, is that of an earlier page, or one that goes on without entries.
///
/// It remembers one page, and that of every power of two anew, which finds every circle (Brent's algorithm) however long
/// the listing is.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    seen: u64,
    marker: Option<u64>,
    first: Option<u64>,
    /// Pages without an entry since the last one with entries.
    empty: u32,
}

/// The most pages without an entry in a row. Services send a few, where a page's time is over before an entry is found.
const MOST_EMPTY: u32 = 1000;

impl Pages {
    /// Notes a page that is followed by another: its marker, and its first entry where it has one.
    pub(crate) fn turn<M: Hash, F: Hash>(&mut self, marker: &M, first: Option<&F>) -> Result<()> {
        let (marker, first) = (fingerprint(marker), first.map(fingerprint));
        self.empty = if first.is_some() { 0 } else { self.empty + 1 };
        let is_repeated = self.marker == Some(marker) || first.is_some() && self.first == first;
        if is_repeated || self.empty > MOST_EMPTY {
            let found = if is_repeated {
                "a page again".to_owned()
            } else {
                format!("{MOST_EMPTY} pages without an entry")
            };
            return Err(Error::config(format!(
                "expected each page to continue after the one before, found {found}"
            ))
            .hint("the store does not support listings by pages: use another version of it"));
        }
        self.seen += 1;
        if self.seen.is_power_of_two() {
            (self.marker, self.first) = (Some(marker), first);
        }
        Ok(())
    }
}

fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page at which a listing is refused that goes round in a circle after some pages.
    fn refused_at(before: usize, circle: usize, limit: usize) -> Option<usize> {
        let mut pages = Pages::default();
        (0..limit).find(|at| {
            let place = if *at < before {
                *at
            } else {
                before + (at - before) % circle
            };
            pages.turn(&place, Some(&place)).is_err()
        })
    }

    #[test]
    fn every_circle_is_found_and_no_advancing_listing_is_refused() {
        assert_eq!(refused_at(100_000, 1, 100_000), None);
        for before in 0..20 {
            for circle in 1..20 {
                let found = refused_at(before, circle, 1000);
                let most = 4 * (before + circle) + 2;
                assert!(
                    found.is_some_and(|at| at >= before + circle && at < most),
                    "{before} {circle}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn pages_without_entries_come_to_an_end() {
        let mut pages = Pages::default();
        let mut turn = |marker: u32, first| pages.turn(&marker, first);
        for marker in 0..MOST_EMPTY {
            turn(marker, None::<&u32>).unwrap();
        }
        turn(MOST_EMPTY, Some(&7)).unwrap();
        let refused = (1..=MOST_EMPTY + 1).find(|at| turn(MOST_EMPTY + at, None).is_err());
        assert_eq!(refused, Some(MOST_EMPTY + 1));
    }

    #[test]
    fn a_first_page_under_ever_new_markers_is_refused_too() {
        let mut pages = Pages::default();
        pages.turn(&1, Some(&"a")).unwrap();
        pages.turn(&2, None::<&&str>).unwrap();
        pages.turn(&3, Some(&"b")).unwrap();
        let mut pages = Pages::default();
        pages.turn(&1, Some(&"a")).unwrap();
        let error = pages.turn(&2, Some(&"a")).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Config);
    }
}
