//! The plans of objects and values, compiled from the columns of a table: what to expect in the text of a record, and
//! what to write. They never change; what earlier records teach is in `learned`.

use std::collections::HashMap;

use crate::json::text::quoted;
use crate::schema::{DEEPEST_TYPE, Field, Padding, Type, Width};

/// How many steps each object of a plan has; objects are numbered as they are compiled.
#[derive(Default)]
pub(super) struct StepCounts(Vec<u32>);

impl StepCounts {
    /// How many steps each object has, by its number.
    pub(super) fn steps(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }
}

/// The members of an object that are columns or struct fields, in the order of these.
pub(super) struct ObjectPlan {
    /// Its number among the [`StepCounts`] of the plan.
    pub(super) id: usize,
    pub(super) steps: Vec<Step>,
    by_key: HashMap<Box<[u8]>, u32>,
}

/// One column or struct field.
pub(super) struct Step {
    /// The name of the column.
    pub(super) column: String,
    /// `"key":` as most sources write it.
    pub(super) key: Token,
    /// `,"name":`, as it begins a member after another one.
    pub(super) name: Box<[u8]>,
    /// Whether the two are the same, so that the key can be verbatim in the row.
    pub(super) key_is_name: bool,
    pub(super) verbatim: Verbatim,
    pub(super) value: ValuePlan,
    /// The column for values of the same key that this one cannot hold.
    pub(super) variant: Option<Box<Step>>,
    /// Of a variant: which it is of the record's, from 0 on.
    pub(super) number: u32,
}

/// In place of the index of a step: the schema does not know the key.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// How the values of a column are written.
pub(super) enum ValuePlan {
    Boolean,
    /// Within these bounds, both included.
    Integer(i64, i64),
    Float,
    Double,
    /// At most so many digits before the point, and after it.
    Decimal(usize, usize),
    Date,
    Timestamp,
    /// A string as itself, any other value as its JSON text.
    Text,
    /// Any value as its JSON text.
    Json,
    /// Text of at most so many characters.
    Bounded(usize, Padding),
    Array(Box<ValuePlan>),
    Struct(ObjectPlan),
    /// An object of any keys, with such values.
    Map(Box<ValuePlan>),
    /// Never written.
    Foreign,
}

/// Which values of a column can be verbatim in the row, as `verbatim` finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verbatim {
    Scalar(Scalar),
    /// An array of such values and nulls.
    Array(Scalar),
    None,
}

/// The scalars that can be verbatim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// A string that stands for characters.
    String,
    /// A whole number of so few digits that it fits 64 bits.
    Integer,
    /// A number that is far from the edges of a double.
    Double,
    Boolean,
    /// `"YYYY-MM-DD"`.
    Date,
}

impl ObjectPlan {
    pub(super) fn compile<'a>(
        fields: impl IntoIterator<Item = &'a Field>,
        depth: usize,
        objects: &mut StepCounts,
    ) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        let mut by_key = HashMap::new();
        let mut variants = 0;
        for field in fields {
            let (key, name) = (token(&field.key), token(&field.name));
            let value = ValuePlan::compile(&field.data_type, depth, objects);
            let step = Step {
                column: field.name.clone(),
                key_is_name: key == name,
                key: Token::new(key),
                name: [b",", &*name].concat().into(),
                verbatim: Verbatim::new(&value),
                value,
                variant: None,
                number: variants,
            };
            if let Some(first) = by_key.get(field.key.as_bytes()) {
                // Only columns have variants; names of one struct's fields are of one property each.
                if depth == 0 {
                    steps[*first as usize].add_variant(step);
                    variants += 1;
                }
            } else {
                by_key.insert(field.key.as_bytes().into(), index(steps.len()));
                steps.push(step);
            }
        }
        steps.shrink_to_fit();
        objects.0.push(index(steps.len()));
        Self {
            id: objects.0.len() - 1,
            steps,
            by_key,
        }
    }

    /// The index after the last step.
    pub(super) fn end(&self) -> u32 {
        index(self.steps.len())
    }

    /// The names of the variants' columns, by number.
    pub(super) fn variants(&self) -> Vec<&str> {
        let mut variants = Vec::new();
        for step in &self.steps {
            let mut next = &step.variant;
            while let Some(variant) = next {
                variants.push((variant.number, variant.column.as_str()));
                next = &variant.variant;
            }
        }
        variants.sort_unstable();
        variants.into_iter().map(|(_, column)| column).collect()
    }

    /// The index of the step of a key, which is given without quotes and escapes.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        self.by_key.get(key).copied()
    }
}

impl Step {
    fn add_variant(&mut self, step: Self) {
        match &mut self.variant {
            Some(variant) => variant.add_variant(step),
            none => *none = Some(Box::new(step)),
        }
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("fewer than 2^32 columns")
}

impl ValuePlan {
    pub(super) fn compile(data_type: &Type, depth: usize, objects: &mut StepCounts) -> Self {
        if depth > DEEPEST_TYPE {
            return Self::Foreign;
        }
        match data_type {
            Type::Boolean => Self::Boolean,
            Type::Integer(Width::Eight) => Self::Integer(i8::MIN.into(), i8::MAX.into()),
            Type::Integer(Width::Sixteen) => Self::Integer(i16::MIN.into(), i16::MAX.into()),
            Type::Integer(Width::ThirtyTwo) => Self::Integer(i32::MIN.into(), i32::MAX.into()),
            Type::Integer(Width::SixtyFour) => Self::Integer(i64::MIN, i64::MAX),
            Type::Float => Self::Float,
            Type::Double => Self::Double,
            Type::Decimal { precision, scale } => {
                Self::Decimal(precision.saturating_sub(*scale).into(), (*scale).into())
            }
            Type::Date => Self::Date,
            Type::Timestamp => Self::Timestamp,
            Type::String => Self::Text,
            Type::Json => Self::Json,
            Type::Bounded { length, padding } => Self::Bounded((*length).into(), *padding),
            Type::Map(element) => Self::Map(Box::new(Self::compile(element, depth + 1, objects))),
            Type::Array(element) => {
                Self::Array(Box::new(Self::compile(element, depth + 1, objects)))
            }
            Type::Struct(fields) => Self::Struct(ObjectPlan::compile(fields, depth + 1, objects)),
            Type::Foreign(_) => Self::Foreign,
        }
    }
}

impl Verbatim {
    pub(super) fn new(value: &ValuePlan) -> Self {
        match value {
            ValuePlan::Array(element) => Scalar::new(element).map_or(Self::None, Self::Array),
            value => Scalar::new(value).map_or(Self::None, Self::Scalar),
        }
    }
}

impl Scalar {
    fn new(value: &ValuePlan) -> Option<Self> {
        Some(match value {
            ValuePlan::Text => Self::String,
            ValuePlan::Integer(i64::MIN, i64::MAX) => Self::Integer,
            ValuePlan::Double => Self::Double,
            ValuePlan::Boolean => Self::Boolean,
            ValuePlan::Date => Self::Date,
            _ => return None,
        })
    }
}

/// A key and its colon, to be compared with the text of a record.
pub(super) struct Token {
    text: Box<[u8]>,
    /// Its first 16 bytes as one number, and which bits of such a number are the token's: most keys are not longer, and
    /// a comparison of numbers needs no call.
    start: u128,
    mask: u128,
}

impl Token {
    fn new(text: Box<[u8]>) -> Self {
        let (mut start, mut mask) = ([0; 16], [0; 16]);
        for (index, byte) in text.iter().take(16).enumerate() {
            (start[index], mask[index]) = (*byte, 0xFF);
        }
        Self {
            text,
            start: u128::from_le_bytes(start),
            mask: u128::from_le_bytes(mask),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether the token stands in `text` at this place.
    #[inline]
    pub(super) fn is_at(&self, text: &[u8], at: usize) -> bool {
        let Some(rest) = text.get(at..) else {
            return false;
        };
        match rest.first_chunk() {
            Some(chunk) => {
                u128::from_le_bytes(*chunk) & self.mask == self.start
                    && (self.text.len() <= 16 || rest.starts_with(&self.text))
            }
            None => rest.starts_with(&self.text),
        }
    }
}

/// A name as it begins a member: `"name":`.
pub(super) fn token(name: &str) -> Box<[u8]> {
    let mut token = quoted(name);
    token.push(b':');
    token.into()
}
