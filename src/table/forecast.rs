//! What a sync would do to the catalog, without doing it.

use crate::error::Result;
use crate::lake::{CatalogTable, Lake};
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, Refresh};
use crate::schema::{self, Note, Source, Type, column, note};
use crate::table::layout::{self, Folders, folder_of_location};
use crate::table::plan::{self, Planned};
use crate::table::{self, Change, TableOptions, TableTarget, hive};

/// One stream's part of it.
pub(crate) struct Forecast {
    pub(crate) stream: StreamKey,
    pub(crate) database: String,
    pub(crate) has_database: bool,
    pub(crate) table: String,
    pub(crate) action: TableAction,
    /// Where the table's rows will be; `<run>` stands for the name that the run will have.
    pub(crate) location: String,
    /// In the catalog's order.
    pub(crate) columns: Vec<Column>,
    /// What the columns become that are in the table now.
    pub(crate) changes: Vec<Change>,
    /// What is renamed, what is kept as text and why, and what does not fit the table.
    pub(crate) notes: Vec<Note>,
}

/// What becomes of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableAction {
    Created,
    /// Rows are added to it.
    Extended,
    /// New rows take the place of those that are there.
    Replaced(Replacement),
    /// The sync would fail.
    Refused(String),
}

/// What a new generation takes the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    /// Where the rows are now.
    pub(crate) location: String,
    /// The settings of the table that do not hold for the new rows, and are removed.
    pub(crate) dropped_settings: Vec<String>,
}

/// A column as it will be.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) data_type: Type,
    pub(crate) origin: Origin,
}

/// What fills a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This place of the record.
    Record(String),
    /// The program itself.
    Program,
    /// Nothing: the table has it, and the schema does not.
    Nothing,
}

/// Looks at the catalog and at nothing else. Streams that would share a table are an error.
pub(crate) fn forecast(
    lake: &Lake,
    configured: Vec<ConfiguredStream>,
    options: &TableOptions,
) -> Result<Vec<Forecast>> {
    let planned: Vec<Planned> = configured
        .into_iter()
        .map(|stream| plan::plan(stream, options, &*lake.catalog))
        .collect::<Result<_>>()?;
    plan::refuse_shared_tables(&planned)?;
    planned
        .into_iter()
        .map(|planned| {
            let key = planned.configured.key.clone();
            of_stream(lake, planned, options)
                .map_err(|error| error.while_doing(format_args!("stream {key}")))
        })
        .collect()
}

fn of_stream(lake: &Lake, planned: Planned, options: &TableOptions) -> Result<Forecast> {
    let Planned {
        configured,
        target,
        mut notes,
        ..
    } = planned;
    let catalog = &*lake.catalog;
    let has_database = table::has_database(catalog, &target.database)?;
    let table = if has_database {
        target.find(catalog)?
    } else {
        None
    };
    let replaces = !matches!(configured.refresh, Refresh::Append { .. });
    let new_location = new_location(lake, &configured, &target, table.as_ref(), options);
    let (action, location, columns) = match &table {
        None => (TableAction::Created, new_location, target.wanted.clone()),
        Some(table) if replaces => {
            let action = match target.refuse_replacing(Some(table)) {
                Ok(()) => TableAction::Replaced(Replacement {
                    location: hive::location(table).to_owned(),
                    dropped_settings: hive::dropped_settings(table),
                }),
                Err(error) => TableAction::Refused(error.to_string()),
            };
            let columns = target.columns_of_a_new_generation(Some(table));
            (action, new_location, columns)
        }
        Some(table) => {
            let location = hive::location(table).to_owned();
            match target.preview(table) {
                Ok(reconciled) => {
                    let does_not_fit =
                        |note: &Note| matches!(note, Note::Kept { .. } | Note::Full { .. });
                    notes.extend(reconciled.notes.into_iter().filter(does_not_fit));
                    (TableAction::Extended, location, reconciled.columns)
                }
                Err(error) => {
                    let action = TableAction::Refused(error.to_string());
                    (action, location, target.wanted.clone())
                }
            }
        }
    };
    let changes = match (&table, &action) {
        (Some(table), TableAction::Extended | TableAction::Replaced(_)) => changes(table, &columns),
        _ => Vec::new(),
    };
    let is_wanted: Vec<bool> = columns
        .iter()
        .map(|column| is_in(&target.wanted, column))
        .collect();
    let mut names = note::renames(
        columns
            .iter()
            .zip(&is_wanted)
            .filter_map(|(column, is_wanted)| is_wanted.then_some(column)),
    );
    names.append(&mut notes);
    let column = |(column, is_wanted): (schema::Column, bool)| Column {
        origin: match column.source {
            _ if !is_wanted => Origin::Nothing,
            Source::Program => Origin::Program,
            _ => Origin::Record(note::place(&column.field.key)),
        },
        name: column.field.name,
        data_type: column.field.data_type,
    };
    Ok(Forecast {
        stream: configured.key,
        columns: columns.into_iter().zip(is_wanted).map(column).collect(),
        database: target.database,
        has_database,
        table: target.name,
        action,
        location,
        changes,
        notes: names,
    })
}

fn new_location(
    lake: &Lake,
    configured: &ConfiguredStream,
    target: &TableTarget,
    table: Option<&CatalogTable>,
    options: &TableOptions,
) -> String {
    let root = lake.objects.root();
    let number = match configured.refresh {
        Refresh::Truncate { generation, .. } => Some(generation),
        Refresh::Append { .. } | Refresh::Overwrite | Refresh::Version(_) => None,
    };
    let generation = layout::generation("<run>", number);
    let shown = table.and_then(|table| folder_of_location(hive::location(table), &root));
    let folders = Folders::new(&options.prefix, &target.database, &target.name);
    let folder = folders.place(&generation, shown.as_deref());
    format!("{root}{folder}")
}

fn changes(table: &CatalogTable, columns: &[schema::Column]) -> Vec<Change> {
    let old = column::fields(&hive::columns(table));
    let of_column = |column: &schema::Column| table::change(&old, &column.field);
    columns.iter().filter_map(of_column).collect()
}

/// Whether the stream or the program has what fills the column.
fn is_in(wanted: &[schema::Column], column: &schema::Column) -> bool {
    wanted.iter().any(|wanted| {
        wanted.source == column.source
            && match column.source {
                Source::Property => wanted.field.key == column.field.key,
                _ => wanted.field.name == column.field.name,
            }
    })
}
