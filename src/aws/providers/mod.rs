//! Providers of credentials, one file each. A provider returns an identity, nothing when it is not configured, or an
//! error when it is configured but fails.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>

mod child;
mod container;
mod environment;
mod files;
mod instance;
mod metadata;
mod process;
mod profile;
mod role;
#[cfg(test)]
pub(crate) mod tests;
mod web_identity;

use std::rc::Rc;

use crate::aws::endpoint::{Endpoints, Target};
use crate::aws::identity::Identity;
use crate::aws::sender::{Caller, Sender};
use crate::aws::service::Service;
use crate::environment::Environment;
use crate::error::{Error, Result};

pub(crate) use role::Role;

use files::Files;

/// The context of a provider: the environment, and the means to call STS.
pub(crate) struct Context {
    pub(crate) environment: Environment,
    pub(crate) sender: Rc<Sender>,
    pub(crate) endpoints: Endpoints,
    pub(crate) region: String,
    /// The name of this run in role sessions.
    pub(crate) session_name: String,
}

/// A provider, as logs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Environment,
    /// A profile with `role_arn` and a source of the base identity.
    ProfileRole,
    WebIdentity,
    CredentialsFile,
    Process,
    ConfigFile,
    Container,
    Instance,
}

/// The default chain: the first provider that is configured. The order is the AWS CLI's.
pub(crate) fn default_chain(context: &Context) -> Result<(Provider, Identity)> {
    let environment = &context.environment;
    if let Some(identity) = environment::identity(environment)? {
        return Ok((Provider::Environment, identity));
    }
    let files = Files::read(environment)?;
    if let Some(found) = profile::identity(&files, context)? {
        return Ok(found);
    }
    if let Some(identity) = container::identity(context)? {
        return Ok((Provider::Container, identity));
    }
    if let Some(identity) = instance::identity(context)? {
        return Ok((Provider::Instance, identity));
    }
    Err(Error::config(format!(
        "no AWS credentials were found: not in the environment, not in profile {:?} of {} and {}, \
         not as a web identity, of a container or of an instance",
        files.profile(),
        files.credentials_path(),
        files.config_path(),
    ))
    .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the credentials in the configuration"))
}

/// A caller with a fixed identity, or with none.
struct Fixed<'a> {
    context: &'a Context,
    identity: Option<Identity>,
}

impl Caller for Fixed<'_> {
    fn identity(&self) -> Result<Option<Identity>> {
        Ok(self.identity.clone())
    }

    fn target(&self, service: Service) -> Result<Target> {
        let region = &self.context.region;
        Ok(Target {
            endpoint: self.context.endpoints.of(service, region)?,
            region: region.clone(),
            headers: Vec::new(),
        })
    }
}
