//! What a file says is told from what the command line says, in every command
//! alike: exit code 65 with the place in the file, and 64.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

const BAD_INPUT: i32 = 65;
const USAGE: i32 = 64;

/// The exit code of a command in `folder`, and what it said on standard error.
fn quarrel(folder: &Path, arguments: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A folder with a run, `good`, in `results`.
fn with_a_run() -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let run = "run cache-aside --fault replica-lag --cluster sim --time 1s --seed 3";
    assert_eq!(quarrel(scratch.path(), run).0, Some(1));
    let latest = fs::canonicalize(scratch.path().join("results/latest")).unwrap();
    fs::rename(latest, scratch.path().join("results/good")).unwrap();
    scratch
}

/// A copy of the run whose `file` went through `change`.
fn spoiled(scratch: &TempDir, file: &str, change: impl FnOnce(&str) -> String) {
    let folder = scratch.path().join("results/bad");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(scratch.path().join("results/good")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    let text = fs::read_to_string(folder.join(file)).unwrap();
    fs::write(folder.join(file), change(&text)).unwrap();
}

const READERS_OF_A_RUN: [&str; 4] =
    ["check bad", "report bad", "replay bad --cluster sim", "shrink bad --cluster sim"];

#[test]
fn what_is_wrong_in_a_run_is_told_with_its_place() {
    let scratch = with_a_run();
    let told = |expected: &str| {
        for command in READERS_OF_A_RUN {
            let (code, said) = quarrel(scratch.path(), command);
            assert_eq!(code, Some(BAD_INPUT), "{command}: {said}");
            assert!(said.contains(expected), "{command}: {said}");
        }
    };
    spoiled(&scratch, "run.toml", |text| format!("{text}\n[options\n"));
    told("results/bad/run.toml, line ");
    spoiled(&scratch, "run.toml", |text| text.replace("\"linearizable\"", "\"lineal\""));
    told("results/bad/run.toml: expect: ");
    spoiled(&scratch, "run.toml", |text| text.replace("\"register\"", "\"registre\""));
    told("results/bad/run.toml: workload: ");
    spoiled(&scratch, "probes.jsonl", |text| format!("{text}{{}}\n"));
    told("results/bad/probes.jsonl, line ");
    spoiled(&scratch, "faults.jsonl", |_| "{\"at\": 1}\n".to_owned());
    told("results/bad/faults.jsonl, line 1, column 9: missing field");
    fs::write(scratch.path().join("results/bad/history.jsonl.zst"), "{}\n").unwrap();
    spoiled(&scratch, "probes.jsonl", str::to_owned);
    fs::remove_file(scratch.path().join("results/bad/history.jsonl.zst")).unwrap();
    told("results/bad/history.jsonl.zst: No such file");
    fs::write(scratch.path().join("results/bad/history.jsonl.zst"), "{}\n").unwrap();
    told("results/bad/history.jsonl.zst, line 1, column 2: missing field");
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_place() {
    let scratch = with_a_run();
    let run = "run cache-aside --cluster sim --time 1s --seed 1";
    for (file, text, command, expected) in [
        (
            "a.race",
            "strategy cache-aside\nReader A: FETCH me",
            "replay a.race",
            ", line 2, column 17: expected an object",
        ),
        (
            "a.race",
            "key 1 = Alex, cached\n",
            "replay a.race",
            ", line 1, column 1: expected a line that names the strategy",
        ),
        ("a.race", "\nstrategy cache-asid\n", "replay a.race", ", line 2, column 1: "),
        ("a.race", "strategy cache-aside --odd 1\n", "shrink a.race", ", line 1, column 1: "),
        (
            "a.race",
            "strategy cache-aside\nSomebody: GET 1\n",
            "replay a.race --cluster sim",
            "line 2, column 1: expected what Somebody begins",
        ),
        ("policy.toml", "[strategy.x]\nodd = 1\n", "review --check", "policy"),
        ("policy.toml", "[strategy.x]\nodd = 1\n", "run --policy policy.toml", "policy"),
        (
            "s.txt",
            "seed 1\nt=1s break redis-cut\n",
            "run --schedule s.txt",
            "s.txt, line 2: expected `t=TIME",
        ),
        ("s.toml", "seed = \n", "run --schedule s.toml", "s.toml, line 1, column "),
        ("h.jsonl", "{\"index\": true}\n", "check h.jsonl", "h.jsonl: "),
    ] {
        fs::write(scratch.path().join(file), text).unwrap();
        let command = command.replace("run ", &format!("{run} "));
        let (code, said) = quarrel(scratch.path(), &command);
        assert_eq!(code, Some(BAD_INPUT), "{command}: {said}");
        assert!(said.contains(expected), "{command}: {said}");
    }
    let head = "strategy primary-only\nkey 1 = Alex, cached nowhere\n".to_owned();
    let many = (0..140).fold(head, |text, _| text + "Reader A: SELECT primary 1\n");
    fs::write(scratch.path().join("many.race"), many).unwrap();
    for command in ["replay many.race --cluster sim", "shrink many.race"] {
        let (code, said) = quarrel(scratch.path(), command);
        assert_eq!(code, Some(BAD_INPUT), "{command}: {said}");
        let expected = "line 130, column 1: expected at most 128 operations";
        assert!(said.contains(expected), "{command}: {said}");
    }
    fs::remove_file(scratch.path().join("policy.toml")).unwrap();
    spoiled(&scratch, "verdict.json", |_| "{\n\"run\": 1}".to_owned());
    let (code, said) = quarrel(scratch.path(), "review --check bad");
    assert_eq!(code, Some(BAD_INPUT), "{said}");
    assert!(said.contains("results/bad/verdict.json, line 2, column "), "{said}");
}

#[test]
fn no_fault_is_a_word_of_explore_too() {
    let scratch = tempfile::tempdir().unwrap();
    let ask =
        |fault: &str| quarrel(scratch.path(), &format!("explore cache-aside --clients 2 {fault}"));
    assert_eq!(ask("--fault none").0, Some(0), "two clients and no lag: nothing is stale");
    assert_eq!(ask("").0, Some(1), "the replica is behind unless others are named");
}

#[test]
fn what_is_wrong_on_the_command_line_is_usage() {
    let scratch = tempfile::tempdir().unwrap();
    for command in [
        "check nothing",
        "report nothing",
        "replay nothing",
        "replay nothing.race",
        "shrink nothing.race",
        "review nothing",
        "run cache-asid",
        "run cache-aside --cluster sim --schedule nothing.txt",
        "run cache-aside --cluster sim --policy nothing.toml",
        "explain nothing",
        "explore cache-asid",
        "run cache-aside --cluster sim --fault redis-limit=1000000MB",
        "run cache-aside --cluster sim --fault manual-sql=0ms",
        "run cache-aside --cluster sim --time 18446744073709551615h",
        "run cache-aside --cluster sim --time 2000000000000ms",
        "check --odd",
        "explore cache-aside --max-states 0",
        "matrix --strategy cache-aside --max-states 0",
        // Everybody who can reach it could write.
        "serve --notes --host 0.0.0.0 --port 0",
        "serve --notes --host :: --port 0",
    ] {
        let (code, said) = quarrel(scratch.path(), command);
        assert_eq!(code, Some(USAGE), "{command}: {said}");
    }
}
