//! `check`: tries every permission that a sync needs, with a probe that is removed again.

use serde_json::{Map, Value, json};

use crate::cli;
use crate::command::exit::Exit;
use crate::command::{configuration, open};
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::http::retry::RetryPolicy;
use crate::interrupt::{self, Work};
use crate::lake::{Catalog, Created, Expected, Lake, Lookup};
use crate::out;
use crate::schema::name;
use crate::table::layout::{self, Run};
use crate::time::Clock;

/// Runs `check`: prints exactly one CONNECTION_STATUS. What fails is its message; the program succeeds.
pub(super) fn run(asked: &cli::LakeArguments, environment: &Environment) -> Result<Exit> {
    let failure = check(asked, environment)
        .err()
        .map(|error| error.to_string());
    let stopped = failure.as_ref().and_then(|_| interrupt::signal());
    out::line(out::connection_status(failure.as_deref()).as_bytes())?;
    Ok(stopped.map_or(Exit::Success, |signal| Exit::Reported(signal.exit_code())))
}

fn check(asked: &cli::LakeArguments, environment: &Environment) -> Result<()> {
    let config = configuration(asked, environment)?;
    let run = Run::begin(Clock::System.now())?;
    let folder = layout::folder(&config.prefix, layout::CHECK);
    let database = name::database(&config.database);
    let lake = open(asked, config, &run, environment, RetryPolicy::short())?;
    if let Some(caller) = lake.access.sign_in()? {
        log::info!("signed in as {caller}");
    }
    step("finding the bucket", lake.access.find(&folder))?;
    probe_objects(&lake, &format!("{folder}{}/", run.name()))?;
    probe_catalog(&lake, &database, &folder, &run)
}

fn step<T>(what: &str, outcome: Result<T>) -> Result<T> {
    outcome.map_err(|error| error.while_doing(what))
}

/// Writes, reads back, lists and deletes a small object, and begins and aborts an upload, below `folder`.
fn probe_objects(lake: &Lake, folder: &str) -> Result<()> {
    const BODY: &[u8; 3] = b"{}\n";
    let objects = &*lake.objects;
    let key = format!("{folder}probe.jsonl");
    // As control objects are written, which some stores cannot.
    let written = objects.put_if(&key, BODY, Expected::Absent);
    let written = step("writing a probe object", written);
    let read = written.and_then(|_| probe_reading(lake, folder, &key, BODY));
    // The probe is deleted whatever failed: a call that got no answer may have taken effect. The first failure is reported.
    let _work = interrupt::begin(Work::CleanUp);
    let deleted = step("deleting the probe object", objects.delete(&[key]));
    read.and(deleted)
}

fn probe_reading(lake: &Lake, folder: &str, key: &str, body: &[u8]) -> Result<()> {
    let objects = &*lake.objects;
    let found = step("reading the probe object back", objects.get(key))?;
    if found.as_deref() != Some(body) {
        return Err(Error::transient(format!(
            "reading the probe object back: {key} differs from what was written"
        )));
    }
    let mut is_listed = false;
    let listed = objects.list(folder, &mut |listed| {
        is_listed |= listed.key == key;
        Ok(())
    });
    step("listing the probe object", listed)?;
    if !is_listed {
        return Err(Error::transient(format!(
            "listing the probe object: {key} is not in the listing"
        )));
    }
    let begun = step(
        "beginning a probe upload",
        objects.begin(&format!("{folder}upload.jsonl")),
    );
    let tried = begun.and_then(|mut upload| {
        let part = step(
            "writing a part of the probe upload",
            objects
                .part(&mut upload, body.into())
                .and_then(|()| objects.settle(&mut upload)),
        );
        let _work = interrupt::begin(Work::CleanUp);
        let aborted = step("aborting the probe upload", objects.abort(&upload));
        part.and(aborted)
    });
    let _work = interrupt::begin(Work::CleanUp);
    // An upload whose creation got no response may exist, or exist twice.
    let unfinished = step("listing unfinished uploads", objects.unfinished(folder));
    let listed = unfinished.and_then(|uploads| {
        let mut uploads = uploads.iter();
        uploads.try_for_each(|twin| objects.abort(&twin.upload))
    });
    tried.and(listed)
}

/// Tries what a sync does in the catalog.
///
/// A database that does not exist is not created: it would have to be deleted again, and Glue deletes a database with
/// the tables that others may have created in it meanwhile. Permissions are looked for before the database is, so the
/// calls for its tables are tried in vain; and a database that nobody else knows is created and deleted.
fn probe_catalog(lake: &Lake, database: &str, folder: &str, run: &Run) -> Result<()> {
    let catalog = &*lake.catalog;
    let run = run.name().to_lowercase().replace('-', "_");
    let name = format!("{}{run}", layout::CHECK_NAME);
    let location = format!("{}{folder}", lake.objects.root());
    let input = json!({
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": [{"Name": "probe", "Type": "string"}], "Location": location},
    });
    let input = input.as_object().expect("it is written as an object");
    let found = step("finding the database", catalog.database(database))?;
    if matches!(found, Lookup::Found(())) {
        let what = "tagging the database";
        step(what, catalog.tag_database(database, Created::Before))?;
        return probe_table(catalog, database, &name, input);
    }
    step(
        "trying the calls for tables",
        catalog.probe_absent(database, input),
    )?;
    probe_creation(catalog, database, &name, &location)
}

/// Creates and deletes the database `name`, where it may be deleted.
fn probe_creation(catalog: &dyn Catalog, database: &str, name: &str, location: &str) -> Result<()> {
    match catalog.delete_database(name) {
        Err(error) if error.kind() == Kind::Config => {
            log::warn!(
                "the database {database} was not found; whether it can be created is not known, because a probe could not be deleted again: {error}"
            );
            return Ok(());
        }
        deleted => deleted?,
    }
    let what = format!("the database {database} was not found; creating a probe database");
    let created = step(&what, catalog.create_database(name, location));
    let tagged = created.and_then(|created| {
        let what = "tagging the probe database";
        step(what, catalog.tag_database(name, created))
    });
    let _work = interrupt::begin(Work::CleanUp);
    let deleted = step("deleting the probe database", catalog.delete_database(name));
    tagged.and(deleted)
}

/// Creates, reads, updates and deletes a table without rows.
fn probe_table(
    catalog: &dyn Catalog,
    database: &str,
    name: &str,
    input: &Map<String, Value>,
) -> Result<()> {
    let created = step(
        "creating a probe table",
        catalog.create_table(database, input),
    );
    let update = || -> Result<()> {
        let what = "reading the probe table";
        let table = match step(what, catalog.table(database, name))? {
            Lookup::Found(table) => table,
            Lookup::Absent => {
                return Err(Error::transient(format!(
                    "{what}: {database}.{name} does not exist"
                )));
            }
            Lookup::Hidden(error) => return Err(error.while_doing(what)),
        };
        step(
            "updating the probe table",
            catalog.update_table(database, &table.input, table.version.as_deref()),
        )?;
        Ok(())
    };
    let updated = created.and_then(|_| update());
    let _work = interrupt::begin(Work::CleanUp);
    let deleted = step(
        "deleting the probe table",
        catalog.delete_table(database, name),
    );
    updated.and(deleted)
}
