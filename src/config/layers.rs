//! The layers of the configuration, joined: flags take precedence over the environment, and that over the file.

use serde_json::{Map, Value};

use crate::config::settings::{KEYS, Syntax};
use crate::environment::Environment;
use crate::error::{Error, Result};

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
            let name = format!("DATALAKE_{}", key.to_ascii_uppercase());
            if let Some(text) = self.environment.get(&name) {
                members.insert(key.to_owned(), value(text, syntax));
            }
        }
        for (path, text) in self.flags {
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
        Error::config(format!(
            "unknown setting {path:?}; expected one of {}",
            known.join(", ")
        ))
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
