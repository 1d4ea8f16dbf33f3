//! The plan of a stream's table: which table the stream becomes, with which columns. It sends nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::lake::{Catalog, Lake};
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, Refresh};
use crate::row::{self, Plan, RowEncoder};
use crate::schema::evolve::SchemaOrigin;
use crate::schema::{self, Column, Note, Source, column, name};
use crate::table::{TableOptions, TableTarget, partition};

/// A configured stream with the table that it becomes, before anything was read from the catalog.
pub(crate) struct Planned {
    pub(crate) configured: ConfiguredStream,
    pub(crate) target: TableTarget,
    pub(crate) rows: row::ExtraColumns,
    /// How the schema became columns.
    pub(crate) notes: Vec<Note>,
}

/// Turns a stream's schema into the columns of its table, and finds the database that the table is in.
pub(crate) fn plan(
    configured: ConfiguredStream,
    options: &TableOptions,
    catalog: &dyn Catalog,
) -> Result<Planned> {
    let mut planned = plan_columns(configured, options)?;
    let namespace = planned.configured.key.namespace.as_deref();
    planned.target.database = database(namespace.unwrap_or(&options.database), catalog)?;
    Ok(planned)
}

/// Plans the streams; the database of a namespace is looked for once.
pub(crate) fn plan_all(
    configured: Vec<ConfiguredStream>,
    options: &TableOptions,
    lake: &Lake,
) -> Result<Vec<Planned>> {
    let namespace = |stream: &ConfiguredStream| {
        let namespace = stream.key.namespace.as_ref();
        namespace.unwrap_or(&options.database).clone()
    };
    let mut namespaces: Vec<String> = configured.iter().map(namespace).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let databases = lake.try_together(&namespaces, |name| database(name, &*lake.catalog))?;
    let planned = |stream: ConfiguredStream| {
        let place = namespaces.binary_search(&namespace(&stream));
        let mut planned = plan_columns(stream, options)?;
        let database = &databases[place.expect("it is of a stream")];
        planned.target.database.clone_from(database);
        Ok(planned)
    };
    configured.into_iter().map(planned).collect()
}

/// The name of the namespace's database. One that the Python connector has made, under the namespace as it is spelled, is
/// gone on with, unless this program has made its own already.
fn database(namespace: &str, catalog: &dyn Catalog) -> Result<String> {
    let own = name::database(namespace);
    match name::database_of_the_python_connector(namespace) {
        Some(theirs) if !catalog.shows_database(&own)? && catalog.shows_database(&theirs)? => {
            Ok(theirs)
        }
        _ => Ok(own),
    }
}

fn plan_columns(configured: ConfiguredStream, options: &TableOptions) -> Result<Planned> {
    let rows = row::ExtraColumns {
        rescued: options.columns.rescued.clone(),
        metadata: options.columns.metadata.then_some(row::Metadata {
            generation_id: configured.generation_id,
            sync_id: configured.sync_id,
        }),
    };
    let extra = rows.extra_fields();
    let reserved: Vec<&str> = extra.iter().map(|field| field.name.as_str()).collect();
    let json_schema = configured.json_schema.tree();
    let (mut wanted, notes) = properties(&json_schema, configured.origin, options, &reserved);
    let added = |field| Column::new(field, Source::Program);
    wanted.extend(extra.into_iter().map(added));
    let keys = partition::keys(&options.partitioning, &configured, &wanted)
        .map_err(|error| error.while_doing(format_args!("stream {}", configured.key)))?;
    wanted.retain(|column| !keys.iter().any(|key| key.column.as_ref() == Some(column)));
    let target = TableTarget {
        database: String::new(),
        name: name::table(&configured.key.name),
        keys,
        wanted,
        origin: configured.origin,
        policy: options.columns.policy,
        format: options.format,
        version: match configured.refresh {
            Refresh::Version(version) => Some(version),
            _ => None,
        },
    };
    Ok(Planned {
        configured,
        target,
        rows,
        notes,
    })
}

/// The columns of what values of an inferred stream show, of which `rows` are written.
pub(crate) fn seen(
    json_schema: &Value,
    rows: &row::ExtraColumns,
    options: &TableOptions,
) -> (Vec<Column>, Vec<Note>) {
    let extra = rows.extra_fields();
    let reserved: Vec<&str> = extra.iter().map(|field| field.name.as_str()).collect();
    properties(json_schema, SchemaOrigin::Inferred, options, &reserved)
}

/// The columns of a schema's properties, and how they became columns.
fn properties(
    json_schema: &Value,
    origin: SchemaOrigin,
    options: &TableOptions,
    reserved: &[&str],
) -> (Vec<Column>, Vec<Note>) {
    let mut schema = schema::read(json_schema, options.columns.numbers, reserved);
    options.columns.big_integers.apply(&mut schema.fields);
    if origin == SchemaOrigin::Inferred {
        let left_out = schema::policy::bound(&mut schema.fields, options.columns.policy.limits);
        schema.notes.extend(left_out);
    }
    let column = |field| Column::new(field, Source::Property);
    (
        schema.fields.into_iter().map(column).collect(),
        schema.notes,
    )
}

/// An error where two of the streams have one table.
pub(crate) fn refuse_shared_tables(planned: &[Planned]) -> Result<()> {
    let mut tables: BTreeMap<(&str, &str), Vec<&Planned>> = BTreeMap::new();
    for planned in planned {
        let table = (
            planned.target.database.as_str(),
            planned.target.name.as_str(),
        );
        tables.entry(table).or_default().push(planned);
    }
    let shared: Vec<String> = tables
        .into_values()
        .filter(|sharers| sharers.len() > 1)
        .map(|sharers| {
            let keys: Vec<&StreamKey> = sharers
                .iter()
                .map(|planned| &planned.configured.key)
                .collect();
            sharing(&sharers[0].target, &keys)
        })
        .collect();
    if shared.is_empty() {
        return Ok(());
    }
    Err(shared_tables(&shared))
}

/// The error of a stream that has the same table as `other`, which was planned before.
pub(crate) fn shared_with(planned: &Planned, other: &StreamKey) -> Error {
    let keys = [&planned.configured.key, other];
    shared_tables(&[sharing(&planned.target, &keys)])
}

fn sharing(target: &TableTarget, keys: &[&StreamKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    format!(
        "streams {} all map to table {}.{}",
        keys.join(" and "),
        target.database,
        target.name
    )
}

fn shared_tables(shared: &[String]) -> Error {
    Error::config(format!(
        "streams must not share a table: {}",
        shared.join("; ")
    ))
    .hint("rename one of them at the source, or give it another namespace")
}

/// Compiles the row plan for a table of these columns. A column with the name of one of ours and another type belongs to
/// somebody else, as does one that is filled from a property, and is an error.
pub(crate) fn compile(
    columns: &[Column],
    rows: &row::ExtraColumns,
    target: &TableTarget,
) -> Result<RowEncoder> {
    for extra in rows.extra_fields() {
        let is_taken = |column: &&Column| {
            let is_ours = column.source == Source::Program;
            column.field.name == extra.name
                && !(is_ours && column.field.data_type == extra.data_type)
        };
        if let Some(Column {
            field: taken,
            source,
        }) = columns.iter().find(is_taken)
        {
            let hint = if rows.rescued.as_ref() == Some(&extra.name) {
                "set rescued_data_column to another name, or to null"
            } else {
                "set metadata_columns to false"
            };
            let found = match source {
                Source::Property | Source::Variant => {
                    format!("filled from the property {:?}", taken.key)
                }
                _ => format!("of type {}", taken.data_type),
            };
            return Err(Error::config(format!(
                "the table {}.{} has a column {} {found}; expected {}",
                target.database, target.name, extra.name, extra.data_type
            ))
            .hint(hint));
        }
    }
    let mut fields = column::fields(columns);
    let in_folders = target.keys.iter().filter_map(|key| key.column.as_ref());
    fields.extend(in_folders.map(|column| column.field.clone()));
    let fields = target.format.rules().written(fields);
    Ok(RowEncoder::new(Plan::compile(&fields, rows)))
}
