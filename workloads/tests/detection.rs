//! The power of detection is measured: what is broken is convicted of what
//! breaks it, and controls are acquitted.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

fn command(results: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.args(["bench", "detection"]).args(words).env("QUARREL_RESULTS", results);
    command
}

fn measure(results: &Path, words: &[&str]) -> (Output, Json) {
    let simulated = ["--cluster", "sim", "--format", "json"];
    let output = command(results, &[words, &simulated].concat()).output().unwrap();
    let table = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("no table ({error}): {}", String::from_utf8_lossy(&output.stderr))
    });
    (output, table)
}

/// The table that was kept.
fn kept(results: &Path) -> Json {
    let folders = std::fs::read_dir(results).unwrap().flatten();
    let mut files = folders.map(|folder| folder.path().join("detection.json"));
    let file = files.find(|file| file.is_file()).expect("the table is kept");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn each_divergence_is_convicted_by_its_own_cause() {
    let causes = [
        ("lag on invalidation", "replica-lag-refill"),
        ("failed invalidation", "failed-invalidation"),
        ("manual change", "out-of-band-change"),
    ];
    for (divergence, cause) in causes {
        let results = tempfile::tempdir().unwrap();
        let (output, table) =
            measure(results.path(), &["--only", divergence, "--seeds", "2", "--time", "4s"]);
        assert_eq!(output.status.code(), Some(0), "{divergence}: {table}");
        for trial in table["rows"][0]["trials"].as_array().unwrap() {
            assert_eq!(trial["conviction"]["cause"], cause, "{divergence}: {trial}");
            assert!(trial["conviction"]["after_ns"].as_u64() > Some(0), "{trial}");
            assert!(trial.get("kept").is_none(), "{trial}");
        }
        assert_eq!(kept(results.path()), table);
    }
}

/// Races that need somebody to be slow between two steps, or a cold cache.
#[test]
fn what_only_a_pause_or_a_cold_cache_shows_is_convicted() {
    let runs = [
        "write-behind",
        "write-behind --fault replica-lag",
        "remote-apply",
        "singleflight --fault replica-lag",
    ];
    let results = tempfile::tempdir().unwrap();
    let words = [&runs[..], &["--seeds", "3", "--time", "1s"]].concat();
    let (output, table) = measure(results.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{table}");
    // A control: without pauses a second does not show it.
    let off = "remote-apply --pauses off";
    let (output, table) = measure(results.path(), &[off, "--seeds", "1", "--time", "1s"]);
    assert_eq!(output.status.code(), Some(1), "{table}");
}

/// A small part of what is measured at length on servers.
#[test]
fn what_the_explorer_breaks_a_storm_convicts_and_nothing_else() {
    let results = tempfile::tempdir().unwrap();
    let mut words = vec!["--matrix", "--seeds", "2", "--time", "2s"];
    for strategy in ["primary-only", "replica-only", "cache-aside", "write-behind"] {
        words.extend(["--strategy", strategy]);
    }
    for fault in ["none", "replica-lag"] {
        words.extend(["--fault", fault]);
    }
    let (output, table) = measure(results.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{table}");
    let expected: Vec<_> = table["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["pair"]["run"].as_str().unwrap(), row["pair"]["about"].as_str().unwrap()))
        .collect();
    assert_eq!(expected.len(), 7, "{expected:?}");
    assert_eq!(expected[0], ("primary-only", "control: holds"));
    // Without lag it holds only as long as nobody looks closely: no control.
    let lagging = ("replica-only --fault replica-lag", "breaks in 2 steps: !stale");
    assert_eq!(expected[2], lagging, "{expected:?}");
    // Filters choose among the cells.
    let words = ["--matrix", "--list", "--strategy", "cache-aside", "--only", "breaks"];
    let words = [&words[..], &["--strategy", "primary-only", "--fault", "redis-cut"]].concat();
    let listed = command(results.path(), &words).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("cache-aside --fault redis-cut"), "{listed}");
    assert!(!listed.contains("primary-only"), "{listed}");
}

#[test]
fn what_is_not_as_expected_fails_and_is_kept_as_a_run() {
    let results = tempfile::tempdir().unwrap();
    let control = "cache-aside --clients 4 --rate 300 --fault replica-lag";
    let words = ["primary-only", "--control", control, "--seeds", "1", "--time", "2s"];
    let (output, table) = measure(results.path(), &words);
    assert_eq!(output.status.code(), Some(1), "{table}");
    let [acquitted, convicted] = [0, 1].map(|row| &table["rows"][row]["trials"][0]);
    assert_eq!(acquitted["outcome"], "held");
    assert_eq!(convicted["outcome"], "violated");
    for trial in [acquitted, convicted] {
        let run = trial["kept"].as_str().expect("it is kept");
        let again = Command::new(env!("CARGO_BIN_EXE_quarrel"))
            .args(["check", run, "--format", "json"])
            .env("QUARREL_RESULTS", results.path())
            .output()
            .unwrap();
        let verdict: Json = serde_json::from_slice(&again.stdout).unwrap();
        assert_eq!(verdict["outcome"], trial["outcome"], "{run}");
    }
}

#[test]
fn words_that_make_no_sense_are_refused_before_anything_runs() {
    let results = tempfile::tempdir().unwrap();
    let refused = |words: &[&str], why: &str| {
        let output = command(results.path(), words).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{errors}");
        assert!(errors.contains(why), "{why}: {errors}");
    };
    refused(&["cash-aside"], "no strategy is called `cash-aside`");
    refused(&["cache-aside --fault none"], "no fault is called `none`");
    refused(&["cache-aside --cluster sim"], "--cluster is the same for all storms");
    refused(&["cache-aside --expect eventual"], "is not decided by what clients saw");
    refused(&["--strategy", "cache-aside"], "--matrix");
    refused(&["--matrix", "--strategy", "cash-aside"], "no strategy is called `cash-aside`");
    refused(&["--only", "nothing"], "no known run contains `nothing`");
    assert_eq!(std::fs::read_dir(results.path()).unwrap().count(), 0);
}

#[test]
fn ctrl_c_leaves_what_was_measured_so_far() {
    let results = tempfile::tempdir().unwrap();
    let words = ["primary-only", "--cluster", "native", "--seeds", "100", "--time", "1s"];
    let mut child = command(results.path(), &words)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("[1/100]")), "the first storm is told of");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    // Whatever it says besides must not block it.
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let trials = kept(results.path())["rows"][0]["trials"].as_array().unwrap().len();
    assert!((1..100).contains(&trials), "{trials}");
    assert!(!rest.iter().any(|line| line.contains("could not remove")), "{rest:?}");
}
