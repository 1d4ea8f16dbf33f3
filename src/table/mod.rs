//! A stream's table: planned from its schema, kept in step with it in the catalog, and the one place that makes rows
//! visible. It knows no rows, only the objects that hold them.

pub(crate) mod control;
pub(crate) mod forecast;
mod hive;
pub(crate) mod layout;
pub(crate) mod listing;
pub(crate) mod locations;
pub(crate) mod notes;
pub(crate) mod partition;
pub(crate) mod plan;
pub(crate) mod uploads;

use std::fmt;

use crate::error::{Error, Result};
use crate::file::{Format, Statistics};
use crate::lake::{Catalog, Created, Lake, Lookup};
use crate::schema::evolve::{SchemaOrigin, Terms};
use crate::schema::{Column, ColumnOptions, ColumnPolicy, Field, Limits, Note, Type};
use crate::table::control::{Control, RunRecord, Swap};
use crate::table::layout::Run;
use crate::table::listing::{Known, Shown};
use crate::table::locations::Locations;
use crate::table::partition::{PartitionKey, Partitioning};
use crate::table::plan::Planned;
use crate::time::Clock;

use hive::HiveTable;

/// What the configuration says of tables.
#[derive(Clone, Debug)]
pub(crate) struct TableOptions {
    /// The folder of the bucket under which everything is stored.
    pub(crate) prefix: String,
    /// The one under which new generations are stored, where it is another.
    pub(crate) generations_prefix: Option<String>,
    /// The database of streams without a namespace.
    pub(crate) database: String,
    pub(crate) format: Format,
    pub(crate) columns: ColumnOptions,
    pub(crate) creation: Creation,
    pub(crate) partitioning: Partitioning,
}

/// When a table that does not exist is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// Before the first record: a sync that fails leaves it too, empty, with the columns that the platform declared.
    AtTheStart,
    /// By the first checkpoint that has rows for it, or at the end: a load that fails before that leaves no table.
    AtTheFirstCheckpoint,
}

/// The table that a stream asks for.
#[derive(Clone, Debug)]
pub(crate) struct TableTarget {
    pub(crate) database: String,
    pub(crate) name: String,
    /// The columns of the stream's schema, then ours.
    pub(crate) wanted: Vec<Column>,
    /// Where the types of those columns come from.
    pub(crate) origin: SchemaOrigin,
    /// How the columns that are there may change.
    pub(crate) policy: ColumnPolicy,
    pub(crate) format: Format,
    /// The source's version of the rows that a new generation holds, if they have one.
    pub(crate) version: Option<i64>,
    /// The keys of its partitions; none where it has no partitions.
    pub(crate) keys: Vec<PartitionKey>,
}

impl TableTarget {
    /// `database.table`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    fn terms(&self) -> Terms {
        Terms {
            origin: self.origin,
            rules: self.format.rules(),
            policy: ColumnPolicy {
                limits: match self.origin {
                    SchemaOrigin::Declared => Limits::NONE,
                    SchemaOrigin::Inferred => self.policy.limits,
                },
                ..self.policy
            },
        }
    }
}

/// The number of a partition of one table; 0 where the table has no partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionId(pub(crate) u32);

impl PartitionId {
    /// The number as an index of a list with one entry for each partition.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A complete object of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFile {
    pub(crate) key: String,
    /// Bytes of the object.
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) partition: PartitionId,
    pub(crate) statistics: Statistics,
}

/// A stream's table, from the opening of the sync to its end.
///
/// The contract with the sink: rows are stored below [`Table::folder`]. Before the first object there is completed comes
/// [`Table::begin`]. Completed objects are handed to [`Table::publish`], after whose success readers see them where the
/// table appends; [`Table::look`] then finds out whether they do, which must be known before anything is acknowledged.
/// A table that replaces shows nothing new until [`Table::replace`], which shows all objects of its folder and none of
/// the older ones. [`Table::tidy`], at the end of a run that succeeded, deletes what was replaced.
pub(crate) enum Table {
    Hive(HiveTable),
}

/// What opening a table needs to know of the run.
pub(crate) struct Opening<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) run: &'a Run,
    pub(crate) options: &'a TableOptions,
    pub(crate) control: &'a Control,
    /// What listings have found of tables.
    pub(crate) known: &'a Known,
}

/// A table that was opened, with the columns that its rows are written under.
pub(crate) struct Opened {
    pub(crate) table: Table,
    pub(crate) columns: Vec<Column>,
    pub(crate) changes: Vec<TableChange>,
}

/// The columns of rows to come after they have grown.
pub(crate) struct Grown {
    /// All columns; none where they are as they were.
    pub(crate) columns: Option<Vec<Column>>,
    pub(crate) notes: Vec<Note>,
}

impl Table {
    /// Makes the stream's table ready to be written: creates it or adds its new columns, as the options say, and
    /// reconciles the generations that earlier runs left unpublished.
    pub(crate) fn open(planned: &Planned, opening: &Opening<'_>) -> Result<Opened> {
        HiveTable::open(planned, opening)
    }

    pub(crate) fn target(&self) -> &TableTarget {
        match self {
            Self::Hive(table) => table.target(),
        }
    }

    /// The folder that rows go to, as the prefix of keys.
    pub(crate) fn folder(&self) -> &str {
        match self {
            Self::Hive(table) => table.folder(),
        }
    }

    /// Whether readers of the table see that folder already.
    pub(crate) fn is_published(&self) -> bool {
        match self {
            Self::Hive(table) => table.is_published(),
        }
    }

    /// The table's name in the record of a run: `database.table`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Hive(table) => table.name(),
        }
    }

    /// The number of the partition with these values, as `Partitioner::find` lists them, and its folder below the table's
    /// where it is new; nothing where it would be one more than `most`.
    pub(crate) fn partition(
        &mut self,
        values: &[u8],
        most: usize,
    ) -> Option<(PartitionId, Option<String>)> {
        match self {
            Self::Hive(table) => table.partition(values, most),
        }
    }

    /// Whether numbers of partitions are known.
    pub(crate) fn has_partitions(&self) -> bool {
        match self {
            Self::Hive(table) => table.has_partitions(),
        }
    }

    /// Forgets the numbers of all partitions.
    pub(crate) fn forget_partitions(&mut self) {
        match self {
            Self::Hive(table) => table.forget_partitions(),
        }
    }

    /// Prepares a checkpoint: marks the folder as one that no table shows, where that is so and objects are to be completed,
    /// and reads the table that is to be swapped. `swap` says so, and whether states of the rows were or will be
    /// acknowledged.
    pub(crate) fn begin(
        &self,
        lake: &Lake,
        has_objects: bool,
        swap: Option<bool>,
    ) -> Result<Begun> {
        match self {
            Self::Hive(table) => table.begin(lake, has_objects, swap).map(Begun),
        }
    }

    /// Takes what came of [`Table::begin`], and gives a table that shows the folder the columns that rows have
    /// [grown](Table::grow). Returns the swap for the record of the run, which is to be written before the first object of
    /// the checkpoint is completed.
    pub(crate) fn has_begun(
        &mut self,
        lake: &Lake,
        begun: Begun,
    ) -> Result<(Vec<TableChange>, Option<Swap>)> {
        match self {
            Self::Hive(table) => table.has_begun(lake, begun.0),
        }
    }

    /// Makes completed objects visible, where no swap does it later; the record names all of them. After an error the
    /// caller takes them back. Without objects too a table that does not exist is created.
    pub(crate) fn publish(
        &mut self,
        lake: &Lake,
        files: &[DataFile],
        record: &mut RunRecord,
        clock: &Clock,
    ) -> Result<Vec<TableChange>> {
        match self {
            Self::Hive(table) => table.publish(lake, files, record, clock),
        }
    }

    /// Looks whether the table shows the folder that rows were published in, or whether the generation is still this
    /// run's to publish. After an error nothing of it may be acknowledged.
    pub(crate) fn look(&self, lake: &Lake, shown: &Shown) -> Result<()> {
        match self {
            Self::Hive(table) => table.look(lake, shown),
        }
    }

    /// The table that a look looks for, where it does not look for the generation's mark instead.
    pub(crate) fn looked_for(&self) -> Option<&TableTarget> {
        match self {
            Self::Hive(table) => table.looked_for(),
        }
    }

    /// Publishes the new generation in place of the old one, in one step. A swap that was prepared must be in the record.
    pub(crate) fn replace(
        &self,
        lake: &Lake,
        is_resumable: bool,
        record: &RunRecord,
    ) -> Result<Replaced> {
        match self {
            Self::Hive(table) => table.replace(lake, is_resumable, record).map(Replaced),
        }
    }

    /// The error of a swap that others' changes have kept from its end.
    pub(crate) fn contended(&self) -> Error {
        self.target().contended()
    }

    /// Takes what came of [`Table::replace`]: how the table changed. Nothing where others had changed it: the record notes
    /// another swap then, and is to be written before the next try.
    pub(crate) fn has_replaced(
        &mut self,
        lake: &Lake,
        replaced: Replaced,
        record: &mut RunRecord,
    ) -> Result<Option<Vec<TableChange>>> {
        match self {
            Self::Hive(table) => table.has_replaced(lake, replaced.0, record),
        }
    }

    /// Gives the table other columns; returns those that the rows to come are written under. No column is lost.
    pub(crate) fn reshape(
        &mut self,
        lake: &Lake,
        target: TableTarget,
    ) -> Result<(Vec<Column>, Vec<TableChange>)> {
        match self {
            Self::Hive(table) => table.reshape(lake, target),
        }
    }

    /// Brings in columns of rows to come, as these were seen in records; returns all that rows have from now on, and what
    /// is new or left out. The catalog learns of them before readers see such rows, by [`Table::begin`],
    /// [`Table::publish`] or [`Table::replace`].
    pub(crate) fn grow(&mut self, seen: &[Column]) -> Result<Grown> {
        match self {
            Self::Hive(table) => table.grow(seen),
        }
    }

    /// Deletes what is superseded, at the end of a run that succeeded: the generation that [`Table::replace`] replaced,
    /// and those that were never published and never will be. A failure is only logged: readers do not see those rows.
    pub(crate) fn tidy(&self, lake: &Lake, control: &Control, locations: &mut Locations) {
        match self {
            Self::Hive(table) => table.tidy(lake, control, locations),
        }
    }

    /// Does the same where it is little; false where it is not, and was left to [`Table::tidy`].
    pub(crate) fn tidy_few(&self, lake: &Lake, locations: &mut Locations) -> bool {
        match self {
            Self::Hive(table) => table.tidy_few(lake, locations),
        }
    }
}

/// What came of [`Table::begin`].
pub(crate) struct Begun(hive::Begun);

/// What came of [`Table::replace`].
pub(crate) struct Replaced(hive::Replaced);

/// Whether the database exists and may be seen.
pub(crate) fn has_database(catalog: &dyn Catalog, database: &str) -> Result<bool> {
    // One that is hidden may be absent: creating it is the way to find out.
    Ok(matches!(catalog.database(database)?, Lookup::Found(())))
}

/// Makes the database where it is absent, for tables below `location`, and puts its tag on it.
pub(crate) fn ensure_database(
    catalog: &dyn Catalog,
    database: &str,
    location: &str,
) -> Result<Created> {
    let created = if has_database(catalog, database)? {
        Created::Before
    } else {
        catalog.create_database(database, location)?
    };
    if created == Created::Now {
        log::info!("created the database database={database}");
    }
    catalog.tag_database(database, created)?;
    Ok(created)
}

/// How a table's definition changed in a run; `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableChange {
    Created,
    /// A new generation was published at this location.
    Published(String),
    /// These settings were removed with the rows that they described.
    Dropped(Vec<String>),
    Column(Note),
}

impl fmt::Display for TableChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("the table is new"),
            Self::Published(location) => {
                write!(f, "the table shows a new generation at {location}")
            }
            Self::Dropped(settings) => write!(
                f,
                "settings of the table that do not hold for the new rows are removed: {}",
                settings.join(", ")
            ),
            Self::Column(note) => note.fmt(f),
        }
    }
}

/// A difference of a column to the table as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added {
        column: String,
        to: Type,
    },
    Retyped {
        column: String,
        from: Type,
        to: Type,
    },
}

/// What becomes of a column, given those that there were; the catalog knows types by their texts.
pub(crate) fn change(before: &[Field], field: &Field) -> Option<Change> {
    let column = field.name.clone();
    let to = field.data_type.clone();
    match before.iter().find(|old| is_same(old, field)) {
        None => Some(Change::Added { column, to }),
        Some(old) if old.data_type.to_string() == to.to_string() => None,
        Some(old) => Some(Change::Retyped {
            column,
            from: old.data_type.clone(),
            to,
        }),
    }
}

/// The catalog's names have no case.
fn is_same(one: &Field, other: &Field) -> bool {
    one.name.eq_ignore_ascii_case(&other.name)
}
