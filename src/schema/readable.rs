//! Whether a table reads rows right that were written under other columns than its own.

use crate::schema::evolve::{Terms, reconcile};
use crate::schema::{Column, Note, Rules, Source, Type, column};

/// Whether rows that were written under the columns `written` are to every engine what they were meant to be, in a table
/// of these columns.
pub(crate) fn reads(table: &[Column], written: &[Column], rules: Rules) -> bool {
    // To engines there are names and types alone.
    let (named, named_table) = (column::by_names(written), column::by_names(table));
    let terms = Terms::declared(rules);
    let both = reconcile(&named, &named_table, terms);
    let again = reconcile(&named_table, &both.columns, terms);
    let is_short = |note: &Note| matches!(note, Note::Kept { .. } | Note::Full { .. });
    (!rules.keeps_types() || written.iter().all(|column| has_its_type(table, column)))
        && !again.changed
        && !both.notes.iter().chain(&again.notes).any(is_short)
        && written.iter().all(|column| has_its_name(table, column))
}

/// Whether the table's column has the very type of the written one, but for fields that came since.
fn has_its_type(table: &[Column], written: &Column) -> bool {
    let name = &written.field.name;
    let mut found = table.iter();
    found
        .find(|column| column.field.name.eq_ignore_ascii_case(name))
        .is_some_and(|column| covers(&column.field.data_type, &written.field.data_type))
}

fn covers(table: &Type, written: &Type) -> bool {
    match (table, written) {
        (Type::Array(table), Type::Array(written)) => covers(table, written),
        (Type::Struct(table), Type::Struct(written)) => written.iter().all(|field| {
            let mut found = table.iter();
            found
                .find(|other| other.name.eq_ignore_ascii_case(&field.name))
                .is_some_and(|found| covers(&found.data_type, &field.data_type))
        }),
        _ => table.to_string() == written.to_string(),
    }
}

/// Whether a table has the column's values under the name that they were written under, as far as it is known what fills
/// the two.
fn has_its_name(table: &[Column], written: &Column) -> bool {
    let is_it = |column: &&Column| column.field.name == written.field.name;
    let Some(column) = table.iter().find(is_it) else {
        return false;
    };
    if written.source == Source::Unrecorded || column.source == Source::Unrecorded {
        return true;
    }
    column.source == written.source
        && column.field.key == written.field.key
        && have_their_names(&column.field.data_type, &written.field.data_type)
}

/// The same of the fields of structs, whose properties are known wherever their names differ.
fn have_their_names(table: &Type, written: &Type) -> bool {
    match (table, written) {
        (Type::Array(table), Type::Array(written)) => have_their_names(table, written),
        (Type::Struct(table), Type::Struct(written)) => written.iter().all(|field| {
            let found = table.iter().find(|other| other.name == field.name);
            found.is_some_and(|found| {
                found.key == field.key && have_their_names(&found.data_type, &field.data_type)
            })
        }),
        _ => true,
    }
}
