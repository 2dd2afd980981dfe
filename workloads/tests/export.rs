//! `quarrel export`: what was written in another format and is read again gets the
//! same verdict with the same figures.

use std::{fs, path::Path, process::Command};

fn quarrel(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A judgement as JSON, without what depends on the format.
fn judged(file: &str, folder: &Path) -> (i32, serde_json::Value) {
    let (code, said, told) = quarrel(&["check", file, "--format", "json"], folder);
    let mut said: serde_json::Value =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{file}: {error}: {told}"));
    let fields = said.as_object_mut().unwrap();
    fields.remove("format");
    fields.remove("assumptions");
    (code, said)
}

#[test]
fn what_was_exported_and_read_again_is_judged_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let run = ["run", "version-guard", "--fill", "primary", "--fault", "failover"];
    let more = ["--cluster", "sim", "--time", "2s", "--seed", "5", "--expect", "eventual"];
    let (code, said, told) = quarrel(&[&run[..], &more[..]].concat(), folder);
    assert!(code < 4, "{said}{told}");
    for format in ["jsonl", "edn", "csv"] {
        let out = format!("history.{format}");
        let (code, _, told) =
            quarrel(&["export", "latest", "--format", format, "--out", &out], folder);
        assert_eq!(code, 0, "{told}");
        assert_eq!(told.contains("left out: "), format != "jsonl", "{told}");
        // What is there is left alone.
        let (code, _, told) =
            quarrel(&["export", "latest", "--format", format, "--out", &out], folder);
        assert_eq!(code, 4, "{told}");
    }
    // Of the run the primary's order is known, and so it is of what was written.
    let (code, from_lines) = judged("history.jsonl", folder);
    assert!(
        from_lines["judgement"]["metrics"]["keys_by_version"].as_u64().unwrap() > 0,
        "{from_lines}"
    );
    assert!(from_lines["judgement"]["metrics"]["hits"].as_u64().unwrap() > 0);
    assert!(
        from_lines["judgement"]["metrics"]["convergence"]["keys_compared"].as_u64().unwrap() > 0
    );
    for other in ["history.edn", "history.csv"] {
        let (found, told) = judged(other, folder);
        assert_eq!(found, code, "{other}");
        for figure in
            ["reads", "writes", "reads_at_risk", "stale_reads", "sessions", "by_values", "k", "pbs"]
        {
            assert_eq!(
                told["judgement"]["metrics"][figure], from_lines["judgement"]["metrics"][figure],
                "{other}: {figure}"
            );
        }
        // And from there to lines again.
        let (_, lines, _) = quarrel(&["export", other, "--format", "jsonl"], folder);
        let again = format!("{other}.jsonl");
        fs::write(folder.join(&again), lines).unwrap();
        assert_eq!(judged(&again, folder), (found, told), "{other}");
    }
    let (code, _, told) = quarrel(&["export", "nobody", "--format", "csv"], folder);
    assert_eq!(code, 64, "{told}");
}
