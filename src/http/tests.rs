//! The client against servers on loopback.

use std::time::Duration;

use crate::environment::Environment;
use crate::http::stub::{Reply, Server};
use crate::http::{Bytes, Client, Failure, Method, Proxy, Request, RootCertificates, Timeouts};

const SHORT: Timeouts = Timeouts {
    connect: Duration::from_millis(500),
    silence: Duration::from_millis(300),
    attempt: Duration::from_millis(1200),
};

fn client(pairs: &[(&str, &str)]) -> Client {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment = Environment::from_pairs(pairs);
    let roots = RootCertificates::from_environment(&environment).unwrap();
    let proxy = Proxy::from_environment(&environment).unwrap();
    Client::new(SHORT, &roots, proxy)
}

fn get(url: String) -> Request {
    Request {
        method: Method::Get,
        url,
        headers: Vec::new(),
        body: Bytes::default(),
        limit: 10,
    }
}

#[test]
fn the_url_is_sent_unchanged_and_every_status_is_a_response() {
    let server = Server::script(vec![
        Reply::say(404, "no"),
        Reply::say(301, "").with("location", "http://127.0.0.1:1/"),
        Reply::say(503, ""),
    ]);
    let client = client(&[]);
    let target = "/b/a%20b//../%2F/./x%C3%BC?k=%2F&a=b%20c";
    for status in [404, 301, 503] {
        let answer = client
            .send(&get(format!("{}{target}", server.url())))
            .unwrap();
        assert_eq!(answer.status, status);
    }
    let received = server.received();
    assert_eq!(received.len(), 3);
    for request in &received {
        assert_eq!(request.target, target);
        let names: Vec<&str> = request
            .headers
            .iter()
            .map(|header| header.0.as_str())
            .collect();
        assert_eq!(names, ["user-agent", "host"]);
    }
    assert_eq!(server.connections(), 1, "the connection is used again");
}

#[test]
fn an_empty_body_has_a_length_too() {
    let server = Server::script(vec![Reply::say(200, "")]);
    let client = client(&[]);
    let long = vec![7; 300_000];
    let bodies = [b"".as_slice(), b"four", &long];
    for body in bodies {
        let request = Request {
            method: Method::Put,
            body: body.into(),
            ..get(server.url())
        };
        client.send(&request).unwrap();
    }
    for (request, body) in server.received().iter().zip(bodies) {
        assert_eq!(
            request.header("content-length"),
            Some(body.len().to_string().as_str())
        );
        assert_eq!(request.header("transfer-encoding"), None);
        assert_eq!(request.body, body);
    }
}

#[test]
fn a_body_that_is_refused_before_it_is_sent_is_not_sent() {
    // Refuses after the headers, as S3 does, and closes while a body would still be on its way.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    #[allow(clippy::disallowed_methods)] // a server needs a thread of its own
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1000]).unwrap();
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
            .unwrap();
    });
    let body = vec![7; 8 << 20];
    let request = Request {
        method: Method::Put,
        headers: vec![("expect".into(), "100-continue".into())],
        body: body.as_slice().into(),
        ..get(url)
    };
    let answer = client(&[]).send(&request).unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (403, b"no".as_slice())
    );
}

#[test]
fn a_response_is_read_to_its_limit_and_no_further() {
    let server = Server::script(vec![
        Reply::say(200, "0123456789"),
        Reply::say(200, "0123456789x"),
    ]);
    let client = client(&[]);
    assert_eq!(client.send(&get(server.url())).unwrap().body, b"0123456789");
    let failure = client.send(&get(server.url())).unwrap_err();
    assert!(matches!(failure, Failure::TooLong(10)), "{failure:?}");
}

#[test]
fn a_lost_or_truncated_response_may_have_been_carried_out() {
    let server = Server::script(vec![
        Reply::Lose,
        Reply::CutShort(3, "ab"),
        Reply::Hold(Duration::from_secs(1)),
    ]);
    let client = client(&[]);
    for case in ["lost", "cut", "silent"] {
        let failure = client.send(&get(server.url())).unwrap_err();
        assert!(matches!(failure, Failure::Lost(_)), "{case}: {failure:?}");
    }
}

#[test]
fn nothing_was_sent_where_nothing_listens() {
    let client = client(&[]);
    let failure = client.send(&get("http://127.0.0.1:1/".into())).unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    let failure = client
        .send(&get("http://name.invalid/".into()))
        .unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
}

/// A server that reads one request, sends the beginning of an answer, and then a piece each 50 ms without end.
fn dripping(beginning: &'static str, piece: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    #[allow(clippy::disallowed_methods)] // a server needs a thread of its own
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1000]).unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        while stream.write_all(piece.as_bytes()).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    url
}

#[test]
fn slowness_is_no_silence() {
    // Longer than the timeout of silence in all, shorter each.
    let url = dripping("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", "s");
    assert_eq!(client(&[]).send(&get(url)).unwrap().body, b"ssssssssss");
}

#[test]
#[allow(clippy::disallowed_methods)] // the test's time, not the program's
fn an_answer_that_drips_without_end_is_given_up() {
    for (beginning, piece) in [
        ("", "H"),
        ("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        ("HTTP/1.1 200 OK\r\nlong: ", "x"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "HTTP/1.1 102 Processing\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", "x"),
        ("HTTP/1.1 200 OK\r\n\r\n", "x"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
            "x",
        ),
    ] {
        let started = std::time::Instant::now();
        let request = Request {
            limit: 10_000,
            ..get(dripping(beginning, piece))
        };
        let failure = client(&[]).send(&request).unwrap_err();
        let took = started.elapsed();
        assert!(
            took < SHORT.attempt * 3,
            "{beginning:?} {piece:?}: {took:?}"
        );
        assert!(
            matches!(failure, Failure::Lost(_)),
            "{beginning:?} {piece:?}: {failure:?}"
        );
    }
}

#[test]
fn a_flood_of_headers_or_interim_answers_ends_in_an_error() {
    for (beginning, piece) in [
        ("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        ("HTTP/1.1 200 OK\r\na: ", "bbbbbbbb"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
    ] {
        let server = Server::start(move |_| Reply::Flood(beginning, piece));
        let failure = client(&[]).send(&get(server.url())).unwrap_err();
        assert!(
            matches!(failure, Failure::Lost(_) | Failure::TooLong(_)),
            "{piece:?}: {failure:?}"
        );
    }
}

#[test]
fn headers_that_http_forbids_are_refused_before_they_are_sent() {
    let mut request = get("http://127.0.0.1:1/".into());
    request
        .headers
        .push(("x-token".into(), "hunter2\r\nx: y".into()));
    let failure = client(&[]).send(&request).unwrap_err();
    let Failure::Unsendable(why) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(why, "its header x-token holds characters that HTTP forbids");
}

#[test]
fn https_goes_through_the_proxy_and_plain_http_does_not() {
    let proxy = Server::script(vec![Reply::say(407, "")]);
    let server = Server::script(vec![Reply::say(200, "")]);
    let url = format!("http://us%40er:hunter2@{}", proxy.authority);
    let client = client(&[("HTTPS_PROXY", &url), ("NO_PROXY", "near.invalid")]);
    let failure = client
        .send(&get("https://s3.eu-central-1.amazonaws.com/".into()))
        .unwrap_err();
    assert!(matches!(failure, Failure::Forbidden(_)), "{failure:?}");
    assert_eq!(client.send(&get(server.url())).unwrap().status, 200);
    let failure = client
        .send(&get("https://near.invalid/".into()))
        .unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    let received = proxy.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].method, "CONNECT");
    assert_eq!(received[0].target, "s3.eu-central-1.amazonaws.com:443");
    // us@er:hunter2
    assert_eq!(
        received[0].header("proxy-authorization"),
        Some("Basic dXNAZXI6aHVudGVyMg==")
    );
}

#[test]
fn a_server_without_tls_is_distinguished_from_a_network_failure() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    #[allow(clippy::disallowed_methods)] // a server needs a thread of its own
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1000]).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let failure = client(&[]).send(&get(url)).unwrap_err();
    let Failure::Forbidden(why) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(why, "the server does not support TLS");
}
