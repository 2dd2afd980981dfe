//! What a run on real servers says, and that nothing of it stays behind,
//! however it ends. The same for every kind of cluster.

mod appears;
mod child;
mod held;
mod lifeline;

use std::{fs, path::Path, process::Command, thread};

use appears::{Appears, folders};
pub(crate) use child::{Child, Finished, unknown_program};
pub(crate) use held::Held;
use rustix::process::Signal;
use serde_json::Value;

/// A kind of cluster under test.
pub(crate) struct Kind {
    /// As `--cluster` has it.
    pub(crate) name: &'static str,
    /// What there is on this machine, outside the file system, of the cluster
    /// of the quarrel with this process id.
    pub(crate) traces: fn(u32) -> Vec<String>,
}

const REPLICA_LAG: [&str; 6] =
    ["cache-aside", "--fault", "replica-lag", "--time", "3s", "--seed=7"];

impl Kind {
    /// A strategy that refills its cache from a lagging replica is convicted of
    /// just that.
    pub(crate) fn convicts_cache_aside(&self) {
        let finished = self.run(&REPLICA_LAG).wait();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let verdict = finished.verdict();
        assert_eq!(verdict["outcome"], "violated");
        assert_eq!(verdict["cluster"], self.name);
        let causes: Vec<&Value> =
            verdict["anomalies"].as_array().unwrap().iter().map(|a| &a["cause"]).collect();
        assert!(causes.iter().any(|cause| **cause == "replica-lag-refill"), "{causes:?}");
        self.leaves_nothing(&finished);
    }

    /// The control: one that never caches is acquitted under the same fault.
    pub(crate) fn acquits_primary_only(&self) {
        let arguments = ["primary-only", "--fault", "replica-lag", "--time", "3s", "--seed=7"];
        let finished = self.run(&arguments).wait();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert_eq!(finished.verdict()["outcome"], "held");
        self.leaves_nothing(&finished);
    }

    /// Two at once do not see each other.
    pub(crate) fn runs_two_side_by_side(&self) {
        let both = [self.run(&REPLICA_LAG), self.run(&REPLICA_LAG)];
        for child in both {
            let finished = child.wait();
            assert_eq!(finished.code, Some(1), "{finished:?}");
            self.leaves_nothing(&finished);
        }
    }

    /// A failure once the cluster is up is exit 4, and takes the cluster down.
    pub(crate) fn cleans_up_after_a_failure(&self) {
        let nowhere = ["primary-only", "--time", "3s", "--results", "/dev/null/results"];
        let finished = self.run(&nowhere).wait();
        assert_eq!(finished.code, Some(4), "{finished:?}");
        self.leaves_nothing(&finished);
    }

    /// A panic is exit 70, and takes the cluster down. This one happens when the
    /// run is judged, before its cluster would be taken down.
    pub(crate) fn cleans_up_after_a_panic(&self) {
        let quarrel = Path::new(env!("CARGO_BIN_EXE_quarrel"));
        let panics = quarrel.with_file_name("examples").join("panics");
        assert!(panics.is_file(), "first: cargo build -p quarrel-workloads --example panics");
        let arguments =
            ["--cluster", self.name, "primary-only", "--time", "1s", "--workload", "panics"];
        let finished = Child::run_of(&panics, &arguments, &[]).wait();
        assert_eq!(finished.code, Some(70), "{finished:?}");
        assert!(finished.stderr.contains("this check panics"), "{finished:?}");
        self.leaves_nothing(&finished);
    }

    /// A signal ends the run early; what there is, is judged and saved.
    pub(crate) fn stops_cleanly_at(&self, signal: Signal) {
        let mut child = self.run(&["primary-only", "--time", "60s", "--seed=7"]);
        child.until_said("storm:");
        child.send(signal);
        let finished = child.wait();
        assert!(matches!(finished.code, Some(0 | 3)), "{finished:?}");
        assert_eq!(finished.verdict()["strategy"], "primary-only");
        self.leaves_nothing(&finished);
    }

    /// A signal while the cluster starts.
    pub(crate) fn stops_cleanly_while_it_starts(&self) {
        let folder = tempfile::tempdir().unwrap();
        let child = self.starting(&folder);
        child.send(Signal::INT);
        let finished = child.wait();
        assert_eq!(finished.code, Some(130), "{finished:?}");
        self.leaves_nothing(&finished);
    }

    /// Nobody can be killed too hard to clean up.
    pub(crate) fn cleans_up_after_kill_9(&self) {
        let mut child = self.run(&["cache-aside", "--time", "60s"]);
        child.until_said("storm:");
        assert!(!self.all_traces(child.pid()).is_empty(), "the traces would show a cluster");
        child.send(Signal::KILL);
        self.leaves_nothing(&child.wait());
    }

    /// The same while the cluster starts.
    pub(crate) fn cleans_up_after_kill_9_while_it_starts(&self) {
        let folder = tempfile::tempdir().unwrap();
        let child = self.starting(&folder);
        child.send(Signal::KILL);
        self.leaves_nothing(&child.wait());
    }

    /// The same in the moment in which it has started its first process, its
    /// second, and so on up to `children`, who may not be known yet to whoever
    /// cleans up.
    pub(crate) fn cleans_up_after_kill_9_at_each_child(&self, children: usize) {
        let run = ["primary-only", "--time", "60s"];
        // The moment is short, and often missed.
        for _ in 0..4 {
            let killed = thread::scope(|scope| {
                let kill = |at: usize| {
                    let mut child = self.run(&run);
                    child.until_children(at);
                    child.send(Signal::KILL);
                    child.wait()
                };
                let threads: Vec<_> =
                    (1..=children).map(|at| scope.spawn(move || kill(at))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            killed.iter().for_each(|finished| self.leaves_nothing(finished));
        }
    }

    /// A run whose cluster has begun to start, and is not there yet.
    fn starting(&self, folder: &tempfile::TempDir) -> Child {
        let run = ["--cluster", self.name, "primary-only", "--time", "60s"];
        let appears = Appears::watch();
        let child = Child::run_of(&unknown_program(folder.path()), &run, &[]);
        appears.until(&beginning(child.pid()));
        assert!(!self.all_traces(child.pid()).is_empty(), "the traces would show a cluster");
        child
    }

    /// `quarrel cluster up` leaves a cluster up, on which others can run, and
    /// `down` takes it down.
    pub(crate) fn stays_up_until_told(&self) {
        let held = Held::up(self.name);
        assert!(!self.all_traces(held.pid).is_empty(), "the traces would show a cluster");
        let [primary, replica, cache] = ["primary", "replica", "cache"].map(|part| held.url(part));
        let guest = ["--cluster", "external", "--primary", primary, "--replica", replica];
        let run = ["--cache", cache, "primary-only", "--time", "1s"];
        let finished = Child::run(&[&guest[..], &run].concat(), &[]).wait();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(held.down().status.success());
        assert_eq!(held.status(), serde_json::json!([]));
        assert_eq!(self.all_traces(held.pid), [""; 0]);
    }

    /// Starts a run on this kind of cluster.
    fn run(&self, arguments: &[&str]) -> Child {
        Child::run(&[&["--cluster", self.name], arguments].concat(), &[])
    }

    /// Every process that it started ends, and leaves nothing of its cluster and
    /// its folders.
    pub(crate) fn leaves_nothing(&self, finished: &Finished) {
        finished.lifeline.ends();
        assert_eq!(self.all_traces(finished.pid), [""; 0]);
    }

    fn all_traces(&self, pid: u32) -> Vec<String> {
        let mut all = (self.traces)(pid);
        let ours = beginning(pid);
        for folder in folders() {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            let paths = entries.flatten().map(|entry| entry.path().display().to_string());
            all.extend(paths.filter(|path| path.contains(&ours)));
        }
        all
    }
}

/// What the names of the folders of a quarrel begin with.
fn beginning(pid: u32) -> String {
    format!("quarrel-{pid}-")
}

/// Whether this machine can run this kind of cluster, as `probe` shows. Where
/// `CI` is set it must.
pub(crate) fn possible(kind: &str, probe: &mut Command) -> bool {
    let failure = match probe.output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("CI").is_none(), "CI must be able to run {kind}: {failure}");
    eprintln!("skipped: this machine has no {kind}: {failure}");
    false
}
