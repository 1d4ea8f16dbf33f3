//! The scripted server that tests and benches share, with the program in front of it.

use serde_json::Value;

use super::program::Program;

#[path = "../../support/fake/mod.rs"]
mod server;

pub(crate) use server::*;

impl Fake {
    /// `write` to this server, its states in this server's journal.
    pub(crate) fn write(&self, catalog: &Value) -> Program {
        Program::write(&self.config(), catalog).journal(self.journal())
    }
}
