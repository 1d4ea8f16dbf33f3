//! `check`: every permission that a sync needs, tried on a probe that is removed again.

use std::rc::Rc;

use serde_json::json;

use crate::cli;
use crate::command::ending::Ending;
use crate::command::{configuration, connect};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::retry::RetryPolicy;
use crate::lake::{self, Lake, Lookup};
use crate::out;
use crate::schema::name;
use crate::table;
use crate::table::layout::Run;
use crate::time::Clock;

/// Prints exactly one CONNECTION_STATUS. Whatever is wrong is its message, and no failure of the program.
pub(super) fn run(asked: &cli::Lake, environment: &Environment) -> Result<Ending> {
    let failure = check(asked, environment)
        .err()
        .map(|error| error.to_string());
    out::line(out::connection_status(failure.as_deref()).as_bytes())?;
    Ok(Ending::Done)
}

fn check(asked: &cli::Lake, environment: &Environment) -> Result<()> {
    let config = configuration(asked, environment)?;
    let run = Run::begin(Clock::System.now())?;
    let lake = if let Some(folder) = &asked.local {
        lake::dir::open(folder)?
    } else {
        let aws = Rc::new(connect(&config, &run, environment, RetryPolicy::short())?);
        let caller = aws.sign_in()?;
        log::info!("signed in as {caller}");
        lake::aws::lake(&aws)
    };
    let slash = if config.prefix.is_empty() { "" } else { "/" };
    let folder = format!("{}{slash}_check/", config.prefix);
    step("finding the bucket", lake.objects.find(&folder))?;
    probe_objects(&lake, &format!("{folder}{}/", run.name()))?;
    let database = name::database(&config.database);
    step(
        "finding or creating the database",
        table::ensure_database(&*lake.catalog, &database),
    )?;
    probe_table(&lake, &database, &folder, &run)
}

fn step<T>(what: &str, outcome: Result<T>) -> Result<T> {
    outcome.map_err(|error| error.while_doing(what))
}

/// Writes, reads back, lists and deletes a small object, and begins and aborts an upload, below `folder`.
fn probe_objects(lake: &Lake, folder: &str) -> Result<()> {
    const BODY: &[u8] = b"{}\n";
    let objects = &*lake.objects;
    let key = format!("{folder}probe.jsonl");
    step("writing a probe object", objects.put(&key, BODY))?;
    let read = probe_reading(lake, folder, &key, BODY);
    // Whatever failed, the probe goes; the first failure is the one that is told.
    let deleted = step("deleting the probe object", objects.delete(&[key]));
    read.and(deleted)
}

fn probe_reading(lake: &Lake, folder: &str, key: &str, body: &[u8]) -> Result<()> {
    let objects = &*lake.objects;
    let found = step("reading the probe object back", objects.get(key))?;
    if found.as_deref() != Some(body) {
        return Err(Error::transient(format!(
            "reading the probe object back: {key} is not what was written"
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
    let mut upload = step(
        "beginning a probe upload",
        objects.begin(&format!("{folder}upload.jsonl")),
    )?;
    let part = step(
        "writing a part of the probe upload",
        objects.part(&mut upload, body),
    );
    let aborted = step("aborting the probe upload", objects.abort(&upload));
    // One whose beginning got no answer is there twice.
    let unfinished = step("listing unfinished uploads", objects.unfinished(folder));
    let listed = unfinished.and_then(|uploads| {
        let mut uploads = uploads.iter();
        uploads.try_for_each(|twin| objects.abort(&twin.upload))
    });
    part.and(aborted).and(listed)
}

/// Creates, reads, updates and deletes a table without rows.
fn probe_table(lake: &Lake, database: &str, folder: &str, run: &Run) -> Result<()> {
    let catalog = &*lake.catalog;
    let name = format!(
        "airbyte_check_{}",
        run.name().to_lowercase().replace('-', "_")
    );
    let location = format!("{}{folder}", lake.objects.root());
    let input = json!({
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": [{"Name": "probe", "Type": "string"}], "Location": location},
    });
    let input = input.as_object().expect("it is written as an object");
    step(
        "creating a probe table",
        catalog.create_table(database, input),
    )?;
    let update = || -> Result<()> {
        let what = "reading the probe table";
        let table = match step(what, catalog.table(database, &name))? {
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
    let updated = update();
    let deleted = step(
        "deleting the probe table",
        catalog.delete_table(database, &name),
    );
    updated.and(deleted)
}
