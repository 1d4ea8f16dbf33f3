//! Deadlines after a signal, which each test makes for its own thread.

use std::io::Write;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags};

use super::*;

/// A signal that was noticed so long ago.
fn signal_since(ago: Duration) {
    let then = Clock::System.instant().checked_sub(ago).unwrap();
    ENDING.with(|ending| ending.noticed.set(Some((Signal::Terminate, then))));
}

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Whether a wait of a moment for nothing is stopped after each of these times, in milliseconds since the signal.
fn is_stopped(ages: &[u64]) -> Vec<bool> {
    let stopped = |age: &u64| {
        signal_since(milliseconds(*age));
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut files = vec![PollFd::new(&reader, PollFlags::IN)];
        wait(&mut files, Some(milliseconds(1))).is_err()
    };
    ages.iter().map(stopped).collect()
}

#[test]
fn work_has_its_time_after_a_signal() {
    assert_eq!(is_stopped(&[100, 1000]), [false, true]);
    let checkpoint = begin(Work::Checkpoint);
    assert_eq!(is_stopped(&[1000, 2900, 3000]), [false, false, true]);
    let clean_up = begin(Work::CleanUp);
    assert_eq!(is_stopped(&[3000, 4400, 4500]), [false, false, true]);
    // Within it, a checkpoint is part of it.
    let inner = begin(Work::Checkpoint);
    assert_eq!(is_stopped(&[3000, 4500]), [false, true]);
    drop(inner);
    drop(clean_up);
    assert_eq!(is_stopped(&[2900, 3000]), [false, true]);
    drop(checkpoint);
    assert_eq!(is_stopped(&[1000]), [true]);
}

#[test]
fn answers_give_a_checkpoint_more_time_to_its_limit() {
    answered(); // in no checkpoint
    assert_eq!(is_stopped(&[1500]), [true]);
    let _checkpoint = begin(Work::Checkpoint);
    answered();
    assert_eq!(is_stopped(&[1500, 19_900, 20_000]), [false, false, true]);
    let _clean_up = begin(Work::CleanUp);
    assert_eq!(is_stopped(&[20_000, 21_400, 21_500]), [false, false, true]);
}

#[test]
fn rows_that_are_nowhere_else_give_all_work_the_longest_time() {
    keep_rows();
    assert_eq!(is_stopped(&[19_900, 20_000]), [false, true]);
    let _clean_up = begin(Work::CleanUp);
    assert_eq!(is_stopped(&[21_400, 21_500]), [false, true]);
}

#[test]
fn input_and_long_sleeps_end_at_once() {
    signal_since(Duration::ZERO);
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"x").unwrap();
    let mut files = vec![PollFd::new(&reader, PollFlags::IN)];
    assert!(wait_for_input(&mut files, None).is_err());
    assert!(wait(&mut files, None).unwrap());
    let began = Clock::System.instant();
    assert_eq!(
        sleep(&Clock::System, milliseconds(5000)),
        Err(Stopped(Signal::Terminate))
    );
    assert!(Clock::System.elapsed(began) < milliseconds(500));
    assert_eq!(sleep(&Clock::System, milliseconds(10)), Ok(()));
}

#[test]
fn last_words_are_written_if_there_is_room() {
    signal_since(milliseconds(60_000));
    let (mut reader, writer) = std::io::pipe().unwrap();
    write_all(writer.as_fd(), b"words").unwrap();
    // More than a pipe holds, and nobody reads.
    let error = write_all(writer.as_fd(), &vec![b'x'; 1 << 21]).unwrap_err();
    assert_eq!(error.to_string(), "stopped by SIGTERM");
    let mut text = [0; 5];
    std::io::Read::read_exact(&mut reader, &mut text).unwrap();
    assert_eq!(&text, b"words");
}

#[test]
fn a_fifo_is_read_to_its_end_and_not_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    signal_since(milliseconds(900));
    assert!(read_text(&path).is_err());
    ENDING.with(|ending| ending.noticed.set(None));
    let name = path.clone();
    #[allow(clippy::disallowed_methods)] // a writer needs a thread of its own
    let writer = std::thread::spawn(move || {
        let mut fifo = std::fs::File::create(name).unwrap();
        for text in ["a", "b"] {
            fifo.write_all(text.as_bytes()).unwrap();
            std::thread::sleep(milliseconds(50));
        }
    });
    assert_eq!(read_text(&path).unwrap(), "ab");
    writer.join().unwrap();
}
