//! The process's peak resident memory, as Linux reports it.

/// Bytes; `None` where the system does not report it: <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>.
pub(super) fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
