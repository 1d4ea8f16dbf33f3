//! What was seen of one property: its JSON types, and the form of its texts.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::json::scan::{AFTER_ELEMENT, Fault, Scanner, Shape};
use crate::json::text::unquoted;
use crate::schema::infer::map::Keys;
use crate::time::calendar::Moment;

/// Objects with more properties than this are treated as maps, whose keys are data: they become text.
const MOST_FIELDS: usize = 256;

/// Values nested deeper than this become text.
const DEEPEST: usize = 32;

/// The most digits of a decimal.
const LONGEST_DECIMAL: usize = 38;

/// The most that is noted in all: keys may be data, and there may be no end of them.
const MOST_NEWS: usize = 20_000;

/// A look at records, one after the other.
#[derive(Default)]
pub(super) struct Look {
    /// How often something was seen for the first time: a property, or a type of its values.
    news: usize,
}

impl Look {
    pub(super) fn news(&self) -> usize {
        self.news
    }

    /// Notes a new value of what is known so far.
    fn note<T: PartialEq>(&mut self, known: &mut T, now: T) {
        if *known != now {
            *known = now;
            self.news += 1;
        }
    }
}

/// The properties of an object, in the order in which they were first seen.
#[derive(Default)]
pub(super) struct Properties {
    seen: Vec<(String, Seen)>,
    places: HashMap<String, usize>,
    keys: Keys,
}

/// What was seen of one property's values. Nulls do not count.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub(super) struct Seen {
    boolean: bool,
    number: Option<WidestNumber>,
    text: Option<TextForm>,
    array: Option<Box<Seen>>,
    object: Option<Properties>,
    /// Nested too deep to be looked at.
    deep: bool,
}

/// The widest number so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WidestNumber {
    /// Of 64 bits.
    Integer,
    /// An integer of 38 digits at most.
    Long,
    Any,
    /// With an integer that no type of numbers holds, among others perhaps.
    Huge,
}

/// What all texts so far are. Times are what the rows of a timestamp column are written from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TextForm {
    /// `2026-11-22`.
    Day,
    /// A day and a time.
    Instant,
    Other,
}

impl TextForm {
    fn new(text: &[u8]) -> Self {
        match Moment::read(text) {
            Some(_) if text.len() == "2026-11-22".len() => Self::Day,
            Some(_) => Self::Instant,
            None => Self::Other,
        }
    }
}

impl Properties {
    /// Looks at an object, from its opening brace to after its closing one.
    pub(super) fn object(
        &mut self,
        scan: &mut Scanner<'_>,
        look: &mut Look,
        depth: usize,
    ) -> Result<(), Fault> {
        self.keys.objects += 1;
        scan.object("an object", |scan, key| {
            self.keys.members += 1;
            match std::str::from_utf8(&key.name(scan.text)) {
                Ok(key) => self.value(key, scan, look, depth),
                // Half a character: no column can have that name.
                Err(_) => scan.skip(),
            }
        })
    }

    /// Looks at one member, whose key has its quotes; the scanner is at its value.
    pub(super) fn member(
        &mut self,
        key: &[u8],
        scan: &mut Scanner<'_>,
        look: &mut Look,
    ) -> Result<(), Fault> {
        match std::str::from_utf8(&unquoted(&key[1..key.len() - 1])) {
            Ok(key) => self.value(key, scan, look, 0),
            Err(_) => Ok(()),
        }
    }

    fn value(
        &mut self,
        key: &str,
        scan: &mut Scanner<'_>,
        look: &mut Look,
        depth: usize,
    ) -> Result<(), Fault> {
        let place = if let Some(place) = self.places.get(key) {
            *place
        } else if look.news >= MOST_NEWS {
            return scan.skip();
        } else {
            look.news += 1;
            self.places.insert(key.to_owned(), self.seen.len());
            self.seen.push((key.to_owned(), Seen::default()));
            self.seen.len() - 1
        };
        self.seen[place].1.value(scan, look, depth)
    }

    /// The schema of an object of these properties; nothing where nothing is known of any.
    fn schema(&self) -> Option<Value> {
        if self.is_map() {
            return Some(json!({"type": "object"}));
        }
        let properties: Map<String, Value> = self.schemas().collect();
        (!properties.is_empty()).then(|| json!({"type": "object", "properties": properties}))
    }

    /// Whether the keys are data.
    fn is_map(&self) -> bool {
        if self.seen.len() > MOST_FIELDS {
            return true;
        }
        let types = self
            .seen
            .iter()
            .fold(0, |types, (_, seen)| types | seen.types());
        let keys = self.seen.iter().map(|(key, _)| key.as_str());
        self.keys.are_data(keys, types.count_ones() <= 1)
    }

    /// The schema of each property of which anything is known.
    pub(super) fn schemas(&self) -> impl Iterator<Item = (String, Value)> {
        let schema = |(key, seen): &(String, Seen)| Some((key.clone(), seen.schema()?));
        self.seen.iter().filter_map(schema)
    }
}

impl Seen {
    fn value(
        &mut self,
        scan: &mut Scanner<'_>,
        look: &mut Look,
        depth: usize,
    ) -> Result<(), Fault> {
        match scan.peek() {
            b'n' => scan.literal("null"),
            b't' => {
                look.note(&mut self.boolean, true);
                scan.literal("true")
            }
            b'f' => {
                look.note(&mut self.boolean, true);
                scan.literal("false")
            }
            b'"' => self.text(scan, look),
            b'{' | b'[' if depth >= DEEPEST => {
                look.note(&mut self.deep, true);
                scan.skip()
            }
            b'{' => {
                look.news += usize::from(self.object.is_none());
                let members = self.object.get_or_insert_default();
                if members.seen.len() > MOST_FIELDS {
                    return scan.skip();
                }
                members.object(scan, look, depth + 1)
            }
            b'[' => self.array(scan, look, depth),
            _ => self.number(scan, look),
        }
    }

    fn text(&mut self, scan: &mut Scanner<'_>, look: &mut Look) -> Result<(), Fault> {
        let from = scan.at + 1;
        scan.string()?;
        if self.text == Some(TextForm::Other) {
            return Ok(());
        }
        let now = TextForm::new(&scan.text[from..scan.at - 1]);
        let now = match self.text {
            Some(before) if before != now => Some(TextForm::Other),
            _ => Some(now),
        };
        look.note(&mut self.text, now);
        Ok(())
    }

    fn number(&mut self, scan: &mut Scanner<'_>, look: &mut Look) -> Result<(), Fault> {
        let from = scan.at;
        let shape = scan.number()?;
        let text = &scan.text[from..scan.at];
        let digits = text.len() - usize::from(text[0] == b'-');
        let fits = |text: &[u8]| {
            let text = std::str::from_utf8(text).unwrap_or_default();
            digits < 19 || text.parse::<i64>().is_ok()
        };
        let now = match shape {
            Shape::Integer if fits(text) => WidestNumber::Integer,
            Shape::Integer if digits <= LONGEST_DECIMAL => WidestNumber::Long,
            Shape::Integer => WidestNumber::Huge,
            _ => WidestNumber::Any,
        };
        let now = self.number.max(Some(now));
        look.note(&mut self.number, now);
        Ok(())
    }

    fn array(
        &mut self,
        scan: &mut Scanner<'_>,
        look: &mut Look,
        depth: usize,
    ) -> Result<(), Fault> {
        look.news += usize::from(self.array.is_none());
        let element = self.array.get_or_insert_default();
        scan.at += 1;
        scan.space();
        if scan.peek() == b']' {
            scan.at += 1;
            return Ok(());
        }
        loop {
            element.value(scan, look, depth + 1)?;
            scan.space();
            match scan.peek() {
                b',' => {
                    scan.at += 1;
                    scan.space();
                }
                b']' => {
                    scan.at += 1;
                    return Ok(());
                }
                _ => return Err(Fault(AFTER_ELEMENT)),
            }
        }
    }

    /// The schema; nothing where only nulls, and arrays and objects without a value inside were seen.
    fn schema(&self) -> Option<Value> {
        if self.deep {
            return Some(json!({"type": ["array", "object"]}));
        }
        let mut schemas: Vec<Value> = Vec::new();
        if self.boolean {
            schemas.push(json!({"type": "boolean"}));
        }
        schemas.extend(self.number.map(|number| match number {
            WidestNumber::Integer => json!({"type": "integer"}),
            WidestNumber::Long => json!({"type": "integer", "airbyte_type": "big_integer"}),
            WidestNumber::Any => json!({"type": "number"}),
            WidestNumber::Huge => json!({"type": "string"}),
        }));
        schemas.extend(self.text.map(|text| match text {
            TextForm::Day => json!({"type": "string", "format": "date"}),
            TextForm::Instant => json!({"type": "string", "format": "date-time"}),
            TextForm::Other => json!({"type": "string"}),
        }));
        let mut has_unknown = false;
        if let Some(element) = &self.array {
            let items = element.schema();
            has_unknown |= items.is_none();
            schemas.push(match items {
                Some(items) => json!({"type": "array", "items": items}),
                None => json!({"type": "array"}),
            });
        }
        if let Some(members) = &self.object {
            let schema = members.schema();
            has_unknown |= schema.is_none();
            schemas.push(schema.unwrap_or_else(|| json!({"type": "object"})));
        }
        match schemas.len() {
            0 => None,
            1 if has_unknown => None,
            1 => schemas.pop(),
            _ => {
                let types: Vec<Value> = schemas
                    .iter()
                    .map(|schema| schema["type"].clone())
                    .collect();
                Some(json!({"type": types}))
            }
        }
    }

    /// The one type of all values, as a bit; several bits for several types, none for nulls alone.
    fn types(&self) -> u8 {
        u8::from(self.boolean)
            | u8::from(self.number.is_some()) << 1
            | u8::from(self.text.is_some()) << 2
            | u8::from(self.array.is_some()) << 3
            | u8::from(self.object.is_some() || self.deep) << 4
    }
}
