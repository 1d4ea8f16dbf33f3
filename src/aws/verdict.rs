//! What a refusal means: one table of codes, one of statuses. It knows nothing of waiting.

use crate::error::Kind;
use crate::http::retry::Pace;

/// What to do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again.
    Again(Pace),
    /// The credentials have run out: renew them, then try again once.
    Expired,
    /// Our clock and the service's differ: learn its time, then try again once.
    Skewed,
    /// The bucket lives in another region: go there, once.
    Elsewhere,
    /// No later try will help.
    Final(Kind),
}

/// The verdict by code, else by status. HEAD answers have codes made from their status.
pub(crate) fn verdict(status: u16, code: &str) -> Verdict {
    use Verdict::{Again, Elsewhere, Expired, Final, Skewed};
    match code {
        "BandwidthLimitExceeded"
        | "EC2ThrottledException"
        | "LimitExceededException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "TransactionInProgressException" => Again(Pace::Slow),

        "ConditionalRequestConflict"
        | "FederationSourceRetryableException"
        | "IDPCommunicationError"
        | "InternalError"
        | "InternalFailure"
        | "InternalServiceException"
        | "OperationAborted"
        | "OperationTimeoutException"
        | "PriorRequestNotComplete"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "ResourceNotReadyException"
        | "ServiceUnavailable" => Again(Pace::Normal),

        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Expired,

        "RequestExpired" | "RequestInTheFuture" | "RequestTimeTooSkewed" => Skewed,

        "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "PermanentRedirect"
        | "TemporaryRedirect" => Elsewhere,

        "AccessDenied"
        | "AccessDeniedException"
        | "AccountProblem"
        | "AllAccessDisabled"
        | "EntityNotFoundException"
        | "Forbidden"
        | "GlueEncryptionException"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidBucketName"
        | "InvalidClientTokenId"
        | "InvalidIdentityToken"
        | "InvalidObjectState"
        | "InvalidSecurity"
        | "InvalidSignatureException"
        | "InvalidStorageClass"
        | "InvalidTag"
        | "InvalidToken"
        | "MalformedPolicyDocument"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NoSuchBucket"
        | "NotSignedUp"
        | "OptInRequired"
        | "PackedPolicyTooLarge"
        | "RegionDisabledException"
        | "ResourceNumberLimitExceededException"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "ValidationError" => Final(Kind::Config),
        _ if code.starts_with("KMS.") => Final(Kind::Config),

        _ => match status {
            408 | 500 | 502..=504 => Again(Pace::Normal),
            429 => Again(Pace::Slow),
            401 | 403 => Final(Kind::Config),
            _ => Final(Kind::System),
        },
    }
}
