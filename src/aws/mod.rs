//! AWS: endpoints, signing, credentials, and the operations of S3, Glue, STS and Lake Formation.
//!
//! Imports point one way: `identity` is a plain value; `sigv4` takes it as an argument; `sender` sends what an
//! `operation` describes and is handed identities by a `Caller`; `sts` describes, `providers` use it with `sender`;
//! `session` holds and renews an identity; `Aws`, here, is the caller that everything above uses.

mod attempt;
mod decision;
mod endpoint;
pub(crate) mod glue;
pub(crate) mod identity;
pub(crate) mod lakeformation;
#[cfg(test)]
mod layers;
mod operation;
mod providers;
pub(crate) mod s3;
mod sender;
mod service;
mod session;
pub(crate) mod sigv4;
mod sts;
#[cfg(test)]
pub(crate) mod tests;
mod xml;

use std::cell::RefCell;
use std::rc::Rc;

use log::warn;

use crate::environment::Environment;
use crate::error::{Error, RefusalCause, Result};
use crate::http::retry::RetryPolicy;
use crate::http::{Client, Proxy, RootCertificates};
use crate::time::Clock;

pub(crate) use endpoint::{Addressing, Partition, Switch};
pub(crate) use s3::options::{BucketKey, Encryption, PutOptions, RequestChecksum};
pub(crate) use session::Credentials;

use endpoint::{Endpoints, Target};
use identity::Identity;
use operation::Operation;
use providers::Context;
use sender::{Caller, Sender};
use service::Service;
use session::Session;

/// What the configuration says of AWS.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) region: String,
    /// The bucket's region, where it is known to be another.
    pub(crate) bucket_region: Option<String>,
    pub(crate) bucket: String,
    pub(crate) credentials: Credentials,
    /// For every service, before what the environment says.
    pub(crate) endpoint_url: Option<String>,
    /// Twelve digits: who must own the credentials and the bucket.
    pub(crate) account_id: Option<String>,
    /// A Lake Formation tag for databases: its key and its values.
    pub(crate) tag: Option<(String, Vec<String>)>,
    /// Names this run in role sessions.
    pub(crate) run: String,
    /// How objects are written.
    pub(crate) writing: PutOptions,
    pub(crate) addressing: Addressing,
    pub(crate) fips: Switch,
    pub(crate) dual_stack: Switch,
}

#[cfg(test)]
impl Settings {
    /// What is left when the configuration says nothing: the default chain, and S3's and Glue's own defaults.
    pub(crate) fn of(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            bucket_region: None,
            bucket: String::new(),
            credentials: Credentials::Default,
            endpoint_url: None,
            account_id: None,
            tag: None,
            run: String::new(),
            writing: PutOptions::default(),
            addressing: Addressing::default(),
            fips: Switch::default(),
            dual_stack: Switch::default(),
        }
    }
}

/// AWS as one account, region and bucket see it.
pub(crate) struct Aws {
    settings: Settings,
    endpoints: Endpoints,
    sender: Rc<Sender>,
    session: Session,
    /// The configured region, until S3 says that the bucket is in another.
    bucket_region: RefCell<String>,
}

impl Aws {
    /// Sends nothing yet. What the settings leave alone, the environment may ask for.
    pub(crate) fn new(
        mut settings: Settings,
        environment: &Environment,
        clock: &Clock,
        policy: RetryPolicy,
    ) -> Result<Self> {
        for (switch, variable) in [
            (&mut settings.fips, "AWS_USE_FIPS_ENDPOINT"),
            (&mut settings.dual_stack, "AWS_USE_DUALSTACK_ENDPOINT"),
        ] {
            if is_word(environment, variable, "true") {
                *switch = Switch::On;
            }
        }
        if is_word(
            environment,
            "AWS_REQUEST_CHECKSUM_CALCULATION",
            "when_required",
        ) {
            settings.writing.checksum = RequestChecksum::WhenRequired;
        }
        let endpoints = Endpoints {
            fips: settings.fips,
            dual_stack: settings.dual_stack,
            addressing: settings.addressing,
            url: settings.endpoint_url.clone(),
            environment: environment.clone(),
        };
        let roots = RootCertificates::from_environment(environment)?;
        let proxy = Proxy::from_environment(environment)?;
        let client = Client::new(policy.timeouts, &roots, proxy);
        let sender = Rc::new(Sender::new(client, roots, clock.clone(), policy));
        let context = Context {
            environment: environment.clone(),
            sender: Rc::clone(&sender),
            endpoints: endpoints.clone(),
            region: settings.region.clone(),
            session_name: settings.run.clone(),
        };
        Ok(Self {
            session: Session::new(settings.credentials.clone(), context),
            bucket_region: RefCell::new(
                settings
                    .bucket_region
                    .clone()
                    .unwrap_or_else(|| settings.region.clone()),
            ),
            settings,
            endpoints,
            sender,
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks STS whose credentials these are, and compares the account with the configured one.
    /// The answer is the caller's ARN.
    pub(crate) fn sign_in(&self) -> Result<String> {
        let identity = self.session.identity()?;
        let account = match self.perform(&sts::GetCallerIdentity) {
            Ok(account) => account,
            // A private network may lead to S3 and Glue alone, and a user's keys need no more.
            Err(error) if self.settings.account_id.is_none() && is_walled_off(&error) => {
                warn!("whose credentials these are is not known: {error}");
                return Ok(identity.access_key_id);
            }
            Err(error) => return Err(error),
        };
        match &self.settings.account_id {
            Some(expected) if *expected != account.id => Err(Error::config(format!(
                "aws_account_id: expected {expected}, found that the credentials belong to {} ({})",
                account.id, account.arn
            ))),
            _ => Ok(account.arn),
        }
    }

    /// Performs an operation of any service.
    pub(crate) fn perform<O: Operation>(&self, operation: &O) -> Result<O::Output> {
        self.sender.perform(operation, self)
    }
}

fn is_walled_off(error: &Error) -> bool {
    error
        .refusal()
        .is_some_and(|refusal| refusal.cause == RefusalCause::ConnectTimeout)
}

fn is_word(environment: &Environment, variable: &str, word: &str) -> bool {
    environment
        .get(variable)
        .is_some_and(|value| value.eq_ignore_ascii_case(word))
}

impl Caller for Aws {
    fn identity(&self) -> Result<Option<Identity>> {
        self.session.identity().map(Some)
    }

    fn renew(&self) -> Result<bool> {
        self.session.renew()
    }

    fn target(&self, service: Service) -> Result<Target> {
        if service == Service::S3 {
            let region = self.bucket_region.borrow().clone();
            let owner = self.settings.account_id.clone();
            return Ok(Target {
                endpoint: self.endpoints.of_bucket(&self.settings.bucket, &region)?,
                region,
                headers: owner
                    .map(|owner| ("x-amz-expected-bucket-owner", owner))
                    .into_iter()
                    .collect(),
            });
        }
        Ok(Target {
            endpoint: self.endpoints.of(service, &self.settings.region)?,
            region: self.settings.region.clone(),
            headers: Vec::new(),
        })
    }

    fn bucket_moved(&self, region: Option<&str>) -> bool {
        let mut known = self.bucket_region.borrow_mut();
        let Some(found) = region.filter(|found| *found != *known) else {
            return false;
        };
        warn!(
            "bucket {} is in region {found}, not in {known}: set bucket_region to save the detour",
            self.settings.bucket
        );
        found.clone_into(&mut known);
        true
    }
}
