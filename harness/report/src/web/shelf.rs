use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use super::pages::Pages;
use quarrel_checkers::Verdict;
use quarrel_run::{
    judge::judge_with,
    results::{
        Environment, IndexLine, LoadedRun, RunFolder, RunSettings, VerdictFile, list_matrices,
        list_runs, read_index,
    },
};
use rustc_hash::FxBuildHasher;
use tokio::sync::Semaphore;

/// The results folder, with what was read of it last.
pub(super) struct Shelf {
    root: PathBuf,
    index: Mutex<Option<Read>>,
    /// Reports that were made a moment ago.
    pub(super) pages: Pages,
    /// One history at a time: each may take much memory.
    heavy: Arc<Semaphore>,
}

/// The index as it was read, and what the file was like then.
struct Read {
    size: u64,
    changed: Option<SystemTime>,
    lines: HashMap<String, IndexLine, FxBuildHasher>,
}

/// A run in a list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) folder: RunFolder,
    pub(super) line: IndexLine,
}

/// The outcome of a run that has none yet.
pub(super) const UNFINISHED: &str = "unfinished";

impl Shelf {
    pub(super) fn new(root: PathBuf) -> Self {
        let heavy = Arc::new(Semaphore::new(1));
        Self { root, index: Mutex::new(None), pages: Pages::default(), heavy }
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

    /// The run of exactly this name. A name is looked for among those that
    /// are there, so that it cannot lead elsewhere.
    pub(super) fn run(&self, name: &str) -> Option<RunFolder> {
        list_runs(&self.root).into_iter().find(|run| run.name == name)
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

    /// Every run, newest first.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut runs = list_runs(&self.root);
        runs.reverse();
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut index);
        let lines = index.as_ref().map(|read| &read.lines);
        runs.into_iter()
            .map(|folder| {
                let line = lines.and_then(|lines| lines.get(&folder.name)).cloned();
                let line = line.unwrap_or_else(|| not_in_index(&folder));
                Entry { folder, line }
            })
            .collect()
    }

    /// Reads the index again if it is not what it was.
    fn refresh(&self, index: &mut Option<Read>) {
        let meta = fs::metadata(self.root.join("index.jsonl")).ok();
        let size = meta.as_ref().map_or(0, fs::Metadata::len);
        let changed = meta.and_then(|meta| meta.modified().ok());
        let known = index.as_ref().map(|read| (read.size, read.changed));
        if known == Some((size, changed)) {
            return;
        }
        // A run that was judged again stands in it twice: the last counts.
        let lines = read_index(&self.root).unwrap_or_default();
        let lines = lines.into_iter().map(|line| (line.run.clone(), line)).collect();
        *index = Some(Read { size, changed, lines });
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

/// A run that was killed and then judged, or brought here from another
/// machine, has a verdict though the index does not know it.
fn not_in_index(folder: &RunFolder) -> IndexLine {
    match Shelf::verdict(folder) {
        Some(verdict) => IndexLine::of(folder, &verdict),
        None => unfinished(folder),
    }
}

fn unfinished(folder: &RunFolder) -> IndexLine {
    let text = folder.text(RunFolder::SETTINGS).unwrap_or_default();
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
        outcome: UNFINISHED.to_owned(),
        strongest: String::new(),
        stale_reads: 0,
        reads_at_risk: 0,
    }
}
