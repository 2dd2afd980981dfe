use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio::time::{Instant, sleep};

use crate::Reaper;

/// A command that runs as a user that Postgres accepts: it refuses root.
pub(super) fn unprivileged(program: impl AsRef<OsStr>) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"])
        .arg(program)
        .current_dir("/");
    command
}

/// Starts a server whose output goes to `log`, in a process group of its own
/// so that Ctrl-C reaches quarrel alone.
pub(super) fn spawn(server: &Command, log: &Path, reaper: &Reaper) -> std::io::Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    let out = log.try_clone()?;
    reaper.spawn(server, |server| server.stdout(out).stderr(log).process_group(0))
}

/// Runs a program to its end, which comes with quarrel's own if that is earlier;
/// what was wrong.
pub(super) fn run(program: &Command, reaper: &Reaper) -> Result<(), String> {
    let name = Path::new(program.get_program()).display();
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let child = reaper
        .spawn(program, |program| program.stdout(Stdio::null()).stderr(Stdio::piped()))
        .map_err(failed)?;
    let Output { status, stderr, .. } = child.wait_with_output().map_err(failed)?;
    match status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&stderr);
            Err(format!("{name}: {status}: {}", why.trim()))
        }
    }
}

/// Sends a signal to a process and all that descend from it: the parent first,
/// so that it starts no new ones meanwhile.
pub(super) fn signal_tree(pid: u32, signal: Signal) {
    signal_one(pid, signal);
    for child in children(pid) {
        signal_tree(child, signal);
    }
}

/// Sends a signal to one process. That it is gone already is fine.
pub(super) fn signal_one(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// Waits until the processes have gone; whether they did within `limit`.
pub(super) async fn gone(pids: &[u32], limit: Duration) -> Result<(), String> {
    let start = Instant::now();
    while let Some(pid) = pids.iter().find(|pid| alive(**pid)) {
        if start.elapsed() > limit {
            return Err(format!("process {pid} is still there after {limit:?}"));
        }
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// A process and its descendants.
pub(super) fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        all.extend(children(pid));
        next += 1;
    }
    all
}

/// Whether a process runs. A zombie, which only waits to be collected, does
/// not.
fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}
