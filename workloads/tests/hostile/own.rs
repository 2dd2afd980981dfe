//! Runs on clusters of quarrel's own, and what happens to them.

use std::{fs, process::Command};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    Moment, PAUSE, Place,
    places::{arguments, word},
};
use crate::{
    lifecycle::Child,
    servers::{find_server, send},
};

/// A run on a cluster of its own, and what happens to it; `there` is what is
/// waited for while it starts.
pub(super) fn alone(
    place: Place,
    moment: Moment,
    there: &str,
    breaks: impl FnOnce(u32),
) -> Option<i32> {
    let kind = place.to_string();
    let run = [&["--cluster", &kind, "--seed=7"], &arguments(moment)[..]].concat();
    let mut child = Child::run(&run, &[]);
    child.until_said(word(moment));
    if moment == Moment::SetUp {
        until_there(place, &mut child, there);
    }
    breaks(child.pid());
    child.wait().code
}

/// Waits for one of its servers to run, or its container.
fn until_there(place: Place, child: &mut Child, name: &str) {
    let is_there = |quarrel: u32| match place {
        Place::Docker => find_container(quarrel, name).is_some(),
        _ => find_server(quarrel, name).is_some(),
    };
    child.until(PAUSE, name, is_there);
}

/// A run on a cluster of its own, in a shell that does something first.
pub(super) fn run_under(place: Place, shell: &str, moment: Moment) -> Option<i32> {
    let results = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("{shell}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_quarrel")])
        .args(["run", "--cluster", &place.to_string(), "--seed=7", "--format", "json"])
        .args(arguments(moment))
        .env("QUARREL_RESULTS", results.path())
        .output();
    output.unwrap().status.code()
}

/// Sends a signal to a server of a run's own.
pub(super) fn signal(quarrel: u32, name: &str, signal: Signal) {
    let (pids, _) = find_server(quarrel, name).unwrap_or_else(|| panic!("the {name} runs"));
    send(&pids, signal);
}

/// The folder with all data of a run is gone.
pub(super) fn data_vanish(quarrel: u32) {
    let (_, folder) = find_server(quarrel, "cache").expect("the cache runs");
    // Servers may still write into it.
    drop(fs::remove_dir_all(folder.parent().unwrap()));
}

/// Does something to a container of a run's own.
pub(super) fn container(quarrel: u32, name: &str, does: &str) {
    let found = find_container(quarrel, name).unwrap_or_else(|| panic!("no {name} of {quarrel}"));
    let status = Command::new("docker").args([does, &found]).status().unwrap();
    assert!(status.success(), "docker {does} {found}");
}

fn find_container(quarrel: u32, name: &str) -> Option<String> {
    let listed = Command::new("docker")
        .args(["ps", "--format", "{{.Names}} {{.Label \"dev.quarrel.owner\"}}"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let (suffix, owner) = (format!("-{name}"), format!("/{quarrel}/"));
    let mut pairs = listed.lines().filter_map(|line| line.split_once(' '));
    let (found, _) = pairs.find(|(name, by)| name.ends_with(&suffix) && by.contains(&owner))?;
    Some(found.to_owned())
}

/// Ctrl-C: what there is, is judged; it may say nothing yet.
pub(super) fn interrupt(quarrel: u32) {
    kill_process(Pid::from_raw(quarrel.cast_signed()).unwrap(), Signal::INT).unwrap();
}
