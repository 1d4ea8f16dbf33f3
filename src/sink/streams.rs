//! The streams of a sync, and the look-up of a record's.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::protocol::message::RecordView;
use crate::sink::stream::Stream;

/// The stream's place in the catalog.
pub(super) type StreamIndex = usize;

/// All streams, in the order in which they were added.
#[derive(Default)]
pub(super) struct Streams {
    all: Vec<Stream>,
    by_key: HashMap<StreamKey, StreamIndex>,
    /// The streams of the lines that were recognized by their beginning, by the number of that.
    by_prefix: Vec<Option<StreamIndex>>,
    /// The stream of the last record that was not, which is likely that of the next.
    recent: StreamIndex,
}

impl Streams {
    pub(super) fn add(&mut self, stream: Stream) {
        self.by_key.insert(stream.key.clone(), self.all.len());
        self.all.push(stream);
    }

    pub(super) fn find(&self, key: &StreamKey) -> Option<StreamIndex> {
        self.by_key.get(key).copied()
    }

    /// The stream of a record; an error where it is not in the configured catalog.
    #[inline]
    pub(super) fn of_record(&mut self, record: &RecordView<'_>) -> Result<StreamIndex> {
        let Some(prefix) = record.prefix_id else {
            return self.by_name(record);
        };
        if let Some(Some(index)) = self.by_prefix.get(prefix) {
            return Ok(*index);
        }
        let index = self.by_name(record)?;
        self.by_prefix
            .resize(self.by_prefix.len().max(prefix + 1), None);
        self.by_prefix[prefix] = Some(index);
        Ok(index)
    }

    fn by_name(&mut self, record: &RecordView<'_>) -> Result<StreamIndex> {
        let namespace = record.namespace.as_deref();
        let is_recent = self.all.get(self.recent).is_some_and(|stream| {
            stream.key.name == record.stream && stream.key.namespace.as_deref() == namespace
        });
        if !is_recent {
            let key = StreamKey::new(namespace, &record.stream);
            self.recent = self.find(&key).ok_or_else(|| {
                Error::config(format!(
                    "a record of the stream {key}, which is not in the configured catalog"
                ))
            })?;
        }
        Ok(self.recent)
    }
}

impl Deref for Streams {
    type Target = [Stream];

    fn deref(&self) -> &[Stream] {
        &self.all
    }
}

impl DerefMut for Streams {
    fn deref_mut(&mut self) -> &mut [Stream] {
        &mut self.all
    }
}
