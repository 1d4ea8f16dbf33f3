//! GetPartitions, BatchGetPartition, and the batches that create, update and delete partitions. A batch answers
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

/// The most partitions that are looked for at once.
pub(crate) const MOST_GOT: usize = 1000;

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
    fn read(error: &Value) -> Self {
        let values = [&error["PartitionValues"], &error["PartitionValueList"]];
        let text = |name| {
            error["ErrorDetail"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            values: values.into_iter().flat_map(texts).collect(),
            code: text("ErrorCode"),
            message: text("ErrorMessage"),
        }
    }

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
            "PartitionsToGet": self.values.iter().map(|values| json!({ "Values": values })).collect::<Value>(),
        });
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<FoundPartitions, BadResponse> {
        let document = document(&response)?;
        let found = document["Partitions"].as_array();
        let unprocessed = document["UnprocessedKeys"].as_array();
        Ok(FoundPartitions {
            found: found.into_iter().flatten().filter_map(input).collect(),
            unprocessed: unprocessed
                .into_iter()
                .flatten()
                .map(|key| texts(&key["Values"]))
                .collect(),
        })
    }
}

/// What a batch does with partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartitionChange {
    /// Adds them.
    Create,
    /// Replaces their definitions; their values stay.
    Update,
    /// Deletes their entries, not their objects.
    Delete,
}

impl PartitionChange {
    /// The most partitions that one batch takes.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Create | Self::Update => 100,
            Self::Delete => 25,
        }
    }

    /// The code of a failure that says that it is so already.
    pub(crate) fn is_done(self, code: &str) -> bool {
        match self {
            Self::Create => code == "AlreadyExistsException",
            Self::Update => false,
            Self::Delete => code == "EntityNotFoundException",
        }
    }
}

/// BatchCreatePartition, BatchUpdatePartition or BatchDeletePartition.
pub(crate) struct BatchChangePartition<'a> {
    pub(crate) change: PartitionChange,
    pub(crate) database: &'a str,
    pub(crate) table: &'a str,
    /// Of those that are deleted only the values count.
    pub(crate) inputs: &'a [Map<String, Value>],
}

impl Operation for BatchChangePartition<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "BatchUpdatePartition";
    const PERMISSIONS: &'static [&'static str] = &[
        "glue:BatchCreatePartition",
        "glue:BatchDeletePartition",
        "glue:BatchUpdatePartition",
    ];
    type Output = Vec<FailedItem>;

    fn name(&self) -> &'static str {
        match self.change {
            PartitionChange::Create => "BatchCreatePartition",
            PartitionChange::Update => Self::NAME,
            PartitionChange::Delete => "BatchDeletePartition",
        }
    }

    fn call(&self) -> Call {
        let list = match self.change {
            PartitionChange::Create => "PartitionInputList",
            PartitionChange::Update => "Entries",
            PartitionChange::Delete => "PartitionsToDelete",
        };
        let entry = |input: &Map<String, Value>| match self.change {
            PartitionChange::Create => Value::Object(input.clone()),
            PartitionChange::Update => {
                json!({ "PartitionValueList": input["Values"], "PartitionInput": input })
            }
            PartitionChange::Delete => json!({ "Values": input["Values"] }),
        };
        let mut body = json!({ "DatabaseName": self.database, "TableName": self.table });
        body[list] = self.inputs.iter().map(entry).collect();
        call(self.name(), &body)
    }

    fn read(&self, response: Response) -> Result<Vec<FailedItem>, BadResponse> {
        if response.body.is_empty() {
            return Ok(Vec::new());
        }
        let document = document(&response)?;
        let errors = document.get("Errors").and_then(Value::as_array);
        Ok(errors.into_iter().flatten().map(FailedItem::read).collect())
    }
}

/// The texts of a list.
fn texts(values: &Value) -> Vec<String> {
    let texts = values.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}
