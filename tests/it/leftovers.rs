//! What runs leave to each other, and what a run may not take for a leftover: nothing is deleted on a guess.

use std::fs::File;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::generations::{assert_rows, refresh, rows};
use crate::proof::hold_object;
use crate::support::fake::{Fake, Fault, Options};
use crate::support::local::{ended, ids, left, lines, load, table};
use crate::support::messages::{catalog, complete, people, person, state, stream};
use crate::support::program::{Output, Program};

pub(crate) fn append(fake: &Fake, ids: Range<u64>) {
    let input = rows(ids);
    let append = people("people", "append");
    fake.write(&append).stdin(input).run().succeeded();
}

fn warns(output: &Output, words: &str) -> bool {
    output.of_type("LOG").any(|message| {
        let log = &message["log"];
        log["level"] == "WARN" && log["message"].as_str().unwrap().contains(words)
    })
}

#[test]
fn a_run_waits_for_the_checkpoint_of_one_that_is_alive() {
    let fake = Fake::start();
    append(&fake, 0..3);
    let gate = hold_object(&fake);
    let mut config = fake.config();
    config["checkpoint_interval_minutes"] = 0.into();
    let all = people("people", "append");
    let mut slow = fake
        .write(&all)
        .file("config.json", &config.to_string())
        .start();
    slow.feed(rows(3..5) + &state("people", 1));
    gate.wait_until_reached();
    let journal = fake.journal().clone();
    let quick = Program::write(&fake.config(), &all).stdin(rows(5..7));
    let quick = std::thread::scope(|scope| {
        let quick = scope.spawn(|| quick.run());
        std::thread::sleep(Duration::from_secs(2));
        // It has not even asked for the table.
        let lines = journal.lines();
        assert!(lines.last().unwrap().starts_with("PUT people"), "{lines:?}");
        gate.release();
        quick.join().unwrap()
    });
    quick.succeeded();
    assert!(
        quick
            .stdout
            .contains("waiting for another run's checkpoint of the table test.people"),
        "{}",
        quick.report()
    );
    slow.finish().succeeded();
    assert_rows(&fake, 0..7);
}

/// A dead overwrite, a cancelled refresh, and the rows that are shown.
fn with_leftovers() -> Fake {
    let fake = Fake::start();
    append(&fake, 0..3);
    fake.fault_on("PutObject", "/lake/test/people/", 1, Fault::KillAfter);
    let overwrite = people("people", "overwrite");
    let output = fake.write(&overwrite).stdin(rows(3..5)).run();
    assert_eq!(output.status.code(), None, "{}", output.report());
    let input = rows(5..7) + &state("people", 1);
    fake.write(&refresh(2, 2)).stdin(input).run().failed();
    // The refresh has taken the rows of the overwrite back. One more object of it, which no record names:
    let made = fake.store().bucket.made.clone();
    let dead = made
        .iter()
        .filter(|key| !key.contains("/_datalake/"))
        .nth(1);
    let late = dead.unwrap().replace("-000001.", "-000009.");
    let row = rows(4..5).into_bytes();
    fake.store().bucket.objects.insert(late, row);
    fake.clock().forward(Duration::from_secs(3 * 24 * 3600));
    fake
}

#[test]
fn a_run_that_fails_deletes_only_its_own_objects() {
    let failed = json!({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": {"message": "x"}}});
    let failed = rows(20..22) + &format!("{failed}\n");
    for next in [people("people", "append"), people("people", "overwrite")] {
        for input in ["no message\n".to_owned(), failed.clone()] {
            let fake = with_leftovers();
            let before = fake.data_objects();
            assert_eq!(before.len(), 3);
            fake.write(&next).stdin(input).run().failed();
            assert_eq!(fake.data_objects(), before);
            assert_rows(&fake, 0..3);
        }
    }
    let refused = Fault::Reject(400, "AccessDeniedException");
    for call in ["GetTable", "CreateDatabase", "UpdateTable"] {
        let fake = with_leftovers();
        let before = fake.data_objects();
        fake.fault_from(call, 1, refused.clone());
        if call == "CreateDatabase" {
            fake.fault_from("GetDatabase", 1, refused.clone());
        }
        let overwrite = people("people", "overwrite");
        let output = fake.write(&overwrite).stdin(rows(20..22)).run();
        output.failed();
        // Those of its own, which no table shows, are left to a later run.
        let after = fake.data_objects();
        assert!(before.iter().all(|key| after.contains(key)), "{after:?}");
        assert_rows(&fake, 0..3);
    }
}

#[test]
fn folders_of_other_tables_outlive_an_overwrite_of_the_table_above_them() {
    let fake = Fake::start();
    let properties = json!({"id": {"type": "integer"}, "name": {"type": "string"}});
    let names = ["people", "orders", "people_generations"];
    let all = |mode: &str| catalog(&names.map(|name| stream(name, mode, &properties)));
    let each = |id: u64| names.map(|name| person(name, id)).concat();
    fake.write(&all("append")).stdin(each(1)).run().succeeded();
    // As an analyst, or the Python connector, locates a table: above all others, with objects of its own.
    let theirs = "lake/test/0123456789abcdef0123456789abcdef.json";
    let row = b"{\"id\":7}\n".to_vec();
    let objects = |fake: &Fake| fake.store().bucket.objects.clone();
    fake.store().bucket.objects.insert(theirs.to_owned(), row);
    fake.edit_table("people", |input| {
        input["StorageDescriptor"]["Location"] = "s3://test-lake/lake/test/".into();
    });
    let before = objects(&fake);
    let overwrite = people("people", "overwrite");
    let output = fake.write(&overwrite).stdin(person("people", 2)).run();
    output.succeeded();
    let after = objects(&fake);
    assert!(
        before.keys().all(|key| after.contains_key(key)),
        "{:?}",
        fake.journal().lines()
    );
    assert!(
        warns(&output, "a superseded generation is left"),
        "{}",
        output.report()
    );
    for (name, id) in names.into_iter().zip([2, 1, 1]) {
        let rows = fake.rows(name);
        assert_eq!(rows.len(), 1, "{name}");
        assert_eq!(rows[0]["id"], id, "{name}");
    }
    // And where all of them are overwritten, each loses its own rows.
    fake.write(&all("overwrite"))
        .stdin(each(3))
        .run()
        .succeeded();
    for name in names {
        assert_eq!(fake.rows(name)[0]["id"], 3, "{name}");
        assert_eq!(fake.rows(name).len(), 1, "{name}");
    }
}

/// A location that Terraform sets back, to the folder of rows that an overwrite replaced.
#[test]
fn a_location_that_is_set_back_leaves_the_rows_that_were_shown() {
    for mode in ["append", "overwrite"] {
        let fake = Fake::start();
        append(&fake, 0..3);
        let location = |fake: &Fake| {
            let store = fake.store();
            let table = store.catalog.table("test", "people").unwrap();
            table["StorageDescriptor"]["Location"].clone()
        };
        let old = location(&fake);
        let overwrite = people("people", "overwrite");
        fake.write(&overwrite).stdin(rows(10..12)).run().succeeded();
        let shown = fake.data_objects();
        assert_eq!(shown.len(), 1);
        let new = location(&fake);
        fake.edit_table("people", |input| {
            input["StorageDescriptor"]["Location"] = old;
        });
        for begin in [20, 30] {
            let next = people("people", mode);
            let input = rows(begin..begin + 2) + &state("people", begin);
            fake.write(&next).stdin(input).run().succeeded();
        }
        assert!(fake.data_objects().contains(&shown[0]));
        let begin = if mode == "append" { 20 } else { 30 };
        let rows = fake.rows("people");
        assert!(rows.iter().any(|row| row["id"] == begin), "{rows:?}");
        fake.edit_table("people", |input| {
            input["StorageDescriptor"]["Location"] = new;
        });
        assert_rows(&fake, 10..12);
    }
}

/// Both are at work at once: the overwrite has begun before the checkpoint of the append does.
#[test]
fn an_append_beside_an_overwrite_acknowledges_nothing_that_nobody_sees() {
    let fake = Fake::start();
    append(&fake, 0..3);
    let looks = || {
        let calls = fake.calls();
        calls.iter().filter(|call| *call == "GetTable").count()
    };
    let before = looks();
    let overwrite = people("people", "overwrite");
    let mut other = Program::write(&fake.config(), &overwrite).start();
    other.feed(rows(10..12));
    let started = std::time::Instant::now();
    while looks() == before {
        assert!(started.elapsed().as_secs() < 60, "it does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    let gate = hold_object(&fake);
    let mut slow = fake.write(&people("people", "append")).start();
    slow.feed(rows(3..5) + &state("people", 1));
    slow.close();
    gate.wait_until_reached();
    other.finish().succeeded();
    assert_rows(&fake, 10..12);
    gate.release();
    let output = slow.finish();
    let text = output.failed()["message"].as_str().unwrap().to_owned();
    assert!(
        text.contains("the table test.people was moved during this run"),
        "{text}"
    );
    assert_eq!(output.states().len(), 0, "{}", output.report());
    assert_rows(&fake, 10..12);
    assert_eq!(fake.data_objects().len(), 1);
}

#[test]
fn another_region_deletes_nothing() {
    for next in [
        people("people", "append"),
        people("people", "overwrite"),
        refresh(2, 2),
    ] {
        let fake = with_leftovers();
        let before = fake.data_objects();
        let mut config = fake.config();
        config["region"] = "eu-west-1".into();
        let program = fake
            .write(&next)
            .file("config.json", &config.to_string())
            .stdin(rows(20..22) + &complete("people"));
        program.run().succeeded();
        // The catalog of the other region has a table of its own now. What its sync may take for an unpublished
        // generation is one that a dead run never acknowledged.
        let after = fake.data_objects();
        let shown = fake.rows("people").len();
        assert_eq!(shown, 3);
        let lost = before.iter().filter(|key| !after.contains(key)).count();
        assert!(lost <= 1, "{before:?} {after:?}");
        let input = rows(7..8) + &state("people", 2) + &complete("people");
        fake.write(&refresh(2, 2)).stdin(input).run().succeeded();
        assert!(fake.rows("people").len() <= 3);
    }
}

/// A hand has located a second table at the folder of the first.
#[test]
fn an_overwrite_replaces_what_its_table_shows_whoever_wrote_it() {
    for is_dropped in [false, true] {
        let fake = Fake::start();
        append(&fake, 0..2);
        let other = people("orders", "append");
        let row = |id| person("orders", id);
        fake.write(&other).stdin(row(5)).run().succeeded();
        let folder = fake.store().catalog.folder("test", "people").unwrap();
        fake.edit_table("orders", |table| {
            table["StorageDescriptor"]["Location"] = format!("s3://test-lake/{folder}").into();
        });
        fake.write(&other).stdin(row(6)).run().succeeded();
        let before = fake.data_objects();
        if is_dropped {
            fake.store().catalog.drop_table("test", "orders");
        }
        let overwrite = people("people", "overwrite");
        let output = fake.write(&overwrite).stdin(rows(10..12)).run();
        output.succeeded();
        assert_rows(&fake, 10..12);
        let left = fake.data_objects();
        let is_shared = |key: &&String| key.starts_with(&folder);
        let shared = before.iter().filter(is_shared).count();
        assert_eq!(shared, 2, "{before:?}");
        let expected = if is_dropped { 0 } else { shared };
        assert_eq!(left.iter().filter(is_shared).count(), expected);
        if !is_dropped {
            assert_eq!(fake.rows("orders").len(), 3);
            assert!(warns(&output, "because the table test.orders is located"));
        }
        // What the other table showed before is not of this one.
        assert!(
            before
                .iter()
                .filter(|key| !is_shared(key))
                .all(|key| left.contains(key))
        );
    }
}

/// Consoles and other clients make objects that stand for folders.
#[test]
fn objects_of_others_among_the_control_objects_are_in_nobody_s_way() {
    let fake = with_leftovers();
    for name in [
        "",
        "runs/",
        "runs_$folder$",
        "runs/notes.txt",
        "generations/test/people/",
    ] {
        let key = format!("lake/_datalake/{name}");
        fake.store().bucket.objects.insert(key, Vec::new());
    }
    append(&fake, 7..9);
    let input = rows(10..12) + &complete("people");
    fake.write(&refresh(3, 3)).stdin(input).run().succeeded();
    assert_rows(&fake, 10..12);
    // Nothing says that the unfinished refresh was of the same job.
    assert_eq!(fake.data_objects().len(), 2);
}

#[test]
fn where_tables_cannot_be_listed_the_old_objects_stay() {
    for call in ["GetTables", "GetDatabases"] {
        let fake = Fake::start();
        append(&fake, 0..3);
        let before = fake.data_objects();
        fake.fault_from(call, 1, Fault::Reject(400, "AccessDeniedException"));
        let overwrite = people("people", "overwrite");
        let output = fake.write(&overwrite).stdin(rows(10..12)).run();
        output.succeeded();
        assert!(
            warns(&output, "objects of superseded generations are left"),
            "{}",
            output.report()
        );
        assert_rows(&fake, 10..12);
        assert!(fake.data_objects().contains(&before[0]));
    }
}

/// The record of a run, as it writes it before it completes these objects of the table `t`.
fn record(run: &str, keys: &[String]) -> Value {
    json!({"run": run, "process": "elsewhere/1/1", "sequence": 1, "unacknowledged": {"default.t": keys}})
}

#[test]
fn a_lake_in_a_folder_takes_back_what_a_dead_run_left() {
    let lake = tempfile::tempdir().unwrap();
    let run = |ids: Range<u64>| {
        let output = load(lake.path(), &["--table", "t"]).stdin(lines(ids)).run();
        ended(&output, 0, &[]);
        output
    };
    run(0..3);
    run(3..5);
    let objects = lake.path().join("objects");
    let mut keys = Vec::new();
    for folder in std::fs::read_dir(objects.join("default/t")).unwrap() {
        for object in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = object.unwrap().path();
            let key = path.strip_prefix(&objects).unwrap();
            keys.push(key.to_str().unwrap().to_owned());
        }
    }
    keys.sort();
    let name = keys[1].rsplit_once('/').unwrap().1;
    let run_of_last = &name[.."20261122T091551123Z-0123456789ab".len()];
    // As if the second had died before it settled; it names an object of another run too, which is not its own.
    let path = objects.join(format!("_datalake/runs/{run_of_last}.json"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, record(run_of_last, &keys).to_string()).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(600);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(long_ago).unwrap();
    let output = run(3..5);
    assert!(
        output
            .stderr
            .contains("taking back the rows that a run which died did not acknowledge"),
        "{}",
        output.report()
    );
    assert_eq!(ids(&table(lake.path(), "t").1), [0, 1, 2, 3, 4]);
    assert_eq!(left(lake.path()).0, ["t.json"]);
}

#[test]
fn a_signal_ends_the_wait_for_the_checkpoint_of_another_run() {
    let fake = Fake::start();
    append(&fake, 0..3);
    let all = people("people", "append");
    fake.fault_on("PutObject", "/lake/test/people/", 1, Fault::KillAfter);
    let input = rows(3..5) + &state("people", 1);
    let output = fake.write(&all).stdin(input).run();
    assert_eq!(output.status.code(), None, "{}", output.report());
    fake.bury_runs();
    let calls = fake.calls().len();
    let running = Program::write(&fake.config(), &all).start();
    // It reads the record again each second.
    let reads = || {
        let calls = fake.calls().split_off(calls);
        calls.iter().filter(|call| *call == "GetObject").count()
    };
    let started = std::time::Instant::now();
    while reads() < 2 {
        assert!(started.elapsed().as_secs() < 60, "it does not wait");
        std::thread::sleep(Duration::from_millis(20));
    }
    let sent = std::time::Instant::now();
    running.signal(rustix::process::Signal::TERM);
    let output = running.finish_after_signal();
    assert_eq!(output.status.code(), Some(143), "{}", output.report());
    assert!(sent.elapsed() < Duration::from_secs(5));
    assert!(fake.has_open_record());
}

#[test]
fn a_signal_ends_the_deletion_of_many_objects_and_a_later_run_goes_on() {
    let fake = Fake::with(Options {
        delay: Duration::from_millis(400),
        ..Options::default()
    });
    append(&fake, 0..3);
    let key = fake.data_objects().remove(0);
    let name = key.trim_end_matches("000001.jsonl.gz");
    let body = fake.store().bucket.objects[&key].clone();
    let more = (2..=8000).map(|number| (format!("{name}{number:06}.jsonl.gz"), body.clone()));
    fake.store().bucket.objects.extend(more);
    let overwrite = people("people", "overwrite");
    let mut running = fake.write(&overwrite).start();
    running.feed(rows(10..12) + &state("people", 1));
    running.close();
    // The swap is done, and the old rows are being deleted.
    let started = std::time::Instant::now();
    while fake.data_objects().len() > 7500 {
        assert!(started.elapsed().as_secs() < 60, "nothing is deleted");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = std::time::Instant::now();
    running.signal(rustix::process::Signal::TERM);
    let output = running.finish_after_signal();
    assert!(sent.elapsed() < Duration::from_secs(5));
    // Its rows are published and acknowledged: a caller who took it for failed would send them again.
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    assert!(
        warns(&output, "objects of superseded generations are left"),
        "{}",
        output.report()
    );
    assert_eq!(output.states().len(), 1, "{}", output.report());
    assert_rows(&fake, 10..12);
    assert!(fake.data_objects().len() > 1000, "it deleted all of them");
    let output = fake.write(&overwrite).stdin(rows(20..22)).run();
    output.succeeded();
    assert_rows(&fake, 20..22);
    assert_eq!(fake.data_objects().len(), 1);
}
