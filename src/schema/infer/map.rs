//! Recognizes objects that are maps, whose keys are data and no names of fields: a struct would have no end of fields.

use crate::schema::{Field, Type};
use crate::time::calendar::Moment;

/// So many keys are many.
const MANY: usize = 20;

/// So many keys with values of one type are a map even if each object has all of them.
const VERY_MANY: usize = 100;

/// The figures of all objects of one property.
#[derive(Clone, Copy, Default)]
pub(super) struct Keys {
    /// How many objects there were, and members in all of them.
    pub(super) objects: usize,
    pub(super) members: usize,
}

impl Keys {
    /// Whether objects with these keys are a map: the keys look like ids, or there are many of them, of which an object has
    /// few, with values of one type.
    pub(super) fn are_data<'a>(
        self,
        keys: impl ExactSizeIterator<Item = &'a str>,
        has_one_type: bool,
    ) -> bool {
        let count = keys.len();
        if has_one_type && count >= VERY_MANY {
            return true;
        }
        if has_one_type && count >= MANY && self.members * 4 < self.objects * count {
            return true;
        }
        let ids = keys.filter(|key| is_id(key)).count();
        ids > 0 && ids * 4 >= count * 3
    }
}

/// Whether a struct of the table, which is to get new fields for objects of so many members, holds maps: its fields and the
/// new ones are keys that are data.
pub(in crate::schema) fn has_keys_for_fields<'a>(
    table: &'a [Field],
    new: impl Iterator<Item = &'a Field>,
    members: usize,
) -> bool {
    let all: Vec<&Field> = table.iter().chain(new).collect();
    let kinds = all
        .iter()
        .fold(0, |kinds, field| kinds | kind(&field.data_type));
    let keys = Keys {
        objects: 1,
        members,
    };
    keys.are_data(
        all.iter().map(|field| field.key.as_str()),
        kinds.count_ones() <= 1,
    )
}

/// The kind of JSON values that are written under a type, as a bit.
fn kind(data_type: &Type) -> u8 {
    match data_type {
        Type::Boolean => 1,
        Type::Integer(_) | Type::Float | Type::Double | Type::Decimal { .. } => 1 << 1,
        Type::Date | Type::Timestamp | Type::String | Type::Bounded { .. } | Type::Foreign(_) => {
            1 << 2
        }
        Type::Array(_) => 1 << 3,
        Type::Struct(_) | Type::Map(_) | Type::Json => 1 << 4,
    }
}

/// Whether a key looks like an id, a date or an address rather than a name: digits alone, a UUID or another long number in
/// hexadecimal digits, a long text with many digits in it.
fn is_id(key: &str) -> bool {
    let text = key.as_bytes();
    let count = |is: fn(&u8) -> bool| text.iter().filter(|byte| is(byte)).count();
    let digits = count(u8::is_ascii_digit);
    let is_number = !text.is_empty() && digits == text.len();
    let is_hex = text.len() >= 16
        && digits > 0
        && text
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let is_token = text.len() >= 16 && digits >= 4 && !text.contains(&b' ');
    let is_address = key.contains("://")
        || key
            .split_once('@')
            .is_some_and(|(_, host)| host.contains('.'));
    is_number || is_hex || is_token || is_address || Moment::read(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_names() {
        for key in [
            "0",
            "1001",
            "550e8400-e29b-41d4-a716-446655440000",
            "507f1f77bcf86cd799439011",
            "acct_1NBxQ2Ab34Cd56Ef",
            "2026-11-22",
            "2026-11-22T09:00Z",
            "ada@example.org",
            "https://example.org/a",
        ] {
            assert!(is_id(key), "{key}");
        }
        for key in [
            "",
            "+1",
            "-1",
            "id",
            "q4_2024",
            "address_line_1",
            "x-request-id",
            "facade",
            "deadbeefdeadbeef",
            "an average over 1000 records",
            "@type",
            "Größe",
        ] {
            assert!(!is_id(key), "{key}");
        }
    }
}
