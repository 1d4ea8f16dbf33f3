//! One object, from its first row to its completion.
//!
//! ```text
//! push ─ rows (JSON text) ─ flush, a block at a time ─ encoded (bytes of the file) ─ a part at a time ─ upload
//!        up to 272 KiB in gzip, 528 KiB in zstd:         up to 8 MiB: a part          what nobody sees yet
//!        a block is what compresses well alone
//! ```
//!
//! The boundary is the place after the last row that a state covers. A checkpoint ends the object there, and the rows
//! after it go on in the next object. So that this stays possible, no part is sent across the boundary, and the file
//! is cut there before much is encoded after it.

use crate::error::{Error, Result};
use crate::file::{FileWriter, Seam, Statistics};
use crate::lake::{Bytes, Objects, Upload};
use crate::sink::sizes::{STEP, Sizes};
use crate::table::{DataFile, PartitionId};

/// Where the last row that a state covers ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundary {
    /// Before this object.
    Before,
    /// In `encoded`, at this offset, with the file cut there.
    Encoded(usize),
    /// In `rows`, at this offset.
    Rows(usize),
}

/// How far an object is. Each call says in which state it is allowed; any other is an error of ours.
#[derive(Debug)]
enum ObjectState {
    /// Rows may come. There is an upload once a part was sent.
    Open(Option<Upload>),
    /// The file is whole; its last bytes are still in `encoded`.
    Closed(Option<Upload>),
    /// All bytes are in the upload.
    Uploaded(Upload),
    /// Visible to whoever lists the folder.
    Complete,
    /// Given up.
    Aborted,
}

impl ObjectState {
    fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Closed(_) => "closed",
            Self::Uploaded(_) => "uploaded",
            Self::Complete => "complete",
            Self::Aborted => "aborted",
        }
    }
}

/// What an object holds, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Content {
    rows: u64,
    statistics: Statistics,
}

/// An object being written.
pub(super) struct Object {
    key: String,
    partition: PartitionId,
    sizes: Sizes,
    /// Nothing once the object is closed.
    file: Option<FileWriter>,
    rows: Vec<u8>,
    /// Bytes of rows since the last look at whether they are a block.
    unlooked: usize,
    encoded: Vec<u8>,
    /// Bytes in parts.
    sent: usize,
    boundary: Boundary,
    content: Content,
    /// What was in it at the boundary.
    covered: Content,
    state: ObjectState,
}

/// What is left to do after blocks were encoded and parts were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Nothing.
    Continue,
    /// The next part would reach across the boundary: the object must be split there.
    Split,
}

impl Object {
    pub(super) fn new(key: String, partition: PartitionId, file: FileWriter, sizes: Sizes) -> Self {
        Self {
            key,
            partition,
            sizes,
            file: Some(file),
            rows: Vec::new(),
            unlooked: 0,
            encoded: Vec::new(),
            sent: 0,
            boundary: Boundary::Before,
            content: Content::default(),
            covered: Content::default(),
            state: ObjectState::Open(None),
        }
    }

    pub(super) fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Appends a row, with its line feed. Says whether there is a block to `flush`. The object must be open.
    #[inline]
    pub(super) fn push(&mut self, row: &[u8]) -> Result<bool> {
        if !matches!(self.state, ObjectState::Open(_)) {
            return Err(self.illegal("push"));
        }
        if row.len() > self.rows.capacity() - self.rows.len() {
            self.sizes.reserve_rows(&mut self.rows, row.len());
        }
        self.rows.extend_from_slice(row);
        self.content.rows += 1;
        self.content.statistics.text_bytes += row.len() as u64;
        self.unlooked += row.len();
        if self.unlooked < self.sizes.look {
            return Ok(false);
        }
        self.unlooked = 0;
        Ok(self.rows.len() >= self.sizes.block)
    }

    /// Begins a row that comes in pieces, so that it is never held as a whole. The object must be open.
    pub(super) fn begin_row(&mut self, length: usize) -> Result<()> {
        if !matches!(self.state, ObjectState::Open(_)) {
            return Err(self.illegal("begin_row"));
        }
        self.encode_all();
        self.content.rows += 1;
        self.content.statistics.text_bytes += length as u64;
        Ok(())
    }

    /// Encodes the next piece of that row, and sends parts once they are full. Returns by how many bytes the file has grown.
    pub(super) fn push_piece(
        &mut self,
        piece: &[u8],
        objects: &dyn Objects,
    ) -> Result<(usize, Flushed)> {
        let before = self.encoded.len();
        if let Some(file) = &mut self.file {
            self.sizes
                .reserve_encoded(&mut self.encoded, piece.len() + file.room());
            file.write(piece, &mut self.encoded);
        }
        let grown = self.encoded.len() - before;
        Ok((grown, self.send_full_parts(objects)?))
    }

    /// A state covers every row so far.
    pub(super) fn cover(&mut self) {
        if !self.is_empty() {
            self.boundary = Boundary::Rows(self.rows.len());
            self.covered = self.content;
        }
    }

    /// Whether it has no row at all.
    pub(super) fn is_empty(&self) -> bool {
        self.content.rows == 0
    }

    /// Whether it has rows that a state covers.
    pub(super) fn is_covered(&self) -> bool {
        self.boundary != Boundary::Before
    }

    /// Bytes of the file, as far as they are encoded.
    pub(super) fn encoded(&self) -> usize {
        self.sent + self.encoded.len()
    }

    /// Bytes of memory that its buffers have allocated.
    pub(super) fn memory(&self) -> usize {
        self.rows.capacity() + self.encoded.capacity()
    }

    /// Encodes the rows once they are a block, and sends parts once they are full. The object must be open.
    pub(super) fn flush(&mut self, objects: &dyn Objects) -> Result<Flushed> {
        self.unlooked = 0;
        if self.rows.len() >= self.sizes.block {
            self.encode();
        }
        self.send_full_parts(objects)
    }

    /// Encodes the rows although they are less than a block, and gives back what is not needed for them.
    pub(super) fn compact(&mut self) {
        self.encode();
        self.rows.shrink_to_fit();
        self.encoded.shrink_to_fit();
    }

    /// Encodes the rows; those after the boundary only where they are a block.
    fn encode(&mut self) {
        match self.boundary {
            Boundary::Rows(offset) if self.rows.len() - offset < self.sizes.block => {
                self.encode_to(offset, Boundary::Rows(0));
            }
            _ => self.encode_all(),
        }
    }

    fn encode_all(&mut self) {
        match self.boundary {
            Boundary::Rows(offset) => {
                self.encode_to(offset, Boundary::Before);
                self.cut();
                self.encode_to(self.rows.len(), Boundary::Encoded(self.encoded.len()));
            }
            boundary => self.encode_to(self.rows.len(), boundary),
        }
    }

    /// Encodes the rows before `offset`.
    fn encode_to(&mut self, offset: usize, boundary: Boundary) {
        if offset > 0 {
            if let Some(file) = &mut self.file {
                self.sizes
                    .reserve_encoded(&mut self.encoded, offset + file.room());
                file.write(&self.rows[..offset], &mut self.encoded);
            }
            if offset < self.rows.len() {
                self.rows.drain(..offset);
            } else if self.rows.capacity() > self.sizes.block + 2 * STEP {
                // A huge row made it large.
                self.rows = Vec::new();
            } else {
                self.rows.clear();
            }
        }
        self.boundary = boundary;
    }

    fn cut(&mut self) {
        if let Some(file) = &mut self.file {
            file.cut();
        }
    }

    fn send_full_parts(&mut self, objects: &dyn Objects) -> Result<Flushed> {
        while self.encoded.len() >= self.sizes.part {
            match self.boundary {
                Boundary::Encoded(offset) if offset >= self.sizes.least_part => {
                    self.send(objects, offset)?;
                    self.boundary = Boundary::Encoded(0);
                }
                // A state may come soon and move the boundary; wait for it as long as a part of the least size.
                Boundary::Encoded(_)
                    if self.encoded.len() < self.sizes.part + self.sizes.least_part =>
                {
                    break;
                }
                Boundary::Encoded(_) => return Ok(Flushed::Split),
                Boundary::Before | Boundary::Rows(_) => self.send(objects, self.sizes.part)?,
            }
        }
        Ok(Flushed::Continue)
    }

    /// Sends the first bytes of `encoded` as a part.
    fn send(&mut self, objects: &dyn Objects, length: usize) -> Result<()> {
        let ObjectState::Open(upload) = &mut self.state else {
            return Err(self.illegal("send"));
        };
        let upload = match upload {
            Some(upload) => upload,
            None => upload.insert(objects.begin(&self.key)?),
        };
        let rest = self.encoded.split_off(length);
        let sent = Bytes::lend(&mut self.encoded, |part| objects.part(upload, part));
        if sent.is_ok() {
            self.sent += length;
            self.encoded.clear();
        }
        self.encoded.extend(rest);
        sent
    }

    /// Closes the object at the boundary. The rows after it go on in a new object, which is returned. The object must be
    /// open and have covered rows.
    pub(super) fn split(&mut self, next_key: impl FnOnce() -> String) -> Result<Option<Self>> {
        if !matches!(self.state, ObjectState::Open(_)) || !self.is_covered() {
            return Err(self.illegal("split"));
        }
        if let Boundary::Rows(offset) = self.boundary {
            self.encode_to(offset, Boundary::Before);
            self.cut();
            self.boundary = Boundary::Encoded(self.encoded.len());
        }
        let (Boundary::Encoded(offset), Some(mut file)) = (self.boundary, self.file.take()) else {
            return Err(self.illegal("split"));
        };
        let after = self.split_encoded(file.split(), offset);
        self.boundary = Boundary::Before;
        self.enter_closed();
        if self.rows.is_empty() && after.is_empty() {
            return Ok(None);
        }
        let rest = Content {
            rows: self.content.rows - self.covered.rows,
            statistics: self.content.statistics.without(self.covered.statistics),
        };
        self.content = self.covered;
        Ok(Some(Self {
            key: next_key(),
            partition: self.partition,
            sizes: self.sizes,
            file: Some(file),
            rows: std::mem::take(&mut self.rows),
            unlooked: 0,
            encoded: after,
            sent: 0,
            boundary: Boundary::Before,
            content: rest,
            covered: Content::default(),
            state: ObjectState::Open(None),
        }))
    }

    /// Leaves in `encoded` what is before the cut, and returns what follows it: each the bytes of a file.
    fn split_encoded(&mut self, seam: Seam, cut: usize) -> Vec<u8> {
        let Seam { ending, beginning } = seam;
        // The shorter side gets a buffer of its own: both together may be longer than a part.
        let mut after;
        if cut < self.encoded.len() / 2 {
            let before = self.encoded[..cut].to_vec();
            after = std::mem::replace(&mut self.encoded, before);
            after.splice(..cut, beginning);
        } else {
            after = beginning;
            after.extend_from_slice(&self.encoded[cut..]);
            self.encoded.truncate(cut);
        }
        self.encoded.extend(ending);
        after
    }

    /// Closes the object after its last row. The object must be open.
    pub(super) fn close(&mut self) -> Result<()> {
        if !matches!(self.state, ObjectState::Open(_)) {
            return Err(self.illegal("close"));
        }
        self.encode_to(self.rows.len(), Boundary::Before);
        if let Some(mut file) = self.file.take() {
            file.end(&mut self.encoded);
        }
        self.enter_closed();
        Ok(())
    }

    fn enter_closed(&mut self) {
        if let ObjectState::Open(upload) = &mut self.state {
            self.state = ObjectState::Closed(upload.take());
        }
    }

    /// Sends what is left of an upload that was begun; a small object stays in memory. The object must be closed.
    pub(super) fn seal(&mut self, objects: &dyn Objects) -> Result<()> {
        match self.state {
            ObjectState::Closed(None) | ObjectState::Uploaded(_) => Ok(()),
            _ => self.park(objects),
        }
    }

    /// Sends everything, so that no memory is held. The object must be closed.
    pub(super) fn park(&mut self, objects: &dyn Objects) -> Result<()> {
        let ObjectState::Closed(upload) = &mut self.state else {
            return Err(self.illegal("park"));
        };
        let mut upload = match upload.take() {
            Some(upload) => upload,
            None => objects.begin(&self.key)?,
        };
        if !self.encoded.is_empty()
            && let Err(error) =
                Bytes::lend(&mut self.encoded, |part| objects.part(&mut upload, part))
        {
            self.state = ObjectState::Closed(Some(upload));
            return Err(error);
        }
        self.sent += self.encoded.len();
        self.encoded = Vec::new();
        self.rows = Vec::new();
        self.state = ObjectState::Uploaded(upload);
        Ok(())
    }

    /// Waits until the store has all of it that was sent.
    pub(super) fn settle(&mut self, objects: &dyn Objects) -> Result<()> {
        match &mut self.state {
            ObjectState::Uploaded(upload) => objects.settle(upload),
            _ => Ok(()),
        }
    }

    /// The key that it will have once it is complete.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Makes the object visible to whoever lists its folder. The object must be closed or uploaded, and stays so after
    /// an error: it may be visible then, or not.
    pub(super) fn complete(&mut self, objects: &dyn Objects) -> Result<DataFile> {
        match &mut self.state {
            ObjectState::Uploaded(upload) => objects.complete(upload)?,
            ObjectState::Closed(None) => {
                Bytes::lend(&mut self.encoded, |body| objects.put(&self.key, body))?;
            }
            _ => return Err(self.illegal("complete")),
        }
        let bytes = self.encoded();
        log::debug!("completed an object key={} bytes={bytes}", self.key);
        self.encoded = Vec::new();
        self.state = ObjectState::Complete;
        Ok(DataFile {
            key: self.key.clone(),
            bytes: bytes as u64,
            rows: self.content.rows,
            partition: self.partition,
            statistics: self.content.statistics,
        })
    }

    /// Gives the object up. Returns the upload that is to be aborted.
    pub(super) fn abort(mut self) -> Option<Upload> {
        match std::mem::replace(&mut self.state, ObjectState::Aborted) {
            ObjectState::Open(upload) | ObjectState::Closed(upload) => upload,
            ObjectState::Uploaded(upload) => Some(upload),
            ObjectState::Complete | ObjectState::Aborted => None,
        }
    }

    fn illegal(&self, call: &str) -> Error {
        Error::system(format!(
            "internal error: {call} of an object that is {}",
            self.state.name()
        ))
    }
}
