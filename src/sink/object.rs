//! An open object: rows on their way to an object that nobody can see yet.
//!
//! Rows wait as text in `fresh` and in the `tail`, then encoded in `pending`, then as parts of an upload. The mark is
//! the place behind the last row that a state covers: a checkpoint ends the object there, and what came later goes on
//! in the next one. So that this stays possible, no part is sent across the mark, and the encoder is cut at it before
//! much is encoded behind it.

use crate::error::Result;
use crate::file::{Encoder, Format, Seam};
use crate::lake::{Objects, Upload};

/// Rows that are collected before they join the tail. So little of each stream stays in the processor's cache, where a
/// row is written in half the time, also with a hundred streams.
pub(super) const FRESH: usize = 8 * 1024;

/// What a buffer of rows keeps when it is empty; what a huge row needed beyond that is given back.
const KEPT: usize = 1 << 20;

/// How many bytes make a block, and a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Rows are encoded in blocks of this size. The encoder is cut at a mark only where a block or more of rows
    /// lies behind it, so that frequent states do not spoil the compression.
    pub(super) block: usize,
    /// Encoded bytes of a part.
    pub(super) part: usize,
    /// The least size of a part that is not the last.
    pub(super) least_part: usize,
}

impl Sizes {
    /// 5 MiB is S3's least: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
    pub(super) fn of(format: Format) -> Self {
        Self {
            block: format.block().unwrap_or(FRESH),
            part: 8 * 1024 * 1024,
            least_part: 5 * 1024 * 1024,
        }
    }

    /// Gives a buffer that holds nothing room for a block. Buffers of a hundred streams that grow step by step, each to
    /// another size, leave the memory in pieces of which none fits.
    fn begin(&self, buffer: &mut Vec<u8>) {
        if buffer.capacity() == 0 {
            buffer.reserve_exact(self.block + 2 * FRESH);
        }
    }
}

/// Where the last row that a state covers ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Before this object.
    Before,
    /// In `pending`, at this offset, with the encoder cut there.
    Pending(usize),
    /// In the tail with the fresh rows behind it, at this offset.
    Tail(usize),
}

/// An object being written.
pub(super) struct OpenObject {
    key: String,
    sizes: Sizes,
    encoder: Encoder,
    fresh: Vec<u8>,
    tail: Vec<u8>,
    pending: Vec<u8>,
    upload: Option<Upload>,
    /// Bytes in parts.
    uploaded: usize,
    mark: Mark,
}

/// An object whose bytes are complete, and which is still invisible.
#[derive(Debug)]
pub(super) enum Sealed {
    /// All its parts are there.
    Uploaded { upload: Upload, bytes: usize },
    /// It never reached a part.
    Buffered { key: String, bytes: Vec<u8> },
}

/// What is left to do when blocks were encoded and parts were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Go,
    /// The next part would lie across the mark: the object must be split there.
    Split,
}

impl OpenObject {
    pub(super) fn new(key: String, format: Format, sizes: Sizes) -> Self {
        Self {
            key,
            sizes,
            encoder: format.encoder(),
            fresh: Vec::new(),
            tail: Vec::new(),
            pending: Vec::new(),
            upload: None,
            uploaded: 0,
            mark: Mark::Before,
        }
    }

    /// Where the next row goes; call `collect` once they are `FRESH` bytes.
    pub(super) fn rows(&mut self) -> &mut Vec<u8> {
        &mut self.fresh
    }

    /// Takes the fresh rows to the others; says whether it is time to `settle`.
    pub(super) fn collect(&mut self) -> bool {
        if self.tail.is_empty() && self.fresh.len() >= self.sizes.block {
            std::mem::swap(&mut self.tail, &mut self.fresh);
        } else {
            self.sizes.begin(&mut self.tail);
            self.tail.append(&mut self.fresh);
            give_back(&mut self.fresh);
        }
        self.tail.len() >= self.sizes.block
    }

    /// A state covers every row so far.
    pub(super) fn set_mark(&mut self) {
        if !self.is_empty() {
            self.mark = Mark::Tail(self.tail.len() + self.fresh.len());
        }
    }

    /// No row at all.
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.tail.is_empty() && self.encoded() == 0
    }

    /// Rows that a state covers.
    pub(super) fn is_marked(&self) -> bool {
        self.mark != Mark::Before
    }

    /// Bytes after encoding, as far as they are known.
    pub(super) fn encoded(&self) -> usize {
        self.uploaded + self.pending.len()
    }

    /// Bytes of memory that the object holds.
    pub(super) fn memory(&self) -> usize {
        self.fresh.len() + self.tail.len() + self.pending.len()
    }

    /// Encodes the tail once it is a block, and sends parts once they are full.
    pub(super) fn settle(&mut self, objects: &dyn Objects) -> Result<Next> {
        if self.collect() {
            match self.mark {
                Mark::Tail(offset) if self.tail.len() - offset < self.sizes.block => {
                    self.encode_to(offset, Mark::Tail(0));
                }
                Mark::Tail(offset) => {
                    self.encode_to(offset, Mark::Before);
                    self.encoder.cut();
                    self.encode_to(self.tail.len(), Mark::Pending(self.pending.len()));
                }
                mark => self.encode_to(self.tail.len(), mark),
            }
        }
        self.send_full_parts(objects)
    }

    /// Encodes the tail's rows before `offset`.
    fn encode_to(&mut self, offset: usize, mark: Mark) {
        if offset > 0 {
            self.sizes.begin(&mut self.pending);
            self.encoder.write(&self.tail[..offset], &mut self.pending);
            if offset == self.tail.len() {
                self.tail.clear();
                give_back(&mut self.tail);
            } else {
                self.tail.drain(..offset);
            }
        }
        self.mark = mark;
    }

    fn send_full_parts(&mut self, objects: &dyn Objects) -> Result<Next> {
        while self.pending.len() >= self.sizes.part {
            match self.mark {
                Mark::Pending(offset) if offset >= self.sizes.least_part => {
                    self.send(objects, offset)?;
                    self.mark = Mark::Pending(0);
                }
                // A state may come soon and move the mark; wait for it as long as a part of the least size.
                Mark::Pending(_)
                    if self.pending.len() < self.sizes.part + self.sizes.least_part =>
                {
                    break;
                }
                Mark::Pending(_) => return Ok(Next::Split),
                Mark::Before | Mark::Tail(_) => self.send(objects, self.sizes.part)?,
            }
        }
        Ok(Next::Go)
    }

    /// Sends the first bytes of `pending` as a part.
    fn send(&mut self, objects: &dyn Objects, length: usize) -> Result<()> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(objects.begin(&self.key)?),
        };
        objects.part(upload, &self.pending[..length])?;
        self.uploaded += length;
        self.pending.drain(..length);
        Ok(())
    }

    /// Ends the object at the mark. What lies behind it is the rest, to go on under another key.
    pub(super) fn split_at_mark(
        mut self,
        next_key: impl FnOnce() -> String,
    ) -> (Option<Closing>, Option<Self>) {
        self.collect();
        let offset = match self.mark {
            Mark::Before => return (None, Some(self)),
            Mark::Tail(offset) => {
                self.encode_to(offset, Mark::Before);
                self.encoder.cut();
                self.pending.len()
            }
            Mark::Pending(offset) => offset,
        };
        let behind = self.split_pending(offset);
        let is_all = self.tail.is_empty() && behind.is_empty();
        let closing = Closing {
            key: self.key,
            upload: self.upload,
            bytes: self.pending,
            uploaded: self.uploaded,
        };
        if is_all {
            return (Some(closing), None);
        }
        let rest = Self {
            key: next_key(),
            sizes: self.sizes,
            encoder: self.encoder,
            fresh: self.fresh,
            tail: self.tail,
            pending: behind,
            upload: None,
            uploaded: 0,
            mark: Mark::Before,
        };
        (Some(closing), Some(rest))
    }

    /// Leaves in `pending` what lies before the cut, and returns what lies behind it: each the bytes of a file.
    fn split_pending(&mut self, cut: usize) -> Vec<u8> {
        let Seam { ending, beginning } = self.encoder.split();
        // The shorter side gets a buffer of its own: both together may be longer than a part.
        let mut behind;
        if cut < self.pending.len() / 2 {
            let before = self.pending[..cut].to_vec();
            behind = std::mem::replace(&mut self.pending, before);
            behind.splice(..cut, beginning);
        } else {
            behind = beginning;
            behind.extend_from_slice(&self.pending[cut..]);
            self.pending.truncate(cut);
        }
        self.pending.extend(ending);
        behind
    }

    /// Ends the object behind its last row.
    pub(super) fn close(mut self) -> Option<Closing> {
        if self.is_empty() {
            return None;
        }
        self.collect();
        self.encode_to(self.tail.len(), Mark::Before);
        self.encoder.end(&mut self.pending);
        let closing = Closing {
            key: self.key,
            upload: self.upload,
            bytes: self.pending,
            uploaded: self.uploaded,
        };
        (closing.uploaded + closing.bytes.len() > 0).then_some(closing)
    }

    /// Gives the object up.
    pub(super) fn into_upload(self) -> Option<Upload> {
        self.upload
    }
}

/// Frees an empty buffer that a huge row has made large.
fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT {
        *buffer = Vec::new();
    }
}

/// An object that has its last row; its last bytes may still be here.
pub(super) struct Closing {
    key: String,
    upload: Option<Upload>,
    bytes: Vec<u8>,
    uploaded: usize,
}

impl Closing {
    /// Sends what is left of an upload that was begun; a small object stays in memory.
    pub(super) fn seal(self, objects: &dyn Objects) -> Result<Sealed> {
        match self.upload {
            None => Ok(Sealed::Buffered {
                key: self.key,
                bytes: self.bytes,
            }),
            Some(_) => self.park(objects),
        }
    }

    /// Gives the object up.
    pub(super) fn into_upload(self) -> Option<Upload> {
        self.upload
    }

    /// Sends everything, so that no memory is held.
    pub(super) fn park(self, objects: &dyn Objects) -> Result<Sealed> {
        let mut upload = match self.upload {
            Some(upload) => upload,
            None => objects.begin(&self.key)?,
        };
        if !self.bytes.is_empty()
            && let Err(error) = objects.part(&mut upload, &self.bytes)
        {
            drop(objects.abort(&upload));
            return Err(error);
        }
        Ok(Sealed::Uploaded {
            upload,
            bytes: self.uploaded + self.bytes.len(),
        })
    }
}

impl Sealed {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Uploaded { upload, .. } => &upload.key,
            Self::Buffered { key, .. } => key,
        }
    }

    /// Makes the object visible; returns its bytes.
    pub(super) fn complete(&self, objects: &dyn Objects) -> Result<usize> {
        match self {
            Self::Uploaded { upload, bytes } => {
                objects.complete(upload)?;
                log::debug!(
                    "completed an object key={} bytes={bytes} parts={}",
                    upload.key,
                    upload.parts.len()
                );
                Ok(*bytes)
            }
            Self::Buffered { key, bytes } => {
                objects.put(key, bytes)?;
                log::debug!("put an object key={key} bytes={}", bytes.len());
                Ok(bytes.len())
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Uploaded { .. } => 0,
            Self::Buffered { bytes, .. } => bytes.len(),
        }
    }

    /// Gives the object up.
    pub(super) fn into_upload(self) -> Option<Upload> {
        match self {
            Self::Uploaded { upload, .. } => Some(upload),
            Self::Buffered { .. } => None,
        }
    }
}
