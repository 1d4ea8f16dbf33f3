//! A column chunk while its row group is open: the page that values go to, those that are finished, and a mark.

use super::dictionary::Dictionary;
use super::encodings::Encoding;
use super::footer::Chunk;
use super::layout::{Kind, Leaf};
use super::pages::{self, Finished, Page, PageOptions, Pages, Place};
use super::statistics::Summary;

/// A place in a column chunk: so many finished pages are before it, and then it is in the next page.
#[derive(Clone, Copy, Default)]
struct Mark {
    pages: usize,
    inside: Place,
}

/// Finished pages, and how many bytes they are.
#[derive(Default)]
struct FinishedPages {
    pages: Vec<Finished>,
    bytes: usize,
}

impl FinishedPages {
    fn len(&self) -> usize {
        self.pages.len()
    }

    fn push(&mut self, page: Finished) {
        self.bytes += page.bytes.len();
        self.pages.push(page);
    }

    /// Takes the first pages out.
    fn take(&mut self, count: usize) -> Vec<Finished> {
        let taken: Vec<Finished> = self.pages.drain(..count).collect();
        self.bytes -= taken.iter().map(|page| page.bytes.len()).sum::<usize>();
        taken
    }
}

/// A column chunk of the open row group.
pub(super) struct Column {
    pub(super) leaf: Leaf,
    options: PageOptions,
    page: Page,
    /// The dictionary that values are added to, as long as there is one.
    dictionary: Option<Dictionary>,
    /// The dictionary of finished pages, once it is full.
    full_dictionary: Option<Dictionary>,
    finished: FinishedPages,
    mark: Mark,
    /// Of the values before the mark, and of those since.
    before: Summary,
    since: Summary,
}

impl Column {
    pub(super) fn new(leaf: &Leaf, options: PageOptions) -> Self {
        let is_text = leaf.kind == Kind::Text;
        Self {
            leaf: *leaf,
            options,
            page: Page::default(),
            dictionary: (leaf.kind != Kind::Boolean).then(|| Dictionary::new(is_text)),
            full_dictionary: None,
            finished: FinishedPages::default(),
            mark: Mark::default(),
            before: Summary::default(),
            since: Summary::default(),
        }
    }

    fn any_dictionary(&self) -> Option<&Dictionary> {
        self.dictionary.as_ref().or(self.full_dictionary.as_ref())
    }

    /// Bytes of memory that are allocated.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.page.memory()
            + self.any_dictionary().map_or(0, Dictionary::memory)
            + self.finished.bytes
            + self.finished.pages.capacity() * size_of::<Finished>()
    }

    /// About how many bytes the chunk takes in the file.
    pub(super) fn size(&self) -> usize {
        let values = self.any_dictionary().map_or(0, |found| found.values.len());
        self.finished.bytes + self.page.size() + values
    }

    /// Adds nulls: each is a row's, or an element's.
    #[inline]
    pub(super) fn nulls(&mut self, repetition: u16, definition: u16, count: u64) {
        self.since.nulls += count;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.page.definitions.push_run(definition, count);
        if self.leaf.repetition > 0 {
            self.page.repetitions.push_run(repetition, count);
        }
    }

    #[inline]
    fn levels(&mut self, repetition: u16) {
        self.page.definitions.push(self.leaf.definition);
        if self.leaf.repetition > 0 {
            self.page.repetitions.push(repetition);
        }
        self.page.values += 1;
    }

    #[inline]
    fn value(&mut self, repetition: u16, value: &[u8]) {
        self.levels(repetition);
        match &mut self.dictionary {
            Some(dictionary) => self.page.indices.push(dictionary.intern(value)),
            None => self.page.plain.extend_from_slice(value),
        }
    }

    /// Adds an integer, a date or a timestamp.
    #[inline]
    pub(super) fn integer(&mut self, repetition: u16, value: i64) {
        self.since.integer(value);
        let bytes = value.to_le_bytes();
        if self.leaf.size == 8 {
            self.value(repetition, &bytes);
        } else {
            self.value(repetition, &bytes[..4]);
        }
    }

    pub(super) fn boolean(&mut self, repetition: u16, value: bool) {
        self.since.integer(value.into());
        self.value(repetition, &[value.into()]);
    }

    #[inline]
    pub(super) fn double(&mut self, repetition: u16, value: f64) {
        self.since.double(value);
        self.value(repetition, &value.to_le_bytes());
    }

    pub(super) fn float(&mut self, repetition: u16, value: f32) {
        self.since.double(value.into());
        self.value(repetition, &value.to_le_bytes());
    }

    pub(super) fn decimal(&mut self, repetition: u16, value: i128) {
        self.since.decimal(value);
        let bytes = value.to_be_bytes();
        self.value(repetition, &bytes[16 - self.leaf.size..]);
    }

    #[inline]
    pub(super) fn text(&mut self, repetition: u16, value: &[u8]) {
        if value.len() > self.options.limits.dictionary_text as usize {
            self.close_dictionary();
        }
        if self.dictionary.is_some() {
            return self.value(repetition, value);
        }
        self.levels(repetition);
        self.since.text(value);
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.page.plain.extend_from_slice(&length.to_le_bytes());
        self.page.plain.extend_from_slice(value);
    }

    /// Finishes the page if it is so large that it should not wait for the end of its row.
    #[inline]
    pub(super) fn settle_huge(&mut self) {
        if self.page.is_huge() {
            self.settle();
        }
    }

    /// Finishes the page if it is full, or its dictionary.
    pub(super) fn settle(&mut self) {
        let limits = &self.options.limits;
        let is_full = |dictionary: &Dictionary| dictionary.is_full(limits.dictionary_bytes);
        if self.dictionary.as_ref().is_some_and(is_full) {
            self.close_dictionary();
        } else if self.page.is_full(limits) {
            self.finish_page();
        }
    }

    /// Goes on without the dictionary.
    fn close_dictionary(&mut self) {
        if self.dictionary.is_some() {
            self.finish_page();
            self.note_seen();
            self.full_dictionary = self.dictionary.take();
        }
    }

    /// Marks the place after the last value.
    pub(super) fn mark(&mut self) {
        self.note_seen();
        self.before.merge(std::mem::take(&mut self.since));
        self.mark = Mark {
            pages: self.finished.len(),
            inside: self.page.end(),
        };
    }

    /// Takes the bounds of texts from the dictionary, each of whose values is compared but once.
    fn note_seen(&mut self) {
        if let Some(dictionary) = &mut self.dictionary
            && self.leaf.kind == Kind::Text
        {
            for index in dictionary.take_seen() {
                self.since.text(dictionary.value(index));
            }
        }
    }

    fn is_marked_inside(&self) -> bool {
        self.mark.pages == self.finished.len() && self.mark.inside.entries > 0
    }

    /// Finishes the page: as two, where the mark is inside of it.
    fn finish_page(&mut self) {
        self.drop_useless_dictionary();
        if self.is_marked_inside() {
            self.finish_to_mark();
        }
        if self.page.definitions.len() > 0 {
            self.encode_page();
        }
    }

    /// Finishes what the page has before the mark.
    fn finish_to_mark(&mut self) {
        let rest = self.page.split_off(self.mark.inside);
        self.encode_page();
        self.page = rest;
        self.mark = Mark {
            pages: self.finished.len(),
            inside: Place::default(),
        };
    }

    /// Gives the dictionary up where the first page shows that most of its values are distinct.
    fn drop_useless_dictionary(&mut self) {
        if self.finished.len() > 0 {
            return;
        }
        self.note_seen();
        let count = self.page.indices.len();
        let Some(dictionary) = self.dictionary.take_if(|found| found.len() * 2 > count) else {
            return;
        };
        let (before, after) = self
            .page
            .indices
            .split_at(self.mark.inside.values.min(count));
        for index in before {
            self.page.plain.extend_from_slice(dictionary.plain(*index));
        }
        self.mark.inside.plain = self.page.plain.len();
        for index in after {
            self.page.plain.extend_from_slice(dictionary.plain(*index));
        }
        self.page.indices = Vec::new();
    }

    fn encode_page(&mut self) {
        let finished = self
            .page
            .finish(&self.leaf, self.dictionary.as_ref(), self.options.codec);
        self.finished.push(finished);
    }

    /// Ends the chunk, or the part of it before the mark: its pages go to `pages`. `position` is where it begins in the file.
    pub(super) fn end(&mut self, up_to_mark: bool, position: u64, pages: &mut Pages) -> Chunk {
        if up_to_mark {
            if self.is_marked_inside() {
                self.drop_useless_dictionary();
                self.finish_to_mark();
            }
        } else {
            self.finish_page();
            self.note_seen();
            self.before.merge(std::mem::take(&mut self.since));
            self.mark.pages = self.finished.len();
        }
        let ended = self.finished.take(self.mark.pages);
        self.mark.pages = 0;
        let mut chunk = Chunk::new(position, std::mem::take(&mut self.before));
        let is_encoded = |page: &Finished| page.encoding == Encoding::RleDictionary;
        if let Some(dictionary) = self.any_dictionary()
            && ended.iter().any(is_encoded)
        {
            let page = pages::of_dictionary(dictionary, &self.leaf, self.options.codec);
            chunk.add_dictionary(&page);
            pages.push(page.bytes);
        }
        for page in ended {
            chunk.add(&page);
            pages.push(page.bytes);
        }
        if self.finished.len() == 0 && self.page.definitions.len() == 0 {
            *self = Self::new(&self.leaf, self.options);
        }
        chunk
    }
}
