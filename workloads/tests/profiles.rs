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
        ("[profile.ci", "quarrel.toml, line 1, column 12: "),
        ("[profile.ci]\nseed = 7 8", "quarrel.toml, line 2, column 8: "),
        ("[profil.ci]", "unknown key `profil`; known is profile"),
        ("[profile.ci]\ntime = \"1s\"", "has no [[profile.ci.run]]"),
        (
            "[[profile.ci.run]]\nstrategy = \"x\"\nfaul = \"a\"",
            "line 3, column 1: unknown key `faul`; did you mean `fault`?",
        ),
        ("[[profile.ci.run]]\nstrategy = \"cache-asid\"", "line 1, column 1: "),
        (
            "[[profile.ci.run]]\n  strategy = \"primary-only\"\n  time = [[\"1s\"]]",
            "line 3, column 10: time: expected text or a number",
        ),
        ("[[profile.ci.run]]\nstrategy = \"primary-only\"\ntime = \"soon\"", "line 1, column 1: "),
        (
            "[[profile.ci.run]]\nstrategy = \"primary-only\"\nformat = \"json\"",
            "format is for the command line only",
        ),
        // The first would run.
        (
            "[[profile.ci.run]]\nstrategy = \"primary-only\"\n[[profile.ci.run]]\nstrategy = \"primary-only\"\nfill = \"primary\"",
            "line 3, column 1: ",
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

/// What one run says of memory is not said of the next.
#[test]
fn a_bound_on_memory_is_a_runs_own() {
    let scratch = tempfile::tempdir().unwrap();
    let text = "[profile.ci]\ncluster = \"sim\"\ntime = \"2s\"\nseed = 3\n\
                [[profile.ci.run]]\nstrategy = \"primary-only\"\nmax-memory = \"1MB\"\n\
                [[profile.ci.run]]\nstrategy = \"primary-only\"\n";
    fs::write(scratch.path().join("quarrel.toml"), text).unwrap();
    let (code, said, told) = quarrel(scratch.path(), "run --profile ci --format json");
    let said: Json = serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {told}"));
    assert!(said["runs"][0]["error"].as_str().unwrap().contains("--max-memory"), "{said}");
    assert_eq!(said["runs"][1]["exit_code"], 0, "{told}");
    assert_ne!(code, Some(0));
}

/// Every flag that `quarrel run` has is a key, whatever adds it.
#[test]
fn every_flag_of_run_is_a_key() {
    let scratch = tempfile::tempdir().unwrap();
    let command = quarrel_harness::cli::command(&quarrel_workloads::catalogue());
    let run = command.find_subcommand("run").unwrap();
    let flags: Vec<_> = run.get_arguments().filter_map(|arg| arg.get_long()).collect();
    assert!(flags.contains(&"max-memory") && flags.contains(&"fault"), "{flags:?}");
    for flag in flags.iter().filter(|flag| !["profile", "format"].contains(flag)) {
        // What a flag is given makes no sense, and if it does, the next run does
        // not: nothing is run.
        let text = format!(
            "[[profile.ci.run]]\n{flag} = \"nonsense\"\n[[profile.ci.run]]\nstrategy = \"none\"\n"
        );
        fs::write(scratch.path().join("quarrel.toml"), text).unwrap();
        let (code, said, told) = quarrel(scratch.path(), "run --profile ci");
        assert_eq!(code, Some(65), "{flag}: {said}{told}");
        assert!(!told.contains("unknown key"), "{flag}: {told}");
    }
}

#[test]
fn what_is_told_of_several_redacted_runs_names_no_place_and_keeps_its_form() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("zqproject");
    fs::create_dir(&folder).unwrap();
    let text =
        PROJECT.replace("seed = 3\n\n[[profile.ci.run]]", "redact = true\n[[profile.ci.run]]");
    for (text, line) in [
        (PROJECT, "run --profile ci --redact --format json"),
        (&text, "run --profile ci --format json"),
    ] {
        fs::write(folder.join("quarrel.toml"), text).unwrap();
        let (code, said, told) = quarrel(&folder, line);
        assert!(!told.contains("zqproject") && !said.contains("zqproject"), "{told}{said}");
        let said: Json = serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"));
        assert_eq!(code, said["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok()));
        assert_eq!(said["not_run"], 0);
        assert_eq!(said["runs"][1]["verdict"]["outcome"], "violated");
    }
}

/// An application is named when it is run, and not when its file is looked at.
#[test]
fn no_application_is_told_to_be_run_where_nothing_runs() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("app.toml"), include_str!("../apps/express/app.toml")).unwrap();
    let text = "[[profile.ci.run]]\napp = \"app.toml\"\n\
                [[profile.ci.run]]\nstrategy = \"primary-only\"\nfill = \"primary\"\n";
    fs::write(scratch.path().join("quarrel.toml"), text).unwrap();
    let (code, _, told) = quarrel(scratch.path(), "run --profile ci");
    assert_eq!(code, Some(65), "{told}");
    assert!(told.contains("line 3, column 1: ") && !told.contains("app: "), "{told}");
}

/// Everybody may leave a file in a folder such as `/tmp`.
#[test]
fn a_file_of_somebody_else_in_a_folder_above_is_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("quarrel.toml");
    let below = scratch.path().join("below");
    fs::create_dir(&below).unwrap();
    fs::write(&file, PROJECT).unwrap();
    // Only root can give a file away.
    if std::os::unix::fs::chown(&file, Some(12_345), None).is_err() {
        return;
    }
    let (code, said, told) = quarrel(&below, "run --profile ci");
    assert_eq!((code, said.as_str()), (Some(64), ""), "{told}");
    assert!(told.contains("belongs to somebody else"), "{told}");
    // In its own folder it is what was meant.
    let (code, _, told) = quarrel(scratch.path(), "run --profile ci --time 1s");
    assert_eq!(code, Some(1), "{told}");
    // So is a link to a file of one's own, if somebody else made the link.
    let own = below.join("own.toml");
    fs::write(&own, PROJECT).unwrap();
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&own, &file).unwrap();
    std::os::unix::fs::lchown(&file, Some(12_345), None).unwrap();
    let (code, _, told) = quarrel(&below, "run --profile ci");
    assert!(code == Some(64) && told.contains("belongs to somebody else"), "{told}");
}
