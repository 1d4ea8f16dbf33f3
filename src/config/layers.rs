//! The layers of the configuration, joined: flags take precedence over the environment, and that over the file.

use serde_json::{Map, Value};

use crate::config::settings::{KEYS, Syntax};
use crate::config::{Config, variable};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::text;

/// The layers that settings come from.
#[derive(Default)]
pub(crate) struct Layers<'a> {
    /// The configuration file's text.
    pub(crate) file: Option<&'a [u8]>,
    /// `DATALAKE_` and a key in upper case; the region also from the variables of AWS's tools.
    pub(crate) environment: Environment,
    /// Keys, or paths of keys joined by dots, and their values.
    pub(crate) flags: &'a [(String, String)],
}

impl Layers<'_> {
    pub(super) fn join(&self) -> Result<Map<String, Value>> {
        let mut members = match self.file {
            Some(text) => object(text)?,
            None => Map::new(),
        };
        for (key, syntax) in KEYS {
            let name = variable(key);
            if let Some(text) = self.environment.get(&name) {
                members.insert(key.to_owned(), value(text, syntax));
            }
        }
        for (path, text) in self.flags {
            refuse_secret(path, text)?;
            set(&mut members, path, text)?;
        }
        if !members.contains_key("region") {
            let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
                .into_iter()
                .find_map(|name| self.environment.get(name));
            members.extend(region.map(|region| ("region".to_owned(), region.into())));
        }
        Ok(members)
    }

    /// A warning where AWS has no such region as far as this version knows, unless another endpoint is named, whose
    /// regions are its own.
    pub(super) fn unknown_region(&self, config: &Config) -> Option<String> {
        let aws = &config.aws.as_ref()?.aws;
        let region = aws.region.as_str();
        let has_endpoint = aws.endpoints.url.is_some()
            || self.environment.names("AWS_ENDPOINT_URL").next().is_some();
        let regions = || REGIONS.split_ascii_whitespace();
        if has_endpoint || regions().any(|known| known == region) {
            return None;
        }
        let meant = text::nearest(region, regions())
            .map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"));
        Some(format!(
            "AWS has no region {region:?} as far as this version knows: if there is none, no connection can be made{meant}"
        ))
    }
}

/// AWS's regions (2026-11); a newer one works too, with a warning.
const REGIONS: &str = "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 \
    ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 \
    ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 \
    eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 \
    us-gov-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 us-west-1 us-west-2";

/// The settings whose values are secrets.
const SECRETS: [&str; 2] = ["aws_secret_access_key", "aws_session_token"];

/// Refuses a secret among the arguments, which every user of the machine can list.
fn refuse_secret(path: &str, text: &str) -> Result<()> {
    let named = |key: &str| SECRETS.into_iter().find(|secret| *secret == key);
    let secret = match path.split_once('.') {
        Some((_, inner)) => named(inner),
        None => serde_json::from_str::<Map<String, Value>>(text)
            .ok()
            .and_then(|members| members.keys().find_map(|key| named(key)))
            .or_else(|| named(path)),
    };
    let has_password = path == "endpoint_url" && text.contains('@');
    let (secret, instead) = match secret {
        Some("aws_session_token") => ("aws_session_token", "AWS_SESSION_TOKEN"),
        Some(secret) => (secret, "AWS_SECRET_ACCESS_KEY"),
        None if has_password => ("endpoint_url with a password", "DATALAKE_ENDPOINT_URL"),
        None => return Ok(()),
    };
    Err(Error::config(format!(
        "--set {path}: expected no secret among the arguments, which every user of this machine can list, found {secret}"
    ))
    .hint(format!(
        "set the environment variable {instead}, or write it into a file that only you can read and pass --config FILE; replace the secret that was shown"
    )))
}

fn object(text: &[u8]) -> Result<Map<String, Value>> {
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        // The parser's own text never quotes the input for syntax errors, which are all that can happen here.
        Error::config(format!("the configuration is not valid JSON: {error}"))
    })?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Error::config(
            "the configuration must be a JSON object, as {\"region\": …, \"bucket_name\": …}",
        )),
    }
}

/// The value of a text; one that is not JSON stays text, so that the setting's own check reports what was expected.
fn value(text: &str, syntax: Syntax) -> Value {
    match syntax {
        Syntax::Text => text.into(),
        Syntax::Json => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

fn set(members: &mut Map<String, Value>, path: &str, text: &str) -> Result<()> {
    let (key, inner) = match path.split_once('.') {
        Some((key, inner)) => (key, Some(inner)),
        None => (path, None),
    };
    let syntax = KEYS.iter().find(|(known, _)| *known == key);
    let unknown = || {
        let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        let error = Error::config(format!(
            "unknown setting {path:?}; expected one of {}",
            known.join(", ")
        ));
        match text::nearest(key, known) {
            Some(meant) if meant != key => error.hint(format!("did you mean {meant}?")),
            _ => error,
        }
    };
    let Some((_, syntax)) = syntax else {
        return Err(unknown());
    };
    let Some(inner) = inner else {
        members.insert(key.to_owned(), value(text, *syntax));
        return Ok(());
    };
    if *syntax == Syntax::Text {
        return Err(unknown());
    }
    let object = members.entry(key).or_insert_with(|| Map::new().into());
    match object.as_object_mut() {
        Some(object) => {
            object.insert(inner.to_owned(), text.into());
            Ok(())
        }
        None => Err(unknown()),
    }
}
