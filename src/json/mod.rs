//! JSON text: a strict scanner over bytes, shared by the envelope and the rows.
