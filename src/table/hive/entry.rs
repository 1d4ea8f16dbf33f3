//! The columns of a table's definition, and the record in their parameters of what fills them.
//! <https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html>

use serde_json::{Map, Value};

use crate::schema::column::{self, Record};
use crate::schema::{Column, Field, Source, hive};

/// The property that fills a column.
const PROPERTY: &str = "airbyte_property";

/// The records of the fields of the structs in a column.
const FIELDS: &str = "airbyte_fields";

/// `json` where all strings of a column are JSON text.
const TEXT: &str = "airbyte_text";

/// `true` where the column holds those values of the property that another column of it cannot hold.
const VARIANT: &str = "airbyte_variant";

/// `true` where the program itself fills the column.
const ADDED: &str = "airbyte_added";

/// The longest value of a parameter that the catalog takes.
const LONGEST_PARAMETER: usize = 512_000;

/// The longest comment that the catalog takes.
const LONGEST_COMMENT: usize = 255;

/// The columns; those without a record are filled from the property of their own name.
pub(super) fn read(columns: &[&Map<String, Value>]) -> Vec<Column> {
    columns.iter().map(|entry| read_one(entry)).collect()
}

fn read_one(entry: &Map<String, Value>) -> Column {
    let name = text(entry, "Name").to_owned();
    let mut field = Field {
        key: name.clone(),
        name,
        data_type: hive::parse(text(entry, "Type")),
    };
    let parameter = |key: &str| entry.get("Parameters")?.get(key)?.as_str();
    let source = match (parameter(PROPERTY), parameter(ADDED)) {
        (Some(property), _) => {
            property.clone_into(&mut field.key);
            let fields = parameter(FIELDS).and_then(|text| serde_json::from_str(text).ok());
            let record = Record {
                is_json_text: parameter(TEXT) == Some("json"),
                fields: fields.unwrap_or_default(),
            };
            record.restore(&mut field.data_type);
            match parameter(VARIANT) {
                Some("true") => Source::Variant,
                _ => Source::Property,
            }
        }
        (None, Some("true")) => Source::Program,
        (None, _) => Source::Unrecorded,
    };
    Column::new(field, source)
}

/// The entry of a column, given the one that is there. What others set stays: the spelling of a type that says the same, a
/// comment, parameters.
pub(super) fn write(before: Option<&Map<String, Value>>, column: &Column) -> Value {
    let mut entry = before.cloned().unwrap_or_default();
    let field = &column.field;
    if entry.is_empty() {
        entry.insert("Name".to_owned(), field.name.as_str().into());
    }
    let own_comment = before.and_then(|before| comment(&read_one(before)));
    let data_type = field.data_type.to_string();
    if !entry.contains_key("Type") || hive::parse(text(&entry, "Type")) != hive::parse(&data_type) {
        entry.insert("Type".to_owned(), data_type.into());
    }
    let has_own_comment = match text(&entry, "Comment") {
        "" => true,
        found => Some(found) == own_comment.as_deref(),
    };
    if has_own_comment && let Some(comment) = comment(column) {
        entry.insert("Comment".to_owned(), comment.into());
    }
    record(&mut entry, column);
    Value::Object(entry)
}

/// Puts the record of a column into its parameters.
fn record(entry: &mut Map<String, Value>, column: &Column) {
    let mut record = Map::new();
    match column.source {
        Source::Property | Source::Variant => {
            record.insert(PROPERTY.to_owned(), column.field.key.as_str().into());
            let of_type = Record::of(&column.field.data_type);
            if of_type.is_json_text {
                record.insert(TEXT.to_owned(), "json".into());
            }
            if !of_type.fields.is_empty() {
                let fields = Value::Object(of_type.fields).to_string();
                record.insert(FIELDS.to_owned(), fields.into());
            }
            if column.source == Source::Variant {
                record.insert(VARIANT.to_owned(), "true".into());
            }
        }
        Source::Program => {
            record.insert(ADDED.to_owned(), "true".into());
        }
        Source::Unrecorded => return,
    }
    let is_long = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.len() > LONGEST_PARAMETER)
    };
    if record.values().any(is_long) {
        // Half a record would say what is not so; without one the name decides, which has a digest of so long a property.
        record.clear();
    }
    let parameters = entry
        .entry("Parameters")
        .or_insert_with(|| Value::Object(Map::new()));
    if !parameters.is_object() {
        *parameters = Value::Object(Map::new());
    }
    if let Value::Object(parameters) = parameters {
        for key in [PROPERTY, FIELDS, TEXT, VARIANT, ADDED] {
            parameters.remove(key);
        }
        parameters.append(&mut record);
    }
}

/// The comment of a column whose name, or that of a field in it, is not that of its property: the property as it is
/// spelled, then the fields as `name: property`. It is one line, cut to what the catalog takes.
fn comment(column: &Column) -> Option<String> {
    let Column { field, source } = column;
    if !matches!(source, Source::Property | Source::Variant) {
        return None;
    }
    let own = (field.key != field.name).then(|| field.key.clone());
    let fields = column::renamed_fields(&field.data_type);
    let fields = fields
        .iter()
        .map(|(name, property)| format!("{name}: {property}"));
    let parts: Vec<String> = own.into_iter().chain(fields).collect();
    if parts.is_empty() {
        return None;
    }
    let mut comment = parts.join(", ");
    comment.retain(|character| !character.is_control());
    if comment.len() > LONGEST_COMMENT {
        let end = (0..=LONGEST_COMMENT - '…'.len_utf8())
            .rev()
            .find(|at| comment.is_char_boundary(*at));
        comment.truncate(end.unwrap_or_default());
        comment.push('…');
    }
    (!comment.trim().is_empty()).then_some(comment)
}

fn text<'a>(entry: &'a Map<String, Value>, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}
