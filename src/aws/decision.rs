//! What to do about an error of a service, by one table of codes and one of statuses, and the hint for the user.

use crate::error::Kind;
use crate::http::retry::Backoff;

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// Retry after a wait.
    Retry(Backoff),
    /// The credentials have expired or were replaced: renew them, then retry once.
    RenewCredentials,
    /// Our clock and the service's differ: adopt the service's time, then retry once.
    CorrectClock,
    /// The signature is wrong: the clock may be the reason, else the secret key is.
    CheckSignature,
    /// The bucket is in another region: go there, once.
    ChangeRegion,
    /// No retry will help.
    Fail(Kind),
}

/// The decision by error code, else by status. Responses without a body have codes made from their status.
#[rustfmt::skip] // a table
pub(crate) fn decide(status: u16, code: &str) -> RetryDecision {
    use RetryDecision::{ChangeRegion, CheckSignature, CorrectClock, Fail, RenewCredentials, Retry};
    match code {
        "BandwidthLimitExceeded" | "EC2ThrottledException" | "LimitExceededException"
        | "ProvisionedThroughputExceededException" | "RequestLimitExceeded" | "RequestThrottled"
        | "RequestThrottledException" | "SlowDown" | "ThrottledException" | "Throttling"
        | "ThrottlingException" | "TooManyRequestsException"
        | "TransactionInProgressException" => Retry(Backoff::Throttled),

        "ConcurrentModificationException" | "ConditionalRequestConflict" | "FederationSourceRetryableException"
        | "IDPCommunicationError" | "InternalError" | "InternalFailure"
        | "InternalServiceException" | "OperationAborted" | "OperationTimeoutException"
        | "PriorRequestNotComplete" | "RequestTimeout" | "RequestTimeoutException"
        | "ResourceNotReadyException" | "ServiceUnavailable" => Retry(Backoff::Standard),

        "ExpiredToken" | "ExpiredTokenException" | "InvalidAccessKeyId" | "InvalidClientTokenId"
        | "InvalidToken" | "TokenRefreshRequired" | "UnrecognizedClientException" => RenewCredentials,

        "RequestExpired" | "RequestInTheFuture" | "RequestTimeTooSkewed" => CorrectClock,

        "AuthFailure" | "InvalidSignatureException" | "SignatureDoesNotMatch" => CheckSignature,

        "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"
        | "PermanentRedirect" | "TemporaryRedirect" => ChangeRegion,

        "AccessDenied" | "AccessDeniedException" | "AccountProblem" | "AllAccessDisabled"
        | "EntityNotFoundException" | "Forbidden" | "GlueEncryptionException"
        | "IncompleteSignature" | "InvalidBucketName" | "InvalidIdentityToken"
        | "InvalidSecurity" | "InvalidStorageClass" | "InvalidTag" | "MalformedPolicyDocument"
        | "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "NoSuchBucket"
        | "NotSignedUp" | "OptInRequired" | "PackedPolicyTooLarge" | "RegionDisabledException"
        | "ResourceNumberLimitExceededException" | "ValidationError" => Fail(Kind::Config),
        _ if code.starts_with("KMS.") => Fail(Kind::Config),

        _ => match status {
            408 | 500 | 502..=504 => Retry(Backoff::Standard),
            429 => Retry(Backoff::Throttled),
            401 | 403 => Fail(Kind::Config),
            _ => Fail(Kind::System),
        },
    }
}

/// The hint for an error code that means the same for every operation.
pub(crate) fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
            "unknown access key: correct aws_access_key_id, or AWS_ACCESS_KEY_ID of the environment"
        }
        "InvalidToken" => "correct the session token: it belongs to another access key",
        "SignatureDoesNotMatch" | "InvalidSignatureException" | "AuthFailure" => {
            "the secret does not belong to the access key: correct aws_secret_access_key, or AWS_SECRET_ACCESS_KEY of the environment"
        }
        "ExpiredToken" | "ExpiredTokenException" => "provide credentials that have not expired",
        "RequestExpired" | "RequestInTheFuture" | "RequestTimeTooSkewed" => {
            "set this machine's clock"
        }
        "NoSuchBucket" => "create the bucket, or correct bucket_name",
        "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "PermanentRedirect"
        | "TemporaryRedirect" => "correct bucket_region, or region",
        "RegionDisabledException" | "OptInRequired" => "enable the region for the account",
        "ResourceNumberLimitExceededException" => "raise the quota of the Glue Data Catalog",
        _ if code.starts_with("KMS.") => "check the state and the policy of the KMS key",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statuses and codes as AWS documents them or its SDKs list them, by the decision they lead to.
    const TABLE: &[(RetryDecision, &[(u16, &str)])] = &[
        (
            RetryDecision::Retry(Backoff::Throttled),
            &[
                // botocore's list of throttling codes.
                (400, "Throttling"),
                (400, "ThrottlingException"),
                (429, "ThrottledException"),
                (400, "RequestThrottledException"),
                (400, "TooManyRequestsException"),
                (400, "ProvisionedThroughputExceededException"),
                (400, "TransactionInProgressException"),
                (503, "RequestLimitExceeded"),
                (509, "BandwidthLimitExceeded"),
                (400, "LimitExceededException"),
                (400, "RequestThrottled"),
                (503, "SlowDown"),
                (503, "EC2ThrottledException"),
                (429, ""),
            ],
        ),
        (
            RetryDecision::Retry(Backoff::Standard),
            &[
                (500, ""),
                (502, ""),
                (503, ""),
                (504, ""),
                (408, ""),
                (400, "RequestTimeout"),
                (400, "RequestTimeoutException"),
                (400, "PriorRequestNotComplete"),
                (500, "InternalError"),
                (503, "ServiceUnavailable"),
                (500, "InternalFailure"),
                (500, "InternalServiceException"),
                (400, "OperationTimeoutException"),
                (400, "IDPCommunicationError"),
                (409, "OperationAborted"),
                (400, "ConcurrentModificationException"),
                (500, "AnythingNew"),
            ],
        ),
        (
            RetryDecision::RenewCredentials,
            &[
                (400, "ExpiredToken"),
                (403, "ExpiredToken"),
                (400, "ExpiredTokenException"),
                (403, "InvalidAccessKeyId"),
                (403, "InvalidClientTokenId"),
                (400, "UnrecognizedClientException"),
            ],
        ),
        (
            RetryDecision::CorrectClock,
            &[(403, "RequestTimeTooSkewed"), (400, "RequestExpired")],
        ),
        (
            RetryDecision::CheckSignature,
            &[
                (403, "SignatureDoesNotMatch"),
                (400, "InvalidSignatureException"),
            ],
        ),
        (
            RetryDecision::ChangeRegion,
            &[
                (301, "PermanentRedirect"),
                (307, "TemporaryRedirect"),
                (400, "AuthorizationHeaderMalformed"),
                (400, "IllegalLocationConstraintException"),
            ],
        ),
        (
            RetryDecision::Fail(Kind::Config),
            &[
                (403, "AccessDenied"),
                (400, "AccessDeniedException"),
                (404, "NoSuchBucket"),
                (403, ""),
                (401, ""),
                (400, "KMS.DisabledException"),
                (400, "ResourceNumberLimitExceededException"),
                (400, "GlueEncryptionException"),
                (403, "RegionDisabledException"),
            ],
        ),
        (
            RetryDecision::Fail(Kind::System),
            &[
                (404, "NoSuchKey"),
                (404, "NoSuchUpload"),
                (400, "EntityTooSmall"),
                (400, "InvalidPart"),
                (400, "InvalidInputException"),
                (400, "AlreadyExistsException"),
                (412, "PreconditionFailed"),
                (501, "NotImplemented"),
                (400, ""),
                (418, ""),
            ],
        ),
    ];

    #[test]
    fn every_row_of_the_table_has_its_decision() {
        for (expected, rows) in TABLE {
            for (status, code) in *rows {
                assert_eq!(decide(*status, code), *expected, "{status} {code}");
            }
        }
    }

    #[test]
    fn what_the_user_must_change_has_a_hint() {
        for (expected, rows) in TABLE {
            let needs_hint = matches!(
                expected,
                RetryDecision::RenewCredentials
                    | RetryDecision::CorrectClock
                    | RetryDecision::CheckSignature
                    | RetryDecision::ChangeRegion
            );
            for (_, code) in rows.iter().filter(|_| needs_hint) {
                assert!(hint(code).is_some(), "{code}");
            }
        }
    }
}
