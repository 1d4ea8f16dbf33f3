//! Reconciling a table's columns with a stream's: which columns are added, which types are widened, and which stay.
//! Pure: it neither reads the catalog nor writes it.

use std::collections::HashSet;

use crate::schema::infer::map;
use crate::schema::name::{self, NameKind};
use crate::schema::note::{Path, PathStep};
use crate::schema::policy::Room;
use crate::schema::{
    Column, ColumnPolicy, Field, Forbidden, Forbidding, LONGEST_TYPE, Limits, Note, OnTypeChange,
    Rules, SchemaChanges, Source, Type, matching,
};

/// The columns that a table must have before rows of the stream are written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reconciled {
    /// The table's columns in its own order, then the new ones; the keys are those of the stream.
    ///
    /// A column that the stream does not have is filled from the property that is recorded, or else from that of its own
    /// name, should one appear again. Keys are distinct: where another column is filled from that property, this one gets
    /// a key that no property has.
    pub(crate) columns: Vec<Column>,
    /// Whether names or types differ, not only how they are spelled.
    pub(crate) changed: bool,
    pub(crate) notes: Vec<Note>,
    /// The first change that the terms forbid.
    pub(crate) forbidden: Option<Forbidden>,
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

/// The terms on which columns change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) origin: SchemaOrigin,
    pub(crate) rules: Rules,
    /// What is added at most; a declared schema has no limits.
    pub(crate) policy: ColumnPolicy,
}

impl Terms {
    /// Those of a schema that somebody wrote.
    pub(crate) fn declared(rules: Rules) -> Self {
        Self {
            origin: SchemaOrigin::Declared,
            rules,
            policy: ColumnPolicy {
                limits: Limits::NONE,
                ..ColumnPolicy::default()
            },
        }
    }
}

/// Reconciles the table's columns with the stream's.
///
/// No column is lost, none is moved or filled from another property than before, and a type changes only where every
/// engine can read the JSON rows that were written under the old one. Where they cannot, the table's type stays, and the
/// stream's values that it cannot hold are misfits.
pub(crate) fn reconcile(table: &[Column], stream: &[Column], terms: Terms) -> Reconciled {
    let mut merger = Merger {
        terms,
        change: Growth::Grow,
        is_recorded: true,
        changed: false,
        notes: Vec::new(),
        path: Path::default(),
        mismatched: None,
        forbidden: None,
    };
    if table.is_empty() {
        // What was never agreed on does not change.
        merger.terms.policy.schema_changes = SchemaChanges::Extend;
    }
    let columns = merger.columns(table, stream);
    if table.is_empty() {
        // That a new table has new columns is no news.
        merger.notes.clear();
    }
    Reconciled {
        columns,
        changed: merger.changed,
        notes: merger.notes,
        forbidden: merger.forbidden,
    }
}

/// What may happen to a type of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// New fields and wider types.
    Grow,
    /// Nothing: only the keys are taken from the stream.
    Nothing,
}

pub(super) struct Merger<'a> {
    pub(super) terms: Terms,
    change: Growth,
    /// Whether the column that is merged has a record of what fills it.
    is_recorded: bool,
    changed: bool,
    notes: Vec<Note>,
    path: Path<'a>,
    /// The stream's type of the column that is merged, where it is to have a column of its own.
    mismatched: Option<&'a Type>,
    forbidden: Option<Forbidden>,
}

impl<'a> Merger<'a> {
    fn columns(&mut self, table: &'a [Column], stream: &'a [Column]) -> Vec<Column> {
        let found = matching::columns(table, stream);
        let mut keys: HashSet<String> = stream
            .iter()
            .chain(table.iter().filter(|old| old.source == Source::Property))
            .map(|column| column.field.key.clone())
            .collect();
        let mut columns = Vec::with_capacity(table.len());
        let mut mismatched = Vec::new();
        for (old, index) in table.iter().zip(&found) {
            self.path.push(PathStep::Name((&old.field.name).into()));
            columns.push(match index {
                Some(index) => self.merge_column(old, &stream[*index]),
                None => self.gone(old, &mut keys),
            });
            self.path.pop();
            if let Some(data_type) = self.mismatched.take() {
                mismatched.push((columns.len() - 1, data_type));
            }
        }
        let mut taken: HashSet<String> = columns
            .iter()
            .map(|column| column.field.name.to_ascii_lowercase())
            .collect();
        let is_counted = |old: &&Column| old.source != Source::Program;
        let now = table.iter().filter(is_counted).count();
        let mut room = Room::new(self.terms.policy.limits.columns, now);
        for (_, new) in unmatched(&found, stream) {
            let is_ours = new.source == Source::Program;
            let is_admitted = is_ours || self.admits(&new.field) && room.take();
            if !is_admitted {
                continue;
            }
            let is_taken = |name: &str| taken.contains(name);
            let mut column = new.clone();
            let name = &mut column.field.name;
            if !is_ours {
                *name = name::free(name, &new.field.key, NameKind::Column, is_taken);
            } else if is_taken(name) {
                // The caller refuses it: a property has that column.
                continue;
            }
            taken.insert(name.clone());
            self.added(&column.field);
            columns.push(column);
        }
        for (index, data_type) in mismatched {
            let added = self.variant(table, &mut columns, index, data_type, &taken, &mut room);
            taken.extend(added);
        }
        self.left_out(&room);
        columns
    }

    fn merge_column(&mut self, old: &'a Column, new: &'a Column) -> Column {
        self.is_recorded = old.source != Source::Unrecorded;
        Column {
            field: Field {
                key: new.field.key.clone(),
                name: old.field.name.clone(),
                data_type: self.column(&old.field.data_type, &new.field.data_type),
            },
            source: new.source,
        }
    }

    /// A column that the stream does not have.
    fn gone(&mut self, old: &Column, keys: &mut HashSet<String>) -> Column {
        let mut column = old.clone();
        if old.source == Source::Variant {
            return column;
        }
        self.note(|path| Note::Gone { path });
        if old.source != Source::Property {
            column.field.key = free_key(&old.field.name, keys);
        }
        column
    }

    /// Whether the table may get the column or the field.
    fn admits(&mut self, field: &Field) -> bool {
        let path = self.path_to(&field.name);
        match self.terms.policy.schema_changes {
            SchemaChanges::Extend => {}
            SchemaChanges::Freeze => {
                self.notes.push(Note::Frozen { path });
                return false;
            }
            SchemaChanges::Fail => {
                let data_type = field.data_type.clone();
                self.forbid(Note::Added { path, data_type }, Forbidding::SchemaChanges);
            }
        }
        true
    }

    fn forbid(&mut self, change: Note, by: Forbidding) {
        self.forbidden.get_or_insert(Forbidden { change, by });
    }

    fn path_to(&mut self, name: &str) -> String {
        self.path.push(PathStep::Name(name.to_owned().into()));
        let path = self.path.to_string();
        self.path.pop();
        path
    }

    pub(super) fn added(&mut self, field: &Field) {
        self.changed = true;
        let path = self.path_to(&field.name);
        let data_type = field.data_type.clone();
        self.notes.push(Note::Added { path, data_type });
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

    /// The type of a variant's column.
    pub(super) fn variant_type(
        &mut self,
        name: &'a str,
        table: &'a Type,
        stream: &'a Type,
    ) -> Type {
        self.path.push(PathStep::Name(name.into()));
        self.is_recorded = true;
        let data_type = self.column(table, stream);
        self.mismatched = None;
        self.path.pop();
        data_type
    }

    /// The fields of the table in their order, then the new ones.
    fn fields(&mut self, table: &'a [Field], stream: &'a [Field]) -> Vec<Field> {
        let found = matching::fields(table, stream, self.is_recorded);
        let mut keys: HashSet<String> = stream.iter().map(|field| field.key.clone()).collect();
        let mut fields = Vec::with_capacity(table.len());
        for (old, index) in table.iter().zip(&found) {
            self.path.push(PathStep::Name((&old.name).into()));
            let (key, data_type) = if let Some(index) = index {
                let new = &stream[*index];
                (new.key.clone(), self.merge(&old.data_type, &new.data_type))
            } else {
                self.note(|path| Note::Gone { path });
                (free_key(&old.key, &mut keys), old.data_type.clone())
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
        let mut new = unmatched(&found, stream).map(|(_, field)| field).peekable();
        let is_inferred = self.terms.origin == SchemaOrigin::Inferred;
        if is_inferred && new.peek().is_some() && map::has_keys_for_fields(table, new, stream.len())
        {
            self.note(|path| Note::Keys { path });
            return fields;
        }
        let mut taken: HashSet<String> = fields
            .iter()
            .map(|field| field.name.to_ascii_lowercase())
            .collect();
        let mut room = Room::new(self.terms.policy.limits.fields, fields.len());
        for (_, new) in unmatched(&found, stream) {
            if !(self.admits(new) && room.take()) {
                continue;
            }
            let mut field = new.clone();
            let is_taken = |name: &str| taken.contains(name);
            field.name = name::free(&new.name, &new.key, NameKind::Field, is_taken);
            taken.insert(field.name.clone());
            self.added(&field);
            fields.push(field);
        }
        self.left_out(&room);
        fields
    }

    fn left_out(&mut self, room: &Room) {
        if room.refused > 0 {
            let (limit, left_out) = (room.limit, room.refused);
            self.note(|path| Note::Limited {
                path,
                limit,
                left_out,
            });
        }
    }

    pub(super) fn merge(&mut self, table: &'a Type, stream: &'a Type) -> Type {
        match (table, stream) {
            (Type::Struct(old), Type::Struct(new)) => Type::Struct(self.fields(old, new)),
            (Type::Array(old), Type::Array(new)) => {
                self.path.push(PathStep::Items);
                let element = self.merge(old, new);
                self.path.pop();
                Type::Array(Box::new(element))
            }
            // Nothing says yet which kind of text it is.
            (Type::String, Type::Json | Type::Struct(_) | Type::Array(_)) if !self.is_recorded => {
                Type::Json
            }
            _ if self.change == Growth::Nothing || self.terms.rules.holds(table, stream) => {
                table.clone()
            }
            _ => self.widened_or_kept(table, stream),
        }
    }

    fn widened_or_kept(&mut self, table: &Type, stream: &'a Type) -> Type {
        let from = table.clone();
        if let Some(wider) = self.wider(table, stream) {
            self.changed = true;
            let to = wider.clone();
            let path = self.path.to_string();
            let note = Note::Widened { path, from, to };
            if self.terms.policy.schema_changes == SchemaChanges::Fail {
                self.forbid(note.clone(), Forbidding::SchemaChanges);
            }
            self.notes.push(note);
            return wider;
        }
        let may_fit = Rules::takes_some(table, stream)
            || self.terms.origin == SchemaOrigin::Inferred
                && (is_narrow(table, stream) || has_keys_for_fields(table, stream));
        match self.terms.policy.on_type_change {
            _ if may_fit => {}
            OnTypeChange::Rescue => {}
            OnTypeChange::NewColumn => {
                if self.path.len() == 1 && self.terms.policy.schema_changes != SchemaChanges::Freeze
                {
                    self.mismatched = Some(stream);
                    return from;
                }
            }
            OnTypeChange::Fail => {
                let path = self.path.to_string();
                let (table, stream) = (from.clone(), stream.clone());
                let change = Note::Kept {
                    path,
                    table,
                    stream,
                };
                self.forbid(change, Forbidding::OnTypeChange);
            }
        }
        let stream = stream.clone();
        self.note(|path| Note::Kept {
            path,
            table: from,
            stream,
        });
        table.clone()
    }

    /// The type that the table's may become, for the stream's values.
    pub(super) fn wider(&self, table: &Type, stream: &Type) -> Option<Type> {
        if self.terms.policy.schema_changes == SchemaChanges::Freeze {
            return None;
        }
        self.terms.rules.wider(table, stream).filter(|wider| {
            self.terms.origin == SchemaOrigin::Declared || is_shown_by_values(table, stream, wider)
        })
    }

    fn note(&mut self, note: impl FnOnce(String) -> Note) {
        self.notes.push(note(self.path.to_string()));
    }
}

/// The items of the stream that are in no column of the table.
fn unmatched<'a, T>(
    found: &[Option<usize>],
    stream: &'a [T],
) -> impl Iterator<Item = (usize, &'a T)> {
    let found: HashSet<usize> = found.iter().flatten().copied().collect();
    stream
        .iter()
        .enumerate()
        .filter(move |(index, _)| !found.contains(index))
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
    !is_narrow(table, stream) && *wider != Type::String
}

/// Whether the sample shows objects whose keys are data, of which the table's struct takes those that are its fields.
fn has_keys_for_fields(table: &Type, stream: &Type) -> bool {
    matches!((table, stream), (Type::Struct(_), Type::Json))
}

/// Whether the table's type may hold all of a sample's integers although its type is not the widest.
fn is_narrow(table: &Type, stream: &Type) -> bool {
    matches!(
        (table, stream),
        (Type::Integer(_) | Type::Decimal { .. }, Type::Integer(_))
    )
}
