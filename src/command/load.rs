//! `load`: bare records or a Singer tap's messages into tables, for people and scripts.

use std::io::IsTerminal;
use std::time::Duration;

use crate::cli::{self, Input};
use crate::command::exit::{self, AtSignal, Exit};
use crate::command::{Printed, configuration, open_verified, options, read_schema, refresh};
use crate::config::Config;
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

/// How long a connection may take to be made while a person watches, to whom each that fails is reported.
const WATCHED_CONNECT: Duration = Duration::from_millis(2500);

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
    let (mut lines, mut bad) = open_input(asked, &config, &clock)?;
    let mut options = options(&config, environment);
    options.table.creation = Creation::AtTheFirstCheckpoint;
    if matches!(asked.input, Input::Records { .. }) {
        options.acknowledgement = Acknowledgement::ExitCode;
    }
    if let Some(interval) = asked.checkpoint_interval {
        options.checkpoint_interval = interval;
    }
    let mut policy = RetryPolicy::long();
    if out::is_terminal() {
        policy.timeouts.connect = WATCHED_CONNECT;
    }
    let lake = open_verified(&asked.lake, config, &run, environment, policy)?;
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
    if exit != Exit::Success {
        return Ok(exit);
    }
    let tally = sink.tally();
    if tally.sum(|stream| stream.records) == 0 {
        return Ok(without_rows(asked, lines.bytes()));
    }
    if asked.strict
        && let Some(error) = what_did_not_fit(bad.count(), tally.sum(StreamTally::rescued))
    {
        out::failure(Audience::Person, &error);
        return Ok(Exit::Reported(RESCUED));
    }
    Ok(exit)
}

/// The input, and what becomes of its bad records.
fn open_input(
    asked: &cli::LoadArguments,
    config: &Config,
    clock: &Clock,
) -> Result<(Lines, BadRecords)> {
    let files = if asked.files.is_empty() {
        if std::io::stdin().is_terminal() {
            log::info!("reading JSON from this terminal; Ctrl-D ends it. Name a FILE to load that");
        }
        vec!["-".into()]
    } else {
        asked.files.clone()
    };
    let stdout = match asked.input {
        Input::Records { .. } => Stdout::Unused,
        Input::Singer => Stdout::Needed,
    };
    let lines = Lines::files(
        files.clone(),
        config.limits.max_record,
        stdout,
        clock.clone(),
    )?
    .within(config.limits.memory_budget);
    let lines = match asked.input {
        Input::Records { .. } => lines.objects(),
        Input::Singer => lines,
    };
    let path = asked.bad_records.file.as_deref();
    let bad = BadRecords::open(asked.bad_records.most, path, &files)?;
    Ok((lines, bad))
}

/// The error of `--strict` after a load that published its rows.
fn what_did_not_fit(bad_records: u64, rescued: u64) -> Option<Error> {
    if bad_records > 0 {
        let text = format!("loaded, but some records were bad and were set aside: {bad_records}");
        return Some(Error::config(text).hint("correct them and load them"));
    }
    (rescued > 0).then(|| {
        Error::config(format!(
            "loaded, but some values did not fit their columns and were rescued: {rescued}"
        ))
        .hint("correct the values or pass --schema, then load again")
    })
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
