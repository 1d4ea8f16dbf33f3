//! Laws of reconciliation: a table only grows, and a property keeps its column.

use std::collections::HashSet;

use crate::schema::Rules;
use crate::schema::evolve::{Terms, reconcile};
use crate::schema::readable::reads;
use crate::schema::replace::replace;
use crate::schema::tests::laws::{RESERVED, catalog, document, for_seeds};
use crate::schema::tests::{from_properties, unrecorded};
use crate::schema::{Column, Field, Numbers, Source, Type, column, read};

#[test]
fn a_table_only_grows_and_a_property_keeps_its_column() {
    for_seeds(1_500, |rng| {
        let table = match rng.u8(..3) {
            0 => Vec::new(),
            _ => unrecorded(&catalog(rng)),
        };
        let first = with_program(&read(&document(rng), Numbers::Double, &RESERVED).fields);
        let second = with_program(&read(&document(rng), Numbers::Decimal, &RESERVED).fields);
        let once = check_reconciled(&table, &first);
        let twice = check_reconciled(&once, &second);
        check_reconciled(&twice, &first);
        check_replaced(&twice, &first);
    });
}

/// Found by the law above: `id_3843971d` is the name that the property `ID` gets where `id` is taken, and to engines it is
/// a name like any other.
#[test]
fn a_name_with_a_suffix_is_not_taken_for_the_property_of_another_field() {
    let field = |key: &str, name: &str| Field {
        key: key.to_owned(),
        name: name.to_owned(),
        data_type: Type::String,
    };
    let column = |fields: Vec<Field>| Field {
        data_type: Type::Struct(fields),
        ..field("s", "s")
    };
    let written = unrecorded(&[column(vec![field("ID", "ID")])]);
    let grown = column(vec![field("id", "ID"), field("ID", "id_3843971d")]);
    assert!(reads(
        &from_properties(&[grown]),
        &written,
        Rules::JsonSerde
    ));
}

/// The stream's columns, and one that the program adds.
fn with_program(fields: &[Field]) -> Vec<Column> {
    let added = Field {
        key: RESERVED[0].to_owned(),
        name: RESERVED[0].to_owned(),
        data_type: Type::String,
    };
    let mut columns = from_properties(fields);
    columns.push(Column::new(added, Source::Program));
    columns
}

/// Reconciles, holds the result to the laws, and returns the table's new columns.
#[track_caller]
fn check_reconciled(table: &[Column], stream: &[Column]) -> Vec<Column> {
    let declared = |table: &[Column], stream: &[Column]| {
        reconcile(table, stream, Terms::declared(Rules::JsonSerde))
    };
    let reconciled = declared(table, stream);
    let after = &reconciled.columns;
    check_grown(&column::fields(table), &column::fields(after));
    let (before_names, after_names) = (in_the_catalog(table), in_the_catalog(after));
    assert_eq!(reconciled.changed, before_names != after_names);
    assert!(
        reads(after, table, Rules::JsonSerde),
        "{table:?}\n under {after:?}"
    );

    let names: HashSet<String> = after
        .iter()
        .map(|c| c.field.name.to_ascii_lowercase())
        .collect();
    assert_eq!(names.len(), after.len());
    let keys: HashSet<&str> = after.iter().map(|c| c.field.key.as_str()).collect();
    assert!(
        stream
            .iter()
            .all(|column| keys.contains(column.field.key.as_str()))
    );
    for old in table.iter().filter(|old| old.source == Source::Property) {
        let new = after
            .iter()
            .find(|new| new.field.name == old.field.name)
            .unwrap();
        assert_eq!(new.field.key, old.field.key, "a column keeps its property");
        check_keys_kept(&old.field.data_type, &new.field.data_type);
    }

    let again = declared(after, stream);
    assert_eq!(&again.columns, after);
    assert!(!again.changed, "{:?}", again.notes);
    let itself = declared(after, after);
    assert_eq!(&itself.columns, after);
    assert!(
        !itself.changed && itself.notes.is_empty(),
        "{:?}",
        itself.notes
    );
    reconciled.columns
}

/// A new generation has the stream's types, and each property the name that it had.
#[track_caller]
fn check_replaced(table: &[Column], stream: &[Column]) {
    let replaced = replace(table, stream, Rules::JsonSerde);
    for (old, new) in table.iter().zip(&replaced) {
        assert_eq!(old.field.name, new.field.name);
    }
    for wanted in stream {
        let is_it =
            |new: &&Column| new.source == wanted.source && new.field.key == wanted.field.key;
        let found = replaced
            .iter()
            .find(is_it)
            .expect("each column of the stream is there");
        assert_eq!(
            without_names(&found.field.data_type),
            without_names(&wanted.field.data_type)
        );
    }
}

/// The type with the properties in place of the names.
fn without_names(data_type: &Type) -> Type {
    match data_type {
        Type::Array(element) => Type::Array(Box::new(without_names(element))),
        Type::Struct(fields) => Type::Struct(
            fields
                .iter()
                .map(|field| Field {
                    key: field.key.clone(),
                    name: field.key.clone(),
                    data_type: without_names(&field.data_type),
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Each field that stays has its property still.
#[track_caller]
fn check_keys_kept(old: &Type, new: &Type) {
    match (old, new) {
        (Type::Array(old), Type::Array(new)) => check_keys_kept(old, new),
        (Type::Struct(old), Type::Struct(new)) => {
            for (old, new) in old.iter().zip(new) {
                assert_eq!(old.key, new.key);
                check_keys_kept(&old.data_type, &new.data_type);
            }
        }
        _ => {}
    }
}

/// No field is lost, moved or renamed, at no depth, and no struct or array becomes anything else.
#[track_caller]
fn check_grown(old: &[Field], new: &[Field]) {
    assert!(new.len() >= old.len());
    for (old, new) in old.iter().zip(new) {
        assert_eq!(old.name, new.name);
        check_type_grown(&old.data_type, &new.data_type);
    }
}

#[track_caller]
fn check_type_grown(old: &Type, new: &Type) {
    match (old, new) {
        (Type::Struct(old), Type::Struct(new)) => check_grown(old, new),
        (Type::Array(old), Type::Array(new)) => check_type_grown(old, new),
        (
            Type::Struct(_)
            | Type::Array(_)
            | Type::Map(_)
            | Type::Bounded { .. }
            | Type::Foreign(_),
            _,
        ) => assert_eq!(old, new),
        _ => {}
    }
}

/// Names and types alone.
fn in_the_catalog(columns: &[Column]) -> Vec<(String, String)> {
    let column = |column: &Column| {
        let field = &column.field;
        (field.name.clone(), field.data_type.to_string())
    };
    columns.iter().map(column).collect()
}
