//! A table's definition in Glue's words (TableInput): written, read, and changed without losing what others put there.
//! <https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html>

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::file::Format;
use crate::schema::Column;
use crate::table::TableTarget;
use crate::table::hive::entry;
use crate::table::hive::generations::Numbered;
use crate::table::hive::serde::{self, Serde};
use crate::table::hive::settings::{self, Forbidding, Purpose, SerdeFate};
use crate::table::partition::PartitionKey;

/// Our own parameters: the platform's numbers of the published generation. Readers ignore those that they do not know.
const GENERATION: &str = "airbyte_generation_id";
const SYNC: &str = "airbyte_sync_id";
/// The attempt that published it, only where states of it were acknowledged, so that a later one resumes after them.
const ATTEMPT: &str = "airbyte_attempt";

/// Our own too: the version of a Singer tap's rows.
const VERSION: &str = "singer_version";

/// Our own: `adopted` where this program has replaced the rows of a table that the Python connector made.
const ORIGIN: &str = "airbyte_table";
const ADOPTED: &str = "adopted";

/// Whether the Python connector made the table, known by the parameters that awswrangler sets and by the lack of those that
/// this program sets.
pub(super) fn is_of_the_python_connector(input: &Map<String, Value>) -> bool {
    let Some(parameters) = input.get("Parameters").and_then(Value::as_object) else {
        return false;
    };
    let is = |key: &str, values: &[&str]| {
        let value = parameters.get(key).and_then(Value::as_str);
        value.is_some_and(|value| values.contains(&value))
    };
    is("typeOfData", &["file"])
        && is("projection.enabled", &["false"])
        && is("classification", &["json", "parquet"])
        && parameters.contains_key("compressionType")
        && !["EXTERNAL", ORIGIN, GENERATION]
            .iter()
            .any(|key| parameters.contains_key(*key))
}

/// Whether the Python connector made the table, whoever has replaced its rows since.
pub(super) fn is_adopted(input: &Map<String, Value>) -> bool {
    let origin = input
        .get("Parameters")
        .and_then(|parameters| parameters.get(ORIGIN));
    match origin {
        Some(origin) => origin == ADOPTED,
        None => is_of_the_python_connector(input),
    }
}

/// A table of ours that was not there before.
pub(super) fn new(
    name: &str,
    location: &str,
    columns: &[Column],
    keys: &[PartitionKey],
    format: Format,
) -> Map<String, Value> {
    let mut input = Map::new();
    input.insert("Name".to_owned(), name.into());
    input.insert("TableType".to_owned(), "EXTERNAL_TABLE".into());
    // Athena wants the list to be there, though it is empty.
    let key = |key: &PartitionKey| json!({"Name": key.name, "Type": key.data_type.to_string()});
    let keys: Vec<Value> = keys.iter().map(key).collect();
    input.insert("PartitionKeys".to_owned(), keys.into());
    at(&input, location, columns, format)
}

/// The same table at another location: columns, location and format are ours, the rest stays as others set it, but for
/// the [settings](settings::dropped) that do not hold for new rows.
pub(super) fn at(
    input: &Map<String, Value>,
    location: &str,
    columns: &[Column],
    format: Format,
) -> Map<String, Value> {
    let adopts = is_of_the_python_connector(input);
    let mut input = with_columns(input, columns);
    let serde_fate = SerdeFate::of(&input, format);
    settings::drop(&mut input, format);
    if adopts {
        object(&mut input, "Parameters").insert(ORIGIN.to_owned(), ADOPTED.into());
    }
    input.insert("TableType".to_owned(), "EXTERNAL_TABLE".into());
    let serde = Serde::of_format(format);
    let compression = serde::compression_type(format);
    // Readers need EXTERNAL; Glue jobs choose their reader by classification; the rest is what the Python connector set.
    let described = [
        ("EXTERNAL", "TRUE"),
        ("classification", serde.classification),
        ("compressionType", compression),
        ("typeOfData", "file"),
    ];
    let parameters = object(&mut input, "Parameters");
    for (key, value) in described {
        parameters.insert(key.to_owned(), value.into());
    }
    let storage = object(&mut input, "StorageDescriptor");
    for (key, value) in [
        ("Location", json!(location)),
        ("InputFormat", json!(serde.input_format)),
        ("OutputFormat", json!(serde.output_format)),
        ("Compressed", json!(compression != "none")),
        ("NumberOfBuckets", json!(-1)),
        ("StoredAsSubDirectories", json!(false)),
    ] {
        storage.insert(key.to_owned(), value);
    }
    if serde_fate == SerdeFate::Replaced {
        storage.insert(
            "SerdeInfo".to_owned(),
            json!({"SerializationLibrary": serde.library}),
        );
    }
    object(object(storage, "SerdeInfo"), "Parameters")
        .insert("serialization.format".to_owned(), "1".into());
    // Some writers describe the objects there as well.
    let parameters = storage.get_mut("Parameters").and_then(Value::as_object_mut);
    if let Some(parameters) = parameters {
        for (key, value) in described {
            if let Some(there) = parameters.get_mut(key) {
                *there = value.into();
            }
        }
    }
    input
}

/// Our own: what the table is to be once its partitions are those of a new generation.
const PUBLISHING: &str = "airbyte_publishing";

/// The most that it may take, in bytes: Glue's limit for a parameter is 512,000.
const MOST: usize = 500_000;

/// The table with the parameter that its partitions are being moved, after which it is to be `after`.
pub(super) fn with_publishing(
    mut input: Map<String, Value>,
    after: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    let text = Value::Object(after.clone()).to_string();
    if text.len() > MOST {
        return Err(Error::config(format!(
            "the table {} cannot be overwritten: its definition takes more than {MOST} bytes, and a table with partitions keeps a copy of it in a parameter meanwhile",
            name(&input)
        ))
        .hint("leave out partitioning and partition_by for that connection, or write fewer columns"));
    }
    object(&mut input, "Parameters").insert(PUBLISHING.to_owned(), text.into());
    Ok(input)
}

/// What the table is to be once its partitions are moved, while they are.
pub(in crate::table) fn publishing(input: &Map<String, Value>) -> Option<Map<String, Value>> {
    let text = input.get("Parameters")?.get(PUBLISHING)?.as_str()?;
    match serde_json::from_slice(text.as_bytes()) {
        Ok(Value::Object(after)) => Some(after),
        _ => None,
    }
}

/// The table once its partitions are moved. What others have changed of it meanwhile stays.
pub(super) fn published(
    now: &Map<String, Value>,
    after: &Map<String, Value>,
    format: Format,
) -> Map<String, Value> {
    let mut input = now.clone();
    settings::drop(&mut input, format);
    for key in ["TableType", "StorageDescriptor"] {
        input.insert(key.to_owned(), after.get(key).cloned().unwrap_or_default());
    }
    let parameters = object(&mut input, "Parameters");
    parameters.retain(|key, _| !is_number(key) && key != PUBLISHING);
    let there = after.get("Parameters").and_then(Value::as_object);
    parameters.extend(
        there
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    input
}

/// Whether the parameter says what a swap is about: which generation, or which version, the rows are of, or will be.
pub(in crate::table) fn is_of_a_swap(key: &str) -> bool {
    is_number(key) || key == PUBLISHING
}

/// Whether the parameter says which generation, or which version, the rows are of.
pub(in crate::table) fn is_number(key: &str) -> bool {
    [GENERATION, SYNC, ATTEMPT, VERSION].contains(&key)
}

/// Whether a later attempt at the job that published the table's rows adds to them.
pub(in crate::table) fn is_resumable(input: &Map<String, Value>) -> bool {
    numbers(input).is_some_and(|numbers| numbers.attempt.is_some())
}

/// Records the numbers of the published generation, or that it has none.
pub(super) fn with_numbers(
    mut input: Map<String, Value>,
    numbers: Option<&Numbered>,
) -> Map<String, Value> {
    let parameters = object(&mut input, "Parameters");
    for (key, number) in [
        (GENERATION, numbers.map(|numbers| numbers.generation)),
        (SYNC, numbers.and_then(|numbers| numbers.sync)),
        (ATTEMPT, numbers.and_then(|numbers| numbers.attempt)),
    ] {
        match number {
            Some(number) => parameters.insert(key.to_owned(), number.to_string().into()),
            None => parameters.remove(key),
        };
    }
    input
}

/// The numbers that `with_numbers` left.
pub(super) fn numbers(input: &Map<String, Value>) -> Option<Numbered> {
    let number =
        |key: &str| -> Option<i64> { input.get("Parameters")?.get(key)?.as_str()?.parse().ok() };
    Some(Numbered {
        generation: number(GENERATION)?,
        sync: number(SYNC),
        attempt: number(ATTEMPT),
    })
}

/// Records the source's version of the rows that a swap publishes, or that they have none.
pub(super) fn with_version(
    mut input: Map<String, Value>,
    version: Option<i64>,
) -> Map<String, Value> {
    let parameters = object(&mut input, "Parameters");
    match version {
        Some(version) => parameters.insert(VERSION.to_owned(), version.to_string().into()),
        None => parameters.remove(VERSION),
    };
    input
}

/// The version that `with_version` left.
pub(super) fn version(input: &Map<String, Value>) -> Option<i64> {
    let version = input.get("Parameters")?.get(VERSION)?;
    version.as_str()?.parse().ok()
}

/// The same table with these columns; comments and parameters of columns that stay are kept.
pub(super) fn with_columns(input: &Map<String, Value>, columns: &[Column]) -> Map<String, Value> {
    let old = entries(input);
    let entry = |column: &Column| {
        let is_it =
            |entry: &&&Map<String, Value>| name(entry).eq_ignore_ascii_case(&column.field.name);
        entry::write(old.iter().find(is_it).copied(), column)
    };
    let columns: Vec<Value> = columns.iter().map(entry).collect();
    let mut input = input.clone();
    object(&mut input, "StorageDescriptor").insert("Columns".to_owned(), Value::Array(columns));
    input
}

/// The columns, with what is recorded of them.
pub(super) fn columns(input: &Map<String, Value>) -> Vec<Column> {
    entry::read(&entries(input))
}

/// Where the rows are; empty for a table without a location (a view).
pub(super) fn location(input: &Map<String, Value>) -> &str {
    storage(input, "Location").as_str().unwrap_or_default()
}

/// Rows can be added only to a plain table that is read as the target's format is.
pub(super) fn refuse_unwritable(input: &Map<String, Value>, target: &TableTarget) -> Result<()> {
    refuse(input, target, Purpose::Append)?;
    let serde = Serde::of_format(target.format);
    let library = storage(input, "SerdeInfo")
        .get("SerializationLibrary")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let input_format = storage(input, "InputFormat").as_str().unwrap_or_default();
    if let Some(other) = Serde::of_classes(library, input_format)
        && other != serde
    {
        let why = format!(
            "is stored as {}, but the configured format is {}",
            other.name, serde.name
        );
        return Err(unwritable(target, &why).hint(format!(
            "set format to {{\"format_type\": \"{}\"}}, or move the table to {} in one step: by a refresh of the stream, or load --mode overwrite",
            other.name, serde.name
        )));
    }
    let read_by = [
        ("SerDe", library, serde.libraries),
        ("input format", input_format, serde.input_formats),
    ];
    for (what, found, known) in read_by {
        if !known.contains(&found) {
            let why = format!(
                "reads its objects with the {what} {found:?}, but the configured format is {}",
                serde.name
            );
            return Err(unwritable(target, &why).hint(OTHER_TABLE));
        }
    }
    if location(input).is_empty() {
        return Err(unwritable(target, "has no location").hint(OTHER_TABLE));
    }
    Ok(())
}

/// A new generation can take the place of any table whose rows are the objects of its folder.
pub(super) fn refuse_replacing(input: &Map<String, Value>, target: &TableTarget) -> Result<()> {
    refuse(input, target, Purpose::Replace)
}

fn refuse(input: &Map<String, Value>, target: &TableTarget, purpose: Purpose) -> Result<()> {
    if let Some(Forbidding {
        what,
        is_replaceable,
    }) = settings::forbidding(input, purpose)
    {
        let hint = if is_replaceable {
            "remove that from the table if it does not hold, or overwrite the table, or write to another database"
        } else {
            OTHER_TABLE
        };
        return Err(unwritable(target, &format!("has {what}")).hint(hint));
    }
    refuse_other_keys(input, target)
}

/// The catalog cannot change the keys of a table, and rows without them would be in no partition.
fn refuse_other_keys(input: &Map<String, Value>, target: &TableTarget) -> Result<()> {
    let there = partition_keys(input);
    let mut wanted = target.keys.iter();
    let is_same = there.len() == wanted.len()
        && there.iter().all(|(name, data_type)| {
            wanted
                .next()
                .is_some_and(|key| key.name.eq_ignore_ascii_case(name) && key.fits(data_type))
        });
    if is_same {
        return Ok(());
    }
    let list = |keys: Vec<String>| match &*keys {
        [] => "none".to_owned(),
        keys => keys.join(", "),
    };
    let key = |(name, data_type): &(String, String)| format!("{name} {data_type}");
    let there = list(there.iter().map(key).collect());
    let key = |key: &PartitionKey| format!("{} {}", key.name, key.data_type);
    let wanted = list(target.keys.iter().map(key).collect());
    let why = format!("has the partition keys: {there}; the configuration asks for: {wanted}");
    Err(unwritable(target, &why).hint(
        "set partitioning to what the table has, or write to another database, where the table is made anew",
    ))
}

/// Whether the table has partitions.
pub(in crate::table) fn has_partitions(input: &Map<String, Value>) -> bool {
    let keys = input.get("PartitionKeys").and_then(Value::as_array);
    keys.is_some_and(|keys| !keys.is_empty())
}

/// The names and the types of the partition keys.
pub(super) fn partition_keys(input: &Map<String, Value>) -> Vec<(String, String)> {
    let keys = input.get("PartitionKeys").and_then(Value::as_array);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let key = |key: &Value| (text(&key["Name"]), text(&key["Type"]));
    keys.into_iter().flatten().map(key).collect()
}

/// What helps where the table stays as it is.
const OTHER_TABLE: &str = "drop that table from the catalog, or write to another database";

fn unwritable(target: &TableTarget, why: &str) -> Error {
    Error::config(format!(
        "the table {}.{} {why}",
        target.database, target.name
    ))
}

/// The object at `key`, made where it is absent or of another type.
fn object<'a>(input: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = input.entry(key).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was made an object")
}

pub(super) fn storage<'a>(input: &'a Map<String, Value>, key: &str) -> &'a Value {
    input
        .get("StorageDescriptor")
        .and_then(|storage| storage.get(key))
        .unwrap_or(&Value::Null)
}

fn entries(input: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    storage(input, "Columns")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect()
}

/// The name of a table or of a column.
pub(super) fn name(fields: &Map<String, Value>) -> &str {
    fields
        .get("Name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}
