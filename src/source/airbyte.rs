//! Airbyte's messages.

use std::collections::BTreeMap;
use std::time::Instant;

use log::warn;

use crate::error::Result;
use crate::protocol::message::{self, Message};
use crate::protocol::state::State;
use crate::sink::Sink;
use crate::source::Source;

/// The messages of a platform: records, states, and the statuses of streams.
#[derive(Default)]
pub(crate) struct Messages {
    reader: message::MessageReader,
    unknown: UnknownTypes,
}

impl Source for Messages {
    fn take(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        match self.reader.read(line)? {
            Message::Record(record) => sink.record(&record),
            Message::State => sink.state(&State::read(line)?),
            Message::Status { stream, status } => sink.status(&stream, status),
            Message::SourceError(stream) => {
                sink.source_failed(stream.as_ref());
                Ok(())
            }
            Message::Other => Ok(()),
            Message::Unknown(kind) => {
                self.unknown.count(kind.as_deref());
                Ok(())
            }
        }
    }

    fn deadline(&self, sink: &Sink<'_>) -> Option<Instant> {
        sink.deadline()
    }

    fn tick(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        sink.tick()
    }

    fn end(&mut self, _: &mut Sink<'_>) -> Result<()> {
        self.unknown.report();
        Ok(())
    }
}

/// How many messages of each unknown type came. Types are reported when they first come, counts at the end.
#[derive(Default)]
struct UnknownTypes(BTreeMap<String, u64>);

/// The most types that are told apart.
const MOST_TYPES: usize = 20;

/// The name of all types that are not shown, or too many.
const OTHERS: &str = "of another form";

impl UnknownTypes {
    fn count(&mut self, kind: Option<&str>) {
        let name = kind.map_or_else(|| OTHERS.to_owned(), |kind| format!("{kind:?}"));
        let is_known = self.0.contains_key(&name);
        let name = if is_known || self.0.len() < MOST_TYPES {
            name
        } else {
            OTHERS.to_owned()
        };
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            warn!("messages of an unknown type are ignored: {name}");
        }
    }

    fn report(&self) {
        for (name, count) in &self.0 {
            warn!("ignored {count} messages of an unknown type: {name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_are_counted_and_their_number_is_bounded() {
        let mut unknown = UnknownTypes::default();
        for number in 0..1000 {
            unknown.count(Some(&"X".repeat(number % 50 + 1)));
            unknown.count(None);
        }
        assert!(unknown.0.len() <= MOST_TYPES + 1);
        assert_eq!(unknown.0["\"X\""], 20);
        assert_eq!(unknown.0.values().sum::<u64>(), 2000);
    }
}
