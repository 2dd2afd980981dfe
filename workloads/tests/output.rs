//! A reader that has seen enough takes neither results nor exit codes away.

use std::{
    fs,
    io::Read as _,
    process::{Command, Stdio},
};

fn quarrel(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The exit code and what standard error said, if nobody reads what is
/// printed.
fn unread(arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = quarrel(arguments).spawn().unwrap();
    // As `head` does when it has its lines.
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn a_run_whose_output_nobody_reads_ends_with_its_verdict_and_its_results() {
    let scratch = tempfile::tempdir().unwrap();
    let results = scratch.path().to_str().unwrap();
    let run = ["run", "cache-aside", "--fault", "replica-lag", "--cluster", "sim", "--time", "2s"];
    let arguments = [&run[..], &["--seed", "3", "--results", results]].concat();
    let (code, said) = unread(&arguments);
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("error") && !said.contains("panicked"), "{said}");
    let latest = scratch.path().join("latest");
    for file in ["COMPLETE", "verdict.json", "report.html"] {
        assert!(latest.join(file).is_file(), "{file}");
    }
    let (code, said) = unread(&["check", "latest", "--results", results]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
}

#[test]
fn no_list_minds_a_reader_that_has_gone() {
    let scratch = tempfile::tempdir().unwrap();
    let results = scratch.path().to_str().unwrap();
    for arguments in [
        &["strategies"][..],
        &["faults"],
        &["workloads"],
        &["explain"],
        &["explain", "stale-read"],
        &["list", "--results", results],
        &["--help"],
        &["run", "--help"],
    ] {
        assert_eq!(unread(arguments), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn a_standard_error_that_nobody_reads_costs_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let results = scratch.path().to_str().unwrap();
    let run = ["run", "primary-only", "--cluster", "sim", "--time", "1s", "--results", results];
    let mut child = quarrel(&run).spawn().unwrap();
    drop(child.stderr.take());
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{told}");
    assert!(told.starts_with("ok: 0 stale"), "{told}");
    assert!(scratch.path().join("latest/COMPLETE").is_file());
}

#[test]
fn a_full_disk_is_no_verdict() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let out = quarrel(&["faults"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(4), "{said}");
    assert!(said.contains("standard output: No space left"), "{said}");
}

#[test]
fn a_policy_decides_on_a_violation_and_on_nothing_else() {
    let scratch = tempfile::tempdir().unwrap();
    let results = scratch.path().join("results");
    let policy = scratch.path().join("policy.toml");
    let paths = (results.to_str().unwrap(), policy.to_str().unwrap());
    let run = |more: &[&str]| {
        let run = ["run", "cache-aside", "--fault", "replica-lag", "--cluster", "sim"];
        let rest = ["--time", "2s", "--seed", "3", "--results", paths.0, "--policy", paths.1];
        let out = quarrel(&[&run[..], &rest, more].concat()).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    assert_eq!(run(&[]).0, Some(64), "a policy that is not there");
    let bounds = |text: &str| fs::write(&policy, text).unwrap();
    bounds("[strategy.write-through]\nstale_max = \"9s\"");
    let (code, told) = run(&[]);
    assert!(code == Some(1) && told.contains("accepted: 0 ms"), "{told}");
    bounds("[strategy.cache-aside]\nstale_max = \"9s\"");
    let (code, told) = run(&[]);
    assert!(code == Some(0) && told.contains("accepted by"), "{told}");
    bounds("[strategy.cache-aside]\nstale_max = \"9s\"\ndeny = [\"replica-lag-refill\"]");
    let (code, told) = run(&["--retries", "3"]);
    assert!(code == Some(1) && told.contains("no replica-lag-refill"), "{told}");
    let runs = fs::read_dir(&results).unwrap().flatten();
    // Not the link to the latest.
    let runs = runs.filter(|entry| entry.file_type().unwrap().is_dir()).count();
    assert_eq!(runs, 3, "a verdict is never tried again");
    let (code, _) = run(&["--budget", "2s"]);
    assert_eq!(code, Some(64), "a budget that leaves no time for the report");
}
