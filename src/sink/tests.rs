//! Laws of a stream's writer, over random sequences of rows, states, checkpoints and memory pressure.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use super::sizes::Sizes;
use super::writer::{Extent, Naming, ObjectNumbers, Writer};
use crate::error::Result;
use crate::file::{Codec, Format, PageCodec, parquet_reader};
use crate::lake::{Bytes, ETag, Expected, Listed, Objects, Stored, Unfinished, Upload};
use crate::schema::{Field, Type};
use crate::table::PartitionId;
use crate::table::layout::Run;
use crate::time::Millis;

/// Small enough that a few hundred rows pass every boundary.
const SMALL: Sizes = Sizes {
    block: 64,
    look: LOOK,
    group: 400,
    part: 256,
    least_part: 160,
};

/// Bytes of rows between two looks at whether they are a block.
const LOOK: usize = 32;

/// The longest row that is collected with others.
const LARGE: usize = 800;

/// A store that holds S3 to its word: nothing is visible before it is complete, and only last parts are small.
#[derive(Default)]
struct Store {
    visible: RefCell<BTreeMap<String, Vec<u8>>>,
    uploads: RefCell<HashMap<String, Vec<Vec<u8>>>>,
}

impl Objects for Store {
    fn root(&self) -> String {
        "s3://test/".to_owned()
    }

    fn now(&self) -> Result<Millis> {
        unreachable!("a writer takes no ages")
    }

    fn put(&self, key: &str, body: Bytes) -> Result<()> {
        assert!(!body.is_empty(), "an empty object: {key}");
        let before = self
            .visible
            .borrow_mut()
            .insert(key.to_owned(), body.to_vec());
        assert!(before.is_none(), "{key} was written twice");
        Ok(())
    }

    fn put_if(&self, _: &str, _: &[u8], _: Expected<'_>) -> Result<Option<ETag>> {
        unreachable!("a writer writes no control objects")
    }

    fn read(&self, _: &str) -> Result<Option<Stored>> {
        unreachable!("a writer reads nothing")
    }

    fn list(&self, _: &str, _: &mut dyn FnMut(Listed) -> Result<()>) -> Result<()> {
        unreachable!("a writer lists nothing")
    }

    fn delete(&self, _: &[String]) -> Result<()> {
        unreachable!("a writer deletes nothing")
    }

    fn copy(&self, _: &str, _: &str) -> Result<()> {
        unreachable!("a writer copies nothing")
    }

    fn begin(&self, key: &str) -> Result<Upload> {
        self.uploads.borrow_mut().insert(key.to_owned(), Vec::new());
        Ok(Upload {
            key: key.to_owned(),
            id: key.to_owned(),
            parts: Vec::new(),
        })
    }

    fn part(&self, upload: &mut Upload, body: Bytes) -> Result<()> {
        assert!(!body.is_empty(), "an empty part");
        self.uploads
            .borrow_mut()
            .get_mut(&upload.id)
            .expect("it was begun")
            .push(body.to_vec());
        upload.parts.push(crate::lake::Part::default());
        Ok(())
    }

    fn complete(&self, upload: &mut Upload) -> Result<()> {
        let parts = self
            .uploads
            .borrow_mut()
            .remove(&upload.id)
            .expect("it was begun");
        assert_eq!(parts.len(), upload.parts.len());
        let (_, all_but_the_last) = parts
            .split_last()
            .expect("an upload without parts cannot be completed");
        assert!(
            all_but_the_last
                .iter()
                .all(|part| part.len() >= SMALL.least_part),
            "a small part in the middle"
        );
        self.put(&upload.key, parts.concat().into())
    }

    fn abort(&self, upload: &Upload) -> Result<()> {
        self.uploads
            .borrow_mut()
            .remove(&upload.id)
            .expect("it was begun");
        Ok(())
    }

    fn unfinished(&self, _: &str) -> Result<Vec<Unfinished>> {
        unreachable!("a writer looks for nothing")
    }
}

impl Store {
    /// All visible rows, in the order of the objects' names.
    fn rows(&self, format: Format) -> Vec<String> {
        let mut rows = Vec::new();
        for (key, bytes) in self.visible.borrow().iter() {
            let mut text = String::new();
            match format {
                Format::Jsonl(Codec::Plain) => text.push_str(std::str::from_utf8(bytes).unwrap()),
                Format::Jsonl(Codec::Zstd) => {
                    let rows = zstd::decode_all(&bytes[..]).unwrap();
                    text = String::from_utf8(rows).unwrap();
                }
                Format::Jsonl(Codec::Gzip) => {
                    let mut decoder = flate2::bufread::GzDecoder::new(&bytes[..]);
                    decoder
                        .read_to_string(&mut text)
                        .unwrap_or_else(|error| panic!("{key}: {error}"));
                    let rest = decoder.into_inner();
                    assert!(rest.is_empty(), "{key} has more than one member");
                }
                Format::Parquet(_) => {
                    for group in parquet_reader::read(bytes) {
                        for entry in &group.chunks[0].entries {
                            let value = entry.value.clone().expect("no row is null");
                            text += &row(&String::from_utf8(value).unwrap(), format);
                            text.push('\n');
                        }
                    }
                }
            }
            assert!(text.ends_with('\n'), "{key} ends in the middle of a row");
            rows.extend(text.lines().map(str::to_owned));
        }
        rows
    }
}

#[test]
fn a_checkpoint_shows_exactly_the_rows_that_a_state_covers() {
    for seed in 0..200 {
        let formats = [
            Format::Jsonl(Codec::Plain),
            Format::Jsonl(Codec::Gzip),
            Format::Jsonl(Codec::Zstd),
            Format::Parquet(PageCodec::Plain),
            Format::Parquet(PageCodec::Snappy),
        ];
        run(
            seed,
            formats[usize::try_from(seed).unwrap() % formats.len()],
        );
    }
}

/// A row that holds the text.
fn row(text: &str, format: Format) -> String {
    match format {
        Format::Jsonl(_) => text.to_owned(),
        Format::Parquet(_) => format!("{{\"v\":\"{text}\"}}"),
    }
}

/// Gives the writer a row, as the sink does.
fn accept(writer: &mut Writer, row: &str, store: &Store) {
    let partition = PartitionId::default();
    let text = format!("{row}\n");
    if row.len() > LARGE {
        writer
            .push_large(partition, text.as_bytes(), store)
            .unwrap();
        writer.flush(partition, store).unwrap();
    } else if writer
        .push(partition, text.as_bytes())
        .unwrap()
        .is_flush_due
    {
        writer.flush(partition, store).unwrap();
    }
}

#[test]
fn a_state_after_each_row_keeps_none_from_being_encoded() {
    let store = Store::default();
    let mut writer = Writer::new(Naming {
        folder: "folder/".to_owned(),
        run: Run::begin(Millis(0)).unwrap(),
        numbers: ObjectNumbers::default(),
        format: Format::Jsonl(Codec::Gzip),
        columns: [].into(),
        sizes: SMALL,
        target_size: 1 << 20,
        partitions: Vec::new(),
    });
    for _ in 0..20_000 {
        accept(&mut writer, "shorter than what is fresh", &store);
        writer.cover();
        // A thousand rows of it would need more.
        assert!(writer.buffers() <= 48 * 1024, "{} bytes", writer.buffers());
    }
    writer.abandon(&store);
}

/// One random life of a writer; a failure names its seed.
fn run(seed: u64, format: Format) {
    let mut random = fastrand::Rng::with_seed(seed);
    let store = Store::default();
    let naming = Naming {
        folder: "folder/".to_owned(),
        run: Run::begin(Millis(0)).unwrap(),
        numbers: ObjectNumbers::default(),
        format,
        columns: [Field {
            key: "v".to_owned(),
            name: "v".to_owned(),
            data_type: Type::String,
        }]
        .into(),
        sizes: SMALL,
        target_size: random.choice([100, 700, 5000]).unwrap(),
        partitions: Vec::new(),
    };
    let states_are_rare = random.bool();
    let mut writer = Writer::new(naming);
    let (mut accepted, mut covered, mut durable) = (Vec::new(), 0, 0);
    for _ in 0..random.usize(1..600) {
        match random.u32(0..100) {
            0..80 => {
                // Random letters, so that gzip cannot make them small.
                let length = match random.u32(0..100) {
                    0 => LARGE,
                    1 => LARGE + 1,
                    _ => random.usize(1..40),
                };
                let text: String = (0..length).map(|_| random.alphanumeric()).collect();
                let row = row(&text, format);
                accept(&mut writer, &row, &store);
                accepted.push(row);
            }
            80..96 if !states_are_rare || random.u32(0..10) == 0 => {
                writer.cover();
                covered = accepted.len();
            }
            96 | 97 => {
                for sealed in writer.take(Extent::Covered, &store).unwrap() {
                    sealed.complete(&store).unwrap();
                }
                durable = covered;
            }
            98 => {
                writer.park(&store).unwrap();
                assert_eq!(writer.buffers(), 0, "seed {seed}");
            }
            99 => {
                let before = writer.buffers();
                // The covered rows may go first, in a chunk that has others too.
                writer.relieve(&store).unwrap();
                writer.relieve(&store).unwrap();
                assert!(writer.buffers() < before || before == 0, "seed {seed}");
            }
            _ => {}
        }
        assert_eq!(writer.has_covered_rows(), covered > durable, "seed {seed}");
        assert_eq!(writer.has_rows(), accepted.len() > durable, "seed {seed}");
        assert_eq!(store.rows(format), accepted[..durable], "seed {seed}");
    }
    if random.bool() {
        for sealed in writer.take(Extent::All, &store).unwrap() {
            sealed.complete(&store).unwrap();
        }
        assert_eq!(store.rows(format), accepted, "seed {seed}");
    } else {
        writer.abandon(&store);
        assert_eq!(store.rows(format), accepted[..durable], "seed {seed}");
    }
    assert!(
        store.uploads.borrow().is_empty(),
        "seed {seed}: uploads are left"
    );
}
