//! The commands, one file each. Only here is the environment read and the exit code chosen.

mod check;
mod exit;
mod load;
mod plan;
mod policy;
mod spec;
mod write;

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;

use crate::cli::{self, Invocation, Mode};
use crate::config::{self, Backend, Config, Layers};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::retry::RetryPolicy;
use crate::interrupt::{self, Signal, Stopped};
use crate::lake::{self, Lake};
use crate::out::{self, Audience};
use crate::protocol::catalog::{Completion, Refresh};
use crate::sink;
use crate::table;
use crate::table::control::Job;
use crate::table::layout::Run;
use crate::text;
use crate::time::Clock;

use exit::Exit;

/// Runs the command that the arguments name, and returns the exit code.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let environment = environment();
    out::set_style(style(cli::Logging::default(), &environment));
    let cli::CommandLine {
        invocation,
        logging,
    } = match cli::parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            out::failure(Audience::Person, &error);
            return 2;
        }
    };
    out::set_style(style(logging, &environment));
    let audience = match &invocation {
        Invocation::Spec | Invocation::Check(_) | Invocation::Write(_) => Audience::Platform,
        _ => Audience::Person,
    };
    out::start(
        audience,
        logging.level.unwrap_or_else(|| level(&environment)),
    );
    // The others read none.
    if !matches!(
        invocation,
        Invocation::Help(_) | Invocation::Version | Invocation::Spec
    ) {
        warn_of_variables(&environment);
    }
    let exit = interrupt::install().and_then(|()| match invocation {
        Invocation::Help(text) => out::text(text).map(|()| Exit::Success),
        Invocation::Version => out::text(&version()).map(|()| Exit::Success),
        Invocation::Spec => spec::run().map(|()| Exit::Success),
        Invocation::Check(lake) => check::run(&lake, &environment),
        Invocation::Write(write) => write::run(&write, &environment),
        Invocation::Load(load) => load::run(&load, &environment),
        Invocation::Plan(plan) => plan::run(&plan, &environment),
        Invocation::Policy(policy) => policy::run(&policy, &environment),
    });
    match exit {
        Ok(Exit::Success) => 0,
        Ok(Exit::Reported(code)) => code,
        Err(error) => {
            // After a signal, calls fail because of it.
            let signal = interrupt::signal();
            let error = signal.map_or(error, |signal| Stopped(signal).into());
            out::failure(audience, &error);
            signal.map_or(1, Signal::exit_code)
        }
    }
}

#[allow(clippy::disallowed_methods)] // the only place that reads it
fn environment() -> Environment {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Environment::from_pairs(std::env::vars_os().filter_map(text))
}

/// The version, what it was built of and for, and what it can do. `make static` says which commit it is.
fn version() -> String {
    let commit = option_env!("DATALAKE_COMMIT").filter(|commit| !commit.is_empty());
    let linked = if cfg!(target_feature = "crt-static") {
        "static"
    } else {
        "dynamic"
    };
    let libc = if cfg!(target_env = "musl") {
        "musl"
    } else {
        "gnu"
    };
    format!(
        "destination-aws-datalake {}\ncommit: {}\ntarget: {}-{}-{libc}, {linked}\nfeatures: jsonl parquet gzip zstd snappy",
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or("unknown"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

fn style(logging: cli::Logging, environment: &Environment) -> out::Style {
    let is_plain = environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
    out::Style {
        has_color: match logging.color {
            cli::Color::Always => true,
            cli::Color::Never => false,
            cli::Color::Auto => !is_plain && out::is_terminal(),
        },
        is_json: logging.is_json,
        is_quiet: logging.level == Some(log::LevelFilter::Warn),
    }
}

const LEVELS: [&str; 6] = ["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

fn level(environment: &Environment) -> log::LevelFilter {
    environment
        .get("LOG_LEVEL")
        .and_then(|level| level.parse().ok())
        .unwrap_or(log::LevelFilter::Info)
}

/// Warns of variables that look as if they were meant for this program, and are not read.
fn warn_of_variables(environment: &Environment) {
    let meant = |found: &str, known: &[&str]| {
        let found = found.to_ascii_uppercase();
        text::nearest(&found, known.iter().copied())
            .map_or_else(String::new, |meant| format!("; did you mean {meant}?"))
    };
    if let Some(level) = environment.get("LOG_LEVEL")
        && level.parse::<log::LevelFilter>().is_err()
    {
        log::warn!(
            "LOG_LEVEL: expected ERROR, WARN, INFO, DEBUG or TRACE, found {level:?}; INFO is used{}",
            meant(level, &LEVELS)
        );
    }
    let known = config::variables();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for name in environment.names("DATALAKE_") {
        if !known.contains(&name) {
            log::warn!(
                "the environment variable {name} is not read{}",
                meant(name, &known)
            );
        }
    }
}

fn read_file(path: &Path, what: &str) -> Result<Vec<u8>> {
    interrupt::read_file(path).map_err(|error| {
        Error::config(format!("cannot read the {what} {}", path.display())).because(error)
    })
}

/// Reads a file with a JSON schema.
fn read_schema(path: &Path) -> Result<Value> {
    let schema = serde_json::from_slice(&read_file(path, "schema")?).map_err(|error| {
        Error::config(format!("the schema {} is not valid JSON", path.display())).because(error)
    })?;
    match schema {
        Value::Object(_) => Ok(schema),
        _ => Err(Error::config(format!(
            "the schema {}: expected a JSON object such as {{\"properties\": {{\"id\": {{\"type\": \"integer\"}}}}}}",
            path.display()
        ))),
    }
}

/// How `load` and `plan` treat the rows that a table already has. Their input ends a stream; no status does.
fn refresh(mode: Mode) -> Refresh {
    match mode {
        Mode::Append => Refresh::Append {
            completion: Completion::EndOfInput,
        },
        Mode::Overwrite => Refresh::Overwrite,
    }
}

/// Reads the configuration and logs its warnings.
fn configuration(asked: &cli::LakeArguments, environment: &Environment) -> Result<Config> {
    let backend = if asked.local.is_some() {
        Backend::Local
    } else {
        Backend::Aws
    };
    let file = match &asked.config {
        Some(path) => Some(read_file(path, "configuration")?),
        None => None,
    };
    let layers = Layers {
        file: file.as_deref(),
        environment: environment.clone(),
        flags: &asked.settings,
    };
    let config = config::read(&layers, backend)?;
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    Ok(config)
}

/// The part of the configuration that the sink needs.
fn options(config: &Config, environment: &Environment) -> sink::SinkOptions {
    sink::SinkOptions {
        table: table::TableOptions {
            prefix: config.prefix.clone(),
            generations_prefix: config.generations_prefix.clone(),
            database: config.database.clone(),
            format: config.format,
            columns: config.columns.clone(),
            creation: table::Creation::AtTheStart,
            partitioning: config.partitioning.clone(),
        },
        target_file_size: config.limits.target_file_size,
        memory_budget: config.limits.memory_budget,
        checkpoint_interval: config.limits.checkpoint_interval,
        leftover_age: config.limits.leftover_age,
        job: job(environment),
        acknowledgement: sink::Acknowledgement::States,
    }
}

/// The job that the platform says this is an attempt at. Old versions of it give all jobs the number 0.
fn job(environment: &Environment) -> Option<Job> {
    let number = |name| environment.get(name)?.parse::<i64>().ok();
    Some(Job {
        id: number("WORKER_JOB_ID").filter(|id| *id != 0)?,
        attempt: number("WORKER_JOB_ATTEMPT")?,
    })
}

/// Prints the states that are acknowledged.
struct Printed;

impl sink::Acknowledge for Printed {
    fn acknowledge(&mut self, line: &[u8]) -> Result<()> {
        out::line(line)
    }
}

/// Opens the lake that was asked for, with credentials of the configured account: others are refused before anything is
/// done with them.
fn open_verified(
    asked: &cli::LakeArguments,
    config: Config,
    run: &Run,
    environment: &Environment,
    policy: RetryPolicy,
) -> Result<Lake> {
    let lake = open(asked, config, run, environment, policy)?;
    lake.access.verify_account()?;
    Ok(lake)
}

/// Opens the lake that was asked for; nothing is sent yet. It consumes the configuration, so that credentials are held
/// once.
fn open(
    asked: &cli::LakeArguments,
    config: Config,
    run: &Run,
    environment: &Environment,
    policy: RetryPolicy,
) -> Result<Lake> {
    if let Some(folder) = &asked.local {
        return lake::dir::open(folder);
    }
    let settings = config.aws.expect("a configuration without --local has it");
    let policy = policy.adjusted(environment)?;
    lake::aws::open(settings, run.name(), environment, &Clock::System, policy)
}
