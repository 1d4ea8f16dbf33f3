//! What others do to the catalog and the bucket.

use serde_json::{Value, json};

use super::steps::{Hand, TABLES};
use super::view::View;
use super::world::{Course, HERE};
use crate::support::fake::{Fake, Store, s3};

impl Course {
    /// A table as the Python connector makes it, with two rows.
    pub(super) fn make_old_table(&mut self, table: &'static str, fake: &Fake) {
        let body: String = (0..2)
            .map(|_| format!("{{\"id\":{}}}\n", self.next_row()))
            .collect();
        let folder = format!("lake/test/{table}/");
        let mut store = fake.store();
        let key = format!("{folder}0123456789abcdef0123456789abcdef.json");
        store.bucket.objects.insert(key, body.into_bytes());
        let columns = json!([{"Name": "id", "Type": "bigint"}, {"Name": "text", "Type": "string"}]);
        let input = json!({
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"classification": "json", "EXTERNAL": "TRUE"},
            "StorageDescriptor": {
                "Location": format!("s3://test-lake/{folder}"),
                "Columns": columns,
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
            },
        });
        store.catalog.make_table("test", table, input);
        drop(store);
        let view = self.read.view(fake);
        let name = (HERE.to_owned(), table.to_owned());
        for id in 1..=self.rows {
            self.book.acknowledged.insert(id);
            self.book.show(id, &name, &view);
        }
        self.book.tables[0].is_above = true;
    }

    pub(super) fn hand(&mut self, hand: Hand, fake: &Fake) {
        let view = self.read.view(fake);
        let hidden = self.book.hidden.iter().copied();
        self.book.loose.extend(hidden);
        for table in &mut self.book.tables {
            table.writer = None;
        }
        let mut store = fake.store();
        let at = |table: &str| (HERE.to_owned(), table.to_owned());
        match hand {
            Hand::Drop(table) => {
                let known = self.book.known(&at(table), &view);
                let input = store.catalog.table("test", table).cloned();
                if let Some(input) = input {
                    store.catalog.drop_table("test", table);
                    self.book.by_name.remove(&at(table));
                    self.dropped.push((table, input, known));
                }
            }
            Hand::Recreate(table) => {
                let is_it = |dropped: &(&str, Value, Option<usize>)| dropped.0 == table;
                let free = store.catalog.table("test", table).is_none();
                if let Some(last) = self.dropped.iter().rposition(is_it).filter(|_| free) {
                    let (_, input, known) = self.dropped.remove(last);
                    store.catalog.make_table("test", table, input);
                    if let Some(known) = known {
                        self.book.by_name.insert(at(table), known);
                    }
                }
            }
            Hand::Rename(table) => {
                let known = self.book.known(&at(table), &view);
                if let Some(input) = store.catalog.table("test", table).cloned() {
                    let new = format!("{table}_{}", self.book.tables.len() + self.dropped.len());
                    store.catalog.drop_table("test", table);
                    store.catalog.make_table("test", &new, input);
                    self.book.by_name.remove(&at(table));
                    self.book
                        .by_name
                        .insert(at(&new), known.expect("it is in the catalog"));
                }
            }
            Hand::MoveBack(table) => {
                let now = view.folders.get(&at(table));
                let is_it =
                    |(of, location): &&(&str, String)| *of == table && Some(location) != now;
                if let Some((_, location)) = self.locations.iter().rfind(is_it).cloned() {
                    self.move_table(table, &location, &view, &mut store);
                }
            }
            Hand::MoveAway(table) => self.move_table(table, "elsewhere/new/", &view, &mut store),
            Hand::MoveAbove(table) => self.move_table(table, "lake/test/", &view, &mut store),
            Hand::Share(table) => {
                let other = if table == TABLES[0] {
                    TABLES[1]
                } else {
                    TABLES[0]
                };
                if let Some(folder) = view.folders.get(&at(other)).cloned() {
                    self.move_table(table, &folder, &view, &mut store);
                    let known = self.book.known(&at(other), &view);
                    self.book.tables[known.expect("it is in the catalog")].is_wild = true;
                }
            }
            Hand::Delete(table) => {
                let Some(folder) = view.folders.get(&at(table)) else {
                    return;
                };
                let below = view
                    .by_key
                    .iter()
                    .filter(|(key, _)| s3::is_read(key, folder));
                for (key, rows) in below.step_by(2) {
                    store.bucket.objects.remove(key);
                    self.book.gone.extend(rows);
                }
            }
        }
    }

    fn move_table(&mut self, table: &'static str, folder: &str, view: &View, store: &mut Store) {
        let name = (HERE.to_owned(), table.to_owned());
        let Some(index) = self.book.known(&name, view) else {
            return;
        };
        self.locations.push((table, view.folders[&name].clone()));
        self.book.tables[index].is_wild = true;
        let location = format!("s3://test-lake/{folder}");
        store.catalog.edit_table("test", table, |input| {
            input["StorageDescriptor"]["Location"] = location.into();
        });
    }
}
