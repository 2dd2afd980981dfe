use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::symlink,
    path::Path,
};

use quarrel_checkers::Anomaly;
use serde::{Deserialize, Serialize};

use super::{
    Environment, FileError, RunFolder, RunSettings, VerdictFile, lock::Locked, text_inside,
};

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
    /// The class and the cause of the worst that was found, as
    /// `stale-read/replica-lag-refill`; empty if nothing was, and in older
    /// lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// What was run against what, as policies name it; empty in older lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub case: String,
}

impl IndexLine {
    /// What the index says of a judged run.
    #[must_use]
    pub fn of(run: &RunFolder, verdict: &VerdictFile) -> Self {
        let settings = run.text(RunFolder::SETTINGS).unwrap_or_default();
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
            cause: verdict.anomalies.first().map(found).unwrap_or_default(),
            case: verdict.case().map(|case| case.to_string()).unwrap_or_default(),
        }
    }
}

/// An anomaly by its class and its cause.
fn found(anomaly: &Anomaly) -> String {
    let cause = anomaly.cause.map_or_else(|| "unexplained".to_owned(), |cause| cause.to_string());
    format!("{}/{cause}", anomaly.class)
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
    let _locked = Locked::wait_for(root)?;
    append(&path, &text).map_err(FileError::io(&path))?;
    let latest = root.join("latest");
    let fresh = root.join(format!(".latest-{}", run.id));
    symlink(&run.name, &fresh)
        .and_then(|()| fs::rename(&fresh, &latest))
        .map_err(FileError::io(&latest))
}

/// Appends a line, and ends the one before it if its writer was killed.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = File::options().create(true).read(true).append(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let end = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{end}{line}").as_bytes())
}

/// Every finished run, in the order in which they finished. A line that cannot
/// be read, as one whose writer was killed, is left out: what it was about
/// stands in its run's folder, too.
///
/// # Errors
///
/// When the file cannot be read.
pub fn read_index(root: &Path) -> Result<Vec<IndexLine>, FileError> {
    let text = match text_inside(root, "index.jsonl") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(FileError::io(&root.join("index.jsonl")))?,
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_torn_off_costs_itself_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("index.jsonl");
        let line = |run: &str| {
            format!(
                "{{\"run\":\"{run}\",\"strategy\":\"s\",\"cluster\":\"sim\",\"faults\":[],\"outcome\":\"held\",\
                 \"strongest\":\"none\",\"stale_reads\":0,\"reads_at_risk\":1}}\n"
            )
        };
        append(&path, &line("a")).unwrap();
        append(&path, &line("killed")[..40]).unwrap();
        append(&path, &line("b")).unwrap();
        let runs: Vec<_> = read_index(root.path()).unwrap().into_iter().map(|l| l.run).collect();
        assert_eq!(runs, ["a", "b"]);
    }
}
