//! The scripted server itself: AWS's own client finds in it what it expects of AWS.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::fake::wire::{Bandwidth, Request};
use crate::support::fake::{Fake, Fault, Options};
use crate::support::file;
use crate::support::messages::{people, person, state};
use crate::support::program::{Output, Program};

#[test]
fn the_scripted_server_answers_as_aws_does() {
    let fake = Fake::start();
    fake.store().bucket.page = 10;
    let output = Command::new(file("target/python/bin/python"))
        .arg(file("tests/support/probe.py"))
        .arg(fake.endpoint())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = fake.journal().lines();
    assert!(
        lines.iter().any(|line| line.starts_with("COMPLETE t/g1/")),
        "{lines:?}"
    );
}

#[test]
fn others_act_at_a_call_as_a_test_says() {
    let fake = Arc::new(Fake::start());
    let input = || person("people", 1) + &state("people", 1);
    let catalog = people("people", "append");
    fake.write(&catalog).stdin(input()).run().succeeded();
    let (server, seen) = (Arc::downgrade(&fake), Arc::new(AtomicUsize::new(0)));
    let before = seen.clone();
    let drop_table = move |_: &Request| {
        let fake = server.upgrade().unwrap();
        before.store(fake.rows("people").len(), Ordering::SeqCst);
        assert!(fake.store().catalog.drop_table("test", "people"));
        fake.clock().forward(Duration::from_secs(48 * 3600));
        true
    };
    fake.fault_on(
        "PutObject",
        "/people/",
        1,
        Fault::After(Arc::new(drop_table)),
    );
    fake.fault(
        "GetDatabase",
        1,
        Fault::Before(Arc::new(|_: &Request| false)),
    );
    fake.write(&catalog).stdin(input()).run();
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    assert!(fake.store().catalog.table("test", "people").is_none());
    let asked_again = fake
        .calls()
        .iter()
        .filter(|call| *call == "GetDatabase")
        .count();
    assert_eq!(asked_again, 3, "{:?}", fake.calls());
    assert!(fake.clock().now() > jiff::Timestamp::now() + Duration::from_secs(47 * 3600));
}

/// A sync of 3 MB in one object, uncompressed.
fn sync(fake: &Fake) -> Output {
    let mut config = fake.config();
    config["format"] = json!({"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"});
    let name = "x".repeat(1 << 20);
    let input: String = (0..3)
        .map(|id| person("people", id).replace("person", &name))
        .collect();
    let output = Program::write(&config, &people("people", "append"))
        .stdin(input + &state("people", 1))
        .journal(fake.journal())
        .run();
    output.succeeded();
    output
}

#[test]
fn the_scripted_server_counts_objects_that_it_does_not_keep() {
    let fake = Fake::with(Options {
        keeps_objects: false,
        ..Options::default()
    });
    let output = sync(&fake);
    assert_eq!(output.states().len(), 1, "{}", output.report());
    assert!(fake.store().bucket.objects.is_empty());
    // Two of them are the record of the checkpoint.
    assert_eq!(fake.objects(), 3);
    assert!((3 << 20..4 << 20).contains(&fake.sent()), "{}", fake.sent());
    assert!(fake.first_object().is_some());
    assert!(fake.endpoint().ends_with(&fake.port().to_string()));
}

#[test]
fn the_scripted_server_is_as_far_away_as_its_options_say() {
    let far = Fake::with(Options {
        delay: Duration::from_millis(50),
        ..Options::default()
    });
    let took = sync(&far).took;
    let round_trips = u32::try_from(far.calls().len()).unwrap();
    assert!(
        took >= Duration::from_millis(50) * round_trips,
        "{took:?} for {round_trips} calls"
    );
    let narrow = Fake::with(Options {
        bandwidth: Bandwidth(Some(6 << 20)),
        ..Options::default()
    });
    let took = sync(&narrow).took;
    assert!(
        took >= Duration::from_millis(500),
        "{took:?} for 3 MiB at 6 MiB/s"
    );
}
