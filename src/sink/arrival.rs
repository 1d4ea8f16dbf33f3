//! How the objects of an append come on show: at once, or by the table that their first checkpoint makes.

use crate::error::{Error, Result};
use crate::lake::{Lake, Objects};
use crate::schema::evolve;
use crate::sink::opening::folder_of;
use crate::sink::stream::Stream;
use crate::sink::writer;

/// What is between an object and the readers of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing: it lies in the folder that the table shows.
    Straight,
    /// There was no table when the stream was opened. The first checkpoint makes it, at the folder that rows go to.
    New,
    /// Another writer was quicker, and its table shows this folder: each checkpoint moves its objects there.
    Aside(String),
}

impl Stream {
    /// Brings objects that a checkpoint has completed on show: makes the table, or goes to the table that another made
    /// meanwhile. After an error none of them is left. Without objects too a table is made.
    pub(super) fn arrive(&mut self, lake: &Lake, keys: &[String]) -> Result<()> {
        let arrived = self.find_way(lake).and_then(|()| match &self.way {
            Way::Aside(folder) => move_to(folder, &self.folder, keys, &*lake.objects),
            _ => Ok(()),
        });
        if arrived.is_err() {
            writer::take_back(keys, &*lake.objects);
        }
        arrived
    }

    /// Makes the table where there was none.
    fn find_way(&mut self, lake: &Lake) -> Result<()> {
        if self.way != Way::New {
            return Ok(());
        }
        let root = lake.objects.root();
        let location = format!("{root}{}", self.folder);
        let shown = self.target.ensure(&*lake.catalog, &location)?;
        let folder = folder_of(&shown.location, &root, &self.target)?;
        if folder == self.folder {
            self.way = Way::Straight;
        } else {
            // Its columns were not known when the rows were written.
            if !evolve::reads(&shown.fields, &self.target.wanted) {
                return Err(Error::transient(format!(
                    "the table {}.{} was made by another writer meanwhile, with types that these rows do not fit",
                    self.target.database, self.target.name
                ))
                .hint("load them again"));
            }
            log::info!(
                "another writer made the table meanwhile; its folder is used folder={folder}"
            );
            self.way = Way::Aside(folder);
        }
        self.counts.changes.extend(shown.changes);
        Ok(())
    }
}

/// Moves objects from the folder `from`. Either all of them are in the folder `to` then, or none is.
fn move_to(to: &str, from: &str, keys: &[String], objects: &dyn Objects) -> Result<()> {
    let mut copies = Vec::new();
    for key in keys {
        let copy = format!("{to}{}", &key[from.len()..]);
        let done = objects.copy(key, &copy);
        copies.push(copy);
        if let Err(error) = done {
            writer::take_back(&copies, objects);
            return Err(error);
        }
    }
    if let Err(error) = objects.delete(keys) {
        log::warn!("objects that no table shows are left folder={from}: {error}");
    }
    Ok(())
}
