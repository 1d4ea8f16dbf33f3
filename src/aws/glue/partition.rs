//! GetPartitions, BatchGetPartition, BatchCreatePartition and BatchUpdatePartition. A batch answers
//! 200 although items of it failed, and lists those.

use serde_json::{Map, Value, json};

use crate::aws::decision::{RetryDecision, decide, hint};
use crate::aws::glue::{CatalogPage, call, document, page};
use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::service::Service;
use crate::error::{Error, Kind, Refusal};
use crate::http::Response;

/// The fields of a partition that the inputs of the batches accept.
const INPUT_FIELDS: [&str; 5] = [
    "Values",
    "LastAccessTime",
    "StorageDescriptor",
    "Parameters",
    "LastAnalyzedTime",
];

/// The most partitions that each of the batches takes.
pub(crate) const MOST_GOT: usize = 1000;
pub(crate) const MOST_WRITTEN: usize = 100;

/// Partitions by their values.
pub(crate) type Values = [Vec<String>];

/// An item of a batch that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedItem {
    pub(crate) values: Vec<String>,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl FailedItem {
    /// Whether a further attempt may help.
    pub(crate) fn passes(&self) -> bool {
        !matches!(decide(200, &self.code), RetryDecision::Fail(_))
    }

    pub(crate) fn error(&self) -> Error {
        let kind = match decide(200, &self.code) {
            RetryDecision::Fail(kind) => kind,
            _ => Kind::Transient,
        };
        let error = Error::refused(
            kind,
            Refusal {
                service: "Glue",
                operation: "of a partition",
                status: 200,
                code: self.code.clone(),
                message: self.message.clone(),
                ..Refusal::default()
            },
        );
        match hint(&self.code) {
            Some(hint) => error.also_hint(hint),
            None => error,
        }
    }
}

/// The items of a batch that failed.
fn failures(response: &Response) -> Result<Vec<FailedItem>, BadResponse> {
    if response.body.is_empty() {
        return Ok(Vec::new());
    }
    let document = document(response)?;
    let errors = document.get("Errors").and_then(Value::as_array);
    let failed = |error: &Value| {
        let values = [&error["PartitionValues"], &error["PartitionValueList"]];
        let values = values.into_iter().find_map(Value::as_array);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        FailedItem {
            values: values.into_iter().flatten().map(text).collect(),
            code: text(&error["ErrorDetail"]["ErrorCode"]),
            message: text(&error["ErrorDetail"]["ErrorMessage"]),
        }
    };
    Ok(errors.into_iter().flatten().map(failed).collect())
}

fn input(partition: &Value) -> Option<Map<String, Value>> {
    let mut input = partition.as_object()?.clone();
    input.retain(|name, value| INPUT_FIELDS.contains(&name.as_str()) && !value.is_null());
    Some(input)
}

/// One page of a table's partitions, as inputs.
pub(crate) struct GetPartitions<'a> {
    pub(crate) database: &'a str,
    pub(crate) table: &'a str,
    /// From the page before.
    pub(crate) next: Option<&'a str>,
}

impl Operation for GetPartitions<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "GetPartitions";
    const PERMISSIONS: &'static [&'static str] = &["glue:GetPartitions"];
    type Output = CatalogPage<Map<String, Value>>;

    fn call(&self) -> Call {
        let mut body = json!({ "DatabaseName": self.database, "TableName": self.table });
        if let Some(token) = self.next {
            body["NextToken"] = token.into();
        }
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<Self::Output, BadResponse> {
        page(&response, "Partitions", |partition| input(&partition))
    }
}

/// Those of the partitions that exist, as inputs. The answer may leave some out, to be asked for again.
pub(crate) struct BatchGetPartition<'a> {
    pub(crate) database: &'a str,
    pub(crate) table: &'a str,
    pub(crate) values: &'a Values,
}

/// What a batch of lookups found.
#[derive(Debug, PartialEq)]
pub(crate) struct FoundPartitions {
    pub(crate) found: Vec<Map<String, Value>>,
    /// The values of those that were not looked for.
    pub(crate) unprocessed: Vec<Vec<String>>,
}

impl Operation for BatchGetPartition<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "BatchGetPartition";
    const PERMISSIONS: &'static [&'static str] = &["glue:BatchGetPartition"];
    type Output = FoundPartitions;

    fn call(&self) -> Call {
        let body = json!({
            "DatabaseName": self.database,
            "TableName": self.table,
            "PartitionsToGet": lists(self.values),
        });
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<FoundPartitions, BadResponse> {
        let document = document(&response)?;
        let found = document["Partitions"].as_array();
        let unprocessed = document["UnprocessedKeys"].as_array();
        let values = |key: &Value| {
            let values = key["Values"].as_array().into_iter().flatten();
            values
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        Ok(FoundPartitions {
            found: found.into_iter().flatten().filter_map(input).collect(),
            unprocessed: unprocessed.into_iter().flatten().map(values).collect(),
        })
    }
}

pub(crate) struct BatchCreatePartition<'a> {
    pub(crate) database: &'a str,
    pub(crate) table: &'a str,
    pub(crate) inputs: &'a [Map<String, Value>],
}

impl Operation for BatchCreatePartition<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "BatchCreatePartition";
    const PERMISSIONS: &'static [&'static str] = &["glue:BatchCreatePartition"];
    type Output = Vec<FailedItem>;

    fn call(&self) -> Call {
        let body = json!({
            "DatabaseName": self.database,
            "TableName": self.table,
            "PartitionInputList": self.inputs,
        });
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<Vec<FailedItem>, BadResponse> {
        failures(&response)
    }
}

/// Replaces the definitions of partitions, whose values stay.
pub(crate) struct BatchUpdatePartition<'a> {
    pub(crate) database: &'a str,
    pub(crate) table: &'a str,
    pub(crate) inputs: &'a [Map<String, Value>],
}

impl Operation for BatchUpdatePartition<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "BatchUpdatePartition";
    const PERMISSIONS: &'static [&'static str] = &["glue:BatchUpdatePartition"];
    type Output = Vec<FailedItem>;

    fn call(&self) -> Call {
        let entry = |input: &Map<String, Value>| json!({ "PartitionValueList": input["Values"], "PartitionInput": input });
        let body = json!({
            "DatabaseName": self.database,
            "TableName": self.table,
            "Entries": self.inputs.iter().map(entry).collect::<Vec<_>>(),
        });
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<Vec<FailedItem>, BadResponse> {
        failures(&response)
    }
}

fn lists(values: &Values) -> Vec<Value> {
    let list = |values: &Vec<String>| json!({ "Values": values });
    values.iter().map(list).collect()
}
