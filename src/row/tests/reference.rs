//! The slow, obvious encoder: a tree of the record, one column after the other, everything by way of text.

use std::collections::BTreeMap;

use jiff::{SignedDuration, civil};

use crate::row::tests::tree::{Tree, Value, decoded, read, units};
use crate::schema::{Field, Padding, Type, Width};

/// The row (without a line feed) of a record that is valid JSON, an object.
pub(super) fn row(fields: &[Field], rescue_column: &str, record: &str) -> String {
    let tree = read(record);
    let none = Vec::new();
    let members = match &tree.value {
        Value::Object(members) => members,
        _ => &none,
    };
    let mut out = Vec::new();
    let mut rescued = Vec::new();
    for field in fields {
        let Some(member) = last(members, &field.key) else {
            continue;
        };
        let (text, whole) = write(&field.data_type, member);
        if let Some(text) = text {
            out.push(format!("{}:{text}", quoted(&field.name)));
        }
        if !whole {
            rescued.push(units_of(&field.key));
        }
    }
    let known: Vec<Vec<u16>> = fields.iter().map(|field| units_of(&field.key)).collect();
    let mut misfits = Vec::new();
    for (index, (key, member)) in members.iter().enumerate() {
        let name = units(key);
        let is_last = !members[index + 1..]
            .iter()
            .any(|(later, _)| units(later) == name);
        let is_null = matches!(member.value, Value::Null);
        if is_last && !is_null && (rescued.contains(&name) || !known.contains(&name)) {
            misfits.push(format!("{key}:{}", member.text));
        }
    }
    if !misfits.is_empty() {
        let object = format!("{{{}}}", misfits.join(","));
        out.push(format!("{}:{}", quoted(rescue_column), quoted(&object)));
    }
    format!("{{{}}}", out.join(","))
}

fn units_of(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// The last member of a key.
fn last<'t, 'a>(members: &'t [(&'a str, Tree<'a>)], key: &str) -> Option<&'t Tree<'a>> {
    let same = |(found, _): &&(&str, Tree<'_>)| units(found) == units_of(key);
    members.iter().rfind(same).map(|(_, member)| member)
}

/// What is written for a value (nothing for null and for what does not fit), and whether that is all of it.
fn write(data_type: &Type, tree: &Tree<'_>) -> (Option<String>, bool) {
    let scalar = match (data_type, &tree.value) {
        (_, Value::Null) => return (None, true),
        (Type::Array(element), Value::Array(elements)) => {
            let written: Vec<_> = elements.iter().map(|tree| write(element, tree)).collect();
            let texts: Vec<_> = written
                .iter()
                .map(|(text, _)| text.clone().unwrap_or("null".into()))
                .collect();
            let whole = written.iter().all(|(_, whole)| *whole);
            return (Some(format!("[{}]", texts.join(","))), whole);
        }
        (Type::Struct(fields), Value::Object(members)) => return object(fields, members),
        (Type::Map(element), Value::Object(members)) => return map(element, members),
        (Type::Array(_) | Type::Struct(_) | Type::Map(_) | Type::Foreign(_), _) => None,
        (Type::Bounded { length, padding }, value) => {
            let is_string = matches!(value, Value::String);
            let text = if is_string {
                decoded(tree.text)
            } else {
                Some(tree.text.to_string())
            };
            let fits = |text: &String| {
                text.chars().count() <= usize::from(*length)
                    && (*padding == Padding::None || !text.ends_with(' '))
            };
            let written = |text: String| {
                if is_string {
                    tree.text.to_string()
                } else {
                    quoted(&text)
                }
            };
            text.filter(fits).map(written)
        }
        (Type::String, Value::String) => decoded(tree.text).map(|_| tree.text.to_string()),
        (Type::Json, Value::String) => decoded(tree.text).map(|_| quoted(tree.text)),
        (Type::String | Type::Json, _) => Some(quoted(tree.text)),
        (Type::Boolean, Value::Boolean) => Some(tree.text.to_string()),
        (_, Value::String) => decoded(tree.text).and_then(|text| from_text(data_type, &text)),
        (_, Value::Number) => from_text(data_type, tree.text),
        _ => None,
    };
    // A number is no date, though its text might be one.
    let scalar = scalar.filter(|_| {
        !matches!(
            (data_type, &tree.value),
            (Type::Date | Type::Timestamp, Value::Number)
        )
    });
    let whole = scalar.is_some();
    (scalar, whole)
}

/// A map has every member whose value can be written, if no key is there twice.
fn map(element: &Type, members: &[(&str, Tree<'_>)]) -> (Option<String>, bool) {
    let mut texts = Vec::new();
    let mut keys = Vec::new();
    let mut whole = true;
    for (key, member) in members {
        let is_text = decoded(key).is_some();
        let (text, all) = match member.value {
            Value::Null => (Some("null".to_owned()), true),
            _ => write(element, member),
        };
        whole &= all && is_text;
        texts.extend(text.filter(|_| is_text).map(|text| format!("{key}:{text}")));
        keys.push(units(key));
    }
    let count = keys.len();
    keys.sort();
    keys.dedup();
    if keys.len() < count {
        return (None, false);
    }
    (Some(format!("{{{}}}", texts.join(","))), whole)
}

fn object(fields: &[Field], members: &[(&str, Tree<'_>)]) -> (Option<String>, bool) {
    let mut texts = BTreeMap::new();
    let mut whole = true;
    for (key, member) in members {
        let Some(index) = fields
            .iter()
            .position(|field| units_of(&field.key) == units(key))
        else {
            whole &= matches!(member.value, Value::Null);
            continue;
        };
        let (text, all) = write(&fields[index].data_type, member);
        whole &= all;
        texts.insert(index, text);
    }
    let texts: Vec<_> = texts
        .into_iter()
        .filter_map(|(index, text)| Some(format!("{}:{}", quoted(&fields[index].name), text?)))
        .collect();
    (Some(format!("{{{}}}", texts.join(","))), whole)
}

/// A scalar from the text of a number or of a string.
fn from_text(data_type: &Type, text: &str) -> Option<String> {
    match data_type {
        Type::Boolean => matches!(text, "true" | "false").then(|| text.to_string()),
        Type::Integer(width) => {
            let plain = plain(text)?;
            let value: i64 = plain.parse().ok()?;
            let fits = match width {
                Width::Eight => i8::try_from(value).is_ok(),
                Width::Sixteen => i16::try_from(value).is_ok(),
                Width::ThirtyTwo => i32::try_from(value).is_ok(),
                Width::SixtyFour => true,
            };
            fits.then(|| value.to_string())
        }
        Type::Double => {
            let nearest: f64 = is_number(text).then(|| text.parse().ok())??;
            float(text, nearest)
        }
        Type::Float => {
            let nearest: f32 = is_number(text).then(|| text.parse().ok())??;
            float(text, nearest.into())
        }
        Type::Decimal { precision, scale } => decimal(text, *precision, *scale),
        Type::Date => {
            let (time, exact) = moment(text)?;
            (exact && time.time() == civil::Time::midnight())
                .then(|| format!("\"{}\"", time.strftime("%Y-%m-%d")))
        }
        Type::Timestamp => {
            let (time, _) = moment(text)?;
            let form = match time.subsec_nanosecond() / 1000 {
                0 => "%Y-%m-%d %H:%M:%S",
                micros if micros % 1000 == 0 => "%Y-%m-%d %H:%M:%S%.3f",
                _ => "%Y-%m-%d %H:%M:%S%.6f",
            };
            Some(format!("\"{}\"", time.strftime(form)))
        }
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    !text.starts_with([' ', '\t', '\n', '\r'])
        && !text.ends_with([' ', '\t', '\n', '\r'])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        && text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

fn float(text: &str, nearest: f64) -> Option<String> {
    let mantissa = text.split(['e', 'E']).next()?;
    let is_zero = !mantissa.contains(|c: char| ('1'..='9').contains(&c));
    let written = if is_zero { mantissa } else { text };
    // With a precision, Rust displays all digits of a double.
    let is_integer = !text.contains(['.', 'e', 'E']);
    let digits = text.trim_start_matches('-').len();
    let is_exact = !is_integer || digits <= 38 && format!("{nearest:.0}") == text;
    let fits = nearest.is_finite() && (nearest == 0.0) == is_zero;
    (fits && is_exact && text.len() <= 1000).then(|| written.to_string())
}

/// A number as digits with at most one point, as few as it needs; nothing for very large and very small ones.
fn plain(text: &str) -> Option<String> {
    if !is_number(text) {
        return None;
    }
    let lower = text.to_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |rest| ("-", rest));
    if mantissa.trim_matches(['0', '.']).is_empty() {
        return Some("0".into());
    }
    // Move the point one place at a time.
    let (mut whole, mut fraction) = {
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        (whole.to_string(), fraction.to_string())
    };
    let exponent: i64 = exponent.parse().ok().filter(|e: &i64| e.abs() < 5000)?;
    for _ in 0..exponent {
        whole.push(if fraction.is_empty() {
            '0'
        } else {
            fraction.remove(0)
        });
    }
    for _ in exponent..0 {
        fraction.insert(0, whole.pop().unwrap_or('0'));
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

fn decimal(text: &str, precision: u8, scale: u8) -> Option<String> {
    let fits = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole = whole.trim_start_matches('-').trim_start_matches('0').len();
        whole <= usize::from(precision - scale) && fraction.len() <= usize::from(scale)
    };
    let shortest = plain(text)?;
    let is_negative_zero = text.starts_with('-') && shortest == "0";
    if !text.contains(['e', 'E']) && !is_negative_zero && fits(text) {
        return Some(text.to_string());
    }
    fits(&shortest).then_some(shortest)
}

/// A time in UTC, and whether it has no digits after the microseconds.
fn moment(text: &str) -> Option<(civil::DateTime, bool)> {
    let number = |digits: &str| {
        (digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse::<i32>().ok())?
    };
    let small = |digits: &str| number(digits).and_then(|number| i8::try_from(number).ok());
    let pair = |text: &str| (text.len() == 2).then(|| small(text))?;
    let (day, rest) = text.split_at_checked(10)?;
    let [year, month, day]: [&str; 3] = day.split('-').collect::<Vec<_>>().try_into().ok()?;
    if year.len() != 4 {
        return None;
    }
    let year = number(year).and_then(|year| i16::try_from(year).ok())?;
    let date = civil::Date::new(year, pair(month)?, pair(day)?).ok()?;
    if year == 0 {
        return None;
    }
    if rest.is_empty() {
        return Some((date.to_datetime(civil::Time::midnight()), true));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let clock_ends = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.');
    let (clock, zone) = rest.split_at(clock_ends.unwrap_or(rest.len()));
    let (clock, fraction) = match clock.split_once('.') {
        Some((_, "")) => return None,
        Some((clock, fraction)) => (clock, fraction),
        None => (clock, ""),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour, minute] if fraction.is_empty() => (hour, minute, "00"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let nanos = number(&format!("{fraction:0<6}")[..6])? * 1000;
    let exact = fraction.bytes().skip(6).all(|byte| byte == b'0');
    fraction
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    let time = civil::Time::new(pair(hour)?, pair(minute)?, pair(second)?, nanos).ok()?;
    let local = date.to_datetime(time);
    let zone = zone
        .strip_prefix(' ')
        .filter(|zone| !zone.is_empty())
        .unwrap_or(zone);
    // As `Z+0000`.
    let after_utc = zone
        .strip_prefix(['Z', 'z'])
        .filter(|rest| rest.starts_with(['+', '-']));
    let zone = after_utc.unwrap_or(zone);
    let east = match zone {
        "" | "Z" | "z" | "UTC" => 0,
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let zone = zone.strip_prefix(['+', '-'])?;
            let parts: Vec<&str> = match zone.len() {
                4 if !zone.contains(':') => vec![&zone[..2], &zone[2..]],
                _ => zone.split(':').collect(),
            };
            let limits = [23, 59, 59];
            let mut seconds = 0;
            for (index, limit) in limits.into_iter().enumerate() {
                let part = parts.get(index).map_or(Some(0), |part| pair(part))?;
                (part <= limit && parts.len() <= 3).then_some(())?;
                seconds = seconds * 60 + i64::from(part);
            }
            sign * seconds
        }
    };
    (after_utc.is_none() || east == 0).then_some(())?;
    let utc = local.checked_sub(SignedDuration::from_secs(east)).ok()?;
    (1..=9999).contains(&utc.year()).then_some((utc, exact))
}
