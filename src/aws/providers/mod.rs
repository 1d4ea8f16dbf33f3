//! Where credentials come from: one file each. A provider answers with an identity, with nothing when it
//! is not configured, or with an error when it is configured but broken; asking quietly is not an error.

mod environment;
mod role;

use std::rc::Rc;

use crate::aws::endpoint::{Endpoints, Target};
use crate::aws::identity::Identity;
use crate::aws::sender::{Caller, Sender};
use crate::aws::service::Service;
use crate::environment::Environment;
use crate::error::{Error, Result};

pub(crate) use role::Role;

/// What providers may use.
pub(crate) struct Surroundings {
    pub(crate) environment: Environment,
    pub(crate) sender: Rc<Sender>,
    pub(crate) endpoints: Endpoints,
    pub(crate) region: String,
    /// Names the run in role sessions.
    pub(crate) session_name: String,
}

/// The default chain: the first provider that is configured.
pub(crate) fn default_chain(surroundings: &Surroundings) -> Result<Identity> {
    if let Some(identity) = environment::identity(&surroundings.environment)? {
        return Ok(identity);
    }
    Err(
        Error::config("no AWS credentials were found in the environment")
            .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    )
}

/// Calls with one identity, or without any.
struct Fixed<'a> {
    surroundings: &'a Surroundings,
    identity: Option<Identity>,
}

impl Caller for Fixed<'_> {
    fn identity(&self) -> Result<Option<Identity>> {
        Ok(self.identity.clone())
    }

    fn target(&self, service: Service) -> Result<Target> {
        let region = &self.surroundings.region;
        Ok(Target {
            endpoint: self.surroundings.endpoints.of(service, region)?,
            region: region.clone(),
            headers: Vec::new(),
        })
    }
}
