//! Tests that cannot run here: they are reported on stderr and in `target/skipped`, which `make test` sums up, and fail
//! where `NO_SKIPS` is set.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::Location;

use super::file;

/// Ends the test here, because something is missing that it needs.
macro_rules! skip {
    ($reason:expr) => {{
        $crate::support::skip::report($reason);
        return;
    }};
}
pub(crate) use skip;

/// Reports that the calling test is skipped.
#[track_caller]
pub(crate) fn report(reason: &str) {
    let thread = std::thread::current();
    let place = Location::caller();
    let test = thread.name().filter(|name| *name != "main");
    let line = format!(
        "SKIPPED {}: {reason}\n",
        test.map_or_else(|| place.to_string(), str::to_owned)
    );
    let is_forbidden = std::env::var_os("NO_SKIPS").is_some_and(|value| !value.is_empty());
    assert!(!is_forbidden, "NO_SKIPS is set: {line}");
    // On stderr itself: libtest hides what a passing test prints.
    let _ = std::io::stderr().write_all(line.as_bytes());
    let mut skipped = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file("target/skipped"))
        .unwrap();
    skipped.write_all(line.as_bytes()).unwrap();
}
