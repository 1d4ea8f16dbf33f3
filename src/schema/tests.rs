//! Column schemas held to cases in `fixtures/schema` and to laws on generated input.

use serde_json::{Value, json};

use crate::schema::Rules;
use crate::schema::evolve::{Terms, reconcile};
use crate::schema::hive::parse;
use crate::schema::readable::reads;
use crate::schema::{
    Column, Field, LONGEST_TYPE, Note, Numbers, Source, Type, Why, column, name, note, read,
};

mod growth;
mod laws;

/// Every case of a file; a failure names the case.
fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("a fixture is a list of cases")
}

fn strings(list: &Value) -> Vec<&str> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().map(|item| item.as_str().unwrap()).collect()
}

fn lines(notes: &[Note]) -> Vec<String> {
    notes.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_notes(case: &Value, notes: &[Note]) {
    assert_eq!(lines(notes), strings(&case["notes"]), "{}", case["is"]);
}

/// The notes of a schema and those on its names, in the order of their texts.
#[track_caller]
fn check_all_notes(case: &Value, schema: &read::Schema) {
    let mut notes = lines(&note::renames(&from_properties(&schema.fields)));
    notes.append(&mut lines(&schema.notes));
    notes.sort();
    let mut wanted = strings(&case["notes"]);
    wanted.sort_unstable();
    assert_eq!(notes, wanted, "{}", case["is"]);
}

fn columns(fields: &[Field], source: Source) -> Vec<Column> {
    let column = |field: &Field| Column::new(field.clone(), source);
    fields.iter().map(column).collect()
}

fn from_properties(fields: &[Field]) -> Vec<Column> {
    columns(fields, Source::Property)
}

fn unrecorded(fields: &[Field]) -> Vec<Column> {
    columns(fields, Source::Unrecorded)
}

#[test]
fn each_form_of_a_property_has_its_type() {
    for case in cases(include_str!("../../fixtures/schema/types.json")) {
        let schema =
            json!({"properties": {"a": case["property"]}, "definitions": case["definitions"]});
        let double = read(&schema, Numbers::Double, &[]);
        let decimal = read(&schema, Numbers::Decimal, &[]);
        assert_eq!(
            double.fields[0].data_type.to_string(),
            case["type"],
            "{}",
            case["is"]
        );
        let wanted = case.get("decimal").unwrap_or(&case["type"]);
        assert_eq!(
            decimal.fields[0].data_type.to_string(),
            *wanted,
            "{} in decimals",
            case["is"]
        );
        check_all_notes(&case, &double);
        check_all_notes(&case, &decimal);
    }
}

#[test]
fn each_form_of_a_schema_has_its_columns() {
    for case in cases(include_str!("../../fixtures/schema/schemas.json")) {
        let schema = read(
            &case["schema"],
            Numbers::Double,
            &strings(&case["reserved"]),
        );
        assert_eq!(written(&schema.fields), case["columns"], "{}", case["is"]);
        check_all_notes(&case, &schema);
    }
}

#[test]
fn rows_are_read_under_types_that_hold_them_and_no_others() {
    let column = |data_type: &str| {
        vec![Field {
            key: "a".to_owned(),
            name: "a".to_owned(),
            data_type: parse(data_type),
        }]
    };
    for (table, written, is_read) in [
        ("bigint", "bigint", true),
        ("bigint", "int", true),
        ("int", "bigint", false),
        ("double", "bigint", true),
        ("bigint", "double", false),
        ("decimal(38,18)", "bigint", true),
        ("string", "timestamp", true),
        ("timestamp", "string", false),
        ("timestamp", "date", false),
        ("string", "array<int>", false),
        ("array<string>", "array<date>", true),
        ("struct<x:int,y:string>", "struct<y:date>", true),
        ("struct<y:date>", "struct<y:date,x:int>", false),
    ] {
        let read = reads(
            &unrecorded(&column(table)),
            &unrecorded(&column(written)),
            Rules::JsonSerde,
        );
        assert_eq!(read, is_read, "{written} under {table}");
    }
    assert!(reads(&unrecorded(&column("int")), &[], Rules::JsonSerde));
    assert!(!reads(&[], &unrecorded(&column("int")), Rules::JsonSerde));
}

#[test]
fn each_pair_of_table_and_stream_is_reconciled() {
    for case in cases(include_str!("../../fixtures/schema/evolve.json")) {
        let table: Vec<Field> = case["table"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| Field {
                key: column[0].as_str().unwrap().to_string(),
                name: column[0].as_str().unwrap().to_string(),
                data_type: parse(column[1].as_str().unwrap()),
            })
            .collect();
        let reconciled = reconcile(
            &unrecorded(&table),
            &from_properties(&fields(&case["stream"])),
            Terms::declared(Rules::JsonSerde),
        );
        assert_eq!(
            written(&column::fields(&reconciled.columns)),
            case["fields"],
            "{}",
            case["is"]
        );
        assert_eq!(reconciled.changed, case["changed"], "{}", case["is"]);
        check_notes(&case, &reconciled.notes);
    }
}

fn written(fields: &[Field]) -> Value {
    fields
        .iter()
        .map(|field| json!([field.key, field.name, field.data_type.to_string()]))
        .collect()
}

/// Columns as `[key, name, type]`, a type being its text or the fields of a struct.
fn fields(list: &Value) -> Vec<Field> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|field| Field {
            key: field[0].as_str().unwrap().to_string(),
            name: field[1].as_str().unwrap().to_string(),
            data_type: match &field[2] {
                Value::String(text) => parse(text),
                nested => Type::Struct(fields(nested)),
            },
        })
        .collect()
}

#[test]
fn ten_thousand_properties_are_ten_thousand_columns() {
    let properties: serde_json::Map<String, Value> = (0..10_000)
        .map(|n| {
            (
                format!("Property {n}"),
                json!({"type": ["null", "integer"]}),
            )
        })
        .collect();
    let schema = read(&json!({"properties": properties}), Numbers::Double, &[]);
    assert_eq!(schema.fields.len(), 10_000);
    assert_eq!(schema.fields[9_999].name, "property_9999");
    assert_eq!(schema.fields[9_999].data_type.to_string(), "bigint");
}

fn nested(depth: usize) -> Value {
    let mut schema = json!({"type": "integer"});
    for _ in 0..depth {
        let properties = Value::Object([("a".to_string(), schema)].into_iter().collect());
        let parts = [("properties".to_string(), properties)];
        schema = Value::Object(parts.into_iter().collect());
    }
    schema
}

#[test]
fn a_hundred_levels_are_read_and_more_than_the_limit_are_text() {
    let schema = read(&nested(100), Numbers::Double, &[]);
    let text = schema.fields[0].data_type.to_string();
    assert_eq!(text.matches("struct<a:").count(), 99);
    assert!(text.contains("a:bigint") && schema.notes.is_empty());

    let schema = read(&nested(600), Numbers::Double, &[]);
    let text = schema.fields[0].data_type.to_string();
    assert_eq!(parse(&text).to_string(), text);
    assert!(
        !reconcile(
            &from_properties(&schema.fields),
            &from_properties(&schema.fields),
            Terms::declared(Rules::JsonSerde)
        )
        .changed
    );
    assert!(
        matches!(
            schema.notes[..],
            [Note::Text {
                why: Why::TooDeep,
                ..
            }]
        ),
        "{:?}",
        schema.notes
    );
}

#[test]
fn a_type_that_is_too_long_for_the_catalog_is_text() {
    let name = "x".repeat(200);
    let properties: serde_json::Map<String, Value> = (0..700)
        .map(|n| (format!("{name}{n}"), json!({"type": "integer"})))
        .collect();
    let wide = json!({"properties": properties});
    let schema = json!({"properties": {"a": wide, "b": {"type": "array", "items": wide}, "c": {"type": "integer"}}});
    let schema = read(&schema, Numbers::Double, &[]);
    let types: Vec<String> = schema
        .fields
        .iter()
        .map(|f| f.data_type.to_string())
        .collect();
    assert_eq!(types, ["string", "string", "bigint"]);
    assert_eq!(
        lines(&schema.notes),
        [
            "$.a is kept as JSON text: its type would be too long for the catalog",
            "$.b is kept as JSON text: its type would be too long for the catalog"
        ]
    );
}

#[test]
fn references_that_double_at_each_step_end_soon() {
    let mut definitions = serde_json::Map::new();
    for n in 0..60 {
        let next = json!({"$ref": format!("#/definitions/d{}", n + 1)});
        let node = json!({"properties": {"l": next, "r": next}});
        definitions.insert(format!("d{n}"), node);
    }
    definitions.insert("d60".to_string(), json!({"type": "integer"}));
    let properties: serde_json::Map<String, Value> = (0..50)
        .map(|n| (format!("c{n}"), json!({"$ref": "#/definitions/d0"})))
        .collect();
    let schema = json!({"properties": properties, "definitions": definitions});
    let schema = read(&schema, Numbers::Double, &[]);
    assert!(
        schema
            .fields
            .iter()
            .all(|field| field.data_type == Type::Json)
    );
    assert_eq!(schema.notes.len(), 50);
}

#[test]
fn new_fields_that_make_a_type_too_long_are_left_out() {
    let name = "x".repeat(200);
    let wide = |from: usize, to: usize| {
        let fields: Vec<Value> = (from..to)
            .map(|n| json!([format!("K{n}"), format!("{name}{n}"), "int"]))
            .collect();
        fields_of(&json!(fields))
    };
    let (table, stream) = (wide(0, 400), wide(300, 700));
    let reconciled = reconcile(
        &unrecorded(&table),
        &from_properties(&stream),
        Terms::declared(Rules::JsonSerde),
    );
    assert!(!reconciled.changed);
    let merged = column::fields(&reconciled.columns);
    assert_eq!(
        merged[0].data_type.to_string(),
        table[0].data_type.to_string()
    );
    let full = Note::Full {
        path: "$.a".to_string(),
    };
    assert!(reconciled.notes.contains(&full));
    let Type::Struct(inner) = &merged[0].data_type else {
        panic!("still a struct");
    };
    assert_eq!(inner[399].key, "K399", "the keys are the stream's even so");
    assert!(merged[0].data_type.to_string().len() <= LONGEST_TYPE);
}

fn fields_of(list: &Value) -> Vec<Field> {
    fields(&json!([["a", "a", list]]))
}

/// The columns after streams with these properties, one after the other, in one table: `property name`.
fn names_after(streams: &[&[&str]]) -> Vec<String> {
    let mut columns = Vec::new();
    for properties in streams {
        let properties: serde_json::Map<String, Value> = properties
            .iter()
            .map(|property| ((*property).to_owned(), json!({"type": "integer"})))
            .collect();
        let stream = read(&json!({"properties": properties}), Numbers::Double, &[]).fields;
        let stream = from_properties(&stream);
        columns = reconcile(&columns, &stream, Terms::declared(Rules::JsonSerde)).columns;
    }
    columns
        .iter()
        .map(|column| format!("{} {}", column.field.key, column.field.name))
        .collect()
}

#[test]
fn a_property_keeps_its_column_in_whatever_run_another_comes() {
    assert_eq!(names_after(&[&["price_$"]]), ["price_$ price__"]);
    let both = ["price_$ price__", "price_€ price___e0c95e61"];
    assert_eq!(names_after(&[&["price_$"], &["price_€"]]), both);
    assert_eq!(
        names_after(&[&["price_$"], &["price_€"], &["price_€", "price_$"]]),
        both
    );
    assert_eq!(
        names_after(&[&["ID"], &["ID", "id"], &["id"], &["Id"]]),
        ["ID id", "id id_a5614527", "Id id_12156e92"]
    );
}

#[test]
fn a_table_without_a_record_is_matched_by_names_and_suffixes() {
    let names = |table: &[&str], stream: &[&str]| -> Vec<String> {
        let field = |key: &str, name: &str| Field {
            key: key.to_owned(),
            name: name.to_owned(),
            data_type: Type::String,
        };
        let table: Vec<Field> = table.iter().map(|name| field(name, name)).collect();
        let named = name::distinct(stream, name::NameKind::Column, &[]);
        let stream: Vec<Field> = stream
            .iter()
            .zip(named)
            .map(|(key, name)| field(key, &name))
            .collect();
        let (table, stream) = (unrecorded(&table), from_properties(&stream));
        reconcile(&table, &stream, Terms::declared(Rules::JsonSerde))
            .columns
            .iter()
            .map(|column| format!("{} {}", column.field.key, column.field.name))
            .collect()
    };
    assert_eq!(names(&["id"], &["ID"]), ["ID id"]);
    assert_eq!(names(&["id"], &["ID", "id"])[0], "id id");
    // Both were there once, so that the suffix says whose the column is.
    let suffixed = name::distinct(&["ID", "id"], name::NameKind::Column, &[]).swap_remove(0);
    let of_both = [suffixed.as_str(), "id"];
    assert_eq!(names(&of_both, &["ID"])[0], format!("ID {suffixed}"));
}
