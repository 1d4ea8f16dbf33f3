//! Memory: what one large record takes, what waiting states take, and what a large folder takes that is deleted.

use std::io::Read;

use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::messages::{line, people, person, record};
use crate::support::program::Output;

/// Mebibytes that the program, its connections and a part on its way take by themselves.
const BESIDE: u64 = 24;

/// Runs `write`; returns its output and the peak of its memory in bytes.
fn run(fake: &Fake, catalog: &Value, settings: &Value, input: String) -> (Output, u64) {
    let mut config = fake.config();
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.json");
    let output = fake
        .write(catalog)
        .argument("--summary")
        .argument(&summary)
        .file("config.json", &config.to_string())
        .stdin(input)
        .run();
    let summary: Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    let peak = summary["peak_memory_bytes"].as_u64().expect("its peak");
    (output, peak)
}

/// The rows of all objects, as text.
fn rows(fake: &Fake) -> String {
    let store = fake.store();
    let unpacked = |body: &Vec<u8>| match body.first_chunk::<4>() {
        Some([0x1f, 0x8b, ..]) => {
            let mut text = String::new();
            let mut decoder = flate2::read::MultiGzDecoder::new(&body[..]);
            decoder.read_to_string(&mut text).unwrap();
            text
        }
        Some([0x28, 0xb5, 0x2f, 0xfd]) => {
            String::from_utf8(zstd::decode_all(&body[..]).unwrap()).unwrap()
        }
        _ => String::from_utf8(body.clone()).unwrap(),
    };
    store.bucket.objects.values().map(unpacked).collect()
}

#[test]
fn a_record_takes_at_most_two_and_a_half_times_its_size() {
    const SIZE: usize = 64 << 20;
    let text = "0123456789abcdef".repeat(SIZE / 16);
    // As it is, in another order than the columns, and as what no column holds.
    for (codec, data) in [
        ("GZIP", json!({"id": 1, "name": text})),
        ("ZSTD", json!({"id": 1, "name": text})),
        ("UNCOMPRESSED", json!({"id": 1, "name": text})),
        ("UNCOMPRESSED", json!({"id": 1, "field": text})),
    ] {
        let fake = Fake::start();
        let settings = json!({"format": {"format_type": "JSONL", "compression_codec": codec}});
        let mut input = person("people", 0) + &record("people", &data);
        if codec == "ZSTD" {
            let reordered = format!("{{\"name\":\"{text}\",\"id\":1}}");
            input = person("people", 0)
                + &format!(
                    "{{\"type\":\"RECORD\",\"record\":{{\"stream\":\"people\",\"data\":{reordered},\"emitted_at\":1}}}}\n"
                );
        }
        let (output, peak) = run(&fake, &people("people", "append"), &settings, input);
        output.succeeded();
        let lengths: Vec<usize> = rows(&fake).lines().map(str::len).collect();
        let whole = |length: &&usize| (SIZE..SIZE + 100).contains(*length);
        assert_eq!(
            (lengths.len(), lengths.iter().filter(whole).count()),
            (2, 1),
            "{lengths:?}"
        );
        let most = (SIZE as u64) * 5 / 2;
        assert!(peak < most, "{codec}: {} of {} MiB", peak >> 20, most >> 20);
    }
}

/// A state of the stream `people` of this size, unlike the others where it has random letters.
fn state(id: u64, size: usize, random: Option<&mut fastrand::Rng>) -> String {
    let fill: String = match random {
        Some(random) => (0..size).map(|_| random.alphanumeric()).collect(),
        None => "shard-000017 ".repeat(size / 13),
    };
    line(&json!({"type": "STATE", "state": {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "people"}, "stream_state": {"cursor": id, "fill": fill}},
        "id": id,
    }}))
}

#[test]
fn states_that_wait_for_the_end_are_within_the_budget() {
    const BUDGET: u64 = 16;
    let fake = Fake::start();
    let settings = json!({"memory_budget_mb": BUDGET});
    // 120 MiB of states; at last also one that is larger than the budget.
    let mut input = person("people", 0);
    input.extend((0..30_000).map(|id| state(id, 4096, None)));
    input += &person("people", 1);
    input += &state(30_000, 17 << 20, None);
    let (output, peak) = run(&fake, &people("people", "overwrite"), &settings, input);
    output.succeeded();
    let ids: Vec<u64> = output
        .states()
        .iter()
        .map(|state| state["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (0..=30_000).collect::<Vec<_>>());
    // The last line takes its part too: read, parsed and printed.
    let most = BUDGET + BESIDE + 17 * 5;
    assert!(peak >> 20 < most, "{} of {most} MiB", peak >> 20);
}

#[test]
fn states_that_cannot_be_held_end_the_sync_with_advice() {
    let fake = Fake::start();
    let random = &mut fastrand::Rng::with_seed(7);
    let settings = json!({"memory_budget_mb": 16});
    let mut input = person("people", 0);
    input.extend((0..200).map(|id| state(id, 100_000, Some(random))));
    let (output, _) = run(&fake, &people("people", "overwrite"), &settings, input);
    let error = output.failed();
    assert_eq!(error["failure_type"], "config_error", "{error}");
    let text = error.to_string();
    assert!(
        text.contains("take more than 12 MiB") && text.contains("raise memory_budget_mb"),
        "{text}"
    );
    assert_eq!(output.states().len(), 0);
    // Where rows are added they are printed before.
    let mut input = person("people", 0);
    input.extend((0..200).map(|id| person("people", id) + &state(id, 100_000, Some(random))));
    let (output, _) = run(&fake, &people("people", "append"), &settings, input);
    output.succeeded();
    assert_eq!(output.states().len(), 200);
}

#[test]
fn a_folder_of_any_number_of_objects_is_deleted_in_the_same_memory() {
    let peak_of = |count: u64| {
        let fake = Fake::start();
        let append = people("people", "append");
        run(&fake, &append, &json!({}), person("people", 0))
            .0
            .succeeded();
        let [key] = &fake.data_objects()[..] else {
            panic!("one object");
        };
        let name = key.trim_end_matches("000001.jsonl.gz");
        let body = fake.store().bucket.objects[key].clone();
        let more = (2..=count).map(|number| (format!("{name}{number:06}.jsonl.gz"), body.clone()));
        fake.store().bucket.objects.extend(more);
        let overwrite = people("people", "overwrite");
        let (output, peak) = run(&fake, &overwrite, &json!({}), person("people", 1));
        output.succeeded();
        assert!(
            output.stdout.contains(&format!(" objects={count}\"")),
            "{}",
            output.report()
        );
        assert_eq!(fake.data_objects().len(), 1);
        peak
    };
    let (few, many) = (peak_of(1000), peak_of(40_000));
    // Their keys alone take 4 MiB.
    assert!(many < few + (2 << 20), "{few} and {many} bytes");
}
