//! The Glue Data Catalog: one file per group of operations; JSON 1.1.
//!
//! <https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog.html>

mod database;
mod partition;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use database::{CreateDatabase, DeleteDatabase, GetDatabase, GetDatabases};
pub(crate) use partition::{
    BatchChangePartition, BatchGetPartition, GetPartitions, MOST_GOT, PartitionChange,
};
pub(crate) use table::{CreateTable, DeleteTable, Described, GetTable, GetTables, UpdateTable};

use serde_json::Value;

use crate::aws::operation::{BadResponse, Call};
use crate::aws::values;
use crate::http::{Method, Response};

fn call(operation: &str, body: &Value) -> Call {
    Call {
        method: Method::Post,
        headers: vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("AWSGlue.{operation}")),
        ],
        body: body.to_string().into_bytes().into(),
        ..Call::default()
    }
}

fn document(response: &Response) -> Result<Value, BadResponse> {
    values::parse(&response.body).ok_or(BadResponse::Malformed("the response is not complete JSON"))
}

/// A page of what a listing of the catalog found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CatalogPage<T> {
    pub(crate) found: Vec<T>,
    /// The token of the next page, where there is one.
    pub(crate) next: Option<String>,
}

/// Reads a page, whose entries are in the list of this name.
fn page<T>(
    response: &Response,
    list: &str,
    read: impl Fn(Value) -> Option<T>,
) -> Result<CatalogPage<T>, BadResponse> {
    let mut document = document(response)?;
    let Some(Value::Array(entries)) = document.get_mut(list).map(Value::take) else {
        return Err(BadResponse::Malformed("the response holds no list"));
    };
    let found = entries.into_iter().map(read).collect::<Option<Vec<T>>>();
    let next = document.get("NextToken").and_then(Value::as_str);
    Ok(CatalogPage {
        found: found.ok_or(BadResponse::Malformed("an entry of the list has no name"))?,
        next: next.filter(|token| !token.is_empty()).map(str::to_owned),
    })
}

/// Reads a response without content: an empty object, from some servers an empty body.
fn nothing(response: &Response) -> Result<(), BadResponse> {
    if response.body.is_empty() {
        return Ok(());
    }
    document(response).map(|_| ())
}
