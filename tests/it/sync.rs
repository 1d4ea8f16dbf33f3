//! Whole syncs into moto, read back through the catalog by AWS's client and DuckDB.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::cloud::{Account, Table, Tools, tools};
use crate::support::messages::{catalog, line, people, person, record, state, stream};
use crate::support::{fixture, program::Program};

fn faker() -> (Value, String) {
    let catalog = serde_json::from_str(&fixture("faker/catalog.json")).unwrap();
    (catalog, fixture("faker/messages.jsonl"))
}

/// The records of the messages, by stream.
fn records(messages: &str) -> BTreeMap<String, Vec<Value>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for line in messages.lines() {
        let mut message: Value = serde_json::from_str(line).unwrap();
        if message["type"] == "RECORD" {
            let stream = message["record"]["stream"].as_str().unwrap().to_owned();
            found
                .entry(stream)
                .or_default()
                .push(message["record"]["data"].take());
        }
    }
    found
}

#[test]
fn the_faker_stream_becomes_three_tables_that_hold_what_was_sent() {
    let account = Account::new();
    let (catalog, messages) = faker();
    let output = account.write(&catalog).stdin(messages.as_bytes()).run();
    output.succeeded();

    let timestamp = |name| (name, "timestamp");
    let text = |name| (name, "string");
    let number = |name| (name, "bigint");
    let expected: [(&str, Vec<(&str, &str)>); 3] = [
        (
            "products",
            vec![
                number("id"),
                text("make"),
                text("model"),
                number("year"),
                ("price", "double"),
                timestamp("created_at"),
                timestamp("updated_at"),
            ],
        ),
        (
            "users",
            vec![
                number("id"),
                timestamp("created_at"),
                timestamp("updated_at"),
                text("name"),
                text("title"),
                number("age"),
                text("email"),
                text("telephone"),
                text("gender"),
                text("language"),
                text("academic_degree"),
                text("nationality"),
                text("occupation"),
                text("height"),
                text("blood_type"),
                number("weight"),
                (
                    "address",
                    "struct<street_number:string,street_name:string,city:string,state:string,province:string,\
                     postal_code:string,country_code:string>",
                ),
            ],
        ),
        (
            "purchases",
            vec![
                number("id"),
                number("user_id"),
                number("product_id"),
                timestamp("created_at"),
                timestamp("updated_at"),
                timestamp("added_to_cart_at"),
                timestamp("purchased_at"),
                timestamp("returned_at"),
            ],
        ),
    ];
    let sent = records(&messages);
    for (name, columns) in expected {
        let table = account.read(name);
        let found: Vec<_> = table
            .columns
            .iter()
            .map(|(name, kind)| (name.as_str(), kind.as_str()))
            .collect();
        assert_eq!(found[..columns.len()], columns, "columns of {name}");
        assert_same_values(&table, &sent[name]);
    }
}

/// Every record is stored once, with the same values as far as JSON and DuckDB spell them alike.
#[track_caller]
fn assert_same_values(table: &Table, sent: &[Value]) {
    assert_eq!(table.rows.len(), sent.len());
    let rows: BTreeMap<_, _> = table
        .rows
        .iter()
        .map(|row| (row["id"].as_i64().unwrap(), row))
        .collect();
    for record in sent {
        let row = rows[&record["id"].as_i64().unwrap()];
        for (name, value) in record.as_object().unwrap() {
            let found = &row[name];
            match value {
                Value::Number(number) => {
                    assert_eq!(found.as_f64(), number.as_f64(), "{name} of {record}");
                }
                Value::String(text) if name.ends_with("_at") => {
                    // DuckDB's form, of a zone that is UTC in all of faker's records.
                    let expected = text.replace('T', " ").replace("+00:00", "");
                    assert_eq!(found, &expected, "{name} of {record}");
                }
                _ => assert_eq!(found, value, "{name} of {record}"),
            }
        }
    }
}

#[test]
fn the_faker_states_come_back_once_and_in_order_with_counts() {
    let account = Account::new();
    let (catalog, messages) = faker();
    let output = account.write(&catalog).stdin(messages.as_bytes()).run();
    output.succeeded();
    let mut expected = Vec::new();
    for line in messages.lines() {
        let mut message: Value = serde_json::from_str(line).unwrap();
        if message["type"] == "STATE" {
            let count = message["state"]["sourceStats"]["recordCount"].clone();
            message["state"]["destinationStats"] = json!({"recordCount": count});
            expected.push(message["state"].take());
        }
    }
    let mut found: Vec<Value> = output.states().into_iter().cloned().collect();
    for state in &mut found {
        let stats = state["destinationStats"].as_object_mut().unwrap();
        stats.retain(|name, _| name == "recordCount");
    }
    assert_eq!(found, expected, "{}", output.report());
}

#[test]
fn a_second_run_appends_and_an_overwrite_replaces() {
    let account = Account::new();
    let append = people("people", "append");
    let run = |catalog: &Value, ids: std::ops::Range<u64>| {
        let mut input: String = ids.map(|id| person("people", id)).collect();
        input += &state("people", 1);
        account
            .write(catalog)
            .stdin(input)
            .run()
            .succeeded()
            .exited(0);
    };
    run(&append, 0..10);
    run(&append, 10..30);
    assert_eq!(
        account.read("people").column("id"),
        (0..30).collect::<Vec<_>>()
    );
    run(&people("people", "overwrite"), 100..105);
    let table = account.read("people");
    assert_eq!(table.column("id"), (100..105).collect::<Vec<_>>());
    // Nothing of the old generation stays in the bucket, and nothing beside the table's objects.
    assert_eq!(account.keys_in_bucket(), table.objects);
    // An append after an overwrite goes to what the table shows.
    run(&append, 105..110);
    assert_eq!(
        account.read("people").column("id"),
        (100..110).collect::<Vec<_>>()
    );
    assert_eq!(account.read("people").location, table.location);
}

#[test]
fn objects_and_location_follow_the_layout() {
    let account = Account::new();
    let input = person("people", 1) + &state("people", 1);
    account
        .write(&people("people", "append"))
        .stdin(input)
        .run()
        .succeeded();
    let table = account.read("people");
    let root = format!("s3://{}/lake/{}/people/", account.bucket, account.database);
    let generation = table
        .location
        .strip_prefix(&root)
        .expect(&table.location)
        .trim_end_matches('/');
    assert!(
        !generation.contains('/') && !generation.is_empty(),
        "{}",
        table.location
    );
    assert_eq!(table.objects.len(), 1);
    let key = &table.objects[0];
    let folder = format!("lake/{}/people/{generation}/", account.database);
    let object = key.strip_prefix(&folder).expect(key);
    assert!(
        object.ends_with(".jsonl.gz") && !object.contains('/'),
        "{key}"
    );
    assert!(!object.starts_with(['_', '.']), "engines hide {key}");
}

/// A place with the table `people` and one row in it.
fn with_one_person() -> Account {
    let account = Account::new();
    account
        .write(&people("people", "append"))
        .stdin(person("people", 1))
        .run()
        .succeeded();
    account
}

#[test]
fn the_catalog_entry_has_what_engines_need() {
    let account = with_one_person();
    let table = tools().call(
        "definition",
        json!({"database": account.database, "table": "people"}),
    );
    assert_eq!(table["TableType"], "EXTERNAL_TABLE");
    assert_eq!(table["PartitionKeys"], json!([]));
    assert_eq!(table["Parameters"]["classification"], "json");
    let storage = &table["StorageDescriptor"];
    assert_eq!(
        storage["SerdeInfo"]["SerializationLibrary"],
        "org.openx.data.jsonserde.JsonSerDe"
    );
    assert_eq!(
        storage["InputFormat"],
        "org.apache.hadoop.mapred.TextInputFormat"
    );
    assert_eq!(
        storage["OutputFormat"],
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
    );
}

#[test]
fn a_table_is_made_when_no_record_came() {
    let account = Account::new();
    account.write(&people("people", "append")).run().succeeded();
    let table = account.read("people");
    assert!(table.rows.is_empty() && table.objects.is_empty());
    assert_eq!(table.columns[0], ("id".to_owned(), "bigint".to_owned()));
    assert_eq!(account.keys_in_bucket(), Vec::<String>::new());
}

#[test]
fn uncompressed_objects_hold_plain_lines() {
    let account = Account::new();
    let mut config = account.config();
    config["format"] = json!({"format_type": "JSONL", "compression_codec": "UNCOMPRESSED"});
    let input = person("people", 1) + &state("people", 1);
    Program::write(&config, &people("people", "append"))
        .stdin(input)
        .run()
        .succeeded();
    let table = account.read("people");
    assert_eq!(table.column("id"), [1]);
    assert!(!table.objects[0].ends_with("gz"), "{:?}", table.objects);
}

#[test]
fn namespaces_are_databases_and_streams_of_one_name_stay_apart() {
    let account = Account::new();
    let properties = json!({"id": {"type": "integer"}});
    let (mut here, mut there) = (
        stream("people", "append", &properties),
        stream("people", "append", &properties),
    );
    let other = format!("{}_other", account.database);
    there["stream"]["namespace"] = other.clone().into();
    here["stream"]["namespace"] = Value::Null;
    let mut input = String::new();
    for id in 0..7 {
        let mut message: Value =
            serde_json::from_str(&record("people", &json!({"id": id}))).unwrap();
        if id < 3 {
            message["record"]["namespace"] = other.clone().into();
        }
        input += &line(&message);
    }
    account
        .write(&catalog(&[here, there]))
        .stdin(input)
        .run()
        .succeeded();
    assert_eq!(account.read("people").column("id"), [3, 4, 5, 6]);
    assert_eq!(Account::read_from(&other, "people").column("id"), [0, 1, 2]);
}

#[test]
fn a_new_column_is_appended_and_old_rows_stay_readable() {
    let account = with_one_person();
    let wider = stream(
        "people",
        "append",
        &json!({"age": {"type": "integer"}, "id": {"type": "integer"}, "name": {"type": "string"}}),
    );
    let input = record("people", &json!({"id": 2, "age": 40}));
    account
        .write(&catalog(&[wider]))
        .stdin(input)
        .run()
        .succeeded();
    let table = account.read("people");
    let names: Vec<_> = table
        .columns
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let place = |name| names.iter().position(|column| *column == name).expect(name);
    assert!(
        place("id") < place("name") && place("name") < place("age"),
        "{names:?}"
    );
    assert_eq!(table.column("id"), [1, 2]);
}

#[test]
fn a_reader_during_an_overwrite_sees_the_old_set_or_the_new_one_whole() {
    let account = Account::new();
    let row = |batch: &str, id| record("people", &json!({"id": id, "name": batch}));
    let batch = |name: &str| -> String { (0..500).map(|id| row(name, id)).collect() };
    let input = batch("old") + &state("people", 1);
    account
        .write(&people("people", "append"))
        .stdin(input)
        .run()
        .succeeded();

    let reader = Tools::new();
    let watched = json!({"database": account.database, "table": "people", "column": "name"});
    reader.call("watch", watched);
    let mut running = account.write(&people("people", "overwrite")).start();
    let new = batch("new");
    for lines in new.lines().collect::<Vec<_>>().chunks(100) {
        running.feed(lines.join("\n") + "\n");
        running.feed(state("people", 2));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    running.finish().succeeded();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let looks = reader.call("watched_so_far", json!({}));
    let looks = looks.as_array().unwrap();
    let whole = |name: &str| json!({"seen": {name: 500}});
    let count = |look: &Value| looks.iter().filter(|seen| *seen == look).count();
    let (old, new, gone) = (
        count(&whole("old")),
        count(&whole("new")),
        count(&json!({"gone": true})),
    );
    assert_eq!(old + new + gone, looks.len(), "{looks:?}");
    assert!(old > 0 && new > 0, "{looks:?}");
    assert!(
        looks.is_sorted_by_key(|look| look == &whole("new")),
        "the old set came back: {looks:?}"
    );
}

#[test]
fn a_role_is_assumed_with_the_identity_of_the_environment() {
    let assume = json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]);
    let account = Account::with(assume.as_array().unwrap());
    tools().call("bucket", json!({"name": account.bucket}));
    let user = format!("arn:aws:iam::123456789012:user/{}", account.name);
    let role = json!({"name": format!("{}-role", account.name), "trusted": user, "statements": Account::needed()});
    let role = tools().call("role", role);
    let mut config = account.config();
    config["credentials"] = json!({"credentials_title": "IAM Role", "role_arn": role});
    let (key, secret) = account.keys();
    let input = person("people", 1) + &state("people", 1);
    let program = |program: Program| {
        program
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
    };
    program(Program::write(&config, &people("people", "append")))
        .stdin(input)
        .run()
        .succeeded();
    assert_eq!(account.read("people").column("id"), [1]);
    let (connected, message) = program(Program::check(&config)).run().connection();
    assert!(connected, "{message}");
    // The same user without the role may do nothing.
    let (connected, message) = account.check().run().connection();
    assert!(!connected && message.contains("403"), "{message}");
}

#[test]
fn endpoints_of_the_environment_are_honored() {
    for names in [
        &["AWS_ENDPOINT_URL"][..],
        &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_GLUE"],
    ] {
        let account = Account::new();
        let mut config = account.config();
        config.as_object_mut().unwrap().remove("endpoint_url");
        // A role would ask STS, for which there is no endpoint here.
        config["credentials"] = account.user();
        let input = person("people", 1);
        let mut program = Program::write(&config, &people("people", "append")).stdin(input);
        for name in names {
            let endpoint = match *name {
                "AWS_ENDPOINT_URL_S3" => Account::s3_endpoint(),
                _ => Account::endpoint(),
            };
            program = program.env(name, endpoint);
        }
        program.run().succeeded();
        assert_eq!(account.read("people").column("id"), [1]);
    }
}

#[test]
fn a_local_lake_needs_no_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "credentials": {"credentials_title": "IAM User", "aws_access_key_id": "none", "aws_secret_access_key": "none"},
        "region": "us-east-1", "bucket_name": "bucket", "lakeformation_database_name": "shop",
    });
    let (catalog, messages) = faker();
    let output = Program::write(&config, &catalog)
        .local(folder.path())
        .stdin(messages.as_bytes())
        .run();
    output.succeeded();
    assert_eq!(output.states().len(), 7);
    let (connected, message) = Program::check(&config)
        .local(folder.path())
        .run()
        .connection();
    assert!(connected, "{message}");
}

#[test]
fn a_column_of_ours_that_somebody_else_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, messages) = faker();
    let config = json!({"lakeformation_database_name": "shop"});
    let sync = || {
        let program = Program::write(&config, &catalog).local(folder.path());
        program.stdin(messages.as_bytes()).run()
    };
    sync().succeeded();
    let entry = folder.path().join("catalog/shop/users.json");
    let text = std::fs::read_to_string(&entry).unwrap();
    let mut table: Value = serde_json::from_str(&text).unwrap();
    let columns = table["StorageDescriptor"]["Columns"]
        .as_array_mut()
        .unwrap();
    *columns.last_mut().unwrap() = json!({"Name": "_rescued_data", "Type": "array<string>"});
    std::fs::write(&entry, table.to_string()).unwrap();
    let output = sync();
    let error = output.failed().to_string();
    for part in [
        "config_error",
        "_rescued_data of type array<string>",
        "set rescued_data_column",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
