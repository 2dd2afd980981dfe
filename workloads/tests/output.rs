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

/// The exit code and what was said in `folder`, printed or told.
fn said_in(folder: &tempfile::TempDir, line: &str) -> (Option<i32>, String) {
    let mut command = quarrel(&line.split_whitespace().collect::<Vec<_>>());
    let out = command.current_dir(folder).output().unwrap();
    let text = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8_lossy(&text).into_owned())
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
    let case = |faults: &str, more: &str| {
        bounds(&format!(
            "[[case]]\nstrategy = \"cache-aside\"\ncluster = \"sim\"\nfaults = [{faults}]\n\
             stale_max = \"9s\"\n{more}"
        ));
    };
    case("", "");
    let (code, told) = run(&[]);
    assert!(code == Some(1) && told.contains("(policy: 0.000 %, 0 ms)"), "{told}");
    case("\"replica-lag\"", "");
    let (code, told) = run(&[]);
    assert!(code == Some(0) && told.contains("accepted by"), "{told}");
    case("\"replica-lag\"", "deny = [\"replica-lag-refill\"]");
    let (code, told) = run(&["--retries", "3"]);
    assert!(code == Some(1) && told.contains("  replica-lag-refill: "), "{told}");
    let runs = fs::read_dir(&results).unwrap().flatten();
    // Not the link to the latest.
    let runs = runs.filter(|entry| entry.file_type().unwrap().is_dir()).count();
    assert_eq!(runs, 3, "a verdict is never tried again");
    let (code, _) = run(&["--budget", "2s"]);
    assert_eq!(code, Some(64), "a budget that leaves no time for the report");
}

/// The numbers of a verdict are those of its races, also where the workload
/// has a check of its own; and what no race can claim is performed as nothing
/// else.
#[test]
fn a_race_is_about_the_anomaly_whose_number_it_has() {
    let scratch = tempfile::tempdir().unwrap();
    let quarrel = |line: &str| said_in(&scratch, line);
    let storm = "run cache-aside --cluster sim --time 3s --seed 3 --results lu";
    let (code, told) = quarrel(&format!("{storm} --workload counter"));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("error[lost-update/unchecked-write]"), "{told}");
    assert!(
        told.contains("extent: at least 100 updates lost") || told.contains("updates lost, beside"),
        "{told}"
    );
    assert!(!told.contains("reproduce: "), "{told}");
    assert!(
        told.contains("run again: quarrel run cache-aside --cluster sim --workload counter"),
        "{told}"
    );
    let verdict = fs::read(scratch.path().join("lu/latest/verdict.json")).unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&verdict).unwrap();
    let anomalies = verdict["anomalies"].as_array().unwrap();
    assert_eq!(anomalies[0]["class"], "lost-update");
    for command in ["replay latest:1 --cluster sim", "shrink latest:1 -n 0"] {
        let (code, told) = quarrel(&format!("{command} --results lu"));
        assert_eq!(code, Some(2), "{told}");
        assert!(
            told.contains("is of class lost-update, which no line of a race can claim"),
            "{told}"
        );
    }
    let (code, told) =
        quarrel(&format!("replay latest:{} --cluster sim --results lu", anomalies.len() + 1));
    assert_eq!(code, Some(64), "{told}");
    let stale = anomalies.iter().position(|anomaly| anomaly["class"] == "stale-read").unwrap() + 1;
    let (code, told) = quarrel(&format!("shrink latest:{stale} -n 0 --results lu"));
    assert_eq!(code, Some(0), "{told}");
    for number in 1..=anomalies.len() {
        let place = scratch.path().join(format!("lu/latest/anomalies/{number}/min.race"));
        let Ok(race) = fs::read_to_string(place) else { continue };
        let anomaly = &anomalies[number - 1];
        let class = anomaly["class"].as_str().unwrap();
        assert!(race.contains(&format!(": {class}")), "{race}");
        assert!(race.contains(&format!("key {} ", anomaly["key"])), "{race}");
    }
    assert!(!scratch.path().join("lu/latest/anomalies/1/min.race").exists());
    // What is printed works wherever the results are.
    let (_, told) = quarrel(storm);
    let printed = told.lines().find_map(|line| line.split_once("reproduce: quarrel ")).unwrap().1;
    let (code, told) = quarrel(&format!("{printed} --cluster sim"));
    assert_eq!(code, Some(0), "{told}");
}

/// The loss of data is not accepted with the staleness beside it, and a run
/// that showed nothing is not accepted at all.
#[test]
fn a_review_accepts_by_name_what_is_worse_than_staleness() {
    let scratch = tempfile::tempdir().unwrap();
    let quarrel = |line: &str| said_in(&scratch, line);
    let storm = "run cache-aside --cluster sim --time 2s --seed 1";
    let (code, told) = quarrel(&format!("{storm} --fault failover"));
    assert_eq!(code, Some(1), "{told}");
    let (code, told) = quarrel("review");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("is no terminal, so nothing is asked"), "{told}");
    let (code, told) = quarrel("review --accept");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("--allow lost-write would"), "{told}");
    assert!(told.contains("+ stale_max ="), "{told}");
    let (code, told) = quarrel(&format!("{storm} --fault failover --policy policy.toml"));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("(policy: never)"), "{told}");
    let (_, told) = quarrel("review --accept --allow lost-write --reason rehearsed");
    assert!(told.contains("+ allow = [\"lost-write\"]"), "{told}");
    assert!(told.contains("+ reason = \"rehearsed\""), "{told}");
    // Another case of the same strategy is another question.
    quarrel(&format!("{storm} --fault replica-lag"));
    let (code, told) = quarrel("review --check latest");
    assert_eq!(code, Some(1), "{told}");
    let (_, json) = quarrel("review --format json latest");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["ruling"], "beyond");
    assert_eq!(json[0]["case"]["faults"][0], "replica-lag");
    let (code, told) = quarrel("run primary-only --cluster sim --time 10ms --results vac");
    assert_eq!(code, Some(3), "{told}");
    let (code, told) = quarrel("review --check --results vac --policy none.toml");
    assert_eq!(code, Some(3), "{told}");
    assert!(told.starts_with("vacuous    primary-only × no fault on sim"), "{told}");
    let (code, told) = quarrel("review --check --results nothing");
    assert_eq!(code, Some(3), "{told}");
}

#[test]
fn a_search_in_which_nobody_reads_is_refused() {
    let output = quarrel(&["explore", "cache-aside", "--clients", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
}

#[test]
fn every_list_is_json_when_asked() {
    for (list, known) in
        [("strategies", "cache-aside"), ("workloads", "register"), ("faults", "replica-lag")]
    {
        let output = quarrel(&[list, "--format", "json"]).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let names: Vec<_> =
            json.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
        assert!(names.contains(&known), "{names:?}");
    }
    let output = quarrel(&["doctor", "--format", "json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<_> = json.as_array().unwrap().iter().map(|one| &one["cluster"]).collect();
    for kind in ["docker", "native", "sim"] {
        assert!(kinds.iter().any(|known| *known == kind), "{kinds:?}");
    }
}

fn json(arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let output = quarrel(arguments).output().unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{arguments:?}: {error}: {}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code(), json)
}

#[test]
fn what_races_show_is_json_when_asked() {
    let (code, found) = json(&["explore", "cache-aside", "--clients", "2", "--format", "json"]);
    assert_eq!((code, &found["broken"]["claim"]), (Some(1), &"!stale".into()));
    assert!(found["broken"]["race"].as_str().unwrap().contains("pause replica"), "{found}");

    let race = concat!(env!("CARGO_MANIFEST_DIR"), "/races/article.race");
    let (code, told) = json(&["replay", race, "--cluster", "sim", "-n", "3", "--format", "json"]);
    assert_eq!((code, &told["hits"], &told["times"]), (Some(0), &3.into(), &3.into()));
    assert!(!told["lines"].as_array().unwrap().is_empty());

    let (code, shrunk) = json(&["shrink", race, "--format", "json"]);
    assert_eq!(code, Some(0), "{shrunk}");
    assert_eq!(shrunk["confirmation"]["cluster"], "sim");
    assert!(shrunk["finding"]["race"].is_string(), "{shrunk}");
}
