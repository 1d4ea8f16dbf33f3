//! The integration tests: the real binary against servers that play AWS, read back by other people's tools.
//! `make test` sets up what they need.

#![allow(dead_code)]
// while the tests are being written
// Tests stop at the first surprise, wait, watch the clock and use threads; the program may not.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)]

mod support; // the program as a child, moto, the scripted server, the journal, the readers

mod tidy; // the source keeps its own rules
