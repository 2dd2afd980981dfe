use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{ChildStderr, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::lifeline::Lifeline;

/// Longer than anything here takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

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
    lifeline: Option<Lifeline>,
    _results: tempfile::TempDir,
}

/// A quarrel that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) pid: u32,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What is held by everything that it started.
    pub(crate) lifeline: Lifeline,
}

impl Child {
    /// Starts `quarrel run` with results in a folder of its own.
    pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run_of(Path::new(env!("CARGO_BIN_EXE_quarrel")), arguments, variables)
    }

    /// The same of another binary.
    pub(crate) fn run_of(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let results = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command
            .arg("run")
            .args(["--format", "json", "--clients", "8"])
            .env("QUARREL_RESULTS", results.path())
            .envs(variables.iter().copied())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (mut process, lifeline) = Lifeline::spawn(&mut command);
        let stdout = process.stdout.take().map(collect);
        let stderr = lines(process.stderr.take().unwrap());
        Self {
            process,
            stdout,
            stderr,
            said: String::new(),
            lifeline: Some(lifeline),
            _results: results,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it has started so many processes, without a pause, so that it
    /// has no time to do anything with the last.
    pub(super) fn until_children(&mut self, count: usize) {
        let mut seen = BTreeSet::new();
        let tasks = format!("/proc/{}/task", self.pid());
        self.until(Duration::ZERO, &format!("{count} children"), |_| {
            for task in fs::read_dir(&tasks).into_iter().flatten().flatten() {
                let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                seen.extend(list.split_whitespace().map(str::to_owned));
            }
            seen.len() >= count
        });
    }

    /// Waits until something holds of the process with this number: looks whenever
    /// it has said something, and after each `pause` in which it has not. What it
    /// says meanwhile is not [waited for](Self::until_said) again.
    pub(crate) fn until(
        &mut self,
        pause: Duration,
        what: &str,
        mut holds: impl FnMut(u32) -> bool,
    ) {
        let begin = Instant::now();
        while !holds(self.pid()) {
            assert!(begin.elapsed() < PATIENCE, "no {what} after: {}", self.said);
            match self.stderr.recv_timeout(pause) {
                Ok(line) => self.said.push_str(&line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without {what} after: {}", self.said)
                }
            }
        }
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
    }

    pub(crate) fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended: it says no more then.
    pub(crate) fn wait(mut self) -> Finished {
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on after: {}", self.said),
            }
        }
        Finished {
            pid: self.process.id(),
            code: self.process.wait().unwrap().code(),
            stdout: self.stdout.take().map(|stdout| stdout.join().unwrap()).unwrap_or_default(),
            stderr: std::mem::take(&mut self.said),
            lifeline: self.lifeline.take().expect("it waits once"),
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
