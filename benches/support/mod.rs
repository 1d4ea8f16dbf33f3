//! What the benches share: the input, the services that it goes to, and what a process costs.

#![allow(dead_code)] // each bench uses its part

pub(crate) mod messages; // the input, made from a seed
pub(crate) mod process; // a command's time and memory
pub(crate) mod stand_in; // S3 and Glue that keep nothing
