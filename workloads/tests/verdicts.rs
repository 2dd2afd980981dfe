//! The main job on real servers: what must be convicted is, what must be
//! acquitted is, and a run that shows nothing says so.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value as Json;

/// One `quarrel run` in a results folder of its own.
struct Run {
    output: Output,
    verdict: Json,
    /// Keeps the folder until the test is over.
    results: tempfile::TempDir,
}

fn quarrel(results: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(words)
        .env("QUARREL_RESULTS", results)
        .output()
        .expect("quarrel can be started")
}

fn run(cluster: &str, words: &str) -> Run {
    let results = tempfile::tempdir().unwrap();
    let mut all = vec!["run", "--cluster", cluster, "--format", "json", "--seed", "1"];
    all.extend(words.split_whitespace());
    let output = quarrel(results.path(), &all);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let verdict = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("no verdict ({e}), exit {:?}:\n{errors}", output.status.code()));
    Run { output, verdict, results }
}

/// A busy machine shows less in the same time: a run that shows nothing either
/// way is done again, for longer, up to two times.
fn run_until(enough: impl Fn(&Run) -> bool, cluster: &str, words: &str, seconds: u64) -> Run {
    let attempt = |times: u64| run(cluster, &format!("{words} --time {}s", seconds * times));
    let longer = [2, 4].into_iter();
    longer.fold(attempt(1), |last, times| if enough(&last) { last } else { attempt(times) })
}

fn is_not_vacuous(run: &Run) -> bool {
    run.exit() != 3
}

impl Run {
    fn exit(&self) -> i32 {
        self.output.status.code().expect("quarrel exits")
    }

    fn number(&self, metric: &str) -> u64 {
        self.verdict["metrics"][metric]
            .as_u64()
            .unwrap_or_else(|| panic!("{metric}: {:?}", self.verdict["metrics"]))
    }

    fn causes(&self) -> Vec<&str> {
        let anomalies = self.verdict["anomalies"].as_array().expect("anomalies are a list");
        anomalies.iter().filter_map(|anomaly| anomaly["cause"].as_str()).collect()
    }
}

fn acquitted_under_every_fault(cluster: &str) {
    let faults = [
        "replica-lag=200ms,via=apply",
        "replica-lag=200ms,via=link",
        "replica-lag=200ms,via=pause",
        "redis-cut",
        "redis-latency",
        "primary-latency",
        "redis-reply-lost",
        "kill-redis",
        "pause-replica",
    ];
    for fault in faults {
        let words = format!("primary-only --fault {fault}");
        let run = run_until(is_not_vacuous, cluster, &words, 5);
        assert_eq!(run.exit(), 0, "{fault}: {}", run.verdict["reason"]);
        assert_eq!(run.verdict["outcome"], "held", "{fault}");
        assert_eq!(run.number("stale_reads"), 0, "{fault}");
        let count = &run.verdict["fault_count"];
        assert!(count["observed"].as_u64() >= Some(1), "{fault}: {count}");
    }
}

fn cache_aside_is_convicted_of_refilling_from_a_lagging_replica(cluster: &str) {
    let run = run_until(is_not_vacuous, cluster, "cache-aside --fault replica-lag", 5);
    assert_eq!(run.exit(), 1, "{}", run.verdict["reason"]);
    assert_eq!(run.causes().first(), Some(&"replica-lag-refill"), "{:?}", run.causes());
    assert!(run.number("stale_reads") > 100);
}

fn replica_only_is_convicted_of_its_lag(cluster: &str) {
    let run = run_until(is_not_vacuous, cluster, "replica-only --fault replica-lag", 4);
    assert_eq!(run.exit(), 1, "{}", run.verdict["reason"]);
    assert_eq!(run.causes().first(), Some(&"replica-lag"), "{:?}", run.causes());
}

/// The delete does not arrive, so entries outlive their rows until they
/// expire. The primary fills, so that nothing else can be the cause.
fn a_cut_leaves_entries_stale_until_they_expire(cluster: &str) {
    let failed = |run: &Run| run.causes().contains(&"failed-invalidation");
    let words = "cache-aside --fill primary --ttl 2s --fault redis-cut";
    let run = run_until(failed, cluster, words, 6);
    assert_eq!(run.exit(), 1, "{}", run.verdict["reason"]);
    assert!(failed(&run), "{:?}", run.causes());
    let worst = run.number("worst_staleness_ns") as f64 / 1e9;
    assert!((0.5..4.0).contains(&worst), "stale for about the ttl of 2 s, not {worst} s");
    let agreeing = run.verdict["metrics"]["convergence"]["keys_agreeing"].as_u64();
    assert_eq!(agreeing, Some(20), "all entries expired in the end");
}

/// So few reads show nothing either way.
fn a_run_that_shows_nothing_is_vacuous(cluster: &str) {
    let run = run(cluster, "primary-only --time 300ms --clients 1 --rate 20");
    assert_eq!(run.exit(), 3, "{}", run.verdict["reason"]);
    assert_eq!(run.verdict["outcome"], "vacuous");
    let reason = run.verdict["reason"].as_str().unwrap();
    assert!(reason.contains("could have been stale"), "{reason}");
}

/// A fault that ends before it can be seen was no fault.
fn a_fault_that_could_not_bite_is_vacuous(cluster: &str) {
    let run = run(cluster, "primary-only --fault replica-lag=1h --time 2s");
    assert_eq!(run.exit(), 3, "{}", run.verdict["reason"]);
    let reason = run.verdict["reason"].as_str().unwrap();
    assert!(reason.contains("replica-lag was never observed"), "{reason}");
}

fn a_run_can_be_judged_again(cluster: &str) {
    let run = run(cluster, "cache-aside --fault replica-lag --time 3s");
    let again = quarrel(run.results.path(), &["check", "latest", "--format", "json"]);
    assert_eq!(again.status.code(), Some(run.exit()));
    let verdict: Json = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(verdict["metrics"]["stale_reads"], run.verdict["metrics"]["stale_reads"]);
    assert_eq!(verdict["ladder"], run.verdict["ladder"]);
    let list = quarrel(run.results.path(), &["list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("violated"));
}

/// What was not heard of may be what goes wrong.
#[test]
fn a_run_with_a_gap_does_not_hold() {
    let run = run("sim", "primary-only --time 3s");
    assert_eq!(run.exit(), 0, "{}", run.verdict["reason"]);
    let history = run.results.path().join("latest/history.jsonl.zst");
    let lines = zstd::decode_all(&*std::fs::read(&history).unwrap()).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let step = lines.lines().find(|line| line.contains("\"site\":\"primary\"")).unwrap();
    let mut gap: Json = serde_json::from_str(step).unwrap();
    let told = gap.as_object_mut().unwrap();
    told.extend([
        ("process".to_owned(), "nemesis".into()),
        ("site".to_owned(), "client".into()),
        ("f".to_owned(), quarrel_harness::record::GAP.into()),
        ("reply".to_owned(), serde_json::json!({"done": {}})),
    ]);
    for other in ["operation", "object", "argument", "lsn"] {
        told.remove(other);
    }
    let with_gap = format!("{lines}{gap}\n");
    std::fs::write(&history, zstd::encode_all(with_gap.as_bytes(), 0).unwrap()).unwrap();
    let again = quarrel(run.results.path(), &["check", "latest", "--format", "json"]);
    let said = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(2), "{said}");
    let verdict: Json = serde_json::from_slice(&again.stdout).unwrap();
    let reason = verdict["reason"].as_str().unwrap();
    assert!(reason.contains("not all was heard of what was said to the stores"), "{reason}");
}

macro_rules! on_each_cluster {
    ($($name:ident),* $(,)?) => {
        mod native {
            $(#[test] fn $name() { super::$name("native"); })*
        }
        mod docker {
            $(#[test] fn $name() { super::$name("docker"); })*
        }
    };
}

on_each_cluster!(
    acquitted_under_every_fault,
    cache_aside_is_convicted_of_refilling_from_a_lagging_replica,
    replica_only_is_convicted_of_its_lag,
    a_cut_leaves_entries_stale_until_they_expire,
    a_run_that_shows_nothing_is_vacuous,
    a_fault_that_could_not_bite_is_vacuous,
    a_run_can_be_judged_again,
);
