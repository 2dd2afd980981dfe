use std::{
    collections::{HashMap, HashSet},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use super::{notes::Notebook, pages::Pages, run::report};
use quarrel_checkers::Verdict;
use quarrel_run::{
    judge::judge_with,
    results::{
        IndexLine, LoadedRun, RunFolder, RunState, VerdictFile, by_run, list_all_runs,
        list_matrices, read_index, states,
    },
};
use rustc_hash::FxBuildHasher;

use crate::report::ci::Policy;
use tokio::sync::Semaphore;

/// The results folder, with what was read of it last.
pub(super) struct Shelf {
    root: PathBuf,
    /// What is accepted of cases, if a file says so.
    policy: Option<PathBuf>,
    index: Mutex<Option<Read>>,
    /// Reports that were made a moment ago.
    pages: Pages,
    /// Who may leave notes.
    pub(super) notebook: Notebook,
    /// One history at a time: each may take much memory.
    heavy: Arc<Semaphore>,
}

/// The index as it was read, and what the file was like then.
struct Read {
    size: u64,
    changed: Option<SystemTime>,
    lines: Arc<Lines>,
}

/// What the index says of runs, by their names.
type Lines = HashMap<String, IndexLine, FxBuildHasher>;

/// A run in a list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) folder: RunFolder,
    pub(super) state: RunState,
    /// The matrix that it is a storm of, if it is.
    pub(super) matrix: Option<String>,
    /// Whether no earlier run of its case had the same cause.
    pub(super) is_new: bool,
}

impl Entry {
    pub(super) const fn line(&self) -> &IndexLine {
        self.state.line()
    }

    /// Its case by name; of runs from before cases were noted what makes one.
    pub(super) fn case(&self) -> String {
        let line = self.line();
        match line.case.as_str() {
            "" => format!("{} {} {:?} {}", line.strategy, line.workload, line.faults, line.cluster),
            case => case.to_owned(),
        }
    }
}

/// Where a run stands among others.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbours {
    /// The one that began before it.
    pub(super) previous: Option<String>,
    /// The one that began after it.
    pub(super) next: Option<String>,
    /// The last one before it of the same case that was judged.
    pub(super) same_case: Option<String>,
}

impl Shelf {
    pub(super) fn new(root: PathBuf, policy: Option<PathBuf>, notebook: Notebook) -> Self {
        let heavy = Arc::new(Semaphore::new(1));
        Self { root, policy, index: Mutex::new(None), pages: Pages::default(), notebook, heavy }
    }

    /// Does what may read a whole history, when nobody else does.
    pub(super) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.heavy).acquire_owned().await.ok()?;
        let work = move || {
            // Held until the work is done, and not only while somebody waits
            // for it: who asks and goes away asks no more at once.
            let done = work();
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work).await.ok().flatten()
    }

    /// The share of stale reads that is accepted of a case; read anew each time,
    /// as `quarrel review` may have changed it.
    pub(super) fn accepts(&self, case: &str) -> Option<f64> {
        Policy::read(self.policy.as_ref()?).ok()?.stale_rate(case)
    }

    /// The report of a run. One that is kept waits for nobody's turn.
    pub(super) async fn report(self: &Arc<Self>, folder: RunFolder) -> Option<String> {
        if let Some(text) = self.pages.kept(&folder) {
            return Some(text);
        }
        let shelf = Arc::clone(self);
        self.heavy(move || shelf.pages.of(&folder, report)).await
    }

    /// The run of exactly this name. A name is looked for among those that
    /// are there, so that it cannot lead elsewhere.
    pub(super) fn run(&self, name: &str) -> Option<RunFolder> {
        list_all_runs(&self.root).into_iter().find(|run| run.name == name)
    }

    /// The names of the matrices' folders, oldest first.
    pub(super) fn matrices(&self) -> Vec<String> {
        let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
        list_matrices(&self.root).into_iter().filter_map(name).collect()
    }

    /// The folder of the matrix of exactly this name, looked for as runs are.
    pub(super) fn matrix(&self, name: &str) -> Option<PathBuf> {
        self.matrices().iter().find(|known| *known == name).map(|name| self.root.join(name))
    }

    /// Every run, newest first. Their folders are read by a thread that may wait
    /// for the disk.
    pub(super) async fn entries(self: &Arc<Self>) -> Vec<Entry> {
        let shelf = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || shelf.read_entries());
        read.await.expect("reading the folders of runs does not panic, and nobody stops it")
    }

    fn read_entries(&self) -> Vec<Entry> {
        let states = states(&self.root, &self.lines()).into_iter();
        let entry = |(folder, state): (RunFolder, RunState)| {
            let matrix = folder.matrix(&self.root);
            Entry { folder, state, matrix, is_new: false }
        };
        let mut entries: Vec<_> = states.map(entry).collect();
        let mut known: HashSet<(String, String), FxBuildHasher> = HashSet::default();
        for entry in &mut entries {
            let cause = entry.line().cause.clone();
            entry.is_new = !cause.is_empty() && known.insert((entry.case(), cause));
        }
        entries.reverse();
        entries
    }

    /// What became of a run, by its own folder, whatever the index says of it.
    pub(super) async fn state(run: &RunFolder) -> RunState {
        let run = run.clone();
        let read = tokio::task::spawn_blocking(move || RunState::of(&run, None));
        read.await.expect("reading a run's folder does not panic, and nobody stops it")
    }

    /// What stands beside a run.
    pub(super) async fn neighbours(self: &Arc<Self>, run: &RunFolder) -> Neighbours {
        let entries = self.entries().await;
        let Some(at) = entries.iter().position(|entry| entry.folder.name == run.name) else {
            return Neighbours::default();
        };
        let called = |entry: &Entry| entry.folder.name.clone();
        let case = entries[at].case();
        let mut before = entries[at + 1..].iter();
        Neighbours {
            previous: entries.get(at + 1).map(called),
            next: at.checked_sub(1).map(|at| called(&entries[at])),
            same_case: before
                .find(|entry| entry.state.is_judged() && entry.case() == case)
                .map(called),
        }
    }

    /// The index, read again if it is not what it was. Nobody waits here for
    /// somebody else who reads the states of runs.
    fn lines(&self) -> Arc<Lines> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let meta = fs::metadata(self.root.join("index.jsonl")).ok();
        let size = meta.as_ref().map_or(0, fs::Metadata::len);
        let changed = meta.and_then(|meta| meta.modified().ok());
        if let Some(read) =
            index.as_ref().filter(|read| (read.size, read.changed) == (size, changed))
        {
            return Arc::clone(&read.lines);
        }
        let lines: Arc<Lines> = Arc::new(by_run(read_index(&self.root).unwrap_or_default()));
        *index = Some(Read { size, changed, lines: Arc::clone(&lines) });
        lines
    }

    /// The verdict of a run, if it has one.
    pub(super) fn verdict(run: &RunFolder) -> Option<VerdictFile> {
        let text = run.text(RunFolder::VERDICT).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// The verdict of a run that nobody judged yet, made in memory. Only runs of
/// the plain register can be judged without the catalogue of workloads.
pub(super) fn judged(run: &LoadedRun) -> Option<VerdictFile> {
    let expected = run.settings.expect.parse().ok()?;
    (run.settings.workload == "register").then(|| judge_with(run, expected, Verdict::valid()))
}
