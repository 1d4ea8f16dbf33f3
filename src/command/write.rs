//! `write`: stdin to the lake, states to stdout.

use std::time::Instant;

use crate::cli;
use crate::command::ending::{self, Ending};
use crate::command::reading::{self, Taker};
use crate::command::{Printed, configuration, open, options, read_file};
use crate::environment::Environment;
use crate::error::Result;
use crate::feedback::Feedback;
use crate::http::retry::RetryPolicy;
use crate::input::{Lines, Stdout};
use crate::out::Reader;
use crate::protocol::catalog;
use crate::protocol::message::{self, Message};
use crate::protocol::state::State;
use crate::sink::Sink;
use crate::table::layout::Run;
use crate::time::Clock;

pub(super) fn run(asked: &cli::Write, environment: &Environment) -> Result<Ending> {
    Feedback::over(Reader::Platform, &asked.reports, environment, |feedback| {
        write(asked, environment, feedback)
    })
}

fn write(asked: &cli::Write, environment: &Environment, feedback: &mut Feedback) -> Result<Ending> {
    let config = configuration(&asked.lake, environment)?;
    let streams = catalog::read(&read_file(&asked.catalog, "configured catalog")?)?;
    let clock = Clock::System;
    let run = Run::begin(clock.now())?;
    // From here on a signal lets a checkpoint that is under way come to its end.
    let mut lines = Lines::stdin(config.max_record, Stdout::Needed, clock.clone())?;
    let options = options(&config);
    let lake = open(&asked.lake, config, &run, environment, RetryPolicy::long())?;
    let mut sink = Sink::open(&lake, streams, options, run, clock, Box::new(Printed))?;
    let mut messages = Messages {
        reader: message::Reader::default(),
        sink: &mut sink,
    };
    let read = reading::read(&mut lines, &mut messages, feedback);
    ending::conclude(read, &mut sink, feedback, lines.bytes(), Reader::Platform)
}

/// Airbyte's messages on their way into the sink.
struct Messages<'a, 'lake> {
    reader: message::Reader,
    sink: &'a mut Sink<'lake>,
}

impl<'lake> Taker<'lake> for Messages<'_, 'lake> {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        match self.reader.read(line)? {
            Message::Record(record) => self.sink.record(&record),
            Message::State => self.sink.state(&State::read(line)?),
            Message::Status { stream, status } => self.sink.status(&stream, status),
            Message::Other => Ok(()),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.sink.deadline()
    }

    fn tick(&mut self) -> Result<()> {
        self.sink.tick()
    }

    fn sink(&self) -> &Sink<'lake> {
        self.sink
    }
}
