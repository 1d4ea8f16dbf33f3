//! The shared `config` and `credentials` files: reads them and looks values up, whatever the keys mean.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use std::collections::BTreeMap;
use std::io::ErrorKind;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interrupt;

/// The profiles of both files, and the chosen one.
pub(super) struct Files {
    config_path: String,
    credentials_path: String,
    config: Profiles,
    credentials: Profiles,
    profile: String,
}

/// Names, keys and values of one file's profiles.
type Profiles = BTreeMap<String, BTreeMap<String, String>>;

/// The file to look a value up in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Credentials,
    Config,
    /// Either; the credentials file is asked first.
    Both,
}

impl Files {
    /// Reads both files. An absent file counts as empty; one that cannot be read is an error.
    pub(super) fn read(environment: &Environment) -> Result<Self> {
        let path = |variable: &str, name: &str| {
            let path = environment.get(variable).map(str::to_owned);
            path.unwrap_or_else(|| format!("~/.aws/{name}"))
        };
        let config_path = path("AWS_CONFIG_FILE", "config");
        let credentials_path = path("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let chosen = environment
            .get("AWS_PROFILE")
            .or_else(|| environment.get("AWS_DEFAULT_PROFILE"));
        let files = Self {
            config: load(&config_path, environment, profile_of_config)?,
            credentials: load(&credentials_path, environment, |section| {
                // In `credentials` every section is a profile.
                Some(section.to_owned())
            })?,
            config_path,
            credentials_path,
            profile: chosen.unwrap_or("default").to_owned(),
        };
        if chosen.is_some() && !files.has(&files.profile) {
            return Err(Error::config(format!(
                "AWS_PROFILE: expected a profile of {} or {}, found {:?}, which is in neither",
                files.credentials_path, files.config_path, files.profile
            )));
        }
        Ok(files)
    }

    /// The name of the chosen profile: the environment's, or `default`.
    pub(super) fn profile(&self) -> &str {
        &self.profile
    }

    pub(super) fn config_path(&self) -> &str {
        &self.config_path
    }

    pub(super) fn credentials_path(&self) -> &str {
        &self.credentials_path
    }

    pub(super) fn has(&self, profile: &str) -> bool {
        self.credentials.contains_key(profile) || self.config.contains_key(profile)
    }

    pub(super) fn value(&self, from: From, profile: &str, key: &str) -> Option<&str> {
        let of = |profiles| lookup(profiles, profile, key);
        match from {
            From::Credentials => of(&self.credentials),
            From::Config => of(&self.config),
            From::Both => of(&self.credentials).or_else(|| of(&self.config)),
        }
    }
}

fn lookup<'a>(profiles: &'a Profiles, profile: &str, key: &str) -> Option<&'a str> {
    let value = profiles.get(profile)?.get(key)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

fn load(
    path: &str,
    environment: &Environment,
    name_of: fn(&str) -> Option<String>,
) -> Result<Profiles> {
    let file = match path.strip_prefix("~/") {
        None => path.to_owned(),
        Some(rest) => match environment.get("HOME") {
            Some(home) => format!("{home}/{rest}"),
            None => return Ok(Profiles::new()),
        },
    };
    match interrupt::read_text(&file) {
        Ok(text) => parse(&text, path, name_of),
        // A part of the path that is not a folder, as a container's `/dev/null` for a home, counts as absence too.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Profiles::new())
        }
        Err(error) => Err(Error::config(format!("reading {path}")).because(error)),
    }
}

/// Parses sections of keys; indented lines belong to the key above them (settings of single services) and are skipped.
fn parse(text: &str, path: &str, name_of: fn(&str) -> Option<String>) -> Result<Profiles> {
    let mut profiles = Profiles::new();
    let mut section: Option<Option<String>> = None;
    for (line, number) in text.lines().zip(1..) {
        let wrong = |what: &str| {
            Error::config(format!(
                "{path}, line {number}: expected {what}, found something else"
            ))
        };
        let is_comment = line.starts_with(['#', ';']);
        if line.trim().is_empty() || is_comment || line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, _) = rest.split_once(']').ok_or_else(|| wrong("[section]"))?;
            let name = name_of(name.trim());
            if let Some(name) = &name {
                profiles.entry(name.clone()).or_default();
            }
            section = Some(name);
            continue;
        }
        let (key, value) = line
            .split_once(['=', ':'])
            .ok_or_else(|| wrong("key = value"))?;
        let section = section
            .as_ref()
            .ok_or_else(|| wrong("a [section] before the first key"))?;
        if let Some(name) = section {
            let profile = profiles.entry(name.clone()).or_default();
            profile.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Ok(profiles)
}

/// The profile's name in a section of `config`: `[default]`, `[profile name]`, `[profile "na me"]`.
fn profile_of_config(section: &str) -> Option<String> {
    if section == "default" {
        return Some(section.to_owned());
    }
    let name = section.strip_prefix("profile")?;
    let name = name.strip_prefix([' ', '\t'])?.trim();
    Some(name.trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Profiles> {
        parse(text, "~/.aws/config", profile_of_config)
    }

    #[test]
    fn only_sections_of_profiles_are_profiles() {
        let profiles = config(
            "# top\n[default]\nREGION = eu-central-1\n; also a comment\n[profile a b]\nrole_arn= arn:aws:iam::1:role/x \ns3 =\n  addressing_style = path\n[profile \"q\"]\nkey: v=1\n[sso-session s]\nx = y\n",
        )
        .unwrap();
        let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
        assert_eq!(names, ["a b", "default", "q"]);
        assert_eq!(profiles["default"]["region"], "eu-central-1");
        assert_eq!(profiles["a b"]["role_arn"], "arn:aws:iam::1:role/x");
        assert_eq!(profiles["a b"]["s3"], "");
        assert_eq!(profiles["q"]["key"], "v=1");
    }

    #[test]
    fn a_broken_file_names_its_line_and_not_its_text() {
        let of = |text| config(text).unwrap_err().to_string();
        assert_eq!(
            of("[default]\nhunter2\n"),
            "~/.aws/config, line 2: expected key = value, found something else"
        );
        assert_eq!(
            of("a = b\n"),
            "~/.aws/config, line 1: expected a [section] before the first key, found something else"
        );
        assert_eq!(
            of("[default\n"),
            "~/.aws/config, line 1: expected [section], found something else"
        );
    }
}
