//! The table in MATRIX.md is what `quarrel matrix` says now.

use std::{collections::BTreeMap, path::Path, process::Command};

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

/// The words of each row of the first table in a file of this workspace, by
/// strategy and column.
fn table_in(file: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(path).expect(file);
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = text.lines().skip_while(|line| !line.starts_with("| strategy |"));
    let head = cells(lines.next().expect("a table"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells);
    rows.map(|row| (row[0].clone(), head.iter().cloned().zip(row).skip(1).collect())).collect()
}

#[test]
fn the_table_is_true() {
    let results = tempfile::tempdir().unwrap();
    // Rows that take little to search without optimisation; between them they
    // have every kind of cell.
    let strategies = ["replica-only", "cache-aside"];
    let faults = ["none", "replica-lag", "manual-sql", "failover"];
    // A slow machine searches as far as a fast one.
    let mut flags = vec!["--time", "600s"];
    flags.extend(strategies.iter().flat_map(|strategy| ["--strategy", strategy]));
    flags.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    let matrix = made(results.path(), &flags);
    let table = table_in("workloads/MATRIX.md");
    for strategy in strategies {
        let written = &table[strategy];
        for fault in faults {
            let (_, cell) = written.iter().find(|(column, _)| column == fault).expect(fault);
            let now = quarrel_harness::report::matrix_cell(&matrix, strategy, fault);
            assert_eq!(*cell, now, "{strategy} under {fault}: make the table again");
        }
    }
}

#[test]
fn every_strategy_has_a_row() {
    let table = table_in("workloads/MATRIX.md");
    for entry in quarrel_workloads::catalogue().strategies {
        let row = &table[entry.name];
        assert!(row.len() > 3 && row.iter().all(|(_, cell)| !cell.is_empty()), "{row:?}");
    }
}

#[test]
fn the_rows_in_the_readme_are_those_of_the_table() {
    let table = table_in("workloads/MATRIX.md");
    let few = table_in("README.md");
    assert_eq!(few.len(), 5);
    for (strategy, row) in few {
        assert!(row.len() > 3 && row.iter().all(|cell| table[&strategy].contains(cell)), "{row:?}");
    }
}

#[test]
fn every_broken_cell_leads_to_a_race_that_runs() {
    let results = tempfile::tempdir().unwrap();
    let matrix = made(
        results.path(),
        &["--strategy", "cache-aside", "--fault", "replica-lag", "--time", "600s"],
    );
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
