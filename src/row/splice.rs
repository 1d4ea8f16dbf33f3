//! The row as an edit of the record's text: verbatim pieces are copied in runs as long as they are contiguous.

/// Writes to `out`; verbatim text waits until something else is written.
///
/// A record whose keys, order and values are already those of its row is copied in one run.
pub(super) struct Splice<'a> {
    source: &'a [u8],
    out: &'a mut Vec<u8>,
    /// The run that waits: `source[from..to]` belongs at the end of `out`.
    from: usize,
    to: usize,
}

/// A state of the output to roll back to.
#[derive(Clone, Copy)]
pub(super) struct Savepoint {
    written: usize,
    from: usize,
    to: usize,
}

impl Savepoint {
    /// How long the output was, including what waited.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.written + (self.to - self.from)
    }
}

/// What stands before a member in its object.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Separator {
    /// It is the first.
    Open = b'{',
    Comma = b',',
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
    pub(super) fn put_verbatim(&mut self, from: usize, to: usize) {
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
    pub(super) fn put_verbatim_after(&mut self, before: u8, from: usize, to: usize) {
        if self.source.get(from.wrapping_sub(1)) == Some(&before) {
            self.put_verbatim(from - 1, to);
        } else {
            self.put_both(before, from, to);
        }
    }

    #[inline(never)]
    fn put_both(&mut self, before: u8, from: usize, to: usize) {
        self.put(&[before]);
        self.put_verbatim(from, to);
    }

    /// Appends what separates a member, and its name, which is given with a comma before it.
    #[inline]
    pub(super) fn put_name(&mut self, separator: Separator, name: &[u8]) {
        self.flush();
        let at = self.out.len();
        self.out.extend_from_slice(name);
        if separator == Separator::Open {
            self.out[at] = b'{';
        }
    }

    /// Appends the members in `source[from..to]`, if there are any, and what separates the first from the one before;
    /// returns what separates the next.
    pub(super) fn put_members(
        &mut self,
        separator: Separator,
        from: usize,
        to: usize,
    ) -> Separator {
        if from == to {
            return separator;
        }
        self.put_verbatim_after(separator as u8, from, to);
        Separator::Comma
    }

    /// The output itself, with nothing waiting.
    #[inline]
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.flush();
        self.out
    }

    /// Whether all of `source[from..to]` is verbatim in the row, as the last that was appended.
    #[inline]
    pub(super) fn is_run(&self, from: usize, to: usize) -> bool {
        self.from <= from && self.to == to
    }

    /// How long the output is, including what waits.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.savepoint().len()
    }

    #[inline]
    pub(super) fn savepoint(&self) -> Savepoint {
        Savepoint {
            written: self.out.len(),
            from: self.from,
            to: self.to,
        }
    }

    /// Takes back everything since the savepoint.
    pub(super) fn roll_back(&mut self, savepoint: Savepoint) {
        self.out.truncate(savepoint.written);
        self.from = savepoint.from;
        self.to = savepoint.to;
    }

    /// Begins a new run.
    #[inline(never)] // rare, and short only as long as it is not copied to every caller
    fn begin(&mut self, from: usize) {
        self.flush();
        self.from = from;
    }

    #[inline]
    fn flush(&mut self) {
        if self.from < self.to {
            self.out.extend_from_slice(&self.source[self.from..self.to]);
            self.from = self.to;
        }
    }
}
