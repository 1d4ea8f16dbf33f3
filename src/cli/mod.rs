//! The command line, parsed and checked for syntax only. `help.txt` describes it.

mod arguments;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::feedback::ReportFiles;
use crate::text;

use arguments::Arguments;

/// The help texts of the program and of single commands.
pub(crate) const HELP: &str = include_str!("../help.txt");
const SPEC: &str = include_str!("spec.txt");
const CHECK: &str = include_str!("check.txt");
const WRITE: &str = include_str!("write.txt");
const LOAD: &str = include_str!("load.txt");
const PLAN: &str = include_str!("plan.txt");
const POLICY: &str = include_str!("policy.txt");

/// The names of the commands.
const COMMANDS: [&str; 7] = ["spec", "check", "write", "load", "plan", "policy", "help"];

/// What was asked for, and how it is logged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) invocation: Invocation,
    pub(crate) logging: Logging,
}

/// How logs look; each command takes these options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logging {
    /// `--quiet` or `--verbose`.
    pub(crate) level: Option<log::LevelFilter>,
    pub(crate) color: Color,
    pub(crate) is_json: bool,
}

/// When the words before messages have colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// The command to run, with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    Help(&'static str),
    Version,
    Spec,
    Check(LakeArguments),
    Write(WriteArguments),
    Load(LoadArguments),
    Plan(PlanArguments),
    Policy(PolicyArguments),
}

/// The lake that a command works on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LakeArguments {
    /// The configuration file; optional if options or the environment name the lake.
    pub(crate) config: Option<PathBuf>,
    pub(crate) local: Option<PathBuf>,
    /// Settings given as options: paths of keys in the configuration, and their values.
    pub(crate) settings: Vec<(String, String)>,
}

/// `write`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WriteArguments {
    pub(crate) lake: LakeArguments,
    pub(crate) catalog: PathBuf,
    pub(crate) reports: ReportFiles,
}

/// `load`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LoadArguments {
    pub(crate) lake: LakeArguments,
    pub(crate) input: Input,
    pub(crate) mode: Mode,
    pub(crate) schema: Option<PathBuf>,
    /// None means stdin.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) checkpoint_interval: Option<Duration>,
    /// Whether rescued values set the exit code.
    pub(crate) strict: bool,
    /// Whether an input without rows sets the exit code.
    pub(crate) require_rows: bool,
    pub(crate) bad_records: BadRecordsArguments,
    pub(crate) reports: ReportFiles,
}

/// How many bad records `load` sets aside, and the file that they are written to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BadRecordsArguments {
    pub(crate) most: u64,
    pub(crate) file: Option<PathBuf>,
}

/// The format of the input that `load` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// JSON objects, records of this table.
    Records { table: String },
    /// A Singer tap's messages, which name their streams.
    Singer,
}

/// Whether a table's existing rows are kept or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Append,
    Overwrite,
}

/// `plan`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PlanArguments {
    pub(crate) lake: LakeArguments,
    pub(crate) target: PlanTarget,
    pub(crate) format: PlanFormat,
}

/// What to plan for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PlanTarget {
    /// The streams of a configured catalog.
    Catalog(PathBuf),
    /// One table, with its schema.
    Table {
        table: String,
        schema: PathBuf,
        mode: Mode,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlanFormat {
    Text,
    Json,
}

/// `policy`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PolicyArguments {
    pub(crate) lake: LakeArguments,
    /// A configured catalog, whose streams may name databases of their own.
    pub(crate) catalog: Option<PathBuf>,
    pub(crate) holder: PolicyHolder,
    pub(crate) format: PolicyFormat,
}

/// The identity that the policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyHolder {
    /// The identity that writes: the role, if the configuration has one.
    Writer,
    /// The identity that assumes the role.
    Caller,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyFormat {
    Json,
    Terraform,
}

/// Parses the arguments (without the program's name).
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine> {
    let mut command = String::new();
    let parsed = Arguments::read(arguments, &mut command).and_then(|mut arguments| {
        let logging = logging(&mut arguments)?;
        let invocation = invocation(&mut arguments)?;
        Ok(CommandLine {
            invocation,
            logging,
        })
    });
    parsed.map_err(|error| {
        // Where there is no better hint.
        error.hint(match help_of(&command) {
            Some(_) => format!("destination-aws-datalake {command} --help lists the options"),
            None => "destination-aws-datalake --help lists the commands".to_owned(),
        })
    })
}

/// The help text of a command.
fn help_of(command: &str) -> Option<&'static str> {
    Some(match command {
        "spec" => SPEC,
        "check" => CHECK,
        "write" => WRITE,
        "load" => LOAD,
        "plan" => PLAN,
        "policy" => POLICY,
        _ => return None,
    })
}

fn logging(arguments: &mut Arguments) -> Result<Logging> {
    let level = match (arguments.flag("quiet"), arguments.flag("verbose")) {
        (true, true) => return Err(Error::config("--quiet cannot be used with --verbose")),
        (true, false) => Some(log::LevelFilter::Warn),
        (false, true) => Some(log::LevelFilter::Debug),
        (false, false) => None,
    };
    let color = match arguments.text("color")?.as_deref() {
        None | Some("auto") => Color::Auto,
        Some("always") => Color::Always,
        Some("never") => Color::Never,
        Some(other) => return Err(expected("--color", "auto, always or never", other)),
    };
    let is_json = match arguments.text("log-format")?.as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => return Err(expected("--log-format", "text or json", other)),
    };
    Ok(Logging {
        level,
        color,
        is_json,
    })
}

/// `help`, or `help COMMAND`.
fn help(arguments: &mut Arguments) -> Result<Invocation> {
    let Some(command) = arguments.operand() else {
        return Ok(Invocation::Help(HELP));
    };
    let text = help_of(&command).ok_or_else(|| unknown_command(&command))?;
    Ok(Invocation::Help(text))
}

fn unknown_command(command: &str) -> Error {
    const EXPECTED: &str = "expected spec, check, write, load, plan or policy";
    if command.is_empty() {
        return Error::config(format!("missing command; {EXPECTED}"));
    }
    let error = Error::config(format!("unknown command {command:?}; {EXPECTED}"));
    match text::nearest(command, COMMANDS) {
        Some(meant) => error.hint(format!("did you mean {meant}?")),
        None => error,
    }
}

fn invocation(arguments: &mut Arguments) -> Result<Invocation> {
    let command = arguments.command.clone();
    if arguments.flag("help") {
        return Ok(Invocation::Help(help_of(&command).unwrap_or(HELP)));
    }
    if arguments.flag("version") {
        return Ok(Invocation::Version);
    }
    let invocation = match command.as_str() {
        "spec" => Invocation::Spec,
        "check" => Invocation::Check(arguments.stored_lake()?),
        "write" => Invocation::Write(WriteArguments {
            lake: arguments.stored_lake()?,
            catalog: arguments.required_path("catalog")?,
            reports: arguments.reports(),
        }),
        "load" => Invocation::Load(load(arguments)?),
        "plan" => Invocation::Plan(plan(arguments)?),
        "policy" => Invocation::Policy(PolicyArguments {
            lake: arguments.lake()?,
            catalog: arguments.path("catalog"),
            holder: if arguments.flag("caller") {
                PolicyHolder::Caller
            } else {
                PolicyHolder::Writer
            },
            format: if arguments.flag("terraform") {
                PolicyFormat::Terraform
            } else {
                PolicyFormat::Json
            },
        }),
        "help" => help(arguments)?,
        other => return Err(unknown_command(other)),
    };
    arguments.refuse_leftovers()?;
    Ok(invocation)
}

fn load(arguments: &mut Arguments) -> Result<LoadArguments> {
    let lake = arguments.lake()?;
    let table = arguments.text("table")?;
    let schema = arguments.path("schema");
    let input = match arguments.text("input")?.as_deref() {
        None | Some("records") => Input::Records {
            table: table.ok_or_else(|| Error::config("load requires --table NAME"))?,
        },
        Some("singer") if table.is_some() => {
            return Err(Error::config(
                "--table cannot be used with --input singer: a tap names its streams",
            ));
        }
        Some("singer") if schema.is_some() => {
            return Err(Error::config(
                "--schema cannot be used with --input singer: a tap sends its schemas",
            ));
        }
        Some("singer") => Input::Singer,
        Some(other) => return Err(expected("--input", "records or singer", other)),
    };
    let mode = mode(arguments)?;
    let checkpoint_interval = match arguments.text("checkpoint-interval")? {
        Some(_) if mode == Mode::Overwrite => {
            return Err(Error::config(
                "--checkpoint-interval cannot be used with --mode overwrite, which publishes all rows at the end",
            ));
        }
        Some(text) => Some(duration(&text).ok_or_else(|| {
            expected(
                "--checkpoint-interval",
                "a duration such as 30s, 5m or 1h",
                &text,
            )
        })?),
        None => None,
    };
    let bad_records = bad_records(arguments, &input)?;
    Ok(LoadArguments {
        lake,
        bad_records,
        input,
        mode,
        schema,
        checkpoint_interval,
        strict: arguments.flag("strict"),
        require_rows: arguments.flag("require-rows"),
        reports: arguments.reports(),
        files: arguments.files(),
    })
}

fn bad_records(arguments: &mut Arguments, input: &Input) -> Result<BadRecordsArguments> {
    let most = arguments.text("max-bad-records")?;
    let file = arguments.path("bad-records");
    match (&most, &file) {
        (None, None) => return Ok(BadRecordsArguments::default()),
        (Some(_), None) => {
            return Err(Error::config(
                "--max-bad-records requires --bad-records FILE, which keeps them",
            ));
        }
        (None, Some(_)) => {
            return Err(Error::config("--bad-records requires --max-bad-records N"));
        }
        (Some(_), Some(_)) if *input == Input::Singer => {
            return Err(Error::config(
                "--max-bad-records cannot be used with --input singer: a message that is lost may be a state",
            ));
        }
        (Some(_), Some(_)) => {}
    }
    let most = most.unwrap_or_default();
    let most = most
        .parse()
        .map_err(|_| expected("--max-bad-records", "a whole number", &most))?;
    Ok(BadRecordsArguments { most, file })
}

fn plan(arguments: &mut Arguments) -> Result<PlanArguments> {
    let lake = arguments.lake()?;
    let target = match (arguments.path("catalog"), arguments.text("table")?) {
        (Some(catalog), None) => PlanTarget::Catalog(catalog),
        (None, Some(table)) => PlanTarget::Table {
            table,
            schema: arguments.required_path("schema")?,
            mode: mode(arguments)?,
        },
        _ => {
            return Err(Error::config(
                "plan requires either --catalog FILE or --table NAME with --schema FILE",
            ));
        }
    };
    let format = if arguments.flag("json") {
        PlanFormat::Json
    } else {
        PlanFormat::Text
    };
    Ok(PlanArguments {
        lake,
        target,
        format,
    })
}

fn mode(arguments: &mut Arguments) -> Result<Mode> {
    match arguments.text("mode")?.as_deref() {
        None | Some("append") => Ok(Mode::Append),
        Some("overwrite") => Ok(Mode::Overwrite),
        Some(other) => Err(expected("--mode", "append or overwrite", other)),
    }
}

fn expected(option: &str, expected: &str, found: &str) -> Error {
    Error::config(format!("{option}: expected {expected}, found {found:?}"))
}

/// Parses `30s`, `5m`, `1h`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}
