//! `plan` says what `write` and `load` would do, touches nothing, and is right.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::generations::{refresh, rows};
use crate::support::fake::{Fake, Fault};
use crate::support::messages::{catalog, complete, people, person, state, stream};
use crate::support::program::{Output, Program};

/// `plan` of a catalog in the scripted server.
fn plan(fake: &Fake, catalog: &Value, form: &[&str]) -> Output {
    let mut program = Program::new(&[
        "plan",
        "--config",
        "config.json",
        "--catalog",
        "catalog.json",
    ])
    .file("config.json", &fake.config().to_string())
    .file("catalog.json", &catalog.to_string())
    .env("WORKER_JOB_ID", &job(catalog))
    .env("WORKER_JOB_ATTEMPT", "0");
    for argument in form {
        program = program.argument(argument);
    }
    program.run()
}

fn json_of(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    assert_eq!(output.stderr, "", "{}", output.report());
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn a_new_table_is_described_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let schema = json!({"properties": {
        "id": {"type": "integer"},
        "Über Größe": {"type": "number"},
        "payload": {"type": "object"},
        "a b": {"type": "string", "format": "date"},
        "A_B": {"type": "boolean"},
    }});
    let output = Program::new(&["plan", "--table", "My Events", "--schema", "schema.json"])
        .file("schema.json", &schema.to_string())
        .local(&lake)
        .run();
    assert_eq!(output.status.code(), Some(0), "{}", output.report());
    let location = format!("file://{}/objects/default/my_events/<run>/", lake.display());
    let expected = format!(
        "\
stream \"My Events\": table default.my_events
  creates the database default
  creates the table at {location}
  notes
    $[\"Über Größe\"] is named uber_gro_e
    $[\"a b\"] is named a_b_c8687a08
    $.A_B is named a_b_6c1908f9
    $.payload is kept as JSON text: the object declares no properties
  columns
    id             bigint   $.id
    uber_gro_e     double   $[\"Über Größe\"]
    payload        string   $.payload
    a_b_c8687a08   date     $[\"a b\"]
    a_b_6c1908f9   boolean  $.A_B
    _rescued_data  string   (added by the program)
"
    );
    assert_eq!(output.stdout, expected);
    assert!(!lake.exists());
}

#[test]
fn an_existing_table_is_compared_and_then_becomes_what_was_planned() {
    let fake = Fake::start();
    let run = |catalog: &Value| fake.write(catalog).stdin(person("people", 1)).run();
    run(&people("people", "append")).succeeded();
    let before = (fake.journal().lines().len(), fake.calls().len());
    let properties =
        json!({"name": {"type": "string"}, "id": {"type": "number"}, "new": {"type": "boolean"}});
    let wider = catalog(&[stream("people", "append", &properties)]);
    let planned = json_of(&plan(&fake, &wider, &["--json"]));
    let planned = &planned["streams"][0];
    assert_eq!(planned["action"], "change");
    assert_eq!(
        planned["changes"],
        json!([{"column": "id", "from": "bigint", "to": "double"}, {"column": "new", "to": "boolean"}])
    );
    assert_eq!(fake.journal().lines().len(), before.0);
    let calls = fake.calls().split_off(before.1);
    assert!(
        calls
            .iter()
            .all(|call| call.starts_with("Get") || call == "ListObjectsV2"),
        "{calls:?}"
    );
    run(&wider).succeeded();
    let table = fake
        .store()
        .catalog
        .table("test", "people")
        .unwrap()
        .clone();
    let columns = table["StorageDescriptor"]["Columns"].as_array().unwrap();
    let planned_columns = planned["columns"].as_array().unwrap();
    let pairs = |columns: &[Value], name: &str, of: &str| -> Vec<(Value, Value)> {
        let pair = |column: &Value| (column[name].clone(), column[of].clone());
        columns.iter().map(pair).collect()
    };
    assert_eq!(
        pairs(columns, "Name", "Type"),
        pairs(planned_columns, "name", "type")
    );
    assert_eq!(planned["location"], table["StorageDescriptor"]["Location"]);
    let again = json_of(&plan(&fake, &wider, &["--json"]));
    assert_eq!(again["streams"][0]["action"], "append");
}

#[test]
fn the_plan_of_an_overwrite_names_what_it_replaces() {
    let fake = Fake::start();
    let run = |catalog: &Value| fake.write(catalog).stdin(person("people", 1)).run();
    run(&people("people", "append")).succeeded();
    let planned = json_of(&plan(&fake, &people("people", "overwrite"), &["--json"]));
    let planned = &planned["streams"][0];
    assert_eq!(planned["action"], "replace");
    let table = fake
        .store()
        .catalog
        .table("test", "people")
        .unwrap()
        .clone();
    assert_eq!(planned["replaces"], table["StorageDescriptor"]["Location"]);
    let location = planned["location"].as_str().unwrap();
    assert!(location.ends_with("/people/<run>/"), "{location}");
}

/// What a lake looks like before a sync.
type Prepare = fn(&Fake);

fn run(fake: &Fake, catalog: &Value, input: String) -> Output {
    fake.write(catalog)
        .env("WORKER_JOB_ID", &job(catalog))
        .env("WORKER_JOB_ATTEMPT", "0")
        .stdin(input)
        .run()
}

/// The platform's number of the job.
fn job(catalog: &Value) -> String {
    catalog["streams"][0]["sync_id"]
        .as_u64()
        .unwrap_or(70)
        .to_string()
}

fn append(fake: &Fake, ids: std::ops::Range<u64>) {
    run(fake, &people("people", "append"), rows(ids)).succeeded();
}

/// A run of this catalog is killed at its first call of the operation for the resource.
fn killed(fake: &Fake, catalog: &Value, operation: &str, resource: &str) {
    fake.fault_on(operation, resource, 1, Fault::KillAfter);
    let input = rows(50..52) + &state("people", 9) + &complete("people");
    let output = run(fake, catalog, input);
    assert_eq!(output.status.code(), None, "{}", output.report());
}

/// How many objects each folder has, but for control objects.
fn folders(fake: &Fake) -> BTreeMap<String, u64> {
    let mut folders = BTreeMap::new();
    for key in fake.data_objects() {
        let (folder, _) = key.rsplit_once('/').unwrap();
        *folders
            .entry(format!("s3://test-lake/{folder}/"))
            .or_default() += 1;
    }
    folders
}

/// The folders of a plan's list, each with the number of its objects.
fn listed(list: &Value) -> BTreeMap<String, u64> {
    let entries = list.as_array().unwrap().iter();
    let entry = |entry: &Value| {
        (
            entry["location"].as_str().unwrap().to_owned(),
            entry["objects"].as_u64().unwrap(),
        )
    };
    entries.map(entry).collect()
}

#[test]
fn a_sync_deletes_what_its_plan_named_and_nothing_else() {
    const KEYS: &str = "/lake/test/people/";
    let overwrite = people("people", "overwrite");
    let one_folder: Prepare = |fake| {
        append(fake, 0..3);
        append(fake, 3..5);
    };
    let shared: Prepare = |fake| {
        append(fake, 0..3);
        let input = fake.store().catalog.table("test", "people").cloned();
        fake.add_tables("other", vec![("twin".to_owned(), input.unwrap())]);
    };
    let died_unpublished: Prepare = |fake| {
        append(fake, 0..3);
        killed(fake, &people("people", "overwrite"), "PutObject", KEYS);
    };
    let died_after_its_swap: Prepare = |fake| {
        append(fake, 0..3);
        killed(fake, &people("people", "overwrite"), "UpdateTable", "");
    };
    let died_in_a_checkpoint: Prepare = |fake| {
        append(fake, 0..3);
        killed(fake, &people("people", "append"), "PutObject", KEYS);
    };
    let unfinished: Prepare = |fake| {
        append(fake, 0..3);
        run(fake, &refresh(2, 2), rows(5..7) + &state("people", 1)).failed();
    };
    let of_another_job = {
        let mut catalog = refresh(3, 3);
        catalog["streams"][0]["sync_id"] = 71.into();
        catalog
    };
    // How many objects are deleted, left and taken back.
    for (name, prepare, next, expected) in [
        ("one folder", one_folder, &overwrite, [2, 0, 0]),
        (
            "nothing",
            one_folder,
            &people("people", "append"),
            [0, 0, 0],
        ),
        ("shared", shared, &overwrite, [0, 1, 0]),
        ("unpublished", died_unpublished, &overwrite, [1, 0, 1]),
        (
            "unpublished",
            died_unpublished,
            &people("people", "append"),
            [0, 0, 1],
        ),
        ("swapped", died_after_its_swap, &overwrite, [1, 0, 1]),
        (
            "swapped",
            died_after_its_swap,
            &people("people", "append"),
            [0, 0, 1],
        ),
        ("checkpoint", died_in_a_checkpoint, &overwrite, [1, 0, 1]),
        (
            "checkpoint",
            died_in_a_checkpoint,
            &people("people", "append"),
            [0, 0, 1],
        ),
        ("resumed", unfinished, &refresh(2, 2), [1, 0, 0]),
        ("superseded", unfinished, &refresh(3, 3), [2, 0, 0]),
        ("of another job", unfinished, &of_another_job, [1, 1, 0]),
        ("cancelled", unfinished, &refresh(3, 0), [1, 0, 0]),
    ] {
        let fake = Fake::start();
        prepare(&fake);
        fake.clock().forward(Duration::from_secs(3 * 24 * 3600));
        foretold(&fake, name, next, expected);
    }
}

/// Plans the sync and does it: so many objects are deleted, left and taken back, and they are those of the plan.
fn foretold(fake: &Fake, name: &str, next: &Value, expected: [u64; 3]) {
    let before = folders(fake);
    let keys = fake.data_objects();
    let everything = fake.store().bucket.objects.clone();
    let planned = json_of(&plan(fake, next, &["--json"]));
    assert_eq!(fake.store().bucket.objects, everything, "{name}");
    let input = rows(20..23) + &state("people", 3) + &complete("people");
    let output = run(fake, next, input);
    output.succeeded();
    let after = folders(fake);
    let stream = &planned["streams"][0];
    let (doomed, leaves) = (listed(&stream["deletes"]), listed(&stream["leaves"]));
    let runs = planned["takes_back"].as_array().unwrap();
    let taken: u64 = runs
        .iter()
        .map(|run| run["objects"].as_u64().unwrap())
        .sum();
    let taken_of = |folder: &str| {
        let folder = &folder["s3://test-lake/".len()..];
        let is_of_a_run = |name: &str| {
            let mut runs = runs.iter();
            runs.any(|run| name.starts_with(run["run"].as_str().unwrap()))
        };
        let names = keys.iter().filter_map(|key| key.strip_prefix(folder));
        names.filter(|name| is_of_a_run(name)).count() as u64
    };
    let sums = [doomed.values().sum(), leaves.values().sum(), taken];
    assert_eq!(sums, expected, "{name}: {planned:#}");
    // A cancelled refresh's rows are copied before they are deleted.
    let copied = u64::from(name == "cancelled");
    for (folder, count) in &before {
        let deleted = doomed.get(folder).copied().unwrap_or(0);
        let is_shown = u64::from(stream["location"] == **folder);
        let expected = count + is_shown * (1 + copied) - deleted - taken_of(folder);
        let left = after.get(folder).copied().unwrap_or(0);
        assert_eq!(left, expected, "{name}: {folder}: {planned:#}");
        let folder = &folder["s3://test-lake/".len()..];
        let logged = format!("folder={folder} objects={deleted}");
        let is_logged = output.stdout.contains(&logged);
        assert_eq!(is_logged, deleted > 0, "{}", output.report());
    }
    let total = |folders: &BTreeMap<String, u64>| folders.values().sum::<u64>();
    let expected = total(&before) + copied + 1 - sums[0] - taken;
    assert_eq!(total(&after), expected, "{name}");
}

#[test]
fn the_plan_says_in_words_what_is_deleted_left_and_taken_back() {
    let fake = Fake::start();
    append(&fake, 0..3);
    let input = fake
        .store()
        .catalog
        .table("test", "people")
        .cloned()
        .unwrap();
    let location = input["StorageDescriptor"]["Location"].clone();
    let location = location.as_str().unwrap();
    killed(
        &fake,
        &people("people", "overwrite"),
        "PutObject",
        "/lake/test/people/",
    );
    killed(&fake, &people("people", "append"), "PutObject", "/people/");
    // The generation of the first one, whose rows the second has taken back, gets an object that no record names.
    let made = fake.store().bucket.made.clone();
    let is_late = |key: &&String| {
        key.contains("/people/") && !format!("s3://test-lake/{key}").starts_with(location)
    };
    let late = made
        .iter()
        .filter(|key| !key.contains("/_datalake/"))
        .find(is_late);
    let late = late.unwrap().replace("000001.", "000009.");
    fake.store().bucket.objects.insert(late, Vec::new());
    fake.add_tables("other", vec![("twin".to_owned(), input)]);
    fake.bury_runs();
    fake.clock().forward(Duration::from_secs(3 * 24 * 3600));
    let output = plan(&fake, &people("people", "overwrite"), &[]);
    let made = fake.store().bucket.made.clone();
    let [dead, taken] = [2, 1].map(|back| {
        let objects = made
            .iter()
            .filter(|key| key.contains("/people/") && !key.contains("/_datalake/"));
        objects
            .rev()
            .nth(back - 1)
            .unwrap()
            .rsplit_once('/')
            .unwrap()
    });
    let run = &taken.1[.."20261122T091551123Z-0123456789ab".len()];
    let expected = format!(
        "\
stream \"people\": table test.people
  replaces the rows at {location}
  with those at s3://test-lake/lake/test/people/<run>/
  deletes at the end
    1 object of s3://test-lake/{}/
  leaves
    1 object of {location}: the table other.twin is located at {location}
  columns
    id             bigint  $.id
    name           string  $.name
    _rescued_data  string  (added by the program)

run {run} died: takes back what it did not acknowledge of table test.people (1 object)
",
        dead.0
    );
    assert_eq!(output.stdout, expected);
}

#[test]
fn what_a_sync_would_refuse_is_reported_with_an_exit_code() {
    let fake = Fake::start();
    fake.write(&people("people", "append"))
        .stdin("")
        .run()
        .succeeded();
    fake.edit_table("people", |input| input["TableType"] = "VIRTUAL_VIEW".into());
    let output = plan(&fake, &people("people", "append"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    assert!(
        output.stdout.contains(
            "fails: the table test.people has TableType = \"VIRTUAL_VIEW\": it is a view"
        ),
        "{}",
        output.report()
    );
    let twins = catalog(&[
        stream("people", "append", &json!({})),
        stream("People", "append", &json!({})),
    ]);
    let output = plan(&fake, &twins, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", output.report());
    assert!(
        output.stderr.contains("must not share a table"),
        "{}",
        output.report()
    );
}
