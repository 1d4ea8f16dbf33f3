//! The command line: what was asked for, checked for form alone. `help.txt` is its outline.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

pub(crate) const HELP: &str = include_str!("help.txt");

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Help,
    Version,
    Spec,
    Check(Lake),
    Write { lake: Lake, catalog: PathBuf },
}

/// The lake that a command works on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lake {
    /// The configuration's file; it may be left out where the lake is local.
    pub(crate) config: Option<PathBuf>,
    pub(crate) local: Option<PathBuf>,
}

/// Reads the arguments (without the program's name); the error is one line for the user.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    read(Parser::from_args(arguments)).map_err(|error| format!("{error}; try --help"))
}

fn read(mut parser: Parser) -> Result<Request, lexopt::Error> {
    let mut command: Option<String> = None;
    let (mut config, mut catalog, mut local) = (None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Long("config") => config = Some(PathBuf::from(parser.value()?)),
            Arg::Long("catalog") => catalog = Some(PathBuf::from(parser.value()?)),
            Arg::Long("local") => local = Some(PathBuf::from(parser.value()?)),
            Arg::Value(value) if command.is_none() => command = Some(value.string()?),
            _ => return Err(argument.unexpected()),
        }
    }
    let missing =
        |option: &str, command: &str| lexopt::Error::from(format!("{command} needs {option} FILE"));
    let lake =
        |command: &str, config: Option<PathBuf>, local: Option<PathBuf>| match (config, local) {
            (None, None) => Err(missing("--config", command)),
            (config, local) => Ok(Lake { config, local }),
        };
    match command.as_deref() {
        Some("spec") => Ok(Request::Spec),
        Some("check") => Ok(Request::Check(lake("check", config, local)?)),
        Some("write") => {
            let lake = lake("write", config, local)?;
            let catalog = catalog.ok_or_else(|| missing("--catalog", "write"))?;
            Ok(Request::Write { lake, catalog })
        }
        Some(other) => {
            Err(format!("there is no command {other:?}; there are spec, check and write").into())
        }
        None => Err("a command is missing: spec, check or write".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn commands_with_their_files() {
        let lake = Lake {
            config: Some("c.json".into()),
            local: None,
        };
        assert_eq!(parsed("check --config c.json"), Ok(Request::Check(lake)));
        let lake = Lake {
            config: Some("c.json".into()),
            local: Some("lake".into()),
        };
        let write = Request::Write {
            lake,
            catalog: "k.json".into(),
        };
        assert_eq!(
            parsed("write --catalog=k.json --config c.json --local lake"),
            Ok(write)
        );
        assert_eq!(parsed("spec"), Ok(Request::Spec));
        assert_eq!(parsed("write --help"), Ok(Request::Help));
    }

    #[test]
    fn wrong_usage_names_itself_and_the_way_out() {
        for (line, part) in [
            ("", "a command is missing"),
            ("sync", "no command \"sync\""),
            ("check", "check needs --config FILE"),
            ("write --config c", "write needs --catalog FILE"),
            ("check --config", "--config"),
            ("check --colour", "--colour"),
            ("spec more", "more"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(
                error.contains(part) && error.ends_with("; try --help"),
                "{line}: {error}"
            );
        }
    }

    #[test]
    fn help_fits_one_screen() {
        assert!(HELP.lines().count() <= 45);
        assert!(HELP.lines().all(|line| line.len() <= 80));
    }
}
