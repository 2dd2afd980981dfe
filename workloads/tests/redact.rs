//! A redacted copy of a run is judged as the run is, whatever its clients did.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

/// Runs quarrel; its exit code and what it said.
fn quarrel(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), said.concat())
}

fn verdict(results: &Path) -> Value {
    let text = fs::read_to_string(results.join("latest/verdict.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Causes of all that was found, in order.
fn causes(verdict: &Value) -> Vec<(&Value, &Value, &Value)> {
    let anomalies = verdict["anomalies"].as_array().unwrap();
    anomalies.iter().map(|one| (&one["class"], &one["cause"], &one["witness"])).collect()
}

#[test]
fn a_copy_is_judged_as_its_run_whatever_the_workload() {
    for workload in ["register", "profile", "counter", "sessions", "skewed", "pairs", "lifecycle"] {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path();
        let run = ["run", "cache-aside", "--cluster", "sim", "--time", "1s", "--seed", "3"];
        let how = ["--fault", "replica-lag", "--rate", "500", "--workload", workload];
        let (code, said) = quarrel(folder, &[&run[..], &how[..]].concat());
        assert_eq!(code, Some(1), "{workload}: {said}");
        let (code, said) = quarrel(folder, &["report", "latest", "--redact", "--out", "shared"]);
        assert_eq!(code, Some(0), "{workload}: {said}");
        let [whole, copy] = ["results", "shared"].map(|name| verdict(&folder.join(name)));
        assert_eq!(whole["outcome"], copy["outcome"], "{workload}");
        assert_eq!(whole["strongest"], copy["strongest"], "{workload}");
        assert_eq!(causes(&whole), causes(&copy), "{workload}");
        assert!(!causes(&whole).is_empty(), "{workload}: {said}");
        // So is a run that was redacted from its first moment on.
        let alone = ["--redact", "--results", "alone"];
        let (code, said) = quarrel(folder, &[&run[..], &how[..], &alone].concat());
        assert_eq!(code, Some(1), "{workload}: {said}");
        assert!(folder.join("alone/latest/REDACTED").exists());
        let alone = verdict(&folder.join("alone"));
        assert_eq!(whole["strongest"], alone["strongest"], "{workload}");
        assert_eq!(causes(&whole), causes(&alone), "{workload}");
        // It is a run like others.
        let (code, said) = quarrel(folder, &["check", "latest", "--results", "shared"]);
        assert_eq!(code, Some(1), "{workload}: {said}");
        let (code, said) = quarrel(folder, &["report", "latest", "--redact", "--out", "shared"]);
        assert_eq!(code, Some(64), "{workload}: {said}");
        assert!(said.contains("exists; name another folder"), "{said}");
    }
}
