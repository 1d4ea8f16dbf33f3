//! Shredding: the members of canonical rows go to the leaves of the layout, with their levels. The rows are those that
//! the row encoder wrote, which has decided what they hold; here nothing is converted and nothing is judged.

use super::column::Column;
use super::layout::{Kind, Layout, Member, Node, Shape};
use super::values;
use crate::json::scan::Scanner;
use crate::json::span;
use crate::json::text::unquote_into;

/// Elements of a list between two looks at whether pages have become huge.
const ELEMENTS: usize = 4096;

/// Reads rows for the columns of a row group.
pub(super) struct Shredder<'a> {
    pub(super) layout: &'a Layout,
    pub(super) columns: &'a mut [Column],
    /// For each member of a row, how many rows its leaves have: further ones are null there.
    pub(super) filled: &'a mut [u64],
    pub(super) text: &'a [u8],
    /// The characters of a text with escapes.
    pub(super) unquoted: &'a mut Vec<u8>,
}

impl Shredder<'_> {
    /// Reads all rows of the text; `row` is the number of the first. Returns how many there are; nothing where the text is
    /// not what the row encoder writes.
    pub(super) fn rows(&mut self, first: u64) -> Option<u64> {
        let layout = self.layout;
        let (mut at, mut row) = (0, first);
        while at < self.text.len() {
            at = self.row(&layout.members, row, at)?;
            self.expect(at, b'\n')?;
            at += 1;
            row += 1;
        }
        Some(row - first)
    }

    #[inline]
    fn expect(&self, at: usize, byte: u8) -> Option<()> {
        (self.text.get(at) == Some(&byte)).then_some(())
    }

    fn row(&mut self, members: &[Member], row: u64, at: usize) -> Option<usize> {
        self.expect(at, b'{')?;
        let mut at = at + 1;
        if self.text.get(at) == Some(&b'}') {
            return Some(at + 1);
        }
        let mut next = 0;
        loop {
            let (index, value) = self.member(members, next, at)?;
            let node = &members[index].node;
            let missing = row.checked_sub(self.filled[index])?;
            if missing > 0 {
                self.nulls(node, 0, 0, missing);
            }
            self.filled[index] = row + 1;
            at = self.value(node, 0, 0, value)?;
            next = index + 1;
            match self.text.get(at)? {
                b',' => at += 1,
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// The member whose name is at this place, and where its value is. It is likely the one of this index, or one soon
    /// after it.
    #[inline]
    fn member(&self, members: &[Member], likely: usize, at: usize) -> Option<(usize, usize)> {
        let rest = self.text.get(at..)?;
        let is_here = |index: &usize| rest.starts_with(&members[*index].token);
        let index = (likely..members.len())
            .find(is_here)
            .or_else(|| (0..likely).find(is_here))?;
        Some((index, at + members[index].token.len()))
    }

    /// Adds nulls for all leaves of a node.
    fn nulls(&mut self, node: &Node, repetition: u16, definition: u16, count: u64) {
        for leaf in node.leaves.0..node.leaves.1 {
            self.columns[leaf].nulls(repetition, definition, count);
        }
    }

    /// Reads a value, and returns its end. The definition level is that of what it is in.
    fn value(&mut self, node: &Node, repetition: u16, definition: u16, at: usize) -> Option<usize> {
        if self.text.get(at) == Some(&b'n') {
            self.nulls(node, repetition, definition, 1);
            return Some(at + 4);
        }
        match &node.shape {
            Shape::Leaf => self.scalar(node.leaves.0, repetition, at),
            Shape::Absent => {
                let mut scan = Scanner {
                    text: self.text,
                    at,
                };
                scan.skip().ok()?;
                Some(scan.at)
            }
            Shape::Struct(members) => self.structure(members, repetition, definition + 1, at),
            Shape::List {
                element,
                repetition: inner,
            } => {
                self.expect(at, b'[')?;
                if self.text.get(at + 1) == Some(&b']') {
                    self.nulls(node, repetition, definition + 1, 1);
                    return Some(at + 2);
                }
                self.list(element, (repetition, *inner), definition + 2, at)
            }
        }
    }

    fn structure(
        &mut self,
        members: &[Member],
        repetition: u16,
        definition: u16,
        at: usize,
    ) -> Option<usize> {
        self.expect(at, b'{')?;
        let mut at = at + 1;
        let mut next = 0;
        if self.text.get(at) != Some(&b'}') {
            loop {
                let (index, value) = self.member(members, next, at)?;
                // The fields of a struct are in order.
                for absent in members.get(next..index)? {
                    self.nulls(&absent.node, repetition, definition, 1);
                }
                at = self.value(&members[index].node, repetition, definition, value)?;
                next = index + 1;
                match self.text.get(at)? {
                    b',' => at += 1,
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        for absent in &members[next..] {
            self.nulls(&absent.node, repetition, definition, 1);
        }
        Some(at + 1)
    }

    /// Reads a list that is not empty. The repetition levels are those of its first element and of the others.
    fn list(
        &mut self,
        element: &Node,
        repetitions: (u16, u16),
        definition: u16,
        at: usize,
    ) -> Option<usize> {
        let mut at = at + 1;
        let mut repetition = repetitions.0;
        let mut until_look = ELEMENTS;
        loop {
            at = self.value(element, repetition, definition, at)?;
            repetition = repetitions.1;
            until_look -= 1;
            if until_look == 0 {
                until_look = ELEMENTS;
                for leaf in element.leaves.0..element.leaves.1 {
                    self.columns[leaf].settle_huge();
                }
            }
            match self.text.get(at)? {
                b',' => at += 1,
                b']' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn scalar(&mut self, leaf: usize, repetition: u16, at: usize) -> Option<usize> {
        let text = self.text;
        let column = &mut self.columns[leaf];
        match column.leaf.kind {
            Kind::Text => self.string(leaf, repetition, at),
            Kind::Binary => None,
            Kind::Integer(_) => {
                let (value, end) = values::integer(text, at)?;
                column.integer(repetition, value);
                Some(end)
            }
            Kind::Timestamp => {
                let (value, end) = values::timestamp(text, at)?;
                column.integer(repetition, value);
                Some(end)
            }
            Kind::Date => {
                let (value, end) = values::date(text, at)?;
                column.integer(repetition, value);
                Some(end)
            }
            Kind::Double | Kind::Float => {
                let end = values::end_of_number(text, at);
                let number = std::str::from_utf8(&text[at..end]).ok()?;
                if column.leaf.kind == Kind::Double {
                    column.double(repetition, number.parse().ok()?);
                } else {
                    column.float(repetition, number.parse().ok()?);
                }
                Some(end)
            }
            Kind::Decimal { scale, .. } => {
                let (value, end) = values::decimal(text, at, scale)?;
                column.decimal(repetition, value);
                Some(end)
            }
            Kind::Boolean => {
                let is_true = text[at..].starts_with(b"true");
                column.boolean(repetition, is_true);
                Some(at + if is_true { 4 } else { 5 })
            }
        }
    }

    #[inline]
    fn string(&mut self, leaf: usize, repetition: u16, at: usize) -> Option<usize> {
        self.expect(at, b'"')?;
        let from = at + 1;
        let mut end = span::plain(self.text, from);
        if self.text.get(end)? != &b'"' {
            end += memchr::memchr2(b'"', b'\\', &self.text[end..])?;
            if self.text[end] == b'\\' {
                return self.escaped(leaf, repetition, from, end);
            }
        }
        self.columns[leaf].text(repetition, &self.text[from..end]);
        Some(end + 1)
    }

    /// The same where there are escapes, the first at `end`.
    fn escaped(
        &mut self,
        leaf: usize,
        repetition: u16,
        from: usize,
        mut end: usize,
    ) -> Option<usize> {
        while self.text.get(end)? == &b'\\' {
            end += 2;
            end += memchr::memchr2(b'"', b'\\', self.text.get(end..)?)?;
        }
        self.unquoted.clear();
        unquote_into(&self.text[from..end], self.unquoted);
        self.columns[leaf].text(repetition, self.unquoted);
        Some(end + 1)
    }
}
