use std::{
    fs,
    path::{Path, PathBuf},
};

use quarrel_checkers::{Cause, Guarantee, Validity};
use serde::{Deserialize, Serialize};

use super::{FileError, FormError, is_inside, text_inside};

/// The version of `matrix.json`'s form.
pub const MATRIX_SCHEMA: u32 = 1;

/// The name of a matrix's file in its folder.
pub const MATRIX_FILE: &str = "matrix.json";

/// Strategies × faults: what each cell was found to guarantee. The file
/// `matrix.json`; every path in it is relative to its folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatrixFile {
    /// The version of this file's form.
    pub schema: u32,
    /// The version of quarrel that made it.
    pub quarrel: String,
    /// The folder's name.
    pub name: String,
    /// When it was begun, UTC: for people.
    pub began: String,
    /// The command that makes it again.
    pub command: String,
    /// `sim` (explored), `docker`, `native` or `external` (stormed).
    pub cluster: String,
    /// Whether the stores were simulated.
    pub simulated: bool,
    /// The bound within which a cell was searched, or the storm that each one
    /// is, in words.
    pub within: String,
    /// The rows, in order.
    pub strategies: Vec<String>,
    /// The columns, in order, as on the command line; `none` is one.
    pub faults: Vec<String>,
    /// What was found, row by row. A cell that nobody came to is missing.
    pub cells: Vec<MatrixCell>,
}

/// What one strategy was found to guarantee under one column of faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatrixCell {
    /// The row.
    pub strategy: String,
    /// The column.
    pub fault: String,
    /// What came of it.
    pub outcome: CellOutcome,
    /// The strongest guarantee that held; none if that was not decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strongest: Option<Guarantee>,
    /// Every guarantee that was looked at, strongest first.
    pub rungs: Vec<CellRung>,
    /// On what a storm's verdict rests. None for explored cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<CellEvidence>,
    /// How far an exploration reached. None for storms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched: Option<CellSearch>,
    /// Why there is no verdict, or what it does not cover, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What came of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellOutcome {
    /// Linearizable, and that means something.
    Held,
    /// Some guarantee was broken; `strongest` is what was left.
    Broken,
    /// Nothing broke, but nothing was at stake either.
    Vacuous,
    /// The search or the checker did not come to an end.
    Undecided,
    /// The cluster cannot carry the strategy or the fault.
    Refused,
    /// The environment failed; the note says how.
    Failed,
}

/// One guarantee in one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellRung {
    /// Which.
    pub guarantee: Guarantee,
    /// Whether it held.
    pub validity: Validity,
    /// Where the search was not exhaustive: it held in every interleaving with
    /// fewer steps than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below_steps: Option<u32>,
    /// How it was broken, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<CellBreak>,
}

/// How a guarantee was broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellBreak {
    /// What was seen: a claim of a `.race` file, or the class of an anomaly.
    pub what: String,
    /// Why.
    pub cause: Cause,
    /// Steps of the shortest break, where every shorter one was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// The race that shows it: a path in this folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub race: Option<String>,
}

/// On what a storm's verdict rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellEvidence {
    /// The run: a path in this folder.
    pub run: String,
    /// Reads that could have been stale.
    pub reads_at_risk: u64,
    /// Reads that were.
    pub stale_reads: u64,
    /// The worst staleness, in milliseconds.
    pub worst_staleness_ms: f64,
    /// Faults injected.
    pub faults_injected: usize,
    /// Those that were seen to take hold.
    pub faults_observed: usize,
}

/// How far an exploration reached, all guarantees together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellSearch {
    /// Complete interleavings covered by the largest of the searches,
    /// saturating.
    pub interleavings: u64,
    /// Those of them in which something could have been wrong.
    #[serde(default)]
    pub at_stake: u64,
    /// Distinct states met.
    pub states: u64,
}

impl MatrixFile {
    /// The cell of a row and a column, if somebody came to it.
    #[must_use]
    pub fn cell(&self, strategy: &str, fault: &str) -> Option<&MatrixCell> {
        self.cells.iter().find(|cell| cell.strategy == strategy && cell.fault == fault)
    }
}

impl MatrixCell {
    /// A cell without a verdict, and why there is none.
    #[must_use]
    pub fn without(strategy: &str, fault: &str, outcome: CellOutcome, note: String) -> Self {
        Self {
            strategy: strategy.to_owned(),
            fault: fault.to_owned(),
            outcome,
            strongest: None,
            rungs: Vec::new(),
            evidence: None,
            searched: None,
            note: Some(note),
        }
    }

    /// The break with the fewest steps; among equals that of the weakest
    /// guarantee, which says most about why the cell is no better.
    #[must_use]
    pub fn shortest(&self) -> Option<&CellBreak> {
        let breaks = self.rungs.iter().filter_map(|rung| rung.broken.as_ref());
        breaks.rev().min_by_key(|broken| broken.steps.unwrap_or(usize::MAX))
    }

    /// What was found of a guarantee, if it was looked at.
    #[must_use]
    pub fn rung(&self, guarantee: Guarantee) -> Option<&CellRung> {
        self.rungs.iter().find(|rung| rung.guarantee == guarantee)
    }

    /// How far the search for the guarantee that held reached, if that was
    /// not everything within the bound.
    #[must_use]
    pub fn below_steps(&self) -> Option<u32> {
        let held = self.rungs.iter().find(|rung| Some(rung.guarantee) == self.strongest);
        held.and_then(|rung| rung.below_steps)
    }
}

/// Every matrix in a results folder, oldest first.
#[must_use]
pub fn list_matrices(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut folders: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| is_inside(path, MATRIX_FILE))
        .collect();
    folders.sort();
    folders
}

/// Reads the matrix of a folder.
///
/// # Errors
///
/// When there is none, or it is of another form.
pub fn read_matrix(folder: &Path) -> Result<MatrixFile, FileError> {
    let path = folder.join(MATRIX_FILE);
    let text = text_inside(folder, MATRIX_FILE).map_err(FileError::io(&path))?;
    serde_json::from_str(&text).map_err(|error| FormError::json(&path, 1, &error).into())
}
