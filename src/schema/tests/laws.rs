//! Laws that hold for every schema, name, type string and table. A failure prints its seed; `SEED=… cargo test` replays it.

use std::collections::{HashMap, HashSet};

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::schema::hive::parse;
use crate::schema::name::{NameKind, distinct, fold, table};
use crate::schema::{Field, LONGEST_TYPE, Numbers, Type, Width, read};

pub(super) const RESERVED: [&str; 2] = ["_rescued_data", "_airbyte_raw_id"];

#[allow(clippy::print_stdout)] // the harness shows it with the failure
pub(super) fn for_seeds(rounds: u64, law: impl Fn(&mut Rng)) {
    let first = option_env!("SEED").map(|seed| seed.parse().expect("SEED is a number"));
    let rounds = if first.is_some() { 1 } else { rounds };
    let first = first.unwrap_or_else(|| fastrand::u64(..1 << 48));
    for seed in first..first + rounds {
        println!("SEED={seed}");
        law(&mut Rng::with_seed(seed));
    }
}

#[test]
fn any_schema_gives_columns_that_the_catalog_takes() {
    for_seeds(1_500, |rng| {
        let schema = document(rng);
        let numbers = [Numbers::Double, Numbers::Decimal][rng.usize(..2)];
        let read = read(&schema, numbers, &RESERVED);
        check_names(&read.fields, NameKind::Column);
        for field in &read.fields {
            let text = field.data_type.to_string();
            assert!(text.len() <= LONGEST_TYPE);
            assert_eq!(
                parse(&text),
                named_as_in_the_catalog(&field.data_type),
                "{text}"
            );
        }
        for note in &read.notes {
            assert!(!note.to_string().contains('\n'), "{note:?}");
        }
    });
}

#[test]
fn any_text_is_a_type_that_reads_back_as_itself() {
    for_seeds(3_000, |rng| {
        let mut text = data_type(rng, 4).to_string();
        for _ in 0..rng.usize(..4) {
            let at = rng.usize(..=text.len());
            if text.is_char_boundary(at) {
                let piece = *rng
                    .choice(&[
                        " ", "<", ">", ",", ":", "(", ")", "A", "é", "map<", "struct<",
                    ])
                    .unwrap();
                text.insert_str(at, piece);
            }
        }
        let data_type = parse(&text);
        assert_eq!(parse(&data_type.to_string()), data_type, "{text:?}");
    });
}

#[test]
fn names_do_not_depend_on_order() {
    for_seeds(1_500, |rng| {
        let mut properties: Vec<String> = (0..rng.usize(..12)).map(|_| name(rng)).collect();
        properties.sort();
        properties.dedup();
        let kind = [NameKind::Column, NameKind::Field][rng.usize(..2)];
        let name_all = |properties: &[String]| -> HashMap<String, String> {
            let borrowed: Vec<&str> = properties.iter().map(String::as_str).collect();
            let names = distinct(&borrowed, kind, &RESERVED);
            properties.iter().cloned().zip(names).collect()
        };
        let names = name_all(&properties);
        let different: HashSet<&String> = names.values().collect();
        assert_eq!(different.len(), properties.len(), "{names:?}");
        rng.shuffle(&mut properties);
        assert_eq!(name_all(&properties), names);

        for property in &properties {
            let folded = fold(property);
            assert_eq!(fold(&folded), folded);
            let table_name = table(property);
            assert_eq!(table(&table_name), table_name);
            assert!((1..=255).contains(&table_name.len()));
            assert!(!table_name.bytes().all(|byte| byte == b'_'));
        }
    });
}

#[track_caller]
fn check_names(fields: &[Field], kind: NameKind) {
    let names: HashSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let keys: HashSet<&str> = fields.iter().map(|field| field.key.as_str()).collect();
    assert_eq!(names.len(), fields.len());
    assert_eq!(keys.len(), fields.len());
    for field in fields {
        let name = &field.name;
        assert!((1..=255).contains(&name.len()), "{name}");
        assert!(
            name.bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')),
            "{name}"
        );
        assert!(
            kind == NameKind::Column || !name.as_bytes()[0].is_ascii_digit(),
            "{name}"
        );
        assert!(
            kind == NameKind::Field || !RESERVED.contains(&name.as_str()),
            "{name}"
        );
        let mut data_type = &field.data_type;
        while let Type::Array(element) = data_type {
            data_type = element;
        }
        match data_type {
            Type::Struct(fields) => {
                assert!(!fields.is_empty());
                check_names(fields, NameKind::Field);
            }
            data_type => assert!(!matches!(data_type, Type::Foreign(_))),
        }
    }
}

fn as_the_catalog_has(fields: &[Field]) -> Vec<Field> {
    fields
        .iter()
        .map(|field| Field {
            key: field.name.clone(),
            name: field.name.clone(),
            data_type: named_as_in_the_catalog(&field.data_type),
        })
        .collect()
}

/// The same type, each field filled from the property of its name.
fn named_as_in_the_catalog(data_type: &Type) -> Type {
    match data_type {
        Type::Struct(fields) => Type::Struct(as_the_catalog_has(fields)),
        Type::Array(element) => Type::Array(Box::new(named_as_in_the_catalog(element))),
        Type::Json => Type::String,
        other => other.clone(),
    }
}

fn name(rng: &mut Rng) -> String {
    const NAMES: [&str; 26] = [
        "id",
        "ID",
        "Id",
        "a",
        "A",
        "b",
        "Ä",
        "1",
        "_1",
        "1a",
        "_1a",
        "_",
        "",
        "日本",
        "中国",
        "a.b",
        "a_b",
        "a b",
        "x:y<z>,(w)",
        "\"\n\u{0}",
        "_rescued_data",
        "_Rescued_Data",
        "_airbyte_raw_id",
        "1️⃣",
        "name_1a2b3c4d",
        "a_ca978112",
    ];
    match rng.u8(..20) {
        0 => "long".repeat(rng.usize(60..70)),
        1 => (0..rng.usize(..6)).map(|_| rng.char(..)).collect(),
        2 => distinct(&[&name(rng), "id"], NameKind::Column, &["a"]).swap_remove(0),
        _ => (*rng.choice(NAMES).unwrap()).to_string(),
    }
}

/// A schema with definitions that schemas may refer to, themselves included.
pub(super) fn document(rng: &mut Rng) -> Value {
    let mut document = schema(rng, 4);
    if let Value::Object(root) = &mut document
        && rng.u8(..8) > 0
    {
        root.insert("properties".to_string(), properties(rng, 4, 9));
        root.insert("definitions".to_string(), definitions(rng));
    }
    document
}

fn definitions(rng: &mut Rng) -> Value {
    ["x", "y", "z"]
        .into_iter()
        .map(|name| (name.to_string(), schema(rng, 3)))
        .collect()
}

fn properties(rng: &mut Rng, depth: usize, most: usize) -> Value {
    let count = rng.usize(..most);
    Value::Object(
        (0..count)
            .map(|_| (name(rng), schema(rng, depth - 1)))
            .collect(),
    )
}

fn schema(rng: &mut Rng, depth: usize) -> Value {
    if rng.u8(..12) == 0 {
        return junk(rng);
    }
    let mut schema = Map::new();
    let mut set = |key: &str, value: Value| {
        schema.insert(key.to_string(), value);
    };
    if rng.u8(..5) > 0 {
        set("type", type_keyword(rng));
    }
    if rng.u8(..4) == 0 {
        let format = *rng.choice(&["date", "date-time", "time", "x"]).unwrap();
        set("format", json!(format));
    }
    if rng.u8(..6) == 0 {
        let names = ["integer", "big_integer", "timestamp_with_timezone", "x"];
        set("airbyte_type", json!(names[rng.usize(..4)]));
    }
    if rng.u8(..8) == 0 {
        set("$ref", reference(rng));
    }
    if depth > 1 {
        if rng.u8(..2) == 0 {
            set("properties", properties(rng, depth, 5));
        }
        if rng.u8(..8) == 0 {
            set("additionalProperties", junk(rng));
        }
        if rng.u8(..3) == 0 {
            set("items", self::schema(rng, depth - 1));
        }
        for key in ["oneOf", "anyOf", "allOf", "items"] {
            if rng.u8(..8) == 0 {
                let branches = rng.usize(..4);
                set(
                    key,
                    (0..branches)
                        .map(|_| self::schema(rng, depth - 1))
                        .collect(),
                );
            }
        }
    }
    Value::Object(schema)
}

fn type_keyword(rng: &mut Rng) -> Value {
    const TYPES: [&str; 10] = [
        "null", "boolean", "integer", "number", "string", "array", "object", "object", "array",
        "str",
    ];
    let one = |rng: &mut Rng| json!(TYPES[rng.usize(..TYPES.len())]);
    match rng.u8(..6) {
        0 => (0..rng.usize(..4)).map(|_| one(rng)).collect(),
        1 | 2 => json!(["null", one(rng)]),
        _ => one(rng),
    }
}

fn reference(rng: &mut Rng) -> Value {
    let references = [
        "#",
        "#/definitions/x",
        "#/definitions/y",
        "#/definitions/z",
        "#/definitions/x/properties/a",
        "#/properties/id",
        "#/nowhere",
        "#%",
        "WellKnownTypes.json#/definitions/Number",
        "WellKnownTypes.json#/definitions/?",
    ];
    json!(references[rng.usize(..references.len())])
}

fn junk(rng: &mut Rng) -> Value {
    let junk = [
        json!(null),
        json!(true),
        json!(false),
        json!(1.5),
        json!("string"),
        json!("x"),
        json!([]),
        json!([{"type": "string"}]),
        json!({}),
        json!({"type": 1, "properties": [], "items": 3, "oneOf": {}, "allOf": [1], "$ref": {}}),
    ];
    junk[rng.usize(..junk.len())].clone()
}

/// What a table that anyone made may have for columns.
pub(super) fn catalog(rng: &mut Rng) -> Vec<Field> {
    as_the_catalog_has(&fields_of_anyone(rng, 3, |rng| table(&name(rng))))
}

fn fields_of_anyone(rng: &mut Rng, depth: usize, name: fn(&mut Rng) -> String) -> Vec<Field> {
    let mut seen = HashSet::new();
    (0..rng.usize(1..6))
        .map(|_| (name(rng), data_type(rng, depth)))
        .filter(|(name, _)| seen.insert(name.to_ascii_lowercase()))
        .map(|(name, data_type)| Field {
            key: name.clone(),
            name,
            data_type,
        })
        .collect()
}

fn data_type(rng: &mut Rng, depth: usize) -> Type {
    let widths = [
        Width::Eight,
        Width::Sixteen,
        Width::ThirtyTwo,
        Width::SixtyFour,
    ];
    match rng.u8(..if depth > 0 { 13 } else { 9 }) {
        0 => Type::Boolean,
        1 => Type::Integer(widths[rng.usize(..4)]),
        2 => Type::Float,
        3 => Type::Double,
        4 => {
            let precision = rng.u8(1..=38);
            let scale = rng.u8(..=precision);
            Type::Decimal { precision, scale }
        }
        5 => Type::Date,
        6 => Type::Timestamp,
        7 => Type::String,
        8 => parse(
            rng.choice(&["binary", "map<string,int>", "char(3)", "varchar(7)"])
                .unwrap(),
        ),
        9 | 10 => Type::Array(Box::new(data_type(rng, depth - 1))),
        _ => Type::Struct(fields_of_anyone(rng, depth - 1, |rng| {
            (*rng
                .choice(&["a", "A", "b", "ID", "1", "_1", "a.b", "a b", "id", "_"])
                .unwrap())
            .to_string()
        })),
    }
}
