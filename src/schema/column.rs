//! Columns of a table with what is known of their source, and the record of it that the catalog keeps.

use serde_json::{Map, Value, json};

use crate::schema::{Field, Type};

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) field: Field,
    pub(crate) source: Source,
}

/// What fills a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The property `field.key`, and no other: the catalog has a record of it.
    Property,
    /// The values of the property `field.key` that the column of that property cannot hold.
    Variant,
    /// The program itself.
    Program,
    /// Nobody has recorded it, so that the name decides: the table was made by another tool, or before there were records.
    Unrecorded,
}

impl Column {
    pub(crate) fn new(field: Field, source: Source) -> Self {
        Self { field, source }
    }
}

/// The fields of columns, in their order.
pub(crate) fn fields(columns: &[Column]) -> Vec<Field> {
    columns.iter().map(|column| column.field.clone()).collect()
}

/// The columns as engines see them: nothing is known but types and names, which have no case. Each name stands for a
/// property of its own, so that none is taken for another property's that got a suffix.
pub(crate) fn by_names(columns: &[Column]) -> Vec<Column> {
    let by_name = |column: &Column| Column::new(field_by_name(&column.field), Source::Property);
    columns.iter().map(by_name).collect()
}

fn field_by_name(field: &Field) -> Field {
    Field {
        key: field.name.to_ascii_lowercase(),
        name: field.name.clone(),
        data_type: type_by_names(&field.data_type),
    }
}

fn type_by_names(data_type: &Type) -> Type {
    match data_type {
        Type::Json => Type::String,
        Type::Array(element) => Type::Array(Box::new(type_by_names(element))),
        Type::Map(element) => Type::Map(Box::new(type_by_names(element))),
        Type::Struct(fields) => Type::Struct(fields.iter().map(field_by_name).collect()),
        other => other.clone(),
    }
}

/// What the catalog records of a column or a field beside its name and its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whether its strings are JSON text, also those inside of arrays.
    pub(crate) is_json_text: bool,
    /// For the fields of the structs in it that need one, their names and their records in turn: a property alone, or an
    /// object with `property`, `text` and `fields`.
    pub(crate) fields: Map<String, Value>,
}

impl Record {
    pub(crate) fn of(data_type: &Type) -> Self {
        match data_type {
            Type::Json => Self {
                is_json_text: true,
                fields: Map::new(),
            },
            Type::Array(element) | Type::Map(element) => Self::of(element),
            Type::Struct(fields) => {
                let of_field =
                    |field: &Field| Some((field.name.clone(), Self::of_field(field)?.into_json()));
                Self {
                    is_json_text: false,
                    fields: fields.iter().filter_map(of_field).collect(),
                }
            }
            _ => Self::default(),
        }
    }

    /// The record of a field, with its property where that is not its name; nothing where all follows from the type.
    fn of_field(field: &Field) -> Option<FieldRecord<'_>> {
        let property = (field.key != field.name).then_some(field.key.as_str());
        let record = Self::of(&field.data_type);
        let is_needed = property.is_some() || record != Self::default();
        is_needed.then_some(FieldRecord { property, record })
    }

    /// Puts the recorded properties and kinds of text into a type that was read from the catalog.
    pub(crate) fn restore(&self, data_type: &mut Type) {
        match data_type {
            Type::String if self.is_json_text => *data_type = Type::Json,
            Type::Array(element) | Type::Map(element) => self.restore(element),
            Type::Struct(fields) => {
                for field in fields {
                    if let Some(value) = self.fields.get(&field.name) {
                        restore_field(value, field);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The record of a field of a struct.
struct FieldRecord<'a> {
    property: Option<&'a str>,
    record: Record,
}

impl FieldRecord<'_> {
    fn into_json(self) -> Value {
        if let Some(property) = self.property
            && self.record == Record::default()
        {
            return property.into();
        }
        let mut value = Map::new();
        if let Some(property) = self.property {
            value.insert("property".to_owned(), property.into());
        }
        if self.record.is_json_text {
            value.insert("text".to_owned(), json!("json"));
        }
        if !self.record.fields.is_empty() {
            value.insert("fields".to_owned(), Value::Object(self.record.fields));
        }
        Value::Object(value)
    }
}

/// Takes what is sound of a record; anybody may have edited it.
fn restore_field(value: &Value, field: &mut Field) {
    if let Value::String(property) = value {
        field.key.clone_from(property);
        return;
    }
    let Value::Object(value) = value else {
        return;
    };
    if let Some(property) = value.get("property").and_then(Value::as_str) {
        property.clone_into(&mut field.key);
    }
    let fields = value.get("fields").and_then(Value::as_object);
    let record = Record {
        is_json_text: value.get("text").is_some_and(|text| text == "json"),
        fields: fields.cloned().unwrap_or_default(),
    };
    record.restore(&mut field.data_type);
}

/// The properties of the fields in a type that have another name than their property: the name and the property of each.
pub(crate) fn renamed_fields(data_type: &Type) -> Vec<(&str, &str)> {
    match data_type {
        Type::Array(element) | Type::Map(element) => renamed_fields(element),
        Type::Struct(fields) => fields
            .iter()
            .flat_map(|field| {
                let own = (field.key != field.name).then_some((&*field.name, &*field.key));
                own.into_iter().chain(renamed_fields(&field.data_type))
            })
            .collect(),
        _ => Vec::new(),
    }
}
