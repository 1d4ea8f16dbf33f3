//! Which column of a stream is which of a table: by the property that fills it where that is recorded, else by names.

use std::collections::{HashMap, HashSet};

use crate::schema::name::{self, NameKind};
use crate::schema::{Column, Field, Source};

/// For each column of the table, the index of the stream's column that it is.
///
/// A column with a record is filled from its property alone. One without is the stream's column of the same name, in any
/// case: every writer folds the names of columns.
pub(super) fn columns(table: &[Column], stream: &[Column]) -> Vec<Option<usize>> {
    let mut matches = Matches::new(table.len(), stream.len());
    let by_key = index(stream, |column| {
        (column.source == Source::Property).then(|| column.field.key.clone())
    });
    matches.find(table, |column| match column.source {
        Source::Property => by_key.get(&column.field.key).copied(),
        Source::Variant | Source::Program | Source::Unrecorded => None,
    });
    let variant = |column: &Column| {
        let Field { key, name, .. } = &column.field;
        (column.source == Source::Variant).then(|| format!("{}\0{key}", lower(name)))
    };
    let by_variant = index(stream, variant);
    matches.find(table, |column| by_variant.get(&variant(column)?).copied());
    let by_name = index(stream, |column| {
        let is_named = matches!(column.source, Source::Program | Source::Unrecorded);
        is_named.then(|| lower(&column.field.name))
    });
    matches.find(table, |column| match column.source {
        Source::Property | Source::Variant => None,
        Source::Program | Source::Unrecorded => by_name.get(&lower(&column.field.name)).copied(),
    });
    let fields: Vec<(&Field, bool)> = stream
        .iter()
        .map(|column| (&column.field, column.source == Source::Property))
        .collect();
    let unrecorded =
        |column: &Column| (column.source == Source::Unrecorded).then(|| lower(&column.field.name));
    matches.find_by_name(table, &fields, NameKind::Column, unrecorded);
    matches.found
}

/// For each field of the table's struct, the index of the stream's field that it is.
///
/// Without a record the property itself may be the name: other writers put the properties of objects into a struct as they
/// are spelled.
pub(super) fn fields(table: &[Field], stream: &[Field], is_recorded: bool) -> Vec<Option<usize>> {
    let mut matches = Matches::new(table.len(), stream.len());
    let by_key = index(stream, |field| Some(field.key.clone()));
    if !is_recorded {
        let fields: Vec<(&Field, bool)> = stream.iter().map(|field| (field, true)).collect();
        let name = |field: &Field| Some(lower(&field.name));
        matches.find_by_name(table, &fields, NameKind::Field, name);
    }
    matches.find(table, |field| by_key.get(&field.key).copied());
    matches.found
}

/// The matches so far; each column of the stream is matched once.
struct Matches {
    found: Vec<Option<usize>>,
    is_taken: Vec<bool>,
}

impl Matches {
    fn new(table: usize, stream: usize) -> Self {
        Self {
            found: vec![None; table],
            is_taken: vec![false; stream],
        }
    }

    /// Gives each item of the table that has no match what `find` says, unless that is taken.
    fn find<T>(&mut self, table: &[T], find: impl Fn(&T) -> Option<usize>) {
        for (found, item) in self.found.iter_mut().zip(table) {
            if found.is_none()
                && let Some(index) = find(item)
                && !self.is_taken[index]
            {
                self.is_taken[index] = true;
                *found = Some(index);
            }
        }
    }

    /// Matches the names of unrecorded columns: those with the suffix of a property are that property's, whatever other
    /// properties there are now; then the names that the stream's columns would have in a new table.
    fn find_by_name<T>(
        &mut self,
        table: &[T],
        stream: &[(&Field, bool)],
        kind: NameKind,
        name_of: impl Fn(&T) -> Option<String>,
    ) {
        let names: HashSet<String> = table.iter().filter_map(&name_of).collect();
        if names.is_empty() {
            return;
        }
        let free = |is_taken: &[bool], index: usize| stream[index].1 && !is_taken[index];
        let mut suffixed = HashMap::new();
        let mut plain = HashMap::new();
        for (index, (field, _)) in stream.iter().enumerate() {
            if free(&self.is_taken, index) {
                // The property that is spelled like the name never has a suffix.
                if let Some(name) = name::suffixed_of_another(&field.key, kind) {
                    suffixed.entry(name).or_insert(index);
                }
                plain.entry(lower(&field.name)).or_insert(index);
            }
        }
        let of = |item: &T, indices: &HashMap<String, usize>| {
            name_of(item).and_then(|name| indices.get(&name).copied())
        };
        self.find(table, |item| of(item, &suffixed));
        self.find(table, |item| of(item, &plain));
    }
}

fn index<T>(items: &[T], key: impl Fn(&T) -> Option<String>) -> HashMap<String, usize> {
    let mut indices = HashMap::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        if let Some(key) = key(item) {
            indices.entry(key).or_insert(index);
        }
    }
    indices
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}
