//! One object, from its first row to its completion.

use std::rc::Rc;

use crate::error::{Error, Result};
use crate::file::{FileWriter, Statistics};
use crate::lake::{Bytes, Objects, Upload};
use crate::schema::Field;
use crate::sink::buffers::{Buffers, NextPart};
use crate::sink::chunks::Chunks;
use crate::sink::sizes::Sizes;
use crate::table::{DataFile, PartitionId};

/// How far an object is. Each call says in which state it is allowed; any other is an error of ours.
enum ObjectState {
    /// Rows may come. There is an upload once a part was sent.
    Open(Box<Buffers>, Option<Upload>),
    /// The file is whole; its last bytes are still here.
    Closed(Chunks, Option<Upload>),
    /// The file is whole, and small enough to be written in one call.
    Whole(Bytes),
    /// All bytes are in the upload.
    Uploaded(Upload),
    /// Given up.
    Aborted,
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
    /// Bytes in parts.
    sent: usize,
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
        let buffers = Box::new(Buffers::new(file, sizes));
        Self::open(key, partition, buffers, Content::default())
    }

    fn open(key: String, partition: PartitionId, buffers: Box<Buffers>, content: Content) -> Self {
        Self {
            key,
            partition,
            sent: 0,
            content,
            covered: Content::default(),
            state: ObjectState::Open(buffers, None),
        }
    }

    pub(super) fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Appends a row, with its line feed. Says whether there is a block to `flush`. The object must be open.
    #[inline]
    pub(super) fn push(&mut self, row: &[u8]) -> Result<bool> {
        let ObjectState::Open(buffers, _) = &mut self.state else {
            return Err(self.illegal("push"));
        };
        self.content.rows += 1;
        self.content.statistics.text_bytes += row.len() as u64;
        Ok(buffers.push(row))
    }

    /// Begins a row that comes in pieces, so that it is never held as a whole. The object must be open.
    pub(super) fn begin_row(&mut self, length: usize) -> Result<()> {
        let ObjectState::Open(buffers, _) = &mut self.state else {
            return Err(self.illegal("begin_row"));
        };
        buffers.encode_all();
        self.content.rows += 1;
        self.content.statistics.text_bytes += length as u64;
        Ok(())
    }

    /// Encodes that row as a whole.
    pub(super) fn push_whole(&mut self, row: &[u8]) -> Result<usize> {
        let before = self.encoded();
        let ObjectState::Open(buffers, _) = &mut self.state else {
            return Err(self.illegal("push_whole"));
        };
        buffers.encode_large(row);
        Ok(self.encoded().saturating_sub(before))
    }

    /// Encodes the next piece of that row, and sends parts once they are full. Returns by how many bytes the file has grown.
    pub(super) fn push_piece(
        &mut self,
        piece: &[u8],
        objects: &dyn Objects,
    ) -> Result<(usize, Flushed)> {
        let before = self.encoded();
        let ObjectState::Open(buffers, _) = &mut self.state else {
            return Err(self.illegal("push_piece"));
        };
        buffers.encode_piece(piece);
        let grown = self.encoded() - before;
        Ok((grown, self.send_full_parts(objects)?))
    }

    /// Lets the rows to come have these columns; false where they need another object.
    pub(super) fn reshape(&mut self, columns: &Rc<[Field]>) -> bool {
        match &mut self.state {
            ObjectState::Open(buffers, _) => buffers.reshape(columns),
            _ => false,
        }
    }

    /// A state covers every row so far.
    pub(super) fn cover(&mut self) {
        if let ObjectState::Open(buffers, _) = &mut self.state
            && self.content.rows > 0
        {
            buffers.cover();
            self.covered = self.content;
        }
    }

    /// Whether it has no row at all.
    pub(super) fn is_empty(&self) -> bool {
        self.content.rows == 0
    }

    fn buffers(&self) -> Option<&Buffers> {
        match &self.state {
            ObjectState::Open(buffers, _) => Some(buffers),
            _ => None,
        }
    }

    /// Whether it is open and has rows that a state covers.
    pub(super) fn is_covered(&self) -> bool {
        self.buffers().is_some_and(Buffers::has_boundary)
    }

    /// Whether it has rows that no state covers.
    pub(super) fn has_uncovered_rows(&self) -> bool {
        self.content.rows > self.covered.rows
    }

    /// Whether a state covers most of what its buffers hold.
    pub(super) fn is_mostly_covered(&self) -> bool {
        self.buffers().is_some_and(Buffers::is_mostly_covered)
    }

    /// Bytes of the file, as far as they are encoded.
    pub(super) fn encoded(&self) -> usize {
        let waiting = match &self.state {
            ObjectState::Open(buffers, _) => buffers.encoded(),
            ObjectState::Closed(rest, _) => rest.len(),
            ObjectState::Whole(bytes) => bytes.len(),
            _ => 0,
        };
        self.sent + waiting
    }

    /// Bytes of memory that its buffers have allocated.
    #[inline]
    pub(super) fn memory(&self) -> usize {
        match &self.state {
            ObjectState::Open(buffers, _) => buffers.memory(),
            ObjectState::Closed(rest, _) => rest.memory(),
            ObjectState::Whole(bytes) => bytes.len(),
            _ => 0,
        }
    }

    /// Encodes the rows once they are a block, and sends parts once they are full. The object must be open.
    pub(super) fn flush(&mut self, objects: &dyn Objects) -> Result<Flushed> {
        if let ObjectState::Open(buffers, _) = &mut self.state {
            buffers.encode_block();
        }
        self.send_full_parts(objects)
    }

    /// Encodes the rows although they are less than a block, and gives back what is not needed for them.
    pub(super) fn compact(&mut self) {
        if let ObjectState::Open(buffers, _) = &mut self.state {
            buffers.compact();
        }
    }

    /// Encodes the rows and closes the row group, where the format has such, so that all of it can be sent.
    pub(super) fn close_group(&mut self) {
        if let ObjectState::Open(buffers, _) = &mut self.state {
            buffers.close_group();
        }
    }

    fn send_full_parts(&mut self, objects: &dyn Objects) -> Result<Flushed> {
        let ObjectState::Open(buffers, upload) = &mut self.state else {
            return Err(self.illegal("flush"));
        };
        refuse_faulty(buffers)?;
        loop {
            let length = match buffers.next_part() {
                NextPart::None => return Ok(Flushed::Continue),
                NextPart::AcrossBoundary => return Ok(Flushed::Split),
                NextPart::Of(length) => length,
            };
            let upload = match upload {
                Some(upload) => upload,
                None => upload.insert(objects.begin(&self.key)?),
            };
            buffers.send(length, |part| objects.part(upload, part))?;
            self.sent += length;
        }
    }

    /// Closes the object at the boundary. The rows after it go on in a new object, which is returned. The object must be
    /// open and have covered rows.
    pub(super) fn split(&mut self, next_key: impl FnOnce() -> String) -> Result<Option<Self>> {
        if !self.is_covered() {
            return Err(self.illegal("split"));
        }
        let (mut buffers, upload) = self.take_open("split")?;
        buffers.cut_at_boundary();
        refuse_faulty(&buffers)?;
        self.covered.statistics.groups = buffers.groups().1;
        let (last, rest) = buffers.split();
        self.state = ObjectState::Closed(last, upload);
        let after = Content {
            rows: self.content.rows - self.covered.rows,
            statistics: self.content.statistics.without(self.covered.statistics),
        };
        self.content = self.covered;
        Ok(rest.map(|rest| Self::open(next_key(), self.partition, Box::new(rest), after)))
    }

    /// Closes the object after its last row. The object must be open.
    pub(super) fn close(&mut self) -> Result<()> {
        let (mut buffers, upload) = self.take_open("close")?;
        buffers.encode_rest();
        refuse_faulty(&buffers)?;
        self.content.statistics.groups = buffers.groups().0;
        self.state = ObjectState::Closed(buffers.close(), upload);
        Ok(())
    }

    /// Takes out what an open object has; the caller gives it its next state.
    fn take_open(&mut self, call: &str) -> Result<(Buffers, Option<Upload>)> {
        match std::mem::replace(&mut self.state, ObjectState::Aborted) {
            ObjectState::Open(buffers, upload) => Ok((*buffers, upload)),
            other => {
                self.state = other;
                Err(self.illegal(call))
            }
        }
    }

    /// Sends what is left of an upload that was begun; a small object stays in memory. The object must be closed.
    pub(super) fn seal(&mut self, objects: &dyn Objects) -> Result<()> {
        match &mut self.state {
            ObjectState::Closed(rest, None) => {
                self.state = ObjectState::Whole(std::mem::take(rest).into_bytes());
                Ok(())
            }
            ObjectState::Uploaded(_) => Ok(()),
            _ => self.park(objects),
        }
    }

    /// Sends everything, so that no memory is held. The object must be closed.
    pub(super) fn park(&mut self, objects: &dyn Objects) -> Result<()> {
        let ObjectState::Closed(rest, upload) = &mut self.state else {
            return Err(self.illegal("park"));
        };
        let begun = match upload {
            Some(upload) => upload,
            None => upload.insert(objects.begin(&self.key)?),
        };
        let length = rest.len();
        if length > 0 {
            rest.send_first(length, |part| objects.part(begun, part))?;
        }
        self.sent += length;
        if let Some(upload) = upload.take() {
            self.state = ObjectState::Uploaded(upload);
        }
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

    /// Makes the object visible to whoever lists its folder. The object must be sealed and settled. After an error it may
    /// be visible, or not.
    pub(super) fn complete(&self, objects: &dyn Objects) -> Result<()> {
        match &self.state {
            ObjectState::Uploaded(upload) => objects.complete(&mut upload.clone())?,
            ObjectState::Whole(bytes) => objects.put(&self.key, bytes.clone())?,
            _ => return Err(self.illegal("complete")),
        }
        log::debug!(
            "completed an object key={} bytes={}",
            self.key,
            self.encoded()
        );
        Ok(())
    }

    /// What is known of the object after its completion.
    pub(super) fn completed(self) -> DataFile {
        DataFile {
            bytes: self.encoded() as u64,
            key: self.key,
            rows: self.content.rows,
            partition: self.partition,
            statistics: self.content.statistics,
        }
    }

    /// Gives the object up. Returns the upload that is to be aborted.
    pub(super) fn abort(mut self) -> Option<Upload> {
        match std::mem::replace(&mut self.state, ObjectState::Aborted) {
            ObjectState::Open(_, upload) | ObjectState::Closed(_, upload) => upload,
            ObjectState::Uploaded(upload) => Some(upload),
            ObjectState::Whole(_) | ObjectState::Aborted => None,
        }
    }

    fn illegal(&self, call: &str) -> Error {
        let state = match &self.state {
            ObjectState::Open(..) => "open",
            ObjectState::Closed(..) => "closed",
            ObjectState::Whole(_) => "whole",
            ObjectState::Uploaded(_) => "uploaded",
            ObjectState::Aborted => "aborted",
        };
        Error::system(format!(
            "internal error: {call} of an object that is {state}"
        ))
    }
}

/// An error where the file was given what is no row. It would lack rows.
fn refuse_faulty(buffers: &Buffers) -> Result<()> {
    if buffers.is_faulty() {
        return Err(Error::system(
            "internal error: a row is not what its columns say; nothing of its file is published",
        ));
    }
    Ok(())
}
