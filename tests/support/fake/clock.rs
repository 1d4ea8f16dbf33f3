//! The services' clock: the system's, put forward by the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// The clock; a clone is the same clock.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now() + Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// Puts it forward.
    pub(crate) fn forward(&self, span: Duration) {
        let span = u64::try_from(span.as_millis()).unwrap();
        self.0.fetch_add(span, Ordering::SeqCst);
    }
}

/// `2026-11-22T09:15:51.000Z`: S3 keeps whole seconds.
pub(super) fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// `Sun, 22 Nov 2026 09:15:51 GMT`, as in the headers of HTTP.
pub(super) fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
