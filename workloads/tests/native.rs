//! Runs on local processes.

mod lifecycle;

use std::{fs, process::Command};

use lifecycle::{Kind, possible};
use rustix::process::Signal;

const NATIVE: Kind = Kind { name: "native", traces: processes };

/// Servers whose data are in the workspace of the quarrel with this id.
fn processes(pid: u32) -> Vec<String> {
    let ours = format!("quarrel-{pid}-");
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let folder = fs::read_link(entry.path().join("cwd")).ok()?;
            let folder = folder.to_str()?;
            folder.contains(&ours).then(|| format!("{} in {folder}", entry.path().display()))
        })
        .collect()
}

fn here() -> bool {
    let shows = "command -v redis-server valkey-server && ls /usr/lib/postgresql/*/bin/postgres || command -v postgres";
    possible("native cluster", Command::new("sh").args(["-c", shows]))
}

#[test]
fn cache_aside_is_convicted_of_refilling_from_a_lagging_replica() {
    if here() {
        NATIVE.convicts_cache_aside();
    }
}

#[test]
fn primary_only_is_acquitted_under_the_same_fault() {
    if here() {
        NATIVE.acquits_primary_only();
    }
}

#[test]
fn two_clusters_run_side_by_side() {
    if here() {
        NATIVE.runs_two_side_by_side();
    }
}

#[test]
fn nothing_is_left_after_a_failure() {
    if here() {
        NATIVE.cleans_up_after_a_failure();
    }
}

#[test]
fn nothing_is_left_after_a_panic() {
    if here() {
        NATIVE.cleans_up_after_a_panic();
    }
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    if here() {
        NATIVE.stops_cleanly_at(Signal::INT);
    }
}

#[test]
fn nothing_is_left_after_sigterm() {
    if here() {
        NATIVE.stops_cleanly_at(Signal::TERM);
    }
}

#[test]
fn nothing_is_left_after_ctrl_c_while_it_starts() {
    if here() {
        NATIVE.stops_cleanly_while_it_starts();
    }
}

#[test]
fn nothing_is_left_after_kill_9() {
    if here() {
        NATIVE.cleans_up_after_kill_9();
    }
}

#[test]
fn nothing_is_left_after_kill_9_while_it_starts() {
    if here() {
        NATIVE.cleans_up_after_kill_9_while_it_starts();
    }
}
