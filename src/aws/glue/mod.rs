//! The Glue Data Catalog: one file per group of operations; JSON 1.1.
//!
//! <https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog.html>

mod database;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use database::{CreateDatabase, DeleteDatabase, GetDatabase};
pub(crate) use table::{CreateTable, DeleteTable, GetTable, UpdateTable};

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

/// Reads a response without content: an empty object, from some servers an empty body.
fn nothing(response: &Response) -> Result<(), BadResponse> {
    if response.body.is_empty() {
        return Ok(());
    }
    document(response).map(|_| ())
}
