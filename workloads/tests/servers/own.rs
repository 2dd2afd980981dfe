//! Servers of a run's own, found by the folder of their data.

use std::{fs, path::PathBuf, process::Command};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::lifecycle::possible;

/// Whether servers can be started here.
pub(crate) fn here() -> bool {
    let shows = "command -v redis-server valkey-server && ls /usr/lib/postgresql/*/bin/postgres || command -v postgres";
    possible("native cluster", Command::new("sh").args(["-c", shows]))
}

/// The processes of one server of the quarrel with this id, and its folder.
pub(crate) fn server(quarrel: u32, name: &str) -> (Vec<i32>, PathBuf) {
    find_server(quarrel, name).unwrap_or_else(|| panic!("the {name} runs"))
}

/// The same, if it runs.
pub(crate) fn find_server(quarrel: u32, name: &str) -> Option<(Vec<i32>, PathBuf)> {
    let ours = format!("quarrel-{quarrel}-");
    let mut found: Option<(Vec<i32>, PathBuf)> = None;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(cwd) = fs::read_link(entry.path().join("cwd")) else { continue };
        let is_ours = cwd.to_string_lossy().contains(&ours) && cwd.ends_with(name);
        if let (true, Ok(pid)) = (is_ours, entry.file_name().to_string_lossy().parse()) {
            found.get_or_insert((Vec::new(), cwd)).0.push(pid);
        }
    }
    found
}

pub(crate) fn send(pids: &[i32], signal: Signal) {
    for pid in pids {
        // A child may be gone with its parent.
        let _ = kill_process(Pid::from_raw(*pid).unwrap(), signal);
    }
}

/// Lowers how many files a process may have open below what it has in a storm.
pub(crate) fn starve(quarrel: u32) {
    let pid = Pid::from_raw(i32::try_from(quarrel).unwrap());
    let open = fs::read_dir(format!("/proc/{quarrel}/fd")).unwrap().count() as u64;
    let few = Some(open * 3 / 4);
    prlimit(pid, Resource::Nofile, Rlimit { current: few, maximum: few }).unwrap();
}
