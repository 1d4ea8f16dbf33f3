//! The integration tests: the real binary against servers that play AWS, read back by other people's tools.
//! `make test` sets up what they need.

// Tests stop at the first surprise, wait, watch the clock and use threads; the program may not.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
// The scripted server builds its answers as text, a piece at a time, where speed is no matter.
#![allow(clippy::format_push_string, clippy::format_collect)]

mod support; // the program as a child, moto, the scripted server, the journal, the readers

mod attempts;
mod broken; // two hundred inputs that no source should send
mod changes; // policies for new columns, and for values whose type has changed
mod check; // every way in which a connection can fail, and that nothing stays
mod checkpoints; // when states are acknowledged, and what stays invisible until then
mod clients; // PyAirbyte writes into moto
mod columns; // what a column means from run to run
mod crash; // killed at every remote call, run again
mod crash_local; // the same of a local lake, before every change of the file system
mod digests; // the same inputs make the same objects and the same calls as when they were recorded
mod endings; // how a source can end, and what becomes of its rows
mod engines; // the value cases, read back by DuckDB, Arrow and Spark
mod errors; // what a person reads: exact texts of errors and hints, and how logs look
mod exactly_once; // swaps and states of several streams that nobody acknowledged
mod examples; // the examples, and their commands as they stand there
mod faults; // seeded faults at any call, before moto
mod feedback; // progress, summaries and metrics
mod folder; // a lake in a folder: what is hostile there, and power failures
mod forms; // JSON in any arrangement, and what becomes of bad records
mod generations; // refreshes and overwrites: what is published, when, and what is kept
mod growing; // columns that come into being while rows are written
mod hostile; // hostile input and surroundings: bounded in time and memory, and by name
mod images; // what is in the images, and a sync under Airbyte's launcher
mod inference; // the columns that data without a schema gets
mod journal; // order of effects and states, whole, against the scripted server
mod lake_formation; // tags, locations of databases, and what Lake Formation refuses
mod leftovers; // what runs leave to each other, and what is no leftover
mod load; // bare records, from pipes and files
mod many; // many streams, whose calls overlap
mod many_partitions; // thousands of partitions in any order: memory, objects and calls
mod memory; // what one large record takes, and what waiting states take
mod model; // random sequences of syncs, kills and hands: no acknowledged row is lost, none is doubled
mod new_tables; // loads into tables that do not exist, and into those that others create meanwhile
mod numbers; // the platform's numbers: which of them are compared
mod odd_data; // odd data of real sources, read back by the engines
mod orders; // records whose envelope has its keys in any order
mod parquet; // Parquet beside JSON lines, and tables that move from one to the other
mod parquet_oracle; // Parquet files of random rows, as other readers find them
mod parquet_tables; // Parquet tables by whole commands
mod partitions; // where rows are by their partitions
mod plan; // what plan forecasts happens, and planning changes nothing
mod policy; // what policy prints is enough, and nothing of it too much
mod process; // one thread, closed pipes, exit codes, secrets
mod proof; // other hands in the middle of a checkpoint or a swap
mod random_loads; // random loads into one table: rows and what was rescued are the records
mod readme; // the commands of the README as they stand there, and the tests of its guarantees
mod refusals; // what is refused before a database or a table is made
mod release; // wheel, Debian package and tarball; completions, man page and help texts
mod scripted; // the scripted server against AWS's own client
mod secrets; // marker secrets in every place a secret can be
mod sharding; // several processes at one table, as packaging/shard runs them
mod signals; // SIGTERM and SIGINT wherever the program waits
mod singer; // Singer taps: messages made here, and what other people's taps say
mod states; // states come back once, in order, untouched
mod static_binary; // no loader, no files: the static program alone in a root
mod stores; // stores without conditional writes
mod supply; // licences, bill of materials and compiler of what is shipped
mod sync; // whole syncs into moto, read back by DuckDB
mod tables_of_others; // what a sync refuses of them, and what an overwrite removes
mod tidy; // the source keeps its own rules
mod tls; // TLS servers that are refused, and why
mod tricks; // hostile servers: floods, drips, bombs, wrong lengths, redirects, at every call
mod type_changes; // all pairs of types, as two syncs, read by four engines
mod upstream; // tables that the Python connector made are gone on with
mod versions; // versions of a Singer tap, against a model
mod wire; // TLS, proxies, and roles that end while the work goes on
mod writers; // several programs at one table
