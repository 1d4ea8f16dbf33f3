//! What the configuration says of changes to the columns of a table.

use crate::schema::{Field, Note, Type, note};

/// How the columns of a table may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ColumnPolicy {
    pub(crate) schema_changes: SchemaChanges,
    pub(crate) on_type_change: OnTypeChange,
    pub(crate) limits: Limits,
}

/// What becomes of new columns and fields, and of wider types, in a table that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SchemaChanges {
    /// The table gets them.
    #[default]
    Extend,
    /// The table stays as it is, and values that it has no place for are rescued.
    Freeze,
    /// The sync fails.
    Fail,
}

/// What becomes of a property whose type changed so that rows of both types cannot be read from one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnTypeChange {
    /// The column keeps its type, and values that do not fit are rescued.
    #[default]
    Rescue,
    /// Values that do not fit get a column of their own.
    NewColumn,
    /// The sync fails.
    Fail,
}

/// A change that the configuration forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forbidden {
    pub(crate) change: Note,
    pub(crate) by: Forbidding,
}

/// The setting that forbids a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forbidding {
    SchemaChanges,
    OnTypeChange,
}

impl Forbidding {
    /// The setting, as it is set.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::SchemaChanges => "schema_changes is fail",
            Self::OnTypeChange => "on_type_change is fail",
        }
    }

    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::SchemaChanges => {
                "change the table or the schema, or set schema_changes to extend or freeze"
            }
            Self::OnTypeChange => {
                "correct the type at the source, or set on_type_change to rescue or new_column"
            }
        }
    }
}

/// How many columns and fields are made of what records hold, where nobody has declared them: keys may be data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Columns of a table.
    pub(crate) columns: usize,
    /// Fields of one struct.
    pub(crate) fields: usize,
}

impl Limits {
    pub(crate) const NONE: Self = Self {
        columns: usize::MAX,
        fields: usize::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            columns: 1000,
            fields: 200,
        }
    }
}

/// The room for columns or fields under a limit.
pub(super) struct Room {
    pub(super) limit: usize,
    left: usize,
    /// How many there was no room for.
    pub(super) refused: usize,
}

impl Room {
    /// The room that is left beside those that there are.
    pub(super) fn new(limit: usize, now: usize) -> Self {
        Self {
            limit,
            left: limit.saturating_sub(now),
            refused: 0,
        }
    }

    /// Takes room for one, if there is any.
    pub(super) fn take(&mut self) -> bool {
        if self.left == 0 {
            self.refused += 1;
            return false;
        }
        self.left -= 1;
        true
    }
}

/// Cuts the columns of an inferred schema to the limits; the first ones stay.
pub(crate) fn bound(fields: &mut Vec<Field>, limits: Limits) -> Vec<Note> {
    let mut notes = Vec::new();
    cut(fields, limits.columns, "$", &mut notes);
    for field in fields {
        let path = note::place(&field.key);
        bound_type(&mut field.data_type, limits, &path, &mut notes);
    }
    notes
}

fn bound_type(data_type: &mut Type, limits: Limits, path: &str, notes: &mut Vec<Note>) {
    match data_type {
        Type::Array(element) => bound_type(element, limits, path, notes),
        Type::Struct(fields) => {
            cut(fields, limits.fields, path, notes);
            for field in fields {
                bound_type(&mut field.data_type, limits, path, notes);
            }
        }
        _ => {}
    }
}

fn cut(fields: &mut Vec<Field>, limit: usize, path: &str, notes: &mut Vec<Note>) {
    if fields.len() > limit {
        notes.push(Note::Limited {
            path: path.to_owned(),
            limit,
            left_out: fields.len() - limit,
        });
        fields.truncate(limit);
    }
}
