//! States: what they cover, and their echo with the count of records since the state before.
//!
//! The echo keeps every key, known or not, and every number as it was written: the platform reads back an
//! integer `id` that it added itself, and no other form of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::protocol::message::{Descriptor, malformed};

/// Which records a state covers: those that came before it, of…
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// …one stream.
    Stream(StreamKey),
    /// …all streams (GLOBAL).
    Global,
    /// …all streams, in the form from before there were types (LEGACY).
    Legacy,
}

impl Scope {
    /// The protocol's word; one sync sends states of one type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Stream(_) => "STREAM",
            Self::Global => "GLOBAL",
            Self::Legacy => "LEGACY",
        }
    }
}

/// A state, with its line kept to be echoed.
pub(crate) struct State<'a> {
    pub(crate) scope: Scope,
    /// Whether it holds nothing (null, absent or empty, for all that it covers), as the platform sends to clear a stream.
    pub(crate) is_empty: bool,
    envelope: Pairs<'a>,
    body: Pairs<'a>,
}

/// An object's members in order, their values as they stand in the text.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'a> State<'a> {
    /// Reads a line whose `type` is STATE.
    pub(crate) fn read(line: &'a [u8]) -> Result<Self> {
        let envelope: Pairs<'a> =
            serde_json::from_slice(line).map_err(|error| malformed(&error))?;
        let body = envelope
            .get("state")
            .ok_or_else(|| Error::system("a STATE message without the key \"state\""))?;
        let body: Pairs<'a> =
            serde_json::from_str(body.get()).map_err(|error| malformed(&error))?;
        let (scope, is_empty) = scope(&body)?;
        Ok(Self {
            scope,
            is_empty,
            envelope,
            body,
        })
    }

    /// The line to print, with a line end, once everything it covers is durable.
    pub(crate) fn acknowledgement(&self, record_count: u64) -> Result<Vec<u8>> {
        let mut stats = match self
            .body
            .get("destinationStats")
            .filter(|stats| !is_null(stats))
        {
            Some(stats) => serde_json::from_str(stats.get()).map_err(|error| malformed(&error))?,
            None => Pairs(Vec::new()),
        };
        // The protocol wants a decimal point: its numbers are floating point.
        let count = raw(format!("{record_count}.0"))?;
        stats.set("recordCount", &count);
        let stats = raw(stats.text())?;
        let mut body = Pairs(self.body.0.clone());
        body.set("destinationStats", &stats);
        let body = raw(body.text())?;
        let mut envelope = Pairs(self.envelope.0.clone());
        envelope.set("state", &body);
        let mut line = envelope.text().into_bytes();
        line.push(b'\n');
        Ok(line)
    }
}

#[derive(Deserialize)]
struct StreamState<'a> {
    stream_descriptor: Descriptor,
    #[serde(borrow)]
    stream_state: Option<&'a RawValue>,
}

/// The streams inside a GLOBAL state carry the source's names, so only their emptiness is looked at.
#[derive(Deserialize)]
struct GlobalState<'a> {
    #[serde(borrow)]
    shared_state: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stream_states: Option<Vec<InnerState<'a>>>,
}

#[derive(Deserialize)]
struct InnerState<'a> {
    #[serde(borrow)]
    stream_state: Option<&'a RawValue>,
}

fn scope(body: &Pairs<'_>) -> Result<(Scope, bool)> {
    let kind: Option<String> = match body.get("type") {
        Some(kind) => serde_json::from_str(kind.get()).map_err(|error| malformed(&error))?,
        None => None,
    };
    match kind.as_deref() {
        Some("STREAM") => {
            let stream = body
                .get("stream")
                .ok_or_else(|| Error::system("a STREAM state without the key \"stream\""))?;
            let stream: StreamState<'_> =
                serde_json::from_str(stream.get()).map_err(|error| malformed(&error))?;
            Ok((
                Scope::Stream(stream.stream_descriptor.key()),
                holds_nothing(stream.stream_state),
            ))
        }
        Some("GLOBAL") => {
            let global: Option<GlobalState<'_>> = match body.get("global") {
                Some(global) => {
                    serde_json::from_str(global.get()).map_err(|error| malformed(&error))?
                }
                None => None,
            };
            let is_empty = global.is_none_or(|global| {
                holds_nothing(global.shared_state)
                    && global
                        .stream_states
                        .unwrap_or_default()
                        .iter()
                        .all(|inner| holds_nothing(inner.stream_state))
            });
            Ok((Scope::Global, is_empty))
        }
        Some("LEGACY") | None => Ok((Scope::Legacy, holds_nothing(body.get("data")))),
        Some(_) => Err(Error::system(
            "a state of an unknown type; expected STREAM, GLOBAL or LEGACY",
        )),
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

fn holds_nothing(value: Option<&RawValue>) -> bool {
    value.is_none_or(|value| {
        let mut text = value
            .get()
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace());
        is_null(value) || (text.next() == Some(b'{') && text.next() == Some(b'}'))
    })
}

fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| malformed(&error))
}

impl<'a> Pairs<'a> {
    fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| *value)
    }

    fn set(&mut self, key: &str, value: &'a RawValue) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some(member) => member.1 = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    fn text(&self) -> String {
        let mut text = String::from("{");
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(key.as_str()).to_string());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        text
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(line: &str, count: u64) -> String {
        let state = State::read(line.as_bytes()).unwrap();
        String::from_utf8(state.acknowledgement(count).unwrap()).unwrap()
    }

    #[test]
    fn the_echo_keeps_unknown_keys_and_number_forms() {
        let line = r#"{"type":"STATE","extra":{"a" : 1.50},"state":{"type":"STREAM","id":7,"big":12345678901234567890123,"stream":{"stream_descriptor":{"name":"s"},"stream_state":{"cursor":1e3}},"sourceStats":{"recordCount":3.0}}}"#;
        let expected = line.replace(
            r#""sourceStats":{"recordCount":3.0}}"#,
            r#""sourceStats":{"recordCount":3.0},"destinationStats":{"recordCount":3.0}}"#,
        );
        assert_eq!(echo(line, 3), format!("{expected}\n"));
    }

    #[test]
    fn destination_stats_that_are_there_keep_their_other_keys() {
        let line = r#"{"type":"STATE","state":{"type":"LEGACY","data":{},"destinationStats":{"recordCount":9,"other":1}}}"#;
        assert_eq!(
            echo(line, 2),
            "{\"type\":\"STATE\",\"state\":{\"type\":\"LEGACY\",\"data\":{},\"destinationStats\":{\"recordCount\":2.0,\"other\":1}}}\n"
        );
    }

    #[test]
    fn scopes_and_emptiness() {
        let read = |state: &str| {
            let line = format!(r#"{{"type":"STATE","state":{state}}}"#);
            let state = State::read(line.as_bytes()).unwrap();
            (state.scope, state.is_empty)
        };
        let stream = Scope::Stream(StreamKey::new(None, "s"));
        let of = |inner: &str| {
            format!(
                r#"{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"s","namespace":""}}{inner}}}}}"#
            )
        };
        assert_eq!(
            read(&of(r#","stream_state":{"a":1}"#)),
            (stream.clone(), false)
        );
        assert_eq!(read(&of(r#","stream_state":null"#)), (stream.clone(), true));
        assert_eq!(read(&of(r#","stream_state":{ }"#)), (stream.clone(), true));
        assert_eq!(read(&of("")), (stream, true));
        assert_eq!(read(r#"{"data":{"a":1}}"#), (Scope::Legacy, false));
        assert_eq!(
            read(r#"{"type":"GLOBAL","global":{"shared_state":{"lsn":1}}}"#),
            (Scope::Global, false)
        );
        assert_eq!(
            read(
                r#"{"type":"GLOBAL","global":{"stream_states":[{"stream_descriptor":{"name":"x"},"stream_state":null}]}}"#
            ),
            (Scope::Global, true)
        );
    }

    #[test]
    fn a_state_of_no_known_form_is_an_error_without_its_data() {
        for state in [
            r#"{"type":"STREAM"}"#,
            r#"{"type":"NEW","x":"hunter2"}"#,
            r#""hunter2""#,
            r#"{"type":5}"#,
        ] {
            let line = format!(r#"{{"type":"STATE","state":{state}}}"#);
            let error = State::read(line.as_bytes()).err().expect(state).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
