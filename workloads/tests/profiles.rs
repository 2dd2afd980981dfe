//! The runs of a project: `quarrel.toml`, `quarrel init` and `run --profile`.

use std::{fs, path::Path, process::Command};

use serde_json::Value as Json;

/// The exit code, what was printed, and what was told beside it.
fn quarrel(folder: &Path, line: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    let out = command.args(line.split_whitespace()).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

#[test]
fn init_writes_a_file_whose_profiles_run() {
    let scratch = tempfile::tempdir().unwrap();
    let (code, said, told) = quarrel(scratch.path(), "init");
    assert_eq!(code, Some(0), "{told}");
    assert!(said.contains("quarrel run --profile ci"), "{said}");
    let (code, _, told) = quarrel(scratch.path(), "init");
    assert!(code == Some(64) && told.contains("exists already"), "{told}");

    // It is found from below, and named before anything of it runs; flags hold
    // for all of its runs.
    let below = scratch.path().join("src/deep");
    fs::create_dir_all(&below).unwrap();
    let line = "run --profile ci --cluster sim --time 2s";
    let (code, said, told) = quarrel(&below, line);
    assert_eq!(code, Some(0), "{said}{told}");
    let project = scratch.path().join("quarrel.toml");
    let first = told.lines().next().unwrap();
    assert!(first.ends_with("quarrel.toml, profile ci: 2 runs"), "{first}");
    assert!(first.contains(&project.display().to_string()), "{first}");
    let held = said.lines().filter(|line| line.trim_start().starts_with("held ")).count();
    assert_eq!(held, 2, "{said}");
    assert!(told.contains("--time=2s") && !told.contains("20s"), "{told}");
}

const PROJECT: &str = r#"
[profile.ci]
cluster = "sim"
time = "2s"
seed = 3

[[profile.ci.run]]
strategy = "primary-only"

[[profile.ci.run]]
strategy = "cache-aside"
fault = "replica-lag"

[profile.accepted]
cluster = "sim"
policy = "policy.toml"

[[profile.accepted.run]]
strategy = "cache-aside"
fault = "replica-lag"
time = "2s"
seed = 3
"#;

#[test]
fn several_runs_have_one_summary_and_the_gravest_exit_code() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("quarrel.toml"), PROJECT).unwrap();
    let (code, said, told) = quarrel(scratch.path(), "run --profile ci --format json");
    assert_eq!(code, Some(1), "{told}");
    let told: Json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(told["exit_code"], 1);
    let codes: Vec<_> = told["runs"].as_array().unwrap().iter().map(|r| &r["exit_code"]).collect();
    assert_eq!(codes, [0, 1]);
    assert_eq!(told["runs"][1]["verdict"]["outcome"], "violated");

    // What a policy accepts is green; the policy lies beside the file.
    let (code, _, told) = quarrel(scratch.path(), "review --accept --reason known");
    assert_eq!(code, Some(0), "{told}");
    let below = scratch.path().join("below");
    fs::create_dir(&below).unwrap();
    let (code, said, told) = quarrel(&below, "run --profile accepted");
    assert_eq!(code, Some(0), "{said}{told}");
    assert!(said.contains("accepted "), "{said}");
    // One document for a program, whatever the policy has to say.
    let (code, said, told) = quarrel(&below, "run --profile accepted --format json");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("accepted by "), "{told}");
    let said: Json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(said["exit_code"], 0);
}

#[test]
fn a_file_that_makes_no_sense_runs_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (code, _, told) = quarrel(scratch.path(), "run --profile ci");
    assert!(code == Some(64) && told.contains("quarrel init writes one"), "{told}");
    for (text, wanted) in [
        ("[profile.ci", "quarrel.toml, line 1"),
        ("[profil.ci]", "unknown key `profil`; known is profile"),
        ("[profile.ci]\ntime = \"1s\"", "has no [[profile.ci.run]]"),
        (
            "[[profile.ci.run]]\nstrategy = \"x\"\nfaul = \"a\"",
            "line 3, column 1: unknown key `faul`; did you mean `fault`?",
        ),
        ("[[profile.ci.run]]\nstrategy = \"cache-asid\"", "line 1: "),
        ("[[profile.ci.run]]\nstrategy = \"primary-only\"\ntime = \"soon\"", "line 1, column 1: "),
        (
            "[[profile.ci.run]]\nstrategy = \"primary-only\"\nformat = \"json\"",
            "format is for the command line only",
        ),
        // The first would run.
        (
            "[[profile.ci.run]]\nstrategy = \"primary-only\"\n[[profile.ci.run]]\nstrategy = \"primary-only\"\nfill = \"primary\"",
            "line 3: ",
        ),
    ] {
        fs::write(scratch.path().join("quarrel.toml"), text).unwrap();
        let (code, said, told) = quarrel(scratch.path(), "run --profile ci --cluster sim");
        assert_eq!(code, Some(65), "{text}: {said}{told}");
        assert!(told.contains(wanted), "{text}: {told}");
        assert!(!scratch.path().join("results").exists(), "{text}");
    }
    fs::write(scratch.path().join("quarrel.toml"), PROJECT).unwrap();
    let (code, _, told) = quarrel(scratch.path(), "run --profile c");
    assert!(code == Some(64) && told.contains("has no profile `c`; "), "{told}");
}
