//! How fast a service is called that has asked for fewer calls. Until it does, nothing is held back.
//!
//! The rate falls to a part of what the service has lately taken, and rises again slowly, so that few calls are refused
//! while the service is kept as busy as it lets itself be (additive increase, multiplicative decrease).

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What is left of the rate that the service has taken, once it refuses some of it.
const DECREASE: f64 = 0.75;

/// By how many calls per second the rate rises in a second.
const INCREASE: f64 = 0.5;

/// The least rate, in calls per second.
const LEAST: f64 = 1.0;

/// Over how long it is counted what the service takes.
const WINDOW: Duration = Duration::from_secs(1);

/// The pace of calls to one service.
#[derive(Debug, Default)]
pub(crate) struct Pace(Cell<PaceState>);

#[derive(Clone, Copy, Debug, Default)]
struct PaceState {
    /// Calls per second; nothing where the service has not asked for fewer.
    rate: Option<f64>,
    /// When the rate fell last.
    fell: Option<Instant>,
    /// When the next call may be sent.
    next: Option<Instant>,
    /// Since when it is counted what the service takes, how much that is, and what it was in the window before.
    window: Option<Instant>,
    taken: u32,
    before: u32,
}

impl Pace {
    /// How long the next call has to wait; it has its turn then.
    pub(crate) fn turn(&self, now: Instant) -> Duration {
        let mut state = self.0.get();
        let Some(rate) = state.rate else {
            return Duration::ZERO;
        };
        let turn = state.next.map_or(now, |next| next.max(now));
        state.next = Some(turn + Duration::from_secs_f64(1.0 / rate));
        self.0.set(state);
        turn - now
    }

    /// The service has taken a call.
    pub(crate) fn took(&self, now: Instant) {
        let mut state = self.0.get();
        let age = state
            .window
            .map(|begin| now.saturating_duration_since(begin));
        if age.is_none_or(|age| age >= WINDOW) {
            let is_next = age.is_some_and(|age| age < 2 * WINDOW);
            state.before = if is_next { state.taken } else { 0 };
            state.window = Some(now);
            state.taken = 0;
        }
        state.taken += 1;
        state.rate = state.rate.map(|rate| rate + INCREASE / rate);
        self.0.set(state);
    }

    /// The service has refused a call that was sent at this time, and asked for fewer.
    pub(crate) fn refused(&self, sent: Instant, now: Instant) {
        let mut state = self.0.get();
        // Calls that were under way when the rate fell are refused for the same reason.
        if state.fell.is_some_and(|fell| sent < fell) {
            return;
        }
        let taken = f64::from(state.taken.max(state.before));
        let rate = state
            .rate
            .map_or(taken, |rate| rate.min(taken.max(rate / 2.0)));
        state.rate = Some((rate * DECREASE).max(LEAST));
        state.fell = Some(now);
        self.0.set(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Clock;

    /// What a service does that takes so many calls in a second, by a bucket of that size, while so many callers call it
    /// for a minute. Each is answered after 50 ms, and comes again half a second to a second after a refusal. Returns what
    /// was taken, what was refused, and what was refused after the first seconds.
    fn minute(limit: f64, callers: usize) -> (u32, u32, u32) {
        let begin = Clock::System.instant();
        let at = |milliseconds: u64| begin + Duration::from_millis(milliseconds);
        let pace = Pace::default();
        let (mut tokens, mut filled) = (limit, 0);
        let (mut taken, mut refused, mut refused_late) = (0, 0, 0);
        // When each caller comes, and what it has sent.
        let mut turns: Vec<(u64, Option<u64>)> = vec![(0, None); callers];
        let mut random = fastrand::Rng::with_seed(7);
        for now in 0..60_000 {
            for turn in &mut turns {
                if turn.0 > now {
                    continue;
                }
                let Some(sent) = turn.1.take() else {
                    let wait = pace.turn(at(now)).as_millis();
                    let wait = u64::try_from(wait).unwrap();
                    *turn = (now + wait + 50, Some(now + wait));
                    continue;
                };
                #[allow(clippy::cast_precision_loss)] // milliseconds
                let more = (now - filled) as f64 * limit / 1000.0;
                tokens = limit.min(tokens + more);
                filled = now;
                if tokens >= 1.0 {
                    tokens -= 1.0;
                    taken += 1;
                    pace.took(at(now));
                } else {
                    refused += 1;
                    refused_late += u32::from(now > 5000);
                    pace.refused(at(sent), at(now));
                    turn.0 = now + random.u64(500..1000);
                }
            }
        }
        (taken, refused, refused_late)
    }

    #[test]
    fn a_service_that_throttles_refuses_few_calls_and_is_kept_busy() {
        for (limit, callers) in [(20.0, 8), (20.0, 16), (20.0, 40), (5.0, 16), (100.0, 16)] {
            let (taken, refused, late) = minute(limit, callers);
            let rate = f64::from(taken) / 60.0;
            assert!(
                rate > 0.7 * limit,
                "{limit} {callers}: {rate} calls per second"
            );
            assert!(
                f64::from(late) < 0.1 * f64::from(taken),
                "{limit} {callers}: {refused} refused, {late} of them late, {taken} taken"
            );
        }
    }

    #[test]
    fn nothing_is_held_back_before_the_service_asks_for_it() {
        let pace = Pace::default();
        let now = Clock::System.instant();
        for _ in 0..1000 {
            assert_eq!(pace.turn(now), Duration::ZERO);
            pace.took(now);
        }
        pace.refused(now, now);
        assert_eq!(pace.turn(now), Duration::ZERO);
        assert!(pace.turn(now) > Duration::ZERO);
    }
}
