//! The tricks: what a hostile server sends instead of an answer, or as one.

use std::io::{ErrorKind, Result, Write};
use std::sync::OnceLock;
use std::time::Duration;

use crate::support::fake::wire::Answer;

/// A trick: its name, what it sends, and what has to come of it.
pub(super) struct Trick {
    pub(super) name: &'static str,
    pub(super) act: Act,
    pub(super) outcome: Outcome,
}

/// Sends the trick to begin with, given the answer that it takes the place of; an error closes the connection.
pub(super) type Act = fn(&mut dyn Write, &Turn<'_>) -> Result<()>;

/// What a trick knows when its turn comes.
pub(super) struct Turn<'a> {
    pub(super) answer: &'a Answer,
    /// A server that nobody may be led to.
    pub(super) trap: u16,
}

/// What has to come of a trick.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The run ends within the bounds; the call may take the answer for its own, or not look at it.
    Ends,
    /// This is no answer: the run fails.
    Fails,
    /// The same, after a wait that takes little of the processor.
    FailsAfterWait,
    /// The answer is taken: nothing is wrong with it.
    Taken,
    /// A listing notices that it does not advance; other calls take the answer.
    Repeats,
}

use Outcome::{Ends, Fails, FailsAfterWait, Repeats, Taken};

/// Closes the connection.
fn hang_up() -> Result<()> {
    Err(ErrorKind::ConnectionAborted.into())
}

fn say(to: &mut dyn Write, text: &str) -> Result<()> {
    to.write_all(text.as_bytes())
}

/// Says a beginning, and then the piece again and again, as fast as it is read.
fn flood(to: &mut dyn Write, beginning: &str, piece: &str) -> Result<()> {
    say(to, beginning)?;
    let pieces = piece.repeat(1 + 16_000 / piece.len());
    loop {
        say(to, &pieces)?;
    }
}

/// Says a beginning, and then the piece now and then.
fn drip(to: &mut dyn Write, beginning: &str, piece: &str) -> Result<()> {
    say(to, beginning)?;
    loop {
        std::thread::sleep(Duration::from_millis(250));
        say(to, piece)?;
    }
}

/// Says a beginning, and then nothing for longer than anybody waits.
fn fall_silent(to: &mut dyn Write, beginning: &str) -> Result<()> {
    say(to, beginning)?;
    std::thread::sleep(Duration::from_secs(30));
    hang_up()
}

/// An answer of this status line and these headers, whole.
fn framed(to: &mut dyn Write, status: &str, headers: &str, body: &[u8]) -> Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    to.write_all(&[head.as_bytes(), body].concat())
}

fn ok(to: &mut dyn Write, body: &str) -> Result<()> {
    framed(to, "200 OK", "", body.as_bytes())
}

/// The headers of the true answer.
fn headers(answer: &Answer) -> String {
    let lines = answer
        .headers
        .iter()
        .filter(|(name, _)| name != "content-length")
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    lines.collect()
}

/// The true answer, within these frames: what comes before the body's length, and after the body.
fn answered(to: &mut dyn Write, turn: &Turn<'_>, more: &str, after: &str) -> Result<()> {
    let Answer { status, body, .. } = turn.answer;
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\n{}{more}content-length: {}\r\n\r\n",
        headers(turn.answer),
        body.len()
    );
    to.write_all(&[head.as_bytes(), body, after.as_bytes()].concat())
}

/// The true answer under other headers of its length, and then the end of the connection.
fn framed_as(to: &mut dyn Write, turn: &Turn<'_>, length: &str) -> Result<()> {
    let head = format!(
        "HTTP/1.1 {} Scripted\r\n{}{length}\r\n",
        turn.answer.status,
        headers(turn.answer)
    );
    to.write_all(&[head.as_bytes(), &turn.answer.body].concat())?;
    hang_up()
}

/// A refusal in the form of XML and of JSON at once, as S3, STS, Glue and Lake Formation have it.
fn refusal(to: &mut dyn Write, status: &str, more: &str, code: &str, message: &str) -> Result<()> {
    let xml = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    framed(
        to,
        status,
        &format!("x-amzn-errortype: {code}\r\n{more}"),
        xml.as_bytes(),
    )
}

fn redirected(to: &mut dyn Write, turn: &Turn<'_>, status: &str) -> Result<()> {
    let location = format!(
        "location: http://localhost:{}/s3.eu-west-1.amazonaws.com/\r\n",
        turn.trap
    );
    framed(to, status, &location, b"")
}

/// The marker of the next page is the same on every page.
fn repeated(to: &mut dyn Write, turn: &Turn<'_>) -> Result<()> {
    let body = String::from_utf8_lossy(&turn.answer.body).into_owned();
    let xml = "<IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken>\
               <NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>";
    let body = match body.rfind("</") {
        Some(end) => {
            let rest = body.replace("<IsTruncated>false</IsTruncated>", "");
            let end = end.min(rest.rfind("</").unwrap_or(end));
            format!("{}{xml}{}", &rest[..end], &rest[end..])
        }
        None => body
            .replace("\"NextToken\":null", "\"Next\":null")
            .replacen('{', "{\"NextToken\":\"a\",", 1)
            .replace(",}", "}"),
    };
    framed(to, "200 OK", &headers(turn.answer), body.as_bytes())
}

macro_rules! tricks {
    ($($name:literal, $outcome:ident, $act:expr;)*) => {
        &[$(Trick { name: $name, outcome: $outcome, act: $act }),*]
    };
}

/// All of them.
pub(super) const TRICKS: &[Trick] = tricks! {
    // The head.
    "no HTTP", Fails, |to, _| flood(to, "", "SSH-2.0-OpenSSH_9.6\r\n");
    "a body without a head", Fails, |to, turn| { to.write_all(&turn.answer.body)?; say(to, "\r\n\r\n")?; hang_up() };
    "another protocol", Fails, |to, turn| framed_as(to, turn, "upgrade: h2c\r\nHTTP/2 200\r\n");
    "a status line without end", Fails, |to, _| flood(to, "HTTP/1.1 200 ", "OK");
    "a status that is none", Fails, |to, turn| framed(to, "9999 X", "", &turn.answer.body);
    "an informational status at the end", Ends, |to, turn| framed(to, "101 Switching Protocols", "upgrade: x\r\n", &turn.answer.body);
    "a flood of 100 Continue", Fails, |to, _| flood(to, "", "HTTP/1.1 100 Continue\r\n\r\n");
    "a flood of 103 Early Hints", Fails, |to, _| flood(to, "", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
    "a flood of headers", Fails, |to, _| flood(to, "HTTP/1.1 200 OK\r\n", "x-header: value\r\n");
    "a header without end", Fails, |to, _| flood(to, "HTTP/1.1 200 OK\r\nx-header: ", "value");
    "a header of control characters", Ends, |to, turn| framed(to, "200 OK", "etag: \"\u{1}\u{7f}\"\r\n", &turn.answer.body);
    "a head that ends early", Fails, |to, _| { say(to, "HTTP/1.1 200 OK\r\ncontent-le")?; hang_up() };
    "no answer", Fails, |_, _| hang_up();
    // The length; an answer to HEAD and one of status 204 have none.
    "two lengths", Fails, |to, turn| framed_as(to, turn, "content-length: 1\r\ncontent-length: 2\r\n");
    "a length beside chunks", Ends, |to, turn| framed_as(to, turn, "content-length: 5\r\ntransfer-encoding: chunked\r\n");
    "a length below zero", Fails, |to, turn| framed_as(to, turn, "content-length: -1\r\n");
    "a length of all memory", Ends, |to, turn| framed_as(to, turn, "content-length: 18446744073709551615\r\n");
    "a length too long", Ends, |to, turn| framed_as(to, turn, &format!("content-length: {}\r\n", turn.answer.body.len() + 100));
    "bytes after an answer", Taken, |to, turn| answered(to, turn, "", "HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: 2\r\n\r\n{}");
    // The body.
    "a body without end", Fails, |to, _| flood(to, "HTTP/1.1 200 OK\r\n\r\n", "<a>");
    "chunks without end", Fails, |to, _| flood(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "3\r\n<a>\r\n");
    "chunks of a byte without end", Fails, |to, _| flood(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n \r\n");
    "a chunk of all memory", Fails, |to, _| { say(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n")?; hang_up() };
    "a chunk below zero", Fails, |to, _| { say(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n")?; hang_up() };
    "a chunk's extension without end", Fails, |to, _| flood(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;", "x=y;");
    "trailers without end", Fails, |to, _| flood(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "x-trailer: value\r\n");
    "an encoding that nobody asked for", Ends, |to, _| framed(to, "200 OK", "content-encoding: gzip\r\n", &packed());
    // Documents.
    "an answer of another kind", Ends, |to, _| ok(to, "<html>It works!</html>");
    "an answer of nothing", Ends, |to, _| ok(to, "");
    "bytes that are no text", Ends, |to, _| framed(to, "200 OK", "", &[0xff; 1000]);
    "elements without number", Ends, |to, _| ok(to, &format!("<ListBucketResult>{}</ListBucketResult>", "<a/>".repeat(1 << 20)));
    "elements in elements", Ends, |to, _| ok(to, &("<a>".repeat(1 << 19) + &"</a>".repeat(1 << 19)));
    "attributes without number", Ends, |to, _| ok(to, &format!("<a {}/>", "b=\"c\" ".repeat(1 << 19)));
    "entities of entities", Ends, |to, _| ok(to, &entities());
    "a text without end", Ends, |to, _| ok(to, &format!("<ListBucketResult><NextContinuationToken>{0}</NextContinuationToken><Name>{0}</Name></ListBucketResult>", "x".repeat(4 << 20)));
    "arrays in arrays", Ends, |to, _| ok(to, &"[".repeat(4 << 20));
    "values without number", Ends, |to, _| ok(to, &format!("{{\"Table\":{{\"Parameters\":[{}0]}}}}", "0,".repeat(1 << 20)));
    "a number without end", Ends, |to, _| ok(to, &format!("{{\"Table\":{{\"Name\":1{}}}}}", "0".repeat(4 << 20)));
    // Errors.
    "an error of megabytes", Fails, |to, _| refusal(to, "400 Bad Request", "", "Strange", &"x".repeat(4 << 20));
    "an error that steers terminals", Ends, |to, _| refusal(to, "403 Forbidden", "", "AccessDenied", "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\n{\"type\":\"STATE\",\"state\":{}}");
    "an error with a date of another age", Ends, |to, _| refusal(to, "403 Forbidden", "date: Fri, 31 Dec 9999 23:59:59 GMT\r\n", "RequestTimeTooSkewed", "x");
    "an error that asks to wait a year", Fails, |to, _| framed(to, "503 Slow Down", "retry-after: 31536000\r\n", b"");
    "a region that is a host", Ends, |to, turn| framed(to, "301 Moved", &format!("x-amz-bucket-region: localhost:{}/\r\n", turn.trap), b"");
    "redirects to another host", Fails, |to, turn| redirected(to, turn, "301 Moved Permanently");
    "redirects for now", Fails, |to, turn| redirected(to, turn, "302 Found");
    "redirects with the body", Fails, |to, turn| redirected(to, turn, "307 Temporary Redirect");
    "redirects for ever", Fails, |to, turn| redirected(to, turn, "308 Permanent Redirect");
    "a page that repeats", Repeats, repeated;
    // Time.
    "silence", FailsAfterWait, |to, _| fall_silent(to, "");
    "silence within the body", FailsAfterWait, |to, _| fall_silent(to, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<a");
    "a head that drips", FailsAfterWait, |to, _| drip(to, "HTTP/1.1 200 OK\r\nx-header: ", "v");
    "a body that drips", FailsAfterWait, |to, _| drip(to, "HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n", " ");
    "100 Continue now and then", FailsAfterWait, |to, _| drip(to, "", "HTTP/1.1 100 Continue\r\n\r\n");
};

fn entities() -> String {
    let mut document = String::from("<!DOCTYPE a [<!ENTITY e0 \"hahahahaha\">");
    for level in 1..20 {
        let references = format!("&e{};", level - 1).repeat(10);
        document += &format!("<!ENTITY e{level} \"{references}\">");
    }
    document + "]><ListBucketResult><Name>&e19;</Name></ListBucketResult>"
}

/// 64 MiB of nothing, packed a thousandfold.
fn packed() -> Vec<u8> {
    static PACKED: OnceLock<Vec<u8>> = OnceLock::new();
    let pack = || {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..64 {
            encoder.write_all(&vec![0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    PACKED.get_or_init(pack).clone()
}
