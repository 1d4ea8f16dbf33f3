//! An attempt that was no success: read from an answer, a success that is none, or a network that failed.
//! It knows what the next attempt may need of it, and how it is told; whether there is one is not its concern.

use std::time::Duration;

use crate::aws::identity::Identity;
use crate::aws::operation::{Operation, Unfit};
use crate::aws::service::Service;
use crate::aws::verdict::{Verdict, advice, verdict};
use crate::aws::xml::Element;
use crate::error::{Error, Kind, Refusal, RefusalCause};
use crate::http::retry::Pace;
use crate::http::{Answer, Failure};
use crate::secret::Secret;
use crate::time::Millis;

/// Characters of a service's sentence that are told; the rest quotes the request.
const LONGEST_MESSAGE: usize = 600;

/// An attempt that was no success, and all that the next one may need of it.
pub(super) struct Refused {
    pub(super) verdict: Verdict,
    cause: RefusalCause,
    /// 0 when no answer came.
    pub(super) status: u16,
    pub(super) code: String,
    message: String,
    request_id: String,
    /// How long the service asks to wait.
    pub(super) after: Duration,
    /// The service's time.
    pub(super) date: Option<Millis>,
    /// Where the bucket is.
    pub(super) region: Option<String>,
}

impl Refused {
    fn new(verdict: Verdict, status: u16, code: String, message: String) -> Self {
        Self {
            verdict,
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

    pub(super) fn by_service(service: Service, answer: &Answer) -> Self {
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

    /// A 2xx answer that was none.
    pub(super) fn by_success(status: u16, request_id: String, unfit: Unfit) -> Self {
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

    pub(super) fn by_network(failure: Failure) -> Self {
        let cause = match &failure {
            Failure::ConnectTimeout(_) => RefusalCause::ConnectTimeout,
            _ => RefusalCause::Network,
        };
        let (verdict, message) = match failure {
            Failure::ConnectTimeout(why) | Failure::Unreachable(why) => {
                (Verdict::Again(Pace::Normal), why)
            }
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
        Self {
            cause,
            ..Self::new(verdict, 0, String::new(), message)
        }
    }

    /// Takes secrets out of the service's sentence: some quote the request that they refuse, headers and all.
    pub(super) fn hide(&mut self, identity: Option<&Identity>, other: Option<&Secret>) {
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

    pub(super) fn into_error<O: Operation>(self, kind: Kind, attempts: u32) -> Error {
        let advice = match (self.verdict, self.status) {
            (Verdict::Final(Kind::Config), 0) => {
                Some("check the endpoint, AWS_CA_BUNDLE and HTTPS_PROXY")
            }
            (_, 0) => Some("check the network, the proxy and the endpoint"),
            _ => advice(&self.code),
        };
        let error = Error::refused(
            kind,
            Refusal {
                service: O::SERVICE.title(),
                operation: O::NAME,
                cause: self.cause,
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

pub(super) fn request_id(answer: &Answer) -> &str {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut answer = Answer {
            status: 503,
            body: body.as_bytes().to_vec(),
            ..Answer::default()
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
    fn a_region_is_read_from_wherever_it_stands() {
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
