//! A slow reader of Parquet for the tests, written by the specification: it checks what it reads.

use std::collections::BTreeMap;
use std::io::Read;

/// A value of Thrift's compact protocol.
#[derive(Clone, Debug)]
enum Thrift {
    Boolean,
    Integer(i64),
    Binary(Vec<u8>),
    List(Vec<Self>),
    Struct(BTreeMap<i64, Self>),
}

impl Thrift {
    #[track_caller]
    fn get(&self, id: i64) -> &Self {
        self.find(id)
            .unwrap_or_else(|| panic!("no field {id} in {self:?}"))
    }

    fn find(&self, id: i64) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields.get(&id),
            other => panic!("{other:?}"),
        }
    }

    fn integer(&self) -> i64 {
        match self {
            Self::Integer(value) => *value,
            other => panic!("{other:?}"),
        }
    }

    fn size(&self) -> usize {
        usize::try_from(self.integer()).unwrap()
    }

    fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            other => panic!("{other:?}"),
        }
    }

    fn binary(&self) -> &[u8] {
        match self {
            Self::Binary(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn zigzag(&mut self) -> i64 {
        let number = self.varint();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    fn value(&mut self, of: u8) -> Thrift {
        match of {
            3 => Thrift::Integer(self.take(1)[0].into()),
            4..=6 => Thrift::Integer(self.zigzag()),
            8 => {
                let length = usize::try_from(self.varint()).unwrap();
                Thrift::Binary(self.take(length).to_vec())
            }
            9 => {
                let head = self.take(1)[0];
                let length = match head >> 4 {
                    15 => self.varint(),
                    short => short.into(),
                };
                Thrift::List((0..length).map(|_| self.value(head & 15)).collect())
            }
            12 => self.structure(),
            other => panic!("type {other}"),
        }
    }

    fn structure(&mut self) -> Thrift {
        let mut fields = BTreeMap::new();
        let mut id = 0;
        loop {
            let head = self.take(1)[0];
            if head == 0 {
                return Thrift::Struct(fields);
            }
            id = match head >> 4 {
                0 => self.zigzag(),
                step => id + i64::from(step),
            };
            let value = match head & 15 {
                1 | 2 => Thrift::Boolean,
                of => self.value(of),
            };
            fields.insert(id, value);
        }
    }

    /// So many numbers of RLE and packed groups.
    fn hybrid(&mut self, width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let header = self.varint();
            let length = usize::try_from(header >> 1).unwrap();
            if header & 1 == 0 {
                let mut value = [0; 4];
                let size = width.div_ceil(8) as usize;
                value[..size].copy_from_slice(self.take(size));
                values.extend(vec![u32::from_le_bytes(value); length]);
            } else {
                let bytes = self.take(length * width as usize);
                let bit = |place: usize| u32::from(bytes[place / 8] >> (place % 8) & 1);
                for value in 0..length * 8 {
                    let first = value * width as usize;
                    values.push((0..width).map(|at| bit(first + at as usize) << at).sum());
                }
            }
        }
        assert!(values.len() < count + 8, "a run that is too long");
        values.truncate(count);
        values
    }

    fn levels(&mut self, greatest: u32, count: usize) -> Vec<u32> {
        if greatest == 0 {
            return vec![0; count];
        }
        let length = self.take(4).try_into().map(u32::from_le_bytes).unwrap();
        let mut levels = Self(self.take(length as usize));
        let read = levels.hybrid(u32::BITS - greatest.leading_zeros(), count);
        assert!(levels.0.is_empty() && read.iter().all(|level| *level <= greatest));
        read
    }

    /// So many PLAIN values of a physical type.
    fn plain(&mut self, physical: i64, length: usize, count: usize) -> Vec<Vec<u8>> {
        if physical == 0 {
            let bits = self.take(count.div_ceil(8));
            return (0..count)
                .map(|at| vec![bits[at / 8] >> (at % 8) & 1])
                .collect();
        }
        let value = |_| {
            let length = match physical {
                1 | 4 => 4,
                2 | 5 => 8,
                6 => self.take(4).try_into().map(u32::from_le_bytes).unwrap() as usize,
                7 => length,
                other => panic!("physical type {other}"),
            };
            self.take(length).to_vec()
        };
        (0..count).map(value).collect()
    }
}

/// A level of a leaf, and its value where that is not null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) repetition: u32,
    pub(crate) definition: u32,
    pub(crate) value: Option<Vec<u8>>,
}

/// A leaf of the schema.
#[derive(Clone, Debug)]
struct Leaf {
    path: Vec<String>,
    physical: i64,
    length: usize,
    definition: u32,
    repetition: u32,
}

/// Bounds and nulls of a chunk, as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) nulls: i64,
    pub(crate) least: Option<Vec<u8>>,
    pub(crate) greatest: Option<Vec<u8>>,
}

/// A column chunk.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) path: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) statistics: Statistics,
    pub(crate) has_dictionary: bool,
    pub(crate) pages: usize,
}

/// A row group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) rows: usize,
    pub(crate) chunks: Vec<Chunk>,
}

/// The row groups of a file, which must be whole.
pub(crate) fn read(file: &[u8]) -> Vec<Group> {
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
    let end = file.len() - 8;
    let length = u32::from_le_bytes(file[end..end + 4].try_into().unwrap()) as usize;
    let mut footer = Cursor(&file[end - length..end]);
    let meta = footer.structure();
    assert!(footer.0.is_empty());
    let mut elements = meta.get(2).list();
    let mut leaves = Vec::new();
    schema(&mut elements, &mut Vec::new(), (0, 0), true, &mut leaves);
    assert!(elements.is_empty());
    assert_eq!(meta.get(7).list().len(), leaves.len());
    let mut at = 4;
    let groups: Vec<Group> = meta
        .get(4)
        .list()
        .iter()
        .map(|group| read_group(file, group, &leaves, &mut at))
        .collect();
    assert_eq!(at, end - length, "bytes that no chunk has");
    let rows: usize = groups.iter().map(|group| group.rows).sum();
    assert_eq!(meta.get(3).size(), rows);
    groups
}

fn schema(
    elements: &mut &[Thrift],
    path: &mut Vec<String>,
    levels: (u32, u32),
    is_root: bool,
    leaves: &mut Vec<Leaf>,
) {
    let (element, rest) = elements.split_first().unwrap();
    *elements = rest;
    let (mut definition, mut repetition) = levels;
    if !is_root {
        path.push(String::from_utf8(element.get(4).binary().to_vec()).unwrap());
        let repeats = element.get(3).integer();
        definition += u32::from(repeats > 0);
        repetition += u32::from(repeats == 2);
    }
    if let Some(children) = element.find(5) {
        for _ in 0..children.size() {
            schema(elements, path, (definition, repetition), false, leaves);
        }
    } else {
        leaves.push(Leaf {
            path: path.clone(),
            physical: element.get(1).integer(),
            length: element.find(2).map_or(0, Thrift::size),
            definition,
            repetition,
        });
    }
    path.pop();
}

fn read_group(file: &[u8], group: &Thrift, leaves: &[Leaf], at: &mut usize) -> Group {
    let rows = group.get(3).size();
    let chunks = group.get(1).list();
    assert_eq!(chunks.len(), leaves.len());
    assert_eq!(group.get(5).size(), *at);
    let read = |(chunk, leaf): (&Thrift, &Leaf)| read_chunk(file, chunk, leaf, at);
    let chunks: Vec<Chunk> = chunks.iter().zip(leaves).map(read).collect();
    for chunk in &chunks {
        let begin = chunk.entries.iter().filter(|entry| entry.repetition == 0);
        assert_eq!(begin.count(), rows, "{}", chunk.path);
    }
    Group { rows, chunks }
}

fn read_chunk(file: &[u8], chunk: &Thrift, leaf: &Leaf, at: &mut usize) -> Chunk {
    let meta = chunk.get(3);
    let path: Vec<&[u8]> = meta.get(3).list().iter().map(Thrift::binary).collect();
    let expected: Vec<&[u8]> = leaf.path.iter().map(String::as_bytes).collect();
    assert_eq!(path, expected);
    let start = meta.find(11).unwrap_or_else(|| meta.get(9)).size();
    assert_eq!(start, *at);
    let mut bytes = Cursor(&file[start..start + meta.get(7).size()]);
    *at += bytes.0.len();
    let (mut entries, mut pages, mut uncompressed) = (Vec::new(), 0, 0);
    let mut dictionary: Option<Vec<Vec<u8>>> = None;
    while !bytes.0.is_empty() {
        let before = bytes.0.len();
        let header = bytes.structure();
        uncompressed += before - bytes.0.len() + header.get(2).size();
        let compressed = bytes.take(header.get(3).size());
        let crc = u32::from_ne_bytes(
            i32::try_from(header.get(4).integer())
                .unwrap()
                .to_ne_bytes(),
        );
        assert_eq!(crc32fast::hash(compressed), crc);
        let page = decompress(compressed, meta.get(4).integer());
        assert_eq!(page.len(), header.get(2).size());
        let mut page = Cursor(&page);
        if header.get(1).integer() == 2 {
            assert_eq!(before, meta.get(7).size(), "a dictionary after other pages");
            let count = header.get(7).get(1).size();
            dictionary = Some(page.plain(leaf.physical, leaf.length, count));
        } else {
            pages += 1;
            entries.extend(read_page(&mut page, &header, leaf, dictionary.as_deref()));
        }
        assert!(page.0.is_empty(), "bytes that no value has");
    }
    assert_eq!(uncompressed, meta.get(6).size());
    assert_eq!(entries.len(), meta.get(5).size());
    let counted = meta
        .get(13)
        .list()
        .iter()
        .filter(|kind| kind.get(1).integer() == 0);
    assert_eq!(counted.map(|kind| kind.get(3).size()).sum::<usize>(), pages);
    let statistics = meta.get(12);
    let bound = |id| statistics.find(id).map(|bound| bound.binary().to_vec());
    Chunk {
        path: leaf.path.join("."),
        statistics: Statistics {
            nulls: statistics.get(3).integer(),
            greatest: bound(5),
            least: bound(6),
        },
        entries,
        has_dictionary: dictionary.is_some(),
        pages,
    }
}

fn read_page(
    page: &mut Cursor<'_>,
    header: &Thrift,
    leaf: &Leaf,
    dictionary: Option<&[Vec<u8>]>,
) -> Vec<Entry> {
    let header = header.get(5);
    let count = header.get(1).size();
    let repetitions = page.levels(leaf.repetition, count);
    let definitions = page.levels(leaf.definition, count);
    let is_value = |level: &&u32| **level == leaf.definition;
    let present = definitions.iter().filter(is_value).count();
    let values = match header.get(2).integer() {
        0 => page.plain(leaf.physical, leaf.length, present),
        8 => {
            let width = u32::from(page.take(1)[0]);
            let indices = page.hybrid(width, present);
            let dictionary = dictionary.expect("a dictionary comes first");
            indices
                .iter()
                .map(|index| dictionary[*index as usize].clone())
                .collect()
        }
        other => panic!("encoding {other}"),
    };
    let mut values = values.into_iter();
    repetitions
        .into_iter()
        .zip(definitions)
        .map(|(repetition, definition)| Entry {
            repetition,
            definition,
            value: (definition == leaf.definition).then(|| values.next().unwrap()),
        })
        .collect()
}

fn decompress(bytes: &[u8], codec: i64) -> Vec<u8> {
    match codec {
        0 => bytes.to_vec(),
        1 => snap::raw::Decoder::new().decompress_vec(bytes).unwrap(),
        2 => {
            let mut page = Vec::new();
            let mut decoder = flate2::bufread::GzDecoder::new(bytes);
            decoder.read_to_end(&mut page).unwrap();
            page
        }
        6 => ::zstd::decode_all(bytes).unwrap(),
        other => panic!("codec {other}"),
    }
}

/// The values of a column of whole numbers.
#[allow(dead_code)] // the integration tests' part
pub(crate) fn integers(file: &[u8], column: &str) -> Vec<i64> {
    let groups = read(file);
    let chunks = groups.iter().flat_map(|group| &group.chunks);
    chunks
        .filter(|chunk| chunk.path == column)
        .flat_map(|chunk| &chunk.entries)
        .map(|entry| {
            let value = entry.value.as_deref().unwrap();
            i64::from_le_bytes(value.try_into().unwrap())
        })
        .collect()
}
