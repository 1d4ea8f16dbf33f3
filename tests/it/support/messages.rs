//! Lines of the protocol as a platform sends them, and configured catalogs.

use serde_json::{Value, json};

/// A record, with its line end.
pub(crate) fn record(stream: &str, data: &Value) -> String {
    let record = json!({"stream": stream, "data": data, "emitted_at": 1_795_337_257_150_u64});
    line(&json!({"type": "RECORD", "record": record}))
}

/// A state of one stream, with the id that the platform gives it.
pub(crate) fn state(stream: &str, id: u64) -> String {
    line(&json!({"type": "STATE", "state": {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": stream}, "stream_state": {"cursor": id}},
        "id": id,
    }}))
}

/// The platform's word that the source finished a stream.
pub(crate) fn complete(stream: &str) -> String {
    let status = json!({"stream_descriptor": {"name": stream}, "status": "COMPLETE"});
    line(&json!({"type": "TRACE", "trace": {
        "type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": status,
    }}))
}

/// The message as a line.
pub(crate) fn line(message: &Value) -> String {
    format!("{message}\n")
}

/// A stream of a configured catalog, as a platform without refreshes sends it; `mode` is append or overwrite.
pub(crate) fn stream(name: &str, mode: &str, properties: &Value) -> Value {
    json!({
        "stream": {
            "name": name,
            "json_schema": {"type": "object", "properties": properties},
            "supported_sync_modes": ["full_refresh", "incremental"],
        },
        "sync_mode": "full_refresh",
        "destination_sync_mode": mode,
    })
}

/// A configured catalog.
pub(crate) fn catalog(streams: &[Value]) -> Value {
    json!({"streams": streams})
}

/// The configured catalog of one stream `name` with columns `id` (integer) and `name` (string).
pub(crate) fn people(name: &str, mode: &str) -> Value {
    catalog(&[stream(
        name,
        mode,
        &json!({"id": {"type": "integer"}, "name": {"type": "string"}}),
    )])
}

/// The record of `people` with this id.
pub(crate) fn person(stream: &str, id: u64) -> String {
    record(stream, &json!({"id": id, "name": format!("person {id}")}))
}
