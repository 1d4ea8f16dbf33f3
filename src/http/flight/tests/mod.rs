//! Requests in flight over a simulated network, in as many orders of events as there are seeds.

mod server;
mod world;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;

use crate::environment::Environment;
use crate::http::flight::carried::most_in_all;
use crate::http::flight::{Flight, Flights, IDLE_AGE, Options};
use crate::http::{Bytes, Failure, Method, Proxy, Request, Response, RootCertificates, Timeouts};

use world::{Weather, World};

const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tls/authority.pem");

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(20),
    silence: Duration::from_secs(4),
    attempt: Duration::from_secs(20),
};

fn flights(world: &World, connections: usize, proxy: Option<&str>) -> Flights<World> {
    let mut pairs = vec![("AWS_CA_BUNDLE".to_owned(), AUTHORITY.to_owned())];
    if let Some(proxy) = proxy {
        pairs.push(("HTTPS_PROXY".to_owned(), proxy.to_owned()));
        pairs.push(("NO_PROXY".to_owned(), "near.test".to_owned()));
    }
    let environment = Environment::from_pairs(pairs);
    let options = Options {
        timeouts: TIMEOUTS,
        roots: RootCertificates::from_environment(&environment).unwrap(),
        proxy: Proxy::from_environment(&environment).unwrap(),
        connections,
    };
    Flights::new(world.clone(), options)
}

/// A request of any kind, and what its server answers when all goes well.
fn request(number: usize, random: &mut Rng) -> (Request, String) {
    let length = match random.u8(..40) {
        0 => 300_000,
        _ => [0, 1, 300, 5000, 50_000][random.usize(..5)],
    };
    let body: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
    let has_body = random.bool();
    let body = if has_body { body } else { Vec::new() };
    let mut headers = vec![("x-test".to_owned(), "x".repeat(random.usize(..200)))];
    if body.len() > 1000 && random.bool() {
        headers.push(("expect".to_owned(), "100-continue".to_owned()));
    }
    let server = ["http://near.test", "https://near.test", "https://far.test"][random.usize(..3)];
    let answer = format!("/{number} {} {}", body.len(), crc32fast::hash(&body));
    let request = Request {
        method: if has_body { Method::Put } else { Method::Get },
        url: format!("{server}/{number}"),
        headers,
        body: Bytes::from(body),
        limit: 1000,
    };
    (request, answer)
}

/// Waits until all have landed.
fn all(flights: &Flights<World>, mut flying: Vec<(usize, Flight<'_, World>)>) -> Landed {
    let mut landed = Landed::new();
    flights.wait(poll_fn(|context| {
        flying.retain_mut(|(number, flight)| match Pin::new(flight).poll(context) {
            Poll::Ready(outcome) => {
                landed.push((*number, outcome));
                false
            }
            Poll::Pending => true,
        });
        if flying.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    landed
}

type Landed = Vec<(usize, Result<Response, Failure>)>;

/// One run: requests of any kind at any time, some of them dropped. Returns how many got a response.
fn explore(seed: u64, weather: Weather) -> usize {
    let mut random = Rng::with_seed(seed);
    let world = World::new(seed, weather);
    let connections = random.usize(1..4);
    let proxies = [
        None,
        Some("http://u:p@proxy.test"),
        Some("https://proxy.test"),
    ];
    let flights = flights(&world, connections, proxies[random.usize(..3)]);
    let mut answers = Vec::new();
    let mut responses = 0;
    for _ in 0..random.usize(1..4) {
        let mut flying = Vec::new();
        for _ in 0..random.usize(1..8) {
            let (request, answer) = request(answers.len(), &mut random);
            flying.push((answers.len(), flights.send(&request)));
            answers.push(answer);
        }
        if random.u8(..4) == 0 {
            flights.wait(flights.rest(Duration::from_millis(random.u64(..200))));
            flying.swap_remove(random.usize(..flying.len()));
        }
        let count = flying.len();
        let landed = all(&flights, flying);
        assert_eq!(landed.len(), count);
        for (number, outcome) in landed {
            let is_whole = judge(&answers[number], &outcome, weather);
            responses += usize::from(is_whole);
        }
        flights.wait(flights.rest(Duration::from_secs(random.u64(..20))));
    }
    let air = flights.air.borrow();
    assert!(air.landed.is_empty() && air.waiting.is_empty() && air.rests.is_empty());
    assert!(
        air.carried
            .iter()
            .all(|carried| carried.connection.is_idle())
    );
    let sea = world.0.borrow();
    let most = most_in_all(connections);
    assert!(sea.most_open <= most, "{} lines", sea.most_open);
    responses
}

/// Whether there is a response, which must be that of the request.
#[track_caller]
fn judge(answer: &str, outcome: &Result<Response, Failure>, weather: Weather) -> bool {
    match outcome {
        Ok(response) => {
            let text = std::str::from_utf8(&response.body).unwrap();
            let (target, _) = answer.split_once(' ').unwrap();
            match response.status {
                200 => assert_eq!(text, answer),
                status => assert_eq!((status, text), (403, format!("{target} refused").as_str())),
            }
            true
        }
        Err(failure) => {
            assert_eq!(weather, Weather::Storm, "{failure:?}");
            let is_known = matches!(
                failure,
                Failure::ConnectTimeout(_) | Failure::Unreachable(_) | Failure::Lost(_)
            );
            assert!(is_known, "{failure:?}");
            false
        }
    }
}

#[test]
fn whatever_the_order_of_events_each_request_gets_its_own_response() {
    for seed in seeds() {
        explore(seed, Weather::Calm);
    }
}

#[test]
fn whatever_fails_each_request_comes_to_one_end_in_time() {
    let responses: usize = seeds().map(|seed| explore(seed, Weather::Storm)).sum();
    assert!(responses > 0, "nothing but failures");
}

/// `SEEDS` in the environment is how many, `SEED` the first of them.
#[allow(clippy::disallowed_methods)] // the tests' own variables
fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    let first: u64 = number("SEED").unwrap_or(0);
    first..first + number("SEEDS").unwrap_or(300)
}

#[test]
fn connections_are_opened_by_need_and_used_again() {
    let world = World::new(7, Weather::Calm);
    let flights = flights(&world, 4, None);
    let send = |number: usize, bytes: usize| Request {
        method: Method::Put,
        url: format!("http://near.test/{number}"),
        headers: Vec::new(),
        body: Bytes::from(vec![0; bytes]),
        limit: 1000,
    };
    let get = |number| send(number, 0);
    let carried = || flights.air.borrow().carried.len();
    let one = |number| flights.wait(flights.send(&get(number))).unwrap();
    while one(0).header("connection").is_some() {}
    one(1);
    assert!(world.0.borrow().dialed >= 1);
    // Long requests leave connections to short ones.
    for (bytes, least, most) in [(300_000, 2, 4), (0, 5, 8)] {
        let flying = (0..20).map(|number| (number, flights.send(&send(number, bytes))));
        let landed = all(&flights, flying.collect());
        assert_eq!(landed.len(), 20);
        let open = world.0.borrow().most_open;
        assert!((least..=most).contains(&open), "{open}");
    }
    flights.wait(flights.rest(IDLE_AGE));
    one(2);
    assert_eq!(carried(), 1, "those that were idle for long are closed");
}
