//! The swap of a table to the generation that the run has written: prepared, noted in the record, and done.

use crate::error::{Error, Result};
use crate::lake::{CatalogTable, Lake};
use crate::table::TableChange;
use crate::table::control::{MarkObject, RunRecord, Stage, Swap};
use crate::table::hive::generations::Numbered;
use crate::table::hive::publish::Next;
use crate::table::hive::{HiveTable, Visibility, location};
use crate::table::layout::folder_of_location;
use crate::time::Clock;

impl HiveTable {
    /// An error where the table shows rows that this sync should have added to, and did not see when it began.
    pub(super) fn refuse_added(&self, entry: Option<&CatalogTable>) -> Result<()> {
        let folder = self.folder.trim_end_matches('/');
        let is_own = |entry: &CatalogTable| location(entry).trim_end_matches('/').ends_with(folder);
        if !self.asked.adds_to_published(entry) || entry.is_some_and(is_own) {
            return Ok(());
        }
        Err(Error::transient(format!(
            "the catalog did not show the table {} as it is when this sync began, or another run has published the same rows since",
            self.name()
        ))
        .hint("run it again; nothing is lost"))
    }

    /// The swap that is to come, for the record of the run.
    pub(in crate::table) fn prepare(&mut self, lake: &Lake, is_resumable: bool) -> Result<Swap> {
        let location = format!("{}{}", lake.objects.root(), self.folder);
        let numbers = self.numbers_of_swap(is_resumable);
        let next = self
            .target
            .next(&*lake.catalog, &location, numbers.as_ref())?;
        self.refuse_added(next.table.as_ref())?;
        let own = self.generations.own.as_ref();
        let swap = self.noted(&next, own);
        self.next = Some(next);
        Ok(swap)
    }

    /// What the record says of the swap.
    fn noted(&self, next: &Next, own: Option<&MarkObject>) -> Swap {
        Swap {
            database: self.target.database.clone(),
            table: self.target.name.clone(),
            folder: self.folder.clone(),
            mark: own.map_or_else(String::new, |own| own.key().to_owned()),
            before: next.table.as_ref().map(|table| table.input.clone()),
            after: next.input.clone(),
        }
    }

    fn numbers_of_swap(&self, is_resumable: bool) -> Option<Numbered> {
        let mut numbers = self.numbers;
        if let Some(numbers) = numbers.as_mut().filter(|_| !is_resumable) {
            numbers.attempt = None;
        }
        numbers
    }

    pub(in crate::table) fn replace(
        &mut self,
        lake: &Lake,
        is_resumable: bool,
        record: &mut RunRecord,
        clock: &Clock,
    ) -> Result<Vec<TableChange>> {
        if self.visibility != Visibility::Swap {
            return Ok(Vec::new());
        }
        let objects = &*lake.objects;
        let root = objects.root();
        let target = format!("{root}{}", self.folder);
        let numbers = self.numbers_of_swap(is_resumable);
        let prepared = self.next.take();
        let is_in_the_record = prepared.is_some();
        // Where updates cannot name the version that they replace, the table is read right before.
        let has_version = |next: &Next| {
            next.table
                .as_ref()
                .is_none_or(|table| table.version.is_some())
        };
        let first = prepared.filter(has_version);
        let mut own = self.generations.own.take();
        let swapped = self.target.swap(
            &*lake.catalog,
            &target,
            numbers.as_ref(),
            first,
            &mut |next| {
                self.refuse_added(next.table.as_ref())?;
                if is_in_the_record
                    && record.note_swap(&self.name(), self.noted(next, own.as_ref()))
                {
                    record.write(objects, clock)?;
                }
                let replaced = next.table.as_ref().map(location);
                let replaced = replaced.and_then(|location| folder_of_location(location, &root));
                match &mut own {
                    Some(own) if own.is_stored() => {
                        let owner = own.mark.owner.clone();
                        own.claim(objects, &owner, Stage::Publishing { replaced })
                    }
                    _ => Ok(()),
                }
            },
        );
        self.generations.own = own;
        let swapped = swapped?;
        self.replaced = swapped
            .replaced
            .and_then(|location| folder_of_location(&location, &root))
            .filter(|folder| *folder != self.folder);
        self.visibility = Visibility::Swapped;
        Ok(swapped.changes)
    }
}
