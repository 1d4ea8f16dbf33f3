//! A lake on AWS: objects in S3, tables in the Glue Data Catalog.
//! It combines operations; their requests and responses are `aws`'s.

mod access;
mod bucket;
mod catalog;
#[cfg(test)]
mod faults;
mod partitions;
mod parts;
pub(crate) mod permissions;
#[cfg(test)]
pub(crate) mod tests;

use std::cell::Cell;
use std::rc::Rc;

use crate::aws::{self, Aws, PutOptions, RequestChecksum};
use crate::environment::Environment;
use crate::error::Result;
use crate::http::retry::RetryPolicy;
use crate::lake::{Lake, Steps};
use crate::time::Clock;

use access::AwsAccess;
use bucket::Bucket;
use catalog::Glue;
use parts::PartsInFlight;

/// The settings of a lake on AWS.
#[derive(Clone, Debug)]
pub(crate) struct AwsLakeSettings {
    pub(crate) aws: aws::AwsSettings,
    pub(crate) put_options: PutOptions,
    /// The Lake Formation tag that databases get.
    pub(crate) database_tag: Option<Tag>,
    /// Bytes that parts on their way may take; one part is on its way in any case.
    pub(crate) part_memory: usize,
}

/// A Lake Formation tag with its value: a resource has one value of each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// The steps whose calls the client sends.
struct AwsSteps(Rc<Aws>);

impl Steps for AwsSteps {
    fn run(&self, count: usize, step: &mut dyn FnMut(usize) -> bool) {
        self.0.run_steps(count, step);
    }
}

/// Opens the lake that the settings, and the environment where they leave a choice, describe; nothing is sent yet.
/// `session_name` names this run in the sessions of assumed roles.
pub(crate) fn open(
    settings: AwsLakeSettings,
    session_name: &str,
    environment: &Environment,
    clock: &Clock,
    policy: RetryPolicy,
) -> Result<Lake> {
    let AwsLakeSettings {
        aws,
        mut put_options,
        database_tag,
        part_memory,
    } = settings;
    if environment.is("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required") {
        put_options.checksum = RequestChecksum::WhenRequired;
    }
    let aws = Rc::new(Aws::new(aws, session_name, environment, clock, policy)?);
    Ok(Lake {
        access: Box::new(AwsAccess(Rc::clone(&aws))),
        objects: Box::new(Bucket {
            aws: Rc::clone(&aws),
            put_options: Rc::new(put_options),
            parts: PartsInFlight::new(part_memory),
            conditions: Cell::default(),
            has_warned: Cell::new(false),
        }),
        catalog: Box::new(Glue {
            aws: Rc::clone(&aws),
            database_tag,
            is_list_denied: Cell::new(false),
        }),
        steps: Box::new(AwsSteps(aws)),
    })
}
