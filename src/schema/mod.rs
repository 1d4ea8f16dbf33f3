//! Columns and their types: read from a JSON schema, from and to the catalog's type strings, and their names.
//! It knows no bytes of records and no AWS.

pub(crate) mod column;
pub(crate) mod evolve;
mod facets;
pub(crate) mod hive;
pub(crate) mod infer;
mod matching;
pub(crate) mod name;
pub(crate) mod note;
pub(crate) mod policy;
mod read;
pub(crate) mod readable;
pub(crate) mod replace;
mod rules;
#[cfg(test)]
mod tests;
mod variants;

pub(crate) use column::{Column, Source};
pub(crate) use note::{Note, Why};
pub(crate) use policy::{ColumnPolicy, Forbidden, Forbidding, Limits, OnTypeChange, SchemaChanges};
pub(crate) use read::{BigIntegers, Numbers, read};
pub(crate) use rules::Rules;

/// The options of columns: which types values get, and which columns there are beyond those of a stream.
#[derive(Clone, Debug)]
pub(crate) struct ColumnOptions {
    /// The type of the columns for JSON numbers: double or decimal(38,18).
    pub(crate) numbers: Numbers,
    /// The type of the columns for integers of more than 64 bits.
    pub(crate) big_integers: BigIntegers,
    /// The column for misfits; none switches it off.
    pub(crate) rescued: Option<String>,
    /// Whether Airbyte's own columns are added.
    pub(crate) metadata: bool,
    /// How the columns of tables may change.
    pub(crate) policy: ColumnPolicy,
}

/// The type of a column, a struct field or an array element, in the catalog's (Hive's) words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Boolean,
    /// `tinyint`, `smallint`, `int` (only in tables that others made) and `bigint`.
    Integer(Width),
    /// `float`: only in tables that others made.
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    /// An instant, written in UTC without a zone.
    Timestamp,
    /// Text. A string is itself, and any other value is its JSON text.
    String,
    /// The JSON text of any value, strings included: what the schema declares are objects or arrays without a type, and
    /// no strings. To the catalog it is a `string`.
    Json,
    /// `varchar(n)` and `char(n)`: text of at most so many characters, only in tables that others made.
    Bounded {
        length: u16,
        padding: Padding,
    },
    Array(Box<Type>),
    Struct(Vec<Field>),
    /// `map<string,…>`: only in tables that others made.
    Map(Box<Type>),
    /// A type that we never make and cannot write (`binary`, `uniontype<…>`…), as the table spells it.
    Foreign(String),
}

/// The longest type string that the catalog takes (`Column.Type` of the Glue API).
pub(crate) const LONGEST_TYPE: usize = 131_072;

/// How deep types may nest, both read from a schema and parsed from the catalog; bounds the recursion.
pub(crate) const DEEPEST_TYPE: usize = 256;

/// How many bits an integer type has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    Eight,
    Sixteen,
    ThirtyTwo,
    SixtyFour,
}

/// What readers make of the spaces at the end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// They are part of it (`varchar`).
    None,
    /// They fill it up, and mean nothing (`char`).
    Spaces,
}

/// A column of a table, or a field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The property of the record that it is filled from.
    pub(crate) key: String,
    /// Its name in the catalog, and the key in the rows.
    pub(crate) name: String,
    pub(crate) data_type: Type,
}

impl Field {
    /// How many fields it is, with those inside of structs.
    pub(crate) fn count(&self) -> usize {
        let mut data_type = &self.data_type;
        while let Type::Array(element) | Type::Map(element) = data_type {
            data_type = element;
        }
        match data_type {
            Type::Struct(fields) => 1 + fields.iter().map(Self::count).sum::<usize>(),
            _ => 1,
        }
    }
}
