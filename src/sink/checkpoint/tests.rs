//! Commits and acknowledgements over a lake in a folder: what is complete when a state is acknowledged, and what is left
//! when an object cannot be completed.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Result;
use crate::file::Codec;
use crate::lake::{Lake, dir};
use crate::protocol::StreamKey;
use crate::protocol::catalog::{Completion, ConfiguredStream, JsonSchema, Refresh};
use crate::protocol::message::{Message, MessageReader};
use crate::protocol::state::State;
use crate::schema::evolve::SchemaOrigin;
use crate::sink::{Acknowledge, Sink, SinkOptions};
use crate::table::layout::Run;
use crate::time::Clock;

/// Each acknowledged state with the number of objects that were complete at that moment.
type Log = Rc<RefCell<Vec<(u64, usize)>>>;

struct Watcher {
    folder: PathBuf,
    log: Log,
}

impl Acknowledge for Watcher {
    fn acknowledge(&mut self, line: &[u8]) -> Result<()> {
        let line: Value = serde_json::from_slice(line).unwrap();
        let state = line["state"]["stream"]["stream_state"]["n"].as_u64();
        let objects = files(&self.folder.join("objects"));
        self.log.borrow_mut().push((state.unwrap(), objects));
        Ok(())
    }
}

/// How many files are below the folder, but for control objects.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != "_datalake")
        .map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                files(&entry.path())
            } else {
                1
            }
        })
        .sum()
}

fn open<'a>(lake: &'a Lake, folder: &Path, log: &Log, refresh: Refresh) -> Sink<'a> {
    let stream = |name: &str| ConfiguredStream {
        key: StreamKey::new(None, name),
        json_schema: JsonSchema::from(&json!({"properties": {"id": {"type": "integer"}}})),
        origin: SchemaOrigin::Declared,
        refresh,
        generation_id: None,
        sync_id: None,
        cursor: Vec::new(),
    };
    let options = SinkOptions::for_tests(Codec::Plain, Duration::from_secs(3600));
    let watcher = Watcher {
        folder: folder.to_owned(),
        log: Rc::clone(log),
    };
    let clock = Clock::System;
    let run = Run::begin(clock.now()).unwrap();
    let streams = vec![stream("a"), stream("b")];
    Sink::open(lake, streams, options, run, clock, Box::new(watcher)).unwrap()
}

fn record(sink: &mut Sink<'_>, stream: &str, number: u64) {
    let line = json!({"type": "RECORD", "record":
        {"stream": stream, "data": {"id": number}, "emitted_at": 1}});
    let line = line.to_string();
    let mut reader = MessageReader::default();
    let Message::Record(record) = reader.read(line.as_bytes()).unwrap() else {
        panic!("not a record")
    };
    sink.record(&record).unwrap();
}

/// A record of the stream, and a state of it that covers the record.
fn record_and_state(sink: &mut Sink<'_>, stream: &str, number: u64) {
    record(sink, stream, number);
    let line = json!({"type": "STATE", "state": {"type": "STREAM", "stream":
        {"stream_descriptor": {"name": stream}, "stream_state": {"n": number}}}});
    let line = line.to_string();
    sink.state(&State::read(line.as_bytes()).unwrap()).unwrap();
}

const APPEND: Refresh = Refresh::Append {
    completion: Completion::EndOfInput,
};

#[test]
fn a_state_is_acknowledged_after_its_objects_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let lake = dir::open(folder.path()).unwrap();
    let log = Log::default();
    let mut sink = open(&lake, folder.path(), &log, APPEND);
    record_and_state(&mut sink, "a", 1);
    record_and_state(&mut sink, "b", 2);
    assert_eq!(*log.borrow(), [], "acknowledged before the checkpoint");
    sink.checkpoint().unwrap();
    assert_eq!(*log.borrow(), [(1, 2), (2, 2)]);
    assert_eq!(sink.acknowledge().unwrap(), 0, "each once");
    sink.finish().unwrap();
    assert_eq!(log.borrow().len(), 2);
}

#[test]
fn a_stream_that_cannot_be_committed_keeps_no_other_from_its_acknowledgement() {
    let folder = tempfile::tempdir().unwrap();
    let lake = dir::open(folder.path()).unwrap();
    let log = Log::default();
    let mut sink = open(&lake, folder.path(), &log, APPEND);
    record_and_state(&mut sink, "a", 1);
    record_and_state(&mut sink, "b", 2);
    // A file where the table's folder should be: no object can be completed there.
    let blocked = folder.path().join("objects/test/a");
    std::fs::create_dir_all(blocked.parent().unwrap()).unwrap();
    std::fs::write(&blocked, "").unwrap();
    let error = sink.checkpoint().unwrap_err().to_string();
    assert!(error.contains("stream \"a\""), "{error}");
    let only_b = [(2, 2)]; // the file in the way, and the object of b
    assert_eq!(*log.borrow(), only_b);
    // Not even at the end, and not after the cause is gone: its rows are lost to this run.
    std::fs::remove_file(&blocked).unwrap();
    sink.fail();
    assert_eq!(*log.borrow(), only_b);
    assert_eq!(files(&folder.path().join("objects")), 1);
}

#[test]
fn where_states_cover_all_streams_one_that_cannot_be_committed_keeps_the_rows_of_all_from_readers()
{
    let folder = tempfile::tempdir().unwrap();
    let lake = dir::open(folder.path()).unwrap();
    let log = Log::default();
    let mut sink = open(&lake, folder.path(), &log, APPEND);
    record(&mut sink, "a", 1);
    record(&mut sink, "b", 2);
    let line = json!({"type": "STATE", "state": {"type": "GLOBAL", "global": {}}}).to_string();
    sink.state(&State::read(line.as_bytes()).unwrap()).unwrap();
    let blocked = folder.path().join("objects/test/b");
    std::fs::create_dir_all(blocked.parent().unwrap()).unwrap();
    std::fs::write(&blocked, "").unwrap();
    let error = sink.checkpoint().unwrap_err().to_string();
    assert!(error.contains("stream \"b\""), "{error}");
    std::fs::remove_file(&blocked).unwrap();
    sink.fail();
    assert_eq!(*log.borrow(), []);
    assert_eq!(files(&folder.path().join("objects")), 0);
}

#[test]
fn an_overwrite_acknowledges_nothing_before_its_swap() {
    let folder = tempfile::tempdir().unwrap();
    let lake = dir::open(folder.path()).unwrap();
    let log = Log::default();
    let mut sink = open(&lake, folder.path(), &log, Refresh::Overwrite);
    record_and_state(&mut sink, "a", 1);
    record_and_state(&mut sink, "b", 2);
    sink.checkpoint().unwrap();
    assert_eq!(*log.borrow(), []);
    assert_eq!(files(&folder.path().join("objects")), 0);
    sink.finish().unwrap();
    assert_eq!(*log.borrow(), [(1, 2), (2, 2)]);
}
