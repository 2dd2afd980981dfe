//! For each cause that an application can have, one that is wrong in that way:
//! storms convict it, and give it that name.

use std::{collections::BTreeMap, fs, path::Path};

use super::{quarrel_with, sample_file};

/// A mistake, and the fault that brings it about, if it takes one.
const PLANTED: [(&str, &str); 13] = [
    ("in-flight-refill", ""),
    ("write-write-race", ""),
    ("invalidate-before-commit", ""),
    ("set-before-commit", ""),
    ("forgotten-invalidation", ""),
    ("expiry-only", ""),
    ("pending-invalidation", ""),
    ("near-cache-not-told", ""),
    ("lost-write", ""),
    ("replica-lag", "replica-lag=100ms"),
    ("replica-lag-refill", "replica-lag=100ms"),
    ("failed-invalidation", "redis-cut"),
    ("out-of-band-change", "manual-sql=20ms"),
];

/// What a usual run tries, the most telling: of storms, of searches.
const USUAL_STORMS: [&str; 4] =
    ["in-flight-refill", "near-cache-not-told", "lost-write", "failed-invalidation"];
const USUAL_SEARCHES: [&str; 3] = ["in-flight-refill", "failed-invalidation", "set-first"];

/// Whether everything is tried: if `QUARREL_STORMS` or `QUARREL_MISTAKE` is set.
fn is_long() -> bool {
    ["QUARREL_STORMS", "QUARREL_MISTAKE"].iter().any(|name| std::env::var_os(name).is_some())
}

/// How many storms of each: one in a usual run, and as many as
/// `QUARREL_STORMS` says in a long one.
fn storms() -> u32 {
    let asked = std::env::var("QUARREL_STORMS");
    asked.map_or(1, |count| count.parse().expect("QUARREL_STORMS is a number"))
}

/// The exit code of a storm, and the causes that it names, by how often.
fn storm(mistake: &str, fault: &str, seed: u32) -> (Option<i32>, BTreeMap<String, usize>, String) {
    let results = tempfile::tempdir().unwrap();
    let name = if mistake == "expiry-only" { "expiry.toml" } else { "app.toml" };
    let file = sample_file("planted", name);
    let seed = seed.to_string();
    let mut words = vec!["run", "--app", &file, "--cluster", "native", "--seed", &seed];
    words.extend(["--time", "3s", "--clients", "6", "--keys", "4", "--settle", "3s"]);
    if !fault.is_empty() {
        words.extend(["--fault", fault]);
    }
    let output = quarrel_with(&words, results.path(), &[("MISTAKE", mistake)]);
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), causes(results.path()), said.concat())
}

/// The causes in the verdict of the one run that is there.
fn causes(results: &Path) -> BTreeMap<String, usize> {
    let runs = fs::read_dir(results).unwrap().flatten().map(|entry| entry.path());
    let verdict = runs.map(|run| run.join("verdict.json")).find(|file| file.is_file());
    let mut causes = BTreeMap::new();
    let Some(verdict) = verdict else { return causes };
    let verdict: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(verdict).unwrap()).unwrap();
    for anomaly in verdict["anomalies"].as_array().unwrap() {
        let cause = anomaly["cause"].as_str().unwrap_or("none").to_owned();
        *causes.entry(cause).or_default() += 1;
    }
    causes
}

fn commonest(causes: &BTreeMap<String, usize>) -> &str {
    causes.iter().max_by_key(|(_, count)| **count).map_or("", |(cause, _)| cause)
}

/// In a usual run each is tried until it is convicted, three times at most; in
/// a long one nine of ten storms must do it.
#[test]
fn storms_name_what_an_application_does_wrong() {
    let only = std::env::var("QUARREL_MISTAKE").ok();
    let mut missed = Vec::new();
    for (mistake, fault) in PLANTED {
        if only.as_deref().is_some_and(|only| only != mistake) {
            continue;
        }
        if !is_long() && !USUAL_STORMS.contains(&mistake) {
            continue;
        }
        let (asked, mut right, mut told) = (storms(), 0, Vec::new());
        let most = if asked == 1 { 3 } else { asked };
        for seed in 1..=most {
            let (code, causes, said) = storm(mistake, fault, seed);
            if code == Some(1) && commonest(&causes) == mistake {
                right += 1;
            } else {
                told.push(format!("seed {seed}: exit {code:?}, {causes:?}\n{said}"));
            }
            if asked == 1 && right == 1 {
                break;
            }
        }
        println!("{mistake}: {right} of {}", right as usize + told.len());
        if right * 10 < asked * 9 {
            missed.push(format!("{mistake}: {right} of {asked}\n{}", told.join("\n")));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// The same application without a cache, under the faults that convict others.
#[test]
fn an_application_that_is_right_is_acquitted_under_every_fault() {
    let faults = ["redis-cut", "manual-sql=20ms", "replica-lag=100ms"];
    let tried = if is_long() { faults.len() } else { 1 };
    for fault in &faults[..tried] {
        let (code, causes, said) = storm("none", fault, 1);
        assert_eq!(code, Some(0), "{fault}: {causes:?}\n{said}");
    }
}

/// A mistake, what a search of it may choose besides the order of requests, and
/// the cause that it finds.
const FOUND: [(&str, &[&str], &str); 11] = [
    ("in-flight-refill", &[], "in-flight-refill"),
    ("write-write-race", &["--clients", "3"], "write-write-race"),
    ("invalidate-before-commit", &[], "invalidate-before-commit"),
    ("forgotten-invalidation", &[], "forgotten-invalidation"),
    ("replica-lag", &["--fault", "replica-lag"], "replica-lag"),
    ("replica-lag-refill", &["--fault", "replica-lag"], "replica-lag-refill"),
    ("failed-invalidation", &["--fault", "redis-cut"], "failed-invalidation"),
    ("out-of-band-change", &["--fault", "manual-sql"], "out-of-band-change"),
    ("late-message", &["--fault", "late-message"], "late-message"),
    ("resurrected-entry", &["--fault", "redis-rollback"], "resurrected-entry"),
    ("set-first", &["--fault", "primary-cut"], "set-before-commit"),
];

fn explore(mistake: &str, more: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = sample_file("planted", "app.toml");
    let mut words = vec!["explore", "--app", &file, "--cluster", "native"];
    if !more.contains(&"--clients") {
        words.extend(["--clients", "2"]);
    }
    words.extend(more);
    let output = quarrel_with(&words, folder.path(), &[("MISTAKE", mistake)]);
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), said.concat())
}

#[test]
fn a_search_names_what_it_finds_and_makes_it_happen_again() {
    let mut missed = Vec::new();
    for (mistake, more, cause) in FOUND {
        if !is_long() && !USUAL_SEARCHES.contains(&mistake) {
            continue;
        }
        let (code, said) = explore(mistake, more);
        let is_named = said
            .lines()
            .any(|line| line.starts_with("broken: ") && line.contains(&format!("/{cause}: ")));
        let again = said.split("replayed: broken ").nth(1).and_then(|rest| rest.split(' ').next());
        let again: u32 = again.and_then(|count| count.parse().ok()).unwrap_or(0);
        if code != Some(1) || !is_named || again < 19 {
            missed.push(format!("{mistake} {more:?}: exit {code:?}\n{said}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// What is right holds whatever is chosen, and what was not chosen is told.
#[test]
fn an_application_that_is_right_holds_under_faults() {
    let faults = ["redis-cut", "primary-cut", "primary-reply-lost", "manual-sql"];
    let tried = if is_long() { faults.len() } else { 1 };
    for fault in &faults[..tried] {
        let (code, said) = explore("none", &["--fault", fault]);
        assert_eq!(code, Some(0), "{fault}\n{said}");
        assert!(said.contains(&format!("at most 1 of {fault} at any point")), "{said}");
        assert!(said.contains("no instance killed"), "{said}");
    }
}

/// An application that compares times breaks only where its clock may be read
/// between a reply and the next request.
#[test]
fn what_lies_between_a_reply_and_the_next_request_needs_replies_held() {
    let (code, said) = explore("clock", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("requests to the stores held, their replies not"), "{said}");
    let (code, said) = explore("clock", &["--hold", "requests+replies"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is answered"), "{said}");
}

#[test]
fn what_cannot_be_chosen_is_refused() {
    let (code, said) = explore("none", &["--fault", "failover"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("is no fault that a search of an application can place"), "{said}");
}

fn app_command(command: &str, mistake: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = sample_file("planted", "app.toml");
    let words = ["app", command, &file, "--cluster", "native"];
    let output = quarrel_with(&words, folder.path(), &[("MISTAKE", mistake)]);
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), said.concat())
}

#[test]
fn faults_shows_which_lost_messages_hurt_and_which_answers_lie() {
    let (code, said) = app_command("faults", "failed-invalidation");
    assert_eq!(code, Some(1), "{said}");
    let lost = said.split("cache: EXEC changes:{key} item:{key} breaks\n").nth(1);
    let came_to = lost.and_then(|lost| lost.lines().next()).expect("its invalidation is broken");
    assert!(came_to.contains("-> acknowledged; CACHE WRONG: "), "{said}");
    assert!(came_to.ends_with("the answer is not true"), "{said}");
    let (code, said) = app_command("faults", "none");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("primary: UPDATE items"), "{said}");
    assert!(said.contains("0 of 4 leave something wrong"), "{said}");
}

#[test]
fn learn_tells_what_is_of_no_matter() {
    let (code, said) = app_command("learn", "in-flight-refill");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("taken for of no matter, in whatever order they go on:"), "{said}");
    assert!(said.contains("cache    DEL item:{key}  (writes)"), "{said}");
}
