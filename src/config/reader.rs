//! A reader of a JSON object's members that notes every mistake with its path, what was expected and what was found.
//! A found value is described by its type alone: any of them may be a secret.

use std::cell::RefCell;

use serde_json::{Map, Value};

use crate::config::variable;

/// The mistakes of one configuration, in the order of reading.
pub(super) struct Mistakes {
    list: RefCell<Vec<String>>,
    /// Whether the settings are those of a file, in which paths are looked up.
    is_in_file: bool,
}

impl Mistakes {
    pub(super) fn new(is_in_file: bool) -> Self {
        Self {
            list: RefCell::default(),
            is_in_file,
        }
    }

    pub(super) fn note(&self, mistake: String) {
        self.list.borrow_mut().push(mistake);
    }

    pub(super) fn into_inner(self) -> Vec<String> {
        self.list.into_inner()
    }
}

/// What sets a key where there is no file.
fn way(key: &str) -> String {
    let variable = variable(key);
    match key {
        "region" => "--region, or AWS_REGION".to_owned(),
        "bucket_name" => format!("s3://BUCKET/PREFIX, or {variable}"),
        "lakeformation_database_name" => format!("--database, or {variable}"),
        "endpoint_url" => format!("--endpoint-url, or {variable}"),
        "partition_by" => format!("--partition-by, or {variable}"),
        _ => format!("--set {key}, or {variable}"),
    }
}

/// A reader of one object of the configuration.
pub(super) struct ObjectReader<'a> {
    pub(super) members: &'a Map<String, Value>,
    path: String,
    mistakes: &'a Mistakes,
}

impl<'a> ObjectReader<'a> {
    pub(super) fn new(members: &'a Map<String, Value>, path: &str, mistakes: &'a Mistakes) -> Self {
        Self {
            members,
            path: path.to_owned(),
            mistakes,
        }
    }

    pub(super) fn path(&self, key: &str) -> String {
        if !self.mistakes.is_in_file && self.path == "$" {
            return way(key);
        }
        format!("{}.{key}", self.path)
    }

    /// Notes that `key` holds something else than what is expected.
    pub(super) fn expected(&self, key: &str, expected: &str) {
        let found = self.members.get(key).map_or("nothing", type_of);
        self.mistakes.note(format!(
            "{}: expected {expected}, found {found}",
            self.path(key)
        ));
    }

    /// Notes that the value at `key`, which may be shown, is not what is expected.
    pub(super) fn unexpected(&self, key: &str, expected: &str, found: &str) {
        self.mistakes.note(format!(
            "{}: expected {expected}, found {found:?}",
            self.path(key)
        ));
    }

    /// The member, unless it is absent or null.
    pub(super) fn present(&self, key: &str) -> Option<&'a Value> {
        self.members.get(key).filter(|value| !value.is_null())
    }

    /// A text. An empty one counts as absent: Airbyte's form stores that for an optional field left blank.
    pub(super) fn text(&self, key: &str, expected: &str) -> Option<&'a str> {
        if let Value::String(text) = self.present(key)? {
            Some(text.trim()).filter(|text| !text.is_empty())
        } else {
            self.expected(key, expected);
            None
        }
    }

    pub(super) fn required_text(&self, key: &str, expected: &str) -> Option<&'a str> {
        let text = self.text(key, expected);
        if text.is_none() && self.present(key).is_none_or(Value::is_string) {
            match self.present(key) {
                Some(_) => self.mistakes.note(format!(
                    "{}: expected {expected}, found an empty string",
                    self.path(key)
                )),
                None => self.expected(key, expected),
            }
        }
        text
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        if let Value::Bool(value) = self.present(key)? {
            Some(*value)
        } else {
            self.expected(key, "true or false");
            None
        }
    }

    /// A number within the bounds, both included.
    pub(super) fn number(&self, key: &str, least: f64, most: f64) -> Option<f64> {
        let number = self.present(key)?;
        match number.as_f64() {
            Some(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let found = if number.is_number() {
                    number.to_string()
                } else {
                    type_of(number).to_owned()
                };
                let path = self.path(key);
                self.mistakes.note(format!(
                    "{path}: expected a number from {least} to {most}, found {found}"
                ));
                None
            }
        }
    }

    /// The value of one of these words, whose case does not matter.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<String> = choices
            .iter()
            .map(|(word, _)| format!("{word:?}"))
            .collect();
        let expected = format!("one of {}", words.join(", "));
        let text = self.text(key, &expected)?;
        let choice = choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text));
        if choice.is_none() {
            self.unexpected(key, &expected, text);
        }
        choice.map(|(_, value)| *value)
    }

    pub(super) fn object(&self, key: &str, expected: &str) -> Option<ObjectReader<'a>> {
        if let Value::Object(members) = self.present(key)? {
            let path = format!("{}.{key}", self.path);
            Some(ObjectReader::new(members, &path, self.mistakes))
        } else {
            self.expected(key, expected);
            None
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
