//! Recorded histories with known verdicts. They belong to their projects and
//! are not part of this one: they are read from `histories` beside the clone,
//! where they lie there.

use std::{fs, path::PathBuf};

use quarrel_checkers::{
    Budget, Checker, Class, History, Validity,
    formats::{self, Format, ImportOptions},
    models,
    search::{Engine, Failures, Linearizable, Partition},
    transactions::ListAppend,
};

/// A folder of the corpora; none, said aloud, if they are not there.
fn corpus(name: &str) -> Option<PathBuf> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories").join(name);
    if !folder.is_dir() {
        eprintln!("NOT CHECKED: no corpus at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn history(path: &PathBuf) -> (History, Format) {
    let bytes = fs::read(path).expect("the corpus can be read");
    let imported = formats::parse(&bytes, &ImportOptions::default());
    let imported = imported.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (imported.history, imported.format)
}

#[test]
fn porcupines_etcd_logs_have_the_verdicts_of_porcupine() {
    let Some(folder) = corpus("porcupine") else { return };
    let verdicts = fs::read_to_string(folder.join("verdicts.txt")).expect("verdicts are there");
    let mut checked = 0;
    for line in verdicts.lines() {
        let (name, expected) = line.split_once(' ').expect("a name and a verdict");
        let (history, format) = history(&folder.join(format!("{name}.log")));
        assert_eq!(format, Format::JepsenLog);
        let expected = if expected == "ok" { Validity::Valid } else { Validity::Invalid };
        for engine in [Engine::JustInTime, Engine::DepthFirst, Engine::Competition] {
            let checker = Linearizable::new(models::CasRegister).failures(Failures::Observed);
            let verdict = checker.engine(engine).check(&history, Budget::default());
            assert_eq!(verdict.validity, expected, "{name} by {engine:?}");
        }
        checked += 1;
    }
    assert_eq!(checked, 52, "the corpus is complete");
}

#[test]
fn porcupines_key_value_logs_are_what_their_names_say() {
    let Some(folder) = corpus("porcupine") else { return };
    for name in ["c01-ok", "c01-bad", "c10-ok", "c10-bad"] {
        let (history, format) = history(&folder.join(format!("kv-{name}.txt")));
        assert_eq!(format, Format::Edn);
        let expected = if name.ends_with("ok") { Validity::Valid } else { Validity::Invalid };
        for partition in [Partition::ByKey, Partition::Whole] {
            let checker = Linearizable::new(models::Map).partition(partition);
            let verdict = checker.check(&history, Budget::default());
            assert_eq!(verdict.validity, expected, "{name} {partition:?}");
        }
    }
}

#[test]
fn knossos_histories_are_what_their_names_say() {
    let Some(folder) = corpus("knossos") else { return };
    let mut checked = 0;
    for entry in fs::read_dir(folder).expect("the corpus can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (history, _) = history(&path);
        let expected = if name.starts_with("good") { Validity::Valid } else { Validity::Invalid };
        let verdict = Linearizable::new(models::CasRegister).check(&history, Budget::default());
        assert_eq!(verdict.validity, expected, "{name}: {:?}", verdict.undecided);
        checked += 1;
    }
    assert!(checked >= 8, "{checked} histories");
}

#[test]
fn the_history_of_the_elle_paper_is_not_serializable() {
    let Some(folder) = corpus("elle-cli") else { return };
    for name in ["elle-paper-example.edn", "elle-paper-example.json"] {
        let (history, _) = history(&folder.join(name));
        let verdict = ListAppend::default().check(&history, Budget::default());
        let classes: Vec<Class> = verdict.anomalies.iter().map(|a| a.class).collect();
        assert_eq!(classes, [Class::GSingle], "{name}: {:?}", verdict.anomalies);
    }
}

#[test]
fn every_recorded_history_can_be_read() {
    for project in ["elle-cli", "knossos"] {
        let Some(folder) = corpus(project) else { return };
        for entry in fs::read_dir(folder).expect("the corpus can be read") {
            let path = entry.expect("an entry").path();
            let (history, _) = history(&path);
            assert!(!history.events.is_empty(), "{}", path.display());
        }
    }
}
