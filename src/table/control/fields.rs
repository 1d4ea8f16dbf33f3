//! The fields of a control object as they are read, by hand: what is derived for flattened structures takes 20 kB.

use serde_json::{Map, Value};

/// The field that is absent or holds another kind of value than it should.
pub(super) type Unexpected = &'static str;

/// A control object, or a part of one, that is made of fields.
pub(super) trait FromFields: Sized {
    /// Reads it; fields that it does not know are ignored.
    fn from_fields(fields: &Map<String, Value>) -> Result<Self, Unexpected>;
}

/// The value of a field; nothing where it is absent or null.
fn value<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

/// A text that may be absent.
pub(super) fn optional_text(
    fields: &Map<String, Value>,
    name: Unexpected,
) -> Result<Option<String>, Unexpected> {
    value(fields, name)
        .map(|value| value.as_str().map(str::to_owned).ok_or(name))
        .transpose()
}

/// A text.
pub(super) fn text(fields: &Map<String, Value>, name: Unexpected) -> Result<String, Unexpected> {
    optional_text(fields, name)?.ok_or(name)
}

/// A whole number that may be absent.
pub(super) fn optional_integer(
    fields: &Map<String, Value>,
    name: Unexpected,
) -> Result<Option<i64>, Unexpected> {
    value(fields, name)
        .map(|value| value.as_i64().ok_or(name))
        .transpose()
}

/// An object that may be absent.
pub(super) fn optional_object(
    fields: &Map<String, Value>,
    name: Unexpected,
) -> Result<Option<&Map<String, Value>>, Unexpected> {
    value(fields, name)
        .map(|value| value.as_object().ok_or(name))
        .transpose()
}

/// A list of texts.
pub(super) fn texts(value: &Value, name: Unexpected) -> Result<Vec<String>, Unexpected> {
    let texts = value.as_array().ok_or(name)?.iter();
    texts
        .map(|text| text.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or(name)
}

/// A list of objects that may be absent.
pub(super) fn objects(
    fields: &Map<String, Value>,
    name: Unexpected,
) -> Result<Vec<Map<String, Value>>, Unexpected> {
    let mut objects = Vec::new();
    if let Some(list) = value(fields, name) {
        for object in list.as_array().ok_or(name)? {
            objects.push(object.as_object().ok_or(name)?.clone());
        }
    }
    Ok(objects)
}
