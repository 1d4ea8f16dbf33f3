//! Operations of AWS services: each builds a call and reads the response. Both are pure.

use crate::aws::service::Service;
use crate::http::{Bytes, Method, Response};
use crate::secret::Secret;

/// An operation of a service, with its arguments.
pub(crate) trait Operation {
    const SERVICE: Service;
    /// The operation's name in the service's API.
    const NAME: &'static str;
    /// The IAM actions that it needs. This is the only place that names them: hints of denied calls and the policy that
    /// `policy` prints follow from it.
    const PERMISSIONS: &'static [&'static str];
    /// Error codes that the caller handles itself; never retried.
    const EXPECTED_ERRORS: &'static [&'static str] = &[];
    type Output;

    /// The name, where one type stands for several operations.
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// Builds the call.
    fn call(&self) -> Call;

    /// A secret that the call holds beside the caller's identity; it is removed from error messages.
    fn secret(&self) -> Option<&Secret> {
        None
    }

    /// Reads a response whose status is 2xx.
    fn read(&self, response: Response) -> Result<Self::Output, BadResponse>;
}

/// What is asked for, whatever the operation's type.
pub(crate) struct OperationInfo<'a> {
    pub(crate) service: Service,
    pub(crate) name: &'static str,
    pub(crate) expected_errors: &'static [&'static str],
    pub(crate) secret: Option<&'a Secret>,
}

impl<'a> OperationInfo<'a> {
    pub(crate) fn of<O: Operation>(operation: &'a O) -> Self {
        Self {
            service: O::SERVICE,
            name: operation.name(),
            expected_errors: O::EXPECTED_ERRORS,
            secret: operation.secret(),
        }
    }

    /// The same for a call that holds no secret of its own, or whose refusal is not reported.
    pub(crate) fn without_secret(&self) -> OperationInfo<'static> {
        OperationInfo {
            service: self.service,
            name: self.name,
            expected_errors: self.expected_errors,
            secret: None,
        }
    }
}

/// A call of an operation: the request without endpoint, time, identity and signature.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Percent-encoded; relative to the endpoint, for S3 to the bucket.
    pub(crate) path: String,
    /// Not percent-encoded.
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// The longest response body that is read, in bytes.
    pub(crate) limit: usize,
}

/// The limit for responses that hold no object: errors, pages of listings, tables.
const DOCUMENT_LIMIT: usize = 16 << 20;

impl Default for Call {
    fn default() -> Self {
        Self {
            method: Method::Get,
            path: "/".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Bytes::default(),
            limit: DOCUMENT_LIMIT,
        }
    }
}

/// Why a response with a 2xx status is a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadResponse {
    /// It holds an error: S3 may send the status before the work is done.
    Error { code: String, message: String },
    /// It is truncated, or is not a response of this operation.
    Malformed(&'static str),
    /// Its checksum is not that of the bytes: they were corrupted on the way.
    Corrupted(&'static str),
}
