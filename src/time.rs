//! The clock: the only module that reads the time. And the calendar, which is what texts mean.

pub(crate) mod calendar;

use std::time::{Duration, Instant};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Millis(pub(crate) i64);

impl Millis {
    /// `2026-11-22T09:15:51.123Z`, for people and logs.
    pub(crate) fn iso(self) -> String {
        let time = jiff::Timestamp::from_millisecond(self.0);
        format!("{:.3}", time.unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// `20261122T091551Z`, the stamp of SigV4 (`X-Amz-Date`).
    pub(crate) fn amz_date(self) -> String {
        let iso = self.iso();
        let seconds = iso.split('.').next().unwrap_or(&iso);
        seconds.replace(['-', ':'], "") + "Z"
    }

    /// Reads an ISO 8601 instant, as AWS's answers spell them: `2026-11-22T09:15:51Z`.
    pub(crate) fn from_iso(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.trim().parse().ok()?;
        Some(Self(time.as_millisecond()))
    }

    /// Reads the `Date` header of an HTTP answer: `Sun, 22 Nov 2026 09:15:51 GMT`.
    pub(crate) fn from_http_date(text: &str) -> Option<Self> {
        let time = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text.trim())
            .ok()?;
        Some(Self(time.as_millisecond()))
    }

    pub(crate) fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    pub(crate) fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// A source of time: the system's clock, or one of a test.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    System,
    /// Always this time; waiting returns at once.
    #[cfg(test)]
    Fixed(Millis),
    /// The system's time, put forward by the test; waiting puts it forward too, and returns at once.
    #[cfg(test)]
    Ahead(std::rc::Rc<std::cell::Cell<Duration>>),
}

#[allow(clippy::disallowed_methods)] // the one place that may
impl Clock {
    /// The time of day.
    pub(crate) fn now(&self) -> Millis {
        match self {
            #[cfg(test)]
            Self::Ahead(span) => Self::System.now().plus(span.get()),
            Self::System => {
                let since_epoch = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                Millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
            #[cfg(test)]
            Self::Fixed(time) => *time,
        }
    }

    /// A reading that never goes backwards, for deadlines and durations.
    pub(crate) fn instant(&self) -> Instant {
        match self {
            #[cfg(test)]
            Self::Ahead(span) => Instant::now() + span.get(),
            _ => Instant::now(),
        }
    }

    /// The time that has passed since a reading.
    pub(crate) fn elapsed(&self, since: Instant) -> Duration {
        self.instant().saturating_duration_since(since)
    }

    /// Whether a wait is over at once, because a test makes the time.
    pub(crate) fn skips(
        &self,
        #[cfg_attr(not(test), expect(unused_variables))] span: Duration,
    ) -> bool {
        match self {
            Self::System => false,
            #[cfg(test)]
            Self::Fixed(_) => true,
            #[cfg(test)]
            Self::Ahead(ahead) => {
                ahead.set(ahead.get() + span);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_both_stamps() {
        let time = Millis(1_440_938_160_007);
        assert_eq!(time.amz_date(), "20150830T123600Z");
        assert_eq!(time.iso(), "2015-08-30T12:36:00.007Z");
    }

    #[test]
    fn reads_what_services_write() {
        let time = Some(Millis(1_440_938_160_000));
        assert_eq!(Millis::from_iso("2015-08-30T12:36:00Z"), time);
        assert_eq!(Millis::from_iso("2015-08-30T12:36:00+00:00"), time);
        assert_eq!(
            Millis::from_http_date("Sun, 30 Aug 2015 12:36:00 GMT"),
            time
        );
        assert_eq!(Millis::from_iso("soon"), None);
        assert_eq!(Millis::from_http_date("30/08/2015"), None);
    }
}
