//! destination-aws-datalake: JSON records in, tables of an AWS data lake out.
//!
//! # Vocabulary
//!
//! A *stream* is a named sequence of *records*; its key is its namespace and its name. A record becomes a *row* of the
//! stream's *table*. Rows are stored in *objects*; a *part* is a piece of one that is being uploaded. A *generation*
//! is the set of objects that a table shows. A record is *accepted* when it is in a buffer or in an upload that nobody
//! can see, *durable* when its object is complete and its table shows it, and *acknowledged* when the state that
//! covers it has been printed. A *checkpoint* is the step that makes accepted rows durable and then acknowledges them.
//!
//! # Invariants
//!
//! 1. A state is printed only after every record before it is durable; each is printed once, in order.
//! 2. What is not acknowledged is not visible, but for what a crash between the two leaves.
//! 3. Readers never see a half-written overwrite: a new generation has a folder of its own, and one update of the
//!    catalog shows it; only then is the old one deleted.
//! 4. No record is lost silently: what does not fit its column is converted without loss or rescued, and a line that
//!    can not be understood fails the sync.
//! 5. Every engine reads every row under the declared types.
//! 6. Secrets and values of records are never printed.
//! 7. Only `out` writes stdout, only `http` opens sockets, only `time` reads the clock, only `command` the environment.
//! 8. Memory is bounded by configuration, not by input. The program has one thread.
//!
//! # The way of the data
//!
//! ```text
//! arguments ─ cli ─ command ─ config
//! stdin ─ input ─ protocol ─ row (a plan compiled from the stream's schema) ─ sink: open object (file) ─ parts
//!       ─ checkpoint: complete objects ─ print states
//! table and lake: what the catalog says, and where objects lie (aws: S3 and Glue; or a folder)
//! ```
//!
//! The modules stand below in the order of their imports: one uses only what stands under it, or beside it on the floor.

// The shell: what the user asked for.
mod cli;
mod command;
mod config;
mod feedback;

// Where records become durable.
mod sink;

mod table;

// From lines to rows to bytes.
mod input;
mod protocol;

mod row;

mod schema;

mod file;

// Where objects and definitions lie.
mod lake;

// The network.
mod aws;
mod http;

// The floor: used by all, using none.
mod environment;
mod error;
mod json;
mod out;
mod secret;
mod text;
mod time;

use std::ffi::OsString;

/// Runs the program with these arguments (without its name) and returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    command::run(arguments)
}

#[doc(hidden)]
pub mod testing;
