//! Reconciling a table's columns with a stream's: which columns are added, which types are widened, and which stay.
//! Pure: it neither reads the catalog nor writes it.

use std::collections::{HashMap, HashSet};

use crate::schema::note::{Path, PathStep};
use crate::schema::{Field, LONGEST_TYPE, Note, Rules, Type};

/// The columns that a table must have before rows of the stream are written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reconciled {
    /// The table's columns in its own order, then the new ones; the keys are those of the stream.
    ///
    /// A column that the stream does not have is filled from the property of its own name, should one appear again. Keys are
    /// distinct: where another column is filled from that property, this one gets a key that no property has.
    pub(crate) fields: Vec<Field>,
    /// Whether the catalog must be updated: names or types differ, not only how they are spelled.
    pub(crate) changed: bool,
    pub(crate) notes: Vec<Note>,
}

/// Whether a stream's schema was declared or inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemaOrigin {
    /// Written by somebody.
    Declared,
    /// From a sample of rows. One odd value must not turn a column of times into text for ever, when rescuing that value
    /// loses nothing: so an inferred schema only widens numbers that the sample showed to be too narrow.
    Inferred,
}

/// Reconciles the table's columns with the stream's.
///
/// No column is lost, none is moved, and a type changes only where every engine can read the JSON rows that were written
/// under the old one. Where they cannot, the table's type stays, and the stream's values that it cannot hold are misfits.
pub(crate) fn reconcile(
    table: &[Field],
    stream: &[Field],
    origin: SchemaOrigin,
    rules: Rules,
) -> Reconciled {
    let mut merger = Merger {
        origin,
        rules,
        change: Growth::Grow,
        changed: false,
        notes: Vec::new(),
        path: Path::default(),
    };
    let fields = merger.columns(table, stream);
    if table.is_empty() {
        // That a new table has new columns is no news.
        merger.notes.clear();
    }
    Reconciled {
        fields,
        changed: merger.changed,
        notes: merger.notes,
    }
}

/// Whether rows that were written under the columns `written` are to every engine what they were meant to be, in a table
/// of these columns.
pub(crate) fn reads(table: &[Field], written: &[Field], rules: Rules) -> bool {
    let both = reconcile(written, table, SchemaOrigin::Declared, rules);
    let again = reconcile(table, &both.fields, SchemaOrigin::Declared, rules);
    let is_short = |note: &Note| matches!(note, Note::Kept { .. } | Note::Full { .. });
    !again.changed && !both.notes.iter().chain(&again.notes).any(is_short)
}

/// What may happen to a type of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// New fields and wider types.
    Grow,
    /// Nothing: only the keys are taken from the stream.
    Nothing,
}

struct Merger<'a> {
    origin: SchemaOrigin,
    rules: Rules,
    change: Growth,
    changed: bool,
    notes: Vec<Note>,
    path: Path<'a>,
}

impl<'a> Merger<'a> {
    fn columns(&mut self, table: &'a [Field], stream: &'a [Field]) -> Vec<Field> {
        // Every writer folds the names of columns, so a column is found by its name alone.
        self.fields(table, stream, &by_name(table, stream), Self::column)
    }

    /// A column's type, which the catalog takes only up to a length.
    fn column(&mut self, table: &'a Type, stream: &'a Type) -> Type {
        let (changed, notes) = (self.changed, self.notes.len());
        let data_type = self.merge(table, stream);
        if self.changed == changed || data_type.to_string().len() <= LONGEST_TYPE {
            return data_type;
        }
        self.changed = changed;
        self.notes.truncate(notes);
        self.note(|path| Note::Full { path });
        self.change = Growth::Nothing;
        let data_type = self.merge(table, stream);
        self.change = Growth::Grow;
        data_type
    }

    /// The fields of the table in their order, each with what `source` gives it of the stream, then the others.
    fn fields(
        &mut self,
        table: &'a [Field],
        stream: &'a [Field],
        source: &[Option<usize>],
        merge: fn(&mut Self, &'a Type, &'a Type) -> Type,
    ) -> Vec<Field> {
        let mut keys: HashSet<String> = stream.iter().map(|field| field.key.clone()).collect();
        let mut fields = Vec::with_capacity(table.len());
        for (old, source) in table.iter().zip(source) {
            self.path.push(PathStep::Name(&old.name));
            let (key, data_type) = if let Some(index) = source {
                let new = &stream[*index];
                (new.key.clone(), merge(self, &old.data_type, &new.data_type))
            } else {
                self.note(|path| Note::Gone { path });
                (free_key(&old.name, &mut keys), old.data_type.clone())
            };
            self.path.pop();
            let name = old.name.clone();
            fields.push(Field {
                key,
                name,
                data_type,
            });
        }
        if self.change == Growth::Nothing {
            return fields;
        }
        let found: HashSet<usize> = source.iter().flatten().copied().collect();
        for (index, new) in stream.iter().enumerate() {
            if !found.contains(&index) {
                self.changed = true;
                self.path.push(PathStep::Name(&new.name));
                let data_type = new.data_type.clone();
                self.note(|path| Note::Added { path, data_type });
                self.path.pop();
                fields.push(new.clone());
            }
        }
        fields
    }

    fn merge(&mut self, table: &'a Type, stream: &'a Type) -> Type {
        match (table, stream) {
            (Type::Struct(old), Type::Struct(new)) => {
                let source = by_name_or_key(old, new);
                Type::Struct(self.fields(old, new, &source, Self::merge))
            }
            (Type::Array(old), Type::Array(new)) => {
                self.path.push(PathStep::Items);
                let element = self.merge(old, new);
                self.path.pop();
                Type::Array(Box::new(element))
            }
            _ if self.change == Growth::Nothing || self.rules.holds(table, stream) => table.clone(),
            _ => {
                let (from, to) = (table.clone(), stream.clone());
                let wider = self.rules.wider(table, stream).filter(|wider| {
                    self.origin == SchemaOrigin::Declared
                        || is_shown_by_values(table, stream, wider)
                });
                if let Some(wider) = wider {
                    self.changed = true;
                    let to = wider.clone();
                    self.note(|path| Note::Widened { path, from, to });
                    wider
                } else {
                    self.note(|path| Note::Kept {
                        path,
                        table: from,
                        stream: to,
                    });
                    table.clone()
                }
            }
        }
    }

    fn note(&mut self, note: impl FnOnce(String) -> Note) {
        self.notes.push(note(self.path.to_string()));
    }
}

/// For each field of the table, the index of the stream's field with the same name, ignoring case.
fn by_name(table: &[Field], stream: &[Field]) -> Vec<Option<usize>> {
    let mut free: HashMap<String, usize> = stream
        .iter()
        .enumerate()
        .map(|(index, field)| (field.name.to_ascii_lowercase(), index))
        .collect();
    table
        .iter()
        .map(|field| free.remove(&field.name.to_ascii_lowercase()))
        .collect()
}

/// As [`by_name`], and where that finds nothing by the property: other writers put the properties of objects into a struct
/// as they are spelled.
fn by_name_or_key(table: &[Field], stream: &[Field]) -> Vec<Option<usize>> {
    let mut source = by_name(table, stream);
    let taken: HashSet<usize> = source.iter().flatten().copied().collect();
    let mut free: HashMap<&str, usize> = stream
        .iter()
        .enumerate()
        .filter(|(index, _)| !taken.contains(index))
        .map(|(index, field)| (field.key.as_str(), index))
        .collect();
    for (source, field) in source.iter_mut().zip(table) {
        if source.is_none() {
            *source = free.remove(field.name.as_str());
        }
    }
    source
}

/// A key for a field that the stream does not fill: its name, or what no property is called.
fn free_key(name: &str, keys: &mut HashSet<String>) -> String {
    let mut key = name.to_string();
    while !keys.insert(key.clone()) {
        key.push('\0');
    }
    key
}

/// Whether values of the stream's type, as a sample has them, show that the table's type is too narrow.
/// A sample has all its integers as the widest, so those show nothing about narrower ones.
fn is_shown_by_values(table: &Type, stream: &Type, wider: &Type) -> bool {
    match (table, stream) {
        (Type::Integer(_) | Type::Decimal { .. }, Type::Integer(_)) => false,
        _ => *wider != Type::String,
    }
}
