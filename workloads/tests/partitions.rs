//! Work split over machines that do not know of each other, and joined again:
//! `--partition I/N` and `quarrel merge`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value as Json;

/// The exit code, what was printed, and what was told beside it.
fn quarrel(folder: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    let out = command.args(line.split_whitespace()).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

/// Runs every share of a command, each with a results folder of its own; the
/// folders, and the exit codes.
fn shares(folder: &Path, line: &str, of: usize) -> (Vec<String>, Vec<i32>) {
    let share = |number: usize| {
        let results = format!("shares/{number}");
        let line = format!("{line} --partition {number}/{of} --results {results}");
        let (code, _, told) = quarrel(folder, &line);
        assert!(code < 4, "{line}: {code}: {told}");
        (results, code)
    };
    (1..=of).map(share).unzip()
}

/// Joins the shares in `folders`; the exit code, and what was found of the one
/// command.
fn merged(folder: &Path, folders: &[String]) -> (i32, Json) {
    let line = format!("merge {} --results whole --format json", folders.join(" "));
    let (code, said, told) = quarrel(folder, &line);
    let json: Json = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{told}"));
    assert_eq!(json["exit_code"], code);
    assert_eq!(json["merged"].as_array().unwrap().len(), 1, "{json:#}");
    (code, json["merged"][0].clone())
}

/// The folder of the one result of a kind.
fn result(root: &Path, kind: &str) -> PathBuf {
    let names = fs::read_dir(root).unwrap().flatten().map(|entry| entry.path());
    let mut found: Vec<_> =
        names.filter(|path| path.to_string_lossy().contains(&format!("-{kind}-"))).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// A file but for what no two runs of one command have in common.
fn but_for_name_and_time(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let differs = |line: &&str| {
        let line = line.trim_start();
        !line.starts_with("\"name\":") && !line.starts_with("\"began\":")
    };
    text.lines().filter(differs).collect::<Vec<_>>().join("\n")
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> Vec<(String, String)> {
    fn walk(root: &Path, at: &Path, into: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(at).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, into);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                into.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

#[test]
fn eight_shares_of_a_matrix_are_the_matrix_of_one_machine() {
    let scratch = tempfile::tempdir().unwrap();
    let line = "matrix --strategy cache-aside --strategy ttl-only --fault none \
                --fault replica-lag --max-states 2000";
    let (alone, ..) = quarrel(scratch.path(), &format!("{line} --results alone"));
    let (folders, _) = shares(scratch.path(), line, 8);
    let (code, found) = merged(scratch.path(), &folders);
    assert_eq!((code, &found["missing"]), (alone, &Json::Array(Vec::new())));
    let (alone, whole) = (
        result(&scratch.path().join("alone"), "matrix"),
        result(&scratch.path().join("whole"), "matrix"),
    );
    let of = |folder: &Path| but_for_name_and_time(&folder.join("matrix.json"));
    assert_eq!(of(&whole), of(&alone));
    let races = files(&alone.join("races"));
    assert!(races.len() > 2, "{races:?}");
    assert_eq!(files(&whole.join("races")), races);
}

#[test]
fn a_share_that_is_not_there_is_open_and_hides_no_violation() {
    let scratch = tempfile::tempdir().unwrap();
    let line = "matrix --strategy primary-only --strategy cache-aside \
                --fault none --fault replica-lag --expect linearizable";
    let (folders, codes) = shares(scratch.path(), line, 4);
    assert!(codes.contains(&0) && codes.contains(&1), "{codes:?}");
    let of = |wanted: i32| {
        let pairs = folders.iter().zip(&codes).filter(|(_, code)| **code == wanted);
        pairs.map(|(folder, _)| folder.clone()).collect::<Vec<_>>()
    };
    let (code, found) = merged(scratch.path(), &of(0));
    assert_eq!(code, 2, "{found:#}");
    assert!(!found["missing"].as_array().unwrap().is_empty());
    let (code, _) = merged(scratch.path(), &of(1));
    assert_eq!(code, 1);

    // The same share twice is two answers to one question.
    let (code, _, told) =
        quarrel(scratch.path(), &format!("merge {0} {0} --results whole", folders[0]));
    assert!(code == 64 && told.contains("name one of them"), "{code}: {told}");
    let (code, _, told) = quarrel(scratch.path(), "merge . --results whole");
    assert!(code == 64 && told.contains("--partition I/N"), "{code}: {told}");
}

#[test]
fn runs_of_a_profile_are_shared_by_how_long_they_last() {
    let scratch = tempfile::tempdir().unwrap();
    let project = r#"
        [profile.ci]
        cluster = "sim"
        seed = 3
        [[profile.ci.run]]
        strategy = "primary-only"
        time = "9s"
        [[profile.ci.run]]
        strategy = "cache-aside"
        fault = "replica-lag"
        time = "1s"
        [[profile.ci.run]]
        strategy = "primary-only"
        fault = "replica-lag"
        time = "2s"
    "#;
    fs::write(scratch.path().join("quarrel.toml"), project).unwrap();
    let (folders, codes) = shares(scratch.path(), "run --profile ci", 2);
    // The long one alone, the short ones together.
    assert_eq!(codes, [0, 1]);
    let (code, found) = merged(scratch.path(), &folders);
    assert_eq!(code, 1, "{found:#}");
    let runs = found["found"]["runs"].as_array().unwrap();
    let outcomes: Vec<_> = runs.iter().map(|run| run["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["held", "violated", "held"]);
    // They are runs like any other where they are now.
    let (code, said, _) = quarrel(scratch.path(), "list --results whole --format json");
    let listed: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((code, listed["runs"].as_array().unwrap().len()), (0, 3), "{said}");
    // A share of nothing has shown nothing.
    let line = "run --profile ci --partition 9/9 --results none";
    assert_eq!(quarrel(scratch.path(), line).0, 3);
}

#[test]
fn pairs_of_a_bench_are_joined_in_their_order() {
    let scratch = tempfile::tempdir().unwrap();
    // Words of a run are one word of the command line here.
    let line = "bench detection cache-aside write-through --control primary-only --cluster sim \
                --seeds 2 --time 2s";
    let (folders, _) = shares(scratch.path(), line, 2);
    let (code, _) = merged(scratch.path(), &folders);
    let (alone, ..) = quarrel(scratch.path(), &format!("{line} --results alone"));
    assert_eq!(code, alone);
    let of = |root: &str| {
        let folder = result(&scratch.path().join(root), "detection");
        let text = but_for_name_and_time(&folder.join("detection.json"));
        // Which name a kept run got is chance.
        text.lines().filter(|line| !line.contains("\"kept\"")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(of("whole"), of("alone"));
}

/// Each share of the keys has too few reads that could have been stale; all of
/// them together have enough.
#[test]
fn whether_enough_was_at_stake_is_asked_of_all_keys_together() {
    let scratch = tempfile::tempdir().unwrap();
    let line = "run primary-only --cluster sim --time 1s --rate 260 --seed 1 --keys 8";
    let (code, _, told) = quarrel(scratch.path(), line);
    assert_eq!(code, 0, "{told}");
    let run = result(&scratch.path().join("results"), "primary-only");
    let check = format!("check {}", run.display());
    let (folders, codes) = shares(scratch.path(), &check, 3);
    assert_eq!(codes, [3, 3, 3]);
    let (code, found) = merged(scratch.path(), &folders);
    assert_eq!(code, 0, "{found:#}");
    let (_, said, _) = quarrel(scratch.path(), &format!("{check} --format json"));
    let alone: Json = serde_json::from_str(&said).unwrap();
    for name in ["reads", "reads_at_risk", "stale_reads"] {
        assert_eq!(found["found"][name], alone["metrics"][name], "{name}");
    }
}

#[test]
fn a_violation_of_one_key_is_one_of_the_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let line = "run cache-aside --fault replica-lag --cluster sim --time 2s --seed 1 --keys 6";
    let (code, _, told) = quarrel(scratch.path(), line);
    assert_eq!(code, 1, "{told}");
    let run = result(&scratch.path().join("results"), "cache-aside");
    let check = format!("check {}", run.display());
    let (folders, _) = shares(scratch.path(), &check, 3);
    let (code, found) = merged(scratch.path(), &folders);
    assert_eq!(code, 1);
    let (_, said, _) = quarrel(scratch.path(), &format!("{check} --format json"));
    let alone: Json = serde_json::from_str(&said).unwrap();
    assert!(alone["metrics"]["stale_reads"].as_u64().unwrap() > 100);
    for name in ["reads", "reads_at_risk", "stale_reads"] {
        assert_eq!(found["found"][name], alone["metrics"][name], "{name}");
    }
}

#[test]
fn beginnings_of_a_search_are_shared_and_the_shortest_break_is_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    for strategy in ["cache-aside", "primary-only"] {
        let line = format!("explore {strategy}");
        let (alone, said, _) = quarrel(scratch.path(), &format!("{line} --format json"));
        let alone_found: Json = serde_json::from_str(&said).unwrap();
        let (folders, _) = shares(scratch.path(), &line, 4);
        let (code, found) = merged(scratch.path(), &folders);
        assert_eq!(code, alone, "{found:#}");
        assert_eq!(found["found"]["broken"]["race"], alone_found["broken"]["race"]);
        fs::remove_dir_all(scratch.path().join("shares")).unwrap();
    }
}
