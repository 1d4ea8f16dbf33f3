//! What an operation of a service is: a call to build, an answer to read. Both are pure.

use std::borrow::Cow;

use crate::aws::service::Service;
use crate::http::{Answer, Method};
use crate::secret::Secret;

/// An operation with its arguments.
pub(crate) trait Operation {
    const SERVICE: Service;
    /// Its name in the service's API.
    const NAME: &'static str;
    /// Refusals that answer what was asked: whoever asked decides what follows, and no attempt is made again.
    const ANSWERS: &'static [&'static str] = &[];
    type Output;

    fn call(&self) -> Call<'_>;

    /// A secret that the call holds beside the caller's identity: no refusal is told with it inside.
    fn secret(&self) -> Option<&Secret> {
        None
    }

    /// Reads a 2xx answer.
    fn read(&self, answer: Answer) -> Result<Self::Output, Unfit>;
}

/// One call: everything but place, time, identity and signature.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Encoded; below the endpoint, in S3's case below the bucket.
    pub(crate) path: String,
    /// Not encoded.
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Cow<'a, [u8]>,
    /// The longest answer that is read.
    pub(crate) limit: usize,
}

/// Answers that describe (errors, pages, tables) are not longer than this.
const DESCRIPTION: usize = 16 << 20;

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            method: Method::Get,
            path: "/".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Cow::Borrowed(&[]),
            limit: DESCRIPTION,
        }
    }
}

/// Why a 2xx answer is no success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It holds an error after all: S3 sends its status before it is done.
    Refused { code: String, message: String },
    /// It is cut short, or is something else than what was asked for.
    Unreadable(&'static str),
    /// It contradicts what was sent: the bytes were damaged on the way.
    Damaged(&'static str),
}
