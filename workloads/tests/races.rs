//! Every race that ships with quarrel does what it says, in simulation.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use proptest::prelude::*;
use quarrel_harness::{
    race::{Race, course_of, simulate},
    strategy::{AnyStrategy, Options},
};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("races");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "race"));
    files.sort();
    files
}

fn read(path: &Path) -> Race {
    let text = fs::read_to_string(path).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn strategy(race: &Race) -> Arc<dyn AnyStrategy> {
    let catalogue = quarrel_workloads::catalogue();
    let entry = catalogue.strategy(&race.strategy).unwrap();
    let given: BTreeMap<_, _> = race.options.iter().cloned().collect();
    (entry.build)(&Options::resolve(entry.name, entry.options, &given).unwrap()).unwrap()
}

#[test]
fn every_race_is_met_in_simulation() {
    assert!(files().len() >= 15);
    for path in files() {
        let race = read(&path);
        let run = simulate(&race, &|| strategy(&race), &mut |_| {}).unwrap();
        assert_eq!(run.complaint(), None, "{}", path.display());
        assert!(run.happened.len() >= 3);
    }
}

#[test]
fn every_race_survives_being_printed() {
    for path in files() {
        let race = read(&path);
        let again: Race = race.to_string().parse().unwrap();
        assert_eq!(again.to_string(), race.to_string(), "{}", path.display());
    }
}

#[test]
fn a_race_with_a_claim_that_is_not_true_is_not_met() {
    let text = "strategy primary-only\nkey 1 = Alex, cached nowhere\n\
                Writer A: UPDATE 1 = Alice\nReader B: SELECT primary 1 !stale\n";
    assert_eq!(
        complaint(text).as_deref(),
        Some(
            "line 4, !stale: not stale: nothing newer than Alice had been acknowledged when this \
             read began"
        )
    );
}

fn complaint(text: &str) -> Option<String> {
    let race: Race = text.parse().unwrap();
    simulate(&race, &|| strategy(&race), &mut |_| {}).unwrap().complaint()
}

#[test]
fn why_a_claim_did_not_come_true_is_told() {
    let told = |text: &str, expected: &[&str]| {
        let told = complaint(text).unwrap_or_default();
        for part in expected {
            assert!(told.contains(part), "{text}\n{told}\nwithout {part}");
        }
    };
    let late = "strategy cache-aside\nkey 1 = Alex, cached\n\
                Writer A: UPDATE 1 = Alice -> ok\nReader B: GET 1 -> Alex !stale\n";
    told(late, &["line 4, !stale: not stale: the write of Alice was never acknowledged"]);
    told(
        &format!("{late}Writer A: DEL 1\n"),
        &["not stale: the write of Alice had not been acknowledged when this read began"],
    );
    let head = "strategy cache-aside\nkey 1 = Alex, cached nowhere\n";
    told(
        &format!("{head}Reader B: GET 1 -> miss !stale\n"),
        &["line 3, !stale: not stale: its operation has not ended"],
    );
    told(
        &format!("{head}Writer B: UPDATE 1 = Alice\nWriter B: DEL 1 !stale\n"),
        &["its operation is a write"],
    );
    told(
        &format!(
            "{head}Reader B: GET 1\nReader B: SELECT replica 1\nReader B: SET 1 !read-your-writes\n"
        ),
        &["no write of its own was missed: its client had written nothing newer than Alex"],
    );
    told(
        &format!("{head}!lost\n!diverged\n"),
        &[
            "line 3, !lost: nothing is lost: the primary has every write",
            "; line 4, !diverged: not diverged: a fresh client reads what the primary holds",
        ],
    );
    told("strategy cache-aside\n!lost\n", &["the race has no `key` line"]);
}

/// Reader C is right, and so is the end: both claims are false.
#[test]
fn every_false_claim_is_told() {
    let told = complaint(
        "strategy version-guard --fill primary\nkey 1 = Alex, cached nowhere\npause replica\n\
         Writer A: UPDATE 1 = Alice -> ok\nWriter A: CAS 1 = Alice -> 1\n\
         Reader C: GET 1 -> Alice !stale\n!diverged\n",
    );
    let told = told.unwrap();
    assert!(told.contains("line 6, !stale: ") && told.contains("; line 7, !diverged: "), "{told}");
}

/// The cache keeps a value that no database has.
#[test]
fn what_is_lost_may_diverge_too() {
    let text = "strategy write-through\nkey 1 = Alex, cached\npause replica\n\
                Writer A: UPDATE 1 = Alice -> ok\nWriter A: SET 1 = Alice    -> ok\nfailover\n\
                check primary 1 -> Alex\ncheck cache 1   -> Alice\n";
    for claims in ["!diverged", "!lost", "!lost\n!diverged", "!diverged\n!lost"] {
        assert_eq!(complaint(&format!("{text}{claims}\n")), None, "{claims}");
    }
}

#[test]
fn more_operations_than_can_be_judged_are_refused_by_line() {
    let reads = |count| {
        let head = "strategy primary-only\nkey 1 = Alex, cached nowhere\n".to_owned();
        (0..count).fold(head, |text, _| text + "Reader A: SELECT primary 1\n")
    };
    assert_eq!(
        complaint(&format!("{}!diverged\n", reads(127))).map(|told| told.len() > 10),
        Some(true)
    );
    let race: Race = reads(140).parse().unwrap();
    let refused = simulate(&race, &|| strategy(&race), &mut |_| {}).unwrap_err().to_string();
    assert!(
        refused.starts_with("line 130, column 1: expected at most 128 operations"),
        "{refused}"
    );
}

/// A race that ships, with lines taken away, doubled, moved and garbled.
fn garbled() -> impl Strategy<Value = String> {
    let texts: Vec<String> = files().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let words = [
        "1",
        "2",
        "0",
        "4294967295",
        "4294967296",
        "v0",
        "v18446744073709551615",
        "nil",
        "Alex",
        "!stale",
        "!lost",
        "!diverged",
        "-> miss",
        "-> ok",
        "Writer A: DEL 1",
        "Agent cdc: DEL 1",
        "Job 1: DEL 1",
        "Client X: read 1",
        "Client X: crashes",
        "deliver Writer A",
        "failover",
        "restore cache",
        "pause acks",
        "manual UPDATE 1 = Bob",
        "replay replica to 1 v9",
        "t=59m pause replica",
        "\"",
        "{",
        "}",
        ", delayed",
        ", reply lost",
        "-9223372036854775808",
        "evict 1",
        "expire marker:1:v3",
        "é",
    ];
    let change = (
        0..5_u8,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop::sample::select(words.to_vec()),
    );
    (prop::sample::select(texts), prop::collection::vec(change, 1..6)).prop_map(
        |(text, changes)| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            for (kind, at, other, word) in changes {
                if lines.is_empty() {
                    break;
                }
                let (at, to) = (at.index(lines.len()), other.index(lines.len()));
                match kind {
                    0 => drop(lines.remove(at)),
                    1 => lines.insert(to, lines[at].clone()),
                    2 => lines.swap(at, to),
                    3 => lines.insert(at, word.to_owned()),
                    _ => {
                        let mut words: Vec<&str> = lines[at].split(' ').collect();
                        let place = other.index(words.len());
                        words[place] = word;
                        lines[at] = words.join(" ");
                    }
                }
            }
            lines.join("\n")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    /// No text makes reading or performing a race panic.
    #[test]
    fn no_race_makes_anything_panic(text in garbled()) {
        let Ok(race) = text.parse::<Race>() else { return Ok(()) };
        let catalogue = quarrel_workloads::catalogue();
        let Ok(entry) = catalogue.strategy(&race.strategy) else { return Ok(()) };
        let given: BTreeMap<_, _> = race.options.iter().cloned().collect();
        let Ok(options) = Options::resolve(entry.name, entry.options, &given) else { return Ok(()) };
        if (entry.build)(&options).is_ok() {
            let make = || (entry.build)(&options).unwrap();
            if let Ok(run) = simulate(&race, &make, &mut |_| {}) {
                prop_assert_eq!(run.is_met(), run.complaint().is_none());
            }
            drop(course_of(&race, &make));
        }
    }
}

#[test]
fn the_first_difference_is_explained() {
    let text = "strategy cache-aside\nkey 1 = Alex, cached nowhere\n\
                Writer A: UPDATE 1 = Alice\nWriter A: DEL 1\n\
                Reader C: GET 1 -> miss\nReader C: SELECT replica 1 -> Alex\n";
    let race: Race = text.parse().unwrap();
    let run = simulate(&race, &|| strategy(&race), &mut |_| {}).unwrap();
    assert_eq!(
        run.complaint().as_deref(),
        Some("line 6: expected Alex, got Alice: the replica had replayed 0/3000080")
    );
}
