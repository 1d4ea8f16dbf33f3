//! The buffers of an open object: rows, and the bytes of the file that were encoded of them.
//!
//! ```text
//! push ─ rows (JSON text) ─ a block at a time ─ encoded (bytes of the file) ─ a part at a time ─ upload
//!        up to 256 KiB in gzip, 512 KiB in zstd:  up to 8 MiB: a part          what nobody sees yet
//!        a block is what compresses well alone
//! ```
//!
//! The boundary is the place after the last row that a state covers. A checkpoint ends the object there, and the rows
//! after it go on in the next object. So that this stays possible, no part is sent across the boundary, and the file
//! is cut there before much is encoded after it.

use std::rc::Rc;

use crate::error::Result;
use crate::file::{FileWriter, Seam};
use crate::lake;
use crate::schema::Field;
use crate::sink::chunks::Chunks;
use crate::sink::sizes::Sizes;

/// What a buffer of rows keeps beyond two blocks.
const BEYOND_BLOCK: usize = 128 * 1024;

/// Where the last row that a state covers ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundary {
    /// Before this object.
    Before,
    /// In `encoded`, at this offset, with the file cut there.
    Encoded(usize),
    /// In what the file holds, which is cut there.
    File,
    /// In `rows`, at this offset.
    Rows(usize),
}

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextPart {
    /// Nothing yet.
    None,
    /// So many of the first encoded bytes.
    Of(usize),
    /// The next part would reach across the boundary: the file must be split there.
    AcrossBoundary,
}

/// The rows of an open object that are not uploaded, and where the boundary is among them.
pub(super) struct Buffers {
    sizes: Sizes,
    file: FileWriter,
    rows: Chunks,
    /// Bytes of rows since the last look at whether they are a block.
    unlooked: usize,
    encoded: Chunks,
    boundary: Boundary,
}

impl Buffers {
    pub(super) fn new(file: FileWriter, sizes: Sizes) -> Self {
        Self {
            sizes,
            file,
            rows: Chunks::default(),
            unlooked: 0,
            encoded: Chunks::default(),
            boundary: Boundary::Before,
        }
    }

    /// Appends a row, with its line feed. Says whether there is a block to encode.
    #[inline]
    pub(super) fn push(&mut self, row: &[u8]) -> bool {
        self.rows.push(row);
        self.unlooked += row.len();
        if self.unlooked < self.sizes.look {
            return false;
        }
        self.unlooked = 0;
        self.rows.len() >= self.sizes.block
    }

    /// Lets the rows to come have these columns; false where they need a file of their own.
    pub(super) fn reshape(&mut self, columns: &Rc<[Field]>) -> bool {
        self.file.reshape(columns)
    }

    /// A state covers every row so far.
    pub(super) fn cover(&mut self) {
        self.boundary = Boundary::Rows(self.rows.len());
    }

    /// Whether the boundary is here, and not before.
    pub(super) fn has_boundary(&self) -> bool {
        self.boundary != Boundary::Before
    }

    /// How many bytes are encoded and not sent; of those that the file holds, about how many they will be.
    pub(super) fn encoded(&self) -> usize {
        self.closed() + self.file.held().0
    }

    /// How many bytes are encoded, or closed by the file and not appended yet.
    fn closed(&self) -> usize {
        self.encoded.len() + self.file.closed()
    }

    /// How many row groups there are, and how many of them are closed and before the boundary.
    pub(super) fn groups(&self) -> (u64, u64) {
        let (closed, marked) = self.file.groups();
        (closed + u64::from(self.file.holds_rows()), marked)
    }

    /// Whether the rows were not those of the row encoder.
    pub(super) fn is_faulty(&self) -> bool {
        self.file.is_faulty()
    }

    /// Bytes of memory that are allocated.
    pub(super) fn memory(&self) -> usize {
        self.rows.memory() + self.encoded.memory() + self.file.memory()
    }

    /// Whether most of the bytes are before the boundary, encoded or not.
    pub(super) fn is_mostly_covered(&self) -> bool {
        let (held, marked) = self.file.held();
        let covered = match self.boundary {
            Boundary::Before => 0,
            Boundary::Encoded(offset) => offset,
            Boundary::File => self.closed() + marked,
            Boundary::Rows(offset) => self.closed() + held + offset,
        };
        2 * covered > self.closed() + held + self.rows.len()
    }

    /// Encodes the rows once they are a block.
    pub(super) fn encode_block(&mut self) {
        self.unlooked = 0;
        if self.rows.len() >= self.sizes.block {
            self.encode();
        }
    }

    /// Encodes the rows although they are less than a block, and gives back what is not needed for them.
    pub(super) fn compact(&mut self) {
        self.encode();
        self.rows.shrink();
        self.encoded.shrink();
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

    /// Encodes all rows.
    pub(super) fn encode_all(&mut self) {
        match self.boundary {
            Boundary::Rows(offset) => {
                self.encode_to(offset, Boundary::Before);
                self.cut();
                self.encode_to(self.rows.len(), self.boundary);
            }
            boundary => self.encode_to(self.rows.len(), boundary),
        }
    }

    /// Cuts the file after the last encoded row.
    fn cut(&mut self) {
        self.file.cut();
        self.boundary = if self.file.holds_rows() {
            Boundary::File
        } else {
            Boundary::Encoded(self.closed())
        };
    }

    /// Closes the row group that is open, or the part of it before the boundary.
    pub(super) fn close_group(&mut self) {
        self.file.close_group();
        if self.boundary == Boundary::File {
            self.boundary = Boundary::Encoded(self.closed());
        }
    }

    /// Encodes the rows before `offset`.
    fn encode_to(&mut self, offset: usize, boundary: Boundary) {
        if offset > 0 {
            self.file.write(&self.rows.first(offset), &mut self.encoded);
            self.rows.remove_first(offset);
            if self.rows.memory() > 2 * self.sizes.block + BEYOND_BLOCK {
                // A huge row made it large.
                self.rows.shrink();
            }
        }
        self.boundary = boundary;
        while self.file.held().0 >= self.sizes.group {
            self.close_group();
        }
    }

    /// Encodes a row that is too large to be collected with others. There must be no rows.
    pub(super) fn encode_large(&mut self, row: &[u8]) {
        self.file.write(row, &mut self.encoded);
        if self.file.held().0 >= self.sizes.group {
            self.close_group();
        }
    }

    /// Encodes a piece of a row whose earlier pieces were encoded. There must be no rows.
    pub(super) fn encode_piece(&mut self, piece: &[u8]) {
        self.file.write(piece, &mut self.encoded);
    }

    /// What is to be sent next of the encoded bytes.
    pub(super) fn next_part(&mut self) -> NextPart {
        let most = self.sizes.part + self.sizes.least_part;
        // No more than that, because what is sent first is copied away from the rest.
        while self.encoded.len() < most && self.file.append(&mut self.encoded) {}
        let length = self.closed();
        if length < self.sizes.part {
            return NextPart::None;
        }
        match self.boundary {
            Boundary::Encoded(offset) if offset >= most => NextPart::Of(self.sizes.part),
            Boundary::Encoded(offset) if offset >= self.sizes.least_part => NextPart::Of(offset),
            // A state may come soon and move the boundary; wait for it as long as a part of the least size.
            Boundary::Encoded(_) if length < self.sizes.part + self.sizes.least_part => {
                NextPart::None
            }
            Boundary::Encoded(_) => NextPart::AcrossBoundary,
            Boundary::Before | Boundary::File | Boundary::Rows(_) => NextPart::Of(self.sizes.part),
        }
    }

    /// Lends the first encoded bytes to `send`; they are gone if it succeeds.
    pub(super) fn send(
        &mut self,
        length: usize,
        send: impl FnOnce(lake::Bytes) -> Result<()>,
    ) -> Result<()> {
        self.encoded.send_first(length, send)?;
        if let Boundary::Encoded(offset) = &mut self.boundary {
            *offset = offset.saturating_sub(length);
        }
        Ok(())
    }

    /// Cuts the file at the boundary, which must be here, and encodes all before it.
    pub(super) fn cut_at_boundary(&mut self) {
        if let Boundary::Rows(offset) = self.boundary {
            self.encode_to(offset, Boundary::Before);
            self.cut();
        }
        if self.boundary == Boundary::File {
            self.close_group();
        }
    }

    /// Ends the file at the boundary. Returns its last bytes, and the buffers of a new file with what follows, if anything
    /// does.
    pub(super) fn split(mut self) -> (Chunks, Option<Self>) {
        self.cut_at_boundary();
        while self.file.append(&mut self.encoded) {}
        let cut = match self.boundary {
            Boundary::Encoded(offset) => offset,
            _ => 0,
        };
        let Seam { ending, beginning } = self.file.split();
        let (mut before, mut after) = self.encoded.split(cut);
        before.push(&ending);
        before.shrink();
        after.prepend(&beginning);
        let is_rest = !self.rows.is_empty() || !after.is_empty() || self.file.holds_rows();
        let rest = is_rest.then_some(Self {
            sizes: self.sizes,
            file: self.file,
            rows: self.rows,
            unlooked: 0,
            encoded: after,
            boundary: Boundary::Before,
        });
        (before, rest)
    }

    /// Encodes all rows of a file that is not split any more.
    pub(super) fn encode_rest(&mut self) {
        self.encode_to(self.rows.len(), Boundary::Before);
    }

    /// Ends the file after its last row; returns its last bytes.
    pub(super) fn close(mut self) -> Chunks {
        self.encode_rest();
        self.file.end(&mut self.encoded);
        self.encoded.shrink();
        self.encoded
    }
}
