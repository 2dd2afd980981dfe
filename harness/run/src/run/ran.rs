use std::{fs, path::Path};

use jiff::Timestamp;
use quarrel_checkers::ReadFinding;
use tempfile::TempDir;

use super::RunError;
use crate::{
    results::{FileError, LoadedRun, Locked, RunFolder, VerdictFile},
    runner::Unloaded,
};

/// A run that was judged.
#[derive(Debug)]
pub struct Ran {
    /// What happened: history, receipts of faults, probes of the stores.
    pub run: LoadedRun,
    /// What it comes to.
    pub verdict: VerdictFile,
    /// Keys whose first write did not succeed however often it was tried.
    pub unloaded: Vec<Unloaded>,
    /// Whether the folder holds all of it: a disk may be full.
    pub kept: Result<(), RunError>,
    /// What was found of its stale reads.
    stale: Vec<ReadFinding>,
    is_judged: bool,
    /// Until everything is written somebody works on the run.
    hold: Option<Locked>,
    temporary: Option<TempDir>,
}

impl Ran {
    pub(super) const fn new(
        run: LoadedRun,
        verdict: VerdictFile,
        unloaded: Vec<Unloaded>,
        kept: Result<(), RunError>,
    ) -> Self {
        let stale = Vec::new();
        Self { run, verdict, unloaded, kept, stale, is_judged: true, hold: None, temporary: None }
    }

    /// Lists tell that the run goes on, until this is dropped.
    pub(super) fn holding(mut self, hold: Locked) -> Self {
        self.hold = Some(hold);
        self
    }

    pub(super) fn with_reads(mut self, stale: Vec<ReadFinding>) -> Self {
        self.stale = stale;
        self
    }

    /// What was found of its stale reads.
    #[must_use]
    pub fn stale_reads(&self) -> &[ReadFinding] {
        &self.stale
    }

    pub(super) const fn unjudged(mut self) -> Self {
        self.is_judged = false;
        self
    }

    /// Whether there was the time to judge it. If not, its history was not
    /// read: it is in the folder alone.
    #[must_use]
    pub const fn is_judged(&self) -> bool {
        self.is_judged
    }

    pub(super) fn until_dropped(mut self, parent: TempDir) -> Self {
        self.temporary = Some(parent);
        self
    }

    /// Whether the guarantee held, and something was at stake.
    #[must_use]
    pub fn held(&self) -> bool {
        self.verdict.outcome.is_held()
    }

    /// Keeps the run's folder in `results`, where `quarrel report` and
    /// `quarrel check` find it.
    ///
    /// # Errors
    ///
    /// When the system says no.
    pub fn keep(&mut self, results: &Path) -> Result<(), FileError> {
        let folder = RunFolder::create(results, &self.verdict.strategy, Timestamp::now())?;
        copy(&self.run.folder.path, &folder.path)?;
        self.verdict.run.clone_from(&folder.name);
        self.run.folder = folder;
        self.temporary = None;
        Ok(())
    }
}

/// Copies a folder's files into another.
fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(from).map_err(FileError::io(from))? {
        let entry = entry.map_err(FileError::io(from))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir(&to).map_err(FileError::io(&to))?;
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).map_err(FileError::io(&to))?;
        }
    }
    Ok(())
}
