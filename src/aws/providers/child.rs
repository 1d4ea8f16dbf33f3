//! A child process whose output is read within bounds of time and size; it never outlives the read.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt::{self, Stopped};
use crate::time::Clock;

/// The bounds of a child process: how long it may take, and how many bytes it may print.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChildBounds {
    pub(super) time: Duration,
    pub(super) size: usize,
}

/// Why there is no output.
#[derive(Debug)]
pub(super) enum ChildFailure {
    Start(io::Error),
    Read(io::Error),
    /// It did not end in time, and was killed.
    TooSlow,
    /// It printed more than allowed, and was killed.
    TooLong,
    /// A signal asked the run to end, and it was killed.
    Stopped(Stopped),
}

/// How often a child is asked whether it has ended: another process that it left behind may hold its output open.
const LOOK: Duration = Duration::from_millis(50);

/// Runs the command without input, and returns its exit status and what it printed. Its stderr is the user's.
///
/// It has a process group of its own, so that those whom it started are killed with it.
pub(super) fn output(
    command: &mut Command,
    bounds: ChildBounds,
    clock: &Clock,
) -> Result<(ExitStatus, Vec<u8>), ChildFailure> {
    let deadline = clock.instant() + bounds.time;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .process_group(0)
        .spawn();
    let mut running = RunningChild(child.map_err(ChildFailure::Start)?);
    let mut stdout = running.0.stdout.take().expect("it is piped");
    let mut printed = Vec::new();
    let mut has_ended = false;
    loop {
        let left = left(deadline, clock)?;
        // What an ended child has printed is in the pipe already.
        let wait = if has_ended {
            Duration::ZERO
        } else {
            left.min(LOOK)
        };
        if is_readable(&stdout, wait)? {
            if read(&mut stdout, &mut printed, bounds.size)? == 0 {
                break;
            }
        } else if has_ended {
            break;
        } else {
            has_ended = running.status()?.is_some();
        }
    }
    drop(stdout);
    loop {
        if let Some(status) = running.status()? {
            return Ok((status, printed));
        }
        let wait = left(deadline, clock)?.min(LOOK);
        interrupt::sleep(clock, wait).map_err(ChildFailure::Stopped)?;
    }
}

/// The time that is left.
fn left(deadline: Instant, clock: &Clock) -> Result<Duration, ChildFailure> {
    match deadline.saturating_duration_since(clock.instant()) {
        Duration::ZERO => Err(ChildFailure::TooSlow),
        left => Ok(left),
    }
}

/// Reads what is there; 0 at the end.
fn read(
    stdout: &mut ChildStdout,
    printed: &mut Vec<u8>,
    most: usize,
) -> Result<usize, ChildFailure> {
    let mut buffer = [0; 4096];
    match stdout.read(&mut buffer) {
        Ok(read) if printed.len() + read > most => Err(ChildFailure::TooLong),
        Ok(read) => {
            printed.extend_from_slice(&buffer[..read]);
            Ok(read)
        }
        Err(error) => Err(ChildFailure::Read(error)),
    }
}

/// Waits until there is something to read, or the end; false where the time has passed.
fn is_readable(stdout: &ChildStdout, wait: Duration) -> Result<bool, ChildFailure> {
    interrupt::check().map_err(ChildFailure::Stopped)?;
    let mut files = vec![PollFd::new(stdout, PollFlags::IN)];
    interrupt::wait(&mut files, Some(wait)).map_err(|error| match interrupt::check() {
        Ok(()) => ChildFailure::Read(error),
        Err(stopped) => ChildFailure::Stopped(stopped),
    })
}

/// A child that is killed with its process group, and reaped, when it goes out of scope, unless it has ended.
struct RunningChild(Child);

impl RunningChild {
    fn status(&mut self) -> Result<Option<ExitStatus>, ChildFailure> {
        self.0.try_wait().map_err(ChildFailure::Read)
    }
}

impl Drop for RunningChild {
    fn drop(&mut self) {
        // What one that has ended left behind, such as an agent, may go on.
        if let Ok(None) = self.0.try_wait() {
            let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: ChildBounds = ChildBounds {
        time: Duration::from_millis(600),
        size: 100_000,
    };

    fn of(script: &str) -> Result<(ExitStatus, Vec<u8>), ChildFailure> {
        output(
            Command::new("sh").args(["-c", script]),
            BOUNDS,
            &Clock::System,
        )
    }

    #[test]
    fn output_is_read_whole_in_pieces_and_after_pauses() {
        let (status, printed) = of("printf a; sleep 0.2; printf b; exit 3").unwrap();
        assert_eq!((status.code(), printed), (Some(3), b"ab".to_vec()));
        let (_, printed) = of("head -c 100000 /dev/zero").unwrap();
        assert_eq!(printed.len(), 100_000);
        let (_, printed) = of("exec >&-; sleep 0.2").unwrap();
        assert_eq!(printed, b"");
    }

    #[test]
    fn a_process_left_behind_does_not_hold_the_output_open() {
        let (status, printed) = of("sleep 3 & printf a").unwrap();
        assert!(status.success());
        assert_eq!(printed, b"a");
    }

    #[test]
    fn a_child_without_end_is_killed_and_reaped() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        for (script, expected) in [
            ("exec sleep 60", "TooSlow"),
            ("exec >&-; exec sleep 60", "TooSlow"),
            ("exec cat /dev/zero", "TooLong"),
            ("while printf .; do sleep 0.01; done", "TooSlow"),
        ] {
            let script = format!("echo $$ > {}; {script}", pid.display());
            let failure = of(&script).unwrap_err();
            assert_eq!(format!("{failure:?}"), expected, "{script}");
            let pid = std::fs::read_to_string(&pid).unwrap();
            let process = std::path::Path::new("/proc").join(pid.trim());
            assert!(!process.exists(), "{script} is still there");
        }
    }
}
