//! What the benches share: the input, the services that it goes to, and what a process costs.

#![allow(dead_code)] // each bench uses its part

#[path = "../../tests/support/fake/mod.rs"]
pub(crate) mod fake; // S3 and Glue, which keep no object here
pub(crate) mod messages; // the input, made from a seed
pub(crate) mod process; // a command's time and memory
pub(crate) mod sync; // the services, the input as a file, and the command
