//! `write`: stdin to the lake, states to stdout.

use std::path::Path;

use crate::cli;
use crate::command::{Ending, configuration, open, read_file};
use crate::config::Config;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::input::{Event, Lines, Signal};
use crate::out;
use crate::protocol::catalog;
use crate::protocol::message::{self, Message};
use crate::sink::{self, Sink};
use crate::table::layout::Run;
use crate::time::Clock;

/// Why the reading of input ended before its end.
enum Stop {
    Failed(Error),
    Signal(Signal),
    /// Nobody reads stdout any more.
    Closed,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

pub(super) fn run(asked: &cli::Lake, catalog: &Path, environment: &Environment) -> Result<Ending> {
    let config = configuration(asked)?;
    let streams = catalog::read(&read_file(catalog, "configured catalog")?)?;
    let clock = Clock::System;
    let run = Run::begin(clock.now())?;
    // From here on a signal lets a checkpoint that is under way come to its end.
    let mut lines = Lines::stdin(config.max_record, clock.clone())?;
    let lake = open(asked, &config, &run, environment)?;
    let mut sink = Sink::open(&lake, streams, options(&config), run, clock)?;
    match read(&mut lines, &mut sink) {
        Ok(()) => sink.finish().map(|()| Ending::Done),
        Err(Stop::Failed(error)) => {
            sink.fail();
            Err(error)
        }
        Err(Stop::Closed) => {
            sink.abandon();
            Ok(Ending::Told(1))
        }
        Err(Stop::Signal(signal)) => {
            sink.abandon();
            out::failure(
                out::Reader::Platform,
                &Error::transient(format!(
                    "stopped by {signal:?}; what was not acknowledged was discarded"
                )),
            );
            Ok(Ending::Told(signal.exit_code()))
        }
    }
}

fn options(config: &Config) -> sink::Options {
    sink::Options {
        prefix: config.prefix.clone(),
        database: config.database.clone(),
        format: config.format,
        numbers: config.numbers,
        rescued: config.rescued_data_column.clone(),
        metadata: config.metadata_columns,
        target_file_size: config.target_file_size,
        memory_budget: config.memory_budget,
        checkpoint_interval: config.checkpoint_interval,
        leftover_age: config.leftover_age,
    }
}

/// The main loop: one line after the other into the sink.
fn read(lines: &mut Lines, sink: &mut Sink<'_>) -> Result<(), Stop> {
    loop {
        match lines.next(sink.deadline())? {
            Event::Line { number, text } => {
                take(text, sink)
                    .map_err(|error| error.while_doing(format_args!("line {number} of stdin")))?;
            }
            Event::Due => sink.tick()?,
            Event::End => return Ok(()),
            Event::Closed => return Err(Stop::Closed),
            Event::Stop(signal) => return Err(Stop::Signal(signal)),
        }
        if out::is_closed() {
            return Err(Stop::Closed);
        }
    }
}

fn take(line: &[u8], sink: &mut Sink<'_>) -> Result<()> {
    match message::read(line)? {
        Message::Record(record) => sink.record(&record),
        Message::State => sink.state(line),
        Message::Status { stream, status } => sink.status(&stream, status),
        Message::Other => Ok(()),
    }
}
