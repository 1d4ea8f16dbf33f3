//! One log of what happened outside the program: the effects on a scripted server and the states on its stdout,
//! in the order in which they happened.
//!
//! The program has one thread, so whatever it printed before a request is in the pipe when the request arrives:
//! a server drains the pipe before it notes an effect, and the order is exact.

use std::fmt::Write as _;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::Value;

/// The log; a clone is the same log.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    lines: Vec<String>,
    /// Every request, with an effect or without one, and every state as it was printed.
    trace: Vec<String>,
    stdout: Option<ChildStdout>,
    /// Everything that was read from stdout.
    read: Vec<u8>,
    /// How much of it was split into lines.
    split: usize,
    states: usize,
    pid: Option<u32>,
    killed_at: Option<String>,
}

impl Journal {
    /// Starts the program and takes over its stdout; the thread ends at the end of that.
    ///
    /// The log is locked meanwhile: no request of the program is noted before its process is known.
    pub(crate) fn launch(&self, command: &mut Command) -> (Child, JoinHandle<()>) {
        let mut inner = self.lock();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = OwnedFd::from(child.stdout.take().unwrap());
        rustix::io::ioctl_fionbio(&stdout, true).unwrap();
        let watched = stdout.try_clone().unwrap();
        *inner = Inner {
            lines: std::mem::take(&mut inner.lines),
            trace: std::mem::take(&mut inner.trace),
            stdout: Some(ChildStdout::from(stdout)),
            pid: Some(child.id()),
            ..Inner::default()
        };
        let journal = self.clone();
        let pump = std::thread::spawn(move || {
            while journal.lock().drain() {
                let pause = Duration::from_millis(100).try_into().unwrap();
                poll(&mut [PollFd::new(&watched, PollFlags::IN)], Some(&pause)).unwrap();
            }
        });
        (child, pump)
    }

    /// The process that was launched last.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.lock().pid
    }

    /// The process was killed at this call.
    pub(crate) fn kill_at(&self, call: String) {
        self.note("KILLED".to_owned());
        self.lock().killed_at = Some(call);
    }

    /// The call that the process was killed at, before or after it took effect. It need not be the last one on record:
    /// others may be in flight beside it.
    pub(crate) fn killed_at(&self) -> Option<String> {
        self.lock().killed_at.clone()
    }

    /// Closes our end of the child's stdout: its next print breaks.
    pub(crate) fn hang_up(&self) {
        self.lock().stdout = None;
    }

    /// Notes an effect, after every state that was printed before it.
    pub(crate) fn note(&self, line: String) {
        let mut inner = self.lock();
        inner.drain();
        inner.lines.push(line);
    }

    /// Notes a request, after every state that was printed before it.
    pub(crate) fn trace(&self, line: String) {
        let mut inner = self.lock();
        inner.drain();
        inner.trace.push(line);
    }

    /// Every request and every printed state, in order.
    pub(crate) fn traced(&self) -> Vec<String> {
        self.lock().trace.clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// What the child printed so far.
    pub(crate) fn stdout(&self) -> Vec<u8> {
        let mut inner = self.lock();
        inner.drain();
        inner.read.clone()
    }

    /// How many states were printed so far.
    pub(crate) fn states(&self) -> usize {
        let mut inner = self.lock();
        inner.drain();
        inner.states
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A test that panicked elsewhere has reported it already.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    /// Reads what there is without waiting; false at the end of stdout.
    fn drain(&mut self) -> bool {
        let Some(stdout) = &mut self.stdout else {
            return false;
        };
        let mut open = true;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match stdout.read(&mut chunk) {
                Ok(0) => open = false,
                Ok(size) => {
                    self.read.extend_from_slice(&chunk[..size]);
                    continue;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("stdout of the program: {error}"),
            }
            break;
        }
        if !open {
            self.stdout = None;
        }
        while let Some(end) = self.read[self.split..]
            .iter()
            .position(|byte| *byte == b'\n')
        {
            let line = &self.read[self.split..self.split + end];
            let message: Value = serde_json::from_slice(line).unwrap_or_default();
            if message["type"] == "STATE" {
                self.states += 1;
                self.lines.push(state(&message["state"]));
            }
            // The states of a Singer tap are objects without a type.
            if message["type"] == "STATE" || (message.is_object() && message["type"].is_null()) {
                let printed = String::from_utf8_lossy(line).into_owned();
                self.trace.push(printed);
            }
            self.split += end + 1;
        }
        open
    }
}

/// `STATE 7 100 rows` by the id that the platform gave, `STATE users 100 rows` by the stream where it gave none.
fn state(state: &Value) -> String {
    let mut line = "STATE".to_owned();
    match (&state["id"], &state["stream"]["stream_descriptor"]["name"]) {
        (Value::Number(id), _) => write!(line, " {id}"),
        (_, Value::String(name)) => write!(line, " {name}"),
        _ => write!(line, " {}", state["type"].as_str().unwrap_or("LEGACY")),
    }
    .unwrap();
    if let Some(count) = state["destinationStats"]["recordCount"].as_f64() {
        write!(line, " {count} rows").unwrap();
    }
    line
}
