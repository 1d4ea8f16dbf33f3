//! This process, named so that another one on the same machine can find out whether it has ended.

use std::fs;

/// A name that no other process has, of any machine and at any time: `{boot}/{PID namespace}/{PID}/{start}`. Nothing
/// where the system does not say (without `/proc`).
pub(crate) fn name() -> Option<String> {
    let pid = std::process::id();
    Some(format!("{}/{pid}/{}", machine()?, start(pid)?))
}

/// Whether the process of this name ran on this machine and has ended. That one of another machine or container has
/// ended cannot be seen.
pub(crate) fn has_ended(name: &str) -> bool {
    let Some(machine) = machine() else {
        return false;
    };
    let process = name
        .strip_prefix(&machine)
        .and_then(|rest| rest.strip_prefix('/'));
    let Some((pid, started)) = process.and_then(|process| process.split_once('/')) else {
        return false;
    };
    match pid.parse() {
        Ok(pid) => start(pid).as_deref() != Some(started),
        Err(_) => false,
    }
}

/// The boot of this machine, and the namespace that process numbers belong to.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// When the process was started, in ticks since the boot: the 22nd field of its `stat`, counted after the name in
/// parentheses, which may hold anything.
fn start(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_to_have_ended_only_where_it_ran_here() {
        let name = name().unwrap();
        assert!(!has_ended(&name));
        let (here, start) = name.rsplit_once('/').unwrap();
        // The same number, given to a later process.
        assert!(has_ended(&format!("{here}/{start}0")));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let (place, _) = here.rsplit_once('/').unwrap();
        let gone = format!("{place}/{}/1", child.id());
        child.wait().unwrap();
        assert!(has_ended(&gone));
        assert!(!has_ended(&format!("elsewhere/{gone}")));
        for name in ["", "/", place] {
            assert!(!has_ended(name), "{name}");
        }
    }
}
