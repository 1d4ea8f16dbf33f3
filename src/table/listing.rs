//! Tables as listings of their databases find them: one call for many tables instead of one for each.
//!
//! What a listing says of a table is taken for the first look at it. An update names the version that the listing had, so
//! one that is outdated changes nothing, and the table is read again. What a listing does not say of a table, or says
//! without a version, is asked of the table itself.

use std::collections::{BTreeMap, HashMap};

use crate::lake::{Catalog, CatalogTable, Lookup};
use crate::table::{TableTarget, hive};

/// Fewer tables of a database are looked for one by one.
const FEW: usize = 16;

/// The most columns of a page, about: the answer is held as a whole.
const COLUMNS: usize = 2_000;

/// The most bytes of definitions that are kept.
const MOST_KEPT: usize = 4 << 20;

/// What is known of tables before they are looked for.
#[derive(Default)]
pub(crate) struct Known {
    /// The databases that this run has created.
    new: Vec<String>,
    /// The databases of which all tables are known.
    whole: Vec<String>,
    /// Definitions as text, which is a fraction of what they take as values.
    kept: HashMap<String, Kept>,
}

struct Kept {
    input: Vec<u8>,
    version: String,
}

impl Known {
    /// The database was created by this run, so that it has no tables.
    pub(crate) fn add_new(&mut self, database: &str) {
        self.new.push(database.to_owned());
    }

    /// Lists the databases that have many of these tables, and are not new.
    pub(crate) fn list<'t>(
        &mut self,
        catalog: &dyn Catalog,
        targets: impl Iterator<Item = &'t TableTarget>,
    ) {
        let mut bytes = 0;
        let mut is_whole = true;
        let kept = &mut self.kept;
        let whole = list(catalog, targets, &self.new, &mut |name, table| {
            let (Ok(input), Some(version)) = (serde_json::to_vec(&table.input), table.version)
            else {
                is_whole = false;
                return;
            };
            bytes += input.len();
            is_whole &= bytes <= MOST_KEPT;
            if is_whole {
                kept.insert(name, Kept { input, version });
            }
        });
        if is_whole {
            self.whole.extend(whole);
        }
    }

    /// What is known of the table.
    pub(super) fn look(&self, target: &TableTarget) -> Option<Lookup<CatalogTable>> {
        match self.kept.get(&target.full_name()) {
            Some(Kept { input, version }) => Some(Lookup::Found(CatalogTable {
                input: serde_json::from_slice(input).ok()?,
                version: Some(version.clone()),
            })),
            None => self
                .whole
                .contains(&target.database)
                .then_some(Lookup::Absent),
        }
    }
}

/// Where tables are located, as far as listings say.
#[derive(Default)]
pub(crate) struct Shown(HashMap<String, String>);

impl Shown {
    /// Lists the databases that have many of these tables.
    pub(crate) fn list<'t>(
        catalog: &dyn Catalog,
        targets: impl Iterator<Item = &'t TableTarget>,
    ) -> Self {
        let mut shown = HashMap::new();
        list(catalog, targets, &[], &mut |name, table| {
            shown.insert(name, hive::location(&table).to_owned());
        });
        Self(shown)
    }

    pub(super) fn location(&self, target: &TableTarget) -> Option<&str> {
        self.0.get(&target.full_name()).map(String::as_str)
    }
}

/// Visits those of the tables that listings find, by their full names; returns the databases that were listed as a whole,
/// or are new. A listing that fails is none.
fn list<'t>(
    catalog: &dyn Catalog,
    targets: impl Iterator<Item = &'t TableTarget>,
    new: &[String],
    visit: &mut dyn FnMut(String, CatalogTable),
) -> Vec<String> {
    let mut databases: BTreeMap<&str, Vec<&TableTarget>> = BTreeMap::new();
    for target in targets {
        databases.entry(&target.database).or_default().push(target);
    }
    let mut whole = Vec::new();
    for (database, targets) in databases {
        let columns: usize = targets.iter().map(|target| target.wanted.len()).sum();
        let most = COLUMNS * targets.len() / columns.max(1);
        if targets.len() < FEW || most < FEW {
            continue;
        }
        if new.iter().any(|new| new == database) {
            whole.push(database.to_owned());
            continue;
        }
        let names: HashMap<&str, &TableTarget> = targets
            .iter()
            .map(|target| (target.name.as_str(), *target))
            .collect();
        let mut found = |table: CatalogTable| {
            if let Some(target) = names.get(hive::name(&table)) {
                visit(target.full_name(), table);
            }
        };
        // A database may have many tables of others.
        let pages = 1 + targets.len() / FEW;
        match catalog.tables(database, most, pages, &mut found) {
            Ok(true) => whole.push(database.to_owned()),
            Ok(false) => {}
            Err(error) => log::debug!("tables are looked for one by one: {error}"),
        }
    }
    whole
}
