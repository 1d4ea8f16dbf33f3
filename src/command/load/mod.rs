//! `load`: bare records, or a Singer tap, to tables, for people and scripts.

mod records;
mod sample;
mod singer;

pub(super) use records::{read_schema, refresh};

use crate::cli::{self, Input};
use crate::command::ending::{self, Ending};
use crate::command::{Printed, configuration, open, options};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::http::retry::RetryPolicy;
use crate::input::{Lines, Stdout};
use crate::out::{self, Reader};
use crate::sink::{Sink, StreamTally};
use crate::table::Creation;
use crate::table::layout::Run;
use crate::time::Clock;

/// The exit code of `--strict`: everything was loaded, and not everything fitted.
const RESCUED: u8 = 3;

pub(super) fn run(asked: &cli::Load, environment: &Environment) -> Result<Ending> {
    Feedback::over(Reader::Person, &asked.reports, environment, |feedback| {
        load(asked, environment, feedback)
    })
}

fn load(asked: &cli::Load, environment: &Environment, feedback: &mut Feedback) -> Result<Ending> {
    let config = configuration(&asked.lake, environment)?;
    let clock = Clock::System;
    let run = Run::begin(clock.now())?;
    let stdout = match asked.input {
        Input::Records { .. } => Stdout::Unused,
        Input::Singer => Stdout::Needed,
    };
    let files = if asked.files.is_empty() {
        vec!["-".into()]
    } else {
        asked.files.clone()
    };
    // From here on a signal lets a checkpoint that is under way come to its end.
    let mut lines = Lines::files(files, config.max_record, stdout, clock.clone())?;
    let mut options = options(&config);
    options.table.creation = Creation::AtTheFirstCheckpoint;
    let lake = open(&asked.lake, config, &run, environment, RetryPolicy::long())?;
    if let Some(interval) = asked.checkpoint_interval {
        options.checkpoint_interval = interval;
    }
    let mut sink = Sink::open(
        &lake,
        Vec::new(),
        options,
        run,
        clock.clone(),
        Box::new(Printed),
    )?;
    let read = match &asked.input {
        Input::Records { table } => {
            records::load(table, asked, &mut lines, &mut sink, feedback, &clock)
        }
        Input::Singer => singer::load(asked.mode, &mut lines, &mut sink, feedback),
    };
    let ending = ending::conclude(read, &mut sink, feedback, lines.bytes(), Reader::Person)?;
    let rescued = sink.tally().sum(StreamTally::rescued);
    if asked.strict && ending == Ending::Done && rescued > 0 {
        let error = Error::config(format!(
            "loaded, but {rescued} values do not fit their columns and were rescued"
        ))
        .hint("correct them, or give --schema, and load again");
        out::failure(Reader::Person, &error);
        return Ok(Ending::Told(RESCUED));
    }
    Ok(ending)
}
