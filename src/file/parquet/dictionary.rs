//! The dictionary of a column chunk: its distinct values, as long as they are few.

/// Probes after which values are taken for chosen to collide, or the table for unlucky: it is given up.
const PROBES: usize = 64;

/// Distinct values, numbered as they came.
#[derive(Default)]
pub(super) struct Dictionary {
    /// The values, PLAIN encoded: each after `prefix` bytes of its length.
    pub(super) values: Vec<u8>,
    prefix: usize,
    /// Where each begins.
    starts: Vec<u32>,
    /// The numbers of values plus one, by their hashes; a power of two of them.
    table: Vec<u32>,
    /// Which values came since [`take_seen`](Self::take_seen).
    seen: Vec<bool>,
    is_unlucky: bool,
}

impl Dictionary {
    /// A dictionary of texts, or of values of one length.
    pub(super) fn new(has_lengths: bool) -> Self {
        Self {
            prefix: if has_lengths { 4 } else { 0 },
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Bytes of memory that are allocated.
    pub(super) fn memory(&self) -> usize {
        self.values.capacity()
            + (self.starts.capacity() + self.table.capacity()) * 4
            + self.seen.capacity()
    }

    /// Whether the column should go on without it: above so many bytes of values.
    pub(super) fn is_full(&self, limit: u32) -> bool {
        self.values.len() > limit as usize || self.is_unlucky
    }

    /// The number of a value.
    #[inline]
    pub(super) fn intern(&mut self, value: &[u8]) -> u32 {
        if self.starts.len() * 2 >= self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut slot = hash(value) & mask;
        let mut probes = 0;
        while let Some(index) = self.table[slot].checked_sub(1) {
            if self.value(index) == value {
                self.seen[index as usize] = true;
                return index;
            }
            slot = (slot + 1) & mask;
            probes += 1;
        }
        self.is_unlucky |= probes > PROBES;
        self.add(value, slot)
    }

    fn add(&mut self, value: &[u8], slot: usize) -> u32 {
        let index = number(self.starts.len());
        self.starts.push(number(self.values.len()));
        let length = number(value.len()).to_le_bytes();
        self.values.extend_from_slice(&length[..self.prefix]);
        self.values.extend_from_slice(value);
        self.seen.push(true);
        self.table[slot] = index + 1;
        index
    }

    /// The value of this number.
    #[inline]
    pub(super) fn value(&self, index: u32) -> &[u8] {
        &self.plain(index)[self.prefix..]
    }

    /// The value of this number, PLAIN encoded.
    #[inline]
    pub(super) fn plain(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let end = self.starts.get(index + 1);
        let end = end.map_or(self.values.len(), |end| *end as usize);
        &self.values[self.starts[index] as usize..end]
    }

    /// The numbers of the values that came since the last call.
    pub(super) fn take_seen(&mut self) -> Vec<u32> {
        let seen = self.seen.iter_mut().enumerate();
        seen.filter_map(|(index, seen)| std::mem::take(seen).then(|| number(index)))
            .collect()
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(16);
        self.table = vec![0; size];
        for index in 0..number(self.starts.len()) {
            let mut slot = hash(self.value(index)) & (size - 1);
            while self.table[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.table[slot] = index + 1;
        }
    }
}

/// A number of values or bytes of a dictionary, which a few GiB of a row cannot reach.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A hash: each word is multiplied, and both halves of the product are kept.
#[inline]
fn hash(bytes: &[u8]) -> usize {
    const FACTOR: u128 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = bytes.len() as u64;
    let mut mix = |word: u64| {
        let product = u128::from(hash ^ word) * FACTOR;
        #[allow(clippy::cast_possible_truncation)] // the lower half
        let lower = product as u64;
        hash = lower.rotate_left(23) ^ u64::try_from(product >> 64).unwrap_or_default();
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        mix(u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        // The last eight bytes, where there are as many: some of them once more.
        match bytes.last_chunk::<8>() {
            Some(word) => mix(u64::from_le_bytes(*word)),
            None => mix(rest
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte))),
        }
    }
    #[allow(clippy::cast_possible_truncation)] // fewer bits are a hash too
    let hash = hash as usize;
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: u32 = 96 * 1024;

    #[test]
    fn each_value_has_a_number_of_its_own_and_keeps_it() {
        let mut dictionary = Dictionary::new(true);
        let texts: Vec<String> = (0..3000).map(|number| format!("text {number}")).collect();
        for _ in 0..2 {
            for (number, text) in texts.iter().enumerate() {
                let index = dictionary.intern(text.as_bytes());
                assert_eq!(index as usize, number);
                assert_eq!(dictionary.value(index), text.as_bytes());
            }
        }
        assert_eq!(dictionary.len(), 3000);
        assert_eq!(dictionary.take_seen().len(), 3000);
        dictionary.intern(b"text 7");
        assert_eq!(dictionary.take_seen(), [7]);
        assert_eq!(dictionary.plain(0), b"\x06\0\0\0text 0");
        assert!(!dictionary.is_full(LARGEST));
    }

    #[test]
    fn it_is_given_up_where_it_grows_too_large() {
        let mut dictionary = Dictionary::new(false);
        for number in 0..u64::from(LARGEST / 8) {
            dictionary.intern(&number.to_le_bytes());
        }
        assert!(!dictionary.is_full(LARGEST));
        dictionary.intern(&u64::MAX.to_le_bytes());
        assert!(dictionary.is_full(LARGEST));
    }

    #[test]
    fn it_is_given_up_where_values_collide() {
        let mut dictionary = Dictionary::new(false);
        let mut collided = 0;
        let mut random = fastrand::Rng::with_seed(1);
        while collided <= PROBES + 1 {
            let value = random.u64(..).to_le_bytes();
            if hash(&value) % 1024 == 1 {
                dictionary.intern(&value);
                collided += 1;
            }
        }
        assert!(dictionary.is_full(LARGEST));
    }
}
