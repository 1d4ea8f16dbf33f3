//! Files that are read again by the tests' own reader: rows, marks, pages, dictionaries and statistics.

use std::fmt::Write as _;

use super::reader::{self, Entry, Group};
use super::*;
use crate::schema::hive;

fn fields(columns: &[(&str, &str)]) -> Vec<Field> {
    let field = |(name, of): &(&str, &str)| Field {
        key: (*name).to_owned(),
        name: (*name).to_owned(),
        data_type: hive::parse(of),
    };
    columns.iter().map(field).collect()
}

fn file(codec: PageCodec, columns: &[(&str, &str)]) -> Parquet {
    Parquet::new(codec, Limits::default(), &fields(columns))
}

fn written(columns: &[(&str, &str)], rows: &str) -> Vec<Group> {
    let mut file = file(PageCodec::Plain, columns);
    let mut out = Vec::new();
    file.write(rows.as_bytes());
    assert!(!file.is_faulty(), "{rows}");
    file.end(&mut out);
    reader::read(&out)
}

fn levels(entries: &[Entry]) -> Vec<(u32, u32)> {
    let levels = |entry: &Entry| (entry.repetition, entry.definition);
    entries.iter().map(levels).collect()
}

#[test]
fn nulls_and_empty_lists_have_the_levels_of_the_specification() {
    let groups = written(
        &[
            ("id", "bigint"),
            ("tags", "array<array<string>>"),
            ("at", "struct<x:int,y:struct<z:date>>"),
        ],
        "{\"id\":1,\"tags\":[[\"a\",null],[],null],\"at\":{\"y\":{\"z\":\"1970-01-02\"}}}\n\
         {}\n\
         {\"tags\":[],\"at\":{}}\n\
         {\"id\":2,\"tags\":[[\"b\"],[\"c\",\"d\"]],\"at\":{\"x\":7,\"y\":{}}}\n",
    );
    let [group] = &groups[..] else {
        panic!("{groups:?}");
    };
    let [id, tags, x, z] = &group.chunks[..] else {
        panic!("{group:?}");
    };
    assert_eq!(tags.path, "tags.list.element.list.element");
    assert_eq!(levels(&id.entries), [(0, 1), (0, 0), (0, 0), (0, 1)]);
    let expected = [
        (0, 5),
        (2, 4),
        (1, 3),
        (1, 2), // ["a", null], [], null
        (0, 0), // no list
        (0, 1), // an empty one
        (0, 5),
        (1, 5),
        (2, 5), // ["b"], ["c", "d"]
    ];
    assert_eq!(levels(&tags.entries), expected);
    assert_eq!(levels(&x.entries), [(0, 1), (0, 0), (0, 1), (0, 2)]);
    assert_eq!(levels(&z.entries), [(0, 3), (0, 0), (0, 1), (0, 2)]);
    assert_eq!(z.entries[0].value, Some(1_i32.to_le_bytes().to_vec()));
    assert_eq!((id.statistics.nulls, tags.statistics.nulls), (2, 5));
    assert_eq!(id.statistics.greatest, Some(2_i64.to_le_bytes().to_vec()));
}

#[test]
fn what_is_no_row_of_the_encoder_is_a_fault_and_no_panic() {
    let columns = [
        ("id", "bigint"),
        ("t", "timestamp"),
        ("d", "date"),
        ("s", "string"),
        ("l", "array<int>"),
        ("b", "boolean"),
        ("f", "double"),
        ("r", "struct<a:int,b:int>"),
        ("m", "decimal(5,2)"),
    ];
    let good = "{\"id\":1,\"t\":\"2020-01-01 00:00:00.5\",\"d\":\"2020-01-01\",\"s\":\"a\\\"\\u0041é\",\"l\":[1,null],\
                \"b\":true,\"f\":1.5,\"r\":{\"a\":1,\"b\":2},\"m\":12.5}\n";
    let mut parquet = file(PageCodec::Plain, &columns);
    parquet.write(good.as_bytes());
    assert!(!parquet.is_faulty());
    for at in 0..good.len() - 1 {
        let mut parquet = file(PageCodec::Plain, &columns);
        parquet.write(&good.as_bytes()[..at]);
        assert_eq!(parquet.is_faulty(), at > 0, "{at}");
        for byte in [b'"', b'{', b'[', b',', b'x', b'\n', b'\\', 0xFF, b'9'] {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = byte;
            file(PageCodec::Plain, &columns).write(&bytes);
        }
    }
    for order in [
        "{\"r\":{\"b\":1,\"a\":2}}\n",
        "{\"id\":1,\"id\":2}\n",
        "{\"no\":1}\n",
    ] {
        let mut parquet = file(PageCodec::Plain, &columns);
        parquet.write(order.as_bytes());
        assert!(parquet.is_faulty(), "{order}");
    }
}

/// A row of random values, and what the leaves of it must hold: the texts of `v` and of the elements of `l`.
fn random_row(
    random: &mut fastrand::Rng,
    distinct: u32,
) -> (String, Option<String>, Option<Vec<String>>) {
    let mut text = || {
        let number = random.u32(0..distinct);
        let length = if number.is_multiple_of(7) { 100 } else { 3 };
        format!("{number:0length$}")
    };
    let (v, list) = (text(), vec![text(), text()]);
    let v = random.bool().then_some(v);
    let list = random
        .bool()
        .then_some(list)
        .map(|list| match random.u8(0..4) {
            0 => Vec::new(),
            1 => list[..1].to_vec(),
            _ => list,
        });
    let mut row = String::from("{");
    if let Some(v) = &v {
        write!(row, "\"v\":\"{v}\"").unwrap();
    }
    if let Some(list) = &list {
        let comma = if v.is_some() { "," } else { "" };
        write!(row, "{comma}\"l\":{}", serde_json::to_string(list).unwrap()).unwrap();
    }
    (row + "}\n", v, list)
}

/// The rows of files, as [`random_row`] returns them.
fn rows(files: &[Vec<u8>]) -> Vec<(Option<String>, Option<Vec<String>>)> {
    let mut rows = Vec::new();
    for group in files.iter().flat_map(|file| reader::read(file)) {
        let text = |value: &Vec<u8>| String::from_utf8(value.clone()).unwrap();
        let mut lists: Vec<Option<Vec<String>>> = Vec::new();
        for entry in &group.chunks[1].entries {
            if entry.repetition == 0 {
                lists.push((entry.definition > 0).then(Vec::new));
            }
            if let (Some(Some(list)), Some(value)) = (lists.last_mut(), &entry.value) {
                list.push(text(value));
            }
        }
        let values = group.chunks[0]
            .entries
            .iter()
            .map(|entry| entry.value.as_ref().map(text));
        rows.extend(values.zip(lists));
        for chunk in &group.chunks {
            check_statistics(chunk);
        }
    }
    rows
}

/// Bounds must hold, and be the values themselves where these are short.
fn check_statistics(chunk: &reader::Chunk) {
    let statistics = &chunk.statistics;
    let values = || {
        chunk
            .entries
            .iter()
            .filter_map(|entry| entry.value.as_ref())
    };
    let nulls = chunk.entries.len() - values().count();
    assert_eq!(statistics.nulls, i64::try_from(nulls).unwrap());
    let (least, greatest) = (values().min(), values().max());
    assert_eq!(statistics.least.is_some(), least.is_some());
    if let (Some(least), Some(greatest)) = (least, greatest) {
        assert!(statistics.least.as_ref().unwrap() <= least);
        assert!(statistics.greatest.as_ref().unwrap() >= greatest);
        if least.len() <= 64 {
            assert_eq!(statistics.least.as_ref(), Some(least));
        }
        if greatest.len() <= 64 {
            assert_eq!(statistics.greatest.as_ref(), Some(greatest));
        }
    }
}

#[test]
fn a_file_is_split_at_any_mark() {
    let codecs = [
        PageCodec::Plain,
        PageCodec::Snappy,
        PageCodec::Gzip,
        PageCodec::Zstd,
    ];
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let codec = random.choice(codecs).unwrap();
        let mut parquet = file(codec, &[("v", "string"), ("l", "array<string>")]);
        let (mut files, mut out, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        // Where the file is cut: rows before it, and the bytes that are appended before it once that is known.
        let mut cut: (usize, Option<usize>) = (0, Some(0));
        let mut begun = 0;
        let distinct = random.choice([2, 40, 1_000_000]).unwrap();
        for _ in 0..random.usize(1..40) {
            match random.u8(0..10) {
                0..6 => {
                    let most = random.choice([3, 40, 600]).unwrap();
                    let mut block = String::new();
                    for _ in 0..random.usize(1..most) {
                        let (row, v, list) = random_row(&mut random, distinct);
                        block += &row;
                        expected.push((v, list));
                    }
                    parquet.write(block.as_bytes());
                }
                6 | 7 => {
                    parquet.cut();
                    let is_inside = parquet.has_open_rows();
                    cut = (expected.len(), (!is_inside).then_some(out.len()));
                }
                8 => {
                    parquet.close_group();
                    while parquet.append(&mut out) {}
                    cut.1 = cut.1.or(Some(out.len()));
                }
                _ if cut.0 > begun => {
                    if cut.1.is_none() {
                        parquet.close_group();
                        while parquet.append(&mut out) {}
                    }
                    let at = cut.1.unwrap_or(out.len());
                    let rest = out.split_off(at);
                    let seam = parquet.split();
                    files.push([std::mem::take(&mut out), seam.ending].concat());
                    out = [seam.beginning, rest].concat();
                    begun = cut.0;
                    cut.1 = Some(0);
                }
                _ => {}
            }
        }
        parquet.end(&mut out);
        if !out.is_empty() {
            files.push(out);
        }
        assert!(!parquet.is_faulty());
        assert_eq!(rows(&files), expected, "seed {seed}");
    }
}

#[test]
fn distinct_values_are_written_without_a_dictionary_and_others_with_one() {
    let mut text = String::new();
    for number in 0..50_000 {
        writeln!(
            text,
            "{{\"few\":\"{}\",\"distinct\":\"{number}\",\"late\":\"{}\"}}",
            number % 100,
            if number < 30_000 { number % 3 } else { number }
        )
        .unwrap();
    }
    let mut file = file(
        PageCodec::Plain,
        &[
            ("few", "string"),
            ("distinct", "string"),
            ("late", "string"),
        ],
    );
    for block in text
        .as_bytes()
        .chunk_by(|one, _| *one != b'\n')
        .collect::<Vec<_>>()
        .chunks(1000)
    {
        file.write(&block.concat());
    }
    let memory = file.memory();
    assert!(memory > 300_000 && memory < 2_000_000, "{memory}");
    let size = file.size();
    let mut out = Vec::new();
    file.end(&mut out);
    assert!(
        size > out.len() * 9 / 10 && size < out.len() * 11 / 10,
        "{size} {}",
        out.len()
    );
    assert!(
        file.size() == 0 && file.memory() < 10_000,
        "{}",
        file.memory()
    );
    let groups = reader::read(&out);
    let [few, distinct, late] = &groups[0].chunks[..] else {
        panic!("{groups:?}");
    };
    assert!(few.has_dictionary && !distinct.has_dictionary && late.has_dictionary);
    assert!(late.pages > 2 && distinct.pages > 2);
    for chunk in &groups[0].chunks {
        check_statistics(chunk);
    }
}

/// The texts of a column, by row.
fn texts(groups: &[Group], path: &str) -> Vec<Option<String>> {
    let chunks = groups.iter().flat_map(|group| &group.chunks);
    chunks
        .filter(|chunk| chunk.path == path)
        .flat_map(|chunk| &chunk.entries)
        .map(|entry| Some(String::from_utf8(entry.value.clone()?).unwrap()))
        .collect()
}

#[test]
fn columns_may_come_until_the_first_row_group_is_closed() {
    for is_marked in [false, true] {
        let mut file = file(PageCodec::Plain, &[("a", "string"), ("s", "struct<x:int>")]);
        let mut out = Vec::new();
        file.write(b"{\"a\":\"1\"}\n{}\n");
        if is_marked {
            file.cut();
        }
        let wider = [("a", "string"), ("s", "struct<x:int>"), ("b", "string")];
        assert!(file.reshape(&fields(&wider)));
        file.write(b"{\"a\":\"3\",\"b\":\"x\"}\n");
        // What is inside of others is not so simple, and types never change.
        for refused in [
            [
                ("a", "string"),
                ("s", "struct<x:int,y:int>"),
                ("b", "string"),
            ],
            [("a", "string"), ("s", "struct<x:int>"), ("b", "int")],
            [("a", "string"), ("s", "struct<x:int>"), ("c", "string")],
        ] {
            assert!(!file.reshape(&fields(&refused)));
        }
        let wider = [
            ("c", "string"),
            ("b", "string"),
            ("a", "string"),
            ("s", "struct<x:int>"),
        ];
        assert!(file.reshape(&fields(&wider)));
        file.write(b"{\"b\":\"y\",\"c\":\"z\"}\n");
        file.close_group();
        while file.append(&mut out) {}
        assert!(!file.reshape(&fields(&[("a", "string")])));
        let mut files = Vec::new();
        if is_marked {
            assert!(file.has_open_rows());
            files.push([std::mem::take(&mut out), file.split().ending].concat());
        }
        file.end(&mut out);
        files.push(out);
        let groups: Vec<Group> = files.iter().flat_map(|file| reader::read(file)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(texts(&groups, "a"), [some("1"), None, some("3"), None]);
        assert_eq!(texts(&groups, "b"), [None, None, some("x"), some("y")]);
        assert_eq!(texts(&groups, "c"), [None, None, None, some("z")]);
    }
}
