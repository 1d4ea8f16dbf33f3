//! Airbyte's messages.

use std::time::Instant;

use crate::error::Result;
use crate::protocol::message::{self, Message};
use crate::protocol::state::State;
use crate::sink::Sink;
use crate::source::Source;

/// The messages of a platform: records, states, and the statuses of streams.
#[derive(Default)]
pub(crate) struct Messages {
    reader: message::MessageReader,
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
        }
    }

    fn deadline(&self, sink: &Sink<'_>) -> Option<Instant> {
        sink.deadline()
    }

    fn tick(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        sink.tick()
    }
}
