//! The states that wait, in the order in which they came. The latest are kept as they are, those before them compressed:
//! sources repeat their states with little change, and a table that is replaced holds them all back until the end.

use std::collections::VecDeque;

use zstd::bulk;
use zstd::zstd_safe::CParameter;

use crate::error::Result;
use crate::sink::streams::StreamIndex;

/// As in `file::zstd`.
const LEVEL: i32 = 1;

/// How far back a state finds an earlier one to refer to: 2^24 bytes.
const WINDOW: u32 = 24;

/// The text of a chunk before it is compressed: states of this size, and of some more where they are large.
const CHUNK: usize = 1 << 20;
const STATES: usize = 8;

/// What a waiting state covers: the records before it of one stream, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covers {
    Stream(StreamIndex),
    All,
    /// A stream that is not in the catalog, of which no record can come.
    Nothing,
}

impl Covers {
    /// A number that stands for it where states wait.
    pub(super) fn code(self) -> u64 {
        match self {
            Self::Stream(stream) => stream as u64,
            Self::All => u64::MAX,
            Self::Nothing => u64::MAX - 1,
        }
    }

    pub(super) fn of_code(code: u64) -> Self {
        match code {
            u64::MAX => Self::All,
            _ if code == u64::MAX - 1 => Self::Nothing,
            _ => Self::Stream(usize::try_from(code).expect("it was one")),
        }
    }
}

/// States in memory, each with what it covers.
pub(super) struct WaitingStates {
    /// Compressed, in order; all of them are before the open one.
    packed: VecDeque<Packed>,
    open: Chunk,
    /// The largest chunk.
    largest: usize,
    /// Bytes of all but the open one.
    memory: usize,
}

/// States as they are: of each the code of what it covers, its length, and its line.
#[derive(Default)]
struct Chunk {
    text: Vec<u8>,
    /// What they cover, each once.
    covers: Vec<Covers>,
}

/// A chunk whose text is compressed.
struct Packed {
    text: Vec<u8>,
    /// How long the text is.
    length: usize,
    covers: Vec<Covers>,
}

impl WaitingStates {
    /// None yet. They may take `limit` bytes of memory, as far as compressing them in time is enough.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            packed: VecDeque::new(),
            open: Chunk::default(),
            largest: limit / 8,
            memory: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packed.is_empty() && self.open.covers.is_empty()
    }

    /// Bytes of memory that they take.
    pub(super) fn memory(&self) -> usize {
        self.memory + self.open.text.capacity()
    }

    pub(super) fn push(&mut self, covers: Covers, line: &[u8]) {
        self.open.push(covers, line);
        let enough = (STATES * line.len()).max(CHUNK).min(self.largest);
        if self.open.text.len() >= enough {
            let chunk = std::mem::take(&mut self.open);
            self.keep(chunk.pack());
        }
    }

    fn keep(&mut self, packed: Packed) {
        self.memory += packed.memory();
        self.packed.push_back(packed);
    }

    /// Hands out, in order, every state that `may` go; after an error no more of them.
    pub(super) fn release(
        &mut self,
        may: impl Fn(Covers) -> bool,
        mut hand_out: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let has_any = |covers: &[Covers]| covers.iter().any(|covers| may(*covers));
        self.memory = 0;
        for packed in std::mem::take(&mut self.packed) {
            if has_any(&packed.covers) {
                let kept = packed.unpack().release(&may, &mut hand_out)?;
                if !kept.covers.is_empty() {
                    self.keep(kept.pack());
                }
            } else {
                self.keep(packed);
            }
        }
        if has_any(&self.open.covers) {
            self.open = std::mem::take(&mut self.open).release(&may, &mut hand_out)?;
        }
        Ok(())
    }
}

impl Chunk {
    fn push(&mut self, covers: Covers, line: &[u8]) {
        self.text.extend(covers.code().to_le_bytes());
        self.text.extend((line.len() as u64).to_le_bytes());
        self.text.extend_from_slice(line);
        if !self.covers.contains(&covers) {
            self.covers.push(covers);
        }
    }

    /// Hands out the states that `may` go; returns the others.
    fn release(
        self,
        may: impl Fn(Covers) -> bool,
        mut hand_out: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Self> {
        let mut kept = Self::default();
        let mut rest = &*self.text;
        while let Some((code, tail)) = rest.split_first_chunk() {
            let (length, tail) = tail.split_first_chunk().expect("a length follows a code");
            let length = usize::try_from(u64::from_le_bytes(*length)).expect("it was one");
            let (line, tail) = tail.split_at(length);
            rest = tail;
            let covers = Covers::of_code(u64::from_le_bytes(*code));
            if may(covers) {
                hand_out(line)?;
            } else {
                kept.push(covers, line);
            }
        }
        Ok(kept)
    }

    fn pack(self) -> Packed {
        let mut compressor =
            bulk::Compressor::new(LEVEL).expect("the level is one of the library's");
        for parameter in [
            CParameter::WindowLog(WINDOW),
            CParameter::EnableLongDistanceMatching(true),
        ] {
            let set = compressor.set_parameter(parameter);
            set.expect("the parameter is one of the library's");
        }
        let packed = compressor.compress(&self.text);
        let mut packed = packed.expect("there is room for the worst case");
        packed.shrink_to_fit();
        Packed {
            text: packed,
            length: self.text.len(),
            covers: self.covers,
        }
    }
}

impl Packed {
    fn memory(&self) -> usize {
        size_of::<Self>() + self.text.capacity() + self.covers.capacity() * size_of::<Covers>()
    }

    fn unpack(self) -> Chunk {
        let text = bulk::decompress(&self.text, self.length);
        Chunk {
            text: text.expect("it was compressed here"),
            covers: self.covers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line whose length and content depend on the number.
    fn line(number: usize) -> Vec<u8> {
        let word = format!("{{\"state\":{number}}}");
        (word.repeat(1 + number % 50) + "\n").into_bytes()
    }

    fn covers(number: usize) -> Covers {
        match number % 4 {
            3 => Covers::All,
            stream => Covers::Stream(stream),
        }
    }

    fn release(states: &mut WaitingStates, may: impl Fn(Covers) -> bool) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let done = states.release(may, |line| {
            lines.push(line.to_vec());
            Ok(())
        });
        done.unwrap();
        lines
    }

    #[test]
    fn states_come_out_once_and_in_order_whichever_may_go_first() {
        let mut states = WaitingStates::new(80_000);
        for number in 0..3000 {
            states.push(covers(number), &line(number));
        }
        assert!(states.packed.len() > 50, "{}", states.packed.len());
        let of = |wanted: Covers| (0..3000).filter(move |number| covers(*number) == wanted);
        let second = release(&mut states, |covers| covers == Covers::Stream(1));
        assert_eq!(second, of(Covers::Stream(1)).map(line).collect::<Vec<_>>());
        assert!(release(&mut states, |covers| covers == Covers::Stream(1)).is_empty());
        states.push(Covers::Stream(1), b"last\n");
        let rest = release(&mut states, |_| true);
        let mut expected: Vec<_> = (0..3000)
            .filter(|number| covers(*number) != Covers::Stream(1))
            .map(line)
            .collect();
        expected.push(b"last\n".to_vec());
        assert_eq!(rest, expected);
        assert!(states.is_empty());
        assert_eq!(states.memory, 0);
    }

    #[test]
    fn states_that_repeat_each_other_take_a_tenth_of_their_size_however_large_they_are() {
        for size in [300, 20_000, 1_500_000] {
            let mut random = fastrand::Rng::with_seed(7);
            let mut text: Vec<u8> = (0..size).map(|_| random.alphanumeric() as u8).collect();
            let mut states = WaitingStates::new(64 << 20);
            let number = (60 << 20) / size;
            for _ in 0..number {
                let at = random.usize(..size - 8);
                random.fill(&mut text[at..at + 8]);
                states.push(Covers::All, &text);
            }
            let packed: usize = states.packed.iter().map(|packed| packed.length).sum();
            assert!(
                packed > 40 << 20 && states.memory < packed / 7,
                "{size}: {} of {packed}",
                states.memory
            );
        }
    }
}
