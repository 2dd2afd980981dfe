//! A run of which everything that is an application's was left out, in a folder
//! of its own. Whatever is made of a run (its page, its trace, its races, what
//! `serve` shows) is made of such a folder as of any other, and can show no more
//! than is in it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use quarrel_checkers::{CompactHistory, Step, Time};
use quarrel_strategy::record::{Commit, Record};

use super::{
    super::{
        Environment, FileError, LoadedRun, MOST_BYTES, Phases, RunFolder, line, read_json_lines,
        write_json, write_json_lines, write_text,
    },
    Veil,
};

/// A run could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// There is something already.
    #[error("{} exists; name another folder", .0.display())]
    Exists(PathBuf),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// How many logs of servers a run has at most.
const LOGS: usize = 64;

/// Copies a run into `root`, under its own name, without what is an
/// application's. What can be made anew is not copied.
///
/// Kept are times, keys, versions, log positions, numbers that clients of the
/// run wrote (quarrel chose them), and the names of the strategy or application,
/// of its workload and of its faults.
///
/// # Errors
///
/// When such a folder exists, or the system says no.
pub fn redacted_copy(run: &LoadedRun, root: &Path) -> Result<RunFolder, RedactError> {
    let path = root.join(&run.folder.name);
    fs::create_dir_all(root).map_err(FileError::io(root))?;
    match fs::create_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(RedactError::Exists(path));
        }
        made => made.map_err(FileError::io(&path))?,
    }
    let folder = RunFolder { path, ..run.folder.clone() };
    let mut veil = Veil::of(&run.settings);
    veil.learn(&run.history);
    let copied = Copier { veil, from: run, to: &folder }.copy();
    if let Err(error) = copied {
        // Half a copy would stand in the way of the next; the error says why.
        drop(fs::remove_dir_all(&folder.path));
        return Err(error.into());
    }
    Ok(folder)
}

struct Copier<'a> {
    veil: Veil,
    from: &'a LoadedRun,
    to: &'a RunFolder,
}

impl Copier<'_> {
    fn copy(mut self) -> Result<(), FileError> {
        let LoadedRun { folder, settings, history, truncated: _, receipts, probes, failure } =
            self.from;
        let settings = self.veil.settings(settings);
        let text = toml::to_string(&settings).expect("settings were read from such a file");
        write_text(&self.to.file(RunFolder::SETTINGS), &text)?;
        self.history(history)?;
        let receipts: Vec<_> = receipts.iter().map(|receipt| self.veil.receipt(receipt)).collect();
        write_json_lines(&self.to.file(RunFolder::RECEIPTS), &receipts)?;
        let probes: Vec<_> = probes.iter().map(|probe| self.veil.probe(probe)).collect();
        write_json_lines(&self.to.file(RunFolder::PROBES), &probes)?;
        let commits = read_json_lines::<Commit>(&folder.file(Commit::FILE))?;
        if !commits.is_empty() {
            let commits: Vec<_> = commits.iter().map(|commit| self.veil.commit(commit)).collect();
            write_json_lines(&self.to.file(Commit::FILE), &commits)?;
        }
        if let Some(failure) = failure {
            write_json(&self.to.file(LoadedRun::FAILURE), &self.veil.failure(failure))?;
        }
        let environment = self.veil.environment(Environment::of(folder));
        write_json(&self.to.file(RunFolder::ENVIRONMENT), &environment)?;
        if let Some(phases) = Phases::of(folder) {
            write_json(&self.to.file(Phases::FILE), &phases)?;
        }
        self.logs()?;
        write_text(&self.to.file(Veil::FILE), Veil::note())
    }

    /// Writes the history in order of time, as a journal does.
    fn history(&mut self, history: &CompactHistory) -> Result<(), FileError> {
        let path = self.to.file(RunFolder::HISTORY);
        let file = File::create_new(&path).map_err(FileError::io(&path))?;
        let mut stream = zstd::stream::Encoder::new(file, 1).map_err(FileError::io(&path))?;
        let mut lines = Vec::new();
        let mut steps = history.steps().peekable();
        for event in history.events() {
            while let Some(step) = steps.next_if(|step| ended(step) <= event.time) {
                line::append(&Record::Step(self.veil.step(&step)), &mut lines);
            }
            line::append(&Record::Event(self.veil.event(&event)), &mut lines);
            stream.write_all(&lines).map_err(FileError::io(&path))?;
            lines.clear();
        }
        for step in steps {
            line::append(&Record::Step(self.veil.step(&step)), &mut lines);
        }
        if self.from.truncated {
            // A line without its end: the copy breaks off where the run did.
            lines.push(b'{');
        }
        stream
            .write_all(&lines)
            .and_then(|()| stream.finish())
            .and_then(|file| file.sync_data())
            .map_err(FileError::io(&path))
    }

    fn logs(&mut self) -> Result<(), FileError> {
        let Ok(entries) = fs::read_dir(self.from.folder.file("logs")) else { return Ok(()) };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.take(LOGS).collect();
        names.sort_unstable();
        for name in names {
            let Ok(text) = self.log(&name) else { continue };
            let shown = self.veil.text(&text);
            self.to.write(&format!("logs/{}", self.veil.text(&name)), &shown)?;
        }
        Ok(())
    }

    fn log(&self, name: &str) -> io::Result<String> {
        use io::Read as _;
        let file = self.from.folder.open(&format!("logs/{name}"))?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// When a step is written into a journal: at its end.
fn ended(step: &Step) -> Time {
    step.end.unwrap_or(step.start)
}
