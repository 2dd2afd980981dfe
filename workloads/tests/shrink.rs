//! From the anomalies of a run to races, by the command line: what is cut out
//! of a history shows what the verdict says, and so does what is made of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use quarrel_harness::race::Race;
use serde_json::Value;

fn quarrel(words: &[&str], results: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(words)
        .env("QUARREL_RESULTS", results)
        .output()
        .expect("the binary was built with this test")
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

fn shrunk(words: &[&str], results: &Path, code: i32) -> String {
    let output = quarrel(&[&["shrink", "-n", "0"], words].concat(), results);
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    said(&output)
}

/// A simulated run that ends violated, and its verdict. Entries outlive it.
fn violated(strategy: &str, fault: &str, results: &Path) -> Value {
    let storm = ["run", strategy, "--cluster", "sim", "--fault", fault, "--time", "3s"];
    let storm = [&storm[..], &["--ttl", "10h"]].concat();
    let small = ["--clients", "6", "--keys", "40", "--rate", "300", "--seed", "5"];
    let output = quarrel(&[&storm[..], &small, &["--format", "json"]].concat(), results);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("a verdict")
}

/// `CLASS/CAUSE` of an anomaly, as the verdict says it.
fn name(verdict: &Value, number: usize) -> String {
    let anomaly = &verdict["anomalies"][number - 1];
    format!("{}/{}", anomaly["class"].as_str().unwrap(), anomaly["cause"].as_str().unwrap())
}

fn anomaly(results: &Path, number: usize, file: &str) -> PathBuf {
    results.join(format!("latest/anomalies/{number}/{file}"))
}

fn replays(file: &Path, results: &Path) {
    let output = quarrel(&["replay", "--cluster", "sim", file.to_str().unwrap()], results);
    assert_eq!(output.status.code(), Some(0), "{}: {}", file.display(), said(&output));
}

#[test]
fn what_is_recorded_and_what_is_smallest_show_the_anomaly_and_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    let verdict = violated("cache-aside", "replica-lag", results);
    let mut seen = 0;
    for number in 1..=verdict["anomalies"].as_array().unwrap().len() {
        let recorded = anomaly(results, number, "recorded.race");
        if !recorded.is_file() {
            continue;
        }
        seen += 1;
        let name = name(&verdict, number);
        let (_, cause) = name.split_once('/').unwrap();
        let text = fs::read_to_string(&recorded).unwrap();
        assert!(text.starts_with(&format!("# Anomaly {number} of run ")), "{text}");
        assert!(text.lines().next().unwrap().ends_with(&format!(": {name}.")), "{text}");
        if cause != "unexplained" {
            assert!(text.contains(&format!("# Cut out of its history; its steps show {cause}.\n")));
        }
        replays(&recorded, results);

        let smallest = anomaly(results, number, "min.race");
        shrunk(&[&format!("latest:{number}")], results, 0);
        let text = fs::read_to_string(&smallest).unwrap();
        if cause != "unexplained" {
            assert!(text.contains(&format!("\n# Cause: {cause}, ")), "{text}");
        }
        let (race, long): (Race, Race) =
            (text.parse().unwrap(), fs::read_to_string(&recorded).unwrap().parse().unwrap());
        assert!(race.steps() <= long.steps());
        let claim = |race: &Race| race.flat().find_map(|line| line.claim);
        assert_eq!(claim(&race), claim(&long));
        replays(&smallest, results);
    }
    assert!(seen >= 3, "only {seen} anomalies were cut out");
}

#[test]
fn a_divergence_that_only_the_stores_show_is_cut_out_too() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    for (strategy, fault, cause) in [
        ("cache-aside", "redis-cut", "failed-invalidation"),
        ("write-through", "redis-cut", "failed-invalidation"),
        ("cache-aside", "manual-sql", "out-of-band-change"),
        ("cache-aside", "redis-rollback", "resurrected-entry"),
        ("cache-aside", "replica-lag", "replica-lag-refill"),
    ] {
        let verdict = violated(strategy, fault, results);
        let found = verdict["anomalies"].as_array().unwrap();
        let at = found.iter().position(|anomaly| anomaly["class"] == "divergence");
        let number = at.expect("the stores differ in the end") + 1;
        let out = results.join(format!("{strategy}-{fault}.race"));
        let anomaly = format!("latest:{number}");
        let said = shrunk(&[&anomaly, "--out", out.to_str().unwrap()], results, 0);
        assert!(said.contains(&format!("= cause: {cause}, proved: ")), "{fault}: {said}");
        assert!(fs::read_to_string(&out).unwrap().ends_with("!diverged\n"), "{fault}: {said}");
        replays(&out, results);
    }
}

#[test]
fn what_stands_in_the_folder_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    violated("cache-aside", "replica-lag", results);
    let path = anomaly(results, 1, "min.race");
    assert!(shrunk(&["latest"], results, 0).contains("is in"), "the run wrote it already");
    fs::write(&path, "# mine\nstrategy cache-aside\n").unwrap();
    let said = shrunk(&["latest"], results, 0);
    assert!(said.contains("not written: "), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\nstrategy cache-aside\n");
    fs::remove_file(&path).unwrap();
    assert!(shrunk(&["latest"], results, 0).contains("written: "));
    let elsewhere = results.join("mine.race");
    shrunk(&["latest", "--out", elsewhere.to_str().unwrap()], results, 0);
    replays(&elsewhere, results);
    let said = shrunk(&["latest", "--out", elsewhere.to_str().unwrap()], results, 64);
    assert!(said.contains("exists; name another file"), "{said}");
}

#[test]
fn the_smallest_race_of_the_article_is_no_longer_than_the_article() {
    let folder = tempfile::tempdir().unwrap();
    let races = Path::new(env!("CARGO_MANIFEST_DIR")).join("races");
    let lines = |text: &str| {
        text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("check")).count()
    };
    for name in ["article.race", "article-between.race", "write-write-race.race"] {
        let article = races.join(name);
        let out = folder.path().join(name);
        let words = [article.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let said = shrunk(&words, folder.path(), 0);
        assert!(said.contains("= cause: "), "{said}");
        let least = fs::read_to_string(&out).unwrap();
        let long = fs::read_to_string(&article).unwrap();
        assert!(lines(&least) <= lines(&long), "{least}");
        replays(&out, folder.path());
    }
}

#[test]
fn what_cannot_be_shrunk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    violated("cache-aside", "replica-lag", results);
    let said = shrunk(&["latest:9999"], results, 64);
    assert!(said.contains("anomalies, and no number 9999"), "{said}");
    assert!(shrunk(&["latest:x"], results, 64).contains("expected RUN or RUN:N"));
    assert!(shrunk(&["nothing.race"], results, 64).contains("there is no file nothing.race"));
    let holds = results.join("holds.race");
    let text = "strategy primary-only\nkey 1 = Alex, cached nowhere\n\
                Writer A: UPDATE 1 = Alice\nReader B: SELECT primary 1 !stale\n";
    fs::write(&holds, text).unwrap();
    let said = shrunk(&[holds.to_str().unwrap()], results, 1);
    assert!(said.contains("does not show what it claims"), "{said}");
}
