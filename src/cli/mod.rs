//! The command line: what was asked for, checked for form alone. `help.txt` is its outline.

mod given;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::feedback::Files;

use given::Given;

/// The outline, and what `COMMAND --help` prints.
pub(crate) const HELP: &str = include_str!("../help.txt");
const LOAD: &str = include_str!("load.txt");
const PLAN: &str = include_str!("plan.txt");
const POLICY: &str = include_str!("policy.txt");

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Help(&'static str),
    Version,
    Spec,
    Check(Lake),
    Write(Write),
    Load(Load),
    Plan(Plan),
    Policy(Policy),
}

/// The lake that a command works on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lake {
    /// The configuration's file; it may be left out where flags or the environment say enough.
    pub(crate) config: Option<PathBuf>,
    pub(crate) local: Option<PathBuf>,
    /// Settings from the line: paths of keys in the configuration, and their values.
    pub(crate) settings: Vec<(String, String)>,
}

/// `write`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) lake: Lake,
    pub(crate) catalog: PathBuf,
    pub(crate) reports: Files,
}

/// `load`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) lake: Lake,
    pub(crate) input: Input,
    pub(crate) mode: Mode,
    pub(crate) schema: Option<PathBuf>,
    /// None means stdin.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) checkpoint_interval: Option<Duration>,
    /// Whether rescued values are worth an exit code.
    pub(crate) strict: bool,
    pub(crate) reports: Files,
}

/// What the lines of `load` are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Records of this table.
    Records { table: String },
    /// Singer's messages, which name their streams.
    Singer,
}

/// What becomes of the rows that a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Append,
    Overwrite,
}

/// `plan`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) lake: Lake,
    pub(crate) of: Planned,
    pub(crate) form: PlanForm,
}

/// What is planned for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Planned {
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
pub(crate) enum PlanForm {
    Text,
    Json,
}

/// `policy`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) lake: Lake,
    /// Its streams may have databases of their own.
    pub(crate) catalog: Option<PathBuf>,
    pub(crate) holder: Holder,
    pub(crate) form: PolicyForm,
}

/// Whose policy is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The identity that writes: the role, where the configuration has one.
    Writer,
    /// The identity that assumes the role.
    Caller,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyForm {
    Json,
    Terraform,
}

/// Reads the arguments (without the program's name); the error is one line for the user.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut given = Given::read(arguments).map_err(|error| error.to_string() + "; try --help")?;
    request(&mut given).map_err(|error| match given.command.as_str() {
        "load" | "plan" | "policy" => format!("{error}; try {} --help", given.command),
        _ => format!("{error}; try --help"),
    })
}

fn request(given: &mut Given) -> Result<Request, String> {
    let command = given.command.clone();
    if given.flag("help") {
        return Ok(Request::Help(match command.as_str() {
            "load" => LOAD,
            "plan" => PLAN,
            "policy" => POLICY,
            _ => HELP,
        }));
    }
    if given.flag("version") {
        return Ok(Request::Version);
    }
    let request = match command.as_str() {
        "spec" => Request::Spec,
        "check" => Request::Check(given.stored_lake()?),
        "write" => Request::Write(Write {
            lake: given.stored_lake()?,
            catalog: given.required_path("catalog")?,
            reports: given.reports(),
        }),
        "load" => Request::Load(load(given)?),
        "plan" => Request::Plan(plan(given)?),
        "policy" => Request::Policy(Policy {
            lake: given.lake()?,
            catalog: given.path("catalog"),
            holder: if given.flag("caller") {
                Holder::Caller
            } else {
                Holder::Writer
            },
            form: if given.flag("terraform") {
                PolicyForm::Terraform
            } else {
                PolicyForm::Json
            },
        }),
        "" => {
            return Err(
                "a command is missing: spec, check, write, load, plan or policy".to_owned(),
            );
        }
        other => {
            return Err(format!(
                "there is no command {other:?}; there are spec, check, write, load, plan and policy"
            ));
        }
    };
    given.refuse_the_rest()?;
    Ok(request)
}

fn load(given: &mut Given) -> Result<Load, String> {
    let lake = given.lake()?;
    let table = given.text("table")?;
    let schema = given.path("schema");
    let input = match given.text("input")?.as_deref() {
        None | Some("records") => Input::Records {
            table: table.ok_or("load needs --table NAME")?,
        },
        Some("singer") if table.is_some() => {
            return Err("--input singer takes no --table: its streams have names".to_owned());
        }
        Some("singer") if schema.is_some() => {
            return Err("--input singer takes no --schema: its streams have schemas".to_owned());
        }
        Some("singer") => Input::Singer,
        Some(other) => return Err(expected("--input", "records or singer", other)),
    };
    let mode = mode(given)?;
    let checkpoint_interval =
        match given.text("checkpoint-interval")? {
            Some(_) if mode == Mode::Overwrite => {
                return Err(
                    "--mode overwrite takes no --checkpoint-interval: it shows all rows at the end"
                        .to_owned(),
                );
            }
            Some(text) => Some(span(&text).ok_or_else(|| {
                expected("--checkpoint-interval", "a time as 30s, 5m or 1h", &text)
            })?),
            None => None,
        };
    Ok(Load {
        lake,
        input,
        mode,
        schema,
        checkpoint_interval,
        strict: given.flag("strict"),
        reports: given.reports(),
        files: given.files(),
    })
}

fn plan(given: &mut Given) -> Result<Plan, String> {
    let lake = given.lake()?;
    let of = match (given.path("catalog"), given.text("table")?) {
        (Some(catalog), None) => Planned::Catalog(catalog),
        (None, Some(table)) => Planned::Table {
            table,
            schema: given.required_path("schema")?,
            mode: mode(given)?,
        },
        _ => {
            return Err(
                "plan needs either --catalog FILE or --table NAME with --schema FILE".to_owned(),
            );
        }
    };
    let form = if given.flag("json") {
        PlanForm::Json
    } else {
        PlanForm::Text
    };
    Ok(Plan { lake, of, form })
}

fn mode(given: &mut Given) -> Result<Mode, String> {
    match given.text("mode")?.as_deref() {
        None | Some("append") => Ok(Mode::Append),
        Some("overwrite") => Ok(Mode::Overwrite),
        Some(other) => Err(expected("--mode", "append or overwrite", other)),
    }
}

fn expected(option: &str, expected: &str, found: &str) -> String {
    format!("{option}: expected {expected}, found {found:?}")
}

/// `30s`, `5m`, `1h`.
fn span(text: &str) -> Option<Duration> {
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
