//! Reads a stream's JSON schema into columns. It never fails: a property without a single type becomes text, and a note
//! gives the reason.

use serde_json::Value;

use crate::schema::facets::{Facets, Gatherer, Kinds};
use crate::schema::name::{NameKind, distinct};
use crate::schema::note::{Path, PathStep};
use crate::schema::{Field, LONGEST_TYPE, Note, Type, Why, Width};

/// What JSON numbers that may have a fraction become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// `double`.
    Double,
    /// `decimal(38,18)`.
    Decimal,
}

/// What integers of more than 64 bits become, up to 38 digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BigIntegers {
    /// `decimal(38,0)`.
    #[default]
    Decimal,
    /// `string`, the digits.
    String,
    /// `bigint`, and those that it cannot hold are misfits.
    Bigint,
}

impl BigIntegers {
    /// Puts the type into all columns and fields of such integers.
    pub(crate) fn apply(self, fields: &mut [Field]) {
        for field in fields {
            self.apply_to(&mut field.data_type);
        }
    }

    fn apply_to(self, data_type: &mut Type) {
        match (&mut *data_type, self) {
            (Type::Array(element), _) => self.apply_to(element),
            (Type::Struct(fields), _) => self.apply(fields),
            (Type::Decimal { scale: 0, .. }, Self::String) => *data_type = Type::String,
            (Type::Decimal { scale: 0, .. }, Self::Bigint) => {
                *data_type = Type::Integer(Width::SixtyFour);
            }
            _ => {}
        }
    }
}

/// The columns of a stream, in the order of the schema's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) fields: Vec<Field>,
    pub(crate) notes: Vec<Note>,
}

/// Reads any JSON value as a schema; `reserved` are names that no property may take for its column.
pub(crate) fn read(json_schema: &Value, numbers: Numbers, reserved: &[&str]) -> Schema {
    let mut reader = SchemaReader {
        gatherer: Gatherer::new(json_schema),
        numbers,
        path: Path::default(),
        notes: Vec::new(),
    };
    let fields = reader.columns(json_schema, reserved);
    if fields.is_empty() {
        reader.notes.push(Note::NoColumns);
    }
    Schema {
        fields,
        notes: reader.notes,
    }
}

struct SchemaReader<'a> {
    gatherer: Gatherer<'a>,
    numbers: Numbers,
    path: Path<'a>,
    notes: Vec<Note>,
}

impl<'a> SchemaReader<'a> {
    fn columns(&mut self, root: &'a Value, reserved: &[&str]) -> Vec<Field> {
        let Some((facets, alternatives)) = self.root(root) else {
            return Vec::new();
        };
        let keys: Vec<&str> = facets.properties.iter().map(|(key, _)| *key).collect();
        let names = distinct(&keys, NameKind::Column, reserved);
        let mut fields = Vec::with_capacity(names.len());
        for ((key, schemas), name) in facets.properties.into_iter().zip(names) {
            self.gatherer.begin_column();
            self.path.push(PathStep::Name(key.into()));
            let inside = self.notes.len();
            let mut data_type = if alternatives {
                self.common(&schemas)
            } else {
                self.resolve(&schemas)
            };
            if let Ok(nested @ (Type::Struct(_) | Type::Array(_))) = &data_type
                && nested.to_string().len() > LONGEST_TYPE
            {
                data_type = Err(Why::TooLong);
            }
            let data_type = data_type.unwrap_or_else(|why| {
                self.notes.truncate(inside);
                self.text(&schemas, why)
            });
            self.path.pop();
            fields.push(Field {
                key: key.to_string(),
                name,
                data_type,
            });
        }
        fields
    }

    /// The facets of the record, and whether those of one property are alternatives: a table has one set of
    /// columns, so what any branch of a choice at the root declares is a column.
    fn root(&mut self, root: &'a Value) -> Option<(Facets<'a>, bool)> {
        let facets = self.gatherer.enter(&[root]).ok()?;
        if facets.choices.is_empty() {
            return Some((facets, false));
        }
        self.gatherer.leave();
        let branches = facets.choices.into_iter().flatten();
        let schemas: Vec<&Value> = std::iter::once(root).chain(branches).collect();
        Some((self.gatherer.enter(&schemas).ok()?, true))
    }

    /// The type of the values that all of these schemas describe.
    fn resolve(&mut self, schemas: &[&'a Value]) -> Result<Type, Why> {
        let data_type = self
            .gatherer
            .enter(schemas)
            .and_then(|facets| self.conclude(facets));
        self.gatherer.leave();
        data_type
    }

    fn conclude(&mut self, mut facets: Facets<'a>) -> Result<Type, Why> {
        let Some(kinds) = facets.kinds() else {
            return match (facets.choices.pop(), facets.no_target) {
                (Some(branches), _) => self.common(&branches),
                (None, Some(reference)) => Err(Why::NoTarget(reference.to_string())),
                (None, None) => Err(Why::NoType),
            };
        };
        match kinds.without_null() {
            Kinds::NONE => Err(Why::NoValue),
            Kinds::BOOLEAN => Ok(Type::Boolean),
            Kinds::INTEGER => Ok(integer(facets.airbyte_type)),
            Kinds::NUMBER => Ok(match facets.airbyte_type {
                Some("integer" | "big_integer") => integer(facets.airbyte_type),
                _ => self.number(),
            }),
            Kinds::STRING => Ok(self.string(&facets)),
            Kinds::ARRAY => self.array(facets),
            Kinds::OBJECT => self.object(facets),
            Kinds::UNKNOWN => Err(Why::UnknownType(
                facets.unknown_type.unwrap_or_default().to_string(),
            )),
            _ => Err(Why::SeveralTypes),
        }
    }

    fn string(&self, facets: &Facets) -> Type {
        match facets.airbyte_type {
            Some("timestamp_with_timezone" | "timestamp_without_timezone") => Type::Timestamp,
            Some("time_with_timezone" | "time_without_timezone" | "binary_data") => Type::String,
            Some("integer" | "big_integer") => integer(facets.airbyte_type),
            Some("number" | "float" | "big_number") => self.number(),
            _ => match facets.format {
                Some("date-time") => Type::Timestamp,
                Some("date") => Type::Date,
                _ => Type::String,
            },
        }
    }

    fn number(&self) -> Type {
        match self.numbers {
            Numbers::Double => Type::Double,
            Numbers::Decimal => Type::Decimal {
                precision: 38,
                scale: 18,
            },
        }
    }

    fn array(&mut self, mut facets: Facets<'a>) -> Result<Type, Why> {
        if facets.items.is_empty() {
            return match facets.choices.pop() {
                Some(branches) => self.common(&branches).and_then(|common| match common {
                    Type::Array(_) => Ok(common),
                    _ => Err(Why::SeveralTypes),
                }),
                None => Err(Why::Items(Box::new(Why::NoType))),
            };
        }
        self.path.push(PathStep::Items);
        let element = self.common(&facets.items);
        self.path.pop();
        match element {
            Ok(element) => Ok(Type::Array(Box::new(element))),
            Err(why) => Err(Why::Items(Box::new(why))),
        }
    }

    fn object(&mut self, mut facets: Facets<'a>) -> Result<Type, Why> {
        if facets.open {
            return Err(Why::OpenProperties);
        }
        if facets.properties.is_empty() {
            return match facets.choices.pop() {
                Some(branches) => self.common(&branches).and_then(|common| match common {
                    Type::Struct(_) => Ok(common),
                    _ => Err(Why::SeveralTypes),
                }),
                None => Err(Why::NoProperties),
            };
        }
        for branch in facets.choices.iter().flatten() {
            let branch = self.gatherer.enter(&[branch]);
            self.gatherer.leave();
            if !branch?
                .properties
                .iter()
                .all(|(key, _)| facets.declares(key))
            {
                return Err(Why::SeveralTypes);
            }
        }
        let keys: Vec<&str> = facets.properties.iter().map(|(key, _)| *key).collect();
        let names = distinct(&keys, NameKind::Field, &[]);
        let mut fields = Vec::with_capacity(names.len());
        for ((key, schemas), name) in facets.properties.into_iter().zip(names) {
            self.path.push(PathStep::Name(key.into()));
            let data_type = match self.resolve(&schemas) {
                Err(why) if !why.spoils_the_column() => Ok(self.text(&schemas, why)),
                other => other,
            };
            self.path.pop();
            fields.push(Field {
                key: key.to_string(),
                name,
                data_type: data_type?,
            });
        }
        Ok(Type::Struct(fields))
    }

    /// The one type of several alternatives: the same for all, or numbers where some are integers.
    fn common(&mut self, branches: &[&'a Value]) -> Result<Type, Why> {
        let number = self.number();
        let is_number = |data_type: &Type| {
            *data_type == Type::Integer(Width::SixtyFour) || *data_type == number
        };
        let before = self.notes.len();
        let mut common: Option<Type> = None;
        for branch in branches {
            let before_branch = self.notes.len();
            let data_type = match self.resolve(&[branch]) {
                Ok(data_type) => data_type,
                Err(why) => {
                    self.notes.truncate(before);
                    return Err(if branches.len() == 1 || why.spoils_the_column() {
                        why
                    } else {
                        Why::SeveralTypes
                    });
                }
            };
            common = Some(match common {
                None => data_type,
                Some(first) => {
                    self.notes.truncate(before_branch); // The notes of the first branch are the same.
                    if first == data_type {
                        data_type
                    } else if is_number(&first) && is_number(&data_type) {
                        number.clone()
                    } else {
                        self.notes.truncate(before);
                        return Err(Why::SeveralTypes);
                    }
                }
            });
        }
        common.ok_or(Why::NoType)
    }

    /// The type of what has no type of its own, by whether these schemas allow strings beside objects or arrays.
    fn text(&mut self, schemas: &[&'a Value], why: Why) -> Type {
        let path = self.path.to_string();
        self.notes.push(Note::Text { path, why });
        let kinds = self.gatherer.kinds(schemas);
        let is_nested = kinds.has(Kinds::OBJECT) || kinds.has(Kinds::ARRAY);
        if is_nested && !kinds.has(Kinds::STRING) && !kinds.has(Kinds::UNKNOWN) {
            Type::Json
        } else {
            Type::String
        }
    }
}

fn integer(airbyte_type: Option<&str>) -> Type {
    match airbyte_type {
        Some("big_integer") => Type::Decimal {
            precision: 38,
            scale: 0,
        },
        _ => Type::Integer(Width::SixtyFour),
    }
}
