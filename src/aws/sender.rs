//! Sends an operation until it succeeds or must be given up: builds and signs each attempt anew,
//! asks the verdict, waits. It knows no operation and no credentials but those it is handed.

use std::cell::Cell;
use std::time::{Duration, Instant};

use log::{debug, warn};

use crate::aws::endpoint::Target;
use crate::aws::identity::Identity;
use crate::aws::operation::{Call, Operation};
use crate::aws::refused::{self, Refused};
use crate::aws::service::Service;
use crate::aws::sigv4::{self, Scope, Unsigned, encoding};
use crate::aws::verdict::Verdict;
use crate::error::{Kind, Result};
use crate::http::retry::{self, Patience, Quota};
use crate::http::{Answer, Client, Failure, Request, Trust};
use crate::time::{Clock, Millis};

/// On whose behalf calls are made, and where they go.
pub(crate) trait Caller {
    /// Who signs; nothing for a call that is not signed.
    fn identity(&self) -> Result<Option<Identity>>;

    fn target(&self, service: Service) -> Result<Target>;

    /// The identity was refused as expired; whether there is a fresh one now.
    fn renew(&self) -> Result<bool> {
        Ok(false)
    }

    /// The bucket is not in the region that was asked; whether `target` has learned where it is.
    fn moved(&self, _region: Option<&str>) -> bool {
        false
    }
}

/// The way to the services.
pub(crate) struct Sender {
    client: Client,
    trust: Trust,
    clock: Clock,
    patience: Patience,
    quota: Quota,
    /// How far the services' clock is ahead of ours, in milliseconds.
    ahead: Cell<i64>,
}

/// What was tried already, because it is tried once only.
#[derive(Default)]
struct Tried {
    renewal: bool,
    clock: bool,
    region: bool,
}

/// What follows a refusal.
enum Next {
    /// Another attempt, after so long.
    At(Duration),
    /// The refusal is the outcome.
    Never(Kind),
}

impl Sender {
    pub(crate) fn new(client: Client, trust: Trust, clock: Clock, patience: Patience) -> Self {
        Self {
            client,
            trust,
            clock,
            patience,
            quota: Quota::new(),
            ahead: Cell::new(0),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The time as the services have it.
    pub(crate) fn now(&self) -> Millis {
        Millis(self.clock.now().0.saturating_add(self.ahead.get()))
    }

    /// Whom it trusts, for those who ask other servers.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Performs the operation.
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
            let answer = self.send(O::SERVICE, &call, &target, identity.as_ref());
            let outcome = match answer {
                Ok(answer) if (200..300).contains(&answer.status) => {
                    let status = answer.status;
                    let id = refused::request_id(&answer).to_owned();
                    let output = operation.read(answer);
                    output.map_err(|unfit| Refused::by_success(status, id, unfit))
                }
                Ok(answer) => Err(Refused::by_service(O::SERVICE, &answer)),
                Err(failure) => Err(Refused::by_network(failure)),
            };
            let milliseconds = sent.elapsed().as_millis();
            let (title, name) = (O::SERVICE.title(), O::NAME);
            let mut refused = match outcome {
                Ok(output) => {
                    debug!("{title} {name} done attempt={attempt} milliseconds={milliseconds}");
                    self.quota.give_back();
                    return Ok(output);
                }
                Err(refused) => refused,
            };
            debug!(
                "{title} {name} refused status={} code={:?} attempt={attempt} milliseconds={milliseconds}",
                refused.status, refused.code
            );
            refused.hide(identity.as_ref(), operation.secret());
            if O::ANSWERS.contains(&refused.code.as_str()) {
                return Err(refused.into_error::<O>(Kind::System, attempt));
            }
            match self.next(&refused, attempt, started, &mut tried, caller)? {
                Next::At(wait) => self.clock.sleep(wait),
                Next::Never(kind) => return Err(refused.into_error::<O>(kind, attempt)),
            }
        }
    }

    /// What follows a refusal.
    fn next(
        &self,
        refused: &Refused,
        attempt: u32,
        started: Instant,
        tried: &mut Tried,
        caller: &dyn Caller,
    ) -> Result<Next> {
        let at_once = Next::At(Duration::ZERO);
        let pace = match refused.verdict {
            Verdict::Expired if !tried.renewal => {
                tried.renewal = true;
                return Ok(if caller.renew()? {
                    at_once
                } else {
                    Next::Never(Kind::Config)
                });
            }
            Verdict::Skewed | Verdict::Unproven
                if !tried.clock && self.learn_time(refused.date) =>
            {
                tried.clock = true;
                return Ok(at_once);
            }
            Verdict::Elsewhere if !tried.region && caller.moved(refused.region.as_deref()) => {
                tried.region = true;
                return Ok(at_once);
            }
            Verdict::Expired | Verdict::Skewed | Verdict::Unproven | Verdict::Elsewhere => {
                return Ok(Next::Never(Kind::Config));
            }
            Verdict::Final(kind) => return Ok(Next::Never(kind)),
            Verdict::Again(pace) => pace,
        };
        let wait = retry::delay(attempt, pace, retry::chance()).max(refused.after);
        let is_in_time = started.elapsed() + wait < self.patience.total;
        let goes_on = attempt < self.patience.attempts && is_in_time && self.quota.take();
        Ok(if goes_on {
            Next::At(wait)
        } else {
            Next::Never(Kind::Transient)
        })
    }

    /// Signs and sends one attempt.
    fn send(
        &self,
        service: Service,
        call: &Call<'_>,
        target: &Target,
        identity: Option<&Identity>,
    ) -> Result<Answer, Failure> {
        let endpoint = &target.endpoint;
        let path = endpoint.path(&call.path);
        let query = encoding::query(&call.query);
        let mut headers = vec![("host".to_owned(), endpoint.authority.clone())];
        for (name, value) in call.headers.iter().chain(&target.headers) {
            headers.push(((*name).to_owned(), value.clone()));
        }
        if let Some(identity) = identity {
            let scope = Scope {
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
        let answer = self.client.send(&Request {
            method: call.method,
            url: format!(
                "{}://{}{path}{mark}{query}",
                endpoint.scheme, endpoint.authority
            ),
            headers,
            body: &call.body,
            limit: call.limit,
        });
        answer.map_err(|failure| failure.at(&endpoint.authority))
    }

    /// Whether the service's time is another than the one that we signed with, and is known now.
    fn learn_time(&self, date: Option<Millis>) -> bool {
        let Some(date) = date else { return false };
        if date.0.abs_diff(self.now().0) < SKEW {
            return false;
        }
        self.ahead.set(date.0.saturating_sub(self.clock.now().0));
        warn!(
            "this machine's clock is {} s off: using the time of the service",
            self.ahead.get() / 1000
        );
        true
    }
}

/// Services take 5 minutes (S3: 15) before or after their own time; the SDKs call 4 minutes a difference.
const SKEW: u64 = 240_000;
