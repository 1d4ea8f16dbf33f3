//! The columns of a new generation, which no row of the old one is read under.

use std::collections::HashSet;

use crate::schema::evolve::{Terms, reconcile};
use crate::schema::name::{self, NameKind};
use crate::schema::{Column, Rules, Source, Type, matching};

/// The columns under which a new generation is written: those of the stream, with its types, since no row of the old ones
/// stays, and the names that their properties have in the table, in the table's order. Columns that the stream does not
/// have stay, so that views on them keep working.
pub(crate) fn replace(table: &[Column], stream: &[Column], rules: Rules) -> Vec<Column> {
    let mut columns = reconcile(table, stream, Terms::declared(rules)).columns;
    let found = matching::columns(table, stream);
    for ((column, old), index) in columns.iter_mut().zip(table).zip(found) {
        if let Some(index) = index {
            let new = &stream[index].field.data_type;
            let is_recorded = old.source != Source::Unrecorded;
            column.field.data_type = renamed(&old.field.data_type, new, is_recorded);
        }
    }
    columns
}

/// The same for a table that the Python connector made: a type that holds the stream's values stays, as the queries on the
/// table expect it.
pub(crate) fn replace_and_keep(table: &[Column], stream: &[Column], rules: Rules) -> Vec<Column> {
    let mut columns = replace(table, stream, rules);
    let kept = reconcile(table, stream, Terms::declared(rules)).columns;
    for (column, kept) in columns.iter_mut().zip(kept) {
        if fits(&kept.field.data_type, &column.field.data_type, rules) {
            column.field.data_type = kept.field.data_type;
        }
    }
    columns
}

/// Whether a column of the type takes nearly all values of the stream's type: the digits of some numbers may be too many.
fn fits(kept: &Type, stream: &Type, rules: Rules) -> bool {
    match (kept, stream) {
        (Type::Array(kept), Type::Array(stream)) => fits(kept, stream, rules),
        (Type::Struct(kept), Type::Struct(stream)) => stream.iter().all(|field| {
            let found = kept.iter().find(|other| other.key == field.key);
            found.is_some_and(|found| fits(&found.data_type, &field.data_type, rules))
        }),
        (Type::Decimal { .. }, Type::Decimal { .. } | Type::Double) => true,
        _ => rules.holds(kept, stream),
    }
}

/// The stream's type, whose fields keep the names that their properties have in the table's type.
fn renamed(table: &Type, stream: &Type, is_recorded: bool) -> Type {
    match (table, stream) {
        (Type::Array(old), Type::Array(new)) => {
            Type::Array(Box::new(renamed(old, new, is_recorded)))
        }
        (Type::Struct(old), Type::Struct(new)) => {
            let mut fields = new.clone();
            let mut is_matched = vec![false; new.len()];
            let mut taken = HashSet::new();
            for (old, index) in old.iter().zip(matching::fields(old, new, is_recorded)) {
                if let Some(index) = index {
                    let data_type = renamed(&old.data_type, &new[index].data_type, is_recorded);
                    fields[index].data_type = data_type;
                    fields[index].name.clone_from(&old.name);
                    is_matched[index] = true;
                    taken.insert(old.name.to_ascii_lowercase());
                }
            }
            let others = fields.iter_mut().zip(is_matched);
            for field in others.filter_map(|(field, found)| (!found).then_some(field)) {
                let is_taken = |name: &str| taken.contains(name);
                field.name = name::free(&field.name, &field.key, NameKind::Field, is_taken);
                taken.insert(field.name.clone());
            }
            Type::Struct(fields)
        }
        _ => stream.clone(),
    }
}
