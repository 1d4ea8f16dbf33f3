//! Sends an operation until it succeeds or fails for good: signs each attempt anew, decides about retries, and waits.
//! The operation and the credentials are the caller's.

use std::cell::Cell;
use std::time::{Duration, Instant};

use log::{debug, warn};

use crate::aws::attempt::{self, FailedAttempt};
use crate::aws::decision::RetryDecision;
use crate::aws::endpoint::Target;
use crate::aws::identity::Identity;
use crate::aws::operation::{Call, Operation};
use crate::aws::service::Service;
use crate::aws::sigv4::{self, CredentialScope, Unsigned, encoding};
use crate::error::{Kind, Result};
use crate::http::retry::{self, Quota, RetryPolicy};
use crate::http::{Client, Failure, Request, Response, RootCertificates};
use crate::interrupt;
use crate::time::{Clock, Millis};

/// The caller of an operation: its identity, and the endpoint that it calls.
pub(crate) trait Caller {
    /// The identity that signs; nothing for a call that is not signed.
    fn identity(&self) -> Result<Option<Identity>>;

    fn target(&self, service: Service) -> Result<Target>;

    /// Called when the identity was refused as expired; true where there is a fresh one now.
    fn renew(&self) -> Result<bool> {
        Ok(false)
    }

    /// Called when the bucket is in another region, which S3 may have named; true where `target` uses it from now on.
    fn bucket_moved(&self, _region: Option<&str>) -> bool {
        false
    }
}

/// Sends operations to the services.
pub(crate) struct Sender {
    client: Client,
    roots: RootCertificates,
    clock: Clock,
    policy: RetryPolicy,
    quota: Quota,
    /// How far the services' clock is ahead of ours, in milliseconds.
    clock_offset: Cell<i64>,
    /// S3's time in its last answer, and our reading when that came.
    store_time: Cell<Option<(Millis, Instant)>>,
}

/// The remedies that were tried already: each is tried once.
#[derive(Default)]
struct Tried {
    renewal: bool,
    clock: bool,
    region: bool,
}

/// What follows a failed attempt.
enum Next {
    /// Another attempt, after this wait.
    RetryAfter(Duration),
    /// The call fails.
    Fail(Kind),
}

impl Sender {
    pub(crate) fn new(
        client: Client,
        roots: RootCertificates,
        clock: Clock,
        policy: RetryPolicy,
    ) -> Self {
        Self {
            client,
            roots,
            clock,
            policy,
            quota: Quota::new(),
            clock_offset: Cell::new(0),
            store_time: Cell::new(None),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The time by the services' clock.
    pub(crate) fn now(&self) -> Millis {
        Millis(self.clock.now().0.saturating_add(self.clock_offset.get()))
    }

    /// The time by S3's clock, which dates objects and uploads, from its last answer; none before the first one. It is
    /// late by that answer's time on the way, and never early.
    pub(crate) fn store_time(&self) -> Option<Millis> {
        let (date, heard) = self.store_time.get()?;
        Some(date.plus(self.clock.elapsed(heard)))
    }

    /// The root certificates, for clients of other servers.
    pub(crate) fn roots(&self) -> &RootCertificates {
        &self.roots
    }

    /// Performs the operation, with retries.
    pub(crate) fn perform<O: Operation>(
        &self,
        operation: &O,
        caller: &dyn Caller,
    ) -> Result<O::Output> {
        let call = operation.call();
        let started = self.clock.instant();
        let mut tried = Tried::default();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let sent = self.clock.instant();
            let target = caller.target(O::SERVICE)?;
            let identity = caller.identity()?;
            let request = self.request(O::SERVICE, &call, &target, identity.as_ref());
            let response = self.send(O::SERVICE, &request);
            let response = response.map_err(|failure| failure.at(&target.endpoint.authority));
            let outcome = match response {
                Ok(response) if (200..300).contains(&response.status) => {
                    let status = response.status;
                    let id = attempt::request_id(&response).to_owned();
                    let output = operation.read(response);
                    output.map_err(|bad| FailedAttempt::from_success(status, id, bad))
                }
                Ok(response) => Err(FailedAttempt::from_response(O::SERVICE, &response)),
                Err(failure) => Err(FailedAttempt::from_network(failure)),
            };
            let milliseconds = self.clock.elapsed(sent).as_millis();
            let (title, name) = (O::SERVICE.title(), O::NAME);
            let mut failed = match outcome {
                Ok(output) => {
                    debug!("{title} {name} done attempt={attempt} milliseconds={milliseconds}");
                    self.quota.give_back();
                    interrupt::answered();
                    return Ok(output);
                }
                Err(failed) => failed,
            };
            debug!(
                "{title} {name} failed status={} code={:?} attempt={attempt} milliseconds={milliseconds}",
                failed.status, failed.code
            );
            failed.hide_headers(&request.headers);
            failed.hide_secrets(identity.as_ref(), operation.secret());
            if O::EXPECTED_ERRORS.contains(&failed.code.as_str()) {
                return Err(failed.into_error::<O>(Kind::System, attempt));
            }
            match self.next(&failed, attempt, started, &mut tried, caller)? {
                Next::RetryAfter(wait) => interrupt::sleep(&self.clock, wait)?,
                Next::Fail(kind) => return Err(failed.into_error::<O>(kind, attempt)),
            }
        }
    }

    /// What follows a failed attempt.
    fn next(
        &self,
        failed: &FailedAttempt,
        attempt: u32,
        started: Instant,
        tried: &mut Tried,
        caller: &dyn Caller,
    ) -> Result<Next> {
        let at_once = Next::RetryAfter(Duration::ZERO);
        let backoff = match failed.decision {
            RetryDecision::RenewCredentials if !tried.renewal => {
                tried.renewal = true;
                return Ok(if caller.renew()? {
                    at_once
                } else {
                    Next::Fail(Kind::Config)
                });
            }
            RetryDecision::CorrectClock | RetryDecision::CheckSignature
                if !tried.clock && self.learn_time(failed.date) =>
            {
                tried.clock = true;
                return Ok(at_once);
            }
            RetryDecision::ChangeRegion
                if !tried.region && caller.bucket_moved(failed.region.as_deref()) =>
            {
                tried.region = true;
                return Ok(at_once);
            }
            RetryDecision::RenewCredentials
            | RetryDecision::CorrectClock
            | RetryDecision::CheckSignature
            | RetryDecision::ChangeRegion => {
                return Ok(Next::Fail(Kind::Config));
            }
            RetryDecision::Fail(kind) => return Ok(Next::Fail(kind)),
            RetryDecision::Retry(backoff) => backoff,
        };
        let wait = retry::delay(attempt, backoff, retry::chance()).max(failed.after);
        let is_in_time = self.clock.elapsed(started) + wait < self.policy.total;
        let goes_on = attempt < self.policy.attempts && is_in_time && self.quota.take();
        Ok(if goes_on {
            Next::RetryAfter(wait)
        } else {
            Next::Fail(Kind::Transient)
        })
    }

    /// Builds and signs the request of one attempt.
    fn request<'a>(
        &self,
        service: Service,
        call: &'a Call<'_>,
        target: &Target,
        identity: Option<&Identity>,
    ) -> Request<'a> {
        let endpoint = &target.endpoint;
        let path = endpoint.path(&call.path);
        let query = encoding::query(&call.query);
        let mut headers = vec![("host".to_owned(), endpoint.authority.clone())];
        for (name, value) in call.headers.iter().chain(&target.headers) {
            headers.push(((*name).to_owned(), value.clone()));
        }
        if let Some(identity) = identity {
            let scope = CredentialScope {
                time: self.now(),
                region: &target.region,
                service: service.id(),
            };
            let unsigned = Unsigned {
                method: call.method.as_str(),
                path: &path,
                query: &query,
                headers: &headers,
                body: &call.body,
            };
            let added = sigv4::sign(service.dialect(), &scope, identity, &unsigned);
            headers.extend(added);
        }
        headers.remove(0); // the host, which the client takes from the URL
        let mark = if query.is_empty() { "" } else { "?" };
        Request {
            method: call.method,
            url: format!(
                "{}://{}{path}{mark}{query}",
                endpoint.scheme, endpoint.authority
            ),
            headers,
            body: &call.body,
            limit: call.limit,
        }
    }

    /// Sends one attempt.
    fn send(&self, service: Service, request: &Request<'_>) -> Result<Response, Failure> {
        let response = self.client.send(request)?;
        if service == Service::S3
            && let Some(date) = attempt::date(&response)
        {
            self.store_time.set(Some((date, self.clock.instant())));
        }
        Ok(response)
    }

    /// Adopts the service's time, where it differs from the one that we signed with; false where it does not.
    fn learn_time(&self, date: Option<Millis>) -> bool {
        let Some(date) = date else { return false };
        if date.0.abs_diff(self.now().0) < SKEW {
            return false;
        }
        self.clock_offset
            .set(date.0.saturating_sub(self.clock.now().0));
        warn!(
            "this machine's clock is {} s off: using the time of the service",
            self.clock_offset.get() / 1000
        );
        true
    }
}

/// The least difference that counts as a wrong clock, in milliseconds: services accept 5 minutes (S3: 15) before or after
/// their own time, and the SDKs correct from 4 minutes on.
const SKEW: u64 = 240_000;
