//! The scripted server that tests and benches share, with the program in front of it.

use serde_json::{Value, json};

use super::program::Program;

#[path = "../../support/fake/mod.rs"]
mod server;

pub(crate) use server::*;

/// Whether the key is that of a run's record of what it has not acknowledged.
fn is_record(key: &str) -> bool {
    key.contains("/_datalake/runs/")
}

/// Whether the record names objects that are not taken back.
fn is_open(body: &[u8]) -> bool {
    let record: Value = serde_json::from_slice(body).unwrap_or_default();
    record["unacknowledged"] != json!({}) && record["taken_back_by"].is_null()
}

impl Fake {
    /// Whether a run is in the middle of a checkpoint, or died there.
    pub(crate) fn has_open_record(&self) -> bool {
        let store = self.store();
        let mut objects = store.bucket.objects.iter();
        objects.any(|(key, body)| is_record(key) && is_open(body))
    }

    /// Whether the run that wrote the generation in this folder has settled its record, and was not taken back.
    pub(crate) fn is_settled(&self, folder: &str) -> bool {
        // The run's name is all of the folder's name or a part of it.
        let generation = folder.trim_end_matches('/').rsplit('/').next();
        let generation = generation.unwrap_or_default();
        let store = self.store();
        let mut objects = store.bucket.objects.iter();
        objects.any(|(key, body)| {
            let record = key.split_once("/_datalake/runs/");
            let run = record.and_then(|(_, name)| name.strip_suffix(".json"));
            run.is_some_and(|run| generation.contains(run))
                && String::from_utf8_lossy(body).contains("\"unacknowledged\":{}")
        })
    }

    /// Whether the call says of a checkpoint that all of it may be acknowledged.
    pub(crate) fn is_done(&self, call: &wire::Request) -> bool {
        let Some((_, key)) = call.path.split_once("/test-lake/") else {
            return false;
        };
        let store = self.store();
        let body = match store.bucket.objects.get(key) {
            Some(stored) if call.body.is_empty() => stored,
            _ => &call.body,
        };
        let says_so = String::from_utf8_lossy(body).contains("\"unacknowledged\":{}");
        call.method == "PUT" && is_record(key) && says_so
    }

    /// The machines of all runs so far are gone: nobody can see any more that their processes have ended.
    pub(crate) fn bury_runs(&self) {
        let mut store = self.store();
        for (key, body) in &mut store.bucket.objects {
            if key.contains("/_datalake/runs/") || key.contains("/_datalake/generations/") {
                let mut object: Value = serde_json::from_slice(body).expect("a control object");
                object["process"] = "elsewhere/1/1".into();
                *body = object.to_string().into_bytes();
            }
        }
    }

    /// `write` to this server, its states in this server's journal.
    pub(crate) fn write(&self, catalog: &Value) -> Program {
        Program::write(&self.config(), catalog).journal(self.journal())
    }
}
