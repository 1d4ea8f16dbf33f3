//! Sends an operation until it succeeds or must be given up: builds and signs each attempt anew,
//! asks the verdict, waits. It knows no operation and no credentials but those it is handed.

use std::cell::Cell;
use std::time::Duration;

use log::{debug, warn};

use crate::aws::endpoint::Target;
use crate::aws::identity::Identity;
use crate::aws::operation::{Call, Operation, Unfit};
use crate::aws::service::Service;
use crate::aws::sigv4::{self, Scope, Unsigned, encoding};
use crate::aws::verdict::{Verdict, advice, verdict};
use crate::aws::xml::Element;
use crate::error::{Error, Kind, Refusal, Result};
use crate::http::retry::{self, Pace, Patience, Quota};
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
            let outcome = self.attempt::<O>(&call, caller)?;
            let refused = match outcome {
                Ok(answer) if (200..300).contains(&answer.status) => {
                    let request_id = request_id(&answer).to_owned();
                    let status = answer.status;
                    match operation.read(answer) {
                        Ok(output) => {
                            debug!(
                                "{} {} done status={status} attempt={attempt} milliseconds={}",
                                O::SERVICE.title(),
                                O::NAME,
                                sent.elapsed().as_millis()
                            );
                            self.quota.give_back();
                            return Ok(output);
                        }
                        Err(unfit) => Refused::unfit(status, request_id, unfit),
                    }
                }
                Ok(answer) => Refused::answer(O::SERVICE, &answer),
                Err(failure) => Refused::failure(failure),
            };
            debug!(
                "{} {} refused status={} code={:?} attempt={attempt} milliseconds={}",
                O::SERVICE.title(),
                O::NAME,
                refused.status,
                refused.code,
                sent.elapsed().as_millis()
            );
            let pace = match refused.verdict {
                Verdict::Expired if !tried.renewal && caller.renew()? => {
                    tried.renewal = true;
                    continue;
                }
                Verdict::Skewed | Verdict::Unproven
                    if !tried.clock && self.learn_time(refused.date) =>
                {
                    tried.clock = true;
                    continue;
                }
                Verdict::Elsewhere if !tried.region && caller.moved(refused.region.as_deref()) => {
                    tried.region = true;
                    continue;
                }
                Verdict::Again(pace) => pace,
                Verdict::Expired | Verdict::Skewed | Verdict::Unproven | Verdict::Elsewhere => {
                    return Err(refused.into_error::<O>(Kind::Config, attempt));
                }
                Verdict::Final(kind) => return Err(refused.into_error::<O>(kind, attempt)),
            };
            let wait = retry::delay(attempt, pace, retry::chance()).max(refused.after);
            let in_time = started.elapsed() + wait < self.patience.total;
            if attempt >= self.patience.attempts || !in_time || !self.quota.take() {
                return Err(refused.into_error::<O>(Kind::Transient, attempt));
            }
            self.clock.sleep(wait);
        }
    }

    /// The outer error is ours (no identity, no endpoint), the inner one the network's.
    fn attempt<O: Operation>(
        &self,
        call: &Call<'_>,
        caller: &dyn Caller,
    ) -> Result<Result<Answer, Failure>> {
        let target = caller.target(O::SERVICE)?;
        let identity = caller.identity()?;
        let path = target.endpoint.path(&call.path);
        let query = encoding::query(&call.query);
        let mut headers: Vec<(String, String)> =
            vec![("host".to_owned(), target.endpoint.authority.clone())];
        headers.extend(
            call.headers
                .iter()
                .chain(&target.headers)
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        if let Some(identity) = identity {
            let scope = Scope {
                time: self.now(),
                region: &target.region,
                service: O::SERVICE.id(),
            };
            let unsigned = Unsigned {
                method: call.method.as_str(),
                path: &path,
                query: &query,
                headers: &headers,
                body: &call.body,
            };
            let added = sigv4::sign(O::SERVICE.dialect(), &scope, &identity, &unsigned);
            headers.extend(added);
        }
        headers.remove(0); // the host, which the client takes from the URL
        let mark = if query.is_empty() { "" } else { "?" };
        let request = Request {
            method: call.method,
            url: format!(
                "{}://{}{path}{mark}{query}",
                target.endpoint.scheme, target.endpoint.authority
            ),
            headers,
            body: &call.body,
            limit: call.limit,
        };
        Ok(self.client.send(&request))
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

/// An attempt that was no success, and all that the next one may need of it.
struct Refused {
    verdict: Verdict,
    status: u16,
    code: String,
    message: String,
    request_id: String,
    after: Duration,
    date: Option<Millis>,
    region: Option<String>,
}

impl Refused {
    fn new(verdict: Verdict, status: u16, code: String, message: String) -> Self {
        Self {
            verdict,
            status,
            code,
            message,
            request_id: String::new(),
            after: Duration::ZERO,
            date: None,
            region: None,
        }
    }

    fn answer(service: Service, answer: &Answer) -> Self {
        let (code, message) = service.refusal(answer);
        let region = region(answer).filter(|_| service == Service::S3);
        let verdict = match verdict(answer.status, &code) {
            // An answer to HEAD has no code: with a region beside it, 400 means that ours is wrong.
            Verdict::Final(_)
                if answer.status == 400 && answer.body.is_empty() && region.is_some() =>
            {
                Verdict::Elsewhere
            }
            verdict => verdict,
        };
        Self {
            request_id: request_id(answer).to_owned(),
            after: retry_after(answer),
            date: answer.header("date").and_then(Millis::from_http_date),
            region,
            ..Self::new(verdict, answer.status, code, message)
        }
    }

    fn unfit(status: u16, request_id: String, unfit: Unfit) -> Self {
        let (verdict, code, message) = match unfit {
            // The status says success, so only the code can tell; an unknown one is taken for a 500.
            Unfit::Refused { code, message } => (verdict(500, &code), code, message),
            Unfit::Unreadable(what) | Unfit::Damaged(what) => {
                (Verdict::Again(Pace::Normal), String::new(), what.to_owned())
            }
        };
        Self {
            request_id,
            ..Self::new(verdict, status, code, message)
        }
    }

    fn failure(failure: Failure) -> Self {
        let (verdict, message) = match failure {
            Failure::Unreachable(why) => (Verdict::Again(Pace::Normal), why),
            Failure::Lost(why) => (
                Verdict::Again(Pace::Normal),
                format!("the answer was lost: {why}"),
            ),
            Failure::Forbidden(why) => (Verdict::Final(Kind::Config), why),
            Failure::TooLong(limit) => (
                Verdict::Final(Kind::System),
                format!("expected an answer of at most {limit} bytes, found a longer one"),
            ),
            Failure::Unsendable(why) => (
                Verdict::Final(Kind::System),
                format!("the request can not be sent: {why}"),
            ),
        };
        Self::new(verdict, 0, String::new(), message)
    }

    fn into_error<O: Operation>(self, kind: Kind, attempts: u32) -> Error {
        let advice = match self.code.as_str() {
            "" if self.status == 0 => Some("check the network, the proxy and the endpoint"),
            code => advice(code),
        };
        let error = Error::refused(
            kind,
            Refusal {
                service: O::SERVICE.title(),
                operation: O::NAME,
                status: self.status,
                code: self.code,
                message: self.message,
                request_id: self.request_id,
                attempts,
            },
        );
        match advice {
            Some(advice) => error.hint(advice),
            None => error,
        }
    }
}

fn request_id(answer: &Answer) -> &str {
    answer
        .header("x-amz-request-id")
        .or_else(|| answer.header("x-amzn-requestid"))
        .unwrap_or("")
}

/// What the service asks to wait: seconds, or AWS's own header in milliseconds. Bounded, because a
/// proxy may ask for hours.
fn retry_after(answer: &Answer) -> Duration {
    let number = |name: &str| {
        answer
            .header(name)
            .and_then(|text| text.trim().parse().ok())
    };
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
        .unwrap_or_default()
        .min(Duration::from_secs(60))
}

/// Where S3 says that the bucket is: in a header, in the body, or in the host that it sends us to.
fn region(answer: &Answer) -> Option<String> {
    // It becomes part of a host name.
    let is_name = |text: &String| {
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !text.is_empty() && text.bytes().all(fine)
    };
    named_region(answer).filter(is_name)
}

fn named_region(answer: &Answer) -> Option<String> {
    if let Some(region) = answer.header("x-amz-bucket-region") {
        return Some(region.to_owned());
    }
    let root = Element::parse(&answer.body).unwrap_or_default();
    let named = root.text_of("Region");
    if !named.is_empty() {
        return Some(named.to_owned());
    }
    // bucket.s3.eu-west-1.amazonaws.com, or s3-eu-west-1 in older answers.
    let host = answer
        .header("location")
        .unwrap_or(root.text_of("Endpoint"));
    let (_, rest) = host.split_once("s3-").or_else(|| host.split_once("s3."))?;
    let (region, _) = rest.split_once(".amazonaws.")?;
    Some(region.to_owned())
}
