//! The parsed arguments, by name; a command takes those that it supports.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::cli::LakeArguments;
use crate::error::{Error, Result};
use crate::feedback::ReportFiles;
use crate::text;

/// Options that take a value.
const VALUES: [&str; 19] = [
    "bad-records",
    "catalog",
    "checkpoint-interval",
    "color",
    "config",
    "database",
    "endpoint-url",
    "input",
    "local",
    "log-format",
    "max-bad-records",
    "metrics",
    "mode",
    "partition-by",
    "region",
    "role-arn",
    "schema",
    "summary",
    "table",
];

/// Options that take no value.
const FLAGS: [&str; 9] = [
    "caller",
    "help",
    "json",
    "quiet",
    "require-rows",
    "strict",
    "terraform",
    "verbose",
    "version",
];

/// Options that set a key of the configuration.
const SETTINGS: [(&str, &str); 4] = [
    ("region", "region"),
    ("database", "lakeformation_database_name"),
    ("endpoint-url", "endpoint_url"),
    ("partition-by", "partition_by"),
];

/// The arguments that no command has taken yet.
#[derive(Default)]
pub(super) struct Arguments {
    /// Empty if there is none.
    pub(super) command: String,
    values: BTreeMap<&'static str, OsString>,
    flags: BTreeSet<&'static str>,
    /// `--set KEY=VALUE`.
    set: Vec<(String, String)>,
    operands: Vec<OsString>,
}

impl Arguments {
    /// Reads the arguments; `command` is known even if a later one is wrong.
    pub(super) fn read(
        arguments: impl IntoIterator<Item = OsString>,
        command: &mut String,
    ) -> Result<Self> {
        let mut parser = Parser::from_args(arguments);
        let mut read = Self::default();
        let mut has_command = false;
        while let Some(argument) = parser.next().map_err(wrong)? {
            let long = match &argument {
                Arg::Short('h') => Some("help"),
                Arg::Short('V') => Some("version"),
                Arg::Short('q') => Some("quiet"),
                Arg::Short('v') => Some("verbose"),
                Arg::Long(name) => Some(*name),
                _ => None,
            };
            let known =
                |names: &[&'static str]| names.iter().copied().find(|name| long == Some(name));
            if let Some(flag) = known(&FLAGS) {
                read.flags.insert(flag);
            } else if let Some(name) = known(&VALUES) {
                let value = parser.value().map_err(wrong)?;
                if read.values.insert(name, value).is_some() {
                    return Err(Error::config(format!(
                        "--{name}: expected once, found twice"
                    )));
                }
            } else if long == Some("set") {
                let text = parser.value().and_then(ValueExt::string).map_err(wrong)?;
                let (key, value) = text
                    .split_once('=')
                    .ok_or_else(|| Error::config("--set: expected KEY=VALUE, found no `=`"))?;
                read.set.push((key.to_owned(), value.to_owned()));
            } else if let Some(name) = long {
                return Err(unknown_option(name));
            } else {
                match argument {
                    Arg::Value(value) if !has_command => {
                        *command = value.string().map_err(wrong)?;
                        has_command = true;
                    }
                    Arg::Value(value) => read.operands.push(value),
                    _ => return Err(wrong(argument.unexpected())),
                }
            }
        }
        read.command.clone_from(command);
        Ok(read)
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.flags.remove(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        let Some(value) = self.values.remove(name) else {
            return Ok(None);
        };
        let text = value
            .into_string()
            .map_err(|_| Error::config(format!("--{name}: expected UTF-8 text")))?;
        if text.is_empty() {
            return Err(Error::config(format!(
                "--{name}: expected a value, found an empty string"
            )));
        }
        Ok(Some(text))
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.values.remove(name).map(PathBuf::from)
    }

    pub(super) fn required_path(&mut self, name: &str) -> Result<PathBuf> {
        self.path(name)
            .ok_or_else(|| Error::config(format!("{} requires --{name} FILE", self.command)))
    }

    pub(super) fn reports(&mut self) -> ReportFiles {
        ReportFiles {
            summary: self.path("summary"),
            metrics: self.path("metrics"),
        }
    }

    /// The lake's options, which take precedence over the environment and the configuration file.
    pub(super) fn lake(&mut self) -> Result<LakeArguments> {
        let mut settings = Vec::new();
        if let Some(location) = self.location()? {
            let (bucket, prefix) = location.split_once('/').unwrap_or((&location, ""));
            if bucket.is_empty() {
                return Err(Error::config(
                    "expected s3://BUCKET/PREFIX, found no bucket name",
                ));
            }
            settings.push(("bucket_name".to_owned(), bucket.to_owned()));
            settings.push(("bucket_prefix".to_owned(), prefix.to_owned()));
        }
        if let Some(arn) = self.text("role-arn")? {
            settings.push((
                "credentials.credentials_title".to_owned(),
                "IAM Role".into(),
            ));
            settings.push(("credentials.role_arn".to_owned(), arn));
        }
        for (option, key) in SETTINGS {
            if let Some(value) = self.text(option)? {
                settings.push((key.to_owned(), value));
            }
        }
        settings.append(&mut self.set);
        Ok(LakeArguments {
            config: self.path("config"),
            local: self.path("local"),
            settings,
        })
    }

    /// The lake of a command that a platform calls, which requires a configuration.
    pub(super) fn stored_lake(&mut self) -> Result<LakeArguments> {
        let lake = self.lake()?;
        let is_configured =
            lake.config.is_some() || lake.local.is_some() || !lake.settings.is_empty();
        if is_configured {
            Ok(lake)
        } else {
            Err(Error::config(format!(
                "{} requires --config FILE",
                self.command
            )))
        }
    }

    /// The operand that begins with `s3://`, without that prefix.
    fn location(&mut self) -> Result<Option<String>> {
        let mut locations = Vec::new();
        self.operands.retain(|operand| {
            let location = operand.to_str().and_then(|text| text.strip_prefix("s3://"));
            locations.extend(location.map(str::to_owned));
            location.is_none()
        });
        if locations.len() > 1 {
            return Err(Error::config("expected one s3://BUCKET/PREFIX, found more"));
        }
        Ok(locations.pop())
    }

    /// The next operand.
    pub(super) fn operand(&mut self) -> Option<String> {
        if self.operands.is_empty() {
            return None;
        }
        Some(self.operands.remove(0).to_string_lossy().into_owned())
    }

    pub(super) fn files(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.operands)
            .into_iter()
            .map(PathBuf::from)
            .collect()
    }

    /// Fails if an argument is left that the command did not take.
    pub(super) fn refuse_leftovers(&self) -> Result<()> {
        let option = self.values.keys().next().or(self.flags.first());
        if let Some(option) = option {
            return Err(Error::config(format!(
                "unexpected option --{option} for {}",
                self.command
            )));
        }
        if !self.set.is_empty() {
            return Err(Error::config(format!(
                "unexpected option --set for {}",
                self.command
            )));
        }
        match self.operands.first() {
            Some(operand) => Err(Error::config(format!(
                "unexpected argument {:?} for {}",
                operand.display(),
                self.command
            ))),
            None => Ok(()),
        }
    }
}

/// An error of the parser.
#[allow(clippy::needless_pass_by_value)] // as `map_err` hands it over
fn wrong(error: lexopt::Error) -> Error {
    Error::config(error.to_string())
}

fn unknown_option(name: &str) -> Error {
    let error = Error::config(format!("unknown option --{name}"));
    let known = VALUES.into_iter().chain(FLAGS).chain(["set"]);
    match text::nearest(name, known) {
        Some(meant) => error.hint(format!("did you mean --{meant}?")),
        None => error,
    }
}
