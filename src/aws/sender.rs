//! Sends an operation until it succeeds or fails for good: signs each attempt anew, decides about retries, and waits.
//! The operation and the credentials are the caller's.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use crate::aws::attempt::{self, FailedAttempt};
use crate::aws::decision::RetryDecision;
use crate::aws::endpoint::Target;
use crate::aws::identity::Identity;
use crate::aws::operation::{BadResponse, Call, Operation, OperationInfo};
use crate::aws::service::Service;
use crate::aws::sigv4::{self, CredentialScope, Unsigned, encoding};
use crate::error::{Kind, Result};
use crate::http::pace::Pace;
use crate::http::retry::{self, Backoff, Quota, RetryPolicy};
use crate::http::{Client, Failure, Request, Response, RootCertificates};
use crate::interrupt::{self, Stopped};
use crate::time::{Clock, Millis};

/// The caller of an operation: its identity, and the endpoint that it calls.
pub(crate) trait Caller {
    /// The identity that signs; nothing for a call that is not signed.
    fn identity(&self) -> Result<Option<Identity>>;

    fn target(&self, service: Service) -> Result<Target>;

    /// Called when this identity was refused as expired; true where there is another one now.
    fn renew(&self, _refused: Option<&Identity>) -> Result<bool> {
        Ok(false)
    }

    /// Called when the bucket is not in the region that was asked, and S3 may have named another; true where `target` uses
    /// another from now on.
    fn bucket_moved(&self, _named: Option<&str>, _asked: &str) -> bool {
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
    /// Of each service.
    paces: [Pace; 4],
    /// How far the services' clock is ahead of ours, in milliseconds.
    clock_offset: Cell<i64>,
    /// Whether the last long body was taken, so that the next one is likely to be.
    takes_bodies: Cell<bool>,
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

/// What an attempt was sent with.
struct Sent {
    at: Instant,
    clock_offset: i64,
    target: Target,
    identity: Option<Identity>,
}

/// What follows a failed attempt.
enum AfterFailure {
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
            paces: Default::default(),
            clock_offset: Cell::new(0),
            takes_bodies: Cell::new(false),
            store_time: Cell::new(None),
        }
    }

    /// What moves the calls in flight.
    pub(crate) fn client(&self) -> &Client {
        &self.client
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
        self.client.wait(self.fly(operation, caller))
    }

    /// Performs the operation, with retries; others are in flight meanwhile.
    pub(crate) async fn fly<O: Operation>(
        &self,
        operation: &O,
        caller: &dyn Caller,
    ) -> Result<O::Output> {
        let mut output = None;
        let mut read = |response: &mut Option<Response>| {
            let read = operation.read(response.take().unwrap_or_default());
            Poll::Ready(read.map(|read| output = Some(read)))
        };
        let asked = OperationInfo::of(operation);
        self.attempts(&asked, &operation.call(), caller, &mut read)
            .await?;
        Ok(output.expect("the call succeeds once its response is read"))
    }

    /// Sends the call until a response of it can be read, or it fails for good. `read` takes the response when it is first
    /// asked, and is asked until it says what is in it.
    pub(super) async fn attempts(
        &self,
        asked: &OperationInfo<'_>,
        call: &Call,
        caller: &dyn Caller,
        read: &mut Read<'_>,
    ) -> Result<()> {
        let (title, name) = (asked.service.title(), asked.name);
        let started = self.clock.instant();
        let mut tried = Tried::default();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let pace = &self.paces[asked.service as usize];
            let turn = pace.turn(self.clock.instant());
            if !turn.is_zero() {
                self.rest(turn).await?;
            }
            let sent = Sent {
                at: self.clock.instant(),
                clock_offset: self.clock_offset.get(),
                target: caller.target(asked.service)?,
                identity: caller.identity()?,
            };
            let request = self.request(asked.service, call, &sent);
            let response = self.send(asked.service, &request).await;
            let response = response.map_err(|failure| failure.at(&sent.target.endpoint.authority));
            let milliseconds = self.clock.elapsed(sent.at).as_millis();
            let mut failed = match outcome(asked.service, response, read).await {
                Ok(()) => {
                    if call.body.len() >= LONG {
                        self.takes_bodies.set(true);
                    }
                    debug!("{title} {name} done attempt={attempt} milliseconds={milliseconds}");
                    self.quota.give_back();
                    pace.took(self.clock.instant());
                    interrupt::answered();
                    return Ok(());
                }
                Err(failed) => failed,
            };
            debug!(
                "{title} {name} failed status={} code={:?} attempt={attempt} milliseconds={milliseconds}",
                failed.status, failed.code
            );
            self.takes_bodies.set(false);
            if failed.decision == RetryDecision::Retry(Backoff::Throttled) {
                pace.refused(sent.at, self.clock.instant());
            }
            failed.hide_headers(&request.headers);
            failed.hide_secrets(sent.identity.as_ref(), asked.secret);
            if asked.expected_errors.contains(&failed.code.as_str()) {
                return Err(failed.into_error(asked, Kind::System, attempt));
            }
            let next = match self.remedy(&failed, &sent, &mut tried, caller)? {
                Some(next) => next,
                None => self.again(&failed, attempt, started),
            };
            match next {
                AfterFailure::RetryAfter(wait) => {
                    if failed.status == 0 {
                        info!(
                            "{title} {name} got no answer: {}; trying again in {:.1} s (attempt {} of {})",
                            failed.message,
                            wait.as_secs_f64(),
                            attempt + 1,
                            self.policy.attempts
                        );
                    }
                    self.rest(wait).await?;
                }
                AfterFailure::Fail(kind) => return Err(failed.into_error(asked, kind, attempt)),
            }
        }
    }

    /// Fails where a signal asks the run to end before that.
    async fn rest(&self, span: Duration) -> Result<(), Stopped> {
        interrupt::allow(span)?;
        if !self.clock.skips(span) {
            self.client.rest(span).await;
        }
        interrupt::check()
    }

    /// What follows a failed attempt that is not just sent again. Another call may have found the remedy meanwhile: then
    /// what this attempt was sent with is not what the next one is.
    fn remedy(
        &self,
        failed: &FailedAttempt,
        sent: &Sent,
        tried: &mut Tried,
        caller: &dyn Caller,
    ) -> Result<Option<AfterFailure>> {
        let found = match failed.decision {
            RetryDecision::Retry(_) => return Ok(None),
            RetryDecision::Fail(kind) => return Ok(Some(AfterFailure::Fail(kind))),
            RetryDecision::RenewCredentials => {
                !std::mem::replace(&mut tried.renewal, true)
                    && caller.renew(sent.identity.as_ref())?
            }
            RetryDecision::CorrectClock | RetryDecision::CheckSignature => {
                !std::mem::replace(&mut tried.clock, true) && self.learn_time(failed.date, sent)
            }
            RetryDecision::ChangeRegion => {
                !std::mem::replace(&mut tried.region, true)
                    && caller.bucket_moved(failed.region.as_deref(), &sent.target.region)
            }
        };
        Ok(Some(if found {
            AfterFailure::RetryAfter(Duration::ZERO)
        } else {
            AfterFailure::Fail(Kind::Config)
        }))
    }

    /// What follows a failed attempt that may be sent again as it is.
    fn again(&self, failed: &FailedAttempt, attempt: u32, started: Instant) -> AfterFailure {
        let RetryDecision::Retry(backoff) = failed.decision else {
            return AfterFailure::Fail(Kind::System);
        };
        let wait = retry::delay(attempt, backoff, retry::chance()).max(failed.after);
        let is_in_time = self.clock.elapsed(started) + wait < self.policy.total;
        if attempt < self.policy.attempts && is_in_time && self.quota.take() {
            AfterFailure::RetryAfter(wait)
        } else {
            AfterFailure::Fail(Kind::Transient)
        }
    }

    /// Builds and signs the request of one attempt.
    fn request(&self, service: Service, call: &Call, sent: &Sent) -> Request {
        let Sent {
            target, identity, ..
        } = sent;
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
        // A long body that is likely to be refused (expired credentials, another region) waits for the service's consent.
        if call.body.len() >= LONG && !self.takes_bodies.get() {
            headers.push(("expect".to_owned(), "100-continue".to_owned()));
        }
        let mark = if query.is_empty() { "" } else { "?" };
        Request {
            method: call.method,
            url: format!(
                "{}://{}{path}{mark}{query}",
                endpoint.scheme, endpoint.authority
            ),
            headers,
            body: call.body.clone(),
            limit: call.limit,
        }
    }

    /// Sends one attempt.
    async fn send(&self, service: Service, request: &Request) -> Result<Response, Failure> {
        let response = self.client.fly(request).await?;
        if service == Service::S3
            && let Some(date) = attempt::date(&response)
        {
            self.store_time.set(Some((date, self.clock.instant())));
        }
        Ok(response)
    }

    /// Adopts the service's time, where it differs from the one that the attempt was signed with; false where it does not.
    fn learn_time(&self, date: Option<Millis>, sent: &Sent) -> bool {
        if self.clock_offset.get() != sent.clock_offset {
            return true;
        }
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

/// Reads a response, which it takes.
pub(super) type Read<'a> = dyn FnMut(&mut Option<Response>) -> Poll<Result<(), BadResponse>> + 'a;

/// What came of an attempt.
async fn outcome(
    service: Service,
    response: Result<Response, Failure>,
    read: &mut Read<'_>,
) -> Result<(), Box<FailedAttempt>> {
    let response = response.map_err(FailedAttempt::from_network)?;
    let status = response.status;
    if !(200..300).contains(&status) {
        return Err(FailedAttempt::from_response(service, &response).into());
    }
    let id = attempt::request_id(&response).to_owned();
    let mut response = Some(response);
    let outcome = poll_fn(|_| read(&mut response)).await;
    outcome.map_err(|bad| FailedAttempt::from_success(status, id, bad).into())
}

/// A body of so many bytes is not sent for nothing, if that can be helped.
const LONG: usize = 1 << 20;

/// The least difference that counts as a wrong clock, in milliseconds: services accept 5 minutes (S3: 15) before or after
/// their own time, and the SDKs correct from 4 minutes on.
const SKEW: u64 = 240_000;
