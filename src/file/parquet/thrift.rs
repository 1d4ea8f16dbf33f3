//! Thrift's compact protocol, as far as the metadata of Parquet needs it.
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

/// The types of fields and elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    I32 = 5,
    Binary = 8,
    Struct = 12,
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I64: u8 = 6;
const LIST: u8 = 9;

/// An encoder. The fields of a struct come in the order of their ids.
#[derive(Default)]
pub(super) struct Thrift {
    pub(super) bytes: Vec<u8>,
    /// The id of the last field of the open struct, and of those around it.
    last: i16,
    outer: Vec<i16>,
}

impl Thrift {
    fn field(&mut self, id: i16, of: u8) {
        let step = id - self.last;
        if let Ok(step @ 1..=15) = u8::try_from(step) {
            self.bytes.push(step << 4 | of);
        } else {
            self.bytes.push(of);
            self.zigzag(id.into());
        }
        self.last = id;
    }

    fn varint(&mut self, number: u64) {
        varint(number, &mut self.bytes);
    }

    fn zigzag(&mut self, number: i64) {
        self.varint((number << 1 ^ number >> 63).cast_unsigned());
    }

    pub(super) fn boolean(&mut self, id: i16, value: bool) {
        self.field(id, if value { TRUE } else { FALSE });
    }

    pub(super) fn byte(&mut self, id: i16, value: u8) {
        self.field(id, BYTE);
        self.bytes.push(value);
    }

    pub(super) fn i16(&mut self, id: i16, value: i16) {
        self.field(id, I16);
        self.zigzag(value.into());
    }

    pub(super) fn i32(&mut self, id: i16, value: i32) {
        self.field(id, Of::I32 as u8);
        self.zigzag(value.into());
    }

    pub(super) fn i64(&mut self, id: i16, value: i64) {
        self.field(id, I64);
        self.zigzag(value);
    }

    pub(super) fn binary(&mut self, id: i16, bytes: &[u8]) {
        self.field(id, Of::Binary as u8);
        self.binary_element(bytes);
    }

    /// Begins a struct; [`end`](Self::end) ends it.
    pub(super) fn begin(&mut self, id: i16) {
        self.field(id, Of::Struct as u8);
        self.begin_element();
    }

    /// A struct without fields.
    pub(super) fn empty(&mut self, id: i16) {
        self.begin(id);
        self.end();
    }

    pub(super) fn end(&mut self) {
        self.bytes.push(0);
        self.last = self.outer.pop().unwrap_or_default();
    }

    /// Begins a list of so many elements, which follow.
    pub(super) fn list(&mut self, id: i16, of: Of, length: usize) {
        self.field(id, LIST);
        if let Ok(length @ 0..15) = u8::try_from(length) {
            self.bytes.push(length << 4 | of as u8);
        } else {
            self.bytes.push(0xF0 | of as u8);
            self.varint(length as u64);
        }
    }

    pub(super) fn begin_element(&mut self) {
        self.outer.push(self.last);
        self.last = 0;
    }

    pub(super) fn i32_element(&mut self, value: i32) {
        self.zigzag(value.into());
    }

    pub(super) fn binary_element(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7F {
        out.push(0x80 | (number & 0x7F).to_le_bytes()[0]);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}
