//! The parsed arguments, by name; a command takes those that it supports.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::cli::LakeArguments;
use crate::feedback::ReportFiles;

/// Options that take a value.
const VALUES: [&str; 17] = [
    "bad-records",
    "catalog",
    "checkpoint-interval",
    "config",
    "database",
    "endpoint-url",
    "input",
    "local",
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
const FLAGS: [&str; 7] = [
    "caller",
    "help",
    "json",
    "require-rows",
    "strict",
    "terraform",
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
    pub(super) fn read(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, lexopt::Error> {
        let mut parser = Parser::from_args(arguments);
        let mut arguments = Self::default();
        let mut has_command = false;
        while let Some(argument) = parser.next()? {
            let flag = match argument {
                Arg::Short('h') => Some("help"),
                Arg::Short('V') => Some("version"),
                Arg::Long(name) => FLAGS.into_iter().find(|flag| *flag == name),
                _ => None,
            };
            if let Some(flag) = flag {
                arguments.flags.insert(flag);
                continue;
            }
            let value = match argument {
                Arg::Long(name) => VALUES.into_iter().find(|value| *value == name),
                _ => None,
            };
            if let Some(name) = value {
                if arguments.values.insert(name, parser.value()?).is_some() {
                    return Err(format!("--{name}: expected once, found twice").into());
                }
                continue;
            }
            match argument {
                Arg::Long("set") => {
                    let text = parser.value()?.string()?;
                    let (key, value) = text
                        .split_once('=')
                        .ok_or("--set: expected KEY=VALUE, found no `=`")?;
                    arguments.set.push((key.to_owned(), value.to_owned()));
                }
                Arg::Value(value) if !has_command => {
                    arguments.command = value.string()?;
                    has_command = true;
                }
                Arg::Value(value) => arguments.operands.push(value),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(arguments)
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.flags.remove(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.values.remove(name) else {
            return Ok(None);
        };
        let text = value
            .into_string()
            .map_err(|_| format!("--{name}: expected UTF-8 text"))?;
        if text.is_empty() {
            return Err(format!("--{name}: expected a value, found an empty string"));
        }
        Ok(Some(text))
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.values.remove(name).map(PathBuf::from)
    }

    pub(super) fn required_path(&mut self, name: &str) -> Result<PathBuf, String> {
        self.path(name)
            .ok_or_else(|| format!("{} requires --{name} FILE", self.command))
    }

    pub(super) fn reports(&mut self) -> ReportFiles {
        ReportFiles {
            summary: self.path("summary"),
            metrics: self.path("metrics"),
        }
    }

    /// The lake's options, which take precedence over the environment and the configuration file.
    pub(super) fn lake(&mut self) -> Result<LakeArguments, String> {
        let mut settings = Vec::new();
        if let Some(location) = self.location()? {
            let (bucket, prefix) = location.split_once('/').unwrap_or((&location, ""));
            if bucket.is_empty() {
                return Err("expected s3://BUCKET/PREFIX, found no bucket name".to_owned());
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
    pub(super) fn stored_lake(&mut self) -> Result<LakeArguments, String> {
        let lake = self.lake()?;
        let is_configured =
            lake.config.is_some() || lake.local.is_some() || !lake.settings.is_empty();
        if is_configured {
            Ok(lake)
        } else {
            Err(format!("{} requires --config FILE", self.command))
        }
    }

    /// The operand that begins with `s3://`, without that prefix.
    fn location(&mut self) -> Result<Option<String>, String> {
        let mut locations = Vec::new();
        self.operands.retain(|operand| {
            let location = operand.to_str().and_then(|text| text.strip_prefix("s3://"));
            locations.extend(location.map(str::to_owned));
            location.is_none()
        });
        if locations.len() > 1 {
            return Err("expected one s3://BUCKET/PREFIX, found more".to_owned());
        }
        Ok(locations.pop())
    }

    pub(super) fn files(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.operands)
            .into_iter()
            .map(PathBuf::from)
            .collect()
    }

    /// Fails if an argument is left that the command did not take.
    pub(super) fn refuse_leftovers(&self) -> Result<(), String> {
        let option = self.values.keys().next().or(self.flags.first());
        if let Some(option) = option {
            return Err(format!("unexpected option --{option} for {}", self.command));
        }
        if !self.set.is_empty() {
            return Err(format!("unexpected option --set for {}", self.command));
        }
        match self.operands.first() {
            Some(operand) => Err(format!(
                "unexpected argument {:?} for {}",
                operand.display(),
                self.command
            )),
            None => Ok(()),
        }
    }
}
