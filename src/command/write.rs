//! `write`: a platform's messages from stdin to the lake, and its states to stdout.

use crate::cli;
use crate::command::exit::{self, AtSignal, Exit};
use crate::command::{Printed, configuration, open_verified, options, read_file};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::http::retry::RetryPolicy;
use crate::input::{Lines, Stdout};
use crate::out::Audience;
use crate::protocol::catalog;
use crate::sink::Sink;
use crate::source::{self, airbyte};
use crate::table::layout::Run;
use crate::time::Clock;

pub(super) fn run(asked: &cli::WriteArguments, environment: &Environment) -> Result<Exit> {
    let audience = Audience::Platform;
    Feedback::during(audience, &asked.reports, environment, |feedback| {
        write(asked, environment, feedback)
    })
}

fn write(
    asked: &cli::WriteArguments,
    environment: &Environment,
    feedback: &mut Feedback,
) -> Result<Exit> {
    refuse_other_channels(environment)?;
    let config = configuration(&asked.lake, environment)?;
    let streams = catalog::read(&read_file(&asked.catalog, "configured catalog")?)?;
    let clock = Clock::System;
    let run = Run::begin(clock.now())?;
    let mut lines = Lines::stdin(config.limits.max_record, Stdout::Needed, clock.clone())?
        .within(config.limits.memory_budget);
    let options = options(&config, environment);
    let lake = open_verified(&asked.lake, config, &run, environment, RetryPolicy::long())?;
    let mut sink = Sink::open(&lake, streams, options, run, clock, Box::new(Printed))?;
    let mut messages = airbyte::Messages::default();
    let read = source::read(&mut lines, &mut messages, &mut sink, feedback);
    Ok(exit::conclude(
        read,
        AtSignal::Discard,
        &mut sink,
        feedback,
        lines.bytes(),
        Audience::Platform,
    ))
}

/// Fails where the platform sends its messages by another way than as JSON lines on stdin: none would ever come.
/// It says so to the containers of a sync, and not to those of a check.
fn refuse_other_channels(environment: &Environment) -> Result<()> {
    for (name, expected) in [
        ("DATA_CHANNEL_MEDIUM", "STDIO"),
        ("DATA_CHANNEL_FORMAT", "JSONL"),
    ] {
        if let Some(found) = environment.get(name)
            && !environment.is(name, expected)
        {
            return Err(Error::config(format!(
                "environment variable {name}: expected {expected}, found {found:?}"
            ))
            .hint("remove connectorIPCOptions from the connector's definition, so that the platform uses stdin and stdout"));
        }
    }
    Ok(())
}
