//! The opening of a sync: databases and tables are made ready for its streams.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::lake::{Created, Lake};
use crate::protocol::StreamKey;
use crate::protocol::catalog::{Completion, ConfiguredStream, Refresh};
use crate::row::partition::Partitioner;
use crate::schema::evolve::SchemaOrigin;
use crate::schema::{Column, Note, column, note};
use crate::sink::budget::Budget;
use crate::sink::growth::Growth;
use crate::sink::ledger::Ledger;
use crate::sink::sizes::Sizes;
use crate::sink::stream::{Stream, StreamCounts, StreamEnd};
use crate::sink::streams::Streams;
use crate::sink::writer::{Naming, ObjectNumbers, Writer};
use crate::sink::{Acknowledge, RECORDS_BETWEEN_LOOKS, Sink, SinkOptions, SyncProgress};
use crate::table::control::{Control, Owner};
use crate::table::layout::{self, Run};
use crate::table::listing::Known;
use crate::table::plan::{self, Planned};
use crate::table::{
    self, Opened, Opening, PartitionId, Table, TableTarget, notes, partition, uploads,
};
use crate::time::Clock;

/// The least room in the memory budget for each stream, in bytes.
const ROOM_OF_STREAM: usize = 16 << 10;

/// The most tables that are opened together: what is known of each is held until all are.
const GROUP: usize = 64;

impl<'a> Sink<'a> {
    /// Makes databases and tables ready for the streams. Two streams with one table are refused before that.
    pub(crate) fn open(
        lake: &'a Lake,
        configured: Vec<ConfiguredStream>,
        options: SinkOptions,
        run: Run,
        clock: Clock,
        acknowledgements: Box<dyn Acknowledge + 'a>,
    ) -> Result<Self> {
        let planned = plan::plan_all(configured, &options.table, lake)?;
        plan::refuse_shared_tables(&planned)?;
        let format = options.table.format;
        if let Some(advice) = format.advice(planned.len(), options.memory_budget) {
            log::info!("{advice}");
        }
        let owner = Owner::this(run.name(), options.job.clone(), lake.catalog.name());
        let control = Control::new(&options.table.prefix, owner, options.leftover_age);
        let mut sink = Self {
            lake,
            control,
            run,
            numbers: ObjectNumbers::default(),
            ledger: Ledger::new(options.memory_budget),
            streams: Streams::default(),
            row: Vec::new(),
            partition: PartitionId::default(),
            partition_values: Vec::new(),
            databases: Vec::new(),
            budget: Budget::new(options.memory_budget),
            progress: SyncProgress::new(clock.instant()),
            until_look: RECORDS_BETWEEN_LOOKS,
            unturned: 0,
            acknowledgements,
            options,
            clock,
        };
        let mut databases: Vec<&str> = planned
            .iter()
            .map(|planned| planned.target.database.as_str())
            .collect();
        databases.sort_unstable();
        databases.dedup();
        let known = sink.ensure_databases(&databases)?;
        sink.admit(planned, known)?;
        Ok(sink)
    }

    /// Makes the database and the table of one more stream ready.
    pub(crate) fn add(&mut self, configured: ConfiguredStream) -> Result<()> {
        let planned = self.planned(configured)?;
        let shares = |stream: &&Stream| {
            let target = stream.table.target();
            target.database == planned.target.database && target.name == planned.target.name
        };
        if let Some(other) = self.streams.iter().find(shares) {
            return Err(plan::shared_with(&planned, &other.key));
        }
        let known = self.ensure_databases(&[&planned.target.database])?;
        self.admit(vec![planned], known)
    }

    fn planned(&self, configured: ConfiguredStream) -> Result<Planned> {
        plan::plan(configured, &self.options.table, &*self.lake.catalog)
    }

    /// Gives a stream another schema: the rows to come are written under it. No column of the old one is lost.
    pub(crate) fn reshape(&mut self, configured: ConfiguredStream) -> Result<()> {
        let Planned {
            configured,
            target,
            rows,
            notes,
        } = self.planned(configured)?;
        log_notes(&configured.key, &notes);
        let Some(index) = self.streams.find(&configured.key) else {
            return Ok(());
        };
        let stream = &mut self.streams[index];
        let (columns, changes) = stream.table.reshape(self.lake, target)?;
        stream.counts.changes.extend(changes);
        stream.set_encoder(plan::compile(&columns, &rows, stream.table.target())?);
        stream.partitioner = partitioner(stream.table.target(), &columns, &self.clock);
        let reshaped = stream
            .writer
            .reshape(column::fields(&columns).into(), &*self.lake.objects);
        stream.note_failure(reshaped)
    }

    /// Makes those of the databases ready that are not yet, side by side. One that is new has no tables.
    fn ensure_databases(&mut self, databases: &[&str]) -> Result<Known> {
        let is_ready = |database: &&&str| self.databases.iter().any(|ready| ready == **database);
        let new: Vec<&str> = databases
            .iter()
            .filter(|database| !is_ready(database))
            .copied()
            .collect();
        let mut known = Known::default();
        if new.is_empty() {
            return Ok(known);
        }
        if new.contains(&layout::CONTROL) {
            return Err(Error::config(format!(
                "the database {} would be stored among the control objects of this program",
                layout::CONTROL
            ))
            .hint("give the stream another namespace, or set another database"));
        }
        self.control.reconcile(self.lake)?;
        let (lake, options) = (self.lake, &self.options);
        let created = lake.try_together(&new, |database| {
            let prefix = &options.table.prefix;
            let folder = layout::folder(prefix, database);
            let location = format!("{}{folder}", lake.objects.root());
            let created = table::ensure_database(&*lake.catalog, database, &location)?;
            uploads::abort_dead(lake, &folder, options.leftover_age);
            if let Some(prefix) = &options.table.generations_prefix {
                let folder = layout::folder(prefix, database);
                uploads::abort_dead(lake, &folder, options.leftover_age);
            }
            Ok(created)
        })?;
        for (database, created) in new.into_iter().zip(created) {
            if created == Created::Now {
                known.add_new(database);
            }
            self.databases.push(database.to_owned());
        }
        Ok(known)
    }

    /// Begins a stream anew: what came of it so far is superseded by the records to come. What states cover of it is kept
    /// where readers see it.
    pub(crate) fn restart(&mut self, configured: ConfiguredStream) -> Result<()> {
        let Some(index) = self.streams.find(&configured.key) else {
            return self.add(configured);
        };
        if self.streams[index].takes_checkpoints() && self.streams[index].writer.has_covered_rows()
        {
            self.checkpoint()?;
        }
        self.streams[index].writer.abandon(&*self.lake.objects);
        let planned = self.planned(configured)?;
        log_notes(&planned.configured.key, &planned.notes);
        self.wait_for_others(&planned)?;
        for (planned, opened) in self.opened(vec![planned], &Known::default())? {
            self.streams[index] = self.stream(planned, opened)?;
        }
        self.budget.recount(&self.streams);
        // No state may overtake those that waited for the rows that are superseded.
        self.acknowledge().map(drop)
    }

    /// Fails where so many streams, this one included, take more memory than there is room for.
    pub(crate) fn refuse_too_many(&self, streams: usize, key: &StreamKey) -> Result<()> {
        let most = self.options.memory_budget / ROOM_OF_STREAM;
        if streams <= most {
            return Ok(());
        }
        Err(Error::config(format!(
            "stream {key}: expected at most {most} streams, one per {} KiB of memory_budget_mb, found more",
            ROOM_OF_STREAM >> 10
        ))
        .hint("raise memory_budget_mb, or share the streams among several syncs"))
    }

    /// Opens the tables of more streams, and takes those.
    fn admit(&mut self, planned: Vec<Planned>, mut known: Known) -> Result<()> {
        for (planned, number) in planned.iter().zip(self.streams.len() + 1..) {
            self.refuse_too_many(number, &planned.configured.key)?;
        }
        for planned in &planned {
            log_notes(&planned.configured.key, &planned.notes);
            self.wait_for_others(planned)?;
        }
        let targets = planned.iter().map(|planned| &planned.target);
        known.list(&*self.lake.catalog, targets);
        let mut planned = planned.into_iter();
        loop {
            let group: Vec<Planned> = planned.by_ref().take(GROUP).collect();
            if group.is_empty() {
                return Ok(());
            }
            for (planned, opened) in self.opened(group, &known)? {
                let wanted = &planned.target.wanted;
                let fields = wanted.iter().map(|column| column.field.count()).sum();
                let stream = self.stream(planned, opened)?;
                self.budget.add_stream(fields);
                self.streams.add(stream);
                self.ledger.add_stream();
            }
        }
    }

    /// Waits for another run's checkpoint of the table.
    fn wait_for_others(&mut self, planned: &Planned) -> Result<()> {
        let table = format!("{}.{}", planned.target.database, planned.target.name);
        self.control.wait_for(self.lake, &table)
    }

    /// The streams with their tables, which are opened together.
    fn opened(&self, planned: Vec<Planned>, known: &Known) -> Result<Vec<(Planned, Opened)>> {
        let opening = Opening {
            lake: self.lake,
            run: &self.run,
            options: &self.options.table,
            control: &self.control,
            known,
        };
        let opened = self.lake.try_together(&planned, |planned| {
            let key = &planned.configured.key;
            let opened = Table::open(planned, &opening);
            opened.map_err(|error| error.while_doing(format_args!("stream {key}")))
        })?;
        Ok(planned.into_iter().zip(opened).collect())
    }

    fn stream(&self, planned: Planned, opened: Opened) -> Result<Stream> {
        let Opened {
            table,
            columns,
            changes,
        } = opened;
        let key = &planned.configured.key;
        if let Some(apart) = layout::apart(table.folder()) {
            uploads::abort_dead(self.lake, apart, self.options.leftover_age);
        }
        log_notes(key, &note::renames(&columns));
        let encoder = plan::compile(&columns, &planned.rows, table.target())
            .map_err(|error| error.while_doing(format_args!("stream {key}")))?;
        let partitioner = partitioner(table.target(), &columns, &self.clock);
        let format = self.options.table.format;
        let naming = Naming {
            folder: table.folder().to_owned(),
            run: self.run.clone(),
            numbers: self.numbers.clone(),
            format,
            columns: column::fields(&columns).into(),
            sizes: Sizes::new(format, self.options.memory_budget),
            target_size: self.options.target_file_size,
            partitions: Vec::new(),
        };
        let refresh = match planned.configured.refresh {
            // Readers see the version already.
            Refresh::Version(_) if table.is_published() => Refresh::Append {
                completion: Completion::EndOfInput,
            },
            refresh => refresh,
        };
        Ok(Stream {
            key: planned.configured.key,
            refresh,
            table,
            encoder,
            growth: (planned.configured.origin == SchemaOrigin::Inferred)
                .then(|| Growth::new(planned.rows)),
            partitioner,
            rescued_before: BTreeMap::new(),
            filled_before: BTreeMap::new(),
            writer: Writer::new(naming),
            counts: StreamCounts {
                changes,
                ..StreamCounts::default()
            },
            end: StreamEnd::default(),
        })
    }
}

/// Finds the partitions of rows of these columns.
fn partitioner(target: &TableTarget, columns: &[Column], clock: &Clock) -> Option<Partitioner> {
    let fields = partition::fields(&target.keys, columns);
    (!fields.is_empty()).then(|| Partitioner::new(fields, clock.now().0))
}

fn log_notes(key: &StreamKey, notes: &[Note]) {
    notes::log(notes, &|note| format!("stream {key}: {note}"));
}
