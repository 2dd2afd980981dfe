//! What a run says when the world around it breaks: exit 4 and what broke,
//! never a verdict on the strategy.

use std::{
    convert::Infallible,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    NATIVE, here,
    lifecycle::{Child, Finished, possible},
    servers::{send, server, starve},
};

/// The run whose world `breaks`, as soon as its storm is on.
fn broken(breaks: impl FnOnce(u32)) -> Finished {
    let run = ["--cluster", "native", "cache-aside", "--fault", "replica-lag", "--time", "60s"];
    let mut child = Child::run(&run, &[]);
    child.until_said("storm:");
    breaks(child.pid());
    child.wait()
}

fn is_no_verdict(finished: &Finished, why: &str) {
    assert_eq!(finished.code, Some(4), "{finished:?}");
    let verdict = finished.verdict();
    assert_eq!(verdict["outcome"], "environment", "{verdict}");
    assert!(verdict["reason"].as_str().unwrap().contains(why), "{why}: {verdict}");
    assert_eq!(verdict["anomalies"], Value::Array(Vec::new()));
    assert!(verdict["metrics"]["writes"].as_u64() > Some(0), "operations are kept: {verdict}");
}

#[test]
fn a_server_that_dies_is_no_verdict() {
    if !here() {
        return;
    }
    // Each waits for what never answers: they may as well wait together.
    std::thread::scope(|scope| {
        for name in ["primary", "replica", "cache"] {
            scope.spawn(move || {
                let finished = broken(|quarrel| send(&server(quarrel, name).0, Signal::KILL));
                is_no_verdict(&finished, &format!("the {name} has not answered"));
                NATIVE.leaves_nothing(&finished);
            });
        }
    });
}

#[test]
fn a_server_that_stands_still_is_no_verdict() {
    if !here() {
        return;
    }
    let mut stopped = Vec::new();
    let finished = broken(|quarrel| {
        stopped = server(quarrel, "cache").0;
        send(&stopped, Signal::STOP);
    });
    is_no_verdict(&finished, "the cache has not answered");
    NATIVE.leaves_nothing(&finished);
}

/// A server stands still, again after whoever wakes it, where a fault of the
/// run excuses it for half a minute: nothing but the budget ends the run.
#[test]
fn a_budget_binds_what_stands_still() {
    if !here() {
        return;
    }
    for (name, fault) in [("cache", "pause-redis"), ("primary", "pause-primary")] {
        let scratch = tempfile::tempdir().unwrap();
        let schedule = scratch.path().join("schedule");
        fs::write(&schedule, format!("t=200ms inject {fault}\nt=50s heal {fault}\n")).unwrap();
        let run = ["--cluster", "native", "cache-aside", "--time", "60s", "--settle", "2s"];
        let bounds = ["--budget", "14s", "--schedule", schedule.to_str().unwrap()];
        let begin = Instant::now();
        let mut child = Child::run(&[&run[..], &bounds].concat(), &[]);
        child.until_said("storm:");
        let (stopped, _) = server(child.pid(), name);
        let finished = thread::scope(|scope| {
            // Dropped when it has ended, it ends the standing still.
            let (_running, over) = mpsc::channel::<Infallible>();
            let stopped = &stopped;
            scope.spawn(move || {
                let again = Duration::from_millis(20);
                loop {
                    send(stopped, Signal::STOP);
                    if over.recv_timeout(again) != Err(RecvTimeoutError::Timeout) {
                        break;
                    }
                }
            });
            child.wait()
        });
        // One that was stopped after it had been told to end would never do so.
        send(&stopped, Signal::CONT);
        let took = begin.elapsed();
        // Starting and ending the process are no part of the budget.
        assert!(took <= Duration::from_secs(20), "{name}: {took:?}, {finished:?}");
        let fails = [1, 2, 4].map(Some).contains(&finished.code);
        assert!(fails, "{name} is no pass: {finished:?}");
        NATIVE.leaves_nothing(&finished);
    }
}

#[test]
fn data_that_vanish_are_no_verdict() {
    if !here() {
        return;
    }
    let finished = broken(|quarrel| {
        let (_, folder) = server(quarrel, "cache");
        // Servers may still write into it.
        drop(fs::remove_dir_all(folder.parent().unwrap()));
    });
    is_no_verdict(&finished, "");
    NATIVE.leaves_nothing(&finished);
}

/// `quarrel run` in a shell that limits it first.
fn limited(limit: &str, results: &Path, arguments: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", &format!("{limit}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_quarrel"), "run"])
        .args(arguments)
        .args(["--format", "json", "--seed", "7"])
        .env("QUARREL_RESULTS", results)
        .output()
        .unwrap()
}

#[test]
fn more_clients_than_there_can_be_connections_are_refused() {
    let results = tempfile::tempdir().unwrap();
    let arguments = ["cache-aside", "--cluster", "native", "--clients", "400"];
    let output = limited("ulimit -n 512", results.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("--clients 10, or ulimit -n 9856"), "{said}");
}

/// A disk on which 256 kB have room: what was written down can convict, and
/// cannot acquit.
#[test]
fn a_full_disk_ends_the_storm_and_what_there_is_is_judged() {
    let full = "trap '' XFSZ; ulimit -f 512";
    for (strategy, fault, code) in
        [("primary-only", "redis-cut", 4), ("cache-aside", "replica-lag=200ms", 1)]
    {
        let results = tempfile::tempdir().unwrap();
        let storm = ["--cluster", "sim", "--time", "600s", "--settle", "1s", "--fault", fault];
        let output = limited(full, results.path(), &[&[strategy], &storm[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{strategy}: {said}");
        assert!(said.contains("could not be kept whole in "), "{said}");
        assert!(said.contains(&*results.path().to_string_lossy()), "{said}");
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(verdict["metrics"]["reads"].as_u64() > Some(100), "{verdict}");
    }
}

/// Connections and sockets of its proxy fail from now on.
#[test]
fn a_process_that_runs_out_of_files_is_no_verdict() {
    if !here() {
        return;
    }
    let run = ["--cluster", "native", "cache-aside", "--fault", "redis-cut", "--time", "60s"];
    let mut child = Child::run(&run, &[]);
    child.until_said("storm:");
    starve(child.pid());
    let finished = child.wait();
    is_no_verdict(&finished, "quarrel itself ran out of something: ");
    NATIVE.leaves_nothing(&finished);
}

/// Nowhere is room for servers.
#[test]
fn full_disks_are_one_error() {
    let apart = ["--mount", "--propagation", "private"];
    if !here() || !possible("namespace", Command::new("unshare").args(apart).arg("true")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let small = "mount -t tmpfs -o size=256k none \"$1\" && \
                 mount -t tmpfs -o size=256k none /dev/shm && shift && exec \"$@\"";
    let output = Command::new("unshare")
        .args(apart)
        .args(["sh", "-c", small, "sh"])
        .arg(folder.path())
        .args([env!("CARGO_BIN_EXE_quarrel"), "run", "--cluster", "native", "cache-aside"])
        .args(["--time", "1s", "--seed", "7"])
        .env("TMPDIR", folder.path())
        .env("QUARREL_RESULTS", tempfile::tempdir_in("/var/tmp").unwrap().path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("try: "), "{said}");
}

/// Two containers that share `/dev/shm` have process ids of their own.
#[test]
fn runs_in_other_namespaces_leave_each_other_alone() {
    let apart = ["--pid", "--fork", "--mount-proc"];
    if !here() || !possible("namespace", Command::new("unshare").args(apart).arg("true")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("quarrel-apart");
    let quarrel = env!("CARGO_BIN_EXE_quarrel");
    let script = format!("#!/bin/sh\nexec unshare {} '{quarrel}' \"$@\"\n", apart.join(" "));
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |time| {
        let run = ["--cluster", "native", "primary-only", "--fault", "replica-lag"];
        Child::run_of(&program, &[&run[..], &["--time", time]].concat(), &[])
    };
    let mut first = run("8s");
    first.until_said("storm:");
    let second = run("2s").wait();
    assert_eq!(second.verdict()["outcome"], "held", "{second:?}");
    let first = first.wait();
    assert_eq!(first.verdict()["outcome"], "held", "{first:?}");
}
