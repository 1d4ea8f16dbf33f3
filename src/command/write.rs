//! `write`: stdin to the lake, states to stdout.

use std::path::Path;

use crate::cli;
use crate::command::ending::{self, Ending, Stop};
use crate::command::{configuration, open, options, read_file};
use crate::environment::Environment;
use crate::error::Result;
use crate::input::{Event, Lines, Stdout};
use crate::out::{self, Reader};
use crate::protocol::catalog;
use crate::protocol::message::{self, Message};
use crate::sink::Sink;
use crate::table::layout::Run;
use crate::time::Clock;

pub(super) fn run(asked: &cli::Lake, catalog: &Path, environment: &Environment) -> Result<Ending> {
    let config = configuration(asked, environment)?;
    let streams = catalog::read(&read_file(catalog, "configured catalog")?)?;
    let clock = Clock::System;
    let run = Run::begin(clock.now())?;
    // From here on a signal lets a checkpoint that is under way come to its end.
    let mut lines = Lines::stdin(config.max_record, Stdout::Needed, clock.clone())?;
    let lake = open(asked, &config, &run, environment)?;
    let mut sink = Sink::open(&lake, streams, options(&config), run, clock)?;
    let read = read(&mut lines, &mut sink);
    ending::conclude(read, &mut sink, Reader::Platform)
}

/// The main loop: one line after the other into the sink.
fn read(lines: &mut Lines, sink: &mut Sink<'_>) -> Result<(), Stop> {
    loop {
        match lines.next(sink.deadline())? {
            Event::Line {
                input,
                number,
                text,
            } => take(text, sink)
                .map_err(|error| error.while_doing(format_args!("line {number} of {input}")))?,
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
