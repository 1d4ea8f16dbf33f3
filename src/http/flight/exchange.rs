//! A request and its response as bytes of a connection: what to write next, and what the bytes read say.
//! It opens nothing and waits for nothing.

use std::time::{Duration, Instant};

use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{
    Await100Result, Call, RecvBodyResult, RecvResponseResult, SendRequestResult,
};
use ureq_proto::http::header::{CONTENT_LENGTH, USER_AGENT};
use ureq_proto::http::response::Parts;
use ureq_proto::http::{HeaderValue, Request as HttpRequest};

use crate::http::{AGENT, Bytes, Failure, Method, Request, Response};

/// How long to wait for a requested `100 Continue`; then the body is sent anyway, for servers that do not support it.
const AWAIT_CONTINUE: Duration = Duration::from_millis(500);

/// The longest head of a response, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// A body that is shorter is written with the head, in one piece.
const SHORT: usize = 16 * 1024;

/// A request from this many bytes on is a long one: at 80 MB/s they take as long as the way to a near region.
const LONG: usize = 256 * 1024;

/// One request and its response.
///
/// The connection writes what `output` shows and reports it with `wrote`; it hands over what it reads with `read`, and the
/// end of that with `end`, until one of the two says that the response is whole. A response may come before the request
/// is written to its end: servers refuse long bodies that way. Nothing more is written then.
pub(super) struct Exchange {
    output: Output,
    input: Input,
}

/// The request, as bytes to be written.
struct Output {
    /// The head, and the body where that is short.
    head: Vec<u8>,
    /// Bytes of the head alone, without which no answer makes sense.
    question: usize,
    body: Bytes,
    /// Bytes of head and body that are written.
    written: usize,
    hold: Hold,
}

/// The response, as far as it was read.
struct Input {
    stage: ExchangeStage,
    /// Bytes read that are not understood yet.
    unread: Vec<u8>,
    /// Bytes of heads read, interim answers' too.
    heads: usize,
    /// Bytes read of the body that are not part of it: those that say how long its chunks are.
    framing: usize,
    response: Response,
    /// The most bytes that the body may have.
    limit: usize,
}

/// Whether the body waits for the server's consent.
enum Hold {
    No,
    /// Once the head is written.
    Due,
    Until(Instant),
}

enum ExchangeStage {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>),
    Over { must_close: bool },
}

/// What is known of the response so far.
pub(super) enum ResponseProgress {
    Unfinished,
    Whole {
        /// Whether the connection takes another exchange.
        is_reusable: bool,
    },
}

impl Exchange {
    pub(super) fn new(request: &Request) -> Result<Self, Failure> {
        let mut head = Vec::with_capacity(2048);
        let expects = request.headers.iter().any(|(name, _)| name == "expect");
        let call = write_head(request, &mut head)?;
        let question = head.len();
        let mut body = request.body.clone();
        if body.len() < SHORT && !expects {
            head.extend_from_slice(&body);
            body = Bytes::default();
        }
        Ok(Self {
            output: Output {
                head,
                question,
                body,
                written: 0,
                hold: if expects { Hold::Due } else { Hold::No },
            },
            input: Input {
                stage: ExchangeStage::Head(call),
                unread: Vec::new(),
                heads: 0,
                framing: 0,
                response: Response::default(),
                limit: request.limit,
            },
        })
    }

    /// The bytes to write next; none while it is the server's turn.
    pub(super) fn output(&mut self, now: Instant) -> &[u8] {
        let output = &mut self.output;
        if output.written < output.head.len() {
            return &output.head[output.written..];
        }
        match output.hold {
            Hold::Until(time) if now < time => return &[],
            _ => output.hold = Hold::No,
        }
        &output.body[output.written - output.head.len()..]
    }

    /// So many bytes of the output are written.
    pub(super) fn wrote(&mut self, count: usize, now: Instant) {
        let output = &mut self.output;
        output.written += count;
        if output.written >= output.head.len() && matches!(output.hold, Hold::Due) {
            output.hold = Hold::Until(now + AWAIT_CONTINUE);
        }
    }

    /// When there is output although nothing was read.
    pub(super) fn continues_at(&self) -> Option<Instant> {
        match self.output.hold {
            Hold::Until(time) => Some(time),
            Hold::No | Hold::Due => None,
        }
    }

    /// Whether the request is mostly bytes, and not mostly its way.
    pub(super) fn is_long(&self) -> bool {
        self.output.body.len() >= LONG
    }

    /// Bytes of bodies that have passed, in both directions.
    pub(super) fn passed(&self) -> usize {
        self.output.written + self.input.response.body.len()
    }

    /// Takes bytes that the server sent.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<ResponseProgress, Failure> {
        let output = &mut self.output;
        if output.written < output.question {
            return Err(lost("the server answered before it was asked"));
        }
        if self.input.read(bytes)? {
            output.hold = Hold::No;
        }
        let is_written = output.written == output.head.len() + output.body.len();
        Ok(match self.input.stage {
            ExchangeStage::Over { must_close } => ResponseProgress::Whole {
                is_reusable: !must_close && is_written && self.input.unread.is_empty(),
            },
            _ => ResponseProgress::Unfinished,
        })
    }

    /// The server sends no more. The response is whole only where this is its end.
    pub(super) fn end(&self) -> Result<(), Failure> {
        match &self.input.stage {
            ExchangeStage::Over { .. } => Ok(()),
            ExchangeStage::Body(call) if call.body_mode() == BodyMode::CloseDelimited => Ok(()),
            ExchangeStage::Head(_) if self.input.unread.is_empty() => {
                Err(lost("the server closed the connection"))
            }
            _ => Err(lost("the server closed the connection within its answer")),
        }
    }

    pub(super) fn into_response(self) -> Response {
        self.input.response
    }
}

impl Input {
    /// Takes bytes that the server sent. Returns whether they tell that it awaits the body: `100 Continue`, or another word
    /// of it that it goes on.
    fn read(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        self.unread.extend_from_slice(bytes);
        let mut goes_on = false;
        while let ExchangeStage::Head(call) = &mut self.stage {
            let parsed = call.try_response(&self.unread, false);
            let (used, found) = parsed.map_err(|error| lost(&error.to_string()))?;
            self.heads += used;
            let rest = if found.is_none() {
                self.unread.len() - used
            } else {
                0
            };
            if self.heads + rest > LONGEST_HEAD {
                return Err(Failure::TooLong(LONGEST_HEAD));
            }
            self.unread.drain(..used);
            match found {
                None if used > 0 => goes_on = true,
                None => return Ok(goes_on),
                Some(head) => self.begin_body(head.into_parts().0)?,
            }
        }
        self.read_body()?;
        Ok(goes_on)
    }

    fn begin_body(&mut self, head: Parts) -> Result<(), Failure> {
        self.response.status = head.status.as_u16();
        self.response.headers = head.headers;
        let over = ExchangeStage::Over { must_close: true };
        let ExchangeStage::Head(call) = std::mem::replace(&mut self.stage, over) else {
            return Ok(());
        };
        match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => {
                if let BodyMode::LengthDelimited(length) = call.body_mode() {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    self.check_length(length)?;
                    self.response.body.reserve_exact(length);
                }
                self.stage = ExchangeStage::Body(call);
            }
            Some(RecvResponseResult::Redirect(call)) => self.finish(call.must_close_connection()),
            Some(RecvResponseResult::Cleanup(call)) => self.finish(call.must_close_connection()),
            None => {}
        }
        Ok(())
    }

    fn read_body(&mut self) -> Result<(), Failure> {
        if !matches!(self.stage, ExchangeStage::Body(_)) {
            return Ok(());
        }
        // What is read is moved once, however many chunks it consists of.
        let mut used = 0;
        let mut filled = self.response.body.len();
        self.response.body.resize(filled + self.unread.len(), 0);
        let outcome = self.read_chunks(&mut used, &mut filled);
        self.response.body.truncate(filled);
        self.unread.drain(..used);
        outcome
    }

    fn read_chunks(&mut self, at: &mut usize, filled: &mut usize) -> Result<(), Failure> {
        while let ExchangeStage::Body(call) = &mut self.stage {
            let (input, room) = (&self.unread[*at..], &mut self.response.body[*filled..]);
            let read = call.read(input, room);
            let (used, made) = read.map_err(|error| lost(&error.to_string()))?;
            *at += used;
            *filled += made;
            self.framing += used - made;
            let is_open_ended = call.body_mode() == BodyMode::CloseDelimited;
            let is_whole = !is_open_ended && call.can_proceed();
            self.check_length(*filled)?;
            // Chunks of a few bytes, and what lies between chunks: a service sends little of it.
            let between = if used == 0 {
                self.unread.len() - *at
            } else {
                0
            };
            if self.framing + between > LONGEST_HEAD + *filled / 4 {
                return Err(Failure::TooLong(LONGEST_HEAD));
            }
            if is_whole {
                self.end_body();
            } else if used == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn end_body(&mut self) {
        let over = ExchangeStage::Over { must_close: true };
        if let ExchangeStage::Body(call) = std::mem::replace(&mut self.stage, over) {
            match call.proceed() {
                Some(RecvBodyResult::Redirect(call)) => self.finish(call.must_close_connection()),
                Some(RecvBodyResult::Cleanup(call)) => self.finish(call.must_close_connection()),
                None => {}
            }
        }
    }

    fn finish(&mut self, must_close: bool) {
        self.stage = ExchangeStage::Over { must_close };
    }

    fn check_length(&self, length: usize) -> Result<(), Failure> {
        if length > self.limit {
            return Err(Failure::TooLong(self.limit));
        }
        Ok(())
    }
}

/// Writes the head of the request; what is left is the response.
fn write_head(request: &Request, head: &mut Vec<u8>) -> Result<Call<RecvResponse>, Failure> {
    let mut builder = HttpRequest::builder()
        .method(request.method.as_str())
        .uri(request.url.as_str());
    for (name, value) in &request.headers {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Failure::Unsendable(format!(
                "its header {name} holds characters that HTTP forbids"
            ))
        })?;
        builder = builder.header(name.as_str(), value);
    }
    let malformed = |_| unsendable();
    let built = builder.body(()).map_err(|_| unsendable())?;
    let mut call = Call::new(built).map_err(malformed)?;
    // A body of no bytes still has a length where the method has a body.
    if matches!(request.method, Method::Post | Method::Put) {
        call.header(CONTENT_LENGTH, request.body.len())
            .map_err(malformed)?;
    }
    call.header(USER_AGENT, HeaderValue::from_static(AGENT))
        .map_err(malformed)?;
    let mut call = call.proceed();
    while !call.can_proceed() {
        let known = head.len();
        head.resize(known + LONGEST_HEAD, 0);
        let written = call.write(&mut head[known..]).map_err(malformed)?;
        head.truncate(known + written);
    }
    let mut sending = match call.proceed().map_err(malformed)? {
        Some(SendRequestResult::RecvResponse(call)) => return Ok(call),
        Some(SendRequestResult::SendBody(call)) => call,
        Some(SendRequestResult::Await100(call)) => match call.proceed().map_err(malformed)? {
            Await100Result::RecvResponse(call) => return Ok(call),
            Await100Result::SendBody(call) => call,
        },
        None => return Err(unsendable()),
    };
    // The body is written by the connection, without a copy.
    sending
        .consume_direct_write(request.body.len())
        .map_err(malformed)?;
    sending.proceed().ok_or_else(unsendable)
}

fn unsendable() -> Failure {
    Failure::Unsendable("its URL or headers are malformed".into())
}

fn lost(why: &str) -> Failure {
    Failure::Lost(why.to_owned())
}
