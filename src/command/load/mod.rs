//! `load`: bare records, or a Singer tap, to tables, for people and scripts.

mod records;
mod sample;

use crate::cli::{self, Input};
use crate::command::ending::{self, Ending};
use crate::command::{configuration, open, options};
use crate::environment::Environment;
use crate::error::Result;
use crate::input::{Lines, Stdout};
use crate::out::Reader;
use crate::sink::Sink;
use crate::table::layout::Run;
use crate::time::Clock;

pub(super) fn run(asked: &cli::Load, environment: &Environment) -> Result<Ending> {
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
    let lake = open(&asked.lake, &config, &run, environment)?;
    let options = options(&config);
    let mut sink = Sink::open(&lake, Vec::new(), options, run, clock.clone())?;
    let read = match &asked.input {
        Input::Records { table } => records::load(table, asked, &mut lines, &mut sink, &clock),
        Input::Singer => {
            return Err(crate::error::Error::config(
                "--input singer is not built yet",
            ));
        }
    };
    ending::conclude(read, &mut sink, Reader::Person)
}
