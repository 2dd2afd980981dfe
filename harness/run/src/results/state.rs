use std::{collections::HashMap, hash::BuildHasher, path::Path};

use super::{
    Environment, IndexLine, RunFolder, RunSettings, VerdictFile, folder::shelves, list_runs,
    lock::Locked, read_index,
};

/// What became of a run: what every list of runs tells, decided in one place.
#[derive(Clone, Debug, PartialEq)]
pub enum RunState {
    /// It was judged; its line says how.
    Judged(IndexLine),
    /// Somebody works on it.
    Live(IndexLine),
    /// Whoever worked on it is gone, and nobody has judged what was saved.
    Killed(IndexLine),
    /// It could not be run to its end, for this reason.
    Failed(IndexLine, String),
}

impl RunState {
    /// The file that says why a run ended before there was anything to judge.
    const STOPPED: &str = "stopped.txt";

    /// Of one run; `known` is its line in the index, if it has one.
    #[must_use]
    pub fn of(folder: &RunFolder, known: Option<&IndexLine>) -> Self {
        if let Some(line) = known {
            return Self::Judged(line.clone());
        }
        // A run that was killed and then judged, or brought here from another
        // machine, has a verdict though the index does not know it.
        let verdict = folder.text("verdict.json").ok();
        let verdict = verdict.and_then(|text| serde_json::from_str::<VerdictFile>(&text).ok());
        if let Some(verdict) = verdict {
            return Self::Judged(IndexLine::of(folder, &verdict));
        }
        if Locked::is_held(&folder.path) {
            return Self::Live(unjudged(folder, "running"));
        }
        match folder.text(Self::STOPPED) {
            Ok(why) => Self::Failed(unjudged(folder, "failed"), why.trim().to_owned()),
            Err(_) => Self::Killed(unjudged(folder, "killed")),
        }
    }

    /// What a list tells of it; its outcome is one of a verdict, or `running`,
    /// `killed` or `failed`.
    #[must_use]
    pub const fn line(&self) -> &IndexLine {
        match self {
            Self::Judged(line) | Self::Live(line) | Self::Killed(line) | Self::Failed(line, _) => {
                line
            }
        }
    }

    /// Whether there is a verdict.
    #[must_use]
    pub const fn is_judged(&self) -> bool {
        matches!(self, Self::Judged(_))
    }

    /// Why it has no verdict, or what makes one, in a sentence.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Judged(_) => None,
            Self::Live(_) => Some("it goes on".to_owned()),
            Self::Killed(_) => {
                Some("it was killed; quarrel report judges what it saved".to_owned())
            }
            Self::Failed(_, why) => Some(why.clone()),
        }
    }

    /// Notes why a run ended before there was anything to judge.
    pub(crate) fn stop(folder: &RunFolder, why: &dyn std::fmt::Display) {
        // It is told to whoever began the run, too: if the disk is full, that
        // has to do.
        drop(folder.write(Self::STOPPED, &format!("{why}\n")));
    }
}

/// Every run of a results folder and of its matrices, oldest first, with what
/// became of it; `index` is what the folder's own index knows. What every list
/// of runs tells is this.
#[must_use]
pub fn states<S: BuildHasher>(
    root: &Path,
    index: &HashMap<String, IndexLine, S>,
) -> Vec<(RunFolder, RunState)> {
    let mut all = Vec::new();
    for shelf in shelves(root) {
        // A matrix has an index of its own. One that cannot be read says less
        // than the folders of its runs, which are read then.
        let of_matrix: HashMap<String, IndexLine> = match shelf == root {
            true => HashMap::new(),
            false => by_run(read_index(&shelf).unwrap_or_default()),
        };
        all.extend(list_runs(&shelf).into_iter().map(|folder| {
            let known = match shelf == root {
                true => index.get(&folder.name),
                false => of_matrix.get(&folder.name),
            };
            let state = RunState::of(&folder, known);
            (folder, state)
        }));
    }
    all.sort_by_cached_key(|(folder, _)| folder.rank());
    all
}

/// Lines of an index by their runs. A run that was judged again stands in it
/// twice: the last counts.
#[must_use]
pub fn by_run<S: BuildHasher + Default>(lines: Vec<IndexLine>) -> HashMap<String, IndexLine, S> {
    lines.into_iter().map(|line| (line.run.clone(), line)).collect()
}

fn unjudged(folder: &RunFolder, outcome: &str) -> IndexLine {
    let text = folder.text("run.toml").unwrap_or_default();
    let settings: Option<RunSettings> = toml::from_str(&text).ok();
    let (strategy, workload, cluster, faults) =
        settings.map(|of| (of.strategy, of.workload, of.cluster, of.faults)).unwrap_or_default();
    IndexLine {
        run: folder.name.clone(),
        strategy,
        workload,
        commit: Environment::of(folder).commit.unwrap_or_default(),
        cluster,
        faults,
        outcome: outcome.to_owned(),
        strongest: String::new(),
        stale_reads: 0,
        reads_at_risk: 0,
        cause: String::new(),
        case: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_live_as_long_as_somebody_holds_it_and_then_killed_or_failed() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(root.path(), "x", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let outcome = || RunState::of(&folder, None).line().outcome.clone();
        let held = folder.hold().unwrap();
        assert_eq!(outcome(), "running");
        // Who only looks does not hold it.
        assert_eq!(outcome(), "running");
        drop(held);
        assert_eq!(outcome(), "killed");
        RunState::stop(&folder, &"no fault proxy");
        let state = RunState::of(&folder, None);
        assert_eq!((outcome(), state.reason()), ("failed".into(), Some("no fault proxy".into())));
        assert!(!state.is_judged());
    }
}
