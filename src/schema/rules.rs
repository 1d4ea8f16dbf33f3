//! The rules of a format: what a column's type may become while the files that were written under it stay readable.

use crate::schema::{Field, Type, Width};

/// The rules of one file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// JSON text, read by the OpenX SerDe and by the engines' own readers of JSON.
    JsonSerde,
    /// Parquet: the types are in the files.
    Parquet,
}

impl Rules {
    /// Whether a column of the table's type holds every value of the stream's type verbatim.
    pub(super) fn holds(self, table: &Type, stream: &Type) -> bool {
        match self {
            // The encoder of rows converts values for either.
            Self::JsonSerde | Self::Parquet => holds_in_json(table, stream),
        }
    }

    /// Whether files hold the types of their columns, so that a table's type must be theirs.
    pub(super) fn keeps_types(self) -> bool {
        self == Self::Parquet
    }

    /// The fields as rows of the format are written under them: nothing is written for a type that it has no place for.
    pub(crate) fn written(self, mut fields: Vec<Field>) -> Vec<Field> {
        if self == Self::Parquet {
            for field in &mut fields {
                forbid_maps(&mut field.data_type);
            }
        }
        fields
    }

    /// Whether a column of the table's type, which others have chosen, takes what fits of the stream's values.
    pub(super) fn takes_some(table: &Type, stream: &Type) -> bool {
        match table {
            Type::Bounded { .. } => true,
            Type::Map(_) => matches!(stream, Type::Struct(_) | Type::Json | Type::Map(_)),
            _ => false,
        }
    }

    /// The type that takes the stream's values and under which rows of the table's type stay readable, if there is one.
    pub(super) fn wider(self, table: &Type, stream: &Type) -> Option<Type> {
        match self {
            Self::JsonSerde => wider_in_json(table, stream),
            // Athena and Spark refuse files whose types are not the table's.
            Self::Parquet => None,
        }
    }
}

/// Values of maps are misfits: Parquet files are written without them.
fn forbid_maps(data_type: &mut Type) {
    match data_type {
        Type::Map(_) => *data_type = Type::Foreign(data_type.to_string()),
        Type::Array(element) => forbid_maps(element),
        Type::Struct(fields) => {
            for field in fields {
                forbid_maps(&mut field.data_type);
            }
        }
        _ => {}
    }
}

fn holds_in_json(table: &Type, stream: &Type) -> bool {
    match (table, stream) {
        (Type::String | Type::Json, _)
        | (Type::Double, Type::Integer(_) | Type::Float | Type::Decimal { .. })
        | (Type::Timestamp, Type::Date) => true,
        (Type::Integer(old), Type::Integer(new)) => old >= new,
        (Type::Decimal { .. }, Type::Decimal { .. } | Type::Integer(_)) => {
            decimal_of_both(table, stream).as_ref() == Some(table)
        }
        _ => table == stream,
    }
}

/// Decided by what a JSON row holds for the old type and what the engines' readers make of that under the new one: a bare
/// integer is a double and a decimal to all of them, and a quoted date or time is the same text. A bare scalar is no text
/// to Arrow, which refuses the file, and a number with a fraction or an exponent is spelled by each engine in its own way
/// (`1.5` for `1.50`); a quoted date is no timestamp to the OpenX SerDe, and an array or an object in a string column
/// breaks the HCatalog SerDe. A decimal is not made a double, which would blur digits that the table has shown so far.
fn wider_in_json(table: &Type, stream: &Type) -> Option<Type> {
    match (table, stream) {
        (Type::Integer(old), Type::Integer(new)) => (new > old).then(|| stream.clone()),
        (Type::Integer(_) | Type::Float, Type::Double) => Some(Type::Double),
        (Type::Integer(_) | Type::Decimal { .. }, Type::Decimal { .. })
        | (Type::Decimal { .. }, Type::Integer(_)) => decimal_of_both(table, stream),
        (Type::Date | Type::Timestamp, Type::String) => Some(Type::String),
        _ => None,
    }
}

/// The smallest decimal that has the digits of both before the point and after it, where 38 digits are enough.
fn decimal_of_both(one: &Type, other: &Type) -> Option<Type> {
    let ((one_whole, one_scale), (other_whole, other_scale)) = (digits(one)?, digits(other)?);
    let scale = one_scale.max(other_scale);
    let precision = one_whole.max(other_whole) + scale;
    (precision <= 38).then_some(Type::Decimal { precision, scale })
}

/// How many digits a type has before the point and after it.
fn digits(data_type: &Type) -> Option<(u8, u8)> {
    Some(match data_type {
        Type::Decimal { precision, scale } => (precision - scale, *scale),
        Type::Integer(Width::Eight) => (3, 0),
        Type::Integer(Width::Sixteen) => (5, 0),
        Type::Integer(Width::ThirtyTwo) => (10, 0),
        Type::Integer(Width::SixtyFour) => (19, 0),
        _ => return None,
    })
}
