//! The swap of a table to the generation that the run has written: prepared, noted in the record, and done.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::lake::{CatalogTable, Lake};
use crate::table::TableChange;
use crate::table::control::{MarkObject, RunRecord, Stage, Swap};
use crate::table::hive::generations::Numbered;
use crate::table::hive::publish::{Next, Swapped};
use crate::table::hive::{HiveTable, Visibility, location, partition_swap, superseded};
use crate::table::layout::{self, folder_of_location};

/// What came of the preparations of a checkpoint.
pub(in crate::table) struct Begun {
    /// The swap that is to come.
    next: Option<Next>,
    /// The mark, where it was written.
    own: Option<MarkObject>,
    has_objects: bool,
}

/// What came of a swap.
pub(in crate::table) struct Replaced {
    /// The mark as it is now.
    own: Option<MarkObject>,
    outcome: Replacing,
}

enum Replacing {
    /// There was nothing to swap.
    Nothing,
    Swapped(Swapped),
    /// Others have changed the table, so that the record must name another swap first.
    Unannounced(Box<Swap>),
}

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

    pub(in crate::table) fn begin(
        &self,
        lake: &Lake,
        has_objects: bool,
        swap: Option<bool>,
    ) -> Result<Begun> {
        let swap = swap.filter(|_| self.visibility == Visibility::Swap);
        let next = match swap {
            Some(is_resumable) => {
                let location = format!("{}{}", lake.objects.root(), self.folder);
                let numbers = self.numbers_of_swap(lake, is_resumable)?;
                let catalog = &*lake.catalog;
                let next = self.target.next(catalog, &location, numbers.as_ref())?;
                self.refuse_added(next.table.as_ref())?;
                Some(next)
            }
            None => None,
        };
        let own = if has_objects { self.mark(lake)? } else { None };
        Ok(Begun {
            next,
            own,
            has_objects,
        })
    }

    pub(in crate::table) fn has_begun(
        &mut self,
        lake: &Lake,
        begun: Begun,
    ) -> Result<(Vec<TableChange>, Option<Swap>)> {
        if begun.own.is_some() {
            self.generations.own = begun.own;
        }
        let changes = if begun.has_objects {
            self.publish_columns(lake)?
        } else {
            Vec::new()
        };
        let own = self.generations.own.as_ref();
        let swap = match &begun.next {
            Some(next) => {
                let swap = self.noted(next, own, Vec::new());
                Some(self.with_exceptions(lake, swap)?)
            }
            None => None,
        };
        self.next = begun.next;
        Ok((changes, swap))
    }

    /// The swap with what the table's folder does not say of its partitions.
    fn with_exceptions(&self, lake: &Lake, mut swap: Swap) -> Result<Swap> {
        if let Some(before) = swap.before.as_ref().filter(|_| self.partitions.is_some()) {
            swap.partitions = partition_swap::exceptions(lake, &swap.database, before)?;
        }
        Ok(swap)
    }

    /// What the record says of the swap.
    fn noted(
        &self,
        next: &Next,
        own: Option<&MarkObject>,
        partitions: Vec<Map<String, Value>>,
    ) -> Swap {
        Swap {
            database: self.target.database.clone(),
            table: self.target.name.clone(),
            folder: self.folder.clone(),
            mark: own.map_or_else(String::new, |own| own.key().to_owned()),
            before: next.table.as_ref().map(|table| table.input.clone()),
            after: next.input.clone(),
            partitions,
        }
    }

    /// The numbers that the table is to have. With the attempt, a later one adds to the rows; without it, it writes them
    /// anew.
    fn numbers_of_swap(&self, lake: &Lake, is_resumable: bool) -> Result<Option<Numbered>> {
        let mut numbers = self.numbers;
        if let Some(numbers) = &mut numbers
            && numbers.attempt.is_some()
            && !is_resumable
            && !self.holds_earlier_rows(lake)?
        {
            numbers.attempt = None;
        }
        Ok(numbers)
    }

    /// Whether the generation has rows of earlier attempts, which states cover that they have printed.
    fn holds_earlier_rows(&self, lake: &Lake) -> Result<bool> {
        let mut is_found = false;
        let own = self.generations.own.as_ref();
        let Some(own) = own.filter(|own| !own.mark.earlier.is_empty()) else {
            return Ok(false);
        };
        superseded::each_of_ours(&*lake.objects, &self.folder, &self.target, &mut |key| {
            let name = key.rsplit('/').next().unwrap_or_default();
            is_found |= layout::run_of_object(name) != Some(&own.mark.owner.run);
            Ok(())
        })?;
        Ok(is_found)
    }

    pub(in crate::table) fn replace(
        &self,
        lake: &Lake,
        is_resumable: bool,
        record: &RunRecord,
    ) -> Result<Replaced> {
        let mut own = self.generations.own.clone();
        if self.visibility != Visibility::Swap {
            let outcome = Replacing::Nothing;
            return Ok(Replaced { own, outcome });
        }
        let root = lake.objects.root();
        let target = format!("{root}{}", self.folder);
        let numbers = self.numbers_of_swap(lake, is_resumable)?;
        let in_the_record = record.swap(&self.name());
        // Where updates cannot name the version that they replace, the table is read right before.
        let has_version = |next: &&Next| {
            let table = next.table.as_ref();
            table.is_none_or(|table| table.version.is_some())
        };
        let first = self.next.as_ref().filter(has_version);
        let mut unannounced = None;
        let mut announce = |next: &Next| {
            self.refuse_added(next.table.as_ref())?;
            if let Some(noted) = in_the_record {
                let swap = self.noted(next, own.as_ref(), noted.partitions.clone());
                if *noted != swap {
                    unannounced = Some(swap);
                    return Ok(false);
                }
            }
            let replaced = next.table.as_ref().map(location);
            let replaced = replaced.and_then(|location| folder_of_location(location, &root));
            if let Some(own) = own.as_mut().filter(|own| own.is_stored()) {
                let owner = own.mark.owner.clone();
                own.claim(&*lake.objects, &owner, Stage::Publishing { replaced })?;
            }
            Ok(true)
        };
        let numbers = numbers.as_ref();
        let swapped = self
            .target
            .swap(&*lake.catalog, &target, numbers, first, &mut announce)?;
        let outcome = match (swapped, unannounced) {
            (Some(swapped), _) => Replacing::Swapped(swapped),
            (None, Some(swap)) => Replacing::Unannounced(Box::new(swap)),
            (None, None) => Replacing::Nothing,
        };
        Ok(Replaced { own, outcome })
    }

    pub(in crate::table) fn has_replaced(
        &mut self,
        lake: &Lake,
        replaced: Replaced,
        record: &mut RunRecord,
    ) -> Result<Option<Vec<TableChange>>> {
        self.generations.own = replaced.own;
        self.next = None;
        match replaced.outcome {
            Replacing::Nothing => Ok(Some(Vec::new())),
            Replacing::Swapped(swapped) => {
                let root = lake.objects.root();
                let location = format!("{root}{}", self.folder);
                self.target.finish_swap(lake, Some(&location))?;
                self.replaced = swapped
                    .replaced
                    .and_then(|location| folder_of_location(&location, &root))
                    .filter(|folder| *folder != self.folder);
                self.visibility = Visibility::Swapped;
                Ok(Some(swapped.changes))
            }
            Replacing::Unannounced(swap) => {
                let swap = self.with_exceptions(lake, *swap)?;
                record.note_swap(&self.name(), swap);
                Ok(None)
            }
        }
    }
}
