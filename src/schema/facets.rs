//! Facets: what a JSON schema states about a value, with references followed and conjunctions joined. It makes no types.
//! Forms and keywords: <https://docs.airbyte.com/platform/understanding-airbyte/supported-data-types>.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use crate::schema::{DEEPEST_TYPE, Why};

/// How many schemas and properties one column may be made of: past it the type would be longer than the catalog allows,
/// since a field takes six characters at least and four visits at most.
const COLUMN_VISITS: usize = 131_072;

/// How many visits all columns may take together, so that references to references cannot multiply without end.
const SCHEMA_VISITS: usize = 1_000_000;

/// A set of JSON types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    /// Integers are numbers too.
    pub(super) const NUMBER: Self = Self(4 | 8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    /// A type name that JSON Schema does not have.
    pub(super) const UNKNOWN: Self = Self(128);
    const ALL: Self = Self(255);

    pub(super) fn without_null(self) -> Self {
        Self(self.0 & !Self::NULL.0)
    }

    pub(super) fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" | "int" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::UNKNOWN,
        }
    }

    fn in_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.is_f64() => Self::NUMBER,
            Value::Number(_) => Self::INTEGER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }
}

/// All that the schemas of one value state together.
#[derive(Debug)]
pub(super) struct Facets<'a> {
    kinds: Kinds,
    /// The types of the values in `enum` and `const`; they count only where there is no `type`.
    examples: Option<Kinds>,
    pub(super) unknown_type: Option<&'a str>,
    pub(super) no_target: Option<&'a str>,
    pub(super) format: Option<&'a str>,
    pub(super) airbyte_type: Option<&'a str>,
    pub(super) properties: Vec<(&'a str, Vec<&'a Value>)>,
    property_index: HashMap<&'a str, usize>,
    has_properties: bool,
    /// Properties other than the declared ones are allowed expressly.
    pub(super) open: bool,
    /// The schemas of the items, each of them an alternative.
    pub(super) items: Vec<&'a Value>,
    has_items: bool,
    /// `oneOf` and `anyOf` with two branches or more that add a type.
    pub(super) choices: Vec<Vec<&'a Value>>,
}

impl Default for Facets<'_> {
    fn default() -> Self {
        Self {
            kinds: Kinds::ALL,
            examples: None,
            unknown_type: None,
            no_target: None,
            format: None,
            airbyte_type: None,
            properties: Vec::new(),
            property_index: HashMap::new(),
            has_properties: false,
            open: false,
            items: Vec::new(),
            has_items: false,
            choices: Vec::new(),
        }
    }
}

impl<'a> Facets<'a> {
    /// The types that are stated or follow from other keywords; `None` where there are none.
    pub(super) fn kinds(&self) -> Option<Kinds> {
        if self.kinds != Kinds::ALL {
            return Some(self.kinds);
        }
        if self.has_properties || self.open {
            Some(Kinds::OBJECT)
        } else if self.has_items {
            Some(Kinds::ARRAY)
        } else if !self.choices.is_empty() || self.no_target.is_some() {
            None
        } else if self.format.is_some() || self.airbyte_type.is_some() {
            Some(Kinds::STRING)
        } else {
            self.examples
        }
    }

    pub(super) fn declares(&self, key: &str) -> bool {
        self.property_index.contains_key(key)
    }

    fn narrow(&mut self, kinds: Kinds) {
        self.kinds = self.kinds.and(kinds);
    }

    fn take_type(&mut self, said: &'a Value) {
        let mut kinds = Kinds::NONE;
        let names = match said {
            Value::Array(names) if names.is_empty() => return,
            Value::Array(names) => names.as_slice(),
            one => std::slice::from_ref(one),
        };
        for name in names {
            let name = name.as_str().unwrap_or("(not a name)");
            let kind = Kinds::named(name);
            if kind == Kinds::UNKNOWN {
                self.unknown_type.get_or_insert(name);
            }
            kinds = kinds.or(kind);
        }
        self.narrow(kinds);
    }

    fn take_well_known(&mut self, name: &str) -> bool {
        let (kind, airbyte_type) = match name {
            "String" | "BinaryData" => (Kinds::STRING, None),
            "Boolean" => (Kinds::BOOLEAN, None),
            "Number" => (Kinds::NUMBER, None),
            "Integer" => (Kinds::INTEGER, None),
            "Date" => {
                self.format = Some("date");
                (Kinds::STRING, None)
            }
            "TimestampWithTimezone" => (Kinds::STRING, Some("timestamp_with_timezone")),
            "TimestampWithoutTimezone" => (Kinds::STRING, Some("timestamp_without_timezone")),
            "TimeWithTimezone" => (Kinds::STRING, Some("time_with_timezone")),
            "TimeWithoutTimezone" => (Kinds::STRING, Some("time_without_timezone")),
            _ => return false,
        };
        self.narrow(kind);
        self.airbyte_type = airbyte_type.or(self.airbyte_type);
        true
    }

    fn take_own(&mut self, schema: &'a serde_json::Map<String, Value>) {
        if let Some(said) = schema.get("type") {
            self.take_type(said);
        }
        let text = |key| schema.get(key).and_then(Value::as_str);
        self.format = self.format.or(text("format"));
        self.airbyte_type = self.airbyte_type.or(text("airbyte_type"));
        if let Some(Value::Object(properties)) = schema.get("properties") {
            self.has_properties = true;
            for (key, property) in properties {
                let index = *self.property_index.entry(key).or_insert_with(|| {
                    self.properties.push((key, Vec::new()));
                    self.properties.len() - 1
                });
                self.properties[index].1.push(property);
            }
        }
        self.open |= matches!(
            schema.get("additionalProperties"),
            Some(Value::Bool(true) | Value::Object(_) | Value::String(_))
        ) || schema.contains_key("patternProperties");
        for key in ["prefixItems", "items"] {
            match schema.get(key) {
                Some(Value::Array(several)) => {
                    self.has_items = true;
                    self.items.extend(several);
                }
                // `items: false` closes a tuple and allows nothing more.
                Some(Value::Bool(false)) | None => {}
                Some(one) => {
                    self.has_items = true;
                    self.items.push(one);
                }
            }
        }
        if let Some(value) = schema.get("const") {
            self.examples = Some(Kinds::in_value(value));
        } else if let Some(Value::Array(values)) = schema.get("enum") {
            let kinds = values.iter().map(Kinds::in_value).reduce(Kinds::or);
            self.examples = self.examples.or(kinds);
        }
    }
}

/// Gathers facets out of one document; knows which schemas are being read, so that recursion is cut.
pub(super) struct Gatherer<'a> {
    root: &'a Value,
    /// The schemas of every value from the root to here, one list for each level.
    levels: Vec<Vec<&'a Value>>,
    /// The level at which a schema, identified by its address, is being read.
    open: HashMap<*const Value, usize>,
    visits: usize,
    column_visits: usize,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self {
            root,
            levels: Vec::new(),
            open: HashMap::new(),
            visits: 0,
            column_visits: 0,
        }
    }

    pub(super) fn begin_column(&mut self) {
        self.column_visits = 0;
    }

    /// Goes one level deeper: to a value that all of these schemas describe. Every call needs a [`Self::leave`].
    pub(super) fn enter(&mut self, schemas: &[&'a Value]) -> Result<Facets<'a>, Why> {
        self.levels.push(Vec::new());
        if self.levels.len() > DEEPEST_TYPE {
            return Err(Why::TooDeep);
        }
        let mut facets = Facets::default();
        let mut waiting: Vec<&Value> = schemas.iter().rev().copied().collect();
        while let Some(schema) = waiting.pop() {
            self.gather(schema, &mut facets, &mut waiting)?;
        }
        Ok(facets)
    }

    /// The types that these schemas allow at their own level; all of them where that is not said.
    pub(super) fn kinds(&self, schemas: &[&'a Value]) -> Kinds {
        // A reader of its own, which no schema that is being read can stop; choices in choices end at its limit.
        Self::new(self.root).all_kinds(schemas)
    }

    fn all_kinds(&mut self, schemas: &[&'a Value]) -> Kinds {
        let mut kinds = Kinds::ALL;
        if let Ok(facets) = self.enter(schemas) {
            if let Some(stated) = facets.kinds() {
                kinds = stated;
            } else if let Some(branches) = facets.choices.into_iter().next() {
                let of_branch = |branch: &'a Value| self.all_kinds(&[branch]);
                let of_branches = branches.into_iter().map(of_branch);
                kinds = of_branches.reduce(Kinds::or).unwrap_or(Kinds::ALL);
            }
        }
        self.leave();
        kinds
    }

    /// Comes back from the level that the last [`Self::enter`] went to.
    pub(super) fn leave(&mut self) {
        for schema in self.levels.pop().expect("leave follows enter") {
            self.open.remove(&std::ptr::from_ref(schema));
        }
    }

    fn gather(
        &mut self,
        schema: &'a Value,
        facets: &mut Facets<'a>,
        waiting: &mut Vec<&'a Value>,
    ) -> Result<(), Why> {
        let here = self.levels.len();
        match self.open.entry(schema) {
            Entry::Occupied(open) if *open.get() == here => return Ok(()), // Two ways lead to it.
            Entry::Occupied(_) => return Err(Why::Recursive),
            Entry::Vacant(free) => free.insert(here),
        };
        self.levels[here - 1].push(schema);
        self.charge(1)?;
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::String(_) => {
                facets.take_type(schema);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let declared = schema.get("properties").and_then(Value::as_object);
        self.charge(declared.map_or(0, serde_json::Map::len))?;
        facets.take_own(schema);

        // What waits is taken from the end, so that properties keep the order of the text.
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = schema.get(key) {
                let branches: Vec<&Value> =
                    branches.iter().filter(|branch| counts(branch)).collect();
                match branches[..] {
                    [] => {}
                    [only] => waiting.push(only),
                    _ => facets.choices.push(branches),
                }
            }
        }
        if let Some(Value::Array(parts)) = schema.get("allOf") {
            waiting.extend(parts.iter().rev());
        }
        if let Some(Value::String(reference)) = schema.get("$ref") {
            if let Some((_, name)) = reference.split_once("WellKnownTypes.json#/definitions/") {
                if !facets.take_well_known(name) {
                    facets.no_target = Some(reference);
                }
            } else if let Some(target) = self.target(reference) {
                waiting.push(target);
            } else {
                facets.no_target = Some(reference);
            }
        }
        Ok(())
    }

    fn charge(&mut self, visits: usize) -> Result<(), Why> {
        self.visits += visits;
        self.column_visits += visits;
        // The root's own properties are columns, and as many as there are.
        let bounded = self.levels.len() > 1;
        if bounded && (self.visits > SCHEMA_VISITS || self.column_visits > COLUMN_VISITS) {
            return Err(Why::TooLong);
        }
        Ok(())
    }

    /// What a reference into the same document points at (RFC 6901, in a URI fragment).
    fn target(&self, reference: &str) -> Option<&'a Value> {
        self.root
            .pointer(&percent_decoded(reference.strip_prefix('#')?)?)
    }
}

/// Whether a branch of a choice adds a type: one that allows null alone does not, nor one that only restricts.
fn counts(branch: &Value) -> bool {
    const TYPING: [&str; 13] = [
        "$ref",
        "additionalProperties",
        "airbyte_type",
        "allOf",
        "anyOf",
        "const",
        "enum",
        "format",
        "items",
        "oneOf",
        "prefixItems",
        "properties",
        "type",
    ];
    let Value::Object(schema) = branch else {
        return branch != "null" && *branch != Value::Bool(false);
    };
    let only_null = match (schema.get("type"), schema.get("const"), schema.get("enum")) {
        (Some(Value::Array(names)), _, _) => {
            !names.is_empty() && names.iter().all(|name| name == "null")
        }
        (Some(name), _, _) => name == "null",
        (None, Some(value), _) => value.is_null(),
        (None, None, Some(Value::Array(values))) => {
            !values.is_empty() && values.iter().all(Value::is_null)
        }
        _ => false,
    };
    let adds_a_type = schema.is_empty() || TYPING.iter().any(|key| schema.contains_key(*key));
    adds_a_type && !only_null
}

fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_string());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
