//! Caches in the clients themselves: what becomes of a message (late, lost, out
//! of order) has one name, whether the explorer, a race or a simulated storm
//! meets it; and real servers lose messages, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use quarrel_checkers::{Cause, Guarantee};
use quarrel_harness::{
    explore::{Bounds, Extent, Finding, Report, report, shrink_race},
    race::Race,
    strategy::{AnyStrategy, Options},
};
use serde_json::Value;

fn maker(line: &str) -> impl Fn() -> Arc<dyn AnyStrategy> + use<> {
    let race: Race = format!("strategy {line}\n").parse().unwrap();
    let catalogue = quarrel_workloads::catalogue();
    let entry = *catalogue.strategy(&race.strategy).unwrap();
    let given: BTreeMap<_, _> = race.options.into_iter().collect();
    let options = Options::resolve(entry.name, entry.options, &given).unwrap();
    move || (entry.build)(&options).unwrap()
}

/// A reader that reads twice, as copies show only to who made them.
fn explored(line: &str, faults: &[&str], writers: usize) -> Report {
    let bounds = Bounds {
        writers,
        readers: 1,
        reads: 2,
        faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
        guarantee: Guarantee::Linearizable,
        ..Bounds::default()
    };
    report(&maker(line), line, &[], &bounds).unwrap()
}

fn found(line: &str, faults: &[&str], writers: usize) -> Finding {
    explored(line, faults, writers).finding.unwrap_or_else(|| panic!("{line} holds"))
}

/// What can happen to a message, and what it is called.
const FATES: [(&str, &str, Cause); 3] = [
    ("near-pubsub --fill primary", "near-pubsub-late", Cause::PendingInvalidation),
    ("near-pubsub --fill primary", "near-pubsub-lost", Cause::LostInvalidation),
    ("near-pubsub --message row", "near-pubsub-reordered", Cause::LateMessage),
];

#[test]
fn a_race_and_the_explorer_name_one_cause_for_one_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("races");
    for (line, file, cause) in FATES {
        let text = fs::read_to_string(folder.join(format!("{file}.race"))).unwrap();
        let race: Race = text.parse().unwrap();
        let finding = shrink_race(&maker(line), &race).unwrap().expect(file);
        assert_eq!(finding.cause, cause, "{file}: {finding}");
        assert!(finding.proof().is_some(), "{file}: {finding}");
    }
    let late = found("near-pubsub --fill primary", &[], 1);
    assert_eq!(late.cause, Cause::PendingInvalidation, "{late}");
    let reordered = found("near-pubsub --message row --fill primary", &["messages-reordered"], 2);
    // Something shorter breaks, too; nothing but the order explains this.
    assert!(reordered.proof().is_some(), "{reordered}");
}

/// Held messages toggle at will: a search that lets them do so for ever never
/// ends.
#[test]
fn a_small_world_with_a_near_cache_is_searched_to_its_end() {
    for (line, faults) in [
        ("client-tracking --fill primary", vec![]),
        ("near-pubsub --fill primary", vec!["messages-lost"]),
    ] {
        let bounds = Bounds {
            writers: 1,
            readers: 1,
            faults: faults.iter().map(|fault: &&str| fault.parse().unwrap()).collect(),
            guarantee: Guarantee::None,
            ..Bounds::default()
        };
        let report = report(&maker(line), line, &[], &bounds).unwrap();
        assert_eq!(report.exploration.extent, Extent::Exhaustive, "{line}: {report}");
    }
}

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

/// The causes of the stale reads of a storm, by the place of their anomaly.
fn stormed(words: &[&str], results: &Path, cluster: &str) -> Vec<(usize, String)> {
    let run = ["run", "near-pubsub", "--fill", "primary", "--cluster", cluster, "--seed", "5"];
    let small = ["--keys", "20", "--rate", "400", "--time", "3s"];
    let form = ["--format", "json", "--ttl", "10h", "--near-ttl", "10h"];
    let output = quarrel(&[&run[..], &small, words, &form].concat(), results);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
    let anomalies = verdict["anomalies"].as_array().unwrap().iter().enumerate();
    let stale = anomalies.filter(|(_, anomaly)| anomaly["class"] == "stale-read");
    stale.map(|(at, it)| (at + 1, it["cause"].as_str().unwrap().to_owned())).collect()
}

/// What a storm printed as `reproduce:` is replayed and made small, with the
/// cause that the storm named.
#[test]
fn a_storm_names_the_same_causes_and_its_races_show_them() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    let stale = stormed(&["--fault", "redis-cut", "--clients", "6"], results, "sim");
    let causes: BTreeSet<&str> = stale.iter().map(|(_, cause)| cause.as_str()).collect();
    assert!(causes.contains("lost-invalidation"), "{stale:?}");
    let known = stale.iter().filter(|(_, cause)| cause == "lost-invalidation");
    let mut shown = 0;
    for (number, cause) in known.take(3) {
        let anomaly = format!("latest:{number}");
        let output = quarrel(&["shrink", "-n", "0", &anomaly], results);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(&format!("= cause: {cause}, proved: ")), "{text}");
        let output = quarrel(&["replay", "--cluster", "sim", &anomaly], results);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        shown += 1;
    }
    assert!(shown > 0);
}

#[test]
fn real_servers_lose_what_is_published_as_the_simulated_do() {
    let folder = tempfile::tempdir().unwrap();
    let stale = stormed(&["--fault", "redis-cut", "--clients", "24"], folder.path(), "native");
    assert!(stale.iter().any(|(_, cause)| cause == "lost-invalidation"), "{stale:?}");
}
