use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::symlink,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Environment, FileError, RunFolder, RunSettings, VerdictFile, read_json_lines};

/// One finished run, in a line of `index.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexLine {
    /// The folder's name.
    pub run: String,
    /// The strategy.
    pub strategy: String,
    /// What clients did; empty in lines from before there was a choice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workload: String,
    /// The commit that was checked out; empty if none was, and in older lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// The cluster.
    pub cluster: String,
    /// The faults, as on the command line.
    pub faults: Vec<String>,
    /// What came of it: `held`, `violated`, `undecided`, `vacuous` or
    /// `environment`.
    pub outcome: String,
    /// The strongest guarantee that held.
    pub strongest: String,
    /// Reads that returned an overwritten value.
    pub stale_reads: u64,
    /// Reads that could have.
    pub reads_at_risk: u64,
}

impl IndexLine {
    /// What the index says of a judged run.
    #[must_use]
    pub fn of(run: &RunFolder, verdict: &VerdictFile) -> Self {
        let settings = fs::read_to_string(run.file("run.toml")).unwrap_or_default();
        let settings: Option<RunSettings> = toml::from_str(&settings).ok();
        Self {
            run: run.name.clone(),
            strategy: verdict.strategy.clone(),
            workload: settings.map(|settings| settings.workload).unwrap_or_default(),
            commit: Environment::of(run).commit.unwrap_or_default(),
            cluster: verdict.cluster.clone(),
            faults: verdict.faults.clone(),
            outcome: verdict.outcome.to_string(),
            strongest: verdict.strongest.to_string(),
            stale_reads: verdict.metrics.stale_reads,
            reads_at_risk: verdict.metrics.reads_at_risk,
        }
    }
}

/// Notes a finished run and points `latest` at it.
///
/// # Errors
///
/// When the system says no.
pub fn append_to_index(
    root: &Path,
    run: &RunFolder,
    verdict: &VerdictFile,
) -> Result<(), FileError> {
    let line = IndexLine::of(run, verdict);
    let path = root.join("index.jsonl");
    let text = serde_json::to_string(&line).expect("our own types are JSON") + "\n";
    // One write of one line: two runs that finish together do not mix.
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(FileError::io(&path))?;
    let latest = root.join("latest");
    let fresh = root.join(format!(".latest-{}", run.id));
    symlink(&run.name, &fresh)
        .and_then(|()| fs::rename(&fresh, &latest))
        .map_err(FileError::io(&latest))
}

/// Every finished run, in the order in which they finished.
///
/// # Errors
///
/// When the file cannot be read or a line is of another form.
pub fn read_index(root: &Path) -> Result<Vec<IndexLine>, FileError> {
    read_json_lines(&root.join("index.jsonl"))
}
