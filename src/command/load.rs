//! `load`: bare records or a Singer tap's messages into tables, for people and scripts.

use crate::cli::{self, Input};
use crate::command::exit::{self, AtSignal, Exit};
use crate::command::{Printed, configuration, open_verified, options, read_schema, refresh};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::http::retry::RetryPolicy;
use crate::input::{Lines, Stdout};
use crate::interrupt;
use crate::out::{self, Audience};
use crate::sink::{Acknowledgement, Sink, StreamTally};
use crate::source::bad::BadRecords;
use crate::source::{self, Interruption, json, singer};
use crate::table::Creation;
use crate::table::layout::Run;
use crate::time::Clock;

/// The exit code of `--strict` if values were rescued or records were set aside.
const RESCUED: u8 = 3;

/// The exit code of `--require-rows` if no rows came.
const NO_ROWS: u8 = 4;

pub(super) fn run(asked: &cli::LoadArguments, environment: &Environment) -> Result<Exit> {
    let audience = Audience::Person;
    Feedback::during(audience, &asked.reports, environment, |feedback| {
        load(asked, environment, feedback)
    })
}

fn load(
    asked: &cli::LoadArguments,
    environment: &Environment,
    feedback: &mut Feedback,
) -> Result<Exit> {
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
    let inputs = files.clone();
    let mut lines =
        Lines::files(files, config.max_record, stdout, clock.clone())?.within(config.memory_budget);
    if matches!(asked.input, Input::Records { .. }) {
        lines = lines.objects();
    }
    let path = asked.bad_records.as_deref();
    let mut bad = BadRecords::open(asked.max_bad_records, path, &inputs)?;
    let mut options = options(&config, environment);
    options.table.creation = Creation::AtTheFirstCheckpoint;
    if matches!(asked.input, Input::Records { .. }) {
        options.acknowledgement = Acknowledgement::ExitCode;
    }
    let lake = open_verified(&asked.lake, config, &run, environment, RetryPolicy::long())?;
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
    let at_signal = match (&asked.input, asked.checkpoint_interval) {
        // Such as `tail -F FILE | load`: a pipe cannot be read again.
        (Input::Records { .. }, Some(_)) => {
            interrupt::keep_rows();
            lines.take_what_is_there();
            AtSignal::Publish
        }
        _ => AtSignal::Discard,
    };
    let read = read(asked, &mut lines, &mut sink, feedback, &clock, &mut bad);
    feedback.set_bad_records(bad.count());
    let exit = exit::conclude(
        read,
        at_signal,
        &mut sink,
        feedback,
        lines.bytes(),
        Audience::Person,
    );
    let rows = sink.tally().sum(|stream| stream.records);
    if exit == Exit::Success && rows == 0 {
        return Ok(without_rows(asked, lines.bytes()));
    }
    let rescued = sink.tally().sum(StreamTally::rescued);
    if asked.strict && exit == Exit::Success && bad.count() > 0 {
        let error = Error::config(format!(
            "loaded, but some records were bad and were set aside: {}",
            bad.count()
        ))
        .hint("correct them and load them");
        out::failure(Audience::Person, &error);
        return Ok(Exit::Reported(RESCUED));
    }
    if asked.strict && exit == Exit::Success && rescued > 0 {
        let error = Error::config(format!(
            "loaded, but some values did not fit their columns and were rescued: {rescued}"
        ))
        .hint("correct the values or pass --schema, then load again");
        out::failure(Audience::Person, &error);
        return Ok(Exit::Reported(RESCUED));
    }
    Ok(exit)
}

/// The end of a load to which no rows came: its producer may have failed.
fn without_rows(asked: &cli::LoadArguments, bytes_in: u64) -> Exit {
    if asked.require_rows {
        let error = Error::config("no rows came, and --require-rows asks for some")
            .hint("look for the error of the program that wrote the input");
        out::failure(Audience::Person, &error);
        return Exit::Reported(NO_ROWS);
    }
    // A tap that found nothing new says so with schemas and states.
    if bytes_in == 0 || asked.input != Input::Singer {
        log::warn!(
            "no rows came: no table was made, and one that is there keeps its rows; with --require-rows this is a failure"
        );
    }
    Exit::Success
}

fn read(
    asked: &cli::LoadArguments,
    lines: &mut Lines,
    sink: &mut Sink<'_>,
    feedback: &mut Feedback,
    clock: &Clock,
    bad: &mut BadRecords,
) -> Result<(), Interruption> {
    let refresh = refresh(asked.mode);
    match &asked.input {
        Input::Records { table } => {
            let target = json::RecordTarget {
                name: table,
                schema: asked.schema.as_deref().map(read_schema).transpose()?,
                refresh,
                checkpoint_interval: asked.checkpoint_interval,
                bad: &mut *bad,
            };
            json::read(target, lines, sink, feedback, clock)?;
            Ok(bad.finish()?)
        }
        Input::Singer => source::read(lines, &mut singer::Tap::new(refresh), sink, feedback),
    }
}
