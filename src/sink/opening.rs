//! The beginning of a sync: streams become tables, and what an earlier run left behind is put in order.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, Result};
use crate::lake::{Catalog, Lake};
use crate::protocol::StreamKey;
use crate::protocol::catalog::{ConfiguredStream, Refresh};
use crate::row::{self, Plan, RowEncoder};
use crate::schema::{self, Field, Note, evolve, name};
use crate::sink::arrival::Way;
use crate::sink::ledger::Ledger;
use crate::sink::object::Sizes;
use crate::sink::stream::{Fate, Stream};
use crate::sink::tally::Counts;
use crate::sink::writer::{Place, Writer};
use crate::sink::{NewTables, Options, RECORDS_BETWEEN_LOOKS, Sink, leftovers, write_key};
use crate::table::layout::{Folders, Generation, Run};
use crate::table::{self, Target};
use crate::time::Clock;

/// A stream with its place in the lake, before anything was written.
pub(super) struct Planned {
    pub(super) configured: ConfiguredStream,
    pub(super) target: Target,
    pub(super) rows: row::Options,
    /// How the schema became columns.
    pub(super) notes: Vec<Note>,
}

impl<'a> Sink<'a> {
    /// Makes databases and tables ready for the streams. Two streams that would share a table are refused before that.
    pub(crate) fn open(
        lake: &'a Lake,
        configured: Vec<ConfiguredStream>,
        options: Options,
        run: Run,
        clock: Clock,
    ) -> Result<Self> {
        let planned: Vec<Planned> = configured
            .into_iter()
            .map(|stream| plan(stream, &options))
            .collect();
        refuse_shared_tables(&planned)?;
        let mut sink = Self {
            lake,
            run,
            ledger: Ledger::default(),
            streams: Vec::with_capacity(planned.len()),
            by_key: HashMap::with_capacity(planned.len()),
            by_number: Vec::new(),
            recent: 0,
            scratch: Vec::new(),
            databases: Vec::new(),
            memory: 0,
            grown: 0,
            last_checkpoint: clock.instant(),
            checkpoints: 0,
            states: 0,
            until_look: RECORDS_BETWEEN_LOOKS,
            options,
            clock,
        };
        let mut databases: Vec<&str> = planned
            .iter()
            .map(|planned| planned.target.database.as_str())
            .collect();
        databases.sort_unstable();
        databases.dedup();
        for database in databases {
            sink.ensure_database(database)?;
        }
        for planned in planned {
            sink.admit(planned)?;
        }
        Ok(sink)
    }

    /// Makes the database and the table of one stream more ready.
    pub(crate) fn add(&mut self, configured: ConfiguredStream) -> Result<()> {
        let planned = plan(configured, &self.options);
        let shares = |stream: &&Stream| {
            stream.target.database == planned.target.database
                && stream.target.name == planned.target.name
        };
        if let Some(other) = self.streams.iter().find(shares) {
            return Err(shared_tables(&[both(
                &planned.target,
                &[&planned.configured.key, &other.key],
            )]));
        }
        self.ensure_database(&planned.target.database)?;
        self.admit(planned)
    }

    /// Gives a stream another schema: the rows to come are written under it. No column of the old one is lost.
    pub(crate) fn reshape(&mut self, configured: ConfiguredStream) -> Result<()> {
        let Planned {
            configured,
            mut target,
            rows,
            notes,
        } = plan(configured, &self.options);
        let key = &configured.key;
        tell(key, &notes);
        write_key(key.namespace.as_deref(), &key.name, &mut self.scratch);
        let Some(index) = self.by_key.get(&self.scratch) else {
            return Ok(());
        };
        let stream = &mut self.streams[*index];
        let catalog = &*self.lake.catalog;
        target.wanted =
            evolve::reconcile(&stream.target.wanted, &target.wanted, target.claim).fields;
        let fields = match stream.refresh {
            Refresh::Append { .. } if stream.way == Way::New => target.wanted.clone(),
            Refresh::Append { .. } => {
                let location = format!("{}{}", self.lake.objects.root(), stream.folder);
                let shown = target.ensure(catalog, &location)?;
                stream.counts.changes.extend(shown.changes);
                shown.fields
            }
            Refresh::Truncate { .. } | Refresh::Overwrite => {
                target.fields_of_a_new_generation(target.find(catalog)?.as_ref())
            }
        };
        stream.rescued_before = stream.rescued();
        stream.encoder = compile(&fields, &rows, &target)?;
        stream.target = target;
        Ok(())
    }

    fn ensure_database(&mut self, database: &str) -> Result<()> {
        if self.databases.iter().any(|known| known == database) {
            return Ok(());
        }
        table::ensure_database(&*self.lake.catalog, database)?;
        leftovers::remove_uploads(self.lake, &self.options, database, &self.clock);
        self.databases.push(database.to_owned());
        Ok(())
    }

    fn admit(&mut self, planned: Planned) -> Result<()> {
        let key = planned.configured.key.clone();
        let stream = open_stream(self.lake, planned, &self.options, &self.run, &self.clock)
            .map_err(|error| error.while_doing(format_args!("stream {key}")))?;
        write_key(key.namespace.as_deref(), &key.name, &mut self.scratch);
        self.by_key.insert(self.scratch.clone(), self.streams.len());
        self.streams.push(stream);
        self.ledger.add_stream();
        Ok(())
    }
}

/// Schema to columns; sends nothing.
pub(super) fn plan(configured: ConfiguredStream, options: &Options) -> Planned {
    let rows = row::Options {
        rescued: options.rescued.clone(),
        metadata: options.metadata.then_some(row::Metadata {
            generation_id: configured.generation_id,
            sync_id: configured.sync_id,
        }),
    };
    let extra = rows.extra_fields();
    let reserved: Vec<&str> = extra.iter().map(|field| field.name.as_str()).collect();
    let schema = schema::read(&configured.json_schema, options.numbers, &reserved);
    let mut wanted = schema.fields;
    wanted.extend(extra);
    let database = name::database(
        configured
            .key
            .namespace
            .as_deref()
            .unwrap_or(&options.database),
    );
    let target = Target {
        database,
        name: name::table(&configured.key.name),
        wanted,
        claim: configured.claim,
        format: options.format,
    };
    Planned {
        configured,
        target,
        rows,
        notes: schema.notes,
    }
}

pub(super) fn refuse_shared_tables(planned: &[Planned]) -> Result<()> {
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
            both(&sharers[0].target, &keys)
        })
        .collect();
    if shared.is_empty() {
        return Ok(());
    }
    Err(shared_tables(&shared))
}

fn both(target: &Target, keys: &[&StreamKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    format!(
        "{} would all be the table {}.{}",
        keys.join(", "),
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

fn tell(key: &StreamKey, notes: &[Note]) {
    for note in notes {
        log::info!("stream {key}: {note}");
    }
}

fn open_stream(
    lake: &Lake,
    planned: Planned,
    options: &Options,
    run: &Run,
    clock: &Clock,
) -> Result<Stream> {
    let Planned {
        configured,
        target,
        rows,
        notes,
    } = planned;
    tell(&configured.key, &notes);
    let folders = Folders::new(&options.prefix, &target.database, &target.name);
    let root = lake.objects.root();
    let catalog = &*lake.catalog;
    let of_run = || Generation::OfRun(run.name().to_owned());
    let mut last_shown_generation = None;
    let mut counts = Counts::default();
    let mut hidden = None;
    let mut way = Way::Straight;
    let (folder, generation, shown, fields) = match configured.refresh {
        Refresh::Append { .. } if is_to_be_made_later(catalog, &target, options)? => {
            way = Way::New;
            let folder = folders.place(&of_run(), None);
            (folder, None, None, target.wanted.clone())
        }
        Refresh::Append { .. } => {
            let generation = configured
                .generation_id
                .map_or_else(of_run, Generation::Numbered);
            let location = format!("{root}{}", folders.place(&generation, None));
            let shown = target.ensure(catalog, &location)?;
            let folder = folder_of(&shown.location, &root, &target)?;
            last_shown_generation = shown.generation;
            counts.changes = shown.changes;
            (folder.clone(), None, Some(folder), shown.fields)
        }
        Refresh::Truncate { .. } | Refresh::Overwrite => {
            let table;
            (table, hidden) = target.look(catalog)?;
            // Refused now, not after hours of writing.
            target.refuse_replacing(table.as_ref())?;
            let shown = table
                .as_ref()
                .map(table::location)
                .and_then(|location| key_of(location, &root));
            let generation = match configured.refresh {
                Refresh::Truncate { generation } => Generation::Numbered(generation),
                _ => of_run(),
            };
            let folder = folders.place(&generation, shown.as_deref());
            (
                folder,
                Some(generation),
                shown,
                target.fields_of_a_new_generation(table.as_ref()),
            )
        }
    };
    let place = Place {
        folder: folder.clone(),
        run: run.clone(),
        format: options.format,
        sizes: Sizes::of(options.format),
        target_size: options.target_file_size,
    };
    let stream = Stream {
        encoder: compile(&fields, &rows, &target)?,
        rescued_before: BTreeMap::new(),
        writer: Writer::new(place),
        key: configured.key,
        refresh: configured.refresh,
        target,
        folders,
        shown,
        folder,
        way,
        generation,
        last_shown_generation,
        counts,
        fate: Fate::default(),
    };
    // A table that may be there and hidden may show any of them.
    if hidden.is_none() {
        leftovers::settle_generations(lake, &stream, configured.generation_id, options, clock)?;
    }
    Ok(stream)
}

/// Whether the stream has no table, and needs none before its first checkpoint.
///
/// One that is there gets its new columns at once: other writers then know of them before there are rows of their types,
/// and a column that a failed load leaves without rows reads as NULL. One that may be there and hidden is asked for at
/// once too, so that a permission that lacks is told before hours of work.
fn is_to_be_made_later(catalog: &dyn Catalog, target: &Target, options: &Options) -> Result<bool> {
    Ok(options.new_tables == NewTables::AtTheFirstCheckpoint
        && matches!(target.look(catalog)?, (None, None)))
}

/// The plan for a table of these columns. A column of ours that is there with another type belongs to somebody else.
fn compile(fields: &[Field], rows: &row::Options, target: &Target) -> Result<RowEncoder> {
    for extra in rows.extra_fields() {
        let taken = fields
            .iter()
            .find(|field| field.name == extra.name && field.of != extra.of);
        if let Some(taken) = taken {
            let hint = if rows.rescued.as_ref() == Some(&extra.name) {
                "set rescued_data_column to another name, or to null"
            } else {
                "set metadata_columns to false"
            };
            return Err(Error::config(format!(
                "the table {}.{} has a column {} of type {}; expected {}",
                target.database, target.name, extra.name, taken.of, extra.of
            ))
            .hint(hint));
        }
    }
    Ok(RowEncoder::new(Plan::compile(fields, rows)))
}

/// The folder of a location in this bucket, with a slash at its end.
pub(super) fn key_of(location: &str, root: &str) -> Option<String> {
    // Hadoop's names of the same scheme.
    let location = match location
        .strip_prefix("s3a://")
        .or_else(|| location.strip_prefix("s3n://"))
    {
        Some(rest) => format!("s3://{rest}"),
        None => location.to_owned(),
    };
    let folder = location.strip_prefix(root)?.trim_end_matches('/');
    (!folder.is_empty()).then(|| format!("{folder}/"))
}

pub(super) fn folder_of(location: &str, root: &str, target: &Target) -> Result<String> {
    key_of(location, root).ok_or_else(|| {
        Error::config(format!(
            "the table {}.{} shows {location}, which is no folder of {root}",
            target.database, target.name
        ))
        .hint("set bucket_name to the table's bucket, or write to another database")
    })
}
