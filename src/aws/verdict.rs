//! What a refusal means, by one table of codes and one of statuses; and what the user can do about it.
//! It knows nothing of waiting.

use crate::error::Kind;
use crate::http::retry::Pace;

/// What to do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again.
    Again(Pace),
    /// The credentials have run out, or were replaced: renew them, then try again once.
    Expired,
    /// Our clock and the service's differ: learn its time, then try again once.
    Skewed,
    /// The signature is wrong: the clock may be the cause, else the secret is.
    Unproven,
    /// The bucket lives in another region: go there, once.
    Elsewhere,
    /// No later try will help.
    Final(Kind),
}

/// The verdict by code, else by status. Refusals without a body have codes made from their status.
#[rustfmt::skip] // a table
pub(crate) fn verdict(status: u16, code: &str) -> Verdict {
    use Verdict::{Again, Elsewhere, Expired, Final, Skewed, Unproven};
    match code {
        "BandwidthLimitExceeded" | "EC2ThrottledException" | "LimitExceededException"
        | "ProvisionedThroughputExceededException" | "RequestLimitExceeded" | "RequestThrottled"
        | "RequestThrottledException" | "SlowDown" | "ThrottledException" | "Throttling"
        | "ThrottlingException" | "TooManyRequestsException"
        | "TransactionInProgressException" => Again(Pace::Slow),

        "ConcurrentModificationException" | "ConditionalRequestConflict" | "FederationSourceRetryableException"
        | "IDPCommunicationError" | "InternalError" | "InternalFailure"
        | "InternalServiceException" | "OperationAborted" | "OperationTimeoutException"
        | "PriorRequestNotComplete" | "RequestTimeout" | "RequestTimeoutException"
        | "ResourceNotReadyException" | "ServiceUnavailable" => Again(Pace::Normal),

        "ExpiredToken" | "ExpiredTokenException" | "InvalidAccessKeyId" | "InvalidClientTokenId"
        | "InvalidToken" | "TokenRefreshRequired" | "UnrecognizedClientException" => Expired,

        "RequestExpired" | "RequestInTheFuture" | "RequestTimeTooSkewed" => Skewed,

        "AuthFailure" | "InvalidSignatureException" | "SignatureDoesNotMatch" => Unproven,

        "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"
        | "PermanentRedirect" | "TemporaryRedirect" => Elsewhere,

        "AccessDenied" | "AccessDeniedException" | "AccountProblem" | "AllAccessDisabled"
        | "EntityNotFoundException" | "Forbidden" | "GlueEncryptionException"
        | "IncompleteSignature" | "InvalidBucketName" | "InvalidIdentityToken"
        | "InvalidSecurity" | "InvalidStorageClass" | "InvalidTag" | "MalformedPolicyDocument"
        | "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "NoSuchBucket"
        | "NotSignedUp" | "OptInRequired" | "PackedPolicyTooLarge" | "RegionDisabledException"
        | "ResourceNumberLimitExceededException" | "ValidationError" => Final(Kind::Config),
        _ if code.starts_with("KMS.") => Final(Kind::Config),

        _ => match status {
            408 | 500 | 502..=504 => Again(Pace::Normal),
            429 => Again(Pace::Slow),
            401 | 403 => Final(Kind::Config),
            _ => Final(Kind::System),
        },
    }
}

/// What to do about a refusal that is not about one operation.
pub(crate) fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
            "AWS does not know this access key: correct aws_access_key_id, or AWS_ACCESS_KEY_ID of the environment"
        }
        "InvalidToken" => "check the session token: it belongs to another access key",
        "SignatureDoesNotMatch" | "InvalidSignatureException" | "AuthFailure" => {
            "the secret does not belong to the access key: correct aws_secret_access_key, or AWS_SECRET_ACCESS_KEY of the environment"
        }
        "ExpiredToken" | "ExpiredTokenException" => "give credentials that have not ended",
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

    /// Statuses and codes as AWS documents them or its SDKs list them, and what becomes of them.
    const TABLE: &[(Verdict, &[(u16, &str)])] = &[
        (
            Verdict::Again(Pace::Slow),
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
            Verdict::Again(Pace::Normal),
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
            Verdict::Expired,
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
            Verdict::Skewed,
            &[(403, "RequestTimeTooSkewed"), (400, "RequestExpired")],
        ),
        (
            Verdict::Unproven,
            &[
                (403, "SignatureDoesNotMatch"),
                (400, "InvalidSignatureException"),
            ],
        ),
        (
            Verdict::Elsewhere,
            &[
                (301, "PermanentRedirect"),
                (307, "TemporaryRedirect"),
                (400, "AuthorizationHeaderMalformed"),
                (400, "IllegalLocationConstraintException"),
            ],
        ),
        (
            Verdict::Final(Kind::Config),
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
            Verdict::Final(Kind::System),
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
    fn every_row_of_the_table_has_its_verdict() {
        for (expected, rows) in TABLE {
            for (status, code) in *rows {
                assert_eq!(verdict(*status, code), *expected, "{status} {code}");
            }
        }
    }

    #[test]
    fn what_the_user_must_change_comes_with_advice() {
        for (expected, rows) in TABLE {
            let needs_advice = matches!(
                expected,
                Verdict::Expired | Verdict::Skewed | Verdict::Unproven | Verdict::Elsewhere
            );
            for (_, code) in rows.iter().filter(|_| needs_advice) {
                assert!(advice(code).is_some(), "{code}");
            }
        }
    }
}
