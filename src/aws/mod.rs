//! AWS: endpoints, signing, credentials, and the operations of S3, Glue, STS and Lake Formation.
//!
//! # Modules, in the order of their imports
//!
//! Below `Aws`, which is here and which `lake` uses:
//!
//! - `session`: holds and renews an identity
//! - `providers`: the sources of credentials
//! - `lakeformation`, `glue`, `s3`, `sts`: the operations, one file each
//! - `steps`: steps whose calls overlap
//! - `sender`: sends an operation, with the identity of a `Caller`
//! - `attempt`: a failed attempt
//! - `operation`: what an operation consists of
//! - `decision`: which failures are retried
//! - `endpoint`: the hosts of the services
//! - `service`: the services
//! - `pages`: the pages of a listing
//! - `sigv4`: signatures; the identity is an argument
//! - `identity`: credentials as a plain value
//! - `values`: documents of Glue and Lake Formation
//! - `xml`: documents of S3 and STS

mod attempt;
mod decision;
mod endpoint;
pub(crate) mod glue;
pub(crate) mod identity;
pub(crate) mod lakeformation;
pub(crate) mod operation;
mod pages;
mod providers;
pub(crate) mod s3;
mod sender;
mod service;
mod session;
pub(crate) mod sigv4;
mod steps;
pub(crate) mod sts;
#[cfg(test)]
pub(crate) mod tests;
mod values;
mod xml;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use log::warn;

use crate::environment::Environment;
use crate::error::{Error, RefusalCause, Result};
use crate::http::retry::RetryPolicy;
use crate::http::{Client, Proxy, Response, RootCertificates};
use crate::time::{Clock, Millis};

pub(crate) use endpoint::{Addressing, AwsPartition, Switch};
pub(crate) use pages::Pages;
pub(crate) use s3::options::{BucketKey, Encryption, PutOptions, RequestChecksum};
pub(crate) use session::Credentials;

use endpoint::{Endpoints, Target};
use identity::Identity;
use operation::{BadResponse, Call, Operation, OperationInfo};
use providers::Context;
use sender::{Caller, Sender};
use service::Service;
use session::Session;
use steps::{Given, Steps};

/// The settings of AWS: region, bucket, credentials and endpoints.
#[derive(Clone, Debug)]
pub(crate) struct AwsSettings {
    pub(crate) region: String,
    pub(crate) bucket: String,
    /// The bucket's region, where it is known to be another.
    pub(crate) bucket_region: Option<String>,
    /// The account of 12 digits that must own the credentials.
    pub(crate) account_id: Option<String>,
    /// The account of 12 digits that must own the bucket: S3 refuses calls to a bucket of another one.
    pub(crate) bucket_owner: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) endpoints: EndpointSettings,
    /// The most connections to one server at a time.
    pub(crate) connections: usize,
}

/// The settings of the endpoints; the environment's are added to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndpointSettings {
    /// An endpoint for every service; it takes precedence over those of the environment.
    pub(crate) url: Option<String>,
    pub(crate) addressing: Addressing,
    pub(crate) fips: Switch,
    pub(crate) dual_stack: Switch,
}

#[cfg(test)]
impl AwsSettings {
    /// The defaults: the default chain of credentials, and AWS's own endpoints.
    pub(crate) fn of(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            bucket_region: None,
            bucket: String::new(),
            credentials: Credentials::Default,
            endpoints: EndpointSettings::default(),
            account_id: None,
            bucket_owner: None,
            connections: 4,
        }
    }
}

/// A client of AWS for one account, region and bucket.
pub(crate) struct Aws {
    region: String,
    account_id: Option<String>,
    bucket_owner: Option<String>,
    bucket: String,
    /// The bucket's region as configured, until S3 reports another one.
    bucket_region: RefCell<String>,
    endpoints: Endpoints,
    sender: Rc<Sender>,
    session: Session,
    steps: Steps,
}

impl Aws {
    /// Makes the client; nothing is sent yet. The environment decides what the settings leave open.
    pub(crate) fn new(
        settings: AwsSettings,
        session_name: &str,
        environment: &Environment,
        clock: &Clock,
        policy: RetryPolicy,
    ) -> Result<Self> {
        let switch = |configured, variable| {
            if environment.is(variable, "true") {
                Switch::On
            } else {
                configured
            }
        };
        let endpoints = Endpoints {
            fips: switch(settings.endpoints.fips, "AWS_USE_FIPS_ENDPOINT"),
            dual_stack: switch(settings.endpoints.dual_stack, "AWS_USE_DUALSTACK_ENDPOINT"),
            addressing: settings.endpoints.addressing,
            url: settings.endpoints.url,
            environment: environment.clone(),
        };
        let roots = RootCertificates::from_environment(environment)?;
        let proxy = Proxy::from_environment(environment)?;
        let client = Client::with(policy.timeouts, &roots, proxy, settings.connections);
        let sender = Rc::new(Sender::new(client, roots, clock.clone(), policy));
        let context = Context {
            environment: environment.clone(),
            sender: Rc::clone(&sender),
            endpoints: endpoints.clone(),
            region: settings.region.clone(),
            session_name: session_name.to_owned(),
        };
        let bucket_region = settings
            .bucket_region
            .unwrap_or_else(|| settings.region.clone());
        Ok(Self {
            region: settings.region,
            account_id: settings.account_id,
            bucket_owner: settings.bucket_owner,
            bucket: settings.bucket,
            bucket_region: RefCell::new(bucket_region),
            endpoints,
            sender,
            session: Session::new(settings.credentials, context),
            steps: Steps::default(),
        })
    }

    /// The name of the bucket.
    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Whether the bucket may be in another store than S3.
    pub(crate) fn has_other_store(&self) -> bool {
        self.endpoints.is_custom(Service::S3)
    }

    /// Asks STS for the caller's identity, and compares its account with the configured one.
    /// Returns the caller's ARN.
    pub(crate) fn sign_in(&self) -> Result<String> {
        let identity = self.session.identity()?;
        let account = match self.perform(&sts::GetCallerIdentity) {
            Ok(account) => account,
            // A private network may reach S3 and Glue alone, and a user's keys need no more.
            Err(error) if self.account_id.is_none() && is_unreachable(&error) => {
                warn!("could not determine the caller's identity: {error}");
                return Ok(identity.access_key_id);
            }
            Err(error) => return Err(error),
        };
        self.compare(&account.id, &account.arn)?;
        Ok(account.arn)
    }

    /// The region of the Data Catalog, and the account (`region/account`) where the settings name it.
    pub(crate) fn catalog(&self) -> String {
        match &self.account_id {
            Some(account) => format!("{}/{account}", self.region),
            None => self.region.clone(),
        }
    }

    /// Compares the account of the credentials with the configured one, if there is one. STS is asked, which every
    /// identity may do, unless the settings name the account: a role's ARN does.
    pub(crate) fn verify_account(&self) -> Result<()> {
        if self.account_id.is_none() {
            return Ok(());
        }
        if let Some((account, arn)) = self.session.account() {
            return self.compare(account, arn);
        }
        let account = self
            .perform(&sts::GetCallerIdentity)
            .map_err(|error| error.while_doing("comparing the account with aws_account_id"))?;
        self.compare(&account.id, &account.arn)
    }

    /// An error where this is not the configured account.
    fn compare(&self, found: &str, arn: &str) -> Result<()> {
        match &self.account_id {
            Some(expected) if expected != found => Err(Error::config(format!(
                "aws_account_id: expected {expected}, found that the credentials belong to {found} ({arn})"
            ))),
            _ => Ok(()),
        }
    }

    /// The time by S3's clock, as its last answer had it; none before the first one.
    pub(crate) fn store_time(&self) -> Option<Millis> {
        self.steps.time().or_else(|| self.sender.store_time())
    }

    /// Performs an operation of any service, with retries. Within a step, others are in flight meanwhile.
    pub(crate) fn perform<O: Operation>(&self, operation: &O) -> Result<O::Output> {
        let mut output = None;
        let mut read = |response| {
            output = Some(operation.read(response)?);
            Ok(())
        };
        self.answer(
            &OperationInfo::of(operation),
            &|| operation.call(),
            &mut read,
        )?;
        Ok(output.expect("the call succeeds once its response is read"))
    }

    /// Has the call answered; the same code for every operation.
    fn answer(
        &self,
        asked: &OperationInfo<'_>,
        call: &dyn Fn() -> Call,
        read: &mut dyn FnMut(Response) -> Result<(), BadResponse>,
    ) -> Result<()> {
        let outcome = match self.steps.given(asked, call) {
            Given::Nothing => {
                let mut read = |response: &mut Option<Response>| {
                    Poll::Ready(read(response.take().unwrap_or_default()))
                };
                let call = call();
                let attempts = self.sender.attempts(asked, &call, self, &mut read);
                self.client().wait(attempts)
            }
            Given::Response(response) => {
                let verdict = read(response);
                let is_good = verdict.is_ok();
                self.steps.judge(verdict);
                if is_good {
                    Ok(())
                } else {
                    Err(steps::unanswered())
                }
            }
            Given::Error(error) => Err(error),
        };
        self.explain(asked.service, outcome)
    }

    /// Whether a step is run now.
    pub(crate) fn is_in_steps(&self) -> bool {
        self.steps.is_running()
    }

    /// Runs so many steps: their calls overlap (see [`steps`]).
    pub(crate) fn run_steps(&self, count: usize, run: &mut dyn FnMut(usize) -> bool) {
        self.steps.run(count, run, &self.sender, self);
    }

    /// What moves the calls in flight.
    pub(crate) fn client(&self) -> &Client {
        self.sender.client()
    }

    /// Performs an operation as `perform` does; others are in flight meanwhile.
    pub(crate) async fn fly<O: Operation>(&self, operation: &O) -> Result<O::Output> {
        let outcome = self.sender.fly(operation, self).await;
        self.explain(O::SERVICE, outcome)
    }

    fn explain<T>(&self, service: Service, outcome: Result<T>) -> Result<T> {
        match &self.bucket_owner {
            Some(owner) if service == Service::S3 => {
                outcome.map_err(|error| hint_at_owner(error, owner))
            }
            _ => outcome,
        }
    }
}

/// S3 says no more than AccessDenied where the bucket belongs to another account than the expected one.
fn hint_at_owner(error: Error, owner: &str) -> Error {
    if error.refusal().is_some_and(|refusal| refusal.status == 403) && is_denied(&error) {
        return error.also_hint(format!(
            "if the bucket belongs to another account than {owner}, set expected_bucket_owner to that account"
        ));
    }
    error
}

/// Whether the call was denied, whatever denied it.
pub(crate) fn is_denied(error: &Error) -> bool {
    matches!(
        error.code(),
        "AccessDenied" | "AccessDeniedException" | "Forbidden"
    )
}

fn is_unreachable(error: &Error) -> bool {
    error
        .refusal()
        .is_some_and(|refusal| refusal.cause == RefusalCause::ConnectTimeout)
}

impl Caller for Aws {
    fn identity(&self) -> Result<Option<Identity>> {
        self.session.identity().map(Some)
    }

    fn renew(&self, refused: Option<&Identity>) -> Result<bool> {
        self.session.renew(refused)
    }

    fn target(&self, service: Service) -> Result<Target> {
        if service == Service::S3 {
            let region = self.bucket_region.borrow().clone();
            let owner = self.bucket_owner.clone();
            return Ok(Target {
                endpoint: self.endpoints.of_bucket(&self.bucket, &region)?,
                region,
                headers: owner
                    .map(|owner| ("x-amz-expected-bucket-owner", owner))
                    .into_iter()
                    .collect(),
            });
        }
        Ok(Target {
            endpoint: self.endpoints.of(service, &self.region)?,
            region: self.region.clone(),
            headers: Vec::new(),
        })
    }

    fn bucket_moved(&self, region: Option<&str>, asked: &str) -> bool {
        let mut known = self.bucket_region.borrow_mut();
        if *known != asked {
            return true;
        }
        let Some(found) = region.filter(|found| *found != *known) else {
            return false;
        };
        warn!(
            "bucket {} is in region {found}, not in {known}; set bucket_region to {found} to avoid a redirect",
            self.bucket
        );
        found.clone_into(&mut known);
        true
    }
}
