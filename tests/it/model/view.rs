//! What is in the bucket and in the catalogs, as readers see it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::book::Name;
use super::source::Id;
use crate::support::fake::{Fake, Store, s3, unzipped};

/// The bucket and the catalogs at a time.
pub(super) struct View {
    /// The rows of every object that engines read.
    pub(super) by_key: BTreeMap<String, Vec<Id>>,
    /// The folder that each table shows.
    pub(super) folders: BTreeMap<Name, String>,
}

/// What was read of objects, which never change.
#[derive(Default)]
pub(super) struct Read(HashMap<String, Vec<Id>>);

#[derive(Deserialize)]
struct Row {
    id: Id,
}

impl Read {
    pub(super) fn view(&mut self, fake: &Fake) -> View {
        let store = fake.store();
        let mut by_key = BTreeMap::new();
        for (key, body) in &store.bucket.objects {
            if key.contains("/_datalake/") && !key.contains("/_datalake/tables/") {
                continue;
            }
            let ids = self.0.entry(key.clone()).or_insert_with(|| ids(body));
            by_key.insert(key.clone(), ids.clone());
        }
        View {
            by_key,
            folders: folders(&store),
        }
    }
}

/// The rows of an object, or nothing where it is none of rows.
pub(super) fn ids(body: &[u8]) -> Vec<Id> {
    let text = unzipped(body).unwrap_or_default();
    text.lines()
        .filter_map(|line| Some(serde_json::from_str::<Row>(line).ok()?.id))
        .collect()
}

fn folders(store: &Store) -> BTreeMap<Name, String> {
    let mut folders = BTreeMap::new();
    let here = std::iter::once(("us-east-1", &store.catalog));
    let elsewhere = store
        .elsewhere
        .iter()
        .map(|(region, catalog)| (region.as_str(), catalog));
    for (region, catalog) in here.chain(elsewhere) {
        for table in catalog
            .0
            .get("test")
            .into_iter()
            .flat_map(|tables| tables.keys())
        {
            if let Some(folder) = catalog.folder("test", table) {
                folders.insert((region.to_owned(), table.clone()), folder);
            }
        }
    }
    folders
}

impl View {
    /// How often readers see each row below the folder.
    pub(super) fn visible(&self, folder: &str) -> BTreeMap<Id, usize> {
        let mut counts = BTreeMap::new();
        for (_, ids) in self
            .by_key
            .iter()
            .filter(|(key, _)| s3::is_read(key, folder))
        {
            for id in ids {
                *counts.entry(*id).or_default() += 1;
            }
        }
        counts
    }

    /// How often readers of the table see each row.
    pub(super) fn of_table(&self, name: &Name) -> BTreeMap<Id, usize> {
        self.folders
            .get(name)
            .map_or_else(BTreeMap::new, |folder| self.visible(folder))
    }
}
