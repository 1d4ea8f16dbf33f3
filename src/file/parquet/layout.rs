//! The schema of a file: columns as Parquet has them, and the way from a row's members to its leaves.
//! <https://github.com/apache/parquet-format/blob/master/LogicalTypes.md>

use std::collections::{HashMap, HashSet};

use super::thrift::Thrift;
use crate::json::text::quoted;
use crate::schema::{Field, Type, Width};

/// How the values of a leaf are read in rows, and which logical type they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer(Width),
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    Timestamp,
    Text,
    /// Never written, so all of it is null.
    Binary,
}

/// A column in Parquet's sense: what has no members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) kind: Kind,
    /// Bytes of a value, where all have as many.
    pub(super) size: usize,
    /// The levels of a value that is not null.
    pub(super) definition: u16,
    pub(super) repetition: u16,
}

/// What is at a place of a row.
pub(super) struct Node {
    pub(super) shape: Shape,
    /// Its leaves, from the first on before the second.
    pub(super) leaves: (usize, usize),
}

pub(super) enum Shape {
    Leaf,
    Struct(Vec<Member>),
    List {
        element: Box<Node>,
        /// The repetition level of further elements.
        repetition: u16,
    },
    /// Of a type that is not stored: it has no leaves.
    Absent,
}

/// A column or a struct field.
pub(super) struct Member {
    /// `"name":`.
    pub(super) token: Box<[u8]>,
    pub(super) node: Node,
}

/// The layout of a file's rows.
pub(super) struct Layout {
    pub(super) members: Vec<Member>,
    pub(super) leaves: Vec<Leaf>,
    /// The names on the way to each leaf.
    pub(super) paths: Vec<Vec<String>>,
    /// The elements of the schema, encoded, and how many they are.
    pub(super) schema: Vec<u8>,
    pub(super) elements: usize,
}

impl Layout {
    pub(super) fn new(columns: &[Field]) -> Self {
        let stored = count_stored(columns);
        let mut builder = Builder {
            layout: Self {
                members: Vec::new(),
                leaves: Vec::new(),
                paths: Vec::new(),
                schema: Vec::new(),
                elements: 0,
            },
            path: Vec::new(),
            // Columns are numbered before what is in them, so that new ones change no number of theirs.
            next_id: stored,
        };
        let mut root = Thrift::default();
        root.begin_element();
        root.binary(4, b"schema");
        root.i32(5, stored);
        builder.element(root);
        let mut ids = 1..;
        builder.layout.members = builder.members(columns, &mut |_| ids.next(), 0, 0);
        builder.layout
    }

    /// Whether it has all leaves of the other as they are there, and further ones only in columns of their own.
    pub(super) fn extends(&self, other: &Self) -> bool {
        let leaves: HashMap<&[String], &Leaf> = self.by_path().collect();
        let mut columns = HashSet::new();
        let mut count = 0;
        for (path, leaf) in other.by_path() {
            if leaves.get(path) != Some(&leaf) {
                return false;
            }
            columns.insert(&path[0]);
            count += 1;
        }
        count
            == self
                .by_path()
                .filter(|(path, _)| columns.contains(&path[0]))
                .count()
    }

    fn by_path(&self) -> impl Iterator<Item = (&[String], &Leaf)> {
        self.paths.iter().map(Vec::as_slice).zip(&self.leaves)
    }
}

fn member(field: &Field, node: Node) -> Member {
    let mut token = quoted(&field.name);
    token.push(b':');
    Member {
        token: token.into(),
        node,
    }
}

/// Whether a type has leaves. Of those that are never written only some have.
fn is_stored(data_type: &Type) -> bool {
    match data_type {
        Type::Foreign(name) => is_binary(name),
        Type::Map(_) => false,
        Type::Array(element) => is_stored(element),
        Type::Struct(fields) => count_stored(fields) > 0,
        _ => true,
    }
}

fn is_binary(foreign: &str) -> bool {
    foreign.eq_ignore_ascii_case("binary")
}

fn count_stored(fields: &[Field]) -> i32 {
    let stored = fields.iter().filter(|field| is_stored(&field.data_type));
    i32::try_from(stored.count()).unwrap_or(i32::MAX)
}

/// `FieldRepetitionType` in the metadata.
const OPTIONAL: i32 = 1;
const REPEATED: i32 = 2;

/// `ConvertedType` of lists.
const LIST: i32 = 3;

struct Builder {
    layout: Layout,
    path: Vec<String>,
    next_id: i32,
}

impl Builder {
    fn element(&mut self, mut element: Thrift) {
        element.end();
        self.layout.schema.append(&mut element.bytes);
        self.layout.elements += 1;
    }

    fn id(&mut self) -> i32 {
        self.next_id += 1;
        self.next_id
    }

    /// Adds columns or fields, each with its own number.
    fn members(
        &mut self,
        fields: &[Field],
        id: &mut dyn FnMut(&mut Self) -> Option<i32>,
        definition: u16,
        repetition: u16,
    ) -> Vec<Member> {
        let mut members = Vec::with_capacity(fields.len());
        for field in fields {
            let node = if is_stored(&field.data_type) {
                let id = id(self).unwrap_or_default();
                self.node(&field.name, &field.data_type, id, definition, repetition)
            } else {
                Node {
                    shape: Shape::Absent,
                    leaves: (0, 0),
                }
            };
            members.push(member(field, node));
        }
        members
    }

    /// Adds what has this name and type; the levels are those of what it is in.
    fn node(
        &mut self,
        name: &str,
        data_type: &Type,
        id: i32,
        definition: u16,
        repetition: u16,
    ) -> Node {
        let first = self.layout.leaves.len();
        self.path.push(name.to_owned());
        let definition = definition + 1;
        let shape = match data_type {
            Type::Struct(fields) => {
                self.group(OPTIONAL, name, count_stored(fields), Some(id), false);
                let members =
                    self.members(fields, &mut |this| Some(this.id()), definition, repetition);
                Shape::Struct(members)
            }
            Type::Array(element) => {
                self.group(OPTIONAL, name, 1, Some(id), true);
                self.group(REPEATED, "list", 1, None, false);
                self.path.push("list".to_owned());
                let id = self.id();
                let element = self.node("element", element, id, definition + 1, repetition + 1);
                self.path.pop();
                Shape::List {
                    element: Box::new(element),
                    repetition: repetition + 1,
                }
            }
            scalar => {
                self.leaf(name, scalar, id, definition, repetition);
                Shape::Leaf
            }
        };
        self.path.pop();
        Node {
            shape,
            leaves: (first, self.layout.leaves.len()),
        }
    }

    fn group(&mut self, repeats: i32, name: &str, children: i32, id: Option<i32>, is_list: bool) {
        let mut group = Thrift::default();
        group.begin_element();
        group.i32(3, repeats);
        group.binary(4, name.as_bytes());
        group.i32(5, children);
        if is_list {
            group.i32(6, LIST);
        }
        if let Some(id) = id {
            group.i32(9, id);
        }
        if is_list {
            group.begin(10);
            group.empty(3);
            group.end();
        }
        self.element(group);
    }

    fn leaf(&mut self, name: &str, data_type: &Type, id: i32, definition: u16, repetition: u16) {
        let (kind, size) = kind(data_type);
        let mut leaf = Thrift::default();
        leaf.begin_element();
        let (physical, converted) = kind.numbers();
        leaf.i32(1, physical);
        if let Kind::Decimal { .. } = kind {
            leaf.i32(2, i32::try_from(size).unwrap_or(i32::MAX));
        }
        leaf.i32(3, OPTIONAL);
        leaf.binary(4, name.as_bytes());
        if let Some(converted) = converted {
            leaf.i32(6, converted);
        }
        if let Kind::Decimal { precision, scale } = kind {
            leaf.i32(7, scale.into());
            leaf.i32(8, precision.into());
        }
        leaf.i32(9, id);
        if converted.is_some() {
            leaf.begin(10);
            kind.logical(&mut leaf);
            leaf.end();
        }
        self.element(leaf);
        self.layout.paths.push(self.path.clone());
        self.layout.leaves.push(Leaf {
            kind,
            size,
            definition,
            repetition,
        });
    }
}

/// The kind of a scalar type, and the bytes of its values where all have as many.
fn kind(data_type: &Type) -> (Kind, usize) {
    match data_type {
        Type::Boolean => (Kind::Boolean, 1),
        Type::Integer(Width::SixtyFour) => (Kind::Integer(Width::SixtyFour), 8),
        Type::Integer(width) => (Kind::Integer(*width), 4),
        Type::Float => (Kind::Float, 4),
        Type::Double => (Kind::Double, 8),
        Type::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            (Kind::Decimal { precision, scale }, decimal_size(precision))
        }
        Type::Date => (Kind::Date, 4),
        Type::Timestamp => (Kind::Timestamp, 8),
        Type::Foreign(name) if is_binary(name) => (Kind::Binary, 0),
        Type::String
        | Type::Json
        | Type::Bounded { .. }
        | Type::Foreign(_)
        | Type::Array(_)
        | Type::Struct(_)
        | Type::Map(_) => (Kind::Text, 0),
    }
}

/// The fewest bytes whose two's complement has so many decimal digits.
fn decimal_size(precision: u8) -> usize {
    let greatest = 10_i128.saturating_pow(precision.into()) - 1;
    let fits = |size: &usize| greatest.leading_zeros() as usize > 128 - 8 * size;
    (1..16).find(fits).unwrap_or(16)
}

impl Kind {
    /// The numbers of its physical type and of its converted type in the metadata.
    fn numbers(self) -> (i32, Option<i32>) {
        match self {
            Self::Boolean => (0, None),
            Self::Integer(Width::Eight) => (1, Some(15)),
            Self::Integer(Width::Sixteen) => (1, Some(16)),
            Self::Integer(Width::ThirtyTwo) => (1, Some(17)),
            Self::Integer(Width::SixtyFour) => (2, Some(18)),
            Self::Float => (4, None),
            Self::Double => (5, None),
            Self::Decimal { .. } => (7, Some(5)),
            Self::Date => (1, Some(6)),
            Self::Timestamp => (2, Some(10)),
            Self::Text => (6, Some(0)),
            Self::Binary => (6, None),
        }
    }

    pub(super) fn physical(self) -> i32 {
        self.numbers().0
    }

    /// Writes the union `LogicalType`.
    fn logical(self, out: &mut Thrift) {
        match self {
            Self::Text => out.empty(1),
            Self::Decimal { precision, scale } => {
                out.begin(5);
                out.i32(1, scale.into());
                out.i32(2, precision.into());
                out.end();
            }
            Self::Date => out.empty(6),
            Self::Timestamp => {
                out.begin(8);
                out.boolean(1, true); // adjusted to UTC
                out.begin(2);
                out.empty(2); // microseconds
                out.end();
                out.end();
            }
            Self::Integer(width) => {
                out.begin(10);
                out.byte(1, bits(width));
                out.boolean(2, true); // signed
                out.end();
            }
            Self::Boolean | Self::Float | Self::Double | Self::Binary => {}
        }
    }
}

fn bits(width: Width) -> u8 {
    match width {
        Width::Eight => 8,
        Width::Sixteen => 16,
        Width::ThirtyTwo => 32,
        Width::SixtyFour => 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_take_the_fewest_bytes() {
        let sizes = [
            (1, 1),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (9, 4),
            (10, 5),
            (18, 8),
            (19, 9),
            (38, 16),
        ];
        for (precision, size) in sizes {
            assert_eq!(decimal_size(precision), size, "{precision}");
        }
    }
}
