use quarrel_run::{
    judge::Expectation,
    results::{LoadedRun, RunFolder, load_run},
};
use quarrel_strategy::strategy::{Catalogue, WorkloadEntry};

use super::Failure;

/// A run, and what its settings name, found.
pub(super) struct Recorded<'a> {
    pub(super) run: LoadedRun,
    /// The guarantee that it was run with.
    pub(super) expected: Expectation,
    pub(super) workload: &'a WorkloadEntry,
}

impl<'a> Recorded<'a> {
    /// Reads a run. Whatever is wrong in its files is bad input.
    pub(super) fn load(folder: RunFolder, catalogue: &'a Catalogue) -> Result<Self, Failure> {
        let run = load_run(folder)?;
        let path = run.folder.file(RunFolder::SETTINGS);
        let named = |what: &str, error: &dyn std::fmt::Display| {
            Failure::bad_input(format!("{}: {what}: {error}", path.display()))
        };
        let expected = run.settings.expect.parse().map_err(|error| named("expect", &error))?;
        let workload = catalogue.workload(&run.settings.workload);
        let workload = workload.map_err(|error| named("workload", &error))?;
        Ok(Self { run, expected, workload })
    }
}
