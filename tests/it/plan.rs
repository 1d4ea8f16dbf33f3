//! `plan` says what `write` and `load` would do, touches nothing, and is right.

use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::messages::{catalog, people, person, stream};
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
    .file("catalog.json", &catalog.to_string());
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
            .all(|call| call.starts_with("Get") || call == "AssumeRole"),
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
