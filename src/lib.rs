//! destination-aws-datalake: JSON records in, tables of an AWS data lake out.
//!
//! # Glossary
//!
//! What comes in:
//! - *stream*: a named sequence of records; its key is its namespace and its name.
//! - *record*: one JSON object of a stream, as the source sent it. Its *members* are key and value pairs.
//! - *state*: a message with which a source can resume; it covers the records before it.
//! - *status*: what a platform reports of a stream; COMPLETE means that the source has sent all of it.
//! - *source*: the format of input that feeds the sink: Airbyte messages, a Singer tap's messages, or bare records.
//! - *platform*: the program that runs this one and reads its states, such as Airbyte; else the *audience* is a person.
//!
//! What is written:
//! - *row*: what is written for a record. A *column* of it has a *data type*, in the catalog's words.
//! - *misfit*: a value that its column cannot hold. It is *converted* if nothing is lost, else *rescued*: kept in the
//!   rescue column. Bytes that are copied unchanged are *verbatim*.
//! - *plan* (of a row): the steps compiled from a schema that encode records. A *forecast* is what the command `plan`
//!   prints: what a sync would change.
//! - *object*: a file of rows in the lake, or one being written. A *part* is a piece of it that is uploaded.
//! - *format* and *codec*: how rows are encoded in an object, and how the result is compressed.
//! - *partition*: the rows of a table that share a folder.
//! - *flush*: encode buffered rows and upload full parts. It publishes nothing.
//! - *boundary*: the position in an object up to which a state covers its rows.
//!
//! Where it is stored:
//! - *lake*: objects and catalog together, on AWS or in a folder.
//! - *catalog*: the databases and tables that engines see. The *configured catalog* is Airbyte's list of streams.
//! - *table*: the table of a stream. Its *location* is the folder whose objects engines read.
//! - *generation*: a set of objects in a folder of its own, of which a table publishes one at a time.
//! - *publish*: make rows visible to engines through the table.
//! - *leftovers*: unfinished uploads of runs that died.
//! - *run*: one execution of the program; its name is part of the names of its objects.
//!
//! When it counts:
//! - *accepted*: a record is in a buffer or in an upload that no engine can see.
//! - *durable*: its object is complete and published.
//! - *acknowledged*: the state that covers it was printed.
//! - *checkpoint*: the step that makes accepted rows durable and then acknowledges them.
//!
//! How it is set:
//! - *settings* are keys of the configuration, as users give them; *options* are what a module takes of them.
//! - *retry policy*: attempts, total time and timeouts of one call.
//!
//! # Invariants
//!
//! 1. A state is printed only after every record before it is durable; each is printed once, in order.
//! 2. What is not acknowledged is not visible, except for what a crash between publishing and printing leaves.
//! 3. Readers never see a half-written overwrite: a new generation has a folder of its own, and one update of the
//!    catalog publishes it; only then is the old one deleted.
//! 4. No record is lost silently: a misfit is converted without loss or rescued, and a line that cannot be parsed
//!    fails the sync.
//! 5. Every engine reads every row under the declared types.
//! 6. Secrets and values of records are never printed.
//! 7. Only `out` writes stdout and stderr, only `http` opens connections, only `time` reads the clock, only `interrupt`
//!    waits, only `command` reads the environment and chooses the exit code.
//! 8. Memory is bounded by configuration, not by input. The program has one thread.
//!
//! # Data flow
//!
//! ```text
//! arguments ─ cli ─ command ─ config
//! stdin ─ input ─ source (protocol) ─ sink: row (a plan compiled from the stream's schema) ─ open object (file) ─ parts
//!       ─ checkpoint: complete objects ─ publish (table) ─ print states
//! table and lake: what the catalog holds, and where objects are stored (aws: S3 and Glue; or a folder)
//! ```
//!
//! # Modules, in the order of their imports
//!
//! A module uses only those listed after it, and itself. The tidy test reads this list, and the one of `aws`, and
//! checks every path of the source against it.
//!
//! - `testing`: what benches and fuzz targets may reach
//! - `command`: the commands, the environment and the exit code
//! - `cli`: arguments
//! - `config`: the configuration
//! - `source`: what feeds the sink: Airbyte messages, a Singer tap, JSON records
//! - `feedback`: progress, summary and metrics
//! - `input`: stdin and files as lines
//! - `sink`: where records become durable and states are acknowledged
//! - `table`: what the catalog should hold, and where generations are stored
//! - `row`: the plan that turns a record's bytes into a row
//! - `file`: formats: rows to bytes
//! - `protocol`: messages, states and the configured catalog
//! - `schema`: columns and types
//! - `lake`: where objects and tables are stored: AWS or a folder
//! - `aws`: the services of AWS, signing and credentials
//! - `http`: connections and the retry policy
//! - `out`: stdout and stderr
//! - `json`: the scanner of JSON text
//! - `interrupt`: SIGTERM and SIGINT, and the waits that they end
//! - `process`: this process, as others find out whether it runs
//! - `environment`, `error`, `secret`, `text`, `time`: what all others may use

mod aws;
mod cli;
mod command;
mod config;
mod environment;
mod error;
mod feedback;
mod file;
mod http;
mod input;
mod interrupt;
mod json;
mod lake;
mod out;
mod process;
mod protocol;
mod row;
mod schema;
mod secret;
mod sink;
mod source;
mod table;
#[doc(hidden)]
pub mod testing;
mod text;
mod time;

use std::ffi::OsString;

/// Runs the program with these arguments (without its name) and returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    command::run(arguments)
}
