//! The bounds of one attempt in time: for a connection, for silence, and for the whole.

use std::time::Duration;

/// Timeouts: for a connection (TLS included), for the next byte in either direction, and for the whole attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) silence: Duration,
    /// The time for an attempt whose bodies are empty; `allowance` has the rest.
    pub(crate) attempt: Duration,
}

/// The slowest pace of a body that is still progress, in bytes per second: 8 MiB take 17 minutes then.
const PACE: u64 = 8 << 10;

impl Timeouts {
    /// The time for an attempt in which so many bytes of bodies have passed. A peer that sends a byte now and then is
    /// never silent, so only this bound ends it.
    pub(crate) fn allowance(self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.attempt
            .saturating_add(Duration::from_millis(bytes / (PACE / 1000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowance_grows_with_what_has_passed() {
        let timeouts = Timeouts {
            connect: Duration::ZERO,
            silence: Duration::ZERO,
            attempt: Duration::from_secs(60),
        };
        let seconds = |bytes| timeouts.allowance(bytes).as_secs();
        assert_eq!(seconds(0), 60);
        assert_eq!(seconds(100), 60);
        assert_eq!(seconds(8 << 20), 60 + 1048);
        assert!(timeouts.allowance(usize::MAX) > timeouts.allowance(1 << 40));
    }
}
