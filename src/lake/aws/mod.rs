//! A lake on AWS: objects in S3, tables in the Glue Data Catalog.
//! It puts operations together; what they look like on the wire is known below.

mod bucket;
mod catalog;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use crate::aws::Aws;
use crate::error::Error;
use crate::lake::Lake;

use bucket::Bucket;
use catalog::Glue;

/// The lake of an account; nothing is sent yet.
pub(crate) fn lake(aws: &Rc<Aws>) -> Lake {
    Lake {
        objects: Box::new(Bucket(Rc::clone(aws))),
        catalog: Box::new(Glue(Rc::clone(aws))),
    }
}

/// Names the permission that a refusal asks for.
fn grant(error: Error, permission: &str) -> Error {
    match error.code() {
        "AccessDenied" | "AccessDeniedException" | "Forbidden" => {
            error.hint(format!("grant {permission}"))
        }
        _ => error,
    }
}
