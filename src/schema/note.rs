//! Notes: what the user should know about how a schema became columns. The caller chooses the level at which each is
//! logged.

use std::borrow::Cow;
use std::fmt;

use crate::schema::{Column, Field, Source, Type};

/// A note; `Display` is its log line.
///
/// A path begins with `$`, the record or the table; `[]` stands for every element of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The schema has no properties at all, so the table has no columns of its own.
    NoColumns,
    /// A property has another name in the catalog.
    Renamed { path: String, name: String },
    /// A property is stored as JSON text.
    Text { path: String, why: Why },
    /// A column or struct field is new in the table.
    Added { path: String, data_type: Type },
    /// A column of the table has a wider type than before.
    Widened { path: String, from: Type, to: Type },
    /// A column of a new generation has another type, since no row of the old one stays.
    Retyped { path: String, from: Type, to: Type },
    /// The stream's type differs, and the table's has to stay, since rows were written under it.
    Kept {
        path: String,
        table: Type,
        stream: Type,
    },
    /// The new fields of this column would make its type too long for the catalog.
    Full { path: String },
    /// The table does not get a column or a field, because it may not change.
    Frozen { path: String },
    /// A struct gets no fields for the keys of maps.
    Keys { path: String },
    /// The table, or a struct in it, has the most columns or fields that are made of what records hold.
    Limited {
        path: String,
        limit: usize,
        /// How many more the records have so far.
        left_out: usize,
    },
    /// The stream no longer has what this column is filled from.
    Gone { path: String },
}

/// Why a property has no type but text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The schema gives no type.
    NoType,
    /// No value but null is allowed, or none at all.
    NoValue,
    /// More than one type is allowed.
    SeveralTypes,
    /// A type that JSON Schema does not have.
    UnknownType(String),
    /// An object with no properties.
    NoProperties,
    /// An object that may have properties that the schema does not name.
    OpenProperties,
    /// An array whose items have no single type.
    Items(Box<Why>),
    /// A reference to something that holds the reference.
    Recursive,
    /// A reference to nothing in this schema.
    NoTarget(String),
    /// Nested deeper than types may be.
    TooDeep,
    /// So many fields that the catalog would refuse the type.
    TooLong,
}

impl Why {
    /// Whether the whole column has to be text, because no part of it can be bounded by itself.
    pub(super) fn spoils_the_column(&self) -> bool {
        match self {
            Self::TooLong => true,
            Self::Items(inner) => inner.spoils_the_column(),
            _ => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColumns => f.write_str("the schema declares no properties"),
            Self::Renamed { path, name } => write!(f, "{path} is named {name}"),
            Self::Text { path, why } => write!(f, "{path} is kept as JSON text: {why}"),
            Self::Added { path, data_type } => write!(f, "{path} is new: {}", Short(data_type)),
            Self::Widened { path, from, to } => {
                write!(f, "{path} is widened from {} to {}", Short(from), Short(to))
            }
            Self::Retyped { path, from, to } => {
                let mut texts = [Short(from).to_string(), Short(to).to_string()];
                if texts[0] == texts[1] {
                    texts = [from.to_string(), to.to_string()];
                }
                write!(f, "{path} is {} now, and was {}", texts[1], texts[0])
            }
            Self::Kept {
                path,
                table,
                stream,
            } => write!(
                f,
                "{path} stays {} though the stream has {}: values that do not fit are not written to it",
                Short(table),
                Short(stream)
            ),
            Self::Full { path } => write!(
                f,
                "{path} stays as it is: with the stream's new fields its type would be too long for the catalog"
            ),
            Self::Frozen { path } => write!(
                f,
                "{path} is not added, because schema_changes is freeze: its values are rescued"
            ),
            Self::Keys { path } => write!(
                f,
                "{path} gets no more fields, because its keys look like data: values of further keys are rescued; declare a schema if they are fields"
            ),
            Self::Limited {
                path,
                limit,
                left_out,
            } => {
                let (what, setting) = match path.as_str() {
                    "$" => ("columns", "max_columns"),
                    _ => ("fields", "max_struct_fields"),
                };
                write!(
                    f,
                    "{path} has {limit} {what}, the most that are added without a declared schema: {left_out} more are not, and their values are rescued; raise {setting}, or declare a schema"
                )
            }
            Self::Gone { path } => write!(f, "{path} is no longer in the stream; the column stays"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoType => f.write_str("the schema gives no type"),
            Self::NoValue => f.write_str("the schema allows no value but null"),
            Self::SeveralTypes => f.write_str("the schema allows several types"),
            Self::UnknownType(name) => write!(f, "the type {name:?} is not known"),
            Self::NoProperties => f.write_str("the object declares no properties"),
            Self::OpenProperties => f.write_str("the object allows additional properties"),
            Self::Items(why) => write!(f, "of its items: {why}"),
            Self::Recursive => f.write_str("the schema refers to itself"),
            Self::NoTarget(reference) => {
                write!(f, "the reference {reference:?} leads nowhere in the schema")
            }
            Self::TooDeep => f.write_str("it is nested too deep"),
            Self::TooLong => f.write_str("its type would be too long for the catalog"),
        }
    }
}

/// A type in a log line: the fields of a struct would fill pages.
struct Short<'a>(&'a Type);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Type::Struct(_) => f.write_str("struct"),
            Type::Array(element) => write!(f, "array of {}", Short(element)),
            scalar => write!(f, "{scalar}"),
        }
    }
}

/// A path in a schema or a table; `Display` gives `$.address["first name"][]`.
#[derive(Default)]
pub(super) struct Path<'a>(Vec<PathStep<'a>>);

pub(super) enum PathStep<'a> {
    /// A property, a column or a field of a struct.
    Name(Cow<'a, str>),
    /// The elements of an array.
    Items,
}

impl<'a> Path<'a> {
    pub(super) fn push(&mut self, step: PathStep<'a>) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.0 {
            match step {
                PathStep::Items => f.write_str("[]")?,
                PathStep::Name(name) if is_plain(name) => write!(f, ".{name}")?,
                // Names come from anywhere: quoted, a line break in one cannot break the log line.
                PathStep::Name(name) => write!(f, "[{name:?}]")?,
            }
        }
        Ok(())
    }
}

/// A note for each column and each field whose name is not that of its property.
pub(crate) fn renames<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Vec<Note> {
    let mut notes = Vec::new();
    for column in columns {
        if column.source == Source::Property {
            rename(&column.field, &mut Path::default(), &mut notes);
        }
    }
    notes
}

fn rename<'a>(field: &'a Field, path: &mut Path<'a>, notes: &mut Vec<Note>) {
    path.push(PathStep::Name((&field.key).into()));
    if field.key != field.name {
        notes.push(Note::Renamed {
            path: path.to_string(),
            name: field.name.clone(),
        });
    }
    rename_inside(&field.data_type, path, notes);
    path.pop();
}

fn rename_inside<'a>(data_type: &'a Type, path: &mut Path<'a>, notes: &mut Vec<Note>) {
    match data_type {
        Type::Array(element) | Type::Map(element) => {
            path.push(PathStep::Items);
            rename_inside(element, path, notes);
            path.pop();
        }
        Type::Struct(fields) => {
            for field in fields {
                rename(field, path, notes);
            }
        }
        _ => {}
    }
}

/// The path of the property that a column is filled from.
pub(crate) fn place(key: &str) -> String {
    Path(vec![PathStep::Name(key.into())]).to_string()
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
