use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;

use super::{FileError, is_inside, lock::Locked, open_inside, text_inside, write_inside};

/// Where a run is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    /// The folder.
    pub path: PathBuf,
    /// Its name: `20261123T080000Z-cache-aside-9f3a`.
    pub name: String,
    /// The last part of its name, by which people refer to it.
    pub id: String,
}

/// A run that is not there, or that could be several.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// None fits.
    #[error("no run `{asked}` in {}; `quarrel list` shows what there is", root.display())]
    NoSuchRun {
        /// What was asked for.
        asked: String,
        /// Where.
        root: PathBuf,
    },
    /// Several fit.
    #[error("`{asked}` could be {}", matches.join(" or "))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Which fit.
        matches: Vec<String>,
    },
}

impl RunFolder {
    /// The file with what a run was asked to do. A folder with it is a run.
    pub const SETTINGS: &str = "run.toml";
    /// The file with what its clients saw.
    pub const HISTORY: &str = "history.jsonl.zst";
    /// The file with the faults that struck.
    pub const RECEIPTS: &str = "faults.jsonl";
    /// The file with what its stores held when they were looked at.
    pub const PROBES: &str = "probes.jsonl";
    /// The file with what came of it.
    pub const VERDICT: &str = "verdict.json";
    /// The file with what it ran on.
    pub const ENVIRONMENT: &str = "env.json";
    /// The page for a person.
    pub const REPORT: &str = "report.html";
    /// The file with the few steps that tell an anomaly, in the anomaly's own
    /// folder.
    pub const TIMELINE: &str = "timeline.txt";

    /// Makes a new folder for a run of `subject`. It never takes one that is
    /// there.
    ///
    /// # Errors
    ///
    /// When the system says no.
    pub fn create(root: &Path, subject: &str, began: Timestamp) -> Result<Self, FileError> {
        fs::create_dir_all(root).map_err(FileError::io(root))?;
        let time = began.strftime("%Y%m%dT%H%M%SZ");
        // Two that begin at once get ids of their own.
        let _locked = Locked::wait_for(root)?;
        let entries = fs::read_dir(root).map_err(FileError::io(root))?.flatten();
        let names: Vec<_> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let id = loop {
            let id = format!("{:04x}", rand::random::<u16>());
            if !names.iter().any(|name| name.rsplit('-').next() == Some(&id)) {
                break id;
            }
        };
        let name = format!("{time}-{subject}-{id}");
        let path = root.join(&name);
        fs::create_dir(&path).map_err(FileError::io(&path))?;
        Ok(Self { path, name, id })
    }

    /// What a command must be told to find the run: its id in the folder where results are looked for by default, else the path.
    #[must_use]
    pub fn called(&self) -> String {
        if self.path.parent() == Some(Path::new(DEFAULT_RESULTS)) {
            return self.id.clone();
        }
        self.path.display().to_string()
    }

    /// Takes the run for as long as the returned value lives: whoever lists it
    /// sees that it goes on.
    pub(crate) fn hold(&self) -> Result<Locked, FileError> {
        Locked::wait_for(&self.path)
    }

    /// A file of the run.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file of the run to read it. The folder may be a stranger's: only
    /// a regular file of its own is opened, through no link.
    ///
    /// # Errors
    ///
    /// When there is none, or it is something else.
    pub fn open(&self, name: &str) -> io::Result<File> {
        open_inside(&self.path, name)
    }

    /// The text of a file of the run, opened as [`RunFolder::open`] does.
    ///
    /// # Errors
    ///
    /// When it is not there, is something else, is no text or has more than
    /// 64 MB.
    pub fn text(&self, name: &str) -> io::Result<String> {
        text_inside(&self.path, name)
    }

    /// Writes a file of the run, and the folders that it lies in. The folder may
    /// be a stranger's: no part of the name that is a link is followed. Nobody
    /// ever sees half of the file.
    ///
    /// # Errors
    ///
    /// When the system says no, or a part of the name is a link.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FileError> {
        self.write_with(name, |file| file.write_all(text.as_bytes()))
    }

    /// The same for what is written bit by bit.
    ///
    /// # Errors
    ///
    /// As [`RunFolder::write`], and what `fill` returns.
    pub fn write_with(
        &self,
        name: &str,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), FileError> {
        write_inside(&self.path, name, fill).map_err(FileError::io(&self.file(name)))
    }

    /// Changes the text of a file of the run, which is empty if there is none, as
    /// `change` says. No other process changes a file of this run meanwhile in
    /// this way: the folder in which runs lie is locked, as the run itself is
    /// held by its own storm for as long as that goes on.
    ///
    /// # Errors
    ///
    /// When what is there cannot be read (it stays as it is), `change` refuses,
    /// or as [`RunFolder::write`].
    pub fn change(
        &self,
        name: &str,
        change: impl FnOnce(&str) -> io::Result<String>,
    ) -> Result<(), FileError> {
        let beside = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _locked = Locked::wait_for(beside.unwrap_or(Path::new(".")))?;
        let path = self.file(name);
        let told = FileError::io(&path);
        let text = match self.text(name) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(told(error)),
        };
        let changed = change(&text).map_err(told)?;
        self.write(name, &changed)
    }

    /// Whether it has this file, and it is its own.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        is_inside(&self.path, name)
    }

    /// Whether the run came to its end and everything was written.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.has("COMPLETE")
    }

    /// By what lists are in order: names tell seconds; of the same second the
    /// one that began first is first.
    pub(super) fn rank(&self) -> (String, Option<SystemTime>, String) {
        let second = self.name.split('-').next().unwrap_or_default();
        (second.to_owned(), self.began(), self.name.clone())
    }

    /// Where it lies in a results folder: its name, or that of a matrix,
    /// `runs` and its name.
    #[must_use]
    pub fn place(&self, root: &Path) -> String {
        let within = self.path.strip_prefix(root).unwrap_or(&self.path);
        within.display().to_string()
    }

    /// The name of the matrix that it belongs to, if it lies in one in `root`.
    #[must_use]
    pub fn matrix(&self, root: &Path) -> Option<String> {
        let runs = self.path.parent().filter(|shelf| *shelf != root)?;
        let matrix = runs.parent().filter(|folder| folder.parent() == Some(root))?;
        Some(matrix.file_name()?.to_str()?.to_owned())
    }

    /// When its settings were written: at its beginning, and never again.
    fn began(&self) -> Option<SystemTime> {
        self.file(RunFolder::SETTINGS).metadata().and_then(|settings| settings.modified()).ok()
    }

    /// The run at `path` in a folder that may be a stranger's, if there is one
    /// and no link leads to it.
    #[must_use]
    pub fn within(folder: &Path, path: &str) -> Option<Self> {
        is_inside(folder, &format!("{path}/run.toml")).then(|| Self::at(folder.join(path)))?
    }

    fn at(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_owned();
        let id = name.rsplit('-').next()?.to_owned();
        // A run's folder has a history from its first moment on.
        is_inside(&path, RunFolder::SETTINGS).then_some(Self { path, name, id })
    }
}

/// Where results are looked for if nothing else is said.
const DEFAULT_RESULTS: &str = "results";

/// Every run in `root`, oldest first; not those of its matrices.
#[must_use]
pub fn list_runs(root: &Path) -> Vec<RunFolder> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut runs: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| RunFolder::at(entry.path()))
        .collect();
    runs.sort_by_cached_key(RunFolder::rank);
    runs
}

/// Where the runs of a results folder lie: in itself, and under `runs` in the
/// folder of each matrix of storms, whether it was ended or not. No link is
/// followed: the folders may be a stranger's.
#[must_use]
pub(super) fn shelves(root: &Path) -> Vec<PathBuf> {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let within = folders
        .map(|entry| entry.path())
        .filter(|folder| !is_inside(folder, RunFolder::SETTINGS))
        .map(|folder| folder.join("runs"))
        .filter(|runs| is_folder(runs));
    let mut shelves: Vec<_> = within.collect();
    shelves.sort();
    shelves.insert(0, root.to_owned());
    shelves
}

/// Every run in `root` and in its matrices, oldest first.
#[must_use]
pub fn list_all_runs(root: &Path) -> Vec<RunFolder> {
    let mut runs: Vec<_> = shelves(root).iter().flat_map(|shelf| list_runs(shelf)).collect();
    runs.sort_by_cached_key(RunFolder::rank);
    runs
}

/// The run that a person means by `asked`: the path of its folder, its name,
/// its id, the beginning of either, or `latest`, which is the last that stands
/// for itself, and in no matrix.
///
/// # Errors
///
/// When none fits, or several do.
pub fn find_run(root: &Path, asked: &str) -> Result<RunFolder, FindError> {
    if let Some(run) = RunFolder::at(PathBuf::from(asked.trim_end_matches('/'))) {
        return Ok(run);
    }
    let none = || FindError::NoSuchRun { asked: asked.to_owned(), root: root.to_owned() };
    if asked == "latest" {
        return list_runs(root).pop().ok_or_else(none);
    }
    let mut runs = list_all_runs(root);
    runs.retain(|run| run.name.starts_with(asked) || run.id.starts_with(asked));
    match runs.len() {
        0 => Err(none()),
        1 => Ok(runs.swap_remove(0)),
        _ => Err(FindError::Ambiguous {
            asked: asked.to_owned(),
            matches: runs.iter().map(|run| run.place(root)).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_run_is_called_so_that_a_command_finds_it() {
        let run = |path: &str| RunFolder::at_any(path).called();
        assert_eq!(run("results/20260301T080000Z-x-9f3a"), "9f3a");
        assert_eq!(run("elsewhere/20260301T080000Z-x-9f3a"), "elsewhere/20260301T080000Z-x-9f3a");
    }

    impl RunFolder {
        fn at_any(path: &str) -> Self {
            let path = PathBuf::from(path);
            Self { path, name: String::new(), id: "9f3a".to_owned() }
        }
    }

    #[test]
    fn the_latest_of_a_second_is_the_one_that_began_last() {
        let root = tempfile::tempdir().unwrap();
        let begin = |name: &str, after: u64| {
            let folder = root.path().join(name);
            fs::create_dir(&folder).unwrap();
            let settings = fs::File::create(folder.join(RunFolder::SETTINGS)).unwrap();
            let began = SystemTime::UNIX_EPOCH + Duration::from_millis(after);
            settings.set_modified(began).unwrap();
        };
        begin("20260301T080000Z-cache-aside-ffff", 100);
        begin("20260301T080000Z-cache-aside-0000", 400);
        assert_eq!(find_run(root.path(), "latest").unwrap().id, "0000");
        begin("20260301T080001Z-aside-8888", 1_000);
        let ids: Vec<_> = list_runs(root.path()).into_iter().map(|run| run.id).collect();
        assert_eq!(ids, ["ffff", "0000", "8888"]);
    }

    #[test]
    fn runs_of_matrices_are_listed_and_found_but_are_not_the_latest() {
        let root = tempfile::tempdir().unwrap();
        let begin = |place: &str| {
            let folder = root.path().join(place);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(RunFolder::SETTINGS), "").unwrap();
        };
        begin("20260301T080000Z-cache-aside-aaaa");
        begin("20260301T080100Z-matrix-7777/runs/20260301T080101Z-outbox-bbbb");
        begin("20260301T080200Z-cache-aside-cccc");
        // The folder of a run is no shelf of others.
        begin("20260301T080200Z-cache-aside-cccc/runs/20260301T080201Z-outbox-dddd");
        // A stranger's link leads out of the folder, and is not followed.
        let other = tempfile::tempdir().unwrap();
        fs::create_dir_all(other.path().join("20260301T080300Z-outbox-eeee")).unwrap();
        let linked = root.path().join("20260301T080250Z-matrix-8888");
        fs::create_dir(&linked).unwrap();
        std::os::unix::fs::symlink(other.path(), linked.join("runs")).unwrap();
        fs::write(other.path().join("20260301T080300Z-outbox-eeee/run.toml"), "").unwrap();

        let ids: Vec<_> = list_all_runs(root.path()).into_iter().map(|run| run.id).collect();
        assert_eq!(ids, ["aaaa", "bbbb", "cccc"]);
        let found = find_run(root.path(), "bbbb").unwrap();
        assert_eq!(found.matrix(root.path()).as_deref(), Some("20260301T080100Z-matrix-7777"));
        assert_eq!(find_run(root.path(), "latest").unwrap().id, "cccc");
        let Err(FindError::Ambiguous { matches, .. }) = find_run(root.path(), "2026") else {
            panic!("three begin so");
        };
        assert_eq!(matches[1], "20260301T080100Z-matrix-7777/runs/20260301T080101Z-outbox-bbbb");
    }
}
