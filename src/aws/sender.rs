//! Sends an operation until it succeeds or must be given up: builds and signs each attempt anew,
//! asks the verdict, waits. It knows no operation and no credentials but those it is handed.

use std::cell::Cell;
use std::time::Duration;

use log::debug;

use crate::aws::endpoint::Target;
use crate::aws::identity::Identity;
use crate::aws::operation::{Call, Operation, Unfit};
use crate::aws::service::Service;
use crate::aws::sigv4::{self, Scope, Unsigned, encoding};
use crate::aws::verdict::{Verdict, verdict};
use crate::aws::xml::Element;
use crate::error::{Error, Kind, Refusal, Result};
use crate::http::retry::{self, Pace, Patience, Quota};
use crate::http::{Answer, Client, Failure, Request};
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
    fn moved(&self, _region: Option<&str>) -> Result<bool> {
        Ok(false)
    }
}

/// The way to the services.
pub(crate) struct Sender {
    client: Client,
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
    pub(crate) fn new(client: Client, clock: Clock, patience: Patience) -> Self {
        Self {
            client,
            clock,
            patience,
            quota: Quota::new(),
            ahead: Cell::new(0),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
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
                Verdict::Skewed if !tried.clock && self.learn_time(refused.date) => {
                    tried.clock = true;
                    continue;
                }
                Verdict::Elsewhere
                    if !tried.region && caller.moved(refused.region.as_deref())? =>
                {
                    tried.region = true;
                    continue;
                }
                Verdict::Again(pace) => pace,
                Verdict::Expired | Verdict::Skewed | Verdict::Elsewhere => {
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
                time: Millis(self.clock.now().0.saturating_add(self.ahead.get())),
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
        let answer = self.client.send(&request);
        Ok(answer.map_err(|failure| failure.at(&target.endpoint.authority)))
    }

    /// Whether the service's time was told, and is another than the one we signed with.
    fn learn_time(&self, date: Option<Millis>) -> bool {
        let Some(date) = date else { return false };
        self.ahead.set(date.0.saturating_sub(self.clock.now().0));
        true
    }
}

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
        let verdict = verdict(answer.status, &code);
        Self {
            request_id: request_id(answer).to_owned(),
            after: retry_after(answer),
            date: answer.header("date").and_then(Millis::from_http_date),
            region: region(answer),
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
            Failure::Untrusted(why) => (
                Verdict::Final(Kind::Config),
                format!("the server is not trusted: {why}"),
            ),
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
        let hint = hint(&self.code);
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
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Which setting a refused identity asks to correct; every operation may be refused so.
fn hint(code: &str) -> Option<&'static str> {
    match code {
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => Some(
            "AWS does not know this access key: correct aws_access_key_id, or AWS_ACCESS_KEY_ID of the environment",
        ),
        "SignatureDoesNotMatch" | "InvalidSignatureException" => Some(
            "the secret does not belong to the access key: correct aws_secret_access_key, or AWS_SECRET_ACCESS_KEY of the environment",
        ),
        _ => None,
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

/// Where S3 says that the bucket is.
fn region(answer: &Answer) -> Option<String> {
    let header = answer.header("x-amz-bucket-region").map(str::to_owned);
    header.or_else(|| {
        let region = Element::parse(&answer.body)?.text_of("Region").to_owned();
        Some(region).filter(|region| !region.is_empty())
    })
}
