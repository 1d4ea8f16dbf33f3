//! What a sync would do to the catalog, without doing it.

use crate::error::Result;
use crate::lake::CatalogTable;
use crate::protocol::StreamKey;
use crate::protocol::catalog::ConfiguredStream;
use crate::schema::{self, Note, Source, Type, column, note};
use crate::table::control::TakenBack;
use crate::table::hive::{Foreseen, HiveTable};
use crate::table::listing::Known;
use crate::table::locations::Locations;
use crate::table::plan::{self, Planned};
use crate::table::{self, Change, Opening, hive};

/// The most tables that are looked at together: what is known of each is held until all are.
const GROUP: usize = 64;

/// Whether the stream's database is there, and its table.
type Found = (bool, Option<CatalogTable>);

/// What a sync would do.
pub(crate) struct Forecast {
    pub(crate) streams: Vec<StreamForecast>,
    /// What earlier runs left unacknowledged, and would be deleted before the sync begins.
    pub(crate) taken_back: Vec<TakenBack>,
}

/// What a sync would do with one stream's table.
pub(crate) struct StreamForecast {
    pub(crate) stream: StreamKey,
    pub(crate) database: String,
    pub(crate) has_database: bool,
    pub(crate) table: String,
    pub(crate) action: TableAction,
    /// Where the table's rows will be; `<run>` stands for the name that the run will have.
    pub(crate) location: String,
    /// The keys of its partitions, each with its type.
    pub(crate) keys: Vec<(String, Type)>,
    /// In the catalog's order.
    pub(crate) columns: Vec<Column>,
    /// What the columns become that are in the table now.
    pub(crate) changes: Vec<Change>,
    /// What is renamed, what is kept as text and why, and what does not fit the table.
    pub(crate) notes: Vec<Note>,
    /// What is deleted at the end of a sync that succeeds, and what is left.
    pub(crate) deletions: Vec<Deletion>,
}

/// Objects of a folder that no table will show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) location: String,
    pub(crate) objects: u64,
    /// Why they are not deleted.
    pub(crate) left: Option<String>,
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
    /// Whether the Python connector made the table, and cannot go on with it after that.
    pub(crate) adopts: bool,
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

/// Looks at the lake, and changes nothing. Streams that would share a table are an error.
pub(crate) fn forecast(
    configured: Vec<ConfiguredStream>,
    opening: &Opening<'_>,
    taken_back: Vec<TakenBack>,
) -> Result<Forecast> {
    let lake = opening.lake;
    let planned = plan::plan_all(configured, opening.options, lake)?;
    plan::refuse_shared_tables(&planned)?;
    let mut databases: Vec<&str> = planned.iter().map(database).collect();
    databases.sort_unstable();
    databases.dedup();
    let are_there =
        lake.try_together(&databases, |name| table::has_database(&*lake.catalog, name))?;
    let there = databases.iter().zip(are_there);
    let there: Vec<String> = there
        .filter(|(_, is_there)| *is_there)
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let is_there = |planned: &&Planned| there.iter().any(|there| there == database(planned));
    let mut known = Known::default();
    let of_there = planned.iter().filter(is_there);
    known.list(&*lake.catalog, of_there.map(|planned| &planned.target));
    let mut locations = Locations::default();
    let mut streams = Vec::with_capacity(planned.len());
    let mut planned = planned.into_iter();
    loop {
        let group: Vec<Planned> = planned.by_ref().take(GROUP).collect();
        if group.is_empty() {
            break;
        }
        let tables = lake.try_together(&group, |planned| {
            if !is_there(&planned) {
                return Ok((false, None));
            }
            let found = find(planned, opening, &known);
            found
                .map(|table| (true, table))
                .map_err(|error| error.while_doing(of_key(planned)))
        })?;
        let found: Vec<(Planned, Found)> = group.into_iter().zip(tables).collect();
        let foreseen = foresee(&found, opening, &mut locations)?;
        for ((planned, (has_database, table)), foreseen) in found.into_iter().zip(foreseen) {
            let table = table.as_ref();
            streams.push(of_stream(planned, has_database, table, opening, foreseen));
        }
    }
    Ok(Forecast {
        streams,
        taken_back,
    })
}

/// What each sync deletes, and where its rows go, looked for side by side where that is little.
fn foresee(
    found: &[(Planned, Found)],
    opening: &Opening<'_>,
    locations: &mut Locations,
) -> Result<Vec<Foreseen>> {
    let one = |(planned, (_, table)): &(Planned, Found), locations: &mut Locations, at_length| {
        HiveTable::foresee(planned, table.as_ref(), opening, locations, at_length)
            .map_err(|error| error.while_doing(of_key(planned)))
    };
    let mut foreseen = Vec::with_capacity(found.len());
    // The first that deletes anything lists where all tables are located, for all others.
    while !locations.are_listed()
        && let Some(next) = found.get(foreseen.len())
    {
        foreseen.extend(one(next, locations, true)?);
    }
    let rest = &found[foreseen.len()..];
    let lake = opening.lake;
    let of_rest = lake.try_together(rest, |next| one(next, &mut locations.clone(), false))?;
    for (next, little) in rest.iter().zip(of_rest) {
        match little {
            Some(little) => foreseen.push(little),
            None => foreseen.extend(one(next, locations, true)?),
        }
    }
    Ok(foreseen)
}

fn database(planned: &Planned) -> &str {
    &planned.target.database
}

fn of_key(planned: &Planned) -> String {
    format!("stream {}", planned.configured.key)
}

/// The table as a sync finds it.
fn find(planned: &Planned, opening: &Opening<'_>, known: &Known) -> Result<Option<CatalogTable>> {
    let Opening { lake, control, .. } = opening;
    let target = &planned.target;
    let mut table = target.find(&*lake.catalog, known.look(target))?;
    if let Some(table) = &mut table {
        let root = lake.objects.root();
        control.as_taken_back(&target.database, &target.name, &root, table);
        hive::finish(table, target.format);
    }
    Ok(table)
}

fn of_stream(
    planned: Planned,
    has_database: bool,
    table: Option<&CatalogTable>,
    opening: &Opening<'_>,
    (folder, deletions): Foreseen,
) -> StreamForecast {
    let new_location = format!("{}{folder}", opening.lake.objects.root());
    let Planned {
        configured,
        target,
        mut notes,
        ..
    } = planned;
    let replaces = hive::replaces(&configured, table, opening.control);
    let (action, location, columns) = match table {
        None => (TableAction::Created, new_location, target.wanted.clone()),
        Some(table) if replaces => {
            let action = match target.refuse_replacing(Some(table)) {
                Ok(()) => TableAction::Replaced(Replacement {
                    location: hive::location(table).to_owned(),
                    adopts: hive::is_of_the_python_connector(table),
                    dropped_settings: hive::dropped_settings(table, target.format),
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
                    let does_not_fit = |note: &Note| {
                        matches!(
                            note,
                            Note::Kept { .. } | Note::Full { .. } | Note::Frozen { .. }
                        )
                    };
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
    let changes = match (table, &action) {
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
    StreamForecast {
        stream: configured.key,
        keys: target
            .keys
            .into_iter()
            .map(|key| (key.name, key.data_type))
            .collect(),
        columns: columns.into_iter().zip(is_wanted).map(column).collect(),
        database: target.database,
        has_database,
        table: target.name,
        deletions: match action {
            TableAction::Refused(_) => Vec::new(),
            _ => deletions,
        },
        action,
        location,
        changes,
        notes: names,
    }
}

fn changes(table: &CatalogTable, columns: &[schema::Column]) -> Vec<Change> {
    let old = column::fields(&hive::columns(table));
    let of_column = |column: &schema::Column| table::change(&old, &column.field);
    columns.iter().filter_map(of_column).collect()
}

/// Whether the stream or the program has what fills the column.
fn is_in(wanted: &[schema::Column], column: &schema::Column) -> bool {
    let source = match column.source {
        Source::Variant => Source::Property,
        source => source,
    };
    wanted.iter().any(|wanted| {
        wanted.source == source
            && match source {
                Source::Property => wanted.field.key == column.field.key,
                _ => wanted.field.name == column.field.name,
            }
    })
}
