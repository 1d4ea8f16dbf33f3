//! Columns compiled to steps: what to expect in the text, what to write, and which column comes next.

use std::collections::HashMap;

use crate::json::text::quoted;
use crate::row::verbatim::Verbatim;
use crate::schema::{DEEPEST_TYPE, Field, Type, Width};

/// How the values of a column are written.
pub(super) enum Form {
    Boolean,
    /// Within these bounds, both included.
    Integer(i64, i64),
    Float,
    Double,
    /// At most so many digits before the point, and behind it.
    Decimal(usize, usize),
    Date,
    Timestamp,
    Text,
    Array(Box<Form>),
    Struct(Members),
    /// Never written.
    Foreign,
}

/// The members of an object that are columns (or struct fields), in their order.
pub(super) struct Members {
    pub(super) steps: Vec<Step>,
    by_key: HashMap<Box<[u8]>, u32>,
    /// The step whose key the last object began with.
    pub(super) first: u32,
    /// For how many more objects it is noted what was written where: some had its members in another order.
    pub(super) noted: u32,
    /// The last object that was written stood in the row as it was: likely the next one does too.
    pub(super) verbatim: bool,
}

pub(super) struct Step {
    pub(super) column: String,
    /// In how many records the column could not hold the value; counted for the columns of the table.
    pub(super) misfits: u64,
    /// `"key":` as most sources write it.
    pub(super) key: Token,
    /// `"name":`.
    pub(super) name: Box<[u8]>,
    /// The two are the same.
    pub(super) same: bool,
    /// The step whose key followed this one's in the last object: the next guess.
    pub(super) then: u32,
    /// The values that the row has as they stand.
    pub(super) verbatim: Verbatim,
    pub(super) form: Form,
}

/// A text to be found in another one.
pub(super) struct Token {
    text: Box<[u8]>,
    /// Its first 16 bytes as numbers, and which of these bits are its own: most keys are not longer, and comparing
    /// numbers needs no call.
    head: [u64; 2],
    mask: [u64; 2],
}

impl Token {
    fn new(text: Box<[u8]>) -> Self {
        let (mut head, mut mask) = ([0; 16], [0; 16]);
        for (index, byte) in text.iter().take(16).enumerate() {
            (head[index], mask[index]) = (*byte, 0xFF);
        }
        Self {
            text,
            head: words(head),
            mask: words(mask),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it stands in `text` at this place.
    #[inline]
    pub(super) fn begins(&self, text: &[u8], at: usize) -> bool {
        let Some(rest) = text.get(at..) else {
            return false;
        };
        match rest.first_chunk() {
            Some(head) => {
                let [low, high] = words(*head);
                low & self.mask[0] == self.head[0]
                    && high & self.mask[1] == self.head[1]
                    && (self.text.len() <= 16 || rest.starts_with(&self.text))
            }
            None => rest.starts_with(&self.text),
        }
    }
}

#[inline]
fn words(bytes: [u8; 16]) -> [u64; 2] {
    let bytes = u128::from_le_bytes(bytes);
    #[allow(clippy::cast_possible_truncation)] // the lower half, then the upper
    [bytes as u64, (bytes >> 64) as u64]
}

impl Members {
    /// Of two fields with one key the first is filled.
    pub(super) fn compile<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Self {
        Self::at_depth(fields, 0)
    }

    fn at_depth<'a>(fields: impl IntoIterator<Item = &'a Field>, depth: usize) -> Self {
        let mut members = Self {
            steps: Vec::new(),
            by_key: HashMap::new(),
            first: 0,
            noted: 0,
            verbatim: false,
        };
        for field in fields {
            if members.by_key.contains_key(field.key.as_bytes()) {
                continue;
            }
            let index = u32::try_from(members.steps.len()).expect("fewer than 2^32 columns");
            let (key, name) = (token(&field.key), token(&field.name));
            let form = Form::compile(&field.of, depth);
            members.by_key.insert(field.key.as_bytes().into(), index);
            members.steps.push(Step {
                column: field.name.clone(),
                misfits: 0,
                same: key == name,
                key: Token::new(key),
                name,
                then: index + 1,
                verbatim: Verbatim::of(&form),
                form,
            });
        }
        members
    }

    /// The next object has likely this step behind that one, or at first behind `UNKNOWN`.
    pub(super) fn learn(&mut self, before: u32, step: u32) {
        match self.steps.get_mut(before as usize) {
            Some(before) => before.then = step,
            None => self.first = step,
        }
    }

    /// The step of a key, given without quotes and escapes.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        self.by_key.get(key).copied()
    }
}

impl Form {
    pub(super) fn compile(of: &Type, depth: usize) -> Self {
        if depth > DEEPEST_TYPE {
            return Self::Foreign;
        }
        match of {
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
            Type::Array(element) => Self::Array(Box::new(Self::compile(element, depth + 1))),
            Type::Struct(fields) => Self::Struct(Members::at_depth(fields, depth + 1)),
            Type::Foreign(_) => Self::Foreign,
        }
    }
}

pub(super) fn token(name: &str) -> Box<[u8]> {
    let mut token = quoted(name);
    token.push(b':');
    token.into()
}
