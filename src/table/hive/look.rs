//! The look at a table after rows were published: whether it shows them.

use crate::error::{Error, Result};
use crate::lake::{Lake, Lookup};
use crate::table::TableTarget;
use crate::table::hive::{HiveTable, Visibility, location};
use crate::table::layout::folder_of_location;
use crate::table::listing::Shown;

impl HiveTable {
    pub(in crate::table) fn looked_for(&self) -> Option<&TableTarget> {
        let is_marked = self.visibility == Visibility::Swap && self.generations.own.is_some();
        // Of a table with partitions more is to be seen than its location.
        let is_listed = !is_marked && self.target.keys.is_empty();
        is_listed.then_some(&self.target)
    }

    pub(in crate::table) fn look(&self, lake: &Lake, shown: &Shown) -> Result<()> {
        let folder = match (&self.visibility, &self.generations.own) {
            (Visibility::Swap, Some(own)) => return own.confirm(&*lake.objects),
            (Visibility::Move(folder), _) => folder,
            _ => &self.folder,
        };
        let root = lake.objects.root();
        let is_it = |location: &str| folder_of_location(location, &root).as_ref() == Some(folder);
        if self.partitions.is_none() && shown.location(&self.target).is_some_and(is_it) {
            return Ok(());
        }
        let catalog = &*lake.catalog;
        let found = match catalog.table(&self.target.database, &self.target.name)? {
            Lookup::Found(found) => found,
            Lookup::Hidden(error) => return Err(error),
            Lookup::Absent => {
                return Err(Error::transient(format!(
                    "the table {} was dropped or renamed by somebody else during this run; its unacknowledged rows are taken back",
                    self.name()
                ))
                .hint("run it again: it creates the table anew, without the rows of the one that is gone"));
            }
        };
        let shown = location(&found);
        if is_it(shown) {
            self.target.refuse_beside(&found.input)?;
            return match &self.partitions {
                Some(partitions) => partitions.look(&self.target, lake, folder),
                None => Ok(()),
            };
        }
        Err(Error::transient(format!(
            "the table {} was moved during this run, from {root}{folder} to {shown}: by an overwrite that ran beside it, or by another program; its unacknowledged rows are taken back",
            self.name()
        ))
        .hint("run it again, and let one run at a time write the table"))
    }
}
