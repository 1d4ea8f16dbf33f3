//! Random columns, and rows of them: as the row encoder writes them, and as readers must find them.

use std::fmt::{self, Write as _};

use fastrand::Rng;

/// A column, or a field of a struct.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) data_type: Type,
}

/// A type of the catalog.
#[derive(Clone, Debug)]
pub(crate) enum Type {
    Boolean,
    /// By its bits.
    Integer(u32),
    Float,
    Double,
    Decimal(u32, u32),
    Date,
    Timestamp,
    Text,
    List(Box<Self>),
    Struct(Vec<Column>),
}

/// A value as readers find it: numbers of days or microseconds are integers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Boolean(bool),
    Integer(i64),
    /// Its bits, so that zeros have signs.
    Double(u64),
    /// A multiple of 10^-scale.
    Decimal(i128),
    Text(String),
    List(Vec<Self>),
    Struct(Vec<Self>),
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => out.write_str("boolean"),
            Self::Integer(8) => out.write_str("tinyint"),
            Self::Integer(16) => out.write_str("smallint"),
            Self::Integer(32) => out.write_str("int"),
            Self::Integer(_) => out.write_str("bigint"),
            Self::Float => out.write_str("float"),
            Self::Double => out.write_str("double"),
            Self::Decimal(precision, scale) => write!(out, "decimal({precision},{scale})"),
            Self::Date => out.write_str("date"),
            Self::Timestamp => out.write_str("timestamp"),
            Self::Text => out.write_str("string"),
            Self::List(element) => write!(out, "array<{element}>"),
            Self::Struct(fields) => {
                out.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(out, "{comma}{}:{}", field.name, field.data_type)?;
                }
                out.write_str(">")
            }
        }
    }
}

/// One to five columns, of types up to six deep.
pub(crate) fn columns(random: &mut Rng) -> Vec<Column> {
    (0..random.usize(1..6))
        .map(|index| {
            let depth = random.u32(0..=6);
            Column {
                name: format!("c{index}"),
                data_type: data_type(random, depth),
            }
        })
        .collect()
}

fn data_type(random: &mut Rng, depth: u32) -> Type {
    match random.u32(0..if depth == 0 { 9 } else { 15 }) {
        0 => Type::Boolean,
        1 | 2 => Type::Integer(8 << random.u32(0..4)),
        3 => Type::Float,
        4 => Type::Double,
        5 => {
            let precision = random.u32(1..=38);
            Type::Decimal(precision, random.u32(0..=precision))
        }
        6 => Type::Date,
        7 => Type::Timestamp,
        8 => Type::Text,
        9..12 => Type::List(Box::new(data_type(random, depth - 1))),
        _ => {
            let fields = (0..random.usize(1..4)).map(|index| Column {
                name: format!("f{index}"),
                data_type: data_type(random, depth - 1),
            });
            Type::Struct(fields.collect())
        }
    }
}

/// What the values of a case are like.
pub(crate) struct Pool {
    /// How many distinct values there are about.
    distinct: u64,
    /// One of so many values is null.
    null_every: u32,
    longest: usize,
}

impl Pool {
    pub(crate) fn random(random: &mut Rng) -> Self {
        Self {
            distinct: random.choice([1, 3, 100, u64::MAX]).unwrap_or(3),
            null_every: random.choice([1, 2, 10, u32::MAX]).unwrap_or(2),
            longest: random.choice([3, 70, 300]).unwrap_or(3),
        }
    }
}

/// Appends a row, and returns it as readers must find it.
pub(crate) fn row(columns: &[Column], pool: &Pool, random: &mut Rng, out: &mut String) -> Tree {
    let tree = structure(columns, pool, random, out);
    out.push('\n');
    tree
}

fn structure(columns: &[Column], pool: &Pool, random: &mut Rng, out: &mut String) -> Tree {
    out.push('{');
    let mut is_first = true;
    let mut fields = Vec::new();
    for column in columns {
        if random.u32(0..pool.null_every) == 0 {
            fields.push(Tree::Null);
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        write!(out, "\"{}\":", column.name).expect("a String takes everything");
        fields.push(value(&column.data_type, pool, random, out));
    }
    out.push('}');
    Tree::Struct(fields)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // random bits
fn value(of: &Type, pool: &Pool, random: &mut Rng, out: &mut String) -> Tree {
    // One of the distinct values, spread over all bits.
    let mut bits = Rng::with_seed(random.u64(..) % pool.distinct);
    let mut put = |text: &dyn fmt::Display| write!(out, "{text}").expect("a String takes it");
    match of {
        Type::Boolean => {
            let value = bits.bool();
            put(&value);
            Tree::Boolean(value)
        }
        Type::Integer(width) => {
            let value = bits.i64(..) >> (64 - width) >> bits.u32(0..*width);
            put(&value);
            Tree::Integer(value)
        }
        Type::Float => {
            let edges = [0.0, -0.0, f32::MAX, f32::MIN_POSITIVE, 1.5];
            let edge = bits.choice(edges).unwrap_or(0.0);
            let value = f32::from_bits(bits.u32(..));
            let is_edge = !value.is_finite() || bits.u8(0..3) == 0;
            let value = if is_edge { edge } else { value };
            put(&format_args!("{value:?}"));
            Tree::Double(f64::from(value).to_bits())
        }
        Type::Double => {
            let edges = [0.0, -0.0, f64::MAX, -5e-324, 1.5];
            let edge = bits.choice(edges).unwrap_or(0.0);
            let value = f64::from_bits(bits.u64(..));
            let is_edge = !value.is_finite() || bits.u8(0..3) == 0;
            let value = if is_edge { edge } else { value };
            put(&format_args!("{value:?}"));
            Tree::Double(value.to_bits())
        }
        Type::Decimal(precision, scale) => {
            let limit = 10_i128.pow(*precision);
            let value = bits.i128(1 - limit..limit);
            let value = value / 10_i128.pow(bits.u32(0..*precision));
            put(&decimal(value, *scale));
            Tree::Decimal(value)
        }
        Type::Date => {
            let day = bits.i64(-719_162..2_932_896);
            put(&format_args!("\"{}\"", date(day)));
            Tree::Integer(day)
        }
        Type::Timestamp => {
            let (text, value) = moment(&mut bits);
            put(&text);
            Tree::Integer(value)
        }
        Type::Text => {
            let value = text(&mut bits, pool.longest);
            put(&quoted(&value));
            Tree::Text(value)
        }
        Type::List(element) => list(element, pool, random, out),
        Type::Struct(fields) => structure(fields, pool, random, out),
    }
}

/// A time and its microseconds since 1970.
fn moment(random: &mut Rng) -> (String, i64) {
    let day = random.i64(-719_162..2_932_896);
    let second = random.i64(0..86_400);
    let digits = random.u32(0..=6);
    let fraction = random.i64(0..10_i64.pow(digits));
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let end = match digits {
        0 => String::new(),
        _ => format!(".{fraction:0width$}", width = digits as usize),
    };
    let date = date(day);
    let text = format!("\"{date} {hour:02}:{minute:02}:{:02}{end}\"", second % 60);
    let fraction = fraction * 10_i64.pow(6 - digits);
    (text, (day * 86_400 + second) * 1_000_000 + fraction)
}

fn list(element: &Type, pool: &Pool, random: &mut Rng, out: &mut String) -> Tree {
    out.push('[');
    let mut elements = Vec::new();
    for index in 0..random.choice([0, 0, 1, 2, 3, 9]).unwrap_or(0) {
        if index > 0 {
            out.push(',');
        }
        if random.u32(0..pool.null_every) == 0 {
            out.push_str("null");
            elements.push(Tree::Null);
        } else {
            elements.push(value(element, pool, random, out));
        }
    }
    out.push(']');
    Tree::List(elements)
}

fn text(random: &mut Rng, longest: usize) -> String {
    let length = random.usize(0..=longest);
    let characters = [
        'a',
        'Z',
        '"',
        '\\',
        '\n',
        '\0',
        '\u{7F}',
        'é',
        '漢',
        '\u{D7FF}',
        '😀',
        '\u{10FFFF}',
    ];
    let only = random.choice(characters).unwrap_or('a');
    let is_one = random.bool();
    (0..length)
        .map(|_| match is_one {
            true => only,
            false => random.choice(characters).unwrap_or('a'),
        })
        .collect()
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\0' => out.push_str("\\u0000"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// The digits, without zeros at the end of the fraction.
fn decimal(value: i128, scale: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs();
    let power = 10_u128.pow(scale);
    let fraction = format!("{:0width$}", digits % power, width = scale as usize);
    let fraction = match scale {
        0 => "",
        _ => fraction.trim_end_matches('0'),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", digits / power)
}

/// The date so many days after 1970-01-01, in the Gregorian calendar: counted in eras of 400 years that begin in March.
fn date(day: i64) -> String {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}")
}
