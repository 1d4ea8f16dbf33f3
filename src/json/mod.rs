//! JSON text: a strict scanner over bytes, shared by the envelope and the rows.
//! It follows RFC 8259 and builds no values: everything is a place in the text.

pub(crate) mod number;
pub(crate) mod scan;
pub(crate) mod span;
pub(crate) mod text;
