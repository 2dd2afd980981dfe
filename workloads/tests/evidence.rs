//! Every way to a green result asks for evidence: where nothing that was judged
//! could have turned out to be wrong, no command exits with 0.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

const HELD: i32 = 0;
const VIOLATED: i32 = 1;
const UNDECIDED: i32 = 2;
const VACUOUS: i32 = 3;
const BAD_INPUT: i32 = 65;

/// The exit code of a command in `folder`, and everything that it said.
fn quarrel(folder: &Path, arguments: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

fn exits(folder: &TempDir, arguments: &str, expected: i32, says: &str) {
    let (code, said) = quarrel(folder.path(), arguments);
    assert_eq!(code, expected, "{arguments}: {said}");
    assert!(said.contains(says), "{arguments}: {said}");
}

fn with(files: &[(&str, &str)]) -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(scratch.path().join(name), text).unwrap();
    }
    scratch
}

#[test]
fn a_race_that_claims_nothing_shows_nothing() {
    let silent = "strategy cache-aside\nkey 1 = Alex, cached nowhere\n\
                  Writer A: UPDATE 1 = Alice\nWriter A: DEL 1\n";
    let answers = format!("{silent}Reader B: GET 1 -> miss\nReader B: SELECT replica 1\n");
    let claims = format!("{silent}Reader B: GET 1\nReader B: SELECT replica 1 !stale\n");
    let scratch =
        with(&[("silent.race", silent), ("answers.race", &answers), ("claims.race", &claims)]);
    exits(&scratch, "replay silent.race --cluster sim", VACUOUS, "vacuous");
    let as_json = "replay silent.race --cluster sim --format json";
    exits(&scratch, as_json, VACUOUS, "\"outcome\": \"vacuous\"");
    exits(&scratch, "shrink silent.race", VACUOUS, "claims nothing");
    exits(&scratch, "replay answers.race --cluster sim", HELD, "reproduced 1 of 1 time");
    exits(&scratch, "replay claims.race --cluster sim", VIOLATED, "reproduced 0 of 1 time");
}

fn line(n: usize, process: usize, kind: &str, f: &str, value: &str) -> String {
    format!(
        "{{\"index\":{n},\"time\":{n},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\
         \"key\":1,\"value\":{value}}}\n"
    )
}

/// Operations one after the other: function and value.
fn file(operations: &[(&str, &str)]) -> String {
    let lines = operations.iter().enumerate().map(|(at, (f, value))| {
        let asked = if *f == "read" { "null" } else { value };
        line(2 * at, at, "invoke", f, asked) + &line(2 * at + 1, at, "ok", f, value)
    });
    lines.collect()
}

#[test]
fn a_file_in_which_no_read_was_at_risk_shows_nothing() {
    let scratch = with(&[
        ("reads.jsonl", &file(&[("read", "null"), ("read", "null")])),
        ("writes.jsonl", &file(&[("write", "1"), ("write", "2")])),
        ("early.jsonl", &file(&[("read", "null"), ("write", "1")])),
        ("good.jsonl", &file(&[("write", "1"), ("read", "1")])),
        ("stale.jsonl", &file(&[("write", "1"), ("write", "2"), ("read", "1")])),
    ]);
    for how in ["", " --stream", " --model register", " --format json"] {
        let says = if how.ends_with("json") { "\"vacuous\"" } else { "vacuous" };
        for empty in ["reads", "writes", "early"] {
            exits(&scratch, &format!("check {empty}.jsonl{how}"), VACUOUS, says);
        }
        exits(&scratch, &format!("check good.jsonl{how}"), HELD, "valid");
        exits(&scratch, &format!("check stale.jsonl{how}"), VIOLATED, "invalid");
    }
}

/// What comes after the end may be wrong; what is wrong before it stays so.
#[test]
fn a_file_that_breaks_off_did_not_hold() {
    let good = file(&[("write", "1"), ("read", "1"), ("read", "1")]);
    let stale = file(&[("write", "1"), ("write", "2"), ("read", "1"), ("read", "2")]);
    let scratch = with(&[
        ("good.jsonl", &good[..good.len() - 9]),
        ("stale.jsonl", &stale[..stale.len() - 9]),
    ]);
    for how in ["", " --stream"] {
        exits(&scratch, &format!("check good.jsonl{how}"), UNDECIDED, "breaks off");
        exits(&scratch, &format!("check stale.jsonl{how}"), VIOLATED, "invalid");
    }
}

/// A run that held, in `results/good`.
fn with_a_run() -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    exits(&scratch, "run primary-only --cluster sim --time 1s --seed 3", HELD, "ok:");
    let latest = fs::canonicalize(scratch.path().join("results/latest")).unwrap();
    fs::rename(latest, scratch.path().join("results/good")).unwrap();
    scratch
}

#[test]
fn a_run_whose_history_breaks_off_did_not_hold() {
    let scratch = with_a_run();
    exits(&scratch, "check good", HELD, "ok:");
    let history = scratch.path().join("results/good/history.jsonl.zst");
    let bytes = fs::read(&history).unwrap();
    // Killed at any moment, however late.
    for missing in [1, 3, bytes.len() / 10] {
        fs::write(&history, &bytes[..bytes.len() - missing]).unwrap();
        exits(&scratch, "check good", UNDECIDED, "breaks off");
    }
}

#[test]
fn a_verdict_that_says_held_without_evidence_is_not_accepted() {
    let scratch = with_a_run();
    exits(&scratch, "review --check good", HELD, "accepted");
    let path = scratch.path().join("results/good/verdict.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut verdict: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&verdict["outcome"], &verdict["exit_code"]), (&"held".into(), &0.into()));
    assert_eq!(verdict["evidence"]["of"], "reads-at-risk");
    verdict["evidence"] = serde_json::Value::Null;
    fs::write(&path, verdict.to_string()).unwrap();
    exits(&scratch, "review --check good", BAD_INPUT, "evidence");
}

/// What is accepted by name says nothing of what was never at stake.
#[test]
fn a_policy_accepts_no_run_that_shows_nothing_else() {
    let scratch = tempfile::tempdir().unwrap();
    let run = "run write-behind --fault failover --fault redis-wipe --cluster sim --seed 3";
    let allow = "review --accept --allow lost-write --allow never-heals --allow dirty-read \
                 --allow phantom-read --allow not-linearizable --reason x";
    exits(&scratch, &format!("{run} --time 6s"), VIOLATED, "error");
    exits(&scratch, allow, HELD, "accepted");
    let path =
        fs::canonicalize(scratch.path().join("results/latest")).unwrap().join("verdict.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut verdict: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(verdict["nothing_at_stake"], serde_json::Value::Null);
    verdict["nothing_at_stake"] = "only 3 reads were at risk".into();
    fs::write(&path, verdict.to_string()).unwrap();
    exits(&scratch, "review --check", VACUOUS, "only 3 reads were at risk");
}

/// The control: a search and a matrix in which reads were at risk.
#[test]
fn a_search_that_judged_something_holds() {
    let scratch = tempfile::tempdir().unwrap();
    let explore = "explore primary-only --clients 2 --fault none";
    exits(&scratch, explore, HELD, "nothing breaks linearizable");
    let matrix = "matrix --strategy primary-only --fault none --expect linearizable";
    exits(&scratch, matrix, HELD, "linearizable");
}
