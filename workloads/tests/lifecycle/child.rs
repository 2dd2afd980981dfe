use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{ChildStderr, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `condition` holds; panics, naming it, when it does not.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A copy of quarrel under a name that the engine has no image of: it has to
/// make one, so that a cluster of containers takes seconds to start.
pub(crate) fn unknown_program(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap().to_string_lossy().replace('.', "");
    let program = folder.join(format!("quarrel-{name}"));
    fs::copy(env!("CARGO_BIN_EXE_quarrel"), &program).unwrap();
    program
}

/// A quarrel that runs; it is killed when this is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Receiver<String>,
    said: String,
    descendants: Vec<Process>,
    _results: tempfile::TempDir,
}

/// A quarrel that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) pid: u32,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What it had started when it was last looked at.
    pub(crate) descendants: Vec<Process>,
}

impl Child {
    /// Starts `quarrel run` with results in a folder of its own.
    pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run_of(Path::new(env!("CARGO_BIN_EXE_quarrel")), arguments, variables)
    }

    /// The same of another binary.
    pub(crate) fn run_of(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let results = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .arg("run")
            .args(["--format", "json", "--clients", "8"])
            .env("QUARREL_RESULTS", results.path())
            .envs(variables.iter().copied())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().map(collect);
        let stderr = lines(process.stderr.take().unwrap());
        let (said, descendants) = (String::new(), Vec::new());
        Self { process, stdout, stderr, said, descendants, _results: results }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Reads standard error up to a line that begins so.
    pub(crate) fn until_said(&mut self, beginning: &str) {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no `{beginning}` after: {}", self.said));
            self.said.push_str(&line);
            if line.starts_with(beginning) {
                break;
            }
        }
        self.descendants = Process::descendants(self.pid());
    }

    pub(crate) fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> Finished {
        let mut status = None;
        eventually("quarrel ends", || {
            self.said.extend(self.stderr.try_iter());
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        // What the pipe still holds; it ends with the last of its writers.
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
            self.said.push_str(&line);
        }
        Finished {
            pid: self.process.id(),
            code: status.and_then(|status| status.code()),
            stdout: self.stdout.take().map(|stdout| stdout.join().unwrap()).unwrap_or_default(),
            stderr: std::mem::take(&mut self.said),
            descendants: std::mem::take(&mut self.descendants),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // That it has ended already is the usual case.
        drop(self.process.kill());
    }
}

impl Finished {
    /// The verdict that it printed.
    pub(crate) fn verdict(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line + "\n").is_err() {
                break;
            }
        }
    });
    receiver
}

fn collect(mut stdout: ChildStdout) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text
    })
}

/// A process, told from a later one with the same id by when it started.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    start: String,
}

impl Process {
    fn descendants(of: u32) -> Vec<Self> {
        let Ok(tasks) = fs::read_dir(format!("/proc/{of}/task")) else { return Vec::new() };
        let children: Vec<u32> = tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|text| {
                text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
            })
            .collect();
        let own = children.iter().filter_map(|pid| Some(Self { pid: *pid, start: start(*pid)? }));
        let own: Vec<Self> = own.collect();
        own.into_iter().chain(children.iter().flat_map(|pid| Self::descendants(*pid))).collect()
    }

    pub(crate) fn runs(&self) -> bool {
        start(self.pid).is_some_and(|start| start == self.start)
    }
}

/// When a process that is no zombie started.
fn start(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    (!fields.starts_with('Z')).then(|| fields.split(' ').nth(19).map(str::to_owned))?
}
