//! What must be true: which rows were acknowledged, which an overwrite replaced, and where readers must see them.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Id;
use super::view::View;
use crate::support::fake::s3;

/// A table as others know it: it keeps its rows when it is renamed, and has none in common with one of the same name that
/// was made after it was dropped.
#[derive(Default)]
pub(super) struct Table {
    /// The rows that readers must see, by the folder that the table showed when they were acknowledged.
    pub(super) shown: BTreeMap<String, BTreeSet<Id>>,
    /// The rows that a swap of the table's location replaced.
    pub(super) replaced: BTreeSet<Id>,
    /// Another hand gave it a location that may hold anything.
    pub(super) is_wild: bool,
    /// Its location is above those of others.
    pub(super) is_above: bool,
    /// The client whose sync succeeded last, if nobody else changed it since.
    pub(super) writer: Option<usize>,
}

/// A table by its region and name.
pub(super) type Name = (String, String);

#[derive(Default)]
pub(super) struct Book {
    pub(super) acknowledged: BTreeSet<Id>,
    /// Rows that nobody has to find any more: replaced by an acknowledged overwrite, or deleted by the user.
    pub(super) gone: BTreeSet<Id>,
    /// Rows that may be there twice: sent again where no program can know that they are there.
    pub(super) twice: BTreeSet<Id>,
    /// Rows that were sent more than once.
    pub(super) resent: BTreeSet<Id>,
    /// Acknowledged rows of unfinished generations, which no table shows yet.
    pub(super) hidden: BTreeSet<Id>,
    /// Those of them that need not come out: others changed the table meanwhile.
    pub(super) loose: BTreeSet<Id>,
    pub(super) tables: Vec<Table>,
    pub(super) by_name: BTreeMap<Name, usize>,
    /// The table that each row was first seen in.
    home: BTreeMap<Id, usize>,
    /// What was found wrong.
    pub(super) faults: Vec<String>,
}

impl Book {
    pub(super) fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    /// The table of this name as it is known; a name that is new in the catalog is a new table.
    pub(super) fn known(&mut self, name: &Name, view: &View) -> Option<usize> {
        if !view.folders.contains_key(name) {
            return None;
        }
        let next = self.tables.len();
        let index = *self.by_name.entry(name.clone()).or_insert(next);
        if index == next {
            self.tables.push(Table::default());
        }
        Some(index)
    }

    /// The row was acknowledged, and readers see it.
    pub(super) fn show(&mut self, id: Id, name: &Name, view: &View) {
        let Some(index) = self.known(name, view) else {
            return;
        };
        let folder = view.folders[name].clone();
        let table = &mut self.tables[index];
        table.replaced.remove(&id);
        table.shown.entry(folder).or_default().insert(id);
        self.home.insert(id, index);
        self.hidden.remove(&id);
        self.gone.remove(&id);
    }

    /// The table's location was swapped from the folder: what readers saw of it is replaced, whoever wrote it, but for what
    /// another table shows there; returns that.
    pub(super) fn swap(
        &mut self,
        name: &Name,
        from: &str,
        ids: &[Id],
        view: &View,
    ) -> BTreeSet<Id> {
        let Some(index) = self.known(name, view) else {
            return BTreeSet::new();
        };
        let (home, hidden) = (&self.home, &self.hidden);
        let shown: BTreeSet<usize> = self
            .by_name
            .iter()
            .filter(|(name, _)| {
                let folder = view.folders.get(name);
                folder.is_some_and(|folder| s3::is_read(folder, from) || s3::is_read(from, folder))
            })
            .map(|(_, table)| *table)
            .collect();
        let is_others = |home: &usize| *home != index && shown.contains(home);
        let is_its = |id: &&Id| !home.get(id).is_some_and(is_others) && !hidden.contains(id);
        let replaced: BTreeSet<Id> = ids.iter().filter(is_its).copied().collect();
        let table = &mut self.tables[index];
        table.replaced.extend(&replaced);
        table.is_wild = false;
        table.is_above = false;
        replaced
    }

    /// Whether a swap replaced the row, wherever it was.
    pub(super) fn is_replaced(&self, id: Id) -> bool {
        self.gone.contains(&id) || self.tables.iter().any(|table| table.replaced.contains(&id))
    }

    /// Rows of an unfinished generation that readers see by now.
    fn show_hidden(&mut self, view: &View) {
        for (name, folder) in &view.folders {
            let Some(index) = self.known(name, view) else {
                continue;
            };
            if self.tables[index].is_wild || self.tables[index].is_above {
                continue;
            }
            for id in view.visible(folder).into_keys() {
                if self.hidden.contains(&id) {
                    self.show(id, name, view);
                }
            }
        }
    }

    /// Looks at everything.
    pub(super) fn check(&mut self, view: &View) {
        self.show_hidden(view);
        let mut faults = Vec::new();
        let all: BTreeSet<Id> = view
            .by_key
            .values()
            .flat_map(|ids| ids.iter().copied())
            .collect();
        for id in self.acknowledged.difference(&self.gone) {
            if !all.contains(id) {
                faults.push(format!(
                    "lost: the acknowledged row {id} is not in the bucket"
                ));
            }
        }
        for (name, folder) in &view.folders {
            let Some(index) = self.known(name, view) else {
                continue;
            };
            let visible = view.visible(folder);
            let table = &self.tables[index];
            for id in table.shown.get(folder).into_iter().flatten() {
                if !visible.contains_key(id)
                    && !table.replaced.contains(id)
                    && !self.gone.contains(id)
                {
                    faults.push(format!("invisible: the acknowledged row {id} of {name:?}"));
                }
            }
            if table.is_wild {
                continue;
            }
            for (id, count) in visible {
                if count > 1 && !self.twice.contains(&id) {
                    faults.push(format!("doubled: the row {id} of {name:?}, {count} times"));
                }
                let is_foreign = self.home.get(&id).is_some_and(|home| *home != index);
                let is_risen = is_foreign || table.replaced.contains(&id);
                if is_risen && !table.is_above && !self.resent.contains(&id) {
                    faults.push(format!(
                        "risen: the row {id} of {name:?} was replaced or is of another table"
                    ));
                }
                self.home.entry(id).or_insert(index);
            }
        }
        self.faults.append(&mut faults);
    }
}
