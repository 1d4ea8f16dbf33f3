//! What a command costs: wall time, processor time and peak memory, from /proc; and the memory of a process that runs.

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Linux reports processor time to programs in ticks of 10 ms, whatever the kernel's own clock does.
const TICKS_PER_SECOND: u64 = 100;

/// How often memory is looked at. The kernel keeps the peak, so that only what the last moment adds is missed.
const LOOK: Duration = Duration::from_millis(5);

/// What one run of a command took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Of the command and all that it started.
    pub(crate) cpu: Duration,
    /// The sum of the peaks of all its processes, in bytes.
    pub(crate) peak: u64,
    pub(crate) failed: bool,
}

/// Runs the command to its end.
pub(crate) fn measure(command: &mut Command) -> Cost {
    let begin = Instant::now();
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id();
    let (done, mut peaks) = (AtomicBool::new(false), HashMap::new());
    let mut cost = Cost::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                look(pid, &mut peaks);
                std::thread::park_timeout(LOOK);
            }
        });
        // It stays a zombie until it is reaped below, so that its times can still be read.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), options).expect("our child");
        cost.wall = begin.elapsed();
        cost.cpu = processor_time(pid);
        done.store(true, Ordering::Relaxed);
    });
    cost.peak = peaks.values().sum();
    cost.failed = !child.wait().expect("it has ended").success();
    cost
}

/// Notes the peak of the process and of all below it.
fn look(pid: u32, peaks: &mut HashMap<u32, u64>) {
    if let Some(peak) = memory(pid, "VmHWM") {
        peaks.insert(pid, peak);
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        look(child.parse().expect("a process"), peaks);
    }
}

/// A line of /proc/PID/status in bytes: `VmHWM` is the peak, `VmRSS` what is resident now. Nothing of one that has ended.
pub(crate) fn memory(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// User and system time of a process, and of those that it has waited for.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the name in brackets and may hold spaces; 14 to 17 are the times.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(4);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// The bytes of a file, or of all files below a folder.
#[allow(dead_code)] // one bench's part
pub(crate) fn size_of(path: &std::path::Path) -> u64 {
    if !path.is_dir() {
        return path.metadata().map_or(0, |found| found.len());
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size_of(&entry.path())).sum()
}
