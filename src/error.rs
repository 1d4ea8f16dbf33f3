//! The error type of the program: a kind, a message, a hint, and the cause.
//! How it is printed, and how the process ends, is `command`'s.

use std::fmt;

/// The kind of an error, by what can be done about it.
///
/// The three kinds are the protocol's `failure_type`; the kind is set once, where the cause is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The user must change something; never retried.
    Config,
    /// A retry may help.
    Transient,
    /// A bug of this program, or an unknown failure.
    System,
}

impl Kind {
    /// The protocol's name of the kind (`AirbyteErrorTraceMessage.failure_type`).
    pub(crate) fn failure_type(self) -> &'static str {
        match self {
            Self::Config => "config_error",
            Self::Transient => "transient_error",
            Self::System => "system_error",
        }
    }
}

/// Why a call to a service failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RefusalCause {
    /// The service answered with an error.
    #[default]
    Response,
    /// No connection was made in time, as when a firewall or a private network is in between.
    ConnectTimeout,
    /// The request or its answer failed on the way in another manner.
    Network,
}

/// A call that a service refused, or that got no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `S3`, `Glue`, `STS`, `Lake Formation`.
    pub(crate) service: &'static str,
    /// The operation's name in the service's API, as `PutObject`.
    pub(crate) operation: &'static str,
    pub(crate) cause: RefusalCause,
    /// The HTTP status; 0 when there was no answer.
    pub(crate) status: u16,
    /// The service's code, as `AccessDenied`, for `aws` and `lake::aws` to match on. Empty when there was none.
    pub(crate) code: String,
    /// The service's own message.
    pub(crate) message: String,
    /// The id under which the service's support finds the call; may be empty.
    pub(crate) request_id: String,
    /// How many times the call was sent.
    pub(crate) attempts: u32,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.operation)?;
        if self.status == 0 {
            f.write_str(" got no answer")?;
        } else {
            write!(f, " answered {}", self.status)?;
        }
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if self.attempts > 1 {
            write!(f, " attempts={}", self.attempts)?;
        }
        if !self.request_id.is_empty() {
            write!(f, " request_id={}", self.request_id)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// An error of any part of the program; one word wide.
///
/// `Display` prints the whole chain on one line, then the hint; `source` returns the cause.
pub(crate) struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    hint: Option<String>,
    cause: Option<Cause>,
}

enum Cause {
    Refusal(Refusal),
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An error that the user must fix: the message says what was expected, what was found and what to do.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message.into())
    }

    /// An error that a retry may fix.
    pub(crate) fn transient(message: impl Into<String>) -> Self {
        Self::new(Kind::Transient, message.into())
    }

    /// An error that is a bug of this program, or an unknown failure.
    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::new(Kind::System, message.into())
    }

    /// An error of a call to a service; the caller names the kind, because only it knows the operation.
    pub(crate) fn refused(kind: Kind, refusal: Refusal) -> Self {
        let mut error = Self::new(kind, String::new());
        error.0.cause = Some(Cause::Refusal(refusal));
        error
    }

    fn new(kind: Kind, message: String) -> Self {
        Self(Box::new(Inner {
            kind,
            message,
            hint: None,
            cause: None,
        }))
    }

    /// The same error, to be reported at another place too.
    #[must_use]
    pub(crate) fn again(&self) -> Self {
        let Inner {
            kind,
            message,
            hint,
            cause,
        } = &*self.0;
        Self(Box::new(Inner {
            kind: *kind,
            message: message.clone(),
            hint: hint.clone(),
            cause: cause.as_ref().map(|cause| match cause {
                Cause::Refusal(refusal) => Cause::Refusal(refusal.clone()),
                Cause::Other(error) => Cause::Other(error.to_string().into()),
            }),
        }))
    }

    /// Adds another library's error as the source.
    #[must_use]
    pub(crate) fn because(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.cause = Some(Cause::Other(cause.into()));
        self
    }

    /// Adds what was being done, before the message.
    #[must_use]
    pub(crate) fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.0.message = if self.0.message.is_empty() {
            what.to_string()
        } else {
            format!("{what}: {}", self.0.message)
        };
        self
    }

    /// Adds what the user can do; the first hint (nearest to the cause) stays.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert(hint.into());
        self
    }

    /// Adds another thing that the user can do, after those of inner layers.
    #[must_use]
    pub(crate) fn also_hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.0.hint = Some(match self.0.hint.take() {
            Some(first) if first != hint => format!("{first}; {hint}"),
            _ => hint,
        });
        self
    }

    /// Changes the kind, where an outer layer knows better.
    #[must_use]
    pub(crate) fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The refusal, where a call to a service is the cause.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match &self.0.cause {
            Some(Cause::Refusal(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// The message and its causes, without the hint.
    pub(crate) fn reason(&self) -> String {
        let mut reason = self.0.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if !reason.is_empty() {
                reason.push_str(": ");
            }
            reason.push_str(&error.to_string());
            cause = error.source();
        }
        reason
    }

    /// What the user can do.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The service's error code; empty where there is none.
    pub(crate) fn code(&self) -> &str {
        self.refusal().map_or("", |refusal| &refusal.code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())?;
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} error: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.0.cause.as_ref()? {
            Cause::Refusal(refusal) => Some(refusal),
            Cause::Other(error) => Some(error.as_ref()),
        }
    }
}

/// A result of any part of the program.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn prints_the_chain_on_one_line_and_the_hint_last() {
        let refusal = Refusal {
            service: "S3",
            operation: "PutObject",
            cause: RefusalCause::Response,
            status: 403,
            code: "AccessDenied".into(),
            message: "Access Denied".into(),
            request_id: "42".into(),
            attempts: 2,
        };
        let error = Error::refused(Kind::Config, refusal)
            .while_doing("writing s3://bucket/key")
            .hint("grant s3:PutObject")
            .hint("a later, less exact hint");
        assert_eq!(
            error.to_string(),
            "writing s3://bucket/key: S3 PutObject answered 403 AccessDenied: Access Denied attempts=2 request_id=42; grant s3:PutObject"
        );
        assert_eq!(error.code(), "AccessDenied");
        assert_eq!(error.kind().failure_type(), "config_error");
    }
}
