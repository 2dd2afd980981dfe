//! `quarrel report RUN --redact`: a copy of a run that can be given away.

use std::path::{Path, PathBuf};

use super::{
    Failure,
    cut::{Cutter, write_races},
    output::eprintln,
    recorded::Recorded,
};
use quarrel_report::report::write_files;
use quarrel_run::{
    judge::judge_run,
    results::{RedactError, RunFolder, VerdictFile, append_to_index, redacted_copy},
};
use quarrel_strategy::strategy::Catalogue;

impl From<RedactError> for Failure {
    fn from(error: RedactError) -> Self {
        match error {
            RedactError::Exists(_) => Self::usage(error),
            RedactError::File(error) => error.into(),
        }
    }
}

/// A copy with its report.
pub(super) struct Redacted {
    pub(super) folder: RunFolder,
    /// How many operations its report tells of.
    pub(super) operations: usize,
}

/// Copies a run without what is an application's, and makes of the copy alone
/// whatever is made of a run. If that fails, nothing is left of it.
pub(super) fn redacted(
    run: &Recorded<'_>,
    results: &Path,
    out: Option<&Path>,
    catalogue: &Catalogue,
) -> Result<Redacted, Failure> {
    let root = out.map_or_else(|| beside(results), Path::to_owned);
    let folder = redacted_copy(&run.run, &root)?;
    let made = finish(run, folder.clone(), &root, catalogue);
    if made.is_err() {
        drop(std::fs::remove_dir_all(&folder.path));
    }
    made
}

/// Where redacted runs go if nobody says.
fn beside(results: &Path) -> PathBuf {
    let mut name = results.file_name().unwrap_or_default().to_owned();
    name.push("-redacted");
    results.with_file_name(name)
}

fn finish(
    whole: &Recorded<'_>,
    folder: RunFolder,
    root: &Path,
    catalogue: &Catalogue,
) -> Result<Redacted, Failure> {
    let Recorded { run, expected, workload } = Recorded::load(folder.clone(), catalogue)?;
    let check = (workload.build)();
    let verdict = judge_run(&run, expected, &*check);
    let before = judge_run(&whole.run, expected, &*check);
    if !is_the_same(&verdict, &before) {
        // Its check asks what values say, and not only which are equal.
        let why = format!(
            "without its texts the run would be judged otherwise: {}, {} anomalies, {}; with them \
             {}, {}, {}",
            verdict.outcome,
            verdict.anomalies.len(),
            verdict.strongest,
            before.outcome,
            before.anomalies.len(),
            before.strongest
        );
        return Err(Failure::undecided(why));
    }
    let operations = write_files(&run, &verdict)?;
    if run.settings.app.is_none() {
        match Cutter::new(run, verdict.anomalies.clone(), catalogue) {
            Ok(cutter) => write_races(cutter),
            Err(failure) => eprintln!("no races were cut out: {}", failure.message),
        }
    }
    if whole.run.folder.is_complete() {
        folder.write("COMPLETE", "")?;
    }
    // Last: what fails before it leaves no line behind.
    append_to_index(root, &folder, &verdict)?;
    Ok(Redacted { folder, operations })
}

/// Whether two verdicts say the same, but for the words.
fn is_the_same(one: &VerdictFile, other: &VerdictFile) -> bool {
    let found = |verdict: &VerdictFile| -> Vec<_> {
        let anomalies = verdict.anomalies.iter();
        anomalies.map(|one| (one.class, one.cause, one.key, one.witness.clone())).collect()
    };
    one.outcome == other.outcome && one.strongest == other.strongest && found(one) == found(other)
}
