//! Columns for the values that the column of their property cannot hold (`on_type_change: new_column`): `price` stays, and
//! beside it stands `price_string`.

use std::collections::HashSet;

use crate::schema::evolve::Merger;
use crate::schema::name::{self, NameKind};
use crate::schema::policy::Room;
use crate::schema::{Column, Field, Source, Type};

impl<'a> Merger<'a> {
    /// Finds or adds the column for values of the stream's type that column `index` cannot hold. Returns the name of a new
    /// one. `columns` begin with those of the table.
    pub(super) fn variant(
        &mut self,
        table: &'a [Column],
        columns: &mut Vec<Column>,
        index: usize,
        stream: &'a Type,
        taken: &HashSet<String>,
        room: &mut Room,
    ) -> Option<String> {
        let base = columns[index].field.clone();
        let is_variant =
            |column: &Column| column.source == Source::Variant && column.field.key == base.key;
        for (place, old) in table.iter().enumerate() {
            if is_variant(old) && self.takes(&old.field.data_type, stream) {
                let merged = self.variant_type(&old.field.name, &old.field.data_type, stream);
                columns[place].field.data_type = merged;
                return None;
            }
        }
        if !room.take() {
            return None;
        }
        let name = name::variant(&base.name, word(stream), &base.key);
        let is_taken = |name: &str| taken.contains(name);
        let name = name::free(&name, &base.key, NameKind::Column, is_taken);
        let field = Field {
            key: base.key,
            name: name.clone(),
            data_type: stream.clone(),
        };
        self.added(&field);
        columns.push(Column::new(field, Source::Variant));
        Some(name)
    }

    /// Whether a column of the type takes values of the stream's type, perhaps with a wider one.
    fn takes(&self, table: &Type, stream: &Type) -> bool {
        match (table, stream) {
            (Type::Struct(_), Type::Struct(_)) => true,
            (Type::Array(table), Type::Array(stream)) => self.takes(table, stream),
            _ => self.terms.rules.holds(table, stream) || self.wider(table, stream).is_some(),
        }
    }
}

/// The type in a name.
fn word(data_type: &Type) -> &'static str {
    match data_type {
        Type::Boolean => "boolean",
        Type::Integer(_) => "bigint",
        Type::Float | Type::Double => "double",
        Type::Decimal { .. } => "decimal",
        Type::Date => "date",
        Type::Timestamp => "timestamp",
        Type::String | Type::Json | Type::Bounded { .. } | Type::Foreign(_) => "string",
        Type::Map(_) => "map",
        Type::Array(_) => "array",
        Type::Struct(_) => "struct",
    }
}
