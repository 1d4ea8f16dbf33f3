//! The databases and tables of a lake in the Glue Data Catalog.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::aws::glue::Described;
use crate::aws::{Aws, Pages, glue, is_denied, lakeformation};
use crate::error::{Error, Refusal, Result};
use crate::interrupt::{self, Work};
use crate::lake::aws::Tag;
use crate::lake::aws::permissions::{self, perform};
use crate::lake::{Catalog, CatalogTable, Created, Located, Lookup, PartitionChange, Updated};

/// The Data Catalog of the settings' account and region, and the tag of its databases.
pub(super) struct Glue {
    pub(super) aws: Rc<Aws>,
    pub(super) database_tag: Option<Tag>,
    /// Whether the tables of a database may not be listed.
    pub(super) is_list_denied: Cell<bool>,
}

impl Glue {
    fn database_names(&self) -> Result<Vec<String>> {
        let listing = |error: Error| error.while_doing("listing the databases of the catalog");
        let mut names = Vec::new();
        let mut pages = Pages::default();
        let mut next = None;
        loop {
            let get = glue::GetDatabases {
                next: next.as_deref(),
            };
            let page = perform(&self.aws, &get).map_err(listing)?;
            if let Some(marker) = &page.next {
                pages.turn(marker, page.found.first()).map_err(listing)?;
            }
            names.extend(page.found);
            if page.next.is_none() {
                return Ok(names);
            }
            next = page.next;
        }
    }

    /// Puts the tag on a resource; one that was there before keeps a tag of that key.
    fn tag(&self, resource: &Value, tag: &Tag, created: Created) -> Result<()> {
        let Tag { key, value } = tag;
        if created == Created::Before {
            let get = lakeformation::GetTags { resource };
            let there = perform(&self.aws, &get)?;
            if there.contains(key) {
                return Ok(());
            }
        }
        let add = lakeformation::AddTag {
            resource,
            key,
            value,
        };
        perform(&self.aws, &add).map_err(|error| {
            let hint = || format!("grant ASSOCIATE on the tag {key}={value}");
            permissions::hint_if_denied(error, hint)
        })
    }

    /// Whether a refusal means that an earlier attempt of ours succeeded, though its response was lost.
    fn is_ours(&self, error: &Error, database: &str, input: &Map<String, Value>) -> Result<bool> {
        if error.refusal().is_none_or(|refusal| refusal.attempts < 2) {
            return Ok(false);
        }
        match self.table(database, name(input))? {
            Lookup::Found(table) => {
                let mut fields = input.iter();
                Ok(fields
                    .all(|(key, sent)| table.input.get(key).is_some_and(|kept| holds(kept, sent))))
            }
            Lookup::Absent => Ok(false),
            Lookup::Hidden(error) => Err(error),
        }
    }
}

/// Glue's code for a database or a table that does not exist.
const ABSENT: &str = "EntityNotFoundException";

/// What a failed lookup means; `error` is the refusal, ready to be reported.
fn lookup<T>(error: Error) -> Result<Lookup<T>> {
    if error.code() == ABSENT {
        Ok(Lookup::Absent)
    } else if is_hidden(&error) {
        Ok(Lookup::Hidden(error))
    } else {
        Err(error)
    }
}

/// Whether Lake Formation refuses to say if a table or a database exists. IAM refuses with the same code, but names the
/// missing permission, so its refusals are errors.
fn is_hidden(error: &Error) -> bool {
    let is_of_iam = |refusal: &Refusal| refusal.message.contains("not authorized to perform");
    let is_of_lake_formation =
        |refusal: &Refusal| permissions::is_of_lake_formation(&refusal.message);
    matches!(error.code(), "AccessDeniedException" | "AccessDenied")
        && !error.refusal().is_some_and(is_of_iam)
        || error.refusal().is_some_and(is_of_lake_formation)
}

/// Whether the catalog holds what was sent; it adds fields of its own.
fn holds(kept: &Value, sent: &Value) -> bool {
    match (kept, sent) {
        (Value::Object(kept), Value::Object(sent)) => sent
            .iter()
            .all(|(key, sent)| kept.get(key).is_some_and(|kept| holds(kept, sent))),
        (Value::Array(kept), Value::Array(sent)) => {
            kept.len() == sent.len() && kept.iter().zip(sent).all(|(kept, sent)| holds(kept, sent))
        }
        _ => kept == sent,
    }
}

impl Catalog for Glue {
    fn name(&self) -> Option<String> {
        Some(self.aws.catalog())
    }

    fn database(&self, database: &str) -> Result<Lookup<()>> {
        match perform(&self.aws, &glue::GetDatabase { name: database }) {
            Ok(()) => Ok(Lookup::Found(())),
            Err(error) => lookup(error.while_doing(format!("looking for database {database}"))),
        }
    }

    fn shows_database(&self, database: &str) -> Result<bool> {
        match self.database(database) {
            Ok(found) => Ok(matches!(found, Lookup::Found(()))),
            Err(error) if is_denied(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn create_database(&self, database: &str, location: &str) -> Result<Created> {
        let create = glue::CreateDatabase {
            name: database,
            location,
        };
        match perform(&self.aws, &create) {
            Ok(()) => Ok(Created::Now),
            Err(error) if error.code() == "AlreadyExistsException" => Ok(Created::Before),
            Err(error) => Err(error.while_doing(format!("creating database {database}"))),
        }
    }

    fn delete_database(&self, database: &str) -> Result<()> {
        match perform(&self.aws, &glue::DeleteDatabase { name: database }) {
            Err(error) if error.code() != ABSENT => {
                Err(error.while_doing(format!("deleting database {database}")))
            }
            _ => Ok(()),
        }
    }

    fn probe_absent(&self, database: &str, input: &Map<String, Value>) -> Result<()> {
        let created = self.create_table(database, input);
        // A database that is hidden may be there, and then the table is.
        let is_there = created.is_ok();
        let read = self.table(database, name(input));
        let updated = self.update_table(database, input, None);
        let _work = interrupt::begin(Work::CleanUp);
        let deleted = self.delete_table(database, name(input));
        let says_no_more = |error: &Error| error.code() == ABSENT || !is_there && is_hidden(error);
        let outcomes = [created.err(), read.err(), updated.err(), deleted.err()];
        let mut failures = outcomes.into_iter().flatten();
        match failures.find(|error| !says_no_more(error)) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn tag_database(&self, database: &str, created: Created) -> Result<()> {
        let Some(tag) = &self.database_tag else {
            return Ok(());
        };
        let resource = lakeformation::database(database);
        self.tag(&resource, tag, created)
            .map_err(|error| error.while_doing(format!("tagging database {database}")))
    }

    fn table(&self, database: &str, table: &str) -> Result<Lookup<CatalogTable>> {
        match perform(
            &self.aws,
            &glue::GetTable {
                database,
                name: table,
            },
        ) {
            Ok(described) => Ok(Lookup::Found(CatalogTable {
                input: described.input,
                version: described.version,
            })),
            Err(error) => {
                lookup(error.while_doing(format!("looking for table {database}.{table}")))
            }
        }
    }

    fn create_table(&self, database: &str, input: &Map<String, Value>) -> Result<Created> {
        match perform(&self.aws, &glue::CreateTable { database, input }) {
            Ok(()) => Ok(Created::Now),
            Err(error) if error.code() == "AlreadyExistsException" => {
                Ok(if self.is_ours(&error, database, input)? {
                    Created::Now
                } else {
                    Created::Before
                })
            }
            Err(error) => {
                Err(error.while_doing(format!("creating table {database}.{}", name(input))))
            }
        }
    }

    fn update_table(
        &self,
        database: &str,
        input: &Map<String, Value>,
        version: Option<&str>,
    ) -> Result<Updated> {
        let update = glue::UpdateTable {
            database,
            input,
            version,
        };
        match perform(&self.aws, &update) {
            Ok(()) => Ok(Updated::Done),
            Err(error) if error.code() == "ConcurrentModificationException" => {
                Ok(if self.is_ours(&error, database, input)? {
                    Updated::Done
                } else {
                    Updated::Conflict
                })
            }
            // It was dropped since it was read.
            Err(error) if error.code() == ABSENT => Ok(Updated::Conflict),
            Err(error) => {
                Err(error.while_doing(format!("updating table {database}.{}", name(input))))
            }
        }
    }

    fn partitions(
        &self,
        database: &str,
        table: &str,
        visit: &mut dyn FnMut(Vec<Map<String, Value>>) -> Result<()>,
    ) -> Result<()> {
        self.visit_partitions(database, table, visit)
    }

    fn find_partitions(
        &self,
        database: &str,
        table: &str,
        values: &[Vec<String>],
    ) -> Result<Vec<Map<String, Value>>> {
        self.get_partitions(database, table, values)
    }

    fn change_partitions(
        &self,
        change: PartitionChange,
        database: &str,
        table: &str,
        inputs: &[Map<String, Value>],
    ) -> Result<()> {
        self.change_in_batches(change, database, table, inputs)
    }

    fn delete_table(&self, database: &str, table: &str) -> Result<()> {
        match perform(
            &self.aws,
            &glue::DeleteTable {
                database,
                name: table,
            },
        ) {
            Err(error) if error.code() != ABSENT => {
                Err(error.while_doing(format!("deleting table {database}.{table}")))
            }
            _ => Ok(()),
        }
    }

    fn tables(
        &self,
        database: &str,
        most: usize,
        pages: usize,
        visit: &mut dyn FnMut(CatalogTable),
    ) -> Result<bool> {
        if self.is_list_denied.get() {
            return Ok(false);
        }
        let mut visit = |table: Described| {
            visit(CatalogTable {
                input: table.input,
                version: table.version,
            });
        };
        match self.list(database, most, pages, &mut visit) {
            Err(error) if is_denied(&error) => {
                self.is_list_denied.set(true);
                log::info!("tables are looked for one by one: {error}");
                Ok(false)
            }
            Err(error) if error.code() == ABSENT => Ok(false),
            outcome => outcome,
        }
    }

    fn locations(&self, visit: &mut dyn FnMut(Located)) -> Result<()> {
        for database in self.database_names()? {
            let mut visit = |table: Described| {
                visit(Located {
                    database: database.clone(),
                    table: table.name().to_owned(),
                    location: table.location().to_owned(),
                });
            };
            match self.list(&database, PAGE, usize::MAX, &mut visit) {
                // The database was deleted meanwhile.
                Err(error) if error.code() == ABSENT => {}
                outcome => drop(outcome?),
            }
        }
        Ok(())
    }
}

/// The most tables of a page.
const PAGE: usize = 100;

impl Glue {
    /// Visits the tables of so many pages; returns whether those were all.
    fn list(
        &self,
        database: &str,
        most: usize,
        pages: usize,
        visit: &mut dyn FnMut(Described),
    ) -> Result<bool> {
        let listing = |error: Error| {
            error.while_doing(format_args!("listing the tables of database {database}"))
        };
        let mut turned = Pages::default();
        let mut next = None;
        for _ in 0..pages {
            let get = glue::GetTables {
                database,
                most: most.min(PAGE),
                next: next.as_deref(),
            };
            let page = perform(&self.aws, &get).map_err(listing)?;
            if let Some(marker) = &page.next {
                let first = page.found.first().map(Described::name);
                turned.turn(marker, first.as_ref()).map_err(listing)?;
            }
            page.found.into_iter().for_each(&mut *visit);
            if page.next.is_none() {
                return Ok(true);
            }
            next = page.next;
        }
        Ok(false)
    }
}

fn name(input: &Map<String, Value>) -> &str {
    input.get("Name").and_then(Value::as_str).unwrap_or("")
}
