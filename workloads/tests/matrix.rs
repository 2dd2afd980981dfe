//! What `quarrel matrix` leaves behind.

use std::{path::Path, process::Command};

use quarrel_harness::results::{CellOutcome, MatrixFile, list_matrices, list_runs, read_matrix};

/// Runs `quarrel matrix` with `flags`; what it left in its folder.
fn made(results: &Path, flags: &[&str]) -> MatrixFile {
    let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(["matrix", "--format", "json", "--results"])
        .arg(results)
        .args(flags)
        .output()
        .expect("the binary was built with this test");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{flags:?}: {said}");
    let folders = list_matrices(results);
    let matrix = read_matrix(folders.last().expect("it leaves a folder")).expect("it can be read");
    let printed: MatrixFile = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!(printed, matrix);
    matrix
}

#[test]
fn every_broken_cell_leads_to_a_race_that_runs() {
    let results = tempfile::tempdir().unwrap();
    let matrix = made(results.path(), &["--strategy", "cache-aside", "--fault", "replica-lag"]);
    assert_eq!(matrix.cells.len(), 1);
    assert_eq!(matrix.cells[0].outcome, CellOutcome::Broken);
    let race = matrix.cells[0].shortest().and_then(|broken| broken.race.clone()).expect("a race");
    let path = list_matrices(results.path())[0].join(race);
    let replayed = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(["replay", "--cluster", "sim"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stdout));
    // It is no run, and nobody takes it for one.
    assert!(list_runs(results.path()).is_empty());
    let listed = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(["list", "--results"])
        .arg(results.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&matrix.name));
}
