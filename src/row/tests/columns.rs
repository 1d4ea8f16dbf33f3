//! Airbyte's columns, the counts of misfits, and columns whose names or keys collide.

use crate::row::tests::{compile, encode, field, options};
use crate::row::{ExtraColumns, Metadata, RecordMetadata, UNKNOWN_FIELDS};
use crate::schema::{Field, Type, Width};

const BIGINT: Type = Type::Integer(Width::SixtyFour);

#[test]
fn counts_misfits_by_column() {
    for rescued in [Some("_rescued_data".to_string()), None] {
        let options = ExtraColumns {
            rescued,
            metadata: None,
        };
        let mut encoder = compile(
            &[field("a", BIGINT), field("b", BIGINT), field("c", BIGINT)],
            &options,
        );
        for record in [
            r#"{"a":1,"b":2}"#,
            r#"{"a":"x","z":1,"y":2}"#,
            r#"{"a":[],"c":{},"z":null}"#,
            r#"{"c":"x","c":1}"#,
        ] {
            encode(&mut encoder, record.as_bytes()).unwrap();
        }
        let expected = [("a".into(), 2), ("c".into(), 1), (UNKNOWN_FIELDS.into(), 2)];
        assert_eq!(encoder.misfits(), expected);
    }
}

#[test]
fn without_a_rescue_column_misfits_are_null() {
    let mut encoder = compile(&[field("a", BIGINT)], &ExtraColumns::default());
    assert_eq!(encode(&mut encoder, br#"{"a":"x","z":1}"#).unwrap(), "{}");
}

#[test]
fn the_extra_columns_are_declared_in_their_order() {
    let mut options = options();
    options.metadata = Some(Metadata::default());
    let columns: Vec<_> = options
        .extra_fields()
        .iter()
        .map(|field| format!("{} {}", field.name, field.data_type))
        .collect();
    assert_eq!(
        columns,
        [
            "_airbyte_raw_id string",
            "_airbyte_extracted_at timestamp",
            "_airbyte_generation_id bigint",
            "_airbyte_meta struct<sync_id:bigint,changes:array<struct<field:string,change:string,reason:string>>>",
            "_rescued_data string",
        ]
    );
}

/// The row with a fixed id in place of the random one.
#[track_caller]
fn with_metadata(metadata: Metadata, record: &str, envelope: &RecordMetadata<'_>) -> String {
    let mut options = options();
    options.metadata = Some(metadata);
    let mut encoder = compile(&[field("a", BIGINT)], &options);
    let mut out = Vec::new();
    encoder
        .encode(record.as_bytes(), envelope, &mut out)
        .unwrap();
    let row = String::from_utf8(out).unwrap();
    let (head, tail) = row.split_once("\"_airbyte_raw_id\":\"").unwrap();
    let (id, tail) = tail.split_at(36);
    assert_eq!(id.as_bytes()[14], b'4', "{id} is of version 4");
    assert!(
        matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'),
        "{id} is of RFC 9562's variant"
    );
    let form: String = id
        .chars()
        .map(|c| if c.is_ascii_hexdigit() { 'x' } else { c })
        .collect();
    assert_eq!(form, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    format!("{head}\"_airbyte_raw_id\":\"ID{}", tail.trim_end())
}

#[test]
fn airbytes_columns_follow_the_streams() {
    let metadata = Metadata {
        generation_id: Some(3),
        sync_id: Some(7),
    };
    let envelope = RecordMetadata {
        emitted_at: Some(1_704_164_645_678),
        changes: None,
    };
    assert_eq!(
        with_metadata(metadata, r#"{"a":1}"#, &envelope),
        r#"{"a":1,"_airbyte_raw_id":"ID","_airbyte_extracted_at":"2024-01-02 03:04:05.678","_airbyte_generation_id":3,"_airbyte_meta":{"sync_id":7,"changes":[]}}"#
    );
    assert_eq!(
        with_metadata(Metadata::default(), "{}", &RecordMetadata::default()),
        r#"{"_airbyte_raw_id":"ID","_airbyte_meta":{"changes":[]}}"#
    );
}

#[test]
fn upstreams_changes_come_before_our_own() {
    let changes = br#" [ {"reason":"SOURCE_RETRIEVAL_ERROR","field":"b","change":"NULLED","more":1}, {"field":"c","change":"NEW_WORD"} ] "#;
    let envelope = RecordMetadata {
        emitted_at: Some(-1),
        changes: Some(changes),
    };
    assert_eq!(
        with_metadata(Metadata::default(), r#"{"z":1,"a":"x"}"#, &envelope),
        concat!(
            r#"{"_airbyte_raw_id":"ID","_airbyte_extracted_at":"1969-12-31 23:59:59.999","#,
            r#""_airbyte_meta":{"changes":[{"field":"b","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"},{"field":"c","change":"NEW_WORD"},"#,
            r#"{"field":"a","change":"NULLED","reason":"DESTINATION_SERIALIZATION_ERROR"}]},"#,
            r#""_rescued_data":"{\"z\":1,\"a\":\"x\"}"}"#,
        )
    );
}

#[test]
fn changes_of_another_form_and_times_beyond_the_calendar_are_left_out() {
    for changes in ["null", "{}", "[]", "5"] {
        let envelope = RecordMetadata {
            emitted_at: Some(i64::MAX),
            changes: Some(changes.as_bytes()),
        };
        assert_eq!(
            with_metadata(Metadata::default(), "{}", &envelope),
            r#"{"_airbyte_raw_id":"ID","_airbyte_meta":{"changes":[]}}"#
        );
    }
}

#[test]
fn every_row_has_an_id_of_its_own() {
    let mut options = options();
    options.metadata = Some(Metadata::default());
    let mut encoder = compile(&[], &options);
    let mut rows: Vec<_> = (0..200)
        .map(|_| encode(&mut encoder, b"{}").unwrap())
        .collect();
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), 200);
}

#[test]
fn an_extra_column_is_never_filled_from_records() {
    let mut encoder = compile(
        &[field("_rescued_data", Type::String), field("a", BIGINT)],
        &options(),
    );
    assert_eq!(
        encode(&mut encoder, br#"{"_rescued_data":"x","a":1}"#).unwrap(),
        r#"{"a":1,"_rescued_data":"{\"_rescued_data\":\"x\"}"}"#
    );
}

#[test]
fn of_two_columns_with_one_key_the_first_is_filled() {
    let mut second = field("a", Type::String);
    second.name = "a_2".into();
    let mut encoder = compile(
        &[field("a", BIGINT), second, field("b", BIGINT)],
        &options(),
    );
    for _ in 0..2 {
        assert_eq!(
            encode(&mut encoder, br#"{"a":1,"a":2,"b":3}"#).unwrap(),
            r#"{"a":2,"b":3}"#
        );
    }
}

#[test]
fn of_columns_with_one_key_a_value_goes_to_the_first_that_holds_it() {
    let named = |name: &str, data_type: Type| Field {
        key: "a".into(),
        name: name.into(),
        data_type,
    };
    let inner = Type::Struct(vec![field("x", BIGINT)]);
    let mut encoder = compile(
        &[
            named("a", BIGINT),
            field("b", BIGINT),
            named("a_struct", inner),
            named("a_boolean", Type::Boolean),
        ],
        &options(),
    );
    for _ in 0..3 {
        for (record, row) in [
            (r#"{"a":1,"b":3}"#, r#"{"a":1,"b":3}"#),
            (r#"{"a":{"x":1},"b":3}"#, r#"{"a_struct":{"x":1},"b":3}"#),
            (r#"{"b":3,"a":true}"#, r#"{"a_boolean":true,"b":3}"#),
            (r#"{"a":"false"}"#, r#"{"a_boolean":false}"#),
            (r#"{"a":null}"#, "{}"),
            // Of members with one key the last counts, in whatever column.
            (r#"{"a":1,"a":{"x":2}}"#, r#"{"a_struct":{"x":2}}"#),
            (r#"{"a":true,"b":1,"a":1}"#, r#"{"a":1,"b":1}"#),
            (r#"{"a":1,"a":"x"}"#, r#"{"_rescued_data":"{\"a\":\"x\"}"}"#),
            (
                r#"{"a":{"x":1,"y":2}}"#,
                r#"{"a_struct":{"x":1},"_rescued_data":"{\"a\":{\"x\":1,\"y\":2}}"}"#,
            ),
        ] {
            assert_eq!(
                encode(&mut encoder, record.as_bytes()).unwrap(),
                row,
                "{record}"
            );
        }
    }
    assert_eq!(encoder.misfits(), [("a".into(), 6)]);
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let mut encoder = compile(
        &[
            field("s", Type::String),
            field("l", Type::Array(Box::new(BIGINT))),
        ],
        &options(),
    );
    assert_eq!(
        encode(&mut encoder, format!("{{\"s\":{deep}}}").as_bytes()).unwrap(),
        format!("{{\"s\":\"{deep}\"}}")
    );
    assert_eq!(
        encode(&mut encoder, format!("{{\"l\":{deep}}}").as_bytes()).unwrap(),
        format!("{{\"l\":[null],\"_rescued_data\":\"{{\\\"l\\\":{deep}}}\"}}")
    );
    encode(&mut encoder, format!("{{\"z\":{objects}}}").as_bytes()).unwrap();
    let mixed = format!("{}{}", "[{\"a\":".repeat(50_000), "}]".repeat(49_999));
    encode(&mut encoder, format!("{{\"z\":{mixed}}}").as_bytes()).unwrap_err();
}

#[test]
fn members_out_of_order_are_put_in_order_however_seldom_they_come() {
    let fields = [
        field("a", Type::Integer(Width::SixtyFour)),
        field("b", Type::Integer(Width::SixtyFour)),
    ];
    let mut encoder = compile(&fields, &options());
    for ordered in [0, 1, 2, 998, 999, 1000, 1001, 2500] {
        for _ in 0..ordered {
            let row = encode(&mut encoder, b"{\"b\":1}").unwrap();
            assert_eq!(row, "{\"b\":1}");
        }
        let row = encode(&mut encoder, b"{\"b\":1,\"a\":2}").unwrap();
        assert_eq!(row, "{\"a\":2,\"b\":1}", "after {ordered} in order");
    }
}

/// The rows of records one after the other, for a column `s` of a struct.
#[track_caller]
fn check_structs(fields: Vec<Field>, records_and_rows: &[(&str, &str)]) {
    let mut encoder = compile(&[field("s", Type::Struct(fields))], &options());
    for (record, row) in records_and_rows {
        for time in 0..2 {
            let found = encode(&mut encoder, record.as_bytes()).unwrap();
            assert_eq!(found, *row, "{record}, time {time}");
        }
    }
}

#[test]
fn an_object_is_copied_whole_only_where_it_is_verbatim() {
    let bigint = |name| field(name, Type::Integer(Width::SixtyFour));
    check_structs(
        vec![bigint("x"), bigint("y")],
        &[
            (r#"{"s":{"y":1,"x":2}}"#, r#"{"s":{"x":2,"y":1}}"#),
            (r#"{"s":{"x":1,"y":2}}"#, r#"{"s":{"x":1,"y":2}}"#),
            (r#"{"s":{"x":1,"y":2,"x":3}}"#, r#"{"s":{"x":3,"y":2}}"#),
            (r#"{"s":{"x":1, "y":2}}"#, r#"{"s":{"x":1,"y":2}}"#),
            (r#"{"s":{"x":null,"y":2}}"#, r#"{"s":{"y":2}}"#),
            (r#"{"s":{"x":1}}"#, r#"{"s":{"x":1}}"#),
            (r#"{"s":{}}"#, r#"{"s":{}}"#),
            (
                r#"{"s":{"x":1,"y":2,"z":3}}"#,
                r#"{"s":{"x":1,"y":2},"_rescued_data":"{\"s\":{\"x\":1,\"y\":2,\"z\":3}}"}"#,
            ),
        ],
    );
    let mut renamed = bigint("y");
    renamed.name = "y_1".into();
    check_structs(
        vec![bigint("x"), renamed],
        &[
            (r#"{"s":{"x":1}}"#, r#"{"s":{"x":1}}"#),
            (r#"{"s":{"x":1,"y":2}}"#, r#"{"s":{"x":1,"y_1":2}}"#),
        ],
    );
}

#[test]
fn rows_with_a_value_are_counted_in_any_number_of_columns_and_any_order() {
    let fields: Vec<Field> = (0..200)
        .map(|step| field(&format!("c{step}"), BIGINT))
        .collect();
    let mut encoder = compile(&fields, &options());
    let record = |steps: &[usize], value: &str| {
        let members: Vec<String> = steps
            .iter()
            .map(|step| format!("\"c{step}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    let all: Vec<usize> = (0..200).collect();
    let back: Vec<usize> = (0..200).rev().collect();
    for (steps, value) in [
        (&all[..], "1"),
        (&all[..], "1"),
        (&back[..], "1"),
        (&back[..], "\"1\""),
        (&all[..], "null"),
        (&all[..], "\"x\""),
        (&[3, 199, 64, 63][..], "7"),
        (&[][..], ""),
    ] {
        encode(&mut encoder, record(steps, value).as_bytes()).unwrap();
    }
    // The last of a key counts.
    encode(
        &mut encoder,
        br#"{"c5":1,"c5":null,"c150":1,"c150":null,"c6":null,"c6":1,"c151":"x","c151":1}"#,
    )
    .unwrap();
    // What is no record counts nothing.
    encode(&mut encoder, br#"{"c7":1,"c152":1,"c8"}"#).unwrap_err();
    for (step, (name, count)) in encoder.filled().into_iter().enumerate() {
        let more = u64::from([3, 199, 64, 63, 6, 151].contains(&step));
        assert_eq!((name, count), (format!("c{step}"), 4 + more));
    }
    let last = br#"{"c9":1,"c160":1}"#;
    encode(&mut encoder, last).unwrap();
    encoder.discount(last);
    let sum: u64 = encoder.filled().into_iter().map(|(_, count)| count).sum();
    assert_eq!(sum, 4 * 200 + 6);
}

#[test]
fn values_in_variants_are_counted_there() {
    let fields = [
        field("n", BIGINT),
        Field {
            key: "n".into(),
            ..field("n_boolean", Type::Boolean)
        },
        field("other", BIGINT),
        Field {
            key: "n".into(),
            ..field("n_date", Type::Date)
        },
    ];
    let mut encoder = compile(&fields, &options());
    let records = [
        (r#"{"n":1,"other":1}"#, r#"{"n":1,"other":1}"#),
        (r#"{"n":true}"#, r#"{"n_boolean":true}"#),
        (r#"{"n":"2026-12-01"}"#, r#"{"n_date":"2026-12-01"}"#),
        // The last of a key counts, whatever its column.
        (r#"{"n":1,"n":false}"#, r#"{"n_boolean":false}"#),
        (r#"{"n":false,"n":2}"#, r#"{"n":2}"#),
        (r#"{"n":true,"n":null}"#, "{}"),
        (r#"{"n":null}"#, "{}"),
    ];
    for (record, row) in records {
        assert_eq!(encode(&mut encoder, record.as_bytes()).unwrap(), row);
    }
    let expected = [("n", 2), ("other", 1), ("n_boolean", 2), ("n_date", 1)];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(encoder.filled(), expected);
    let last = br#"{"n":"2026-12-02"}"#;
    encode(&mut encoder, last).unwrap();
    encoder.discount(last);
    assert_eq!(encoder.filled(), expected);
}
