//! Every race that ships with quarrel does what it says, in simulation.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use quarrel_harness::{
    race::{Race, rehearse},
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
        let run = rehearse(&race, &|| strategy(&race), &mut |_| {}).unwrap();
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
    let race: Race = text.parse().unwrap();
    let run = rehearse(&race, &|| strategy(&race), &mut |_| {}).unwrap();
    assert_eq!(run.complaint().as_deref(), Some("line 4: !stale did not come true"));
}

#[test]
fn the_first_difference_is_explained() {
    let text = "strategy cache-aside\nkey 1 = Alex, cached nowhere\n\
                Writer A: UPDATE 1 = Alice\nWriter A: DEL 1\n\
                Reader C: GET 1 -> miss\nReader C: SELECT replica 1 -> Alex\n";
    let race: Race = text.parse().unwrap();
    let run = rehearse(&race, &|| strategy(&race), &mut |_| {}).unwrap();
    assert_eq!(
        run.complaint().as_deref(),
        Some("line 6: expected Alex, got Alice: the replica had replayed 0/3000080")
    );
}
