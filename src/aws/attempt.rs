//! A failed attempt: an error response, a 2xx response that is a failure, or a network failure.
//! It knows what the next attempt needs and how the failure is reported; `sender` decides whether there is a next one.

use std::time::Duration;

use crate::aws::decision::{RetryDecision, decide, hint};
use crate::aws::identity::Identity;
use crate::aws::operation::{BadResponse, OperationInfo};
use crate::aws::service::Service;
use crate::aws::xml::Element;
use crate::error::{Error, Kind, Refusal, RefusalCause};
use crate::http::retry::Backoff;
use crate::http::{Failure, Response};
use crate::secret::Secret;
use crate::time::Millis;

/// The longest part of a service's message that is reported, in characters; the rest quotes the request.
const LONGEST_MESSAGE: usize = 600;

/// A failed attempt, and what the next one needs of it.
pub(super) struct FailedAttempt {
    pub(super) decision: RetryDecision,
    cause: RefusalCause,
    /// 0 when there was no response.
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    request_id: String,
    /// The least wait before the next attempt, as the service asks for.
    pub(super) after: Duration,
    /// The service's time.
    pub(super) date: Option<Millis>,
    /// The bucket's region, where S3 names it.
    pub(super) region: Option<String>,
}

impl FailedAttempt {
    fn new(decision: RetryDecision, status: u16, code: String, message: String) -> Self {
        Self {
            decision,
            cause: RefusalCause::Response,
            status,
            code,
            message,
            request_id: String::new(),
            after: Duration::ZERO,
            date: None,
            region: None,
        }
    }

    pub(super) fn from_response(service: Service, response: &Response) -> Self {
        let (code, message) = service.error(response);
        let region = region(response).filter(|_| service == Service::S3);
        let decision = match decide(response.status, &code) {
            // A response to HEAD has no code: where it names a region, 400 means that ours is wrong.
            RetryDecision::Fail(_)
                if response.status == 400 && response.body.is_empty() && region.is_some() =>
            {
                RetryDecision::ChangeRegion
            }
            decision => decision,
        };
        Self {
            request_id: request_id(response).to_owned(),
            after: retry_after(response),
            date: date(response),
            region,
            ..Self::new(decision, response.status, code, message)
        }
    }

    /// A response with a 2xx status that is a failure.
    pub(super) fn from_success(status: u16, request_id: String, bad: BadResponse) -> Self {
        let (decision, code, message) = match bad {
            // The status says success, so the code decides; an unknown one counts as a 500.
            BadResponse::Error { code, message } => (decide(500, &code), code, message),
            BadResponse::Malformed(what) | BadResponse::Corrupted(what) => (
                RetryDecision::Retry(Backoff::Standard),
                String::new(),
                what.to_owned(),
            ),
        };
        Self {
            request_id,
            ..Self::new(decision, status, code, message)
        }
    }

    pub(super) fn from_network(failure: Failure) -> Self {
        let cause = match &failure {
            Failure::ConnectTimeout(_) => RefusalCause::ConnectTimeout,
            _ => RefusalCause::Network,
        };
        let (decision, message) = match failure {
            Failure::ConnectTimeout(why) | Failure::Unreachable(why) => {
                (RetryDecision::Retry(Backoff::Standard), why)
            }
            Failure::Lost(why) => (
                RetryDecision::Retry(Backoff::Standard),
                format!("the response was lost: {why}"),
            ),
            Failure::Forbidden(why) => (RetryDecision::Fail(Kind::Config), why),
            Failure::TooLong(limit) => (
                RetryDecision::Fail(Kind::System),
                format!("expected a response of at most {limit} bytes, found a longer one"),
            ),
            Failure::Unsendable(why) => (
                RetryDecision::Fail(Kind::System),
                format!("the request cannot be sent: {why}"),
            ),
            Failure::Stopped(stopped) => {
                (RetryDecision::Fail(Kind::Transient), stopped.to_string())
            }
        };
        Self {
            cause,
            ..Self::new(decision, 0, String::new(), message)
        }
    }

    /// Removes headers that sign the request from the service's message, whole or in parts.
    pub(super) fn hide_headers(&mut self, headers: &[(String, String)]) {
        for (name, value) in headers {
            if !["authorization", "token"]
                .iter()
                .any(|part| name.contains(part))
            {
                continue;
            }
            self.message = self.message.replace(value, "[header]");
            for part in value.split(", ").filter(|part| part.contains('=')) {
                let bare = part.rsplit('=').next().unwrap_or_default();
                self.message = self.message.replace(part, "[header]");
                // The names of signed headers are no secret.
                if bare.len() >= 32 && !bare.contains(';') {
                    self.message = self.message.replace(bare, "[header]");
                }
            }
        }
    }

    /// Removes secrets from the service's message: some services quote the refused request, headers and all.
    pub(super) fn hide_secrets(&mut self, identity: Option<&Identity>, other: Option<&Secret>) {
        let secret = identity.map(|identity| &identity.secret_access_key);
        let token = identity.and_then(|identity| identity.session_token.as_ref());
        for secret in [secret, token, other].into_iter().flatten() {
            if !secret.reveal().is_empty() {
                self.message = self.message.replace(secret.reveal(), "[secret]");
            }
        }
        if let Some((end, _)) = self.message.char_indices().nth(LONGEST_MESSAGE) {
            self.message.truncate(end);
            self.message.push('…');
        }
    }

    pub(super) fn into_error(self, asked: &OperationInfo<'_>, kind: Kind, attempts: u32) -> Error {
        let hint = match (self.decision, self.status) {
            (RetryDecision::Fail(Kind::Config), 0) => {
                Some("check the endpoint, AWS_CA_BUNDLE and HTTPS_PROXY")
            }
            // A signal stopped it.
            (RetryDecision::Fail(Kind::Transient), 0) => None,
            (_, 0) => Some("check the network, the proxy and the endpoint"),
            _ => hint(&self.code),
        };
        let error = Error::refused(
            kind,
            Refusal {
                service: asked.service.title(),
                operation: asked.name,
                cause: self.cause,
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

/// The service's time.
pub(super) fn date(response: &Response) -> Option<Millis> {
    response.header("date").and_then(Millis::from_http_date)
}

pub(super) fn request_id(response: &Response) -> &str {
    response
        .header("x-amz-request-id")
        .or_else(|| response.header("x-amzn-requestid"))
        .unwrap_or("")
}

/// The wait that the service asks for: seconds, or AWS's own header in milliseconds. Bounded, because a
/// proxy may ask for hours.
fn retry_after(response: &Response) -> Duration {
    let number = |name: &str| {
        response
            .header(name)
            .and_then(|text| text.trim().parse().ok())
    };
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
        .unwrap_or_default()
        .min(Duration::from_secs(60))
}

/// The bucket's region as S3 names it: in a header, in the body, or in the host of a redirect.
fn region(response: &Response) -> Option<String> {
    // The region becomes part of a host name, so only a region's characters are accepted.
    let is_name = |text: &String| {
        let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !text.is_empty() && text.bytes().all(is_fine)
    };
    named_region(response).filter(is_name)
}

fn named_region(response: &Response) -> Option<String> {
    if let Some(region) = response.header("x-amz-bucket-region") {
        return Some(region.to_owned());
    }
    let root = Element::parse(&response.body).unwrap_or_default();
    let named = root.text_of("Region");
    if !named.is_empty() {
        return Some(named.to_owned());
    }
    // bucket.s3.eu-west-1.amazonaws.com, or s3-eu-west-1 in older answers.
    let host = response
        .header("location")
        .unwrap_or(root.text_of("Endpoint"));
    let (_, rest) = host.split_once("s3-").or_else(|| host.split_once("s3."))?;
    let (region, _) = rest.split_once(".amazonaws.")?;
    Some(region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&'static str, &str)], body: &str) -> Response {
        let mut answer = Response {
            status: 503,
            body: body.as_bytes().to_vec(),
            ..Response::default()
        };
        for (name, value) in headers {
            answer.headers.insert(*name, value.parse().unwrap());
        }
        answer
    }

    #[test]
    fn a_service_may_ask_to_wait_up_to_a_minute() {
        let of = |headers: &[_]| retry_after(&answer(headers, "")).as_millis();
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[("retry-after", "2")]), 2000);
        assert_eq!(
            of(&[("retry-after", "2"), ("x-amz-retry-after", "150")]),
            150
        );
        assert_eq!(of(&[("retry-after", "86400")]), 60_000);
        assert_eq!(of(&[("retry-after", "Sun, 22 Nov 2026 12:00:00 GMT")]), 0);
    }

    #[test]
    fn a_region_is_read_from_header_body_or_host() {
        fn of(headers: &[(&'static str, &str)], body: &str) -> Option<String> {
            region(&answer(headers, body))
        }
        let named = Some("eu-west-1".to_owned());
        assert_eq!(of(&[("x-amz-bucket-region", "eu-west-1")], ""), named);
        assert_eq!(of(&[], "<Error><Region>eu-west-1</Region></Error>"), named);
        for host in [
            "b.s3.eu-west-1.amazonaws.com",
            "b.s3-eu-west-1.amazonaws.com",
            "s3.eu-west-1.amazonaws.com.cn",
        ] {
            assert_eq!(
                of(&[], &format!("<Error><Endpoint>{host}</Endpoint></Error>")),
                named
            );
            assert_eq!(of(&[("location", &format!("https://{host}/k"))], ""), named);
        }
        for strange in [
            "",
            "b.s3.amazonaws.com",
            "example.com",
            "s3.evil.example/.amazonaws.com",
        ] {
            assert_eq!(of(&[("location", strange)], ""), None, "{strange}");
        }
    }
}
