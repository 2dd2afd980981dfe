//! Instances as processes: started, watched, and ended with all that they
//! started.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use quarrel_cluster::Reaper;
use rustix::process::{Pid, Signal, kill_process_group};

use super::wait::{Patience, Wait};

/// How long an instance may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// A running command, with the group of all that it started.
#[derive(Debug)]
pub(super) struct Process {
    group: Pid,
    child: Mutex<Child>,
    /// What it says.
    pub(super) log: PathBuf,
}

/// A shell command in a group of its own, so that Ctrl-C reaches quarrel
/// alone, and so that all it starts can be ended. It begins when a line comes
/// in, and never if there is none.
pub(super) fn shell(command: &str, folder: &Path, env: &[(String, String)]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "read -r _ && exec sh -c \"$1\"", "sh", command]);
    shell.current_dir(folder).process_group(0);
    shell.envs(env.iter().map(|(name, value)| (name, value)));
    shell
}

impl Process {
    /// Starts it with its output in `log`; `wires` says what becomes of its
    /// input and output if they carry requests.
    pub(super) fn start(
        mut command: Command,
        log: PathBuf,
        wires: Wires,
        reaper: &Reaper,
    ) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(&log)?;
        match wires {
            Wires::None => command.stdout(file.try_clone()?),
            Wires::Piped => command.stdout(Stdio::piped()),
        };
        let mut child = command.stdin(Stdio::piped()).stderr(file).spawn()?;
        reaper.watch_group(child.id());
        // Not before: whoever kills quarrel at this moment leaves a shell that
        // waits for a line, finds that none will come, and ends.
        if let Some(stdin) = &mut child.stdin {
            stdin.write_all(b"\n")?;
        }
        if wires == Wires::None {
            child.stdin = None;
        }
        let group = Pid::from_child(&child);
        Ok(Self { group, child: Mutex::new(child), log })
    }

    /// The pipes of a process that was started with [`Wires::Piped`]; once.
    pub(super) fn pipes(&self) -> Option<(std::process::ChildStdin, std::process::ChildStdout)> {
        let mut child = self.child();
        Some((child.stdin.take()?, child.stdout.take()?))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<String> {
        self.child().try_wait().ok().flatten().map(said)
    }

    /// Kills it and all that it started, without a chance to finish anything.
    pub(super) fn kill(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child().wait();
    }

    /// How it ended, if it does within this time.
    pub(super) async fn ends_within(&self, within: Duration) -> Option<String> {
        let wait = Wait::begin(Patience { within, every: POLL });
        loop {
            let ended = self.ended();
            if ended.is_some() || !wait.again().await {
                return ended;
            }
        }
    }

    /// Ends it: asks, and after a while insists.
    pub(super) async fn end(&self) {
        let _ = kill_process_group(self.group, Signal::TERM);
        self.ends_within(GRACE).await;
        self.kill();
    }

    /// The last lines of what it said, without where in its source it was: the
    /// reason stands above the frames in some languages, and below in others.
    pub(super) fn last_words(&self) -> String {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let is_frame = |line: &str| {
            let rest = line.trim_start();
            rest.len() < line.len() && ["at ", "from "].iter().any(|word| rest.starts_with(word))
        };
        let lines: Vec<&str> =
            said.lines().filter(|line| !line.trim().is_empty() && !is_frame(line)).collect();
        let last = &lines[lines.len().saturating_sub(8)..];
        last.iter().fold(String::new(), |text, line| text + "\n    | " + line)
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What becomes of a process's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wires {
    /// Nothing comes in; output goes to the log.
    None,
    /// They carry requests and answers.
    Piped,
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
