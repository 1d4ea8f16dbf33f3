//! What holds for every row, on generated columns and records: it is the slow encoder's row, every engine can
//! read it under the declared types, and with its rescue column it says what the record says.

use std::fmt::Write;
use std::time::Duration;

use fastrand::Rng;
use serde::de::IgnoredAny;

use crate::row::tests::cases::{Case, values};
use crate::row::tests::tree::{self, Tree, Value, decoded, units};
use crate::row::tests::{compile, encode, options, reference};
use crate::schema::{Field, Type, Width};
use crate::time::Clock;

/// How long each property is tried on fresh columns and records.
const BUDGET: Duration = Duration::from_millis(1200);

/// Calls `property` with fresh generators until the time is up; prints the seed that failed.
fn forever(property: impl Fn(&mut Rng)) {
    struct Seed(u64);
    impl Drop for Seed {
        #[allow(clippy::print_stderr)] // shown only for a test that failed
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with Rng::with_seed({})", self.0);
            }
        }
    }
    let clock = Clock::System;
    let begin = clock.instant();
    while clock.elapsed(begin) < BUDGET {
        let seed = Seed(fastrand::u64(..));
        property(&mut Rng::with_seed(seed.0));
    }
}

struct Generator<'a> {
    rng: &'a mut Rng,
    /// Columns have their keys' names, and records have no spaces and their members are in order, as most do.
    usual: bool,
    /// Values and what they are meant for.
    cases: &'a [Case],
}

const KEYS: [&str; 12] = [
    "a",
    "b",
    "id",
    "Id",
    "name",
    "created_at",
    "é",
    "a b",
    "quo\"te",
    "back\\slash",
    "",
    "a_rather_long_key_of_a_column",
];

impl<'a> Generator<'a> {
    fn new(rng: &'a mut Rng, cases: &'a [Case]) -> Self {
        let usual = rng.bool();
        Self { rng, usual, cases }
    }

    fn choose<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.rng.usize(..from.len())]
    }

    fn fields(&mut self, depth: u32) -> Vec<Field> {
        let mut keys = KEYS.to_vec();
        self.rng.shuffle(&mut keys);
        keys.truncate(self.rng.usize(0..8));
        let mut fields = Vec::new();
        for (index, key) in keys.into_iter().enumerate() {
            let name = match self.rng.u8(..3) {
                _ if self.usual => key.to_string(),
                0 => key.to_string(),
                _ => format!("{}_{index}", key.to_lowercase()),
            };
            let data_type = self.data_type(depth);
            fields.push(Field {
                key: key.into(),
                name,
                data_type,
            });
        }
        fields
    }

    fn data_type(&mut self, depth: u32) -> Type {
        let kinds = if depth == 0 { 10 } else { 13 };
        match self.rng.u8(..kinds) {
            0 => Type::Boolean,
            1 => Type::Integer(Width::SixtyFour),
            2 => Type::Integer(*self.choose(&[&Width::Eight, &Width::Sixteen, &Width::ThirtyTwo])),
            3 => Type::Double,
            4 => Type::Float,
            5 => {
                let precision = self.rng.u8(1..=38);
                Type::Decimal {
                    precision,
                    scale: self.rng.u8(0..=precision),
                }
            }
            6 => Type::Date,
            7 => Type::Timestamp,
            8 if self.rng.bool() => Type::Json,
            8 => Type::String,
            9 => Type::Foreign("binary".into()),
            10 => Type::Array(Box::new(self.data_type(depth - 1))),
            _ => Type::Struct(self.fields(depth - 1)),
        }
    }

    fn space(&mut self, out: &mut String) {
        if !self.usual && self.rng.u8(..8) == 0 {
            out.push_str(self.choose(&[" ", "  ", "\t", "\r\n "]));
        }
    }

    /// A string that stands for `text`, with some characters in escapes.
    fn string(&mut self, text: &str, out: &mut String) {
        out.push('"');
        let often = self.rng.u8(..4) == 0;
        for character in text.chars() {
            let must = matches!(character, '"' | '\\' | '\0'..='\x1f');
            if must || (often && self.rng.u8(..4) == 0) {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    if self.rng.bool() {
                        write!(out, "\\u{unit:04x}").unwrap();
                    } else {
                        write!(out, "\\u{unit:04X}").unwrap();
                    }
                }
            } else {
                out.push(character);
            }
        }
        out.push('"');
    }

    fn object(&mut self, fields: &[Field], out: &mut String) {
        let mut fields: Vec<&Field> = fields.iter().collect();
        if !self.usual && self.rng.u8(..3) == 0 {
            self.rng.shuffle(&mut fields);
        }
        if self.rng.u8(..3) == 0 {
            fields.truncate(self.rng.usize(..=fields.len()));
        }
        if !self.usual && !fields.is_empty() && self.rng.u8(..6) == 0 {
            let again = fields[self.rng.usize(..fields.len())];
            fields.insert(self.rng.usize(..=fields.len()), again);
        }
        out.push('{');
        self.space(out);
        let mut first = true;
        let mut separate = |this: &mut Self, out: &mut String| {
            if !std::mem::replace(&mut first, false) {
                out.push(',');
                this.space(out);
            }
        };
        for field in fields {
            if self.rng.u8(..12) == 0 {
                separate(self, out);
                let key = self.choose(&["zz", "ID", "\\ud83d", "zz", "\\u007az", "a"]);
                write!(out, "\"{key}\":").unwrap();
                self.any(out);
                self.space(out);
            }
            separate(self, out);
            self.string(&field.key, out);
            self.space(out);
            out.push(':');
            self.space(out);
            self.value(&field.data_type, out);
            self.space(out);
        }
        out.push('}');
    }

    /// Mostly a value that is meant for the type.
    fn value(&mut self, data_type: &Type, out: &mut String) {
        if self.rng.u8(..10) == 0 {
            out.push_str("null");
            return;
        }
        if self.rng.u8(..10) == 0 {
            return self.any(out);
        }
        match data_type {
            Type::Struct(fields) => self.object(fields, out),
            Type::Array(element) => {
                out.push('[');
                self.space(out);
                for index in 0..self.rng.usize(..4) {
                    if index > 0 {
                        out.push(',');
                    }
                    self.space(out);
                    self.value(element, out);
                    self.space(out);
                }
                out.push(']');
            }
            scalar => {
                let name = scalar.to_string();
                let name = name.split('(').next().unwrap();
                let cases: Vec<_> = self
                    .cases
                    .iter()
                    .filter(|case| case.data_type.starts_with(name))
                    .collect();
                out.push_str(&cases[self.rng.usize(..cases.len())].value);
            }
        }
    }

    fn any(&mut self, out: &mut String) {
        out.push_str(&self.cases[self.rng.usize(..self.cases.len())].value);
    }
}

#[test]
fn the_plan_writes_what_the_slow_encoder_writes() {
    let cases = values();
    forever(|rng| {
        let mut generator = Generator::new(rng, &cases);
        let fields = generator.fields(3);
        let mut encoder = compile(&fields, &options());
        let mut filled: Vec<(String, u64)> = encoder.filled();
        for _ in 0..8 {
            let mut record = String::new();
            generator.space(&mut record);
            generator.object(&fields, &mut record);
            generator.space(&mut record);
            let row = encode(&mut encoder, record.as_bytes())
                .unwrap_or_else(|error| panic!("{error}: {record}"));
            let expected = reference::row(&fields, "_rescued_data", &record);
            assert_eq!(row, expected, "\n{fields:?}\n{record}");
            check(&fields, &record, &row);
            let row = tree::read(&row);
            let Value::Object(members) = &row.value else {
                panic!("a row is an object");
            };
            for (name, count) in &mut filled {
                let has = members
                    .iter()
                    .any(|(key, _)| decoded(key).as_ref() == Some(name));
                *count += u64::from(has);
            }
            assert_eq!(encoder.filled(), filled, "\n{fields:?}\n{record}");
        }
    });
}

#[test]
fn exactly_the_text_that_is_valid_json_becomes_a_row() {
    let cases = values();
    forever(|rng| {
        let mut generator = Generator::new(rng, &cases);
        let fields = generator.fields(2);
        let mut encoder = compile(&fields, &options());
        let mut record = String::new();
        generator.object(&fields, &mut record);
        let mut bytes = record.into_bytes();
        for _ in 0..rng.usize(1..3) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..4) {
                0 => bytes[at] = rng.u8(..),
                1 => bytes.insert(at, b"{}[]\",:\\0e-.u \t\n"[rng.usize(..16)]),
                2 => bytes.truncate(at.max(1)),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(b' ');
            }
        }
        let valid = std::str::from_utf8(&bytes).ok().filter(|text| {
            serde_json::from_str::<IgnoredAny>(text).is_ok()
                && text.trim_ascii_start().starts_with('{')
        });
        let found = encode(&mut encoder, &bytes);
        // Columns of other names than their keys are written piece by piece; what is wrong is wrong there too.
        let renamed: Vec<_> = fields.iter().cloned().map(renamed).collect();
        let piecewise = encode(&mut compile(&renamed, &options()), &bytes);
        assert_eq!(found.as_ref().err(), piecewise.as_ref().err());
        match (found, valid) {
            (Ok(row), Some(text)) => {
                assert_eq!(row, reference::row(&fields, "_rescued_data", text));
                check(&fields, text, &row);
            }
            (Err(error), None) => assert!(error.starts_with("malformed at byte "), "{error}"),
            (found, _) => panic!("{found:?}: {}", String::from_utf8_lossy(&bytes)),
        }
    });
}

fn renamed(field: Field) -> Field {
    Field {
        name: format!("{}_", field.name),
        ..field
    }
}

/// The laws of one row.
#[track_caller]
fn check(fields: &[Field], record: &str, row: &str) {
    // Not as a Value: serde_json's own reading of numbers refuses some that round to the greatest double.
    serde_json::from_str::<IgnoredAny>(row).expect("a row is valid JSON");
    let row = tree::read(row);
    let mut written = members(&row);
    let rescued = match written.last() {
        Some((key, value)) if *key == "_rescued_data" => {
            let text = decoded(value.text).expect("a string");
            written.pop();
            text
        }
        _ => "{}".into(),
    };
    let columns: Vec<_> = written
        .iter()
        .map(|(key, value)| (key.as_str(), value.text))
        .collect();
    conforms(&Type::Struct(fields.to_vec()), &row, true);
    let rescued = tree::read(&rescued);
    let Value::Object(rescued) = &rescued.value else {
        panic!("the rescue is no object");
    };
    let record = tree::read(record);
    let none = Vec::new();
    let record = match &record.value {
        Value::Object(members) => members,
        _ => &none,
    };
    let mut left = rescued.len();
    for (index, (key, value)) in record.iter().enumerate() {
        let key = units(key);
        let last = !record[index + 1..]
            .iter()
            .any(|(later, _)| units(later) == key);
        if !last || matches!(value.value, Value::Null) {
            continue;
        }
        let kept: Vec<_> = rescued
            .iter()
            .filter(|(rescued, _)| units(rescued) == key)
            .collect();
        match &kept[..] {
            [(_, kept)] => {
                assert_eq!(kept.text, value.text, "rescued as it came");
                left -= 1;
            }
            [] => {
                let field = fields
                    .iter()
                    .find(|field| field.key.encode_utf16().eq(key.iter().copied()));
                let name = &field.expect("an unknown member is rescued").name;
                assert!(
                    columns.iter().any(|(column, _)| column == name),
                    "{name} is lost"
                );
            }
            _ => panic!("rescued twice"),
        }
    }
    assert_eq!(left, 0, "more was rescued than there was");
}

fn members<'t>(tree: &'t Tree<'_>) -> Vec<(String, &'t Tree<'t>)> {
    let Value::Object(members) = &tree.value else {
        panic!("no object: {}", tree.text);
    };
    members
        .iter()
        .map(|(key, value)| (decoded(key).expect("a key"), value))
        .collect()
}

/// Every engine can read this value under this type; keys are declared and appear once, in their order.
#[track_caller]
fn conforms(data_type: &Type, tree: &Tree<'_>, top: bool) {
    let text = tree.text;
    let good = match (data_type, &tree.value) {
        (Type::Struct(fields), Value::Object(_)) => {
            let mut next = 0;
            for (key, value) in members(tree) {
                if top && key == "_rescued_data" {
                    continue;
                }
                let at = fields[next..].iter().position(|field| field.name == key);
                let field = &fields[next
                    + at.unwrap_or_else(|| panic!("{key} is not declared after the one before"))];
                next += at.unwrap() + 1;
                conforms(&field.data_type, value, false);
            }
            true
        }
        (Type::Array(data_type), Value::Array(elements)) => {
            for element in elements {
                if !matches!(element.value, Value::Null) {
                    conforms(data_type, element, false);
                }
            }
            true
        }
        (Type::Boolean, Value::Boolean) => true,
        (Type::Integer(_), Value::Number) => text
            .parse::<i64>()
            .is_ok_and(|number| number.to_string() == text),
        (Type::Double | Type::Float, Value::Number) => {
            text.parse::<f64>().is_ok_and(f64::is_finite)
        }
        (Type::Decimal { precision, scale }, Value::Number) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let whole = whole.trim_start_matches('-').trim_start_matches('0');
            !text.contains(['e', 'E'])
                && fraction.len() <= usize::from(*scale)
                && whole.len() + usize::from(*scale) <= usize::from(*precision)
        }
        (Type::Date, Value::String) => shape(text) == "\"0000-00-00\"",
        (Type::Timestamp, Value::String) => {
            let shape = shape(text);
            let fraction = shape
                .strip_prefix("\"0000-00-00 00:00:00")
                .expect("a timestamp");
            matches!(fraction, "\"" | ".000\"" | ".000000\"")
        }
        (Type::String | Type::Json, Value::String) => decoded(text).is_some(),
        _ => false,
    };
    assert!(good, "{text} under {data_type}");
}

fn shape(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect()
}
