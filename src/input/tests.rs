//! Files as input: several in order, plain and compressed.

use std::io::Write;

use super::*;

/// Every line of the files, with the file's name (without folders) and its number.
fn lines(paths: Vec<PathBuf>) -> Result<Vec<(String, u64, String)>> {
    let mut input = Lines::files(paths, 1 << 20, Stdout::Unused, Clock::System)?;
    let mut lines = Vec::new();
    loop {
        match input.next(|| None)? {
            Event::Line {
                input,
                number,
                text,
            } => {
                let name = input.rsplit('/').next().unwrap().to_owned();
                lines.push((name, number, String::from_utf8(text.to_vec()).unwrap()));
            }
            Event::End => return Ok(lines),
            other => panic!("{other:?}"),
        }
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn files_are_read_in_order_however_they_are_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let members = [gzip("{\"c\":1}\n"), gzip("\n{\"c\":3}")].concat();
    // Two frames, as `cat a.zst b.zst` makes them.
    let frames = ["{\"d\":1}\n", "{\"d\":2}\n"].map(|text| zstd::encode_all(text.as_bytes(), 1));
    let frames = frames.map(std::result::Result::unwrap).concat();
    let paths = vec![
        file("a", b"{\"a\":1}\n{\"a\":2}"),
        file("empty", b""),
        file("b", b"{\"b\":1}\r\n"),
        file("c", &members),
        file("d", &frames),
    ];
    let expected = [
        ("a", 1, "{\"a\":1}"),
        ("a", 2, "{\"a\":2}"),
        ("b", 1, "{\"b\":1}"),
        ("c", 1, "{\"c\":1}"),
        ("c", 3, "{\"c\":3}"),
        ("d", 1, "{\"d\":1}"),
        ("d", 2, "{\"d\":2}"),
    ];
    let found = lines(paths).unwrap();
    let found: Vec<(&str, u64, &str)> = found
        .iter()
        .map(|(name, number, text)| (name.as_str(), *number, text.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn compression_is_detected_even_if_a_pipe_delivers_single_bytes() {
    use std::os::fd::AsRawFd;
    let text = "{\"a\":1}\n";
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for (bytes, expected) in [
        (gzip(text), text),
        (zstd, text),
        (b"(\xb5\x2f\n".to_vec(), "(\u{fffd}/\n"),
        (b"(\n".to_vec(), "(\n"),
    ] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
        let mut input = Lines::files(vec![path], 100, Stdout::Unused, Clock::System).unwrap();
        let (first, rest) = bytes.split_at(1);
        writer.write_all(first).unwrap();
        let soon = Some(Clock::System.instant() + std::time::Duration::from_millis(5));
        assert!(matches!(input.next(|| soon), Ok(Event::Deadline)));
        writer.write_all(rest).unwrap();
        drop(writer);
        match input.next(|| None).unwrap() {
            Event::Line { text, .. } => {
                assert_eq!(String::from_utf8_lossy(text), expected.trim_end());
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(input.next(|| None), Ok(Event::End)));
    }
}

#[test]
fn a_truncated_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let whole = gzip(&"{\"a\":1}\n".repeat(10_000));
    let zstd = zstd::encode_all(&b"{\"a\":1}\n".repeat(10_000)[..], 1).unwrap();
    for compressed in [whole, zstd] {
        let path = folder.path().join("compressed");
        std::fs::write(&path, &compressed[..compressed.len() - 5]).unwrap();
        let error = lines(vec![path]).unwrap_err().to_string();
        assert!(error.contains("is truncated"), "{error}");
    }
}

#[test]
fn paths_that_are_not_files_are_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    std::fs::write(&good, "{}\n").unwrap();
    let of = |path: PathBuf| {
        let paths = vec![good.clone(), path];
        Lines::files(paths, 100, Stdout::Unused, Clock::System)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(of(folder.path().to_owned()).contains("is a directory"));
    assert!(of(folder.path().join("none")).contains("none"));
}

#[test]
fn a_window_counts_as_memory_and_one_above_half_of_the_budget_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let frame = |log: u32| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(b"{\"a\":1}\n").unwrap();
        encoder.finish().unwrap()
    };
    let open = |bytes: &[u8], budget: usize| {
        let path = folder.path().join("events.zst");
        std::fs::write(&path, bytes).unwrap();
        let input = Lines::files(vec![path], 100, Stdout::Unused, Clock::System);
        input.unwrap().within(budget << 20)
    };
    let mut input = open(&frame(25), 64);
    assert_eq!(input.memory(), 0);
    assert!(matches!(input.next(|| None), Ok(Event::Line { .. })));
    assert_eq!(input.memory(), 32 << 20);
    let mut input = open(&gzip("{}\n"), 64);
    assert!(matches!(input.next(|| None), Ok(Event::Line { .. })));
    assert_eq!(input.memory(), 64 << 10);

    let error = open(&frame(27), 64).next(|| None).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "events.zst: expected a zstd window of at most 32 MiB, half of memory_budget_mb, found one of 128 MiB; \
             raise memory_budget_mb to 256, or compress again without --long and --ultra"
        ),
        "{error}"
    );
    // What the first frame reserved is for all.
    let frames = |second: u32| [frame(20), frame(second)].concat();
    let mut input = open(&frames(27), 1024);
    assert!(matches!(input.next(|| None), Ok(Event::Line { .. })));
    let error = input.next(|| None).unwrap_err().to_string();
    assert!(
        error.contains("expected zstd windows of at most 8 MiB in all frames, as in the first"),
        "{error}"
    );
    let mut input = open(&frames(23), 64);
    for _ in 0..2 {
        assert!(matches!(input.next(|| None), Ok(Event::Line { .. })));
    }
}
