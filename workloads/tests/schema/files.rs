//! The files of runs, and beside them.

use std::{fs, path::Path};

use serde_json::Value as Json;

use crate::forms::{Forms, quarrel};

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Json {
    serde_json::from_str(&text(path)).unwrap()
}

/// All that stands in a run's folder for programs.
pub(crate) fn hold_run(forms: &mut Forms, run: &Path) {
    forms.hold("verdict", &json(&run.join("verdict.json")));
    let settings: toml::Value = toml::from_str(&text(&run.join("run.toml"))).unwrap();
    forms.hold("settings", &serde_json::to_value(settings).unwrap());
    forms.hold("environment", &json(&run.join("env.json")));
    forms.hold("phases", &json(&run.join("phases.json")));
    let packed = fs::File::open(run.join("history.jsonl.zst")).unwrap();
    let history = String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap();
    forms.hold_lines("history", &history);
    let step = history.lines().find(|line| line.contains("\"type\":\"step\"")).unwrap();
    forms.hold("history", &serde_json::from_str(step).unwrap());
    if text(&run.join("run.toml")).contains("\nfaults = [\"") {
        forms.hold_lines("receipt", &text(&run.join("faults.jsonl")));
    }
    forms.hold_lines("probe", &text(&run.join("probes.jsonl")));
}

/// Simulated runs that differ in what they have to tell.
const RUNS: &[(&str, i32)] = &[
    ("run cache-aside --fault replica-lag --seed 3", 1),
    ("run primary-only --seed 1", 0),
    ("run client-tracking --time 1s --seed 1", -1),
    ("run write-through --fault failover --time 4s --seed 5", 1),
    ("run cache-aside --fill primary --fault redis-cut --seed 7 --rate 500 --pauses off", -1),
    ("run cache-aside --workload counter --seed 3", 1),
    ("run cache-aside --workload pairs --seed 3", 1),
    ("run cache-aside --workload lifecycle --seed 3 --expect bounded=50ms", -1),
    ("run versioned-keys --seed 2 --expect eventual", -1),
    ("run outbox --fault replica-lag --seed 2", -1),
    ("run near-pubsub --fault redis-cut --seed 2", -1),
    ("run iq-lease --fault client-pause --seed 2", -1),
];

#[test]
fn files_of_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut forms = Forms::default();
    for (line, expected) in RUNS {
        let time = if line.contains("--time") { "" } else { " --time 2s" };
        let line = format!("{line}{time} --cluster sim --format json");
        let (code, verdict) = forms.hold_printed("verdict", folder.path(), &line);
        assert!(*expected == -1 || code == *expected, "{line}: {code}");
        let run = folder.path().join("results").join(verdict["run"].as_str().unwrap());
        assert_eq!(json(&run.join("verdict.json")), verdict, "{line}");
        hold_run(&mut forms, &run);
    }
    forms.hold_lines("index", &text(&folder.path().join("results/index.jsonl")));
}

/// A run that was killed has no phases, and what is made of its rest is of the
/// same form.
#[test]
fn a_run_without_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut forms = Forms::default();
    let line = "run cache-aside --fault replica-lag --cluster sim --time 2s --seed 3 --format json";
    let (_, verdict) = forms.hold_printed("verdict", folder.path(), line);
    let run = folder.path().join("results").join(verdict["run"].as_str().unwrap());
    for gone in ["verdict.json", "COMPLETE", "phases.json", "probes.jsonl", "report.html"] {
        fs::remove_file(run.join(gone)).unwrap();
    }
    fs::remove_file(folder.path().join("results/index.jsonl")).unwrap();
    let packed = fs::read(run.join("history.jsonl.zst")).unwrap();
    fs::write(run.join("history.jsonl.zst"), &packed[..packed.len() / 2]).unwrap();
    let (_, list) = forms.hold_printed("list", folder.path(), "list --format json");
    assert_eq!(list["runs"][0]["outcome"], "killed");
    let again = "check latest --expect eventual --format json";
    let (code, verdict) = forms.hold_printed("verdict", folder.path(), again);
    assert_eq!((code, &verdict["truncated"]), (2, &Json::Bool(true)));
    let reason = verdict["reason"].as_str().unwrap();
    assert_eq!(reason, "the stores were not compared at the end (the run was killed)");
}

/// The world that broke is told by a type of its own; nothing simulated breaks.
#[test]
fn a_failure_of_the_environment() {
    use quarrel_checkers::Time;
    use quarrel_harness::record::{EnvironmentFailure, Spoils};
    let mut forms = Forms::default();
    for spoils in [Spoils::Evidence, Spoils::Completeness] {
        let failure = EnvironmentFailure { at: Time(7), what: "it died".to_owned(), spoils };
        forms.hold("failure", &serde_json::to_value(failure).unwrap());
    }
}

#[test]
fn matrices_of_searches() {
    let folder = tempfile::tempdir().unwrap();
    let mut forms = Forms::default();
    let of = "--strategy cache-aside --fault none --time 600s";
    let explored = format!("matrix {of} --format json");
    let (_, matrix) = forms.hold_printed("matrix", folder.path(), &explored);
    let results = folder.path().join("results");
    let name = matrix["name"].as_str().unwrap();
    assert_eq!(json(&results.join(name).join("matrix.json")), matrix);
    // One that nobody came to the end of.
    let short = "matrix --strategy version-guard --fault none --time 10ms --format json";
    assert_eq!(forms.hold_printed("matrix", folder.path(), short).0, 2);
}

#[test]
fn shares_and_what_they_are_joined_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut forms = Forms::default();
    let (_, run) = forms.hold_printed(
        "verdict",
        at,
        "run cache-aside --fault replica-lag --cluster sim --time 2s --seed 3 --format json",
    );
    let run = format!("results/{}", run["run"].as_str().unwrap());
    fs::write(at.join("quarrel.toml"), PROFILE).unwrap();
    let lines = [
        "matrix --strategy cache-aside --fault none --fault replica-lag --time 2s".to_owned(),
        "explore cache-aside --fault none".to_owned(),
        "bench detection cache-aside --control primary-only --cluster sim --seeds 2 --time 2s"
            .to_owned(),
        "run --profile both --cluster sim --time 2s".to_owned(),
        format!("check {run}"),
    ];
    for (kind, line) in lines.iter().enumerate() {
        let mut folders = String::new();
        for share in 1..=2 {
            let results = format!("shares/{kind}/{share}");
            let (code, _, told) =
                quarrel(at, &format!("{line} --partition {share}/2 --results {results}"));
            assert!(code < 4, "{line}: {told}");
            folders += &format!(" {results}");
            let entries = fs::read_dir(at.join(&results)).unwrap().flatten().map(|e| e.path());
            let part = entries.filter(|path| path.extension().is_some_and(|e| e == "json"));
            part.for_each(|path| forms.hold("part", &json(&path)));
        }
        let merge = format!("merge{folders} --results whole --format json");
        let (code, merged) = forms.hold_printed("merge", at, &merge);
        assert_eq!(merged["exit_code"], code, "{line}");
    }
}

const PROFILE: &str = r#"
[[profile.both.run]]
strategy = "cache-aside"
fault = "replica-lag"

[[profile.both.run]]
strategy = "primary-only"
"#;

#[test]
fn profiles_detection_and_long_runs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut forms = Forms::default();
    fs::write(at.join("quarrel.toml"), PROFILE).unwrap();
    let profile = "run --profile both --cluster sim --time 2s --format json";
    let (code, told) = forms.hold_printed("profile", at, profile);
    assert_eq!((code, told["runs"].as_array().unwrap().len()), (1, 2));
    let known = "bench detection cache-aside --control primary-only --cluster sim --seeds 2 \
                 --time 2s --format json";
    forms.hold_printed("detection", at, known);
    let tables = fs::read_dir(at.join("results")).unwrap().flatten().map(|e| e.path());
    let table = tables.map(|path| path.join("detection.json")).find(|path| path.is_file());
    forms.hold("detection", &json(&table.unwrap()));
    forms.hold_printed("long", at, "bench long --ops 3000 --format json");
}
