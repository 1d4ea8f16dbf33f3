//! Retries: the policy (attempts, total time, timeouts), backoff with full jitter, and a quota that runs dry when a
//! service is dead. Nothing here knows what is retried, nor why it failed.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::Timeouts;

/// A retry policy: attempts, total time, timeouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    /// How many times one call is sent at most.
    pub(crate) attempts: u32,
    /// The time for one call with all its retries and waits; an attempt within its own timeouts is not cut off.
    pub(crate) total: Duration,
    pub(crate) timeouts: Timeouts,
}

impl RetryPolicy {
    /// For `check` and `plan`: a person waits, so a dead network is reported within 20 seconds.
    pub(crate) fn short() -> Self {
        Self {
            attempts: 3,
            total: Duration::from_secs(8),
            timeouts: Timeouts {
                connect: Duration::from_secs(4),
                silence: Duration::from_secs(8),
                attempt: Duration::from_secs(16),
            },
        }
    }

    /// For `write` and `load`: hours of work are not thrown away for two minutes of trouble.
    pub(crate) fn long() -> Self {
        Self {
            attempts: 20,
            total: Duration::from_secs(180),
            timeouts: Timeouts {
                connect: Duration::from_secs(10),
                silence: Duration::from_secs(60),
                // S3 sends a space now and then while it completes an upload, for minutes.
                attempt: Duration::from_secs(600),
            },
        }
    }

    /// The policy with the environment's changes: `AWS_MAX_ATTEMPTS`, as for every AWS tool,
    /// `DATALAKE_RETRY_SECONDS`, the total time of a call with its retries, and `DATALAKE_SILENCE_SECONDS`, the time without
    /// a byte after which an attempt is given up. The bound of the whole attempt grows or shrinks with that.
    pub(crate) fn adjusted(mut self, environment: &Environment) -> Result<Self> {
        if let Some(attempts) = number(environment, "AWS_MAX_ATTEMPTS")? {
            self.attempts = u32::try_from(attempts).unwrap_or(u32::MAX).max(1);
        }
        if let Some(seconds) = number(environment, "DATALAKE_RETRY_SECONDS")? {
            self.total = Duration::from_secs(seconds);
        }
        if let Some(seconds) = number(environment, "DATALAKE_SILENCE_SECONDS")? {
            let seconds = u32::try_from(seconds.clamp(1, 3600)).unwrap_or(1);
            let ratio = self.timeouts.attempt.as_secs_f64() / self.timeouts.silence.as_secs_f64();
            self.timeouts.silence = Duration::from_secs(seconds.into());
            self.timeouts.attempt = self.timeouts.silence.mul_f64(ratio);
        }
        Ok(self)
    }
}

fn number(environment: &Environment, name: &str) -> Result<Option<u64>> {
    let Some(text) = environment.get(name) else {
        return Ok(None);
    };
    text.trim().parse().map(Some).map_err(|_| {
        Error::config(format!(
            "environment variable {name}: expected a whole number, found {text:?}"
        ))
    })
}

/// How fast the wait before a retry grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backoff {
    /// After an accident.
    Standard,
    /// After the service asked for fewer calls.
    Throttled,
}

/// The longest wait before the attempt after this one: doubles, up to 20 seconds.
pub(crate) fn ceiling(attempt: u32, backoff: Backoff) -> Duration {
    let base = match backoff {
        Backoff::Standard => Duration::from_millis(100),
        Backoff::Throttled => Duration::from_secs(1),
    };
    base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
        .min(Duration::from_secs(20))
}

/// The wait before the attempt after this one, with full jitter: anything between nothing and the ceiling, so that many
/// clients do not retry at the same moment. A service that throttles gets at least half of the ceiling.
pub(crate) fn delay(attempt: u32, backoff: Backoff, chance: f64) -> Duration {
    let ceiling = ceiling(attempt, backoff);
    match backoff {
        Backoff::Standard => ceiling.mul_f64(chance),
        Backoff::Throttled => ceiling / 2 + (ceiling / 2).mul_f64(chance),
    }
}

/// A random number from 0 to 1.
pub(crate) fn chance() -> f64 {
    // Without the system's randomness, the middle is as good a wait as any.
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// The number of retries of this process, for its summary.
static RETRIES: AtomicU64 = AtomicU64::new(0);

/// The number of calls that were sent again so far.
pub(crate) fn retries() -> u64 {
    RETRIES.load(Ordering::Relaxed)
}

/// The budget for retries over all calls: retries cost, successes pay back, so a service that fails every call is given
/// up sooner than each call alone would be.
#[derive(Debug)]
pub(crate) struct Quota(Cell<u32>);

impl Quota {
    const FULL: u32 = 500;
    const COST: u32 = 5;

    pub(crate) fn new() -> Self {
        Self(Cell::new(Self::FULL))
    }

    /// Takes the cost of one retry; false where too little is left.
    pub(crate) fn take(&self) -> bool {
        let Some(left) = self.0.get().checked_sub(Self::COST) else {
            return false;
        };
        RETRIES.fetch_add(1, Ordering::Relaxed);
        self.0.set(left);
        true
    }

    pub(crate) fn give_back(&self) {
        self.0.set((self.0.get() + 1).min(Self::FULL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_bounded() {
        let waits: Vec<u128> = (1..=10)
            .map(|attempt| ceiling(attempt, Backoff::Standard).as_millis())
            .collect();
        assert_eq!(
            waits,
            [100, 200, 400, 800, 1600, 3200, 6400, 12800, 20000, 20000]
        );
        assert_eq!(
            ceiling(u32::MAX, Backoff::Throttled),
            Duration::from_secs(20)
        );
    }

    #[test]
    fn a_sync_survives_two_minutes_of_trouble_on_average() {
        let waits =
            (1..RetryPolicy::long().attempts).map(|attempt| delay(attempt, Backoff::Standard, 0.5));
        let sum: Duration = waits.sum();
        assert!(sum > Duration::from_secs(120), "{sum:?}");
        assert!(sum < RetryPolicy::long().total);
    }

    #[test]
    fn jitter_is_full_and_a_throttled_call_waits_half_at_least() {
        let of = |backoff, chance| delay(3, backoff, chance).as_millis();
        assert_eq!(
            [0.0, 0.5, 1.0].map(|chance| of(Backoff::Standard, chance)),
            [0, 200, 400]
        );
        assert_eq!(
            [0.0, 0.5, 1.0].map(|chance| of(Backoff::Throttled, chance)),
            [2000, 3000, 4000]
        );
        assert!((0.0..=1.0).contains(&chance()));
    }

    #[test]
    fn the_quota_runs_dry_and_fills_again() {
        let quota = Quota::new();
        assert_eq!((0..1000).filter(|_| quota.take()).count(), 100);
        (0..5).for_each(|_| quota.give_back());
        assert!(quota.take());
        assert!(!quota.take());
    }

    #[test]
    fn the_environment_overrides_attempts_and_time() {
        let of = |name: &str, value: &str| {
            let environment = Environment::from_pairs([(name.to_owned(), value.to_owned())]);
            RetryPolicy::long().adjusted(&environment)
        };
        assert_eq!(of("AWS_MAX_ATTEMPTS", "2").unwrap().attempts, 2);
        assert_eq!(of("AWS_MAX_ATTEMPTS", "0").unwrap().attempts, 1);
        assert_eq!(
            of("DATALAKE_RETRY_SECONDS", "1").unwrap().total,
            Duration::from_secs(1)
        );
        let timeouts = |value| {
            let timeouts = of("DATALAKE_SILENCE_SECONDS", value).unwrap().timeouts;
            (timeouts.silence.as_secs(), timeouts.attempt.as_secs())
        };
        assert_eq!(timeouts("2"), (2, 20));
        assert_eq!(timeouts("120"), (120, 1200));
        assert_eq!(
            [timeouts("0"), timeouts("99999")],
            [(1, 10), (3600, 36_000)]
        );
        assert_eq!(
            of("AWS_MAX_ATTEMPTS", "many").unwrap_err().to_string(),
            "environment variable AWS_MAX_ATTEMPTS: expected a whole number, found \"many\""
        );
    }
}
