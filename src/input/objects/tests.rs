//! Objects in any form, in any pieces; and what is no object.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use fastrand::Rng;
use serde_json::Value;

use crate::input::{Event, Lines, Stdout};
use crate::time::Clock;

/// A text that was read: an object, or a bad record, with the number of its line.
#[derive(Clone, Debug, PartialEq)]
enum Read {
    Object(u64, String),
    Bad(u64, String),
}
use Read::{Bad, Object};

/// Reads a text that comes through a pipe in pieces of these lengths, over and over.
fn read(text: &[u8], pieces: &[usize]) -> Result<Vec<Read>, String> {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut writer = Some(writer);
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let input = Lines::files(vec![path], 1 << 20, Stdout::Unused, Clock::System);
    let mut input = input.unwrap().objects();
    let (mut rest, mut found) = (text, Vec::new());
    let mut lengths = pieces.iter().cycle();
    loop {
        let now = Some(Clock::System.instant());
        let event = input.next(|| now).map_err(|error| error.to_string())?;
        match event {
            Event::Line { number, text, .. } => {
                let text = String::from_utf8(text.to_vec()).unwrap();
                if input.is_object() {
                    assert!(input.reject().is_none());
                    found.push(Object(number, text));
                } else if let Some(bad) = input.reject() {
                    let text = String::from_utf8(bad.text.to_vec()).unwrap();
                    assert!(!bad.error().to_string().is_empty());
                    found.push(Bad(bad.line, text));
                }
            }
            Event::Deadline => {
                let length = *lengths.next().unwrap();
                let piece = &rest[..rest.len().min(length)];
                rest = &rest[piece.len()..];
                match &mut writer {
                    Some(pipe) if !piece.is_empty() => pipe.write_all(piece).unwrap(),
                    _ => writer = None,
                }
            }
            Event::End => return Ok(found),
            other => panic!("{other:?}"),
        }
    }
}

/// A random value, and its text with random whitespace; a line end only where they are permitted.
fn value(random: &mut Rng, depth: usize, spaces: &[&str], out: &mut String) {
    let space = |random: &mut Rng, out: &mut String| {
        if !spaces.is_empty() && random.u8(..3) == 0 {
            out.push_str(spaces[random.usize(..spaces.len())]);
        }
    };
    let kind = if depth == 0 {
        0
    } else {
        random.u8(..if depth > 3 { 4 } else { 6 })
    };
    match kind {
        0 | 4 => {
            out.push('{');
            for member in 0..random.usize(..5) {
                if member > 0 {
                    out.push(',');
                }
                space(random, out);
                string(random, out);
                space(random, out);
                out.push(':');
                space(random, out);
                value(random, depth + 1, spaces, out);
                space(random, out);
            }
            out.push('}');
        }
        5 => {
            out.push('[');
            for element in 0..random.usize(..4) {
                if element > 0 {
                    out.push(',');
                }
                space(random, out);
                value(random, depth + 1, spaces, out);
                space(random, out);
            }
            out.push(']');
        }
        1 => string(random, out),
        2 => out.push_str(["1", "-2.5e3", "0", "123456789"][random.usize(..4)]),
        _ => out.push_str(["null", "true", "false"][random.usize(..3)]),
    }
}

fn string(random: &mut Rng, out: &mut String) {
    const PIECES: [&str; 12] = [
        "a",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\\"",
        "\\\\",
        "\\n",
        "é",
        "\\u007b",
        "long text ",
    ];
    out.push('"');
    for _ in 0..random.usize(..6) {
        out.push_str(PIECES[random.usize(..PIECES.len())]);
    }
    out.push('"');
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn any_arrangement_in_any_pieces_is_the_same_objects() {
    const ENDS: [&str; 4] = ["\n", "\r\n", "\n\n", " \n\t"];
    const GAPS: [&str; 6] = ["", " ", "\n", "\r", "\t\r\n", ""];
    const SPACES: [&str; 6] = [" ", "\n", "\r\n", "  ", "\t", "\n    "];
    for seed in 0..150 {
        let mut random = Rng::with_seed(seed);
        let (mut text, mut expected) = (String::new(), Vec::new());
        if random.bool() {
            text.push('\u{FEFF}');
        }
        let form = random.u8(..4);
        if form == 3 {
            text.push_str(" [\n");
        }
        let count = random.usize(..8);
        for index in 0..count {
            let mut object = String::new();
            let spaces: &[&str] = if form == 0 { &[" "] } else { &SPACES };
            value(&mut random, 0, spaces, &mut object);
            let line = text.matches('\n').count() as u64 + 1;
            expected.push((line, parsed(&object)));
            text.push_str(&object);
            let after: &[&str] = if form == 0 { &ENDS } else { &GAPS };
            text.push_str(after[random.usize(..after.len())]);
            if form == 3 {
                text.push_str(if index + 1 < count { "," } else { "]" });
                text.push_str(GAPS[random.usize(..GAPS.len())]);
                if index + 1 < count && random.u8(..5) == 0 {
                    // Another array.
                    text.pop();
                    text.truncate(text.trim_end().trim_end_matches(',').len());
                    text.push_str("]\n[");
                }
            }
        }
        if form == 3 && count == 0 {
            text.push(']');
        }
        let pieces: Vec<usize> = (0..5).map(|_| random.usize(1..40)).collect();
        for pieces in [
            &pieces[..],
            &[1 + usize::from(seed > 20) * 50],
            &[usize::MAX],
        ] {
            let found = read(text.as_bytes(), pieces);
            let found = found.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
            let found: Vec<(u64, Value)> = found
                .into_iter()
                .map(|read| match read {
                    Object(line, object) => (line, parsed(&object)),
                    Bad(..) => panic!("seed {seed}: {read:?}\n{text}"),
                })
                .collect();
            assert_eq!(found, expected, "seed {seed}, pieces {pieces:?}\n{text}");
        }
    }
}

#[test]
fn a_bad_line_is_bad_by_itself() {
    for seed in 0..150 {
        let mut random = Rng::with_seed(seed);
        let (mut text, mut expected) = (String::new(), Vec::new());
        for line in 1..random.u64(2..10) {
            let mut object = String::new();
            value(&mut random, 0, &[" "], &mut object);
            if random.u8(..3) == 0 {
                let mut cut = random.usize(1..object.len());
                while !object.is_char_boundary(cut) {
                    cut -= 1;
                }
                object.truncate(cut.max(1));
                let bad = object.trim_end().to_owned();
                expected.push(Bad(line, bad));
            } else {
                expected.push(Object(line, object.clone()));
            }
            text.push_str(&object);
            text.push('\n');
        }
        let pieces: Vec<usize> = (0..5).map(|_| random.usize(1..40)).collect();
        for pieces in [
            &pieces[..],
            &[1 + usize::from(seed > 20) * 50],
            &[usize::MAX],
        ] {
            let found = read(text.as_bytes(), pieces).unwrap();
            let found: Vec<Read> = found
                .into_iter()
                .map(|read| match read {
                    Bad(line, text) => Bad(line, text.trim_end().to_owned()),
                    object @ Object(..) => object,
                })
                .collect();
            assert_eq!(found, expected, "seed {seed}, pieces {pieces:?}\n{text}");
        }
    }
}

#[test]
fn what_stands_between_objects_is_bad_as_far_as_its_line_or_its_comma() {
    let object = |line: u64, text: &str| Object(line, text.to_owned());
    let bad = |line: u64, text: &str| Bad(line, text.to_owned());
    for (text, expected) in [
        (
            "null\n{}\n7 8\n\"{\"\n[1]\n",
            vec![
                bad(1, "null"),
                object(2, "{}"),
                bad(3, "7 8"),
                bad(4, "\"{\""),
                bad(5, "[1]"),
            ],
        ),
        (
            "{},\n{}",
            vec![object(1, "{}"), bad(1, ","), object(2, "{}")],
        ),
        (
            "{}{}\n{}",
            vec![object(1, "{}"), object(1, "{}"), object(2, "{}")],
        ),
        ("{}x", vec![object(1, "{}"), bad(1, "x")]),
        (
            "{\"a\":NaN}\n{}",
            vec![bad(1, "{\"a\":NaN}"), object(2, "{}")],
        ),
        (
            "{\"a\":{}\n,\"b\":{}\n}{",
            vec![object(1, "{\"a\":{}\n,\"b\":{}\n}"), bad(3, "{")],
        ),
        (
            "{\"a\":\n {\"b\":1}\n {}",
            vec![bad(1, "{\"a\":\n {\"b\":1}"), object(3, "{}")],
        ),
        (
            "[null, {\"a\":[1,\n]}, \"x,]\", [{}], {}]",
            vec![
                bad(1, "null"),
                bad(1, "{\"a\":[1,\n]}"),
                bad(2, "\"x,]\""),
                bad(2, "[{}]"),
                object(2, "{}"),
            ],
        ),
        ("", vec![]),
        (" \r\n", vec![]),
        ("\u{FEFF}", vec![]),
        ("{}\n\u{FEFF}{}", vec![object(1, "{}"), object(2, "{}")]),
    ] {
        for pieces in [1, 7, usize::MAX] {
            assert_eq!(
                read(text.as_bytes(), &[pieces]),
                Ok(expected.clone()),
                "{text}"
            );
        }
    }
}

#[test]
fn an_array_that_is_no_list_of_objects_is_an_error_with_its_place() {
    for (text, expected) in [
        (
            "[{}",
            "line 1 of NAME, byte 3 of the input: expected the closing bracket of the array, found the end",
        ),
        ("[", "byte 1 of the input: expected the closing bracket"),
        (
            "[{}\n{}]",
            "line 2 of NAME, byte 4 of the input: expected a comma or the closing bracket",
        ),
        (
            "[{},]",
            "byte 4 of the input: expected an object in the array",
        ),
        (
            "[,{}]",
            "byte 1 of the input: expected an object in the array",
        ),
        (
            "[]\n {}",
            "line 2 of NAME, byte 4 of the input: expected the end of the input",
        ),
        (
            "[{}]]",
            "byte 4 of the input: expected the end of the input after the array",
        ),
    ] {
        for pieces in [1, usize::MAX] {
            let error = read(text.as_bytes(), &[pieces]).unwrap_err();
            let name = error
                .split(" of ")
                .nth(1)
                .unwrap()
                .split(',')
                .next()
                .unwrap();
            let error = error.replace(name, "NAME");
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}

#[test]
fn an_object_that_ends_is_handed_out_before_its_line_does() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let input = Lines::files(vec![path], 1 << 20, Stdout::Unused, Clock::System);
    let mut input = input.unwrap().objects();
    for _ in 0..3 {
        writer.write_all(b"{\"a\":[{}]}").unwrap();
        let now = Some(Clock::System.instant());
        let event = input.next(|| now).unwrap();
        assert!(
            matches!(
                event,
                Event::Line {
                    text: b"{\"a\":[{}]}",
                    ..
                }
            ),
            "{event:?}"
        );
        assert!(matches!(input.next(|| now), Ok(Event::Deadline)));
    }
}

#[test]
fn a_brace_that_is_missing_does_not_take_all_that_follows() {
    let good = "{\"id\":1,\"text\":\"twenty characters text\"}\n".repeat(2000);
    let text = format!("{{\"id\":0,\"x\":\n{good}");
    let found = read(text.as_bytes(), &[1000]).unwrap();
    assert_eq!(found[0], Bad(1, "{\"id\":0,\"x\":".to_owned()));
    assert_eq!(found.len(), 2001);
}
