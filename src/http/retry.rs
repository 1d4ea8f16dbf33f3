//! When to try again: attempts, a total time, full jitter, and a quota that runs dry when a service is dead.
//! It does not know what is tried, nor why it failed.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::Timeouts;

/// How much failure a run bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// How often one call is sent at most.
    pub(crate) attempts: u32,
    /// How long one call is tried, waits included; an attempt that moves is not cut off.
    pub(crate) total: Duration,
    pub(crate) timeouts: Timeouts,
}

impl Patience {
    /// For `check`: a person waits, so a dead network is an answer within 20 seconds.
    pub(crate) fn check() -> Self {
        Self {
            attempts: 3,
            total: Duration::from_secs(8),
            timeouts: Timeouts {
                connect: Duration::from_secs(4),
                silence: Duration::from_secs(8),
            },
        }
    }

    /// For `write`: hours of work are not thrown away for two minutes of trouble.
    pub(crate) fn write() -> Self {
        Self {
            attempts: 20,
            total: Duration::from_secs(180),
            timeouts: Timeouts {
                connect: Duration::from_secs(10),
                silence: Duration::from_secs(60),
            },
        }
    }

    /// As the environment has it: `AWS_MAX_ATTEMPTS` (every AWS tool's), and
    /// `DATALAKE_RETRY_SECONDS`, the total time of a call with its retries.
    pub(crate) fn adjusted(mut self, environment: &Environment) -> Result<Self> {
        if let Some(attempts) = number(environment, "AWS_MAX_ATTEMPTS")? {
            self.attempts = u32::try_from(attempts).unwrap_or(u32::MAX).max(1);
        }
        if let Some(seconds) = number(environment, "DATALAKE_RETRY_SECONDS")? {
            self.total = Duration::from_secs(seconds);
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

/// How fast to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The failure was an accident.
    Normal,
    /// The service asked for less.
    Slow,
}

/// The longest wait before the next attempt: doubles, up to 20 seconds.
pub(crate) fn ceiling(attempt: u32, pace: Pace) -> Duration {
    let base = match pace {
        Pace::Normal => Duration::from_millis(100),
        Pace::Slow => Duration::from_secs(1),
    };
    base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
        .min(Duration::from_secs(20))
}

/// Full jitter: anything between nothing and the ceiling, so that many clients do not come back together.
/// A service that was asked too much gets at least half of it.
pub(crate) fn delay(attempt: u32, pace: Pace, chance: f64) -> Duration {
    let ceiling = ceiling(attempt, pace);
    match pace {
        Pace::Normal => ceiling.mul_f64(chance),
        Pace::Slow => ceiling / 2 + (ceiling / 2).mul_f64(chance),
    }
}

/// A number in 0..1.
pub(crate) fn chance() -> f64 {
    // Without randomness of the system the middle is as good a wait as any.
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// Every retry of this process, for its summary.
static RETRIES: AtomicU64 = AtomicU64::new(0);

/// How many calls were sent again so far.
pub(crate) fn retries() -> u64 {
    RETRIES.load(Ordering::Relaxed)
}

/// Retries cost, successes pay back: a service that fails every call is given up sooner than each call alone would be.
#[derive(Debug)]
pub(crate) struct Quota(Cell<u32>);

impl Quota {
    const FULL: u32 = 500;
    const COST: u32 = 5;

    pub(crate) fn new() -> Self {
        Self(Cell::new(Self::FULL))
    }

    /// Whether one more retry is to be had.
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
            .map(|attempt| ceiling(attempt, Pace::Normal).as_millis())
            .collect();
        assert_eq!(
            waits,
            [100, 200, 400, 800, 1600, 3200, 6400, 12800, 20000, 20000]
        );
        assert_eq!(ceiling(u32::MAX, Pace::Slow), Duration::from_secs(20));
    }

    #[test]
    fn a_sync_bears_two_minutes_of_trouble_on_average() {
        let waits =
            (1..Patience::write().attempts).map(|attempt| delay(attempt, Pace::Normal, 0.5));
        let sum: Duration = waits.sum();
        assert!(sum > Duration::from_secs(120), "{sum:?}");
        assert!(sum < Patience::write().total);
    }

    #[test]
    fn jitter_is_full_and_a_throttled_call_waits_half_at_least() {
        let of = |pace, chance| delay(3, pace, chance).as_millis();
        assert_eq!(
            [0.0, 0.5, 1.0].map(|chance| of(Pace::Normal, chance)),
            [0, 200, 400]
        );
        assert_eq!(
            [0.0, 0.5, 1.0].map(|chance| of(Pace::Slow, chance)),
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
            Patience::write().adjusted(&environment)
        };
        assert_eq!(of("AWS_MAX_ATTEMPTS", "2").unwrap().attempts, 2);
        assert_eq!(of("AWS_MAX_ATTEMPTS", "0").unwrap().attempts, 1);
        assert_eq!(
            of("DATALAKE_RETRY_SECONDS", "1").unwrap().total,
            Duration::from_secs(1)
        );
        assert_eq!(
            of("AWS_MAX_ATTEMPTS", "many").unwrap_err().to_string(),
            "environment variable AWS_MAX_ATTEMPTS: expected a whole number, found \"many\""
        );
    }
}
