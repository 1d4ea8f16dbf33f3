//! Glue's part of the scripted server: databases, tables with versions, partitions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::names::Names;
use super::wire::{Answer, Request};

/// How many tables GetTables returns at once.
const PAGE: usize = 100;

/// How many partitions GetPartitions returns at once.
const PAGE_OF_PARTITIONS: usize = 3;

/// The most items that each batch takes, as Glue's limits are.
fn most(operation: &str) -> usize {
    match operation {
        "BatchGetPartition" => 1000,
        "BatchDeletePartition" => 25,
        _ => 100,
    }
}

/// Databases by name.
#[derive(Default)]
pub(crate) struct Catalog(pub(crate) BTreeMap<String, BTreeMap<String, Entry>>);

/// A table: its definition as it was sent, and how often it was changed.
pub(crate) struct Entry {
    pub(crate) input: Value,
    pub(crate) version: u64,
    /// By their values.
    pub(crate) partitions: BTreeMap<Vec<String>, Value>,
}

impl Catalog {
    fn databases(&self) -> Value {
        let names = self.0.keys().map(|name| json!({"Name": name}));
        json!({"DatabaseList": names.collect::<Vec<_>>()})
    }

    /// The table's definition as it was sent.
    pub(crate) fn table(&self, database: &str, table: &str) -> Option<&Value> {
        self.0.get(database)?.get(table).map(|entry| &entry.input)
    }

    /// The folder that the table shows, as the prefix of keys.
    pub(crate) fn folder(&self, database: &str, table: &str) -> Option<String> {
        let location = self.table(database, table)?["StorageDescriptor"]["Location"].as_str()?;
        let (_, key) = location.trim_start_matches("s3://").split_once('/')?;
        Some(format!("{}/", key.trim_end_matches('/')))
    }

    /// The folders of the table's partitions, by their values.
    pub(crate) fn partitions(&self, database: &str, table: &str) -> Vec<(String, String)> {
        let entry = self.0.get(database).and_then(|tables| tables.get(table));
        let partitions = entry.into_iter().flat_map(|entry| &entry.partitions);
        let folder = |input: &Value| {
            let location = input["StorageDescriptor"]["Location"].as_str()?;
            let (_, key) = location.trim_start_matches("s3://").split_once('/')?;
            Some(key.to_owned())
        };
        let pair =
            |(values, input): (&Vec<String>, &Value)| (values.join("/"), folder(input).unwrap());
        partitions.map(pair).collect()
    }

    /// Another hand drops the table, which deletes no object; whether it was there.
    pub(crate) fn drop_table(&mut self, database: &str, table: &str) -> bool {
        let database = self.0.get_mut(database);
        database.is_some_and(|tables| tables.remove(table).is_some())
    }

    /// Another hand makes the table, as a new one whose versions begin again.
    pub(crate) fn make_table(&mut self, database: &str, table: &str, mut input: Value) {
        input["Name"] = table.into();
        let entry = Entry {
            input,
            version: 0,
            partitions: BTreeMap::new(),
        };
        let tables = self.0.entry(database.to_owned()).or_default();
        tables.insert(table.to_owned(), entry);
    }

    /// Another hand changes the table's definition, if it is there.
    pub(crate) fn edit_table(
        &mut self,
        database: &str,
        table: &str,
        edit: impl FnOnce(&mut Value),
    ) -> bool {
        let database = self.0.get_mut(database);
        let Some(entry) = database.and_then(|tables| tables.get_mut(table)) else {
            return false;
        };
        edit(&mut entry.input);
        entry.version += 1;
        true
    }

    pub(super) fn call(
        &mut self,
        operation: &str,
        request: &Request,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match self.answer(operation, &body, names, note) {
            Ok(answer) => Answer::new(200, answer.to_string()),
            Err(code) => Answer::new(
                400,
                json!({"__type": code, "Message": "as Glue says"}).to_string(),
            ),
        }
    }

    fn answer(
        &mut self,
        operation: &str,
        body: &Value,
        names: &mut Names,
        note: &mut dyn FnMut(String),
    ) -> Result<Value, &'static str> {
        const MISSING: &str = "EntityNotFoundException";
        if operation == "CreateDatabase" {
            let name = text(&body["DatabaseInput"]["Name"])?;
            if self.0.contains_key(&name) {
                return Err("AlreadyExistsException");
            }
            note(format!("CREATE DATABASE {name}"));
            self.0.insert(name, BTreeMap::new());
            return Ok(json!({}));
        }
        if operation == "DeleteDatabase" {
            let name = text(&body["Name"])?;
            self.0.remove(&name).ok_or(MISSING)?;
            note(format!("DELETE DATABASE {name}"));
            return Ok(json!({}));
        }
        if operation == "GetDatabases" {
            return Ok(self.databases());
        }
        let name = if operation == "GetDatabase" {
            &body["Name"]
        } else {
            &body["DatabaseName"]
        };
        let database_name = text(name)?;
        let database = self.0.get_mut(&database_name).ok_or(MISSING)?;
        let name = table_name(body);
        match operation {
            "GetDatabase" => Ok(json!({"Database": {"Name": database_name}})),
            "GetTable" => {
                let entry = database.get(&name).ok_or(MISSING)?;
                Ok(json!({"Table": shown(&database_name, entry)}))
            }
            "GetTables" => {
                let limit = body["MaxResults"].as_u64().unwrap_or(u64::MAX);
                let limit = usize::try_from(limit).unwrap_or(PAGE).min(PAGE);
                // The name of the last table of the page before.
                let after = body["NextToken"].as_str();
                let rest = || {
                    let all = database.iter();
                    all.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after))
                };
                let page = rest().take(limit);
                let tables: Vec<_> = page
                    .map(|(_, entry)| shown(&database_name, entry))
                    .collect();
                let last = rest().nth(limit.saturating_sub(1)).map(|(name, _)| name);
                let next = last.filter(|_| rest().nth(limit).is_some());
                Ok(json!({"TableList": tables, "NextToken": next}))
            }
            "CreateTable" => {
                if database.contains_key(&name) {
                    return Err("AlreadyExistsException");
                }
                let input = body["TableInput"].clone();
                note(format!("CREATE {name} at {}", place(&input, names)));
                let (version, partitions) = (0, BTreeMap::new());
                database.insert(
                    name,
                    Entry {
                        input,
                        version,
                        partitions,
                    },
                );
                Ok(json!({}))
            }
            "UpdateTable" => {
                let entry = database.get_mut(&name).ok_or(MISSING)?;
                let wanted = body["VersionId"].as_str();
                if wanted.is_some_and(|wanted| wanted != entry.version.to_string()) {
                    return Err("ConcurrentModificationException");
                }
                let input = body["TableInput"].clone();
                note(format!(
                    "UPDATE {name}{}",
                    difference(&entry.input, &input, names)
                ));
                entry.input = input;
                entry.version += 1;
                Ok(json!({}))
            }
            "DeleteTable" => {
                database.remove(&name).ok_or(MISSING)?;
                note(format!("DELETE TABLE {name}"));
                Ok(json!({}))
            }
            _ => partitions(
                operation,
                body,
                database.get_mut(&name).ok_or(MISSING)?,
                &name,
                note,
            ),
        }
    }
}

fn partitions(
    operation: &str,
    body: &Value,
    entry: &mut Entry,
    table: &str,
    note: &mut dyn FnMut(String),
) -> Result<Value, &'static str> {
    let lists = [
        "PartitionInputList",
        "Entries",
        "PartitionsToDelete",
        "PartitionsToGet",
    ];
    if lists
        .iter()
        .any(|name| list(&body[*name]).len() > most(operation))
    {
        return Err("ValidationException");
    }
    let mut errors = Vec::new();
    let mut refuse = |values: &[String], code: &str| {
        errors.push(json!({"PartitionValues": values, "ErrorDetail": {"ErrorCode": code, "ErrorMessage": "as Glue says"}}));
    };
    match operation {
        "GetPartitions" => {
            let after: Option<Vec<String>> = body["NextToken"]
                .as_str()
                .and_then(|token| serde_json::from_str(token).ok());
            let rest = entry.partitions.iter();
            let rest =
                rest.filter(|(values, _)| after.as_ref().is_none_or(|after| *values > after));
            let page: Vec<_> = rest.take(PAGE_OF_PARTITIONS).collect();
            let mut answer =
                json!({"Partitions": page.iter().map(|(_, input)| input).collect::<Vec<_>>()});
            if let [.., (last, _)] = &*page
                && entry.partitions.keys().any(|values| values > *last)
            {
                answer["NextToken"] = json!(last).to_string().into();
            }
            return Ok(answer);
        }
        "BatchGetPartition" => {
            let asked = list(&body["PartitionsToGet"]).iter();
            let found = asked.filter_map(|key| entry.partitions.get(&values(&key["Values"])));
            return Ok(json!({"Partitions": found.collect::<Vec<_>>(), "UnprocessedKeys": []}));
        }
        "BatchCreatePartition" => {
            for input in list(&body["PartitionInputList"]) {
                let values = values(&input["Values"]);
                if entry.partitions.contains_key(&values) {
                    refuse(&values, "AlreadyExistsException");
                    continue;
                }
                note(format!("PARTITION {table} {}", values.join("/")));
                entry.partitions.insert(values, input.clone());
            }
        }
        "BatchUpdatePartition" => {
            for change in list(&body["Entries"]) {
                let old = values(&change["PartitionValueList"]);
                if entry.partitions.remove(&old).is_none() {
                    refuse(&old, "EntityNotFoundException");
                    continue;
                }
                let input = change["PartitionInput"].clone();
                note(format!("REPARTITION {table} {}", old.join("/")));
                entry.partitions.insert(values(&input["Values"]), input);
            }
        }
        "BatchDeletePartition" => {
            for gone in list(&body["PartitionsToDelete"]) {
                let values = values(&gone["Values"]);
                if entry.partitions.remove(&values).is_none() {
                    refuse(&values, "EntityNotFoundException");
                    continue;
                }
                note(format!("UNPARTITION {table} {}", values.join("/")));
            }
        }
        _ => return Err("UnknownOperationException"),
    }
    Ok(json!({"Errors": errors}))
}

/// The table as GetTable returns it: what was sent, and what Glue adds.
fn shown(database: &str, entry: &Entry) -> Value {
    let mut table = entry.input.clone();
    table["DatabaseName"] = database.into();
    table["VersionId"] = entry.version.to_string().into();
    table["CreateTime"] = json!(1_795_337_257.0);
    table["UpdateTime"] = json!(1_795_337_257.0);
    table["CreatedBy"] = "arn:aws:iam::123456789012:user/test".into();
    table["IsRegisteredWithLakeFormation"] = false.into();
    table["CatalogId"] = "123456789012".into();
    table
}

/// What an update changed: ` at G2`, ` columns +age`, ` retyped id`, ` parameters`.
fn difference(old: &Value, new: &Value, names: &mut Names) -> String {
    let mut text = String::new();
    let storage = "StorageDescriptor";
    if old[storage]["Location"] != new[storage]["Location"] {
        text += &format!(" at {}", place(new, names));
    }
    let (before, after) = (
        list(&old[storage]["Columns"]),
        list(&new[storage]["Columns"]),
    );
    for column in after {
        let name = column["Name"].as_str().unwrap_or_default();
        match before.iter().find(|other| other["Name"] == column["Name"]) {
            None => text += &format!(" columns +{name}"),
            Some(other) if other["Type"] != column["Type"] => text += &format!(" retyped {name}"),
            Some(_) => {}
        }
    }
    if old["Parameters"] != new["Parameters"] {
        text += " parameters";
    }
    text
}

fn place(input: &Value, names: &mut Names) -> String {
    let location = input["StorageDescriptor"]["Location"]
        .as_str()
        .unwrap_or_default();
    let key = location
        .trim_start_matches("s3://")
        .split_once('/')
        .map_or("", |(_, key)| key);
    let short = names.short(&format!("{}/", key.trim_end_matches('/')));
    short.rsplit('/').next().unwrap_or_default().to_owned()
}

fn text(value: &Value) -> Result<String, &'static str> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or("InvalidInputException")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn values(value: &Value) -> Vec<String> {
    list(value)
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The name of the table that a call is about, where it names one.
fn table_name(body: &Value) -> String {
    let names = [
        &body["TableInput"]["Name"],
        &body["TableName"],
        &body["Name"],
    ];
    let name = names.into_iter().find_map(Value::as_str);
    name.unwrap_or_default().to_owned()
}

impl super::Fake {
    /// The rows of each partition of a table of the database `test`, by its values.
    pub(crate) fn partitions(&self, table: &str) -> BTreeMap<String, Vec<Map<String, Value>>> {
        let store = self.store();
        let rows = |(values, folder): (String, String)| (values, store.bucket.rows(&folder));
        let partitions = store.catalog.partitions("test", table).into_iter();
        partitions.map(rows).collect()
    }
}
