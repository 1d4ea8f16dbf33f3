//! The settings of a table, judged by the rules: what forbids to write to it, and what a new generation is published
//! without.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::file::Format;
use crate::table::hive::rules::{Rule, Treatment};
use crate::table::hive::serde::Serde;

/// What a run wants of a table that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To add rows.
    Append,
    /// To publish a new generation in place of the rows.
    Replace,
}

/// A setting that forbids to write to the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forbidding {
    /// The setting, and why.
    pub(super) what: String,
    /// Whether the table could be replaced.
    pub(super) is_replaceable: bool,
}

/// Where a setting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is a field of the definition.
    Definition,
    /// It is a parameter of the table, or of its storage.
    Table,
    /// It is a parameter of the SerDe.
    Serde,
}

/// The longest part of a value that is shown, in characters.
const LONGEST_SHOWN: usize = 80;

/// A setting of a table.
struct Setting {
    place: Place,
    key: String,
    value: String,
}

/// The objects of parameters.
const PARAMETERS: [(&str, Place); 3] = [
    ("/Parameters", Place::Table),
    ("/StorageDescriptor/Parameters", Place::Table),
    ("/StorageDescriptor/SerdeInfo/Parameters", Place::Serde),
];

/// The fields of the definition that rules are about.
const FIELDS: [&str; 12] = [
    "TableType",
    "TargetTable",
    "ViewOriginalText",
    "ViewExpandedText",
    "StorageDescriptor.InputFormat",
    "StorageDescriptor.SerdeInfo.SerializationLibrary",
    "StorageDescriptor.AdditionalLocations",
    "StorageDescriptor.BucketColumns",
    "StorageDescriptor.SortColumns",
    "StorageDescriptor.SkewedInfo",
    "StorageDescriptor.StoredAsSubDirectories",
    "StorageDescriptor.SchemaReference",
];

/// The setting that forbids the purpose, if one does.
pub(super) fn forbidding(input: &Map<String, Value>, purpose: Purpose) -> Option<Forbidding> {
    let forbidding = settings(input).into_iter().filter_map(|setting| {
        let (treatment, reason) = judge(&setting);
        let is_replaceable = treatment != Treatment::Refuse;
        let forbids = match purpose {
            Purpose::Append => matches!(treatment, Treatment::Refuse | Treatment::RefuseToAppend),
            Purpose::Replace => !is_replaceable,
        };
        let what = format!("{}: {reason}", name(&setting));
        forbids.then_some(Forbidding {
            what,
            is_replaceable,
        })
    });
    // What forbids everything is the better advice.
    forbidding.min_by_key(|forbidding| forbidding.is_replaceable)
}

/// The names of the settings that a new generation of the format is published without.
pub(super) fn dropped(input: &Map<String, Value>, format: Format) -> Vec<String> {
    let serde = SerdeFate::of(input, format);
    let mut names: Vec<String> = settings(input)
        .into_iter()
        .filter(|setting| is_dropped(setting, serde))
        .map(|setting| setting.key)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Removes those settings. Where the SerDe is another one from now on, the caller replaces it with its parameters.
pub(super) fn drop(input: &mut Map<String, Value>, format: Format) {
    let serde = SerdeFate::of(input, format);
    let settings = settings(input);
    for setting in settings.iter().filter(|setting| is_dropped(setting, serde)) {
        let storage = input.get_mut("StorageDescriptor");
        match setting.place {
            Place::Table => {
                let of_storage = storage.and_then(|storage| storage.get_mut("Parameters"));
                remove(of_storage, &setting.key);
                remove(input.get_mut("Parameters"), &setting.key);
            }
            Place::Serde => {
                let serde = storage.and_then(|storage| storage.get_mut("SerdeInfo"));
                remove(
                    serde.and_then(|serde| serde.get_mut("Parameters")),
                    &setting.key,
                );
            }
            Place::Definition => {
                if let Some(field) = setting.key.strip_prefix("StorageDescriptor.") {
                    remove(storage, field);
                }
            }
        }
    }
}

/// What becomes of the SerDe of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SerdeFate {
    /// It reads the new rows too, with the parameters that hold for them.
    Kept,
    /// Another one takes its place.
    Replaced,
}

impl SerdeFate {
    pub(super) fn of(input: &Map<String, Value>, format: Format) -> Self {
        let serde = input
            .get("StorageDescriptor")
            .and_then(|storage| storage.get("SerdeInfo"));
        let library = serde.and_then(|serde| serde.get("SerializationLibrary"));
        if library.is_some_and(|library| library == Serde::of_format(format).library) {
            Self::Kept
        } else {
            Self::Replaced
        }
    }
}

fn remove(object: Option<&mut Value>, key: &str) {
    if let Some(object) = object.and_then(Value::as_object_mut) {
        // In their order, which others may compare.
        object.shift_remove(key);
    }
}

fn is_dropped(setting: &Setting, serde: SerdeFate) -> bool {
    match judge(setting).0 {
        Treatment::Drop | Treatment::RefuseToAppend => true,
        Treatment::Keep => {
            serde == SerdeFate::Replaced
                && setting.place == Place::Serde
                && setting.key != "serialization.format"
        }
        Treatment::Refuse => false,
    }
}

fn judge(setting: &Setting) -> (Treatment, &'static str) {
    match (Rule::of(&setting.key, &setting.value), setting.place) {
        (Some(rule), _) => (rule.treatment, rule.reason),
        (None, Place::Serde) => (
            Treatment::RefuseToAppend,
            "it is not known what readers make of it",
        ),
        (None, Place::Definition | Place::Table) => (Treatment::Keep, ""),
    }
}

/// The setting in a sentence. Others may keep secrets in parameters of their own: only values of known keys are shown.
fn name(setting: &Setting) -> String {
    let Setting { place, key, value } = setting;
    let place = match place {
        Place::Definition => "",
        Place::Table => "the parameter ",
        Place::Serde => "the SerDe parameter ",
    };
    let shown = match Rule::of(key, value) {
        Some(_) if !value.is_empty() => {
            let value: String = value.chars().take(LONGEST_SHOWN).collect();
            format!(" = {value:?}")
        }
        _ => String::new(),
    };
    format!("{place}{}{shown}", key.escape_debug())
}

fn settings(input: &Map<String, Value>) -> Vec<Setting> {
    let input = Value::Object(input.clone());
    let fields = FIELDS.iter().filter_map(|key| {
        let value = input.pointer(&format!("/{}", key.replace('.', "/")))?;
        is_set(value).then(|| Setting {
            place: Place::Definition,
            key: (*key).to_owned(),
            value: value.as_str().unwrap_or_default().to_owned(),
        })
    });
    let mut all: Vec<Setting> = fields.collect();
    for (pointer, place) in PARAMETERS {
        let parameters = input.pointer(pointer).and_then(Value::as_object);
        for (key, value) in parameters.into_iter().flatten() {
            all.push(Setting {
                place,
                key: key.clone(),
                value: value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            });
        }
    }
    all
}

/// Whether a field says something: engines write empty ones too, and lists of nothing in them.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_on) => *is_on,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => list.iter().any(is_set),
        Value::Object(members) => members.values().any(is_set),
    }
}
