//! What each workload asks for is judged: a strategy that breaks it is
//! convicted, and a control is acquitted. Simulated, so that each run is the
//! same every time; the last also on real servers.

use std::process::{Command, Output};

use serde_json::Value as Json;

/// One `quarrel run` in a results folder of its own.
fn run(words: &str) -> (Output, Json) {
    let results = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(["run", "--format", "json", "--seed", "1", "--time", "2s"])
        .args(words.split_whitespace())
        .env("QUARREL_RESULTS", results.path())
        .output()
        .expect("quarrel can be started");
    let verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{words}: no verdict ({error}): {}", String::from_utf8_lossy(&output.stderr))
    });
    (output, verdict)
}

/// The causes of the anomalies of `class`, of which there are some.
fn convicted(words: &str, class: &str) -> Vec<String> {
    let (output, verdict) = run(words);
    assert_eq!(output.status.code(), Some(1), "{words}: {}", verdict["reason"]);
    let anomalies = verdict["anomalies"].as_array().expect("anomalies are a list");
    let classes: Vec<_> =
        anomalies.iter().filter_map(|anomaly| anomaly["class"].as_str()).collect();
    assert!(classes.contains(&class), "{words}: no {class} among {classes:?}");
    let of_class = anomalies.iter().filter(|anomaly| anomaly["class"] == class);
    of_class.map(|anomaly| anomaly["cause"].as_str().unwrap_or("none").to_owned()).collect()
}

/// The guarantee held, and there is no anomaly of `class`.
fn acquitted(words: &str, class: &str) {
    let (output, verdict) = run(words);
    assert_eq!(output.status.code(), Some(0), "{words}: {}", verdict["reason"]);
    assert_eq!(verdict["outcome"], "held", "{words}");
    let anomalies = verdict["anomalies"].as_array().expect("anomalies are a list");
    assert!(anomalies.iter().all(|anomaly| anomaly["class"] != class), "{words}: {anomalies:?}");
}

#[test]
fn register() {
    convicted("cache-aside --cluster sim --fault replica-lag", "stale-read");
    acquitted("primary-only --cluster sim --fault replica-lag", "stale-read");
}

#[test]
fn profile() {
    convicted("cache-aside --cluster sim --workload profile --fault replica-lag", "stale-read");
    acquitted("primary-only --cluster sim --workload profile --fault replica-lag", "stale-read");
}

#[test]
fn counter() {
    let causes = convicted("primary-only --cluster sim --workload counter", "lost-update");
    assert!(causes.iter().all(|cause| cause == "unchecked-write"), "{causes:?}");
    acquitted(
        "optimistic-lock --fill primary --cluster sim --workload counter --expect eventual",
        "lost-update",
    );
}

#[test]
fn sessions() {
    convicted(
        "cache-aside --cluster sim --workload sessions --fault replica-lag \
         --expect read-your-writes",
        "read-your-writes",
    );
    acquitted(
        "read-your-writes --cluster sim --workload sessions --fault replica-lag \
         --expect read-your-writes",
        "read-your-writes",
    );
}

#[test]
fn skewed() {
    convicted("cache-aside --cluster sim --workload skewed --fault replica-lag", "stale-read");
    acquitted("primary-only --cluster sim --workload skewed --fault replica-lag", "stale-read");
}

/// The fault makes the reads stale; the two keys come apart by themselves.
#[test]
fn pairs() {
    let causes = convicted("cache-aside --cluster sim --workload pairs", "g-single");
    assert!(causes.iter().any(|cause| cause == "separate-reads"), "{causes:?}");
    assert!(causes.iter().all(|cause| cause != "unexplained"), "{causes:?}");
    // Each row alone is written soundly, so that only a check of both can tell.
    convicted("validate-on-primary --cluster sim --workload pairs", "g-single");
    acquitted("primary-only --cluster sim --workload pairs --fault replica-lag", "g-single");
}

fn pairs_on(cluster: &str) {
    convicted(&format!("cache-aside --cluster {cluster} --workload pairs"), "g-single");
    let control = format!("primary-only --cluster {cluster} --workload pairs --fault replica-lag");
    acquitted(&control, "g-single");
}

#[test]
fn pairs_on_native_servers() {
    pairs_on("native");
}

#[test]
fn pairs_on_containers() {
    pairs_on("docker");
}

#[test]
fn every_workload_is_listed() {
    let output = Command::new(env!("CARGO_BIN_EXE_quarrel")).arg("workloads").output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    for name in ["register", "profile", "counter", "sessions", "skewed", "pairs", "lifecycle"] {
        assert!(list.lines().any(|line| line.split(' ').next() == Some(name)), "{name}: {list}");
    }
}
