//! The row as an edit of the record's text: what is kept is copied in runs as long as they are contiguous.

/// Writes to `out`; text kept from the source waits until something else is written.
///
/// A record whose keys, order and values are already those of its row is copied in one run.
pub(super) struct Splice<'a> {
    source: &'a [u8],
    out: &'a mut Vec<u8>,
    /// The run that waits: `source[from..to]` belongs at the end of `out`.
    from: usize,
    to: usize,
}

/// A place in the output to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    written: usize,
    from: usize,
    to: usize,
}

impl Mark {
    /// How long the output was, with what waited.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.written + (self.to - self.from)
    }
}

impl<'a> Splice<'a> {
    pub(super) fn new(source: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        Self {
            source,
            out,
            from: 0,
            to: 0,
        }
    }

    /// Appends `source[from..to]`.
    #[inline]
    pub(super) fn keep(&mut self, from: usize, to: usize) {
        if from != self.to {
            self.begin(from);
        }
        self.to = to;
    }

    /// Appends other text.
    #[inline]
    pub(super) fn put(&mut self, text: &[u8]) {
        self.flush();
        self.out.extend_from_slice(text);
    }

    /// Appends `before` and `source[from..to]`; mostly that byte stands before `from` anyway.
    #[inline]
    pub(super) fn keep_behind(&mut self, before: u8, from: usize, to: usize) {
        if self.source.get(from.wrapping_sub(1)) == Some(&before) {
            self.keep(from - 1, to);
        } else {
            self.put_behind(before, from, to);
        }
    }

    #[inline(never)]
    fn put_behind(&mut self, before: u8, from: usize, to: usize) {
        self.put(&[before]);
        self.keep(from, to);
    }

    /// The output itself, with nothing waiting.
    #[inline]
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.flush();
        self.out
    }

    /// Whether all of `source[from..to]` is kept, the last of what was appended.
    #[inline]
    pub(super) fn is_run(&self, from: usize, to: usize) -> bool {
        self.from <= from && self.to == to
    }

    /// How long the output is, with what waits.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.mark().len()
    }

    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark {
            written: self.out.len(),
            from: self.from,
            to: self.to,
        }
    }

    /// Takes back everything since the mark.
    pub(super) fn reset(&mut self, mark: Mark) {
        self.out.truncate(mark.written);
        self.from = mark.from;
        self.to = mark.to;
    }

    /// Begins a new run.
    #[inline(never)] // rare, and short only as long as it is not copied to every caller
    fn begin(&mut self, from: usize) {
        self.flush();
        self.from = from;
    }

    #[inline]
    fn flush(&mut self) {
        self.out.extend_from_slice(&self.source[self.from..self.to]);
        self.from = self.to;
    }
}
