//! Runs that write one results folder at once lose nothing of each other.

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command, Stdio},
};

use serde_json::Value as Json;

fn run(folder: &std::path::Path, seed: u64) -> Child {
    Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .current_dir(folder)
        .args(["run", "cache-aside", "--fault", "replica-lag", "--cluster", "sim", "--time", "1s"])
        .args(["--seed", &seed.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn runs_at_once_are_all_kept_each_under_its_own_id() {
    let scratch = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..6).map(|seed| run(scratch.path(), seed)).collect();
    for mut child in children {
        assert!(matches!(child.wait().unwrap().code(), Some(0 | 1)));
    }
    let results = scratch.path().join("results");
    let index = fs::read_to_string(results.join("index.jsonl")).unwrap();
    let lines: Vec<Json> = index.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: BTreeSet<&str> = lines.iter().map(|line| line["run"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), names.len()), (6, 6), "{index}");
    let ids: BTreeSet<&str> = names.iter().filter_map(|name| name.rsplit('-').next()).collect();
    assert_eq!(ids.len(), 6, "{names:?}");
    for name in names {
        assert!(results.join(name).join("COMPLETE").is_file(), "{name}");
        assert!(results.join(name).join("verdict.json").is_file(), "{name}");
    }
    assert!(results.join("latest/COMPLETE").is_file());
    let left: Vec<_> = fs::read_dir(&results)
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}
