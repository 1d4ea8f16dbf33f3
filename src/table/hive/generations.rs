//! Generations that a table does not show, and whose they are: which one a run goes on with, and which it makes visible.
//! What becomes of the others is decided in [`superseded`](super::superseded).
//!
//! # Whose numbers
//!
//! The platform numbers the generations of a stream for each connection, and its jobs (`sync_id`) for all of them; both
//! only rise, and a new job always has a new generation where it replaces. So
//!
//! - a generation is *the same* where its number and its job are; a client without jobs of its own (PyAirbyte gives every
//!   sync the generation 1 of the sync 1) means the same where it appends, and a new one where it overwrites;
//! - two generations are of one connection's numbering where both numbers rise together. Where one rises and the other
//!   falls, or the platform does not number its syncs, they are not compared: each is a generation of its own.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::file::Format;
use crate::lake::{CatalogTable, Lake, Objects};
use crate::protocol::StreamKey;
use crate::protocol::catalog::{Completion, ConfiguredStream, Refresh};
use crate::schema::{Column, Field, Source, hive, readable};
use crate::table::control::{Control, Mark, MarkObject, Stage};
use crate::table::hive::{definition, partitions, superseded};
use crate::table::plan::Planned;

/// The platform's numbers of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::table) struct Numbered {
    pub(in crate::table) generation: i64,
    /// The job; nothing where the platform does not say.
    pub(in crate::table) sync: Option<i64>,
    /// Which attempt at the job.
    pub(in crate::table) attempt: Option<i64>,
}

impl Numbered {
    /// The numbers that this sync gives the stream.
    pub(super) fn of(stream: &ConfiguredStream, control: &Control) -> Option<Self> {
        let job = control.owner().job.as_ref();
        Some(Self {
            generation: stream.generation_id?,
            sync: stream.sync_id.or(job.map(|job| job.id)),
            attempt: job.map(|job| job.attempt),
        })
    }

    pub(super) fn of_mark(mark: &Mark) -> Option<Self> {
        Some(Self {
            generation: mark.generation?,
            sync: mark.sync,
            attempt: None,
        })
    }

    /// Whether both are the same generation in the same job, for a sync that replaces under the numbers `self`.
    fn is_same(self, other: Self, is_append: bool) -> bool {
        let is_same_sync = match (self.sync, other.sync) {
            (Some(sync), Some(other)) => sync == other,
            // Version 0.2.0 of this program left no sync's number.
            (_, None) => self.attempt.is_none(),
            (None, Some(_)) => false,
        };
        let is_known = self.attempt.is_some() || is_append;
        self.generation == other.generation && is_same_sync && is_known
    }

    /// Whether both are of one connection's numbering, and this one is not the later.
    fn is_at_most(self, other: Self) -> bool {
        let syncs = self.sync.zip(other.sync);
        self.generation <= other.generation && syncs.is_some_and(|(sync, other)| sync <= other)
    }

    /// Whether this sync goes on with `published`, the generation that the table shows. A later attempt at the job that
    /// published it does where states of it were acknowledged: the source resumes after them, so the rows that are there
    /// stay. Where there are no jobs, a sync that appends does.
    fn resumes_published(self, published: Self, is_append: bool) -> bool {
        let is_later = match (published.attempt, self.attempt) {
            (Some(earlier), Some(now)) => earlier < now,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        self.is_same(published, is_append) && is_later
    }
}

/// The generations of a table that it does not show.
#[derive(Default)]
pub(super) struct Generations {
    /// The mark of the one that this run writes, where it is not published yet.
    pub(super) own: Option<MarkObject>,
    /// The marks that other runs left.
    pub(super) others: Vec<MarkObject>,
    /// The one whose rows this run has copied to the table's folder.
    pub(super) adopted: Option<MarkObject>,
}

/// The mark of a generation that the run is to write in this folder.
pub(super) fn mark(
    stream: &ConfiguredStream,
    numbers: Option<Numbered>,
    folder: &str,
    stored: &Stored<'_>,
    control: &Control,
) -> Mark {
    Mark {
        owner: control.owner().clone(),
        earlier: Vec::new(),
        stream: stream.key.name.clone(),
        namespace: stream.key.namespace.clone(),
        generation: numbers.map(|numbers| numbers.generation),
        sync: numbers.and_then(|numbers| numbers.sync),
        folder: folder.to_owned(),
        parquet: stored.types(),
        stage: Stage::Unpublished,
    }
}

/// How the objects of a generation are stored.
pub(super) struct Stored<'a> {
    pub(super) format: Format,
    pub(super) columns: &'a [Column],
}

impl Stored<'_> {
    /// The types of its columns, where the objects have them in themselves.
    fn types(&self) -> Option<Vec<(String, String)>> {
        let of_column =
            |Column { field, .. }: &Column| (field.name.clone(), field.data_type.to_string());
        match self.format {
            Format::Jsonl(_) => None,
            Format::Parquet(_) => Some(self.columns.iter().map(of_column).collect()),
        }
    }

    /// An error unless these objects and those of the mark are read as one.
    fn refuse_others(&self, mark: &Mark) -> Result<()> {
        let fits = match (&mark.parquet, self.types()) {
            (None, None) => true,
            (Some(types), Some(_)) => {
                let column = |(name, data_type): &(String, String)| {
                    let field = Field {
                        key: name.clone(),
                        name: name.clone(),
                        data_type: hive::parse(data_type),
                    };
                    Column::new(field, Source::Unrecorded)
                };
                let written: Vec<Column> = types.iter().map(column).collect();
                readable::reads(self.columns, &written, self.format.rules())
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let found = match mark.parquet {
            Some(_) => "Parquet under other types of columns, or in place of JSONL",
            None => "JSONL, and the configured format is Parquet",
        };
        Err(Error::config(format!(
            "the acknowledged rows of a refresh that did not finish are stored as {found}: {}",
            mark.folder
        ))
        .hint(
            "set format and types back until these rows are published, or refresh the stream again",
        ))
    }
}

/// What the sync asks of the table's rows.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    stream: StreamKey,
    refresh: Refresh,
    numbers: Option<Numbered>,
    job: Option<i64>,
    /// A client without jobs asks to append, by the numbers that PyAirbyte gives to every sync: a platform's would ask for
    /// a refresh.
    is_append_of_a_client: bool,
}

impl Asked {
    pub(super) fn of(stream: &ConfiguredStream, control: &Control) -> Self {
        let is_append = Refresh::Truncate {
            generation: 1,
            is_append: true,
        };
        let job = control.owner().job.as_ref();
        Self {
            stream: stream.key.clone(),
            refresh: stream.refresh,
            numbers: Numbered::of(stream, control),
            job: job.map(|job| job.id),
            is_append_of_a_client: job.is_none()
                && stream.refresh == is_append
                && stream.sync_id == Some(1),
        }
    }

    /// Whether a sync that replaces goes on with the generation that the table shows.
    pub(super) fn adds_to_published(&self, entry: Option<&CatalogTable>) -> bool {
        match self.refresh {
            Refresh::Truncate { is_append, .. } => {
                let published = entry.and_then(|entry| definition::numbers(&entry.input));
                self.is_append_of_a_client
                    || self
                        .numbers
                        .zip(published)
                        .is_some_and(|(now, published)| now.resumes_published(published, is_append))
            }
            Refresh::Version(version) => entry.is_some_and(|entry| shows_version(entry, version)),
            Refresh::Append { .. } | Refresh::Overwrite => false,
        }
    }

    /// Whether the mark is of the same stream, and of an attempt at the same job of the platform.
    pub(super) fn is_of_the_same_job(&self, mark: &Mark) -> bool {
        let job = mark.owner.job.as_ref().map(|job| job.id);
        mark.is_of(&self.stream) && job.is_some() && job == self.job
    }
}

/// Whether the rows of the table are of this version of the source.
fn shows_version(entry: &CatalogTable, version: i64) -> bool {
    // Version 0.2.0 of this program named the folder by it instead.
    let folder = definition::location(&entry.input).trim_end_matches('/');
    definition::version(&entry.input) == Some(version) || folder.ends_with(&format!("/g{version}"))
}

impl Generations {
    /// Those that earlier runs left of the table.
    pub(super) fn found(marks: Vec<MarkObject>) -> Self {
        Self {
            others: marks,
            ..Self::default()
        }
    }

    /// Takes over the unfinished generation of an earlier attempt at the same job, where there is one; its folder.
    pub(super) fn resume(
        &mut self,
        stream: &ConfiguredStream,
        numbers: Numbered,
        shown: Option<&str>,
        stored: &Stored<'_>,
        objects: &dyn Objects,
        control: &Control,
    ) -> Result<Option<String>> {
        let Some(mut mark) = self.take_unfinished(stream, numbers, shown) else {
            return Ok(None);
        };
        stored.refuse_others(&mark.mark)?;
        mark.claim(objects, control.owner(), Stage::Unpublished)?;
        // Whoever sent them sends them again.
        let taken_back = control.taken_back_in(&mark.mark.folder);
        if !taken_back.is_empty() {
            objects.delete(&taken_back)?;
        }
        log::info!(
            "going on with the unfinished generation of an earlier attempt folder={}",
            mark.mark.folder
        );
        let folder = mark.mark.folder.clone();
        self.own = Some(mark);
        Ok(Some(folder))
    }

    /// The mark of the unfinished generation of an earlier attempt at the same job, which is no other's from then on. One
    /// in the folder `shown` is finished: its run died between its swap and its end.
    pub(super) fn take_unfinished(
        &mut self,
        stream: &ConfiguredStream,
        numbers: Numbered,
        shown: Option<&str>,
    ) -> Option<MarkObject> {
        let is_append = matches!(
            stream.refresh,
            Refresh::Truncate {
                is_append: true,
                ..
            }
        );
        let is_it = |found: &MarkObject| {
            found.mark.is_of(&stream.key)
                && Some(&*found.mark.folder) != shown
                && matches!(
                    found.mark.stage,
                    Stage::Unpublished | Stage::Publishing { .. }
                )
                && Numbered::of_mark(&found.mark)
                    .is_some_and(|mark| numbers.is_same(mark, is_append))
        };
        let index = self.others.iter().position(is_it)?;
        Some(self.others.swap_remove(index))
    }

    /// Makes the acknowledged rows of a refresh that was cancelled visible, before the first row of an append.
    ///
    /// Objects are copied under their names, so a run that goes on after one that died copies them again. Returns the values
    /// of the partitions that they are in.
    pub(super) fn adopt_cancelled(
        &mut self,
        planned: &Planned,
        published: Option<Numbered>,
        folder: &str,
        stored: &Stored<'_>,
        lake: &Lake,
        control: &Control,
    ) -> Result<BTreeSet<Vec<String>>> {
        let (stream, target) = (&planned.configured, &planned.target);
        let mut partitions = BTreeSet::new();
        let Some(mut mark) = self.take_cancelled(stream, published, folder, control) else {
            return Ok(partitions);
        };
        stored.refuse_others(&mark.mark)?;
        let into = folder.to_owned();
        let objects = &*lake.objects;
        mark.claim(objects, control.owner(), Stage::Adopting { into })?;
        let from = &mark.mark.folder;
        let mut copied = 0;
        superseded::each_of_ours(objects, from, target, &mut |key| {
            if control.is_unacknowledged(&key) {
                return Ok(());
            }
            copied += 1;
            let name = &key[from.len()..];
            partitions.extend(partitions::values_of_object(target, name));
            objects.copy(&key, &format!("{folder}{name}"))
        })?;
        if copied > 0 {
            log::info!(
                "published the acknowledged rows of a refresh that was cancelled folder={from} objects={copied}"
            );
        }
        self.adopted = Some(mark);
        Ok(partitions)
    }

    /// The mark of the cancelled refresh whose rows an append makes visible in the folder, which is no other's from then
    /// on.
    ///
    /// The platform's contract: a refresh without COMPLETE leaves its acknowledged rows in a folder of their own, and the
    /// next append makes them visible. The latest one that is later than what is published is meant: a refresh begins
    /// from nothing, so older ones are superseded.
    pub(super) fn take_cancelled(
        &mut self,
        stream: &ConfiguredStream,
        published: Option<Numbered>,
        folder: &str,
        control: &Control,
    ) -> Option<MarkObject> {
        let is_meant = Refresh::Append {
            completion: Completion::Status,
        } == stream.refresh;
        let now = Numbered::of(stream, control).filter(|_| is_meant)?;
        let candidates = self.others.iter().enumerate().filter_map(|(index, found)| {
            let mark = Numbered::of_mark(&found.mark)?;
            let is_later = published.is_none_or(|published| {
                published.is_at_most(mark) && published.generation < mark.generation
            });
            (found.mark.is_of(&stream.key)
                && found.mark.stage != Stage::Discarded
                && found.mark.folder != folder
                && mark.is_at_most(now)
                && is_later)
                .then_some((mark.generation, index))
        });
        let (_, index) = candidates.max()?;
        Some(self.others.swap_remove(index))
    }
}
